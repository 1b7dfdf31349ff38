//! What happens when a background service fails: restart with back-off, stop the host, ignore.
//!
//! [`crate::HostBuilder::policy`] sets it, [`crate::supervisor`] follows it. The
//! arithmetic is pure.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// Decides what happens when the loop of a background service fails or panics.
///
/// The default is [`Policy::Restart`].
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Policy {
    /// Restarts the service after a back-off; when it fails too often, the host stops with code 1.
    Restart(Restart),
    /// Stops the host with code 1.
    StopHost,
    /// Logs the error and goes on without the service, whose state is then
    /// [`Failed`](crate::ServiceState::Failed).
    Ignore,
}

impl Default for Policy {
    fn default() -> Self {
        Self::Restart(Restart::default())
    }
}

/// How often, and after what pauses, a failed service is restarted.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Restart {
    /// The pause after the first failure; it doubles with every further one. Default 200 ms.
    pub first: Duration,
    /// The longest pause. Default 30 s.
    pub longest: Duration,
    /// How far a pause may be longer or shorter by chance, as a share of it, 0 to 1. Default 0.2.
    pub jitter: f64,
    /// How many restarts are allowed [`within`](Self::within); the next failure stops the host.
    /// Default 5.
    pub max: usize,
    /// The time in which restarts are counted. Default 60 s.
    pub within: Duration,
}

impl Default for Restart {
    fn default() -> Self {
        Self {
            first: Duration::from_millis(200),
            longest: Duration::from_secs(30),
            jitter: 0.2,
            max: 5,
            within: Duration::from_mins(1),
        }
    }
}

impl Restart {
    /// Sets the first and the longest pause.
    #[must_use]
    pub fn back_off(mut self, first: Duration, longest: Duration) -> Self {
        (self.first, self.longest) = (first, longest);
        self
    }

    /// Sets the share by which pauses vary, 0 to 1.
    #[must_use]
    pub fn jitter(mut self, share: f64) -> Self {
        self.jitter = share;
        self
    }

    /// Sets how many restarts are allowed within what time.
    #[must_use]
    pub fn max(mut self, restarts: usize, within: Duration) -> Self {
        (self.max, self.within) = (restarts, within);
        self
    }

    /// Returns the rules that the values break, as `build` reports them.
    pub(crate) fn problems(&self) -> impl Iterator<Item = &'static str> {
        [
            (self.first.is_zero(), "the first pause before a restart is zero"),
            (self.longest < self.first, "the longest pause before a restart is under the first"),
            (!(0.0..=1.0).contains(&self.jitter), "the jitter of restarts is not within 0 to 1"),
            (self.within.is_zero(), "the time within which restarts are counted is zero"),
        ]
        .into_iter()
        .filter_map(|(broken, rule)| broken.then_some(rule))
    }

    /// Returns the pause after the `n`-th failure in a row, before jitter.
    fn pause(&self, n: usize) -> Duration {
        // 2^31 first pauses are longer than any longest pause that makes sense.
        let doublings = u32::try_from(n.saturating_sub(1)).unwrap_or(31).clamp(0, 31);
        std::cmp::min(self.first.saturating_mul(1 << doublings), self.longest)
    }

    /// Returns the pause with jitter: `chance` is 0 to 1.
    fn jittered(&self, n: usize, chance: f64) -> Duration {
        self.pause(n).mul_f64(1.0 + self.jitter * (2.0 * chance - 1.0))
    }
}

/// The failures of one service that still count.
#[derive(Debug, Default)]
pub(crate) struct Failures {
    at: VecDeque<Instant>,
}

impl Failures {
    /// Counts a failure at `now`; returns the pause before the restart, or `None` when there were
    /// too many.
    pub(crate) fn count(&mut self, restart: &Restart, now: Instant) -> Option<Duration> {
        while self.at.front().is_some_and(|&at| now.duration_since(at) >= restart.within) {
            self.at.pop_front();
        }
        self.at.push_back(now);
        let n = self.at.len();
        (n <= restart.max).then(|| restart.jittered(n, fastrand::f64()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest() {
        let restart = Restart::default();
        let pauses: Vec<u128> = (1..=10).map(|n| restart.pause(n).as_millis()).collect();
        assert_eq!(pauses, [200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 30_000, 30_000]);
        assert_eq!(restart.pause(usize::MAX), Duration::from_secs(30));
    }

    #[test]
    fn jitter_moves_a_pause_by_its_share_at_most() {
        let restart = Restart::default();
        assert_eq!(restart.jittered(1, 0.0), Duration::from_millis(160));
        assert_eq!(restart.jittered(1, 0.5), Duration::from_millis(200));
        assert_eq!(restart.jittered(1, 1.0), Duration::from_millis(240));
    }

    #[tokio::test(start_paused = true)]
    async fn the_failure_after_the_allowed_restarts_gives_up() {
        let restart = Restart::default();
        let mut failures = Failures::default();
        for _ in 0..5 {
            assert!(failures.count(&restart, Instant::now()).is_some());
        }
        assert_eq!(failures.count(&restart, Instant::now()), None);
    }

    #[tokio::test(start_paused = true)]
    async fn failures_are_forgotten_after_their_time() {
        let restart = Restart::default().max(1, Duration::from_mins(1)).jitter(0.0);
        let mut failures = Failures::default();
        assert_eq!(failures.count(&restart, Instant::now()), Some(restart.first));
        tokio::time::advance(Duration::from_mins(1)).await;
        assert_eq!(failures.count(&restart, Instant::now()), Some(restart.first));
        tokio::time::advance(Duration::from_secs(59)).await;
        assert_eq!(failures.count(&restart, Instant::now()), None);
    }

    #[test]
    fn values_that_make_no_sense_are_named() {
        let zero = Duration::ZERO;
        let restart = Restart::default().back_off(zero, zero).jitter(f64::NAN).max(1, zero);
        assert_eq!(restart.problems().count(), 3);
        assert_eq!(Restart::default().problems().count(), 0);
    }
}
