//! What a handler answers: an outcome, or an error that may steer its own retry.
//!
//! The server's executor turns the return value into an [`Outcome`] with [`IntoOutcome`] and
//! decides what to record. Errors of Legwork's own calls are in [`crate::error`].

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use crate::error::BoxError;

/// How a run of a job ended, in its handler's words.
#[derive(Debug)]
#[non_exhaustive]
pub enum Outcome {
    /// Ended well; the result, when there is one, is JSON.
    Done(Option<Vec<u8>>),
    /// Wants to run again after the delay, without spending an attempt.
    Snooze(Duration),
    /// Gives up for good, with the reason: the job is `failed`.
    Discard(String),
    /// Cancels itself, with the reason: the job is `cancelled`.
    Cancel(String),
    /// Failed; the error may steer its retry (see [`Retry`]).
    Error(BoxError),
}

impl Outcome {
    /// Ended well, without a result.
    pub const DONE: Self = Self::Done(None);

    /// Ended well, with a result that continuations and the dashboard can read.
    ///
    /// A value that serde refuses makes an [`Outcome::Error`] that is not retried.
    pub fn done(result: &impl Serialize) -> Self {
        match serde_json::to_vec(result) {
            Ok(json) => Self::Done(Some(json)),
            Err(error) => Self::Error(Box::new(Retry::never(error))),
        }
    }

    /// Wants to run again after `delay`, without spending an attempt.
    pub fn snooze(delay: Duration) -> Self {
        Self::Snooze(delay)
    }

    /// Gives up for good.
    pub fn discard(reason: impl Into<String>) -> Self {
        Self::Discard(reason.into())
    }

    /// Cancels the job.
    pub fn cancel(reason: impl Into<String>) -> Self {
        Self::Cancel(reason.into())
    }
}

/// Wraps a result so that it is stored with the outcome.
///
/// # Examples
/// ```
/// use legwork_core::Output;
///
/// async fn count(_job: ()) -> Result<Output<u64>, std::io::Error> {
///     Ok(Output(42))
/// }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Output<T>(pub T);

/// What a handler may return.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be returned by a handler",
    label = "not an outcome",
    note = "return `()`, `Output<T>`, `Outcome`, or a `Result` of one of them whose error is `Into<BoxError>`"
)]
pub trait IntoOutcome {
    /// Says how the run ended.
    fn into_outcome(self) -> Outcome;
}

impl IntoOutcome for () {
    fn into_outcome(self) -> Outcome {
        Outcome::DONE
    }
}

impl IntoOutcome for Outcome {
    fn into_outcome(self) -> Outcome {
        self
    }
}

impl<T: Serialize> IntoOutcome for Output<T> {
    fn into_outcome(self) -> Outcome {
        Outcome::done(&self.0)
    }
}

impl<T: IntoOutcome, E: Into<BoxError>> IntoOutcome for Result<T, E> {
    fn into_outcome(self) -> Outcome {
        match self {
            Ok(value) => value.into_outcome(),
            Err(error) => Outcome::Error(error.into()),
        }
    }
}

/// An error that says when, or that never, its job is tried again.
///
/// It may be wrapped in other errors (`anyhow`, `thiserror`): the server looks for it along the
/// chain of causes.
///
/// # Examples
/// ```
/// use std::time::Duration;
/// use legwork_core::{BoxError, Retry};
///
/// async fn charge(_job: ()) -> Result<(), BoxError> {
///     let status = 429;
///     match status {
///         429 => Err(Retry::after(Duration::from_secs(30), "rate limited"))?,
///         402 => Err(Retry::never("card declined"))?,
///         _ => Ok(()),
///     }
/// }
/// ```
#[derive(Debug)]
pub struct Retry {
    steer: Steer,
}

/// Stands between [`Retry`] and its cause, so that it is found even when `Retry` itself was
/// converted into an error type that hides it.
#[derive(Debug)]
struct Steer {
    advice: RetryAdvice,
    error: BoxError,
}

