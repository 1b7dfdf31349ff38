//! Removing what has been final for long enough, in bounded steps.
//!
//! The pruner of every server calls it in its idle moments; one of them works, the others go. A
//! parent of a job that is still awaiting is never removed: jobs are locked, and looked at once
//! more, so that nothing can come to depend on them meanwhile. [`remove`] is also how an operator
//! deletes a job.

use std::collections::HashSet;
use std::time::Duration;

use legwork_core::JobState;
use legwork_core::storage::{JobOptions, Pruned, Retention};

use crate::bind::{At, get, params};
use crate::error::Result;
use crate::lease;
use crate::statement::sql;
use crate::tx::Tx;

/// How long a server that has gone is listed.
pub(crate) const SERVER_KEPT: Duration = Duration::from_hours(24);

/// How long the sums of a minute are kept: the longest series of the dashboard, and some.
const STATS_KEPT: Duration = Duration::from_hours(40 * 24);

/// How many rows one call adds up: a tenth of a second of work at most.
const SUMS_MAX: i64 = 20_000;

/// Removes up to `max` jobs that are past their time.
pub(crate) async fn prune(tx: &mut Tx, (retention, max): &(Retention, usize)) -> Result<Pruned> {
    let row = tx.row(sql!("prune_alone"), params![]).await?;
    let alone: bool = row.map_or(Ok(false), |row| get(&row, 0))?;
    if !alone {
        return Ok(Pruned::default());
    }
    let max = i64::try_from(*max).unwrap_or(i64::MAX - 1);
    let mut past = past_their_time(tx, retention, max).await?;
    let bound = usize::try_from(max).unwrap_or(usize::MAX);
    let more = past.len() > bound;
    past.truncate(bound);
    let ids = lock(tx, past).await?;
    let n = ids.len();
    lease::forget(tx, &ids).await?;
    remove(tx, ids).await?;
    let more_sums = prune_the_rest(tx).await?;
    // What others have locked is left to a later call, not waited for in a circle.
    let more = (more && n > 0) || more_sums;
    Ok(Pruned { jobs: u64::try_from(n).unwrap_or(u64::MAX), more })
}

/// Lists jobs past their time, with their last runs: one more than `max` where there are more.
async fn past_their_time(tx: &mut Tx, retention: &Retention, max: i64) -> Result<Vec<(i64, i32)>> {
    let states = [
        (sql!("prune_succeeded"), JobState::Succeeded),
        (sql!("prune_cancelled"), JobState::Cancelled),
        (sql!("prune_failed"), JobState::Failed),
    ];
    let now = tx.now().await?;
    let mut past = Vec::new();
    for (statement, state) in states {
        let n = i64::try_from(past.len()).unwrap_or(i64::MAX);
        let left = max.saturating_add(1).saturating_sub(n);
        let Some(kept) = retention.of(state).filter(|_| left > 0) else {
            continue;
        };
        for row in &tx.rows(statement, params![At(now.before(kept)), left]).await? {
            past.push((get(row, 0)?, get(row, 1)?));
        }
    }
    Ok(past)
}

/// Locks jobs against whoever would use them; returns those that may go.
async fn lock(tx: &mut Tx, past: Vec<(i64, i32)>) -> Result<Vec<i64>> {
    if past.is_empty() {
        return Ok(Vec::new());
    }
    let (ids, runs): (Vec<_>, Vec<_>) = past.into_iter().unzip();
    let rows = tx.rows(sql!("prune_lock"), params![ids.clone()]).await?;
    let locked: HashSet<i64> = rows.iter().map(|row| get(row, 0)).collect::<Result<_>>()?;
    let locked: Vec<bool> = ids.iter().map(|id| locked.contains(id)).collect();
    let rows = tx.rows(sql!("prune_check"), params![ids, runs, locked]).await?;
    rows.iter().map(|row| get(row, 0)).collect()
}

/// Sees to sums and servers; `true` when there is more to add up.
async fn prune_the_rest(tx: &mut Tx) -> Result<bool> {
    let now = tx.now().await?;
    tx.send(sql!("prune_servers"), params![At(now.before(SERVER_KEPT))]).await?;
    tx.send(sql!("prune_stats"), params![At(now.before(STATS_KEPT))]).await?;
    let row = tx.row(sql!("prune_sums"), params![tx.at(), SUMS_MAX]).await?;
    let n: i64 = row.map_or(Ok(0), |row| get(&row, 0))?;
    Ok(n >= SUMS_MAX)
}

/// Removes jobs that are in no place, with everything that belongs to them.
///
/// The caller strikes them from the leases first, with [`lease::forget`].
pub(crate) async fn remove(tx: &mut Tx, ids: Vec<i64>) -> Result<()> {
    if ids.is_empty() {
        return Ok(());
    }
    let rows = tx.rows(sql!("delete_job"), params![ids.clone()]).await?;
    let (mut tags, mut tagged) = (Vec::new(), Vec::new());
    for row in &rows {
        let id: i64 = get(row, 0)?;
        for tag in labels(get(row, 1)?) {
            tags.push(tag);
            tagged.push(id);
        }
    }
    if !tags.is_empty() {
        tx.send(sql!("delete_tag"), params![tags, tagged]).await?;
    }
    for statement in [
        sql!("delete_outcomes"),
        sql!("delete_events"),
        sql!("result_remove"),
        sql!("delete_progress"),
        sql!("delete_as_child"),
        sql!("delete_as_parent"),
    ] {
        tx.send(statement, params![ids.clone()]).await?;
    }
    Ok(())
}

/// Reads the labels of a job. Damaged options leave a label behind, which finds nothing.
fn labels(options: &str) -> Vec<String> {
    let options: JobOptions = serde_json::from_str(options).unwrap_or_default();
    options.tags.iter().map(|tag| tag.as_str().to_owned()).collect()
}
