//! How long a job waits from the call that enqueues it in this process to the start of its handler
//! in another one: idle, and at half of what the two can do.
//!
//! Goals P5 and P11. Both processes stamp with the clock of this machine.

use std::time::Duration;

use anyhow::ensure;

use crate::crew::Crew;
use crate::lab::{Lab, Reading, Site};
use crate::machine::wall_micros;
use crate::measure::enqueue::settle;
use crate::sample::Percentiles;
use crate::workload::{WARM_UP, WORKERS, enqueue_singly, offer};

/// A hundred jobs a second: each finds nothing to do.
pub(crate) const IDLE: &str = "pick-up, 2 processes, 100 jobs/s";
/// A thousand jobs a second.
pub(crate) const FAST: &str = "pick-up, 2 processes, 1,000 jobs/s";
/// What two processes can do when 64 callers enqueue one job per call.
pub(crate) const LIMIT: &str = "2 processes, 64 callers";
/// Half of that.
pub(crate) const HALF: &str = "pick-up, 2 processes, 50 % load";
/// Nobody listens.
pub(crate) const UNHEARD: &str = "enqueue, 32 callers, nobody listens";
/// Another process listens, and finds nothing to do whenever it is woken.
pub(crate) const HEARD: &str = "enqueue, 32 callers, a process listens";

pub(crate) async fn run(lab: &Lab) -> anyhow::Result<Vec<Reading>> {
    let mut readings = vec![at_rate(lab, IDLE, 100.0).await?, at_rate(lab, FAST, 1_000.0).await?];
    let limit = limit(lab).await?;
    readings.push(at_rate(lab, HALF, limit.rate / 2.0).await?);
    readings.push(limit);
    readings.push(notified(lab, UNHEARD, false).await?);
    readings.push(notified(lab, HEARD, true).await?);
    Ok(readings)
}

/// Starts a process that runs the jobs of a site.
async fn worker(site: &Site<'_>, workers: usize, n_timed: u64) -> anyhow::Result<Crew> {
    let args = ["worker".to_owned(), site.address()?, workers.to_string(), n_timed.to_string()];
    let mut crew = Crew::start(1, &args).await?;
    crew.tell("go").await?;
    crew.each("running").await?;
    Ok(crew)
}

async fn stop(mut crew: Crew) -> anyhow::Result<Vec<i64>> {
    crew.tell("stop").await?;
    let starts = crew.each("starts").await?.concat();
    crew.each("done").await?;
    crew.end().await?;
    Ok(starts.split_whitespace().map(str::parse).collect::<Result<_, _>>()?)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a number of jobs is far below 2^52, and positive"
)]
async fn at_rate(lab: &Lab, what: &'static str, per_sec: f64) -> anyhow::Result<Reading> {
    let n = WARM_UP + (lab.size.pickup.as_secs_f64() * per_sec) as u64;
    let site = lab.site().await?;
    let mut crew = worker(&site, WORKERS, n).await?;
    let stretch = lab.begin().await?;
    let called_at = offer(&site.jobs, n, per_sec).await?;
    crew.all_started(n).await?;
    let reading = stretch.end(what, n).await?;
    let called_at: Vec<i64> = called_at.into_iter().map(wall_micros).collect();
    let started_at = stop(crew).await?;
    ensure!(started_at.len() == called_at.len(), "{} of {n} were timed", started_at.len());
    let waits = started_at.iter().zip(&called_at).map(|(started, called)| {
        Duration::from_micros(u64::try_from(started - called).unwrap_or_default())
    });
    let waits = waits.skip(usize::try_from(WARM_UP)?).collect();
    site.finish(n).await?;
    // This process only enqueues: its CPU time is not that of the whole way.
    Ok(Reading { cpu_secs: None, ..reading }.with_times(Percentiles::of(waits)))
}

async fn limit(lab: &Lab) -> anyhow::Result<Reading> {
    let n = lab.size.n_single;
    let site = lab.site().await?;
    let mut crew = worker(&site, WORKERS, 0).await?;
    let stretch = lab.begin().await?;
    let times = enqueue_singly(&site.jobs, 64, n).await?;
    crew.all_started(n).await?;
    let reading = stretch.end(LIMIT, n).await?.with_times(Percentiles::of(times));
    stop(crew).await?;
    site.finish(n).await?;
    Ok(Reading { cpu_secs: None, ..reading })
}

async fn notified(lab: &Lab, what: &'static str, heard: bool) -> anyhow::Result<Reading> {
    let n = lab.size.n_single;
    let site = lab.site().await?;
    let crew = if heard { Some(worker(&site, 0, 0).await?) } else { None };
    let stretch = lab.begin().await?;
    let times = enqueue_singly(&site.jobs, 32, n).await?;
    let reading = stretch.end(what, n).await?.with_times(Percentiles::of(times));
    if let Some(crew) = crew {
        stop(crew).await?;
    }
    settle(site, n).await?;
    Ok(reading)
}
