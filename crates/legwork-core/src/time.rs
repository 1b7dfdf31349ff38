//! Instants and the clock they are read from.
//!
//! Storages stamp every row with their own clock; the engine measures waits with a monotonic one.
//! Both come from [`Clock`], so that tests can set them. Calendar rules are in [`crate::cron`].

use std::fmt;
use std::time::{Duration, Instant, SystemTime};

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// An instant: microseconds since 1970-01-01T00:00:00Z, from year 1970 to 9999.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The first instant, 1970-01-01T00:00:00Z.
    pub const MIN: Self = Self(0);
    /// The last instant, 9999-12-30T22:00:00Z, which every storage and calendar can hold.
    pub const MAX: Self = Self(253_402_207_200_000_000);

    /// Makes an instant of microseconds since 1970, clamped to [`MIN`](Self::MIN) and
    /// [`MAX`](Self::MAX).
    pub fn from_micros(micros: i64) -> Self {
        Self(micros.clamp(Self::MIN.0, Self::MAX.0))
    }

    /// Returns the microseconds since 1970.
    pub fn as_micros(self) -> i64 {
        self.0
    }

    /// Returns the instant `d` later, at most [`MAX`](Self::MAX).
    #[must_use]
    pub fn after(self, d: Duration) -> Self {
        let micros = i64::try_from(d.as_micros()).unwrap_or(i64::MAX);
        Self::from_micros(self.0.saturating_add(micros))
    }

    /// Returns the instant `d` earlier, at least [`MIN`](Self::MIN).
    #[must_use]
    pub fn before(self, d: Duration) -> Self {
        let micros = i64::try_from(d.as_micros()).unwrap_or(i64::MAX);
        Self::from_micros(self.0.saturating_sub(micros))
    }

    /// Returns the time from `earlier` to this instant, zero when `earlier` is later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// Returns the instant as jiff's type, for calendar arithmetic.
    pub(crate) fn to_jiff(self) -> jiff::Timestamp {
        jiff::Timestamp::from_microsecond(self.0).expect("MIN..=MAX lies within jiff's range")
    }
}

impl TryFrom<SystemTime> for Timestamp {
    type Error = Error;

    /// # Errors
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) outside the years 1970 to 9999.
    fn try_from(time: SystemTime) -> Result<Self> {
        let refused = || Error::invalid("the instant lies outside the years 1970 to 9999");
        let since = time.duration_since(SystemTime::UNIX_EPOCH).map_err(|_| refused())?;
        match i64::try_from(since.as_micros()) {
            Ok(micros) if micros <= Self::MAX.0 => Ok(Self(micros)),
            _ => Err(refused()),
        }
    }
}

impl From<Timestamp> for SystemTime {
    fn from(at: Timestamp) -> Self {
        Self::UNIX_EPOCH + at.since(Timestamp::MIN)
    }
}

impl fmt::Display for Timestamp {
    /// Prints RFC 3339 in UTC with milliseconds: `2026-03-01T03:00:00.000Z`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3}", self.to_jiff())
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.6}", self.to_jiff())
    }
}

/// Tells the time.
pub trait Clock: Send + Sync + fmt::Debug + 'static {
    /// Returns the wall-clock time.
    fn now(&self) -> Timestamp;

    /// Returns a monotonic instant, for measuring waits.
    fn monotonic(&self) -> Instant;
}

impl<C: Clock + ?Sized> Clock for std::sync::Arc<C> {
    fn now(&self) -> Timestamp {
        (**self).now()
    }

    fn monotonic(&self) -> Instant {
        (**self).monotonic()
    }
}

/// The clock of the operating system.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the clock")]
    fn now(&self) -> Timestamp {
        Timestamp::try_from(SystemTime::now()).unwrap_or(Timestamp::MIN)
    }

    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the clock")]
    fn monotonic(&self) -> Instant {
        Instant::now()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_rfc_3339_in_utc() {
        let at = Timestamp::from_micros(1_772_334_000_123_456);
        assert_eq!(at.to_string(), "2026-03-01T03:00:00.123Z");
    }

    #[test]
    fn arithmetic_saturates_at_the_bounds() {
        assert_eq!(Timestamp::MAX.after(Duration::MAX), Timestamp::MAX);
        assert_eq!(Timestamp::MIN.before(Duration::MAX), Timestamp::MIN);
        assert_eq!(Timestamp::MIN.since(Timestamp::MAX), Duration::ZERO);
        assert!(Timestamp::MAX.to_string().starts_with("9999-"));
    }

    #[test]
    fn system_times_outside_the_range_are_refused() {
        let before = SystemTime::UNIX_EPOCH - Duration::from_secs(1);
        assert!(Timestamp::try_from(before).is_err());
        let at = Timestamp::from_micros(1_000_001);
        assert_eq!(Timestamp::try_from(SystemTime::from(at)).unwrap(), at);
    }
}
