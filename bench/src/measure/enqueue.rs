//! Enqueues without a server: one at a time from many tasks, and in bulk.
//!
//! What runs the jobs afterwards, so that their rows can be counted, is `drain`.

use legwork_sqlite::Synchronous;

use crate::lab::{Lab, Reading, Site, Stretch};
use crate::measure::drain::drain;
use crate::sample::Percentiles;
use crate::workload::{Note, enqueue_singly};

/// Sixteen callers, each awaiting its own job.
pub(crate) const SINGLE_16: &str = "enqueue, 16 callers, one job per call";
/// Sixty-four callers, each awaiting its own job.
pub(crate) const SINGLE_64: &str = "enqueue, 64 callers, one job per call";
/// One caller with many jobs per call.
pub(crate) const BULK: &str = "enqueue_all, one caller";

pub(crate) async fn run(lab: &Lab) -> anyhow::Result<Vec<Reading>> {
    let mut readings = Vec::new();
    for (what, callers, n) in
        [(SINGLE_16, 16, lab.size.n_single / 4), (SINGLE_64, 64, lab.size.n_single)]
    {
        let site = lab.site(Synchronous::Full).await?;
        readings.push(singly(&site, what, callers, n).await?);
        settle(site, n).await?;
    }
    let site = lab.site(Synchronous::Full).await?;
    readings.push(bulk(&site, lab.size.n_bulk).await?);
    settle(site, lab.size.n_bulk).await?;
    Ok(readings)
}

/// Enqueues one at a time.
pub(crate) async fn singly(
    site: &Site,
    what: &'static str,
    callers: usize,
    n: u64,
) -> anyhow::Result<Reading> {
    let stretch = Stretch::begin();
    let times = enqueue_singly(&site.jobs, callers, n).await?;
    Ok(stretch.end(what, n).with_times(Percentiles::of(times)))
}

/// Enqueues all with one call.
pub(crate) async fn bulk(site: &Site, n: u64) -> anyhow::Result<Reading> {
    let stretch = Stretch::begin();
    let enqueued = site.jobs.enqueue_all((0..n).map(Note::new)).await?;
    let reading = stretch.end(BULK, n);
    anyhow::ensure!(enqueued.iter().all(legwork_core::Enqueued::is_new), "an id was given twice");
    Ok(reading)
}

/// Runs what was enqueued, to see that it is there once.
async fn settle(site: Site, n: u64) -> anyhow::Result<()> {
    drain(&site, "", n).await?;
    site.finish(n).await
}
