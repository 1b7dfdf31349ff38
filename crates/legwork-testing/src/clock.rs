//! A clock that stands still until a test moves it.
//!
//! Tests give it to a storage and to the engine, and keep a clone to move. It must never be read
//! from the operating system after it was made.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use legwork_core::{Clock, SystemClock, Timestamp};

/// A clock that a test moves; clones tell the same time.
///
/// It starts at 2026-01-01T00:00:00Z.
///
/// # Examples
/// ```
/// use std::time::Duration;
/// use legwork_core::Clock;
/// use legwork_testing::TestClock;
///
/// let clock = TestClock::new();
/// let before = clock.now();
/// clock.advance(Duration::from_secs(60));
/// assert_eq!(clock.now().since(before), Duration::from_secs(60));
/// ```
#[derive(Debug, Clone)]
pub struct TestClock {
    time: Arc<Mutex<Time>>,
    skew: Skew,
}

#[derive(Debug)]
struct Time {
    wall: Timestamp,
    monotonic: Instant,
}

/// How far the wall clock is off.
#[derive(Debug, Clone, Copy)]
enum Skew {
    Ahead(Duration),
    Behind(Duration),
}

/// 2026-01-01T00:00:00Z.
const START: i64 = 1_767_225_600_000_000;

impl TestClock {
    /// Makes a clock.
    pub fn new() -> Self {
        Self::at(Timestamp::from_micros(START))
    }

    /// Makes a clock that starts at `wall`.
    pub fn at(wall: Timestamp) -> Self {
        let time = Time { wall, monotonic: SystemClock.monotonic() };
        Self { time: Arc::new(Mutex::new(time)), skew: Skew::Ahead(Duration::ZERO) }
    }

    /// Lets `d` pass: on the wall clock and the monotonic one.
    pub fn advance(&self, d: Duration) {
        let mut time = self.lock();
        time.wall = time.wall.after(d);
        time.monotonic += d;
    }

    /// Sets the wall clock, as a person or a time server would; no time passes.
    pub fn set(&self, wall: Timestamp) {
        self.lock().wall = wall;
    }

    /// Returns a clock in the same time whose wall clock is `d` ahead of this one's.
    #[must_use]
    pub fn ahead(&self, d: Duration) -> Self {
        Self { time: Arc::clone(&self.time), skew: Skew::Ahead(d) }
    }

    /// Returns a clock in the same time whose wall clock is `d` behind this one's.
    #[must_use]
    pub fn behind(&self, d: Duration) -> Self {
        Self { time: Arc::clone(&self.time), skew: Skew::Behind(d) }
    }

    fn lock(&self) -> MutexGuard<'_, Time> {
        self.time.lock().expect("nothing that holds the lock can panic")
    }
}

impl Default for TestClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        let wall = self.lock().wall;
        match self.skew {
            Skew::Ahead(d) => wall.after(d),
            Skew::Behind(d) => wall.before(d),
        }
    }

    fn monotonic(&self) -> Instant {
        self.lock().monotonic
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_mins(1);

    #[test]
    fn clones_tell_the_same_time_and_only_a_test_moves_it() {
        let clock = TestClock::new();
        let clone = clock.clone();
        let (wall, monotonic) = (clone.now(), clone.monotonic());
        assert_eq!(wall.to_string(), "2026-01-01T00:00:00.000Z");
        clock.advance(MINUTE);
        assert_eq!(clone.now(), wall.after(MINUTE));
        assert_eq!(clone.monotonic(), monotonic + MINUTE);
    }

    #[test]
    fn setting_the_wall_clock_lets_no_time_pass() {
        let clock = TestClock::new();
        let (wall, monotonic) = (clock.now(), clock.monotonic());
        clock.set(wall.before(MINUTE));
        assert_eq!((clock.now(), clock.monotonic()), (wall.before(MINUTE), monotonic));
    }

    #[test]
    fn a_skewed_clock_stays_as_far_off() {
        let clock = TestClock::new();
        let (ahead, behind) = (clock.ahead(MINUTE), clock.behind(MINUTE));
        clock.advance(10 * MINUTE);
        assert_eq!(ahead.now(), clock.now().after(MINUTE));
        assert_eq!(behind.now(), clock.now().before(MINUTE));
        assert_eq!(ahead.monotonic(), behind.monotonic());
    }
}
