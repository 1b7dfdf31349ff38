//! What becomes of a job after a run, as a pure function.
//!
//! The executor calls [`decide`] once per run; the exchanger sends the verdict to the storage. What
//! a storage makes of it is in `legwork_core::storage::exchange`.

use std::time::Duration;

use legwork_core::context::CancelReason;
use legwork_core::limits::{DELAY_MAX, REASON_MAX_BYTES, RESULT_MAX_BYTES, clip};
use legwork_core::outcome::{RetryAdvice, describe};
use legwork_core::storage::exchange::RunErrorKind;
use legwork_core::storage::{FailReason, RunError, Verdict};
use legwork_core::{Outcome, Retry, RetryPolicy};

/// How a run came to its end, as the executor saw it.
#[derive(Debug)]
pub(crate) enum RunEnding {
    /// The handler returned.
    Returned(Outcome),
    /// The handler panicked, with this message.
    Panicked(String),
    /// The handler was stopped by force, after it had been asked to end.
    Aborted,
    /// The arguments could not be read; the handler was not called.
    Undecodable(String),
}

/// What the decision depends on besides the ending.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Attempt {
    /// How many runs have failed before this one.
    pub(crate) failures: u32,
    /// How many may fail.
    pub(crate) max_attempts: u32,
    /// When a failed run is tried again.
    pub(crate) retry: RetryPolicy,
    /// Why the run was asked to end, if it was.
    pub(crate) cancelled: Option<CancelReason>,
    /// A number drawn evenly from 0 to 1, for the jitter.
    pub(crate) draw: f64,
}

/// Says what becomes of the job.
pub(crate) fn decide(ending: RunEnding, attempt: &Attempt) -> Verdict {
    match ending {
        RunEnding::Returned(Outcome::Done(result)) => succeeded(result),
        RunEnding::Returned(Outcome::Snooze(delay)) => {
            Verdict::Snoozed { delay: std::cmp::min(delay, DELAY_MAX) }
        }
        RunEnding::Returned(Outcome::Discard(reason)) => {
            discarded(RunErrorKind::Discarded, &reason)
        }
        RunEnding::Returned(Outcome::Cancel(reason)) => {
            Verdict::Cancelled { reason: clip(&reason, REASON_MAX_BYTES) }
        }
        RunEnding::Returned(Outcome::Error(error)) => {
            let advice = Retry::advice(&*error);
            let error = RunError::new(RunErrorKind::Error, &describe(&*error));
            failed(error, advice, attempt)
        }
        RunEnding::Returned(other) => {
            let message = format!("the outcome {other:?} is unknown to this server");
            failed(RunError::new(RunErrorKind::Error, &message), None, attempt)
        }
        RunEnding::Panicked(message) => {
            failed(RunError::new(RunErrorKind::Panic, &message), None, attempt)
        }
        RunEnding::Aborted => {
            let message = "the handler did not end after it had been asked to";
            failed(RunError::new(RunErrorKind::Error, message), None, attempt)
        }
        RunEnding::Undecodable(reason) => Verdict::Failed {
            reason: FailReason::Undecodable,
            error: RunError::new(RunErrorKind::Undecodable, &reason),
        },
    }
}

fn succeeded(result: Option<Vec<u8>>) -> Verdict {
    match result {
        Some(json) if json.len() > RESULT_MAX_BYTES => {
            let len = json.len();
            let message =
                format!("the result has {len} bytes of JSON: at most {RESULT_MAX_BYTES} are kept");
            discarded(RunErrorKind::Error, &message)
        }
        result => Verdict::Succeeded { result },
    }
}

fn discarded(kind: RunErrorKind, message: &str) -> Verdict {
    Verdict::Failed { reason: FailReason::Discarded, error: RunError::new(kind, message) }
}

/// Decides about a run that did not end well; why it was asked to end comes first.
fn failed(error: RunError, advice: Option<RetryAdvice>, attempt: &Attempt) -> Verdict {
    let error = match attempt.cancelled {
        Some(CancelReason::Shutdown | CancelReason::LeaseLost) => {
            return Verdict::Released { started: true };
        }
        Some(CancelReason::User) => {
            return Verdict::Cancelled { reason: "cancelled while processing".to_owned() };
        }
        Some(CancelReason::Timeout) => RunError { kind: RunErrorKind::Timeout, ..error },
        Some(_) | None => error,
    };
    let delay = match advice {
        Some(RetryAdvice::Never) => {
            return Verdict::Failed { reason: FailReason::Discarded, error };
        }
        Some(RetryAdvice::After(delay)) => Some(std::cmp::min(delay, DELAY_MAX)),
        None => None,
    };
    let failures = attempt.failures.saturating_add(1);
    if failures >= attempt.max_attempts {
        return Verdict::Failed { reason: FailReason::Exhausted, error };
    }
    let after = delay.unwrap_or_else(|| attempt.retry.delay(failures, attempt.draw));
    Verdict::Retry { after: std::cmp::max(after, Duration::from_millis(1)), error }
}

