//! The layer around every route: access, cross-site refusals, security headers, error pages.
//!
//! `router` puts [`guard`] around the whole router, unknown paths and assets included. A handler
//! never runs for a request that was not admitted here.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::{self, HeaderName, HeaderValue};
use axum::http::request::Parts;
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::access::{Ambiguous, Who, authority, single};
use crate::failure::Failure;
use crate::pages;
use crate::router::Shared;
use crate::visit::{Look, Visit};

const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
     img-src 'self' data:; connect-src 'self'; form-action 'self'; base-uri 'none'; \
     frame-ancestors 'none'";

const HEADERS: [(HeaderName, &str); 6] = [
    (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (HeaderName::from_static("permissions-policy"), "camera=(), geolocation=(), microphone=()"),
];

/// Admits a request or refuses it, and dresses the answer.
pub(crate) async fn guard(
    State(shared): State<Arc<Shared>>,
    request: Request,
    next: Next,
) -> Response {
    let (mut parts, body) = request.into_parts();
    let look = Look::of(&parts);
    let action = (parts.method == Method::POST).then(|| parts.uri.path().to_owned());
    let answer = match admit(&shared, &parts) {
        Err(failure) => failure.into_response(),
        Ok(who) => {
            let actor = who.actor.clone();
            let visit = Visit { shared: Arc::clone(&shared), look: look.clone(), who };
            parts.extensions.insert(visit);
            let answer = next.run(Request::from_parts(parts, body)).await;
            if let Some(action) = action {
                let status = answer.status().as_u16();
                tracing::info!(actor, action, status, "an operator acted on the dashboard");
            }
            answer
        }
    };
    let mut response = dress(&shared, &look, answer);
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

fn admit(shared: &Shared, parts: &Parts) -> Result<Who, Failure> {
    let who = shared.access.admit(parts)?;
    if parts.method == Method::GET || parts.method == Method::HEAD {
        return Ok(who);
    }
    if parts.method != Method::POST {
        return Err(method_not_allowed());
    }
    if !is_same_origin(parts) {
        let detail = "This action was asked for by another site.";
        return Err(Failure::new(StatusCode::FORBIDDEN, detail));
    }
    if who.actor.is_none() {
        let detail = "You may look at this dashboard, but not act.";
        return Err(Failure::new(StatusCode::FORBIDDEN, detail));
    }
    Ok(who)
}

pub(crate) fn method_not_allowed() -> Failure {
    Failure::new(StatusCode::METHOD_NOT_ALLOWED, "This address does not take that method.")
}

/// Tells whether a page of this very origin sent the request.
///
/// Browsers say so in `Sec-Fetch-Site`. They omit it on plain-HTTP names other than loopback: there
/// `Origin` must equal `Host`.
fn is_same_origin(parts: &Parts) -> bool {
    match single(&parts.headers, HeaderName::from_static("sec-fetch-site")) {
        Err(Ambiguous) => return false,
        Ok(Some(site)) => return site == "same-origin",
        Ok(None) => {}
    }
    let Ok(Some(origin)) = single(&parts.headers, header::ORIGIN) else {
        return false;
    };
    let Some((_, origin_host)) = origin.split_once("://") else {
        return false;
    };
    authority(parts).is_some_and(|host| host.eq_ignore_ascii_case(origin_host))
}

/// Gives an answer without a page the page that says what happened.
fn dress(shared: &Shared, look: &Look, mut answer: Response) -> Response {
    let status = answer.status();
    let failure = answer.extensions_mut().remove::<Failure>();
    match failure {
        Some(failure) => pages::failure::page(shared, look, &failure),
        None if status.is_client_error() || status.is_server_error() => {
            let detail = status.canonical_reason().unwrap_or("The request was refused.");
            pages::failure::page(shared, look, &Failure::new(status, detail))
        }
        None => answer,
    }
}
