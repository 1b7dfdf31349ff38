//! How long the loops of a server wait: jittered polls, and back-off while the storage is down.
//!
//! All loops use it. How long a *job* waits before it is tried again is in `legwork_core::retry`.

use std::time::Duration;

/// The longest wait between two tries while a storage is down.
const BACK_OFF_MAX: Duration = Duration::from_secs(10);

/// The first wait; it doubles with each failure.
const BACK_OFF_BASE: Duration = Duration::from_millis(100);

/// Counts failures in a row and says how long to wait.
#[derive(Debug, Default)]
pub(crate) struct BackOff {
    failures: u32,
}

impl BackOff {
    /// Notes a failure and returns a wait with full jitter: anything up to the bound, so that
    /// servers that lost the storage together do not return together.
    pub(crate) fn failed(&mut self) -> Duration {
        let doubled = BACK_OFF_BASE.saturating_mul(1 << std::cmp::min(self.failures, 16));
        self.failures = self.failures.saturating_add(1);
        let bound = std::cmp::min(doubled, BACK_OFF_MAX);
        bound.mul_f64(0.1 + 0.9 * fastrand::f64())
    }

    pub(crate) fn succeeded(&mut self) {
        self.failures = 0;
    }
}

/// Returns `interval` give or take a fifth, so that servers do not poll in step.
pub(crate) fn jittered(interval: Duration) -> Duration {
    interval.mul_f64(0.8 + 0.4 * fastrand::f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_the_bound_and_start_anew_after_a_success() {
        let mut back_off = BackOff::default();
        assert!(back_off.failed() <= BACK_OFF_BASE);
        for _ in 0..100 {
            let wait = back_off.failed();
            assert!(wait >= BACK_OFF_BASE.mul_f64(0.2) && wait <= BACK_OFF_MAX, "{wait:?}");
        }
        back_off.succeeded();
        assert!(back_off.failed() <= BACK_OFF_BASE);
    }
}
