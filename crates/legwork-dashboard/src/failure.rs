//! What a request gets that cannot be served.
//!
//! Handlers return [`Failure`]; `guard` turns it into a page, because only there the prefix and the
//! theme are known. A storage's error text is logged under an id and never shown: the page shows
//! the id.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use legwork_core::{Error, ErrorKind};

/// Why a request was not served.
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    /// The status of the answer.
    pub(crate) status: StatusCode,
    /// What the page says.
    pub(crate) detail: String,
    /// The id under which the log says more.
    pub(crate) id: Option<String>,
}

impl Failure {
    pub(crate) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self { status, detail: detail.into(), id: None }
    }

    pub(crate) fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }

    pub(crate) fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, detail)
    }

    /// Returns the heading of the page.
    pub(crate) fn title(&self) -> &'static str {
        match self.status {
            StatusCode::BAD_REQUEST => "That request makes no sense",
            StatusCode::FORBIDDEN => "No access",
            StatusCode::NOT_FOUND => "Not found",
            StatusCode::METHOD_NOT_ALLOWED => "Not that way",
            StatusCode::CONFLICT => "Not possible now",
            StatusCode::PAYLOAD_TOO_LARGE => "Too large",
            StatusCode::MISDIRECTED_REQUEST => "Wrong name",
            StatusCode::SERVICE_UNAVAILABLE => "Not available at the moment",
            _ => "Something went wrong",
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error.kind() {
            // The text of these is about what the request asked for.
            ErrorKind::Invalid | ErrorKind::TooLarge => Self::bad_request(error.to_string()),
            ErrorKind::NotFound => Self::not_found(error.to_string()),
            ErrorKind::Conflict => Self::new(StatusCode::CONFLICT, error.to_string()),
            ErrorKind::Unavailable | ErrorKind::Closed => {
                let detail = "The storage does not answer. Try again in a moment.";
                Self::logged(StatusCode::SERVICE_UNAVAILABLE, detail, &error)
            }
            ErrorKind::Unsupported
            | ErrorKind::Unknown
            | ErrorKind::Corrupt
            | ErrorKind::Incompatible
            | ErrorKind::Internal
            | _ => {
                let detail = "The dashboard could not do that. The log says why.";
                Self::logged(StatusCode::INTERNAL_SERVER_ERROR, detail, &error)
            }
        }
    }
}

impl Failure {
    fn logged(status: StatusCode, detail: &str, error: &Error) -> Self {
        let id = format!("{:08x}", fastrand::u32(..));
        tracing::error!(error_id = %id, ?error, "a dashboard request failed");
        Self { status, detail: detail.to_owned(), id: Some(id) }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}
