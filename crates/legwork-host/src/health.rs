//! The health endpoints: `/livez`, `/readyz` and `/healthz`.
//!
//! The HTTP service serves them; applications mount them elsewhere with
//! [`HostHandle::health_router`]. They read the host's status and run nothing.

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::Serialize;

use crate::handle::HostHandle;
use crate::status::{HostPhase, HostStatus, ServiceState};

pub(crate) fn router(host: HostHandle) -> Router {
    Router::new()
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .route("/healthz", get(healthz))
        .with_state(host)
}

/// Answers 200 as long as the process can answer. It looks at nothing that a restart cannot cure.
async fn livez(State(host): State<HostHandle>, headers: HeaderMap) -> Response {
    answer(&headers, StatusCode::OK, "Healthy", &host.status())
}

/// Answers 200 when the host has started, does not stop, and every service is ready; 503 otherwise.
async fn readyz(State(host): State<HostHandle>, headers: HeaderMap) -> Response {
    let status = host.status();
    let (code, word) = match (status.ready, status.phase) {
        (true, _) => (StatusCode::OK, "Ready"),
        (false, HostPhase::Stopping | HostPhase::Stopped) => {
            (StatusCode::SERVICE_UNAVAILABLE, "Stopping")
        }
        (false, HostPhase::Built | HostPhase::Starting) => {
            (StatusCode::SERVICE_UNAVAILABLE, "Starting")
        }
        (false, HostPhase::Started) => (StatusCode::SERVICE_UNAVAILABLE, "Not ready"),
    };
    answer(&headers, code, word, &status)
}

/// Answers 503 when a service has failed for good; 200 otherwise, also when one is degraded.
async fn healthz(State(host): State<HostHandle>, headers: HeaderMap) -> Response {
    let status = host.status();
    let any = |states: &[ServiceState]| status.services.iter().any(|s| states.contains(&s.state));
    let (code, word) = if any(&[ServiceState::Failed, ServiceState::TimedOut]) {
        (StatusCode::SERVICE_UNAVAILABLE, "Unhealthy")
    } else if any(&[ServiceState::BackingOff]) {
        (StatusCode::OK, "Degraded")
    } else {
        (StatusCode::OK, "Healthy")
    };
    answer(&headers, code, word, &status)
}

/// The answer in JSON. Errors of services are not in it: probes are often open to anybody.
#[derive(Serialize)]
struct Answer<'a> {
    status: &'a str,
    phase: HostPhase,
    services: Vec<AnswerService<'a>>,
}

#[derive(Serialize)]
struct AnswerService<'a> {
    name: &'a str,
    state: ServiceState,
    ready: bool,
    not_ready_reason: Option<&'a str>,
}

fn answer(headers: &HeaderMap, code: StatusCode, word: &str, status: &HostStatus) -> Response {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
    let fresh = [(header::CACHE_CONTROL, "no-store")];
    if accept.is_some_and(|accept| accept.contains("application/json")) {
        let services = status.services.iter().map(|service| AnswerService {
            name: &service.name,
            state: service.state,
            ready: service.ready,
            not_ready_reason: service.not_ready_reason.as_deref(),
        });
        let answer = Answer { status: word, phase: status.phase, services: services.collect() };
        return (code, fresh, axum::Json(answer)).into_response();
    }
    let mut text = word.to_owned();
    if code != StatusCode::OK {
        for service in status.services.iter().filter(|service| !service.ready) {
            let why = service.not_ready_reason.as_deref().unwrap_or("not ready yet");
            text.extend(["\n", &service.name, ": ", why]);
        }
    }
    text.push('\n');
    (code, fresh, text).into_response()
}
