//! Making due jobs claimable, in the order of their due times.
//!
//! The promoter of every server calls it, in bounded steps; none of them leads.

use std::time::Duration;

use legwork_core::Timestamp;
use legwork_core::storage::Promoted;

use crate::error::Result;
use crate::marker::{Home, Marker};
use crate::query::{find, list, sql};
use crate::ready;
use crate::write::Write;

/// Makes up to `max` due jobs claimable.
pub(crate) fn promote(w: &mut Write<'_>, max: usize) -> Result<Promoted> {
    let limit = i64::try_from(max).unwrap_or(i64::MAX);
    let due = list(w.db, sql!("promote"), (w.now.as_micros(), limit), |row| {
        let run_at: i64 = row.get(0)?;
        let marker = Marker {
            id: row.get(1)?,
            run: row.get(2)?,
            failures: row.get(3)?,
            losses: row.get(4)?,
        };
        let queue: Option<i64> = row.get(5)?;
        let home = match queue {
            Some(queue) => Some(Home { queue, kind: row.get(6)?, priority: row.get(7)? }),
            None => None,
        };
        Ok((run_at, marker, home))
    })?;
    let mut jobs = 0;
    for (run_at, marker, home) in due {
        w.execute(sql!("due_remove"), (run_at, marker.id))?;
        if let Some(home) = home {
            ready::enter(w, home, marker)?;
            jobs += 1;
        } else {
            tracing::error!(job = marker.id, "a scheduled job is not stored");
        }
    }
    Ok(Promoted { jobs, next_in: next_in(w)? })
}

fn next_in(w: &Write<'_>) -> Result<Option<Duration>> {
    let next: Option<i64> = find(w.db, sql!("promote_next"), [], |row| row.get(0))?;
    Ok(next.map(|at| Timestamp::from_micros(at).since(w.now)))
}
