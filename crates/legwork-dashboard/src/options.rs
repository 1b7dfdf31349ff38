//! What can be set on a dashboard.
//!
//! Users pass it to [`router_with`](crate::router_with); `router` keeps it for the pages.

use std::fmt;
use std::sync::Arc;

use legwork_core::{CancellationToken, Kind};

/// How a dashboard looks and behaves.
#[derive(Clone)]
#[non_exhaustive]
pub struct DashboardOptions {
    pub(crate) title: String,
    pub(crate) back: Option<String>,
    pub(crate) stopping: CancellationToken,
    pub(crate) redact: Option<Redact>,
}

/// Decides what is shown of arguments and results.
pub(crate) type Redact = Arc<dyn Fn(&Kind, &[u8]) -> Option<Vec<u8>> + Send + Sync>;

impl DashboardOptions {
    /// Makes the defaults: titled "Legwork", no link back, everything shown.
    pub fn new() -> Self {
        Self {
            title: "Legwork".to_owned(),
            back: None,
            stopping: CancellationToken::new(),
            redact: None,
        }
    }

    /// Sets the name in the corner of every page.
    #[must_use]
    pub fn title(mut self, title: impl Into<String>) -> Self {
        self.title = title.into();
        self
    }

    /// Adds a link back to the application, such as `/`.
    #[must_use]
    pub fn back_link(mut self, href: impl Into<String>) -> Self {
        self.back = Some(href.into());
        self
    }

    /// Ends the live streams when `token` is cancelled.
    ///
    /// A graceful HTTP shutdown waits for open answers, and a live page holds one open. A
    /// `CancellationToken` in the request's extensions does the same.
    #[must_use]
    pub fn stopping(mut self, token: CancellationToken) -> Self {
        self.stopping = token;
        self
    }

    /// Replaces the arguments and results of jobs, in JSON, before they are shown.
    ///
    /// `None` hides them altogether. It runs for each view of a job's page and must not block.
    #[must_use]
    pub fn redact(
        mut self,
        redact: impl Fn(&Kind, &[u8]) -> Option<Vec<u8>> + Send + Sync + 'static,
    ) -> Self {
        self.redact = Some(Arc::new(redact));
        self
    }

    /// Returns what may be shown of `json`.
    pub(crate) fn shown(&self, kind: &Kind, json: &[u8]) -> Option<Vec<u8>> {
        match &self.redact {
            None => Some(json.to_vec()),
            Some(redact) => redact(kind, json),
        }
    }
}

impl Default for DashboardOptions {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for DashboardOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DashboardOptions")
            .field("title", &self.title)
            .field("back", &self.back)
            .field("redacts", &self.redact.is_some())
            .finish_non_exhaustive()
    }
}
