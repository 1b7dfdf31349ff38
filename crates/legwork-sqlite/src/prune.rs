//! Removing what has been final for long enough, in bounded steps.
//!
//! The pruner of every server calls it in its idle moments. A parent of a job that is still
//! awaiting is never removed. [`remove`] is also how an operator deletes a job.

use std::time::Duration;

use legwork_core::JobState;
use legwork_core::storage::{JobOptions, Pruned, Retention};

use crate::error::Result;
use crate::lease;
use crate::query::{find, list, sql};
use crate::stat::MINUTE;
use crate::write::Write;

/// How long a server that has gone is listed.
pub(crate) const SERVER_KEPT: Duration = Duration::from_hours(24);

/// How long the sums of a minute are kept: the longest series of the dashboard, and some.
const STATS_KEPT: Duration = Duration::from_hours(40 * 24);

/// Removes up to `max` jobs that are past their time.
pub(crate) fn prune(w: &mut Write<'_>, (retention, max): &(Retention, usize)) -> Result<Pruned> {
    let states = [
        (sql!("prune_succeeded"), JobState::Succeeded),
        (sql!("prune_cancelled"), JobState::Cancelled),
        (sql!("prune_failed"), JobState::Failed),
    ];
    let mut pruned = Pruned::default();
    let mut removed = Vec::new();
    let mut left = i64::try_from(*max).unwrap_or(i64::MAX - 1);
    for (statement, state) in states {
        let Some(kept) = retention.of(state) else {
            continue;
        };
        let before = w.now.before(kept).as_micros();
        // One more than may be removed tells whether there is more.
        let ids = list(w.db, statement, (before, left + 1), |row| row.get::<_, i64>(0))?;
        for id in ids {
            if left == 0 {
                pruned.more = true;
                break;
            }
            remove(w, id)?;
            removed.push(id);
            left -= 1;
            pruned.jobs += 1;
        }
    }
    lease::forget(w, &removed)?;
    prune_the_rest(w)?;
    Ok(pruned)
}

fn prune_the_rest(w: &mut Write<'_>) -> Result<()> {
    let before = w.now.before(SERVER_KEPT).as_micros();
    w.execute(sql!("prune_servers"), [before])?;
    let minute = w.now.before(STATS_KEPT).as_micros() / MINUTE;
    w.execute(sql!("prune_stats"), [minute])?;
    Ok(())
}

/// Removes a job that is in no place, with everything that belongs to it.
///
/// The caller strikes it from the leases too, with [`lease::forget`].
pub(crate) fn remove(w: &mut Write<'_>, id: i64) -> Result<()> {
    let options: Option<Option<Vec<u8>>> = find(w.db, sql!("job_options"), [id], |row| {
        Ok(row.get_ref(0)?.as_bytes_or_null()?.map(<[u8]>::to_vec))
    })?;
    if let Some(Some(json)) = options {
        remove_extras(w, id, &json)?;
    }
    for statement in [
        sql!("delete_job"),
        sql!("delete_outcomes"),
        sql!("delete_events"),
        sql!("result_remove"),
        sql!("delete_progress"),
        sql!("delete_as_child"),
        sql!("delete_as_parent"),
    ] {
        w.execute(statement, [id])?;
    }
    Ok(())
}

/// Removes what only some jobs have. Damaged options leave a label behind, which finds nothing.
fn remove_extras(w: &mut Write<'_>, id: i64, options: &[u8]) -> Result<()> {
    let options: JobOptions = serde_json::from_slice(options).unwrap_or_default();
    for tag in &options.tags {
        w.execute(sql!("delete_tag"), (tag.as_str(), id))?;
    }
    Ok(())
}
