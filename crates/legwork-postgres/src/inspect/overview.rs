//! Counts, queues, servers, recurring jobs and throughput.
//!
//! The overview of the dashboard calls it once a second at most: every count stops at a bound.

use std::time::Duration;

use legwork_core::inspect::{
    COUNT_MAX, Count, Counts, POINTS_MAX, QueueView, RecurringView, ServerView, Throughput,
};
use legwork_core::{Actor, Error, JobId, QueueName, Timestamp};
use tokio_postgres::Row;

use super::detail::states;
use crate::bind::{At, get, instant, instant_or_none, params};
use crate::error::Result;
use crate::recurring::read_jobs;
use crate::statement::sql;
use crate::tx::Tx;

/// How far is counted.
fn limit() -> i64 {
    i64::try_from(COUNT_MAX + 1).unwrap_or(i64::MAX)
}

fn number(row: &Row, column: usize) -> Result<u64> {
    get::<i64>(row, column).map(|n| u64::try_from(n).unwrap_or_default())
}

/// Counts the jobs in each state.
pub(super) async fn counts(tx: &mut Tx) -> Result<Counts> {
    let row = tx.row(sql!("inspect_counts"), params![limit()]).await?;
    let row = row.ok_or_else(|| Error::corrupt("no counts"))?;
    let bounded = |column| number(&row, column).map(Count::bounded);
    let exact = |column| number(&row, column).map(Count::exact);
    Ok(Counts {
        awaiting: bounded(0)?,
        scheduled: bounded(1)?,
        retries: bounded(2)?,
        enqueued: bounded(3)?,
        processing: exact(4)?,
        succeeded: bounded(5)?,
        failed: bounded(6)?,
        cancelled: bounded(7)?,
        recurring: bounded(8)?,
        servers: exact(9)?,
    })
}

/// Lists the recurring jobs.
pub(super) async fn recurring(tx: &mut Tx) -> Result<Vec<RecurringView>> {
    let jobs = read_jobs(tx, sql!("inspect_recurring"), params![]).await?;
    let last = jobs.iter().filter_map(|job| job.last_job).map(JobId::get).collect();
    let states = states(tx, last).await?;
    let view = |job: legwork_core::storage::RecurringJob| {
        let last_state = job.last_job.and_then(|id| states.get(&id.get()).copied());
        RecurringView { job, last_state }
    };
    Ok(jobs.into_iter().map(view).collect())
}

/// Lists the servers; one whose description is damaged is passed over.
pub(super) async fn servers(tx: &mut Tx) -> Result<Vec<ServerView>> {
    let now = tx.at();
    let mut views = Vec::new();
    for row in &tx.rows(sql!("inspect_servers"), params![now]).await? {
        let info: Option<String> = get(row, 0)?;
        let Some(info) = info.and_then(|json| serde_json::from_str(&json).ok()) else {
            continue;
        };
        views.push(ServerView {
            info,
            started_at: instant(row, 1)?,
            beat_at: instant(row, 2)?,
            gone_at: instant_or_none(row, 3)?,
            processing: number(row, 4)?,
        });
    }
    Ok(views)
}

/// Lists the queues.
pub(super) async fn queues(tx: &mut Tx) -> Result<Vec<QueueView>> {
    let mut views = Vec::new();
    for row in &tx.rows(sql!("inspect_queues"), params![limit()]).await? {
        let Ok(name) = QueueName::new(get::<String>(row, 0)?) else {
            continue;
        };
        let actor: Option<String> = get(row, 2)?;
        let paused = instant_or_none(row, 1)?.map(|at| {
            let actor = actor.and_then(|json| serde_json::from_str(&json).ok());
            (actor.unwrap_or_else(|| Actor::new("unknown")), at)
        });
        views.push(QueueView {
            name,
            enqueued: Count::bounded(number(row, 3)?),
            oldest_at: instant_or_none(row, 4)?,
            paused,
        });
    }
    Ok(views)
}

/// A minute in microseconds.
const MINUTE: i64 = 60_000_000;

/// [`POINTS_MAX`] as the type of minutes.
const POINTS_MAX_I64: i64 = 1_440;

/// Sums the runs that ended in each step before now.
pub(super) async fn throughput(
    tx: &mut Tx,
    step: Duration,
    points: usize,
) -> Result<Vec<Throughput>> {
    let points = std::cmp::min(points, POINTS_MAX);
    let minutes = i64::try_from(step.as_secs().div_ceil(60)).unwrap_or(i64::MAX);
    let step = minutes.clamp(1, i64::MAX / POINTS_MAX_I64 / MINUTE) * MINUTE;
    // Steps lie on the clock: two reads a minute apart show the same bars.
    let last = tx.now().await?.as_micros() / step;
    let first = last - i64::try_from(points).unwrap_or(POINTS_MAX_I64) + 1;
    let start = |nth: i64| Timestamp::from_micros(nth.saturating_mul(step));
    let point = |nth| Throughput { at: start(nth), succeeded: 0, failed: 0, retried: 0 };
    let mut series: Vec<Throughput> = (first..=last).map(point).collect();
    let span = params![At(start(std::cmp::max(first, 0))), At(start(last + 1))];
    for row in &tx.rows(sql!("inspect_throughput"), span).await? {
        let nth = instant(row, 0)?.as_micros() / step - first;
        let point = usize::try_from(nth).ok().and_then(|nth| series.get_mut(nth));
        if let Some(point) = point {
            point.succeeded += number(row, 1)?;
            point.failed += number(row, 2)?;
            point.retried += number(row, 3)?;
        }
    }
    Ok(series)
}
