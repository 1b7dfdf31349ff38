//! Counts, queues, servers, recurring jobs and throughput.
//!
//! The overview of the dashboard calls it once a second at most: every count stops at a bound.

use std::time::Duration;

use legwork_core::inspect::{
    COUNT_MAX, Count, Counts, POINTS_MAX, QueueView, RecurringView, ServerView, Throughput,
};
use legwork_core::{Actor, QueueName, Timestamp};
use rusqlite::Connection;

use super::detail::state_of;
use crate::error::Result;
use crate::prune::SERVER_KEPT;
use crate::query::{find, list, sql};
use crate::recurring::read_jobs;
use crate::stat::MINUTE;

fn count(db: &Connection, statement: &str) -> Result<Count> {
    let limit = i64::try_from(COUNT_MAX + 1).unwrap_or(i64::MAX);
    let n: Option<i64> = find(db, statement, [limit], |row| row.get(0))?;
    Ok(Count::bounded(number(n.unwrap_or_default())))
}

fn exact(db: &Connection, statement: &str) -> Result<Count> {
    let n: Option<i64> = find(db, statement, [], |row| row.get(0))?;
    Ok(Count::exact(number(n.unwrap_or_default())))
}

fn number(n: i64) -> u64 {
    u64::try_from(n).unwrap_or_default()
}

/// Counts the jobs in each state.
pub(super) fn counts(db: &Connection) -> Result<Counts> {
    Ok(Counts {
        awaiting: count(db, sql!("inspect_count_awaiting"))?,
        scheduled: count(db, sql!("inspect_count_scheduled"))?,
        retries: count(db, sql!("inspect_count_retries"))?,
        enqueued: count(db, sql!("inspect_count_enqueued"))?,
        processing: exact(db, sql!("inspect_count_processing"))?,
        succeeded: count(db, sql!("inspect_count_succeeded"))?,
        failed: count(db, sql!("inspect_count_failed"))?,
        cancelled: count(db, sql!("inspect_count_cancelled"))?,
        recurring: count(db, sql!("inspect_count_recurring"))?,
        servers: exact(db, sql!("inspect_count_servers"))?,
    })
}

/// Lists the recurring jobs.
pub(super) fn recurring(db: &Connection) -> Result<Vec<RecurringView>> {
    let jobs = read_jobs(db, sql!("inspect_recurring"), [])?;
    let mut views = Vec::with_capacity(jobs.len());
    for job in jobs {
        let last_state = match job.last_job {
            Some(id) => state_of(db, id.get())?,
            None => None,
        };
        views.push(RecurringView { job, last_state });
    }
    Ok(views)
}

/// Lists the servers.
pub(super) fn servers(db: &Connection, now: Timestamp) -> Result<Vec<ServerView>> {
    let since = now.before(SERVER_KEPT).as_micros();
    let rows = list(db, sql!("inspect_servers"), [since], |row| {
        let Ok(info) = serde_json::from_str(&row.get::<_, String>(0)?) else {
            return Ok(None);
        };
        Ok(Some(ServerView {
            info,
            started_at: Timestamp::from_micros(row.get(1)?),
            beat_at: Timestamp::from_micros(row.get(2)?),
            gone_at: row.get::<_, Option<i64>>(3)?.map(Timestamp::from_micros),
            processing: number(row.get(4)?),
        }))
    })?;
    Ok(rows.into_iter().flatten().collect())
}

/// A queue as its row tells it.
struct Queue {
    id: i64,
    name: String,
    paused: Option<(Actor, Timestamp)>,
}

/// Lists the queues.
pub(super) fn queues(db: &Connection) -> Result<Vec<QueueView>> {
    let rows = list(db, sql!("inspect_queues"), [], |row| {
        let at: Option<i64> = row.get(2)?;
        let actor: Option<String> = row.get(3)?;
        let paused = at.map(|at| {
            let actor = actor.and_then(|json| serde_json::from_str(&json).ok());
            (actor.unwrap_or_else(|| Actor::new("unknown")), Timestamp::from_micros(at))
        });
        Ok(Queue { id: row.get(0)?, name: row.get(1)?, paused })
    })?;
    let oldest = oldest(db)?;
    let limit = i64::try_from(COUNT_MAX + 1).unwrap_or(i64::MAX);
    let mut views = Vec::with_capacity(rows.len());
    for Queue { id, name, paused } in rows {
        let Ok(name) = QueueName::new(&name) else {
            continue;
        };
        let depth: Option<i64> =
            find(db, sql!("inspect_queue_depth"), (id, limit), |row| row.get(0))?;
        let oldest_at = oldest.iter().filter(|(queue, _)| *queue == id).map(|(_, at)| *at).min();
        views.push(QueueView {
            name,
            enqueued: Count::bounded(number(depth.unwrap_or_default())),
            oldest_at: oldest_at.map(Timestamp::from_micros),
            paused,
        });
    }
    Ok(views)
}

/// Reads the age of the oldest of the first tickets of each group: queue and instant.
fn oldest(db: &Connection) -> Result<Vec<(i64, i64)>> {
    let mut all = Vec::new();
    let mut last = (i64::MIN, i64::MIN, i64::MIN);
    while let Some(next) = find(db, sql!("inspect_groups"), last, |row| {
        Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, row.get::<_, i64>(2)?))
    })? {
        last = next;
        let at: Option<Option<i64>> =
            find(db, sql!("inspect_queue_oldest"), next, |row| row.get(0))?;
        all.extend(at.flatten().map(|at| (next.0, at)));
    }
    Ok(all)
}

/// Sums the runs that ended in each step before now.
pub(super) fn throughput(
    db: &Connection,
    now: Timestamp,
    step: Duration,
    points: usize,
) -> Result<Vec<Throughput>> {
    let points = std::cmp::min(points, POINTS_MAX);
    let minutes = step.as_secs().div_ceil(60);
    let minutes = i64::try_from(minutes).unwrap_or(i64::MAX / POINTS_MAX_I64 / MINUTE);
    let minutes = minutes.clamp(1, i64::MAX / POINTS_MAX_I64 / MINUTE);
    // Steps lie on the clock: two reads a minute apart show the same bars.
    let last_step = now.as_micros() / MINUTE / minutes;
    let n = i64::try_from(points).unwrap_or(POINTS_MAX_I64);
    let first_step = last_step - n + 1;
    let mut series: Vec<Throughput> = (first_step..=last_step)
        .map(|step| Throughput {
            at: Timestamp::from_micros(step.saturating_mul(minutes * MINUTE)),
            succeeded: 0,
            failed: 0,
            retried: 0,
        })
        .collect();
    let span = (first_step.saturating_mul(minutes), (last_step + 1).saturating_mul(minutes) - 1);
    let sums = list(db, sql!("inspect_throughput"), span, |row| {
        Ok((row.get::<_, i64>(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
    })?;
    for (minute, succeeded, failed, retried) in sums {
        let at = usize::try_from(minute / minutes - first_step).unwrap_or(usize::MAX);
        if let Some(point) = series.get_mut(at) {
            point.succeeded += number(succeeded);
            point.failed += number(failed);
            point.retried += number(retried);
        }
    }
    Ok(series)
}

/// [`POINTS_MAX`] as the type of minutes.
const POINTS_MAX_I64: i64 = 1_440;
