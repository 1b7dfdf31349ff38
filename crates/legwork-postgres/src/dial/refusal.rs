//! Why a server could not be entered, in words for the one who has to repair it.
//!
//! [`crate::dial`] meets refusals here and turns them into Legwork's error: transient where time
//! may heal it, and otherwise telling what to change. It must never repeat a secret, and names
//! servers as the URL does. What goes wrong later, in a session, is in [`crate::error`].

use std::io;
use std::time::Duration;

use legwork_core::{Error, ErrorKind};
use rustls::CertificateError;
use tokio_postgres::error::SqlState;

use crate::address::Endpoint;
use crate::tls::{SslMode, TlsOptions, is_about_name};

/// What the driver says of a server that answers a demand for TLS with no.
const NO_TLS: &str = "server does not support TLS";

/// Why a server could not be entered.
#[derive(Debug)]
pub(super) enum Refusal {
    /// The driver failed, or the server refused it.
    Driver(tokio_postgres::Error),
    /// The connection ended without a word.
    Closed,
    /// The name of the host has no address.
    LookUp(io::Error),
    /// The server follows another one.
    Standby,
    /// The server does not let this role write to this database.
    ReadOnly,
    /// The server is older than any that Legwork can work with; its number of version.
    TooOld(u32),
    /// The server does not say what it is.
    Unclear,
}

impl Refusal {
    /// Returns what the caller is told of `server`.
    pub(super) fn into_error(self, server: &str, tls: &TlsOptions) -> Error {
        use ErrorKind as K;
        match self {
            Self::Driver(error) => driver_failed(error, server, tls.mode()),
            Self::Closed => Error::new(K::Unavailable, format!("the server at {server} hangs up")),
            Self::LookUp(error) => {
                let context = format!("the address of {server} cannot be found");
                Error::with_source(K::Unavailable, context, error)
            }
            Self::Standby => {
                let context = format!(
                    "the server at {server} is a read-only standby: connect to the primary, or \
                     name all servers in the URL"
                );
                Error::new(K::Unavailable, context)
            }
            Self::ReadOnly => {
                let context = format!(
                    "the server at {server} is read-only: default_transaction_read_only is on for \
                     this server, database or role"
                );
                Error::new(K::Unavailable, context)
            }
            Self::TooOld(version) => {
                let context = format!(
                    "the server at {server} is PostgreSQL {}, and Legwork needs 13 or newer",
                    spoken(version)
                );
                Error::new(K::Unsupported, context)
            }
            Self::Unclear => {
                let context = format!("the server at {server} does not say what it is");
                Error::new(K::Unsupported, context)
            }
        }
    }
}

/// Writes a number of version as people do: 120003 is 12.3, 90624 is 9.6.
fn spoken(version: u32) -> String {
    let minor = if version >= 100_000 { version % 10_000 } else { version / 100 % 100 };
    format!("{}.{minor}", version / 10_000)
}

fn driver_failed(error: tokio_postgres::Error, server: &str, mode: SslMode) -> Error {
    let (kind, context) = match error.code() {
        Some(code) => server_refused(code, server),
        None => match cause::<rustls::Error>(&error) {
            Some(cause) => (ErrorKind::Invalid, distrust(cause, server, mode)),
            None => unreached(&error, server, mode),
        },
    };
    if std::error::Error::source(&error).is_none() {
        return Error::with_source(kind, context, error);
    }
    // The driver's own level says nothing that ours does not.
    match error.into_source() {
        Some(source) => Error::with_source(kind, context, source),
        None => Error::new(kind, context),
    }
}

/// Says what it means that the server answered with `code`.
fn server_refused(code: &SqlState, server: &str) -> (ErrorKind, String) {
    use ErrorKind as K;
    if *code == SqlState::INVALID_CATALOG_NAME {
        return (K::NotFound, format!("the server at {server} has no such database"));
    }
    if *code == SqlState::INSUFFICIENT_PRIVILEGE {
        return (K::Unsupported, format!("the role may not enter the database at {server}"));
    }
    match code.code().get(..2) {
        Some("28") => (K::Invalid, format!("the server at {server} refuses the login")),
        Some("22" | "42") => {
            (K::Invalid, format!("the server at {server} refuses a parameter of the URL"))
        }
        _ => (K::Unavailable, format!("the server at {server} takes no connection now")),
    }
}

/// Says why TLS failed: who must change what.
fn distrust(error: &rustls::Error, server: &str, mode: SslMode) -> String {
    let rustls::Error::InvalidCertificate(reason) = error else {
        return format!("TLS with the server at {server} failed under sslmode={mode}");
    };
    if is_about_name(error) {
        return format!(
            "the certificate of the server at {server} is for another name, which sslmode={mode} \
             does not allow"
        );
    }
    if *reason == CertificateError::UnknownIssuer {
        return format!(
            "the certificate of the server at {server} comes from no root that sslmode={mode} \
             trusts: name its root with sslrootcert"
        );
    }
    format!("the certificate of the server at {server} is refused under sslmode={mode}")
}

/// Says what it means that there was no answer, or none that made sense.
fn unreached(error: &tokio_postgres::Error, server: &str, mode: SslMode) -> (ErrorKind, String) {
    use ErrorKind as K;
    let reason = std::error::Error::source(error);
    if reason.is_some_and(|reason| reason.to_string() == NO_TLS) {
        let context =
            format!("the server at {server} offers no TLS, which sslmode={mode} asks for");
        return (K::Invalid, context);
    }
    // Broken sockets and broken messages; what is left are the driver's refusals to go on: a
    // password that is missing, an authentication it does not know.
    if reason.is_none() || cause::<io::Error>(error).is_some() {
        return (K::Unavailable, format!("the server at {server} cannot be reached"));
    }
    (K::Invalid, format!("the login to the server at {server} failed"))
}

/// Returns the cause of a type, wherever in the chain it is; the errors of sockets hide theirs.
fn cause<E: std::error::Error + 'static>(error: &tokio_postgres::Error) -> Option<&E> {
    let mut next = std::error::Error::source(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<E>() {
            return Some(found);
        }
        let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        next = match inner {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    None
}

/// Makes the error of a server that takes longer than `limit`.
pub(super) fn too_late(server: &str, limit: Duration) -> Error {
    let secs = limit.as_secs_f64();
    let context = format!("the server at {server} did not answer within {secs:.1} s");
    Error::new(ErrorKind::Unavailable, context)
}

/// Names servers as in the URL.
pub(super) fn list(endpoints: &[Endpoint]) -> String {
    endpoints.iter().map(Endpoint::to_string).collect::<Vec<_>>().join(",")
}

/// Makes one error of the errors of all servers: transient if one of them is.
pub(super) fn all(mut errors: Vec<Error>) -> Error {
    errors.dedup_by(|a, b| chain(a) == chain(b));
    let transient = errors.iter().position(Error::is_transient).unwrap_or(0);
    if errors.len() == 1 {
        return errors.swap_remove(0);
    }
    let kind = errors.get(transient).map_or(ErrorKind::Unavailable, Error::kind);
    let reasons: Vec<String> = errors.iter().map(chain).collect();
    Error::new(kind, format!("no server can be used: {}", reasons.join("; ")))
}

/// Writes an error with its causes.
pub(super) fn chain(error: &Error) -> String {
    let mut text = error.to_string();
    let mut next = std::error::Error::source(error);
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}
