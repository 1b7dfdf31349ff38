//! Sixty-four callers enqueue one job at a time, each awaiting its own, while a server runs them.
//!
//! Goal S2: what group commit makes of calls that would each cost a commit of their own.

use anyhow::ensure;
use legwork_sqlite::Synchronous;

use crate::lab::{Lab, Reading, Stretch};
use crate::sample::Percentiles;
use crate::workload::{App, enqueue_singly, server};

/// With the default settings.
pub(crate) const FULL: &str = "enqueue and run, 64 callers";
/// With `synchronous=NORMAL`.
pub(crate) const NORMAL: &str = "enqueue and run, 64 callers, NORMAL";

pub(crate) async fn run(lab: &Lab) -> anyhow::Result<Vec<Reading>> {
    let full = live(lab, FULL, Synchronous::Full).await?;
    let normal = live(lab, NORMAL, Synchronous::Normal).await?;
    Ok(vec![full, normal])
}

async fn live(lab: &Lab, what: &'static str, synchronous: Synchronous) -> anyhow::Result<Reading> {
    let n = lab.size.n_single;
    let site = lab.site(synchronous).await?;
    let app = App::expecting(n);
    let server = server(&site.jobs).start(app.clone()).await?;
    let stretch = Stretch::begin();
    let times = enqueue_singly(&site.jobs, 64, n).await?;
    app.all_started().await?;
    let report = server.stop().await;
    let reading = stretch.end(what, n).with_times(Percentiles::of(times));
    ensure!(report.clean && report.released == 0, "the server did not end in order: {report:?}");
    site.finish(n).await?;
    Ok(reading)
}
