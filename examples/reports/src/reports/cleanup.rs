//! The **recurring** job `reports.delete_old`: removes old reports each night.

use std::io;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use legwork::prelude::*;
use serde::{Deserialize, Serialize};

use super::store;
use crate::app::App;
use crate::database::Database;

/// The id of the recurring job.
pub(crate) const RECURRING_ID: &str = "delete-old-reports";

/// At three each night.
pub(crate) const CRON: &str = "0 3 * * *";

/// How old an upload must be to count as abandoned: one that is still coming in has no row yet.
const ABANDONED_AFTER: Duration = Duration::from_hours(24);

/// Deletes the reports that are older than the settings say, with their files.
#[derive(Debug, Serialize, Deserialize, Job)]
#[job(name = "reports.delete_old", queue = "default")]
pub(crate) struct DeleteOldReports {}

/// Runs [`DeleteOldReports`] on a thread that may block.
#[expect(clippy::needless_pass_by_value, reason = "the shape of a handler")]
pub(crate) fn delete_old_reports(
    _job: DeleteOldReports,
    app: App,
    context: JobContext,
) -> Result<Output<usize>> {
    let age = app.settings.keep_reports;
    let old = app.database.transaction_blocking(async |tx| store::older_than(tx, age).await)?;
    let mut n_deleted = 0;
    for report in old {
        if context.token().is_cancelled() {
            break;
        }
        // The row goes last: a run that is killed in between finds it and goes on from there.
        remove(&app.folders.uploads.join(&report.upload))?;
        remove(&app.folders.report(report.id))?;
        app.database.transaction_blocking(async |tx| store::delete(tx, report.id).await)?;
        n_deleted += 1;
    }
    let n_abandoned = remove_abandoned(&app.database, &app.folders.uploads)?;
    tracing::info!(n_deleted, n_abandoned, "old reports deleted");
    Ok(Output(n_deleted))
}

/// Removes uploads that never became a report, because the process was killed meanwhile.
fn remove_abandoned(database: &Database, uploads: &Path) -> Result<usize> {
    let mut n_abandoned = 0;
    for entry in std::fs::read_dir(uploads)? {
        let entry = entry?;
        let age = entry.metadata()?.modified()?.elapsed().unwrap_or(Duration::ZERO);
        let name = entry.file_name().to_string_lossy().into_owned();
        let is_known =
            || database.transaction_blocking(async |tx| store::has_upload(tx, &name).await);
        if age > ABANDONED_AFTER && !is_known()? {
            remove(&entry.path())?;
            n_abandoned += 1;
        }
    }
    Ok(n_abandoned)
}

/// Removes a file; one that is gone is what was wanted.
fn remove(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", path.display()))
        }
        _ => Ok(()),
    }
}
