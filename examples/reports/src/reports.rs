//! Reports on uploaded CSV files: built by a durable job, mailed by its continuation.
//!
//! # Layout
//! The way of one report, in reading order:
//! - [`upload`]: `POST /reports` stores the file and enqueues both jobs in one transaction
//! - [`build`]: the job `reports.build`; it reads the file with `scan` into a `table` and writes a
//!   `page` with a `chart`
//! - [`deliver`]: its continuation `reports.mail`
//! - [`status`]: `GET /reports/{id}` and the page
//! - [`cleanup`]: the recurring job `reports.delete_old`
//! - [`store`]: the rows; all SQL about reports is there

pub(crate) mod build;
mod chart;
pub(crate) mod cleanup;
pub(crate) mod deliver;
mod page;
mod scan;
mod status;
mod store;
mod table;
mod upload;

use axum::Router;
use axum::routing::{get, post};

use crate::app::App;

/// The routes below `/reports`.
pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route("/", post(upload::upload))
        .route("/{id}", get(status::show))
        .route("/{id}/html", get(status::page))
}
