//! Finishing and claiming in one transaction.
//!
//! The exchanger of a server calls it; the halves are in [`crate::finish`] and [`crate::claim`].
//! Runs are finished first, so that what they make claimable can be claimed by the same call.

use legwork_core::storage::{Exchange, Exchanged};

use crate::claim::claim;
use crate::error::Result;
use crate::finish::finish;
use crate::write::Write;

/// Finishes runs, then claims jobs.
pub(crate) fn exchange(w: &mut Write<'_>, exchange: &Exchange) -> Result<Exchanged> {
    let finished = finish(w, exchange.server, &exchange.finish)?;
    let claimed = match &exchange.claim {
        Some(wish) => claim(w, exchange.server, wish)?,
        None => Vec::new(),
    };
    Ok(Exchanged { finished, claimed })
}
