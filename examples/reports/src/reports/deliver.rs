//! The job `reports.mail`: sends a finished report. It is a **continuation** of `reports.build`.

use anyhow::{Context, Result};
use legwork::prelude::*;
use serde::{Deserialize, Serialize};

use super::build::Built;
use super::page::grouped;
use super::store;
use crate::app::Folders;
use crate::database::Database;
use crate::mail::{Mail, Mailer};

/// Mails a report that has been built.
#[derive(Debug, Serialize, Deserialize, Job)]
#[job(name = "reports.mail", queue = "mail", max_attempts = 10)]
pub(crate) struct MailReport {
    pub(crate) report_id: i64,
}

/// Runs [`MailReport`], after `reports.build` has succeeded and only then.
pub(crate) async fn mail_report(
    job: MailReport,
    State(database): State<Database>,
    State(folders): State<Folders>,
    State(mailer): State<Mailer>,
    context: JobContext,
) -> Result<Outcome> {
    let id = job.report_id;
    let found = database.transaction(async move |tx| store::find(tx, id).await);
    let Some(report) = found.await? else {
        return Ok(Outcome::cancel("the report has been deleted"));
    };
    let built: Built = context.parent_output().await?.context("the report was not built")?;
    let page = tokio::fs::read_to_string(folders.report(id)).await.context("no page")?;
    let text = format!(
        "Your report on {} is ready: {} rows, {} left out because they do not fit the header.\n",
        report.name,
        grouped(built.n_rows),
        grouped(built.n_bad_rows),
    );
    let mail = Mail {
        key: format!("report-{id}"),
        to: report.mail_to,
        subject: format!("Report: {}", report.name),
        text,
        html: Some((format!("report-{id}.html"), page)),
    };
    mailer.send(mail).await?;
    Ok(Outcome::DONE)
}
