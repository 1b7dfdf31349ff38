//! Making due jobs claimable, in the order of their due times.
//!
//! The promoter of every server calls it, in bounded steps; none of them leads, and none waits for
//! what another takes. It also settles the children whose parents ended unseen.

use std::time::Duration;

use legwork_core::storage::Promoted;

use crate::bind::{get, instant, params};
use crate::children::settle;
use crate::error::Result;
use crate::statement::sql;
use crate::tx::Tx;

/// Makes up to `max` due jobs claimable.
pub(crate) async fn promote(tx: &mut Tx, max: &usize) -> Result<Promoted> {
    let limit = i64::try_from(*max).unwrap_or(i64::MAX);
    let mut jobs = 0;
    if let Some(row) = tx.row(sql!("promote"), params![tx.at(), limit]).await? {
        jobs = get::<i64>(&row, 0)?.unsigned_abs();
        for job in get::<Option<Vec<i64>>>(&row, 1)?.unwrap_or_default() {
            tracing::error!(job, "a scheduled job is not stored");
        }
    }
    if jobs > 0 {
        tx.wake = true;
        tx.ground.numbers.forget();
    }
    settle(tx).await?;
    Ok(Promoted { jobs, next_in: next_in(tx).await? })
}

async fn next_in(tx: &mut Tx) -> Result<Option<Duration>> {
    let Some(row) = tx.row(sql!("promote_next"), params![tx.at()]).await? else {
        return Ok(None);
    };
    Ok(Some(instant(&row, 0)?.since(instant(&row, 1)?)))
}
