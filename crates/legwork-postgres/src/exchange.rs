//! Finishing and claiming in one transaction, and as a rule in one round trip.

use legwork_core::storage::{Exchange, Exchanged};

use crate::claim::{self, Wanted};
use crate::error::Result;
use crate::finish::finish;
use crate::tx::Tx;

/// Finishes runs, then claims jobs.
pub(crate) async fn exchange(tx: &mut Tx, exchange: &Exchange) -> Result<Exchanged> {
    if exchange.finish.is_empty() {
        // A claim that the power takes away is a claim that never was.
        tx.relax();
    }
    let wanted = match &exchange.claim {
        Some(claim) => Wanted::new(tx, exchange.server, claim).await?,
        None => None,
    };
    let finished = finish(tx, exchange.server, &exchange.finish).await?;
    let claimed = match wanted {
        Some(wanted) => claim::claim(tx, wanted).await?,
        None => Vec::new(),
    };
    Ok(Exchanged { finished, claimed })
}
