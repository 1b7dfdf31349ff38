//! When a timer fires: every so often, or by cron.
//!
//! [`crate::HostBuilder::timer`] takes a [`Schedule`]; [`crate::timer`] waits for its ticks.

use std::time::Duration;

use legwork_core::cron::{Cron, Zone};
use legwork_core::outcome::describe;
use legwork_core::{Clock, Result, Timestamp};
use tokio::time::Instant;

/// The longest sleep before the wall clock is read again: it may have been set meanwhile.
const CLOCK_CHECK: Duration = Duration::from_secs(30);

/// How many missed cron ticks are counted one by one; a machine that slept for a month has more.
const MISSED_MAX: usize = 10_000;

/// Says when a timer fires.
///
/// # Examples
/// ```
/// use std::time::Duration;
/// use legwork_host::Schedule;
///
/// let minutely = Schedule::every(Duration::from_secs(60)).immediately();
/// let careful = Schedule::every(Duration::from_secs(30))
///     .first_after(Duration::from_secs(5))
///     .jitter(Duration::from_secs(2))
///     .timeout(Duration::from_secs(20));
/// let nightly = Schedule::cron("0 3 * * *", "Europe/Istanbul");
/// ```
#[derive(Debug, Clone)]
pub struct Schedule {
    rule: Rule,
    first_after: Option<Duration>,
    jitter: Duration,
    timeout: Option<Duration>,
}

#[derive(Debug, Clone)]
enum Rule {
    Every {
        period: Duration,
    },
    Cron(Box<(Cron, Zone)>),
    /// Reported when the host is built.
    Broken(String),
}

impl Schedule {
    /// Fires every `period`, for the first time one `period` after the start.
    ///
    /// Ticks keep their distance from the start: a late run does not move those after it. A period
    /// of zero is an error when the host is built.
    pub fn every(period: Duration) -> Self {
        Self::of(Rule::Every { period })
    }

    /// Fires when a cron expression is due in a time zone, such as `UTC` or `Europe/Istanbul`.
    ///
    /// A bad expression or zone is an error when the host is built.
    pub fn cron(expression: &str, zone: &str) -> Self {
        let parse = || -> Result<Rule> {
            Ok(Rule::Cron(Box::new((Cron::parse(expression)?, Zone::new(zone)?))))
        };
        Self::of(parse().unwrap_or_else(|error| Rule::Broken(describe(&error))))
    }

    fn of(rule: Rule) -> Self {
        Self { rule, first_after: None, jitter: Duration::ZERO, timeout: None }
    }

    /// Fires for the first time as soon as the timer has started.
    #[must_use]
    pub fn immediately(self) -> Self {
        self.first_after(Duration::ZERO)
    }

    /// Fires for the first time `d` after the start.
    ///
    /// With [`cron`](Self::cron) it is one run besides those that are due by the expression.
    #[must_use]
    pub fn first_after(mut self, d: Duration) -> Self {
        self.first_after = Some(d);
        self
    }

    /// Delays each run by a random time up to `d`, so that many processes do not run at once.
    /// Default 0.
    #[must_use]
    pub fn jitter(mut self, d: Duration) -> Self {
        self.jitter = d;
        self
    }

    /// Ends a run that takes longer than `d`; it counts as failed. Unbounded by default.
    #[must_use]
    pub fn timeout(mut self, d: Duration) -> Self {
        self.timeout = Some(d);
        self
    }

    pub(crate) fn run_limit(&self) -> Option<Duration> {
        self.timeout
    }

    /// Returns what is wrong with the schedule, as `build` reports it.
    pub(crate) fn problems(&self) -> impl Iterator<Item = String> {
        let rule = match &self.rule {
            Rule::Every { period } if period.is_zero() => Some("its period is zero".to_owned()),
            Rule::Every { .. } | Rule::Cron(_) => None,
            Rule::Broken(problem) => Some(problem.clone()),
        };
        let timeout = self.timeout.filter(Duration::is_zero);
        rule.into_iter().chain(timeout.map(|_| "its timeout is zero".to_owned()))
    }

    /// Begins the ticks of a timer that starts now.
    pub(crate) fn ticks(&self, clock: &dyn Clock) -> Ticks {
        let (start, now) = (Instant::now(), clock.now());
        let due = match (&self.rule, self.first_after) {
            (_, Some(d)) => Some(Due::Elapsed(start + d)),
            (Rule::Every { period }, None) => Some(Due::Elapsed(start + *period)),
            (Rule::Cron(cron), None) => cron.0.next(now, &cron.1).map(Due::Wall),
            (Rule::Broken(_), None) => None,
        };
        Ticks { rule: self.rule.clone(), jitter: self.jitter, due }
    }
}

