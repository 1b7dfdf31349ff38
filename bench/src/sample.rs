//! Medians and percentiles of what was measured.
//!
//! The measurements and the report call it. It never rounds: the report does.

use std::time::Duration;

/// The usual points of a distribution of times.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Percentiles {
    pub(crate) p50: Duration,
    pub(crate) p95: Duration,
    pub(crate) p99: Duration,
    pub(crate) max: Duration,
}

impl Percentiles {
    /// Returns the points of `times`; `None` when there are none.
    pub(crate) fn of(mut times: Vec<Duration>) -> Option<Self> {
        times.sort_unstable();
        let at = |percent: usize| times.get(times.len().saturating_sub(1) * percent / 100).copied();
        Some(Self { p50: at(50)?, p95: at(95)?, p99: at(99)?, max: at(100)? })
    }

    /// Returns what lies between two distributions.
    pub(crate) fn mean(self, other: Self) -> Self {
        Self {
            p50: (self.p50 + other.p50) / 2,
            p95: (self.p95 + other.p95) / 2,
            p99: (self.p99 + other.p99) / 2,
            max: (self.max + other.max) / 2,
        }
    }
}

/// Returns the middle value; `None` when there are none.
pub(crate) fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_unstable_by(f64::total_cmp);
    let n = values.len();
    let upper = *values.get(n / 2)?;
    let lower = *values.get((n - 1) / 2)?;
    Some(f64::midpoint(lower, upper))
}

/// Returns how many per second.
pub(crate) fn rate(n: u64, took: Duration) -> f64 {
    count(n) / took.as_secs_f64()
}

/// Returns a count as a number to reckon with.
#[expect(clippy::cast_precision_loss, reason = "counts here are far below 2^52")]
pub(crate) fn count(n: u64) -> f64 {
    n as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_occurred() {
        let times = (1..=200).rev().map(Duration::from_millis).collect();
        let points = Percentiles::of(times).unwrap();
        assert_eq!(points.p50, Duration::from_millis(100));
        assert_eq!(points.p95, Duration::from_millis(190));
        assert_eq!(points.p99, Duration::from_millis(198));
        assert_eq!(points.max, Duration::from_millis(200));
        assert_eq!(Percentiles::of(Vec::new()), None);
    }

    #[test]
    fn the_median_lies_in_the_middle() {
        assert_eq!(median(vec![9.0, 1.0, 5.0]), Some(5.0));
        assert_eq!(median(vec![4.0, 1.0, 2.0, 9.0]), Some(3.0));
        assert_eq!(median(Vec::new()), None);
    }
}