/// What an error says about its retry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryAdvice {
    /// Try again after this delay, whatever the policy says.
    After(Duration),
    /// Do not try again: the job is `failed`.
    Never,
}

impl Retry {
    /// Says: try again after `delay`. It spends an attempt.
    pub fn after(delay: Duration, error: impl Into<BoxError>) -> Self {
        Self { steer: Steer { advice: RetryAdvice::After(delay), error: error.into() } }
    }

    /// Says: do not try again.
    pub fn never(error: impl Into<BoxError>) -> Self {
        Self { steer: Steer { advice: RetryAdvice::Never, error: error.into() } }
    }

    /// Finds what `error`, or one of its causes, says about its retry.
    pub fn advice(error: &(dyn std::error::Error + 'static)) -> Option<RetryAdvice> {
        chain(error).find_map(|error| {
            let steer = match error.downcast_ref::<Self>() {
                Some(retry) => Some(&retry.steer),
                None => error.downcast_ref::<Steer>(),
            };
            steer.map(|steer| steer.advice)
        })
    }
}

impl fmt::Display for Retry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.steer.error.fmt(f)
    }
}

impl std::error::Error for Retry {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.steer)
    }
}

impl fmt::Display for Steer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl std::error::Error for Steer {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.error.source()
    }
}

/// Yields `error` and its causes.
fn chain<'a>(
    error: &'a (dyn std::error::Error + 'static),
) -> impl Iterator<Item = &'a (dyn std::error::Error + 'static)> {
    // A chain is as long as the code that built it is deep; the bound only guards against a cycle.
    const CAUSES_MAX: usize = 64;
    std::iter::successors(Some(error), |error| error.source()).take(CAUSES_MAX)
}

/// Prints an error and its causes on one line, outermost first, parted by `: `.
///
/// # Examples
/// ```
/// use legwork_core::{Retry, outcome::describe};
///
/// let error = Retry::never(std::io::Error::other("disk full"));
/// assert_eq!(describe(&error), "disk full");
/// ```
pub fn describe(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = String::new();
    for level in chain(error).filter(|error| !error.is::<Steer>()) {
        let level = level.to_string();
        if text.is_empty() {
            text = level;
        } else if !level.is_empty() {
            text.push_str(": ");
            text.push_str(&level);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{Error, ErrorKind};

    #[test]
    fn every_return_type_becomes_its_outcome() {
        assert!(matches!(().into_outcome(), Outcome::Done(None)));
        assert!(matches!(Ok::<_, BoxError>(()).into_outcome(), Outcome::Done(None)));
        let Outcome::Done(Some(json)) = Ok::<_, BoxError>(Output([1, 2])).into_outcome() else {
            panic!("an output is a result");
        };
        assert_eq!(json, b"[1,2]");
        let error = Err::<(), _>("no such user").into_outcome();
        assert!(matches!(error, Outcome::Error(error) if error.to_string() == "no such user"));
    }

    #[test]
    fn advice_is_found_along_the_chain() {
        let advice = RetryAdvice::After(Duration::from_secs(3));
        let retry = || Retry::after(Duration::from_secs(3), "busy");
        assert_eq!(Retry::advice(&retry()), Some(advice));
        let wrapped = Error::with_source(ErrorKind::Unavailable, "cannot send", retry());
        assert_eq!(Retry::advice(&wrapped), Some(advice));
        assert_eq!(describe(&wrapped), "cannot send: busy");
        assert_eq!(Retry::advice(&std::io::Error::other("x")), None);
    }

    #[test]
    fn advice_is_found_when_retry_itself_is_hidden() {
        #[derive(Debug)]
        struct Hiding(Retry);
        impl fmt::Display for Hiding {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
        impl std::error::Error for Hiding {
            fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
                std::error::Error::source(&self.0)
            }
        }
        let hiding = Hiding(Retry::never("card declined"));
        assert_eq!(Retry::advice(&hiding), Some(RetryAdvice::Never));
        assert_eq!(describe(&hiding), "card declined");
    }
}
