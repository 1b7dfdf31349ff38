//! What a job costs the server in statements and transactions.
//!
//! It is measured apart from the rates, because counting statements costs time. The counters are
//! read after the connections were closed: a server process adds what it has counted late.

use anyhow::ensure;

use crate::lab::{Lab, Reading};
use crate::measure::drain::drain;
use crate::measure::enqueue::bulk;
use crate::measure::live::{LOAD_64, LOAD_64_X_50, LOAD_512, Load};
use crate::workload::{App, WORKERS, server};

/// Sixty-four callers with one job per call.
pub(crate) const SINGLE: &str = "counted: 64 callers";
/// Five hundred and twelve callers with one job per call.
pub(crate) const MANY: &str = "counted: 512 callers";
/// Sixty-four callers with fifty jobs per call.
pub(crate) const FIFTY: &str = "counted: 64 callers x 50 jobs";
/// A backlog that was enqueued in bulk.
pub(crate) const DRAIN: &str = "counted: enqueued in bulk, then drained";

pub(crate) async fn run(lab: &Lab) -> anyhow::Result<Vec<Reading>> {
    let mut readings = Vec::new();
    let all = [
        (SINGLE, Some(LOAD_64), lab.size.n_single / 2),
        (MANY, Some(LOAD_512), lab.size.n_bulk / 4),
        (FIFTY, Some(LOAD_64_X_50), lab.size.n_bulk / 2),
        (DRAIN, None, lab.size.n_bulk / 2),
    ];
    for (what, load, n) in all {
        readings.push(counted(lab, what, (load, n)).await?);
    }
    Ok(readings)
}

async fn counted(
    lab: &Lab,
    what: &'static str,
    (load, n): (Option<Load>, u64),
) -> anyhow::Result<Reading> {
    let server = lab.postgres()?;
    // The tables are made before anything is counted.
    let site = lab.site().await?;
    let database = site.database()?.to_owned();
    server.count_statements(&database).await?;
    let site = site.reopened().await?;
    let before = (server.statements(&database).await?, server.transactions(&database).await?);
    let stretch = lab.begin().await?;
    if let Some(load) = load {
        live(&site, load, n).await?;
    } else {
        bulk(&site, n).await?;
        drain(&site, "", (WORKERS, n)).await?;
    }
    let reading = stretch.end(what, n).await?;
    site.jobs.close().await?;
    server.all_gone(&database).await?;
    let after = (server.statements(&database).await?, server.transactions(&database).await?);
    let per_job = |before: u64, after: u64| {
        Some(crate::sample::count(after.saturating_sub(before)) / crate::sample::count(n))
    };
    let statements = server.counts_statements.then(|| per_job(before.0, after.0)).flatten();
    site.finish(n).await?;
    Ok(Reading { statements, transactions: per_job(before.1, after.1), ..reading })
}

async fn live(site: &crate::lab::Site<'_>, load: Load, n: u64) -> anyhow::Result<()> {
    let app = App::expecting(n);
    let server = server(&site.jobs, WORKERS).start(app.clone()).await?;
    load.enqueue(site, n).await?;
    app.all_started().await?;
    let report = server.stop().await;
    ensure!(report.clean && report.released == 0, "the server did not end in order: {report:?}");
    Ok(())
}