/// The ticks of one timer, one after the other.
#[derive(Debug)]
pub(crate) struct Ticks {
    rule: Rule,
    jitter: Duration,
    due: Option<Due>,
}

/// When the next tick is due: by elapsed time, or by the wall clock, which may be set.
#[derive(Debug, Clone, Copy)]
enum Due {
    Elapsed(Instant),
    Wall(Timestamp),
}

impl Ticks {
    /// Returns when the next tick is due by the wall clock, jitter apart.
    pub(crate) fn next_at(&self, clock: &dyn Clock) -> Option<Timestamp> {
        Some(match self.due? {
            Due::Wall(at) => at,
            Due::Elapsed(at) => clock.now().after(at.saturating_duration_since(Instant::now())),
        })
    }

    /// Waits for the tick that is due next; for ever when there is none.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped: the tick stays due.
    pub(crate) async fn wait(&self, clock: &dyn Clock) {
        match self.due {
            None => std::future::pending().await,
            Some(Due::Elapsed(at)) => tokio::time::sleep_until(at).await,
            Some(Due::Wall(at)) => loop {
                let left = at.since(clock.now());
                if left.is_zero() {
                    break;
                }
                tokio::time::sleep(std::cmp::min(left, CLOCK_CHECK)).await;
            },
        }
        tokio::time::sleep(self.jitter.mul_f64(fastrand::f64())).await;
    }

    /// Goes on to the tick after now; returns how many were missed since the last.
    pub(crate) fn advance(&mut self, clock: &dyn Clock) -> u64 {
        match (&self.rule, self.due) {
            (Rule::Every { period }, Some(Due::Elapsed(last))) => {
                let (next, n_missed) = next_tick(last, *period, Instant::now());
                self.due = Some(Due::Elapsed(next));
                n_missed
            }
            (Rule::Cron(cron), last) => {
                let now = clock.now();
                let last = match last {
                    Some(Due::Wall(last)) => last,
                    Some(Due::Elapsed(_)) | None => now,
                };
                let ticks = std::iter::successors(cron.0.next(last, &cron.1), |&tick| {
                    cron.0.next(tick, &cron.1)
                });
                let missed = ticks.take_while(|&tick| tick <= now).take(MISSED_MAX).count();
                self.due = cron.0.next(std::cmp::max(last, now), &cron.1).map(Due::Wall);
                u64::try_from(missed).unwrap_or(u64::MAX)
            }
            (Rule::Every { .. } | Rule::Broken(_), _) => 0,
        }
    }
}

/// Returns the first tick after `last` that is not over at `now`, and how many were skipped.
fn next_tick(last: Instant, period: Duration, now: Instant) -> (Instant, u64) {
    let late = now.saturating_duration_since(last).as_nanos();
    let periods = std::cmp::max(late.div_ceil(std::cmp::max(period.as_nanos(), 1)), 1);
    let n_missed = u64::try_from(periods - 1).unwrap_or(u64::MAX);
    let ahead = u32::try_from(periods).map(|periods| period.saturating_mul(periods));
    // Beyond 2^32 missed ticks the grid starts anew.
    (ahead.map_or(now + period, |ahead| last + ahead), n_missed)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn secs(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    #[tokio::test(start_paused = true)]
    async fn ticks_stay_on_the_grid_and_missed_ones_are_counted() {
        let last = Instant::now();
        let check = |now, tick, n_missed| {
            let expected = (last + secs(tick), n_missed);
            assert_eq!(next_tick(last, secs(10), last + Duration::from_millis(now)), expected);
        };
        check(0, 10, 0);
        check(3_000, 10, 0);
        check(10_000, 10, 0);
        check(10_001, 20, 1);
        check(25_000, 30, 2);
    }

    #[test]
    fn a_broken_schedule_says_what_is_wrong() {
        let problems = |schedule: Schedule| schedule.problems().collect::<Vec<_>>();
        assert!(problems(Schedule::every(secs(1))).is_empty());
        let zero = Schedule::every(Duration::ZERO).timeout(Duration::ZERO);
        assert_eq!(problems(zero), ["its period is zero", "its timeout is zero"]);
        assert_eq!(problems(Schedule::cron("0 3 * *", "UTC")).len(), 1);
        assert_eq!(problems(Schedule::cron("0 3 * * *", "Europe/Atlantis")).len(), 1);
    }
}
