//! Enqueues without a server: one at a time from many tasks, and in bulk.
//!
//! What runs the jobs afterwards, so that their rows can be counted, is `drain`.

use anyhow::ensure;

use crate::lab::{Lab, Reading, Site};
use crate::measure::drain::drain;
use crate::options::Subject;
use crate::sample::Percentiles;
use crate::workload::{Note, WORKERS, enqueue_in_calls, enqueue_singly};

/// Sixteen callers, each awaiting its own job.
pub(crate) const SINGLE_16: &str = "enqueue, 16 callers, one job per call";
/// Sixty-four callers, each awaiting its own job.
pub(crate) const SINGLE_64: &str = "enqueue, 64 callers, one job per call";
/// Five hundred and twelve callers, each awaiting its own job.
pub(crate) const SINGLE_512: &str = "enqueue, 512 callers, one job per call";
/// Two callers with as many jobs per call as the yardstick has per transaction.
pub(crate) const BULK_500: &str = "enqueue_all, 2 callers, 500 jobs per call";
/// One caller with many jobs per call.
pub(crate) const BULK: &str = "enqueue_all, one caller";

pub(crate) async fn run(lab: &Lab) -> anyhow::Result<Vec<Reading>> {
    let mut readings = Vec::new();
    let (n_single, n_bulk) = (lab.size.n_single, lab.size.n_bulk);
    for (what, callers, n) in [(SINGLE_16, 16, n_single / 4), (SINGLE_64, 64, n_single)] {
        readings.push(singly(lab, what, callers, n).await?);
    }
    if lab.subject() == Subject::Postgres {
        readings.push(singly(lab, SINGLE_512, 512, n_bulk / 2).await?);
        readings.push(in_calls(lab, BULK_500, n_bulk).await?);
    }
    let site = lab.site().await?;
    readings.push(bulk(&site, n_bulk).await?);
    settle(site, n_bulk).await?;
    Ok(readings)
}

async fn singly(lab: &Lab, what: &'static str, callers: usize, n: u64) -> anyhow::Result<Reading> {
    let site = lab.site().await?;
    let stretch = lab.begin().await?;
    let times = enqueue_singly(&site.jobs, callers, n).await?;
    let reading = stretch.end(what, n).await?.with_times(Percentiles::of(times));
    settle(site, n).await?;
    Ok(reading)
}

async fn in_calls(lab: &Lab, what: &'static str, n: u64) -> anyhow::Result<Reading> {
    let site = lab.site().await?;
    let stretch = lab.begin().await?;
    let times = enqueue_in_calls(&site.jobs, (2, 500), n).await?;
    let reading = stretch.end(what, n).await?.with_times(Percentiles::of(times));
    settle(site, n).await?;
    Ok(reading)
}

/// Enqueues all with one call.
pub(crate) async fn bulk(site: &Site<'_>, n: u64) -> anyhow::Result<Reading> {
    let stretch = site.lab.begin().await?;
    let enqueued = site.jobs.enqueue_all((0..n).map(Note::new)).await?;
    let reading = stretch.end(BULK, n).await?;
    ensure!(enqueued.iter().all(legwork_core::Enqueued::is_new), "an id was given twice");
    Ok(reading)
}

/// Runs what was enqueued, to see that it is there once.
pub(crate) async fn settle(site: Site<'_>, n: u64) -> anyhow::Result<()> {
    drain(&site, "", (WORKERS, n)).await?;
    site.finish(n).await
}
