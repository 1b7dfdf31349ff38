//! `GET /reports/{id}`: how far a report is, as JSON or, for a browser, as a page that reloads.

use anyhow::Result;
use askama::Template;
use axum::Json;
use axum::extract::{self, Path};
use axum::http::{HeaderMap, header};
use axum::response::{Html, IntoResponse, Response};
use legwork::{JobId, JobState, Progress};
use serde::Serialize;

use super::store::{self, Report};
use crate::app::App;
use crate::problem::Problem;

/// What is told about a report.
#[derive(Debug, Serialize, Template)]
#[template(path = "status.html")]
struct Status {
    id: i64,
    name: String,
    /// The state of the job that builds it.
    state: JobState,
    /// While it is being built: the share that is done, 0 to 1, and what has been done.
    progress: Option<Progress>,
    n_rows: Option<i64>,
    n_bad_rows: Option<i64>,
    /// Why the latest run, or all of them, failed.
    failure: Option<String>,
    /// The state of the job that mails it.
    mail: Option<JobState>,
    created_at: String,
    finished_at: Option<String>,
    /// Where the report is, once it is there.
    html: Option<String>,
    /// Where the dashboard shows the job.
    job: Option<String>,
}

/// Shows the status of a report.
pub(crate) async fn show(
    extract::State(app): extract::State<App>,
    Path(id): Path<i64>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let status = Status::of(&app, find(&app, id).await?).await?;
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    if accept.is_some_and(|accept| accept.contains("text/html")) {
        return Ok(Html(status.render()?).into_response());
    }
    Ok(Json(status).into_response())
}

/// `GET /reports/{id}/html`: the report itself.
pub(crate) async fn page(
    extract::State(app): extract::State<App>,
    Path(id): Path<i64>,
) -> Result<Response, Problem> {
    if find(&app, id).await?.finished_at.is_none() {
        return Err(Problem::not_found("page: the report is not finished"));
    }
    let html = tokio::fs::read_to_string(app.folders.report(id)).await?;
    // The page needs nothing but its own styles. Whatever an upload might smuggle in cannot run.
    let policy = "default-src 'none'; style-src 'unsafe-inline'";
    Ok(([(header::CONTENT_SECURITY_POLICY, policy)], Html(html)).into_response())
}

async fn find(app: &App, id: i64) -> Result<Report, Problem> {
    let report = app.database.transaction(async move |tx| store::find(tx, id).await).await?;
    report.ok_or_else(|| Problem::not_found("report"))
}

impl Status {
    /// Joins the row with what the storage knows about its job.
    async fn of(app: &App, report: Report) -> Result<Self> {
        let job = match report.job_id {
            Some(id) => app.jobs.store().job(JobId::new(id)?).await?,
            None => None,
        };
        // The job is pruned some time after its end; the row has the last word about the result.
        let state = match (&report.finished_at, &report.failure, &job) {
            (Some(_), _, _) => JobState::Succeeded,
            (None, Some(_), _) | (None, None, None) => JobState::Failed,
            (None, None, Some(job)) => job.summary.state,
        };
        let failure = report.failure.or_else(|| job.as_ref()?.summary.error.clone());
        let mail = job.as_ref().and_then(|job| job.children.first()?.state);
        Ok(Self {
            id: report.id,
            name: report.name,
            state,
            progress: job.and_then(|job| job.summary.progress).filter(|_| !state.is_final()),
            n_rows: report.n_rows,
            n_bad_rows: report.n_bad_rows,
            failure: failure.filter(|_| state != JobState::Succeeded),
            mail,
            created_at: report.created_at,
            html: report.finished_at.as_ref().map(|_| format!("/reports/{}/html", report.id)),
            finished_at: report.finished_at,
            job: report.job_id.map(|id| format!("/jobs/{id}")),
        })
    }

    fn percent(&self) -> String {
        self.progress.as_ref().map_or(String::new(), |done| format!("{:.0}", done.share * 100.0))
    }
}
