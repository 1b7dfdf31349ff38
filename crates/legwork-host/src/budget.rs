//! How the time of a stop is shared out, so that a deaf service does not starve the others.
//!
//! [`crate::stopper`] asks for the share of each service in turn. Pure arithmetic.

use std::time::Duration;

/// What is kept for each service that is still to be stopped.
const RESERVE: Duration = Duration::from_millis(500);

/// The longest time between stage 2 of a stop and the abort.
const ABORT_GRACE: Duration = Duration::from_secs(1);

/// One service's time at stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Share {
    /// From its stage 1 to its stage 2.
    pub(crate) soft: Duration,
    /// From its stage 1 to the abort.
    pub(crate) hard: Duration,
}

impl Share {
    /// Shares `remaining` between this service and the `n_to_come` after it, `cap` at most.
    ///
    /// Each of those keeps half a second, or an equal part when there is less than that.
    pub(crate) fn of(remaining: Duration, n_to_come: usize, cap: Option<Duration>) -> Self {
        let n_to_come = u32::try_from(n_to_come).unwrap_or(u32::MAX - 1);
        let reserve = std::cmp::min(RESERVE, remaining / (n_to_come + 1));
        let hard = remaining.saturating_sub(reserve.saturating_mul(n_to_come));
        let hard = cap.map_or(hard, |cap| std::cmp::min(cap, hard));
        Self { soft: hard.saturating_sub(std::cmp::min(ABORT_GRACE, hard / 4)), hard }
    }

    /// Parts the share in two: for the loop, and a fifth of it for the cleaning up afterwards.
    pub(crate) fn loop_part(self) -> Self {
        Self { soft: self.soft * 4 / 5, hard: self.hard * 4 / 5 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn millis(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    #[test]
    fn a_lone_service_has_all_the_time_less_the_grace_before_the_abort() {
        let share = Share::of(millis(30_000), 0, None);
        assert_eq!(share, Share { soft: millis(29_000), hard: millis(30_000) });
    }

    #[test]
    fn every_service_to_come_keeps_half_a_second() {
        assert_eq!(Share::of(millis(30_000), 10, None).hard, millis(25_000));
    }

    #[test]
    fn a_tight_budget_is_shared_equally() {
        let share = Share::of(millis(400), 3, None);
        assert_eq!(share, Share { soft: millis(75), hard: millis(100) });
        assert_eq!(Share::of(Duration::ZERO, 3, None).hard, Duration::ZERO);
    }

    #[test]
    fn a_cap_shortens_the_share_and_never_lengthens_it() {
        assert_eq!(Share::of(millis(30_000), 0, Some(millis(2_000))).hard, millis(2_000));
        assert_eq!(Share::of(millis(1_000), 0, Some(millis(2_000))).hard, millis(1_000));
    }

    #[test]
    fn cleaning_up_keeps_a_fifth() {
        let share = Share::of(millis(10_000), 0, None).loop_part();
        assert_eq!(share, Share { soft: millis(7_200), hard: millis(8_000) });
    }
}
