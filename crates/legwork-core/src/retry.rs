//! When a job that failed is tried again.
//!
//! The engine asks [`RetryPolicy::delay`] after a run that failed; the storage only stores the
//! answer. How a handler steers a single retry is in [`crate::outcome`].

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// How many runs may fail before a job is `failed`, unless its kind says otherwise.
///
/// With the default policy the twenty attempts span about six days: a defect that is found on a
/// Friday evening can be mended on Monday without losing a job.
pub const MAX_ATTEMPTS_DEFAULT: u32 = 20;

/// The longest delay that a policy may give: 365 days.
pub const DELAY_MAX: Duration = Duration::from_hours(365 * 24);

/// Exponential back-off with jitter.
///
/// After the `n`-th failure a job waits
/// `min(cap, base · factor^(n − 1)) · u`, where `u` is drawn evenly from
/// `1 − jitter … 1 + jitter` for each job, so that jobs that failed together do not return
/// together.
///
/// The default is base 5 s, factor 2, cap 24 h, jitter 0.2: 5 s, 10 s, 20 s, … 22 h 45 min, 24 h,
/// 24 h, … . [`total_span`](Self::total_span) adds it up.
///
/// # Examples
/// ```
/// use std::time::Duration;
/// use legwork_core::retry::RetryPolicy;
///
/// let policy = RetryPolicy::exponential(Duration::from_secs(1), Duration::from_secs(60))?;
/// assert_eq!(policy.mean_delay(1), Duration::from_secs(1));
/// assert_eq!(policy.mean_delay(4), Duration::from_secs(8));
/// assert_eq!(policy.mean_delay(100), Duration::from_secs(60));
/// # Ok::<(), legwork_core::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Wire", into = "Wire")]
pub struct RetryPolicy {
    base: Duration,
    cap: Duration,
    factor: f64,
    jitter: f64,
}

/// The stored form, checked when it is read back.
#[derive(Serialize, Deserialize)]
struct Wire {
    base_ms: u64,
    cap_ms: u64,
    factor: f64,
    jitter: f64,
}

impl RetryPolicy {
    /// Makes an exponential policy with factor 2 and jitter 0.2.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) when `base` is zero, `cap` is less than
    /// `base`, or `cap` is over 365 days.
    pub fn exponential(base: Duration, cap: Duration) -> Result<Self> {
        Self { base, cap, factor: 2.0, jitter: 0.2 }.check()
    }

    /// Makes a policy with the same delay after each failure, and jitter 0.2.
    ///
    /// # Errors
    /// As [`exponential`](Self::exponential).
    pub fn fixed(delay: Duration) -> Result<Self> {
        Self { base: delay, cap: delay, factor: 1.0, jitter: 0.2 }.check()
    }

    /// Sets the factor between one delay and the next, 1 to 100.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) outside that range.
    pub fn with_factor(self, factor: f64) -> Result<Self> {
        Self { factor, ..self }.check()
    }

    /// Sets the jitter as a share of the delay, 0 to 1.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) outside that range.
    pub fn with_jitter(self, jitter: f64) -> Result<Self> {
        Self { jitter, ..self }.check()
    }

    fn check(self) -> Result<Self> {
        let rule = if self.base.is_zero() {
            "the base is zero: a retry waits at least a millisecond"
        } else if self.cap < self.base {
            "the cap is less than the base"
        } else if self.cap > DELAY_MAX {
            "the cap is over 365 days"
        } else if !(1.0..=100.0).contains(&self.factor) {
            "the factor is not within 1 to 100"
        } else if !(0.0..=1.0).contains(&self.jitter) {
            "the jitter is not within 0 to 1"
        } else {
            return Ok(self);
        };
        Err(Error::invalid(format!("retry policy: {rule}")))
    }

    /// Returns the delay after the `failures`-th failure, for a `draw` within 0 to 1.
    ///
    /// It is at least a millisecond and at most `cap · (1 + jitter)`, for any input.
    pub fn delay(&self, failures: u32, draw: f64) -> Duration {
        let draw = if draw.is_finite() { draw.clamp(0.0, 1.0) } else { 0.5 };
        let spread = 1.0 + self.jitter * (2.0 * draw - 1.0);
        let secs = self.mean_delay(failures).as_secs_f64() * spread;
        std::cmp::max(Duration::from_secs_f64(secs), Duration::from_millis(1))
    }

