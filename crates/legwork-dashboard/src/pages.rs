//! The pages: one file each, with the template of the same name.
//!
//! `router` names their handlers; `live` asks [`fragments`] for the parts of a page that change. A
//! page reads through [`Sight`] and writes only through the operator's actions of the storage.

pub(crate) mod failure;
pub(crate) mod job;
pub(crate) mod jobs;
pub(crate) mod overview;
pub(crate) mod queues;
pub(crate) mod recurring;
pub(crate) mod servers;

use std::sync::Arc;

use askama::Template;
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Redirect, Response};
use legwork_core::inspect::Counts;
use legwork_core::{ErrorKind, JobId, JobState, Store, Timestamp};

use crate::chart::Span;
use crate::failure::Failure;
use crate::frame::{Nav, Section};
use crate::live::Fragment;
use crate::notice::Notice;
use crate::router::Shared;
use crate::visit::Visit;

/// The fields of a query or a form, or the captures of a path, in order; a name may come several
/// times.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pairs(Vec<(String, String)>);

impl<'de> serde::Deserialize<'de> for Pairs {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Vec::deserialize(deserializer).map(Self)
    }
}

impl Pairs {
    /// Returns the first value of `name`, without the space around it; `None` when it is empty.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let (_, value) = self.0.iter().find(|(key, _)| key == name)?;
        Some(value.trim()).filter(|value| !value.is_empty())
    }

    /// Returns the last value of `name` as it is: of the captures of a path ours come last, after
    /// those of the prefix.
    pub(crate) fn capture(&self, name: &str) -> &str {
        let found = self.0.iter().rev().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str()).unwrap_or_default()
    }

    /// Returns all values of `name`.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// What a page is made from: a storage at one moment, seen under a prefix with certain rights.
pub(crate) struct Sight {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) now: Timestamp,
    pub(crate) counts: Counts,
    pub(crate) base: String,
    pub(crate) may_act: bool,
}

impl Sight {
    pub(crate) async fn of(visit: &Visit) -> Result<Self, Failure> {
        let store = Arc::clone(&visit.shared.store);
        let counts = store.counts().await?;
        let now = store.now().await?;
        let base = visit.look.base.clone();
        Ok(Self { store, now, counts, base, may_act: visit.may_act() })
    }

    /// Returns the address of the overview.
    pub(crate) fn home(&self) -> &str {
        if self.base.is_empty() { "/" } else { &self.base }
    }

    pub(crate) fn nav(&self, section: Section) -> Nav {
        Nav::new(&self.base, section, &self.counts)
    }
}

/// What a live page shows.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum View {
    Overview(Span),
    Jobs(jobs::Listing),
    Job(JobId),
    Recurring,
    Queues,
    Servers,
}

impl View {
    /// Reads the query of `events`.
    ///
    /// # Errors
    /// 400 for a view that there is none of.
    pub(crate) fn parse(pairs: &Pairs) -> Result<Self, Failure> {
        match pairs.get("view") {
            Some("overview") => Ok(Self::Overview(overview::span(pairs)?)),
            Some("job") => Ok(Self::Job(pairs.get("id").unwrap_or_default().parse()?)),
            Some("recurring") => Ok(Self::Recurring),
            Some("queues") => Ok(Self::Queues),
            Some("servers") => Ok(Self::Servers),
            Some(name) => match jobs::Tab::parse(name) {
                Some(tab) => Ok(Self::Jobs(jobs::Listing::parse(tab, pairs)?)),
                None => Err(Failure::bad_request("There is no such view.")),
            },
            None => Err(Failure::bad_request("The view is missing.")),
        }
    }

    fn section(&self) -> Section {
        match self {
            Self::Overview(_) => Section::Overview,
            Self::Jobs(_) | Self::Job(_) => Section::Jobs,
            Self::Recurring => Section::Recurring,
            Self::Queues => Section::Queues,
            Self::Servers => Section::Servers,
        }
    }
}

/// Makes the parts of a page that change, the navigation among them.
///
/// # Errors
/// The kind of what the storage or a template refused.
pub(crate) async fn fragments(
    shared: &Shared,
    sight: &Sight,
    view: &View,
) -> Result<Arc<[Fragment]>, ErrorKind> {
    let made = match view {
        View::Overview(span) => overview::fragments(sight, *span).await,
        View::Jobs(listing) => jobs::fragments(sight, listing).await,
        View::Job(id) => job::fragments(shared, sight, *id).await,
        View::Recurring => recurring::fragments(sight).await,
        View::Queues => queues::fragments(sight).await,
        View::Servers => servers::fragments(sight).await,
    };
    let nav = sight.nav(view.section()).fragment().map_err(|_| ErrorKind::Internal)?;
    let mut all = made.map_err(|failure| match failure.status {
        StatusCode::SERVICE_UNAVAILABLE => ErrorKind::Unavailable,
        StatusCode::NOT_FOUND => ErrorKind::NotFound,
        _ => ErrorKind::Internal,
    })?;
    all.push(nav);
    Ok(all.into())
}

impl From<askama::Error> for Failure {
    fn from(error: askama::Error) -> Self {
        legwork_core::Error::with_source(ErrorKind::Internal, "a template failed", error).into()
    }
}

/// Renders a page.
pub(crate) fn html(template: &impl Template) -> Result<Response, Failure> {
    Ok(Html(template.render()?).into_response())
}

/// Sends the browser to a page of the dashboard after an action, with what came of it.
pub(crate) fn back(visit: &Visit, path: &str, query: &str, notice: Notice) -> Response {
    let home = if path.is_empty() { visit.look.home() } else { &visit.look.base };
    let and = if query.is_empty() { "" } else { "&" };
    Redirect::to(&format!("{home}{path}?{query}{and}{}", notice.query())).into_response()
}

/// Tells whether a requeue is offered for a job in `state`.
pub(crate) fn can_requeue(state: JobState) -> bool {
    state == JobState::Scheduled || state.is_final()
}

/// Tells whether a cancel is offered for a job in `state`.
pub(crate) fn can_cancel(state: JobState) -> bool {
    !state.is_final()
}

/// Tells whether a delete is offered for a job in `state`.
pub(crate) fn can_delete(state: JobState) -> bool {
    state != JobState::Processing
}
