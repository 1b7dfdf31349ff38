//! `POST /reports`: takes a CSV file of any size and answers before anything is computed.
//!
//! The body goes straight to a file. Then one transaction records the report **and** enqueues the
//! jobs: if the process dies before it commits, there is neither; afterwards there are both.

use std::path::Path;

use anyhow::{Context, Result};
use axum::Json;
use axum::body::Body;
use axum::extract::{self, Query};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt;
use legwork::Jobs;
use serde::Deserialize;
use tempfile::TempPath;
use tokio::io::AsyncWriteExt;

use super::build::BuildReport;
use super::deliver::MailReport;
use super::store::{self, NewReport};
use crate::app::App;
use crate::database::Database;
use crate::files;
use crate::mail::parse_mailbox;
use crate::problem::Problem;

/// How long the name of a file or column may be.
const NAME_MAX_CHARS: usize = 200;

/// What the query of the URL may say.
#[derive(Debug, Deserialize)]
pub(crate) struct Wish {
    /// What to call the file.
    name: Option<String>,
    /// Whom to mail the report to.
    mail_to: Option<String>,
    /// Which column to draw.
    chart: Option<String>,
}

/// Stores the file, records the report, enqueues its jobs; answers "202 Accepted".
pub(crate) async fn upload(
    extract::State(app): extract::State<App>,
    Query(wish): Query<Wish>,
    body: Body,
) -> Result<Response, Problem> {
    let name = wish.name.unwrap_or_else(|| "upload.csv".to_owned());
    let mail_to = wish.mail_to.unwrap_or_else(|| "you@example.org".to_owned());
    parse_mailbox(&mail_to).map_err(|error| Problem::invalid(error.to_string()))?;
    if [Some(&name), wish.chart.as_ref()].iter().flatten().any(|text| too_long(text)) {
        return Err(Problem::invalid(format!("a name is over {NAME_MAX_CHARS} letters long")));
    }

    let file = receive(body, &app.folders.uploads, app.settings.upload_max_bytes).await?;
    let upload = file.file_name().and_then(|name| name.to_str()).context("a name in UTF-8")?;
    let new = NewReport { name, mail_to, chart: wish.chart, upload: upload.to_owned() };
    let id = record(&app.database, app.jobs, new, file).await?;

    let location = format!("/reports/{id}");
    let answer = Json(serde_json::json!({ "id": id, "state": "enqueued", "self": location }));
    Ok((StatusCode::ACCEPTED, [(header::LOCATION, location)], answer).into_response())
}

fn too_long(text: &str) -> bool {
    text.chars().count() > NAME_MAX_CHARS
}

/// Writes the body to a new file, piece by piece.
///
/// The file removes itself when it is dropped: when the uploader goes away, or sends too much.
async fn receive(body: Body, uploads: &Path, max_bytes: u64) -> Result<TempPath, Problem> {
    let file = tempfile::Builder::new().prefix("upload-").suffix(".csv").tempfile_in(uploads)?;
    let (file, path) = file.into_parts();
    let mut file = tokio::fs::File::from_std(file);
    let mut pieces = body.into_data_stream();
    let mut n_bytes: u64 = 0;
    while let Some(piece) = pieces.next().await {
        let piece = piece.map_err(|error| {
            let reason = format!("the upload broke off: {error}");
            Problem::Refused(StatusCode::BAD_REQUEST, reason)
        })?;
        n_bytes = n_bytes.saturating_add(piece.len() as u64);
        if n_bytes > max_bytes {
            let reason = format!("the upload is over {max_bytes} bytes");
            return Err(Problem::Refused(StatusCode::PAYLOAD_TOO_LARGE, reason));
        }
        file.write_all(&piece).await?;
    }
    file.flush().await?;
    file.sync_all().await?;
    Ok(path)
}

/// Makes the report and its two jobs, all or nothing, and returns the report's id.
async fn record(database: &Database, jobs: Jobs, new: NewReport, file: TempPath) -> Result<i64> {
    let recorded = database.transaction(async move |tx| {
        // The file must be as durable as the row that names it.
        files::sync_directory(file.parent().context("the upload has no directory")?)?;
        let report_id = store::insert(tx, &new).await?;
        let build = jobs.enqueue(BuildReport { report_id }).tx(tx).await?;
        jobs.enqueue(MailReport { report_id }).continues(build).tx(tx).await?;
        store::set_job(tx, report_id, build.id().get()).await?;
        Ok((report_id, file))
    });
    let (report_id, file) = recorded.await?;
    // Only now: the file of a transaction that failed removes itself.
    file.keep()?;
    Ok(report_id)
}
