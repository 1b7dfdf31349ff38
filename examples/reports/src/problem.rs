//! What a request is answered when it cannot be served.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

/// An error answer: the caller's mistake with its reason, or a failure of ours.
#[derive(Debug)]
pub(crate) enum Problem {
    /// Something the caller can mend; the text is for them.
    Refused(StatusCode, String),
    /// Something the caller cannot mend; the causes go to the log only.
    Internal(anyhow::Error),
}

impl Problem {
    /// Says that a value is not acceptable.
    pub(crate) fn invalid(reason: impl Into<String>) -> Self {
        Self::Refused(StatusCode::UNPROCESSABLE_ENTITY, reason.into())
    }

    /// Says that there is no such thing.
    pub(crate) fn not_found(what: &str) -> Self {
        Self::Refused(StatusCode::NOT_FOUND, format!("there is no such {what}"))
    }
}

/// Lets `?` turn any error into "500 Internal Server Error".
impl<E: Into<anyhow::Error>> From<E> for Problem {
    fn from(error: E) -> Self {
        Self::Internal(error.into())
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (status, reason) = match self {
            Self::Refused(status, reason) => (status, reason),
            Self::Internal(error) => {
                tracing::error!(error = format!("{error:#}"), "a request failed");
                (StatusCode::INTERNAL_SERVER_ERROR, "something went wrong here".to_owned())
            }
        };
        (status, Json(serde_json::json!({ "error": reason }))).into_response()
    }
}
