//! The job `reports.build`: reads an upload, reports its progress, writes the page.
//!
//! A run may be killed anywhere and the job runs again: it reads from the start, replaces the page
//! in one step, and sets the row to the same values. Nothing has to be undone.

use std::fs::File;
use std::io;
use std::ops::ControlFlow;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use legwork::prelude::*;
use serde::{Deserialize, Serialize};
use tokio::runtime::Handle;

use super::page::{self, grouped};
use super::scan::{ScanError, Seen, scan};
use super::store;
use crate::app::App;
use crate::files;

/// Builds the report on an upload.
#[derive(Debug, Serialize, Deserialize, Job)]
#[job(name = "reports.build", queue = "reports", max_attempts = 5)]
pub(crate) struct BuildReport {
    pub(crate) report_id: i64,
}

/// What the job leaves behind for its continuation and the dashboard.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Built {
    pub(crate) n_rows: u64,
    pub(crate) n_bad_rows: u64,
}

/// Runs [`BuildReport`]. It computes for seconds, so it is registered with `handle_blocking`.
#[expect(clippy::needless_pass_by_value, reason = "the shape of a handler")]
pub(crate) fn build_report(job: BuildReport, app: App, context: JobContext) -> Result<Outcome> {
    let id = job.report_id;
    let found = app.database.transaction_blocking(async |tx| store::find(tx, id).await)?;
    let Some(report) = found else {
        return Ok(Outcome::cancel("the report has been deleted"));
    };
    let discard = |reason: String| -> Result<Outcome> {
        app.database.transaction_blocking(async |tx| store::fail(tx, id, &reason).await)?;
        Ok(Outcome::discard(reason))
    };

    let file = match File::open(app.folders.uploads.join(&report.upload)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return discard("the uploaded file is gone".to_owned());
        }
        file => file.context("the upload cannot be opened")?,
    };
    let n_bytes = file.metadata()?.len();
    let pace = Pace::new(app.settings.rows_per_second);
    let scanned = scan(file, |seen| {
        context.progress(share(seen.bytes, n_bytes), format!("{} rows", grouped(seen.rows)));
        pace.wait(seen, context.token());
        // Asked to end: the process stops, someone cancelled the job, or it took too long. What
        // becomes of the job then is not for the handler to decide; it only has to return.
        if context.token().is_cancelled() {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    });
    let scan = match scanned {
        Ok(scan) => scan,
        Err(ScanError::Unusable(reason)) => return discard(reason),
        Err(ScanError::Stopped) => bail!("stopped before the end of the file"),
        Err(error @ ScanError::Io(_)) => return Err(error.into()),
    };

    let html = page::render(&report.name, &scan, report.chart.as_deref())?;
    files::replace(&app.folders.report(id), html.as_bytes())?;
    let built = Built { n_rows: scan.table.n_rows, n_bad_rows: scan.n_bad_rows };
    let (n_rows, n_bad_rows) = (built.n_rows, built.n_bad_rows);
    app.database
        .transaction_blocking(async |tx| store::finish(tx, id, n_rows, n_bad_rows).await)?;
    tracing::info!(report_id = id, n_rows = built.n_rows, "report built");
    Ok(Outcome::done(&built))
}

/// Returns which share `part` is of `whole`, in steps of a thousandth.
fn share(part: u64, whole: u64) -> f32 {
    let thousandths = std::cmp::min(part, whole).saturating_mul(1_000).checked_div(whole);
    let thousandths = thousandths.and_then(|share| u16::try_from(share).ok()).unwrap_or(1_000);
    f32::from(thousandths) / 1_000.0
}

/// Slows the scan down to so many rows per second, for demonstrations and tests.
struct Pace {
    rows_per_second: Option<u32>,
}

impl Pace {
    fn new(rows_per_second: Option<u32>) -> Self {
        Self { rows_per_second }
    }

    /// Waits for as long as the rows since the last call should have taken, or until `token`.
    fn wait(&self, seen: Seen, token: &CancellationToken) {
        let Some(rows_per_second) = self.rows_per_second else { return };
        let pause = Duration::from_secs(1) * seen.new_rows / rows_per_second;
        Handle::current().block_on(async {
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = token.cancelled() => {}
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_runs_from_nothing_to_all() {
        let table =
            [((0, 10), 0.0), ((5, 10), 0.5), ((10, 10), 1.0), ((11, 10), 1.0), ((0, 0), 1.0)];
        for ((part, whole), expected) in table {
            assert!((share(part, whole) - expected).abs() < f32::EPSILON, "{part} of {whole}");
        }
    }
}
