//! What a request says about itself: its prefix, its theme, and who sent it.
//!
//! `guard` makes a [`Visit`] of every admitted request; the handlers take it as an extractor.

use std::sync::Arc;

use axum::extract::{FromRequestParts, OriginalUri};
use axum::http::header;
use axum::http::request::Parts;
use legwork_core::{Actor, Store};

use crate::access::Who;
use crate::failure::Failure;
use crate::router::Shared;

/// How links and colours of a page are to be.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Look {
    /// Where the dashboard is mounted, without a slash at the end; empty at the root.
    pub(crate) base: String,
    /// The theme that was chosen: `light`, `dark`, or empty for the browser's wish.
    pub(crate) theme: &'static str,
}

/// An admitted request.
#[derive(Clone)]
pub(crate) struct Visit {
    /// What all requests share.
    pub(crate) shared: Arc<Shared>,
    /// Prefix and theme.
    pub(crate) look: Look,
    /// Who sent it.
    pub(crate) who: Who,
}

impl Look {
    pub(crate) fn of(parts: &Parts) -> Self {
        Self { base: base(parts), theme: theme(parts) }
    }

    /// Returns the address of the overview.
    pub(crate) fn home(&self) -> &str {
        if self.base.is_empty() { "/" } else { &self.base }
    }
}

impl Visit {
    pub(crate) fn store(&self) -> &dyn Store {
        &*self.shared.store
    }

    /// Tells whether actions are offered.
    pub(crate) fn may_act(&self) -> bool {
        self.who.actor.is_some()
    }

    /// Returns whom to record an action under.
    ///
    /// # Errors
    /// 403 for a visitor who may only look.
    pub(crate) fn actor(&self) -> Result<Actor, Failure> {
        match &self.who.actor {
            Some(name) => Ok(Actor::new(name)),
            None => Err(Failure::new(
                axum::http::StatusCode::FORBIDDEN,
                "You may look at this dashboard, but not act.",
            )),
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Visit {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Failure> {
        parts.extensions.get::<Self>().cloned().ok_or_else(|| {
            Failure::new(axum::http::StatusCode::INTERNAL_SERVER_ERROR, "The guard is missing.")
        })
    }
}

/// Returns the part of the path that the routers around the dashboard took off.
fn base(parts: &Parts) -> String {
    let inner = parts.uri.path();
    let full = match parts.extensions.get::<OriginalUri>() {
        Some(OriginalUri(uri)) => uri.path(),
        None => inner,
    };
    let base = match full.strip_suffix(inner) {
        Some(base) => base,
        None if inner == "/" => full,
        None => "",
    };
    let base = base.trim_end_matches('/');
    // A link to `//name` would leave this site.
    if base.starts_with("//") { String::new() } else { base.to_owned() }
}

fn theme(parts: &Parts) -> &'static str {
    let cookies = parts.headers.get_all(header::COOKIE).iter();
    let chosen = cookies
        .filter_map(|value| value.to_str().ok())
        .flat_map(|text| text.split(';'))
        .find_map(|cookie| cookie.trim().strip_prefix("legwork_theme="));
    match chosen {
        Some("light") => "light",
        Some("dark") => "dark",
        _ => "",
    }
}
