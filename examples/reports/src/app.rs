//! What the parts of the application share, and its routes.
//!
//! `main` makes one [`App`]. HTTP handlers take it whole; handlers of jobs, services and timers ask
//! for the parts they need with `State<T>`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use axum::Router;
use axum::response::Redirect;
use axum::routing::get;
use legwork::prelude::*;

use crate::database::Database;
use crate::event_bus::EventBus;
use crate::mail::Mailer;
use crate::products::SummaryCache;
use crate::settings::Settings;
use crate::{orders, products, reports, users};

/// The state of the application; cheap to clone.
#[derive(Debug, Clone, FromRef)]
pub(crate) struct App {
    pub(crate) settings: Arc<Settings>,
    pub(crate) database: Database,
    pub(crate) folders: Folders,
    pub(crate) jobs: Jobs,
    pub(crate) tasks: TaskQueue,
    pub(crate) mailer: Mailer,
    pub(crate) bus: Arc<dyn EventBus>,
    pub(crate) summary: SummaryCache,
}

/// Where files are.
#[derive(Debug, Clone)]
pub(crate) struct Folders {
    /// The SQLite file, unless the database is PostgreSQL.
    pub(crate) database: PathBuf,
    /// What was uploaded.
    pub(crate) uploads: PathBuf,
    /// What was built.
    reports: PathBuf,
    /// What was mailed, unless there is an SMTP server.
    pub(crate) mails: PathBuf,
}

impl Folders {
    /// Makes the folders below `data`.
    pub(crate) fn create(data: &Path) -> Result<Self> {
        let folder = |name: &str| -> Result<PathBuf> {
            let path = data.join(name);
            std::fs::create_dir_all(&path)
                .with_context(|| format!("cannot make the directory {}", path.display()))?;
            Ok(path)
        };
        Ok(Self {
            uploads: folder("uploads")?,
            reports: folder("reports")?,
            mails: folder("mails")?,
            database: data.join("app.db"),
        })
    }

    /// Returns where the page of a report is.
    pub(crate) fn report(&self, id: i64) -> PathBuf {
        self.reports.join(format!("{id}.html"))
    }
}

impl App {
    /// Makes the routes, with the dashboard at `/jobs`.
    pub(crate) fn routes(&self) -> Router {
        Router::new()
            .route("/", get(|| async { Redirect::temporary("/jobs") }))
            .nest("/reports", reports::routes())
            .nest("/users", users::routes())
            .nest("/products", products::routes())
            .nest("/orders", orders::routes())
            .route("/events", get(orders::events))
            .route("/jobs/", get(|| async { Redirect::permanent("/jobs") }))
            .with_state(self.clone())
            .nest("/jobs", self.jobs.dashboard(Access::local_only()))
    }
}
