//! What went wrong inside the storage, and how callers are told.
//!
//! Operations return [`Failure`]; the writer and the readers turn it into Legwork's error with
//! [`Failure::into_error`]. No type of rusqlite gets out except as a source.

use legwork_core::{Error, ErrorKind};
use rusqlite::ErrorCode;

/// The result of everything inside this crate that touches the database.
pub(crate) type Result<T, E = Failure> = std::result::Result<T, E>;

/// Why an operation has no answer.
#[derive(Debug)]
pub(crate) enum Failure {
    /// SQLite failed: the whole transaction is rolled back.
    Sql(rusqlite::Error),
    /// The operation refused by itself.
    Refused(Error),
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(error)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Refused(error)
    }
}

impl Failure {
    /// Returns what the caller is told when nothing was stored.
    pub(crate) fn into_error(self) -> Error {
        match self {
            Self::Refused(error) => error,
            Self::Sql(error) => {
                let (kind, context) = explain(&error);
                Error::with_source(kind, context, error)
            }
        }
    }
}

/// Says in a word what an error of SQLite means for the caller.
fn explain(error: &rusqlite::Error) -> (ErrorKind, &'static str) {
    use ErrorKind as K;
    #[expect(clippy::wildcard_enum_match_arm, reason = "few of the many kinds mean damage")]
    match error {
        rusqlite::Error::FromSqlConversionFailure(..)
        | rusqlite::Error::IntegralValueOutOfRange(..)
        | rusqlite::Error::InvalidColumnType(..)
        | rusqlite::Error::Utf8Error(..) => (K::Corrupt, "a stored row is damaged"),
        _ => explain_code(error.sqlite_error_code()),
    }
}

fn explain_code(code: Option<ErrorCode>) -> (ErrorKind, &'static str) {
    use ErrorKind as K;
    match code {
        Some(ErrorCode::DiskFull) => (K::Unavailable, "the disk of the database is full"),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            (K::Unavailable, "the database is locked by another writer")
        }
        Some(ErrorCode::ReadOnly) => (K::Unavailable, "the database is read-only"),
        Some(ErrorCode::CannotOpen) => (K::Unavailable, "the database cannot be opened"),
        Some(ErrorCode::PermissionDenied) => (K::Unavailable, "access to the database is denied"),
        Some(ErrorCode::SystemIoFailure) => (K::Unavailable, "the disk of the database failed"),
        Some(ErrorCode::OperationInterrupted) => {
            (K::Unavailable, "the read took longer than its limit")
        }
        Some(ErrorCode::OutOfMemory) => (K::Unavailable, "SQLite is out of memory"),
        Some(ErrorCode::DatabaseCorrupt) => (K::Corrupt, "the database file is damaged"),
        Some(ErrorCode::NotADatabase) => (K::Corrupt, "the file is not an SQLite database"),
        Some(ErrorCode::SchemaChanged) => (K::Unavailable, "the schema has changed"),
        _ => (K::Internal, "a statement failed"),
    }
}

/// Makes the error of a commit that failed.
///
/// `rolled_back` tells whether SQLite is known to have undone the transaction.
pub(crate) fn commit_failed(error: rusqlite::Error, rolled_back: bool) -> Error {
    let (kind, context) = explain(&error);
    if rolled_back {
        return Error::with_source(kind, context, error);
    }
    Error::with_source(ErrorKind::Unknown, "the commit failed and may have been kept", error)
}

/// Makes an exact copy of what an error says, for each caller that shared a transaction.
pub(crate) fn shared(error: &Error) -> Error {
    let cause = std::error::Error::source(error).map(ToString::to_string);
    match cause {
        Some(cause) => Error::with_source(error.kind(), error.to_string(), cause),
        None => Error::new(error.kind(), error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(code: i32) -> Error {
        let code = rusqlite::ffi::Error::new(code);
        Failure::from(rusqlite::Error::SqliteFailure(code, None)).into_error()
    }

    #[test]
    fn every_condition_that_ends_is_unavailable_and_damage_is_corrupt() {
        use rusqlite::ffi;
        for code in [
            ffi::SQLITE_FULL,
            ffi::SQLITE_BUSY,
            ffi::SQLITE_IOERR,
            ffi::SQLITE_READONLY,
            ffi::SQLITE_CANTOPEN,
        ] {
            assert_eq!(failure(code).kind(), ErrorKind::Unavailable, "{code}");
        }
        for code in [ffi::SQLITE_CORRUPT, ffi::SQLITE_NOTADB] {
            assert_eq!(failure(code).kind(), ErrorKind::Corrupt, "{code}");
        }
        assert_eq!(failure(ffi::SQLITE_CONSTRAINT).kind(), ErrorKind::Internal);
    }

    #[test]
    fn a_commit_that_may_have_been_kept_is_unknown() {
        let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_IOERR);
        let error = || rusqlite::Error::SqliteFailure(code, None);
        assert_eq!(commit_failed(error(), true).kind(), ErrorKind::Unavailable);
        assert_eq!(commit_failed(error(), false).kind(), ErrorKind::Unknown);
        let copy = shared(&commit_failed(error(), false));
        assert_eq!(copy.kind(), ErrorKind::Unknown);
        assert!(std::error::Error::source(&copy).is_some());
    }
}