    /// Returns the delay after the `failures`-th failure without jitter.
    pub fn mean_delay(&self, failures: u32) -> Duration {
        let steps = i32::try_from(failures.saturating_sub(1)).unwrap_or(i32::MAX);
        let secs = self.base.as_secs_f64() * self.factor.powi(steps);
        if secs >= self.cap.as_secs_f64() { self.cap } else { Duration::from_secs_f64(secs) }
    }

    /// Returns the time from the first failure to the last attempt, without jitter.
    ///
    /// At most ten thousand delays are added up; a policy that goes on longer is far beyond its
    /// cap.
    pub fn total_span(&self, max_attempts: u32) -> Duration {
        let counted = std::cmp::min(max_attempts, 10_000);
        let total: Duration = (1..counted).map(|failures| self.mean_delay(failures)).sum();
        let rest = max_attempts.saturating_sub(std::cmp::max(counted, 1));
        total.saturating_add(self.cap.saturating_mul(rest))
    }
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            base: Duration::from_secs(5),
            cap: Duration::from_hours(24),
            factor: 2.0,
            jitter: 0.2,
        }
    }
}

impl TryFrom<Wire> for RetryPolicy {
    type Error = Error;

    fn try_from(wire: Wire) -> Result<Self> {
        Self {
            base: Duration::from_millis(wire.base_ms),
            cap: Duration::from_millis(wire.cap_ms),
            factor: wire.factor,
            jitter: wire.jitter,
        }
        .check()
    }
}

impl From<RetryPolicy> for Wire {
    fn from(policy: RetryPolicy) -> Self {
        let millis = |d: Duration| u64::try_from(d.as_millis()).unwrap_or(u64::MAX);
        Self {
            base_ms: std::cmp::max(millis(policy.base), 1),
            cap_ms: std::cmp::max(millis(policy.cap), 1),
            factor: policy.factor,
            jitter: policy.jitter,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_default_spans_about_six_days() {
        let span = RetryPolicy::default().total_span(MAX_ATTEMPTS_DEFAULT);
        assert_eq!(span, Duration::from_secs(5 * (2_u64.pow(15) - 1) + 4 * 24 * 3600));
        assert_eq!(span.as_secs() / 86_400, 5, "5.9 days");
    }

    #[test]
    fn policies_that_cannot_work_are_refused() {
        let s = Duration::from_secs;
        assert!(RetryPolicy::exponential(s(0), s(1)).is_err());
        assert!(RetryPolicy::exponential(s(2), s(1)).is_err());
        assert!(RetryPolicy::exponential(s(2), Duration::MAX).is_err());
        let policy = RetryPolicy::default();
        for factor in [f64::NAN, f64::INFINITY, 0.5, -1.0] {
            assert!(policy.with_factor(factor).is_err());
        }
        assert!(policy.with_jitter(1.1).is_err());
    }

    #[test]
    fn a_stored_policy_is_checked_when_it_is_read_back() {
        let json = serde_json::to_string(&RetryPolicy::default()).unwrap();
        assert_eq!(serde_json::from_str::<RetryPolicy>(&json).unwrap(), RetryPolicy::default());
        assert!(serde_json::from_str::<RetryPolicy>(&json.replace("5000", "0")).is_err());
    }

    proptest! {
        #[test]
        fn delays_stay_within_the_bounds(
            failures: u32,
            draw in -1.0..2.0_f64,
            jitter in 0.0..=1.0_f64,
        ) {
            let policy = RetryPolicy::default().with_jitter(jitter).unwrap();
            let delay = policy.delay(failures, draw);
            prop_assert!(delay >= Duration::from_millis(1));
            prop_assert!(delay <= Duration::from_hours(2 * 24));
        }

        #[test]
        fn mean_delays_never_shrink(failures in 1..1_000_000_u32) {
            let policy = RetryPolicy::default();
            prop_assert!(policy.mean_delay(failures) <= policy.mean_delay(failures + 1));
        }
    }
}
