//! The page of a request that was not served.
//!
//! `guard` makes it of every [`Failure`](crate::failure::Failure). It shows nothing of the storage.

use askama::Template;
use axum::response::{Html, IntoResponse, Response};

use crate::failure::Failure;
use crate::frame::{Frame, Nav};
use crate::router::Shared;
use crate::visit::Look;

#[derive(Template)]
#[template(path = "failure.html")]
struct FailurePage<'a> {
    frame: Frame,
    code: u16,
    failure: &'a Failure,
}

/// Makes the page of a failure.
pub(crate) fn page(shared: &Shared, look: &Look, failure: &Failure) -> Response {
    let frame = Frame::bare(shared, look, failure.title(), Nav::default());
    let page = FailurePage { frame, code: failure.status.as_u16(), failure };
    match page.render() {
        Ok(body) => (failure.status, Html(body)).into_response(),
        Err(error) => {
            tracing::error!(%error, "the page of a failure cannot be made");
            failure.status.into_response()
        }
    }
}
