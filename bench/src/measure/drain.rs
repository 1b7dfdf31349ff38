//! A server with a handler that does nothing empties a backlog.
//!
//! The clock runs from the start of the server to the end of its stop, so that every outcome is
//! recorded within it.

use anyhow::ensure;

use crate::lab::{Lab, Reading, Site};
use crate::measure::enqueue;
use crate::options::Subject;
use crate::workload::{App, WORKERS, enqueue_singly, server};

/// The jobs had been enqueued one at a time.
pub(crate) const SINGLE: &str = "drain, 50 workers, enqueued one at a time";
/// The jobs had been enqueued with one call.
pub(crate) const BULK: &str = "drain, 50 workers, enqueued in bulk";
/// The same with twice as many workers.
pub(crate) const HUNDRED: &str = "drain, 100 workers, enqueued in bulk";

pub(crate) async fn run(lab: &Lab) -> anyhow::Result<Vec<Reading>> {
    let site = lab.site().await?;
    let n = lab.size.n_single;
    enqueue_singly(&site.jobs, 64, n).await?;
    let mut readings = vec![drain(&site, SINGLE, (WORKERS, n)).await?];
    site.finish(n).await?;

    readings.push(bulk(lab, BULK, WORKERS).await?);
    if lab.subject() == Subject::Postgres {
        readings.push(bulk(lab, HUNDRED, 2 * WORKERS).await?);
    }
    Ok(readings)
}

async fn bulk(lab: &Lab, what: &'static str, workers: usize) -> anyhow::Result<Reading> {
    let site = lab.site().await?;
    let n = lab.size.n_bulk;
    enqueue::bulk(&site, n).await?;
    let reading = drain(&site, what, (workers, n)).await?;
    site.finish(n).await?;
    Ok(reading)
}

/// Runs the `n` jobs that wait.
pub(crate) async fn drain(
    site: &Site<'_>,
    what: &'static str,
    (workers, n): (usize, u64),
) -> anyhow::Result<Reading> {
    let app = App::expecting(n);
    let stretch = site.lab.begin().await?;
    let server = server(&site.jobs, workers).start(app.clone()).await?;
    app.all_started().await?;
    let report = server.stop().await;
    let reading = stretch.end(what, n).await?;
    ensure!(report.clean && report.released == 0, "the server did not end in order: {report:?}");
    Ok(reading)
}
