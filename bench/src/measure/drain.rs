//! A server of 50 workers with a handler that does nothing empties a backlog.
//!
//! The clock runs from the start of the server to the end of its stop, so that every outcome is
//! recorded within it.

use anyhow::ensure;
use legwork_sqlite::Synchronous;

use crate::lab::{Lab, Reading, Site, Stretch};
use crate::measure::enqueue;
use crate::workload::{App, enqueue_singly, server};

/// The jobs had been enqueued one at a time.
pub(crate) const SINGLE: &str = "drain, 50 workers, enqueued one at a time";
/// The jobs had been enqueued with one call.
pub(crate) const BULK: &str = "drain, 50 workers, enqueued in bulk";

pub(crate) async fn run(lab: &Lab) -> anyhow::Result<Vec<Reading>> {
    let site = lab.site(Synchronous::Full).await?;
    let n = lab.size.n_single;
    enqueue_singly(&site.jobs, 64, n).await?;
    let single = drain(&site, SINGLE, n).await?;
    site.finish(n).await?;

    let site = lab.site(Synchronous::Full).await?;
    let n = lab.size.n_bulk;
    enqueue::bulk(&site, n).await?;
    let bulk = drain(&site, BULK, n).await?;
    site.finish(n).await?;
    Ok(vec![single, bulk])
}

/// Runs the `n` jobs that wait.
pub(crate) async fn drain(site: &Site, what: &'static str, n: u64) -> anyhow::Result<Reading> {
    let app = App::expecting(n);
    let stretch = Stretch::begin();
    let server = server(&site.jobs).start(app.clone()).await?;
    app.all_started().await?;
    let report = server.stop().await;
    let reading = stretch.end(what, n);
    ensure!(report.clean && report.released == 0, "the server did not end in order: {report:?}");
    Ok(reading)
}
