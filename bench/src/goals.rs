//! What the figures are held against: ratios to the yardsticks, and pick-up times.
//!
//! The report prints it. A goal that is missed fails nothing: absolute figures belong to a machine,
//! and only people can tell a slow disk from a slow release. The goals of each storage are in
//! `goals/`.

pub(crate) mod postgres;
pub(crate) mod sqlite;

use std::time::Duration;

use crate::lab::Reading;
use crate::options::Subject;
use crate::rounds::Round;
use crate::sample::{Percentiles, median};

/// One line of the goals.
#[derive(Debug)]
pub(crate) struct Goal {
    pub(crate) id: &'static str,
    pub(crate) what: &'static str,
    /// What would be excellent, where there is such a bound.
    pub(crate) stretch: Option<f64>,
    pub(crate) accept: f64,
    pub(crate) unit: Unit,
    measured: fn(&Round) -> Option<f64>,
}

/// What a goal is counted in, which also says which way is better.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Unit {
    /// A ratio to a yardstick; more is better.
    Ratio,
    /// A ratio to a yardstick; less is better.
    Times,
    /// Milliseconds; less is better.
    Millis,
    /// Microseconds of CPU per job; less is better.
    Micros,
    /// Bytes per job; less is better.
    Bytes,
}

/// How a figure stands to its goal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Stretch,
    Accept,
    Missed,
}

impl Goal {
    /// Makes a goal that no round measures; `bounds` are what to stretch to and what to accept.
    pub(crate) const fn elsewhere(
        id: &'static str,
        what: &'static str,
        bounds: (Option<f64>, f64),
        unit: Unit,
    ) -> Self {
        Self { id, what, stretch: bounds.0, accept: bounds.1, unit, measured: |_| None }
    }

    /// Returns the median of the rounds; `None` where it was not measured.
    pub(crate) fn measured(&self, rounds: &[Round]) -> Option<f64> {
        median(rounds.iter().filter_map(self.measured).collect())
    }

    /// Judges a figure.
    pub(crate) fn judge(&self, measured: f64) -> Verdict {
        let reaches = |bound: f64| match self.unit {
            Unit::Ratio => measured >= bound,
            Unit::Times | Unit::Millis | Unit::Micros | Unit::Bytes => measured <= bound,
        };
        match (self.stretch.is_some_and(reaches), reaches(self.accept)) {
            (true, _) => Verdict::Stretch,
            (false, true) => Verdict::Accept,
            (false, false) => Verdict::Missed,
        }
    }
}

/// Returns the goals of a storage.
pub(crate) fn of(subject: Subject) -> &'static [Goal] {
    match subject {
        Subject::Sqlite => &sqlite::GOALS,
        Subject::Postgres => &postgres::GOALS,
    }
}

fn rate(round: &Round, what: &str) -> Option<f64> {
    round.reading(what).map(|reading: &Reading| reading.rate)
}

fn millis(round: &Round, what: &str, point: fn(&Percentiles) -> Duration) -> Option<f64> {
    let times = round.reading(what)?.times?;
    Some(point(&times).as_secs_f64() * 1e3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_is_better_for_ratios_and_less_for_times() {
        let judged = |unit, stretch, accept, measured| {
            Goal { id: "", what: "", stretch, accept, unit, measured: |_| None }.judge(measured)
        };
        assert_eq!(judged(Unit::Ratio, Some(0.3), 0.2, 0.3), Verdict::Stretch);
        assert_eq!(judged(Unit::Ratio, Some(0.3), 0.2, 0.25), Verdict::Accept);
        assert_eq!(judged(Unit::Ratio, Some(0.3), 0.2, 0.1), Verdict::Missed);
        assert_eq!(judged(Unit::Millis, Some(1.0), 4.0, 0.9), Verdict::Stretch);
        assert_eq!(judged(Unit::Millis, Some(1.0), 4.0, 2.0), Verdict::Accept);
        assert_eq!(judged(Unit::Millis, Some(1.0), 4.0, 4.1), Verdict::Missed);
        assert_eq!(judged(Unit::Times, None, 4.0, 1.0), Verdict::Accept);
    }
}
