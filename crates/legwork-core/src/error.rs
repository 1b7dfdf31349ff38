//! The one error of every Legwork crate, opaque, with a kind to branch on.
//!
//! Every fallible public function returns it. It must never name a type of another library in its
//! signature. What a handler returns is its own error: see [`crate::outcome`].

use std::borrow::Cow;
use std::fmt;

/// Any error, as handlers and services return it.
pub type BoxError = Box<dyn std::error::Error + Send + Sync + 'static>;

/// The result of a Legwork call.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Tells what went wrong in a Legwork call.
///
/// `Display` prints this level only; the causes are in [`source`](std::error::Error::source).
pub struct Error {
    inner: Box<Inner>,
}

struct Inner {
    kind: ErrorKind,
    context: Cow<'static, str>,
    source: Option<BoxError>,
}

/// Names the classes of errors that a caller may branch on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A value that was given breaks a rule; nothing was stored. Fix the value.
    Invalid,
    /// A value that was given is over its size limit; nothing was stored.
    TooLarge,
    /// The named thing does not exist.
    NotFound,
    /// The named thing is in a state in which the call is refused; nothing was changed.
    Conflict,
    /// The storage lacks a capability that the call needs; nothing was stored.
    Unsupported,
    /// The storage cannot be reached or refuses work at the moment; nothing was stored. Try again.
    Unavailable,
    /// The outcome is not known: the call may or may not have taken effect.
    Unknown,
    /// Data that was read back is damaged.
    Corrupt,
    /// The schema of the storage is older or newer than this version of Legwork can serve.
    Incompatible,
    /// The client, server or host has been closed; nothing was stored.
    Closed,
    /// A defect in Legwork or in a storage. Please report it.
    Internal,
}

/// Tells what is known about the effect of a call that did not return `Ok`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Effect {
    /// The call had no effect.
    None,
    /// The call may have had its effect or not.
    Unknown,
}

impl Error {
    /// Makes an error of `kind` that says `context`.
    pub fn new(kind: ErrorKind, context: impl Into<Cow<'static, str>>) -> Self {
        Self { inner: Box::new(Inner { kind, context: context.into(), source: None }) }
    }

    /// Makes an error of `kind` that says `context` and was caused by `source`.
    pub fn with_source(
        kind: ErrorKind,
        context: impl Into<Cow<'static, str>>,
        source: impl Into<BoxError>,
    ) -> Self {
        let source = Some(source.into());
        Self { inner: Box::new(Inner { kind, context: context.into(), source }) }
    }

    /// Makes an [`ErrorKind::Invalid`] error.
    pub fn invalid(context: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::Invalid, context)
    }

    /// Makes an [`ErrorKind::Corrupt`] error.
    pub fn corrupt(context: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::Corrupt, context)
    }

    /// Returns the class of the error.
    pub fn kind(&self) -> ErrorKind {
        self.inner.kind
    }

    /// Tells whether the call had no effect, or whether that is not known.
    ///
    /// The third result class besides these two is `Ok`.
    pub fn effect(&self) -> Effect {
        match self.inner.kind {
            ErrorKind::Unknown => Effect::Unknown,
            ErrorKind::Invalid
            | ErrorKind::TooLarge
            | ErrorKind::NotFound
            | ErrorKind::Conflict
            | ErrorKind::Unsupported
            | ErrorKind::Unavailable
            | ErrorKind::Corrupt
            | ErrorKind::Incompatible
            | ErrorKind::Closed
            | ErrorKind::Internal => Effect::None,
        }
    }

    /// Tells whether the same call may succeed later without a change.
    pub fn is_transient(&self) -> bool {
        matches!(self.inner.kind, ErrorKind::Unavailable | ErrorKind::Unknown)
    }

    /// Tells whether the call was refused because of the state of what it names.
    pub fn is_conflict(&self) -> bool {
        self.inner.kind == ErrorKind::Conflict
    }

    /// Tells whether what the call names does not exist.
    pub fn is_not_found(&self) -> bool {
        self.inner.kind == ErrorKind::NotFound
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.inner.context)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("kind", &self.inner.kind)
            .field("context", &self.inner.context)
            .field("source", &self.inner.source)
            .finish()
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.inner.source.as_deref().map(|source| source as &(dyn std::error::Error + 'static))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::error::Error as _;

    #[test]
    fn display_prints_its_own_level_and_the_cause_is_the_source() {
        let cause = Error::invalid("step 0 is not allowed");
        let error = Error::with_source(ErrorKind::Conflict, "cannot upsert \"nightly\"", cause);
        assert_eq!(error.to_string(), "cannot upsert \"nightly\"");
        assert_eq!(error.source().map(ToString::to_string).unwrap(), "step 0 is not allowed");
    }

    #[test]
    fn only_an_unknown_outcome_has_an_unknown_effect() {
        assert_eq!(Error::new(ErrorKind::Unknown, "lost").effect(), Effect::Unknown);
        assert_eq!(Error::new(ErrorKind::Unavailable, "down").effect(), Effect::None);
        assert!(Error::new(ErrorKind::Unavailable, "down").is_transient());
        assert!(!Error::invalid("no").is_transient());
    }
}
