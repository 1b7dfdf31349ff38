//! What went wrong inside the storage, and how callers are told.
//!
//! Operations return [`Failure`]; [`crate::line`] repeats what may be repeated and turns the rest
//! into Legwork's error. No type of tokio-postgres gets out except as a source.

use legwork_core::{Error, ErrorKind};
use tokio_postgres::error::SqlState;

/// The result of everything inside this crate that touches the database.
pub(crate) type Result<T, E = Failure> = std::result::Result<T, E>;

/// Why an operation has no answer.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The server, or the way to it, failed: the whole transaction is rolled back.
    Sql(tokio_postgres::Error),
    /// The operation refused by itself.
    Refused(Error),
    /// Someone else was quicker: what was read no longer holds. Look again.
    Raced,
}

impl From<tokio_postgres::Error> for Failure {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Sql(error)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Refused(error)
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        failure.into_error()
    }
}

/// What to do about a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Remedy {
    /// Tell the caller.
    Tell,
    /// Do it again: it met another transaction.
    Repeat,
    /// Do it again, looking closely: it was built on what turned out not to be so.
    RepeatCarefully,
    /// Do it again on a new connection.
    Reconnect,
    /// Do it again without named statements: a transaction pooler is in the way.
    Pooled,
}

/// The code with which our own function ends a transaction.
const REFUSED: &str = "LW001";

impl Failure {
    /// Tells what to do about it.
    pub(crate) fn remedy(&self) -> Remedy {
        let error = match self {
            Self::Refused(_) => return Remedy::Tell,
            Self::Raced => return Remedy::Repeat,
            Self::Sql(error) => error,
        };
        let Some(code) = error.code() else {
            // What is not an answer of the server is a broken connection, or a value of ours that
            // does not fit; the latter leaves the connection open.
            return if error.is_closed() || is_io(error) {
                Remedy::Reconnect
            } else {
                Remedy::Tell
            };
        };
        if *code == SqlState::T_R_SERIALIZATION_FAILURE
            || *code == SqlState::T_R_DEADLOCK_DETECTED
            || *code == SqlState::LOCK_NOT_AVAILABLE
        {
            return Remedy::Repeat;
        }
        // A value that a statement cannot read, of class 22, is a damaged row: looked at closely.
        if *code == SqlState::UNIQUE_VIOLATION
            || code.code() == REFUSED
            || code.code().starts_with("22")
        {
            return Remedy::RepeatCarefully;
        }
        if *code == SqlState::INVALID_SQL_STATEMENT_NAME || *code == SqlState::DUPLICATE_PSTATEMENT
        {
            return Remedy::Pooled;
        }
        if is_gone(code) { Remedy::Reconnect } else { Remedy::Tell }
    }

    /// Returns what the caller is told when nothing was stored.
    pub(crate) fn into_error(self) -> Error {
        match self {
            Self::Refused(error) => error,
            Self::Raced => {
                let message = "others changed the same jobs again and again";
                Error::new(ErrorKind::Unavailable, message)
            }
            Self::Sql(error) => {
                let (kind, context) = explain(&error);
                Error::with_source(kind, context, error)
            }
        }
    }
}

/// Tells whether the server takes no more work on this connection.
fn is_gone(code: &SqlState) -> bool {
    *code == SqlState::ADMIN_SHUTDOWN
        || *code == SqlState::CRASH_SHUTDOWN
        || *code == SqlState::CANNOT_CONNECT_NOW
        || *code == SqlState::READ_ONLY_SQL_TRANSACTION
        || *code == SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT
        || code.code().starts_with("08")
}

fn is_io(error: &tokio_postgres::Error) -> bool {
    use std::error::Error as _;
    error.source().is_some_and(<dyn std::error::Error>::is::<std::io::Error>)
}

/// Says in a word what an error of the server means for the caller.
pub(crate) fn explain(error: &tokio_postgres::Error) -> (ErrorKind, &'static str) {
    use ErrorKind as K;
    let Some(code) = error.code() else {
        return if error.is_closed() || is_io(error) {
            (K::Unavailable, "the connection to the database is broken")
        } else {
            (K::Internal, "the answer of the database was not understood")
        };
    };
    explain_code(code)
}

/// Says in a word what a code of the server means for the caller.
pub(crate) fn explain_code(code: &SqlState) -> (ErrorKind, &'static str) {
    use ErrorKind as K;
    if *code == SqlState::UNDEFINED_TABLE || *code == SqlState::INVALID_SCHEMA_NAME {
        return (K::Incompatible, "the schema of Legwork is missing: migrate first");
    }
    if *code == SqlState::UNDEFINED_COLUMN || *code == SqlState::UNDEFINED_FUNCTION {
        return (K::Incompatible, "the schema of Legwork is of another version: migrate first");
    }
    if *code == SqlState::INSUFFICIENT_PRIVILEGE {
        return (K::Unsupported, "the role may not do this to the database");
    }
    if *code == SqlState::READ_ONLY_SQL_TRANSACTION {
        return (K::Unavailable, "the database is read-only");
    }
    if *code == SqlState::QUERY_CANCELED {
        return (K::Unavailable, "the database took longer than its limit");
    }
    match code.code().get(..2) {
        Some("08" | "57" | "58") => (K::Unavailable, "the database went away"),
        Some("53") => (K::Unavailable, "the database has run out of resources"),
        Some("40" | "55") => (K::Unavailable, "the database is busy with the same jobs"),
        Some("XX") => (K::Corrupt, "the database is damaged"),
        _ => (K::Internal, "a statement failed"),
    }
}