#[cfg(test)]
mod tests {
    use super::*;
    use legwork_core::BoxError;

    fn attempt() -> Attempt {
        let retry = RetryPolicy::fixed(Duration::from_secs(7)).unwrap().with_jitter(0.0).unwrap();
        Attempt { failures: 0, max_attempts: 3, retry, cancelled: None, draw: 0.5 }
    }

    fn error(message: &str) -> RunEnding {
        RunEnding::Returned(Outcome::Error(BoxError::from(message.to_owned())))
    }

    fn check(ending: RunEnding, attempt: Attempt, expected: &str) {
        let verdict = decide(ending, &attempt);
        let short = match &verdict {
            Verdict::Succeeded { result } => format!("succeeded {}", result.is_some()),
            Verdict::Retry { after, error } => {
                format!("retry after {after:?}: {:?} {}", error.kind, error.message)
            }
            Verdict::Failed { reason, error } => {
                format!("failed {reason:?}: {:?} {}", error.kind, error.message)
            }
            Verdict::Snoozed { delay } => format!("snoozed {delay:?}"),
            Verdict::Cancelled { reason } => format!("cancelled: {reason}"),
            Verdict::Released { started } => format!("released {started}"),
        };
        assert_eq!(short, expected);
    }

    #[test]
    fn an_outcome_becomes_its_verdict() {
        let returned = RunEnding::Returned;
        let day = Duration::from_hours(24);
        check(returned(Outcome::DONE), attempt(), "succeeded false");
        check(returned(Outcome::done(&7)), attempt(), "succeeded true");
        check(returned(Outcome::snooze(day)), attempt(), "snoozed 86400s");
        check(returned(Outcome::discard("no")), attempt(), "failed Discarded: Discarded no");
        check(returned(Outcome::cancel("gone")), attempt(), "cancelled: gone");
        check(
            RunEnding::Undecodable("missing field".to_owned()),
            attempt(),
            "failed Undecodable: Undecodable missing field",
        );
    }

    #[test]
    fn failures_are_tried_again_until_the_attempts_are_spent() {
        check(error("x"), attempt(), "retry after 7s: Error x");
        check(
            RunEnding::Panicked("boom".to_owned()),
            Attempt { failures: 1, ..attempt() },
            "retry after 7s: Panic boom",
        );
        check(error("x"), Attempt { failures: 2, ..attempt() }, "failed Exhausted: Error x");
        check(error("x"), Attempt { failures: u32::MAX, ..attempt() }, "failed Exhausted: Error x");
    }

    #[test]
    fn an_error_steers_its_retry() {
        let steered = |retry: Retry| RunEnding::Returned(Outcome::Error(Box::new(retry)));
        let after = Retry::after(Duration::from_mins(1), "busy");
        check(steered(after), attempt(), "retry after 60s: Error busy");
        check(steered(Retry::never("bad card")), attempt(), "failed Discarded: Error bad card");
        let last = Attempt { failures: 2, ..attempt() };
        check(steered(Retry::after(Duration::ZERO, "busy")), last, "failed Exhausted: Error busy");
    }

    #[test]
    fn a_run_that_was_asked_to_end_is_judged_by_the_reason() {
        let asked = |reason| Attempt { cancelled: Some(reason), ..attempt() };
        check(error("x"), asked(CancelReason::Shutdown), "released true");
        check(RunEnding::Aborted, asked(CancelReason::Shutdown), "released true");
        check(RunEnding::Aborted, asked(CancelReason::LeaseLost), "released true");
        check(
            RunEnding::Aborted,
            asked(CancelReason::Timeout),
            "retry after 7s: Timeout the handler did not end after it had been asked to",
        );
        check(error("x"), asked(CancelReason::User), "cancelled: cancelled while processing");
        let done = RunEnding::Returned(Outcome::DONE);
        check(done, asked(CancelReason::User), "succeeded false");
    }

    #[test]
    fn a_result_over_the_limit_fails_for_good() {
        let json = vec![b'1'; RESULT_MAX_BYTES + 1];
        check(
            RunEnding::Returned(Outcome::Done(Some(json))),
            attempt(),
            "failed Discarded: Error the result has 1048577 bytes of JSON: at most 1048576 are kept",
        );
    }
}
