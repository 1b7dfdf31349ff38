//! What the figures are held against: ratios to the yardsticks, and pick-up times.
//!
//! The report prints it. A goal that is missed fails nothing: absolute figures belong to a machine,
//! and only people can tell a slow disk from a slow release.

use std::time::Duration;

use crate::lab::Reading;
use crate::measure::{cycle, drain, enqueue, live, pickup, processes};
use crate::rounds::Round;
use crate::sample::{Percentiles, median};

/// One line of the goals.
#[derive(Debug)]
pub(crate) struct Goal {
    pub(crate) id: &'static str,
    pub(crate) what: &'static str,
    pub(crate) aim: f64,
    pub(crate) accept: f64,
    pub(crate) unit: Unit,
    measured: fn(&Round) -> Option<f64>,
}

/// What a goal is counted in, which also says which way is better.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Unit {
    /// A ratio to a yardstick; more is better.
    Ratio,
    /// Milliseconds; less is better.
    Millis,
}

/// How a figure stands to its goal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Met,
    Accepted,
    Missed,
}

impl Goal {
    /// Returns the median of the rounds; `None` where it was not measured.
    pub(crate) fn measured(&self, rounds: &[Round]) -> Option<f64> {
        median(rounds.iter().filter_map(self.measured).collect())
    }

    /// Judges a figure.
    pub(crate) fn judge(&self, measured: f64) -> Verdict {
        let reaches = |bound: f64| match self.unit {
            Unit::Ratio => measured >= bound,
            Unit::Millis => measured <= bound,
        };
        match (reaches(self.aim), reaches(self.accept)) {
            (true, _) => Verdict::Met,
            (false, true) => Verdict::Accepted,
            (false, false) => Verdict::Missed,
        }
    }
}

fn rate(round: &Round, what: &str) -> Option<f64> {
    round.reading(what).map(|reading: &Reading| reading.rate)
}

fn millis(round: &Round, what: &str, point: fn(&Percentiles) -> Duration) -> Option<f64> {
    let times = round.reading(what)?.times?;
    Some(point(&times).as_secs_f64() * 1e3)
}

/// The goals. The yardsticks of the machine on which they were set: 335,000 rows a second for 100
/// rows per transaction and 6,300 for one, with `synchronous=FULL`. 30,000 jobs a second out of
/// 335,000 is where the bound of the drain comes from.
pub(crate) const GOALS: [Goal; 13] = [
    Goal {
        id: "S1",
        what: "full cycle in batches of 100 / raw(100)",
        aim: 0.30,
        accept: 0.20,
        unit: Unit::Ratio,
        measured: |r| Some(rate(r, cycle::FULL)? / r.yardsticks.hundred_full),
    },
    Goal {
        id: "S1",
        what: "the same with NORMAL",
        aim: 0.30,
        accept: 0.20,
        unit: Unit::Ratio,
        measured: |r| Some(rate(r, cycle::NORMAL)? / r.yardsticks.hundred_normal),
    },
    Goal {
        id: "S2",
        what: "64 callers, enqueue / raw(1)",
        aim: 10.7,
        accept: 5.0,
        unit: Unit::Ratio,
        measured: |r| Some(rate(r, enqueue::SINGLE_64)? / r.yardsticks.one_full),
    },
    Goal {
        id: "S2",
        what: "64 callers, enqueue and run / raw(1)",
        aim: 10.7,
        accept: 5.0,
        unit: Unit::Ratio,
        measured: |r| Some(rate(r, live::FULL)? / r.yardsticks.one_full),
    },
    Goal {
        id: "S2",
        what: "the same with NORMAL",
        aim: 2.0,
        accept: 1.0,
        unit: Unit::Ratio,
        measured: |r| Some(rate(r, live::NORMAL)? / r.yardsticks.one_normal),
    },
    Goal {
        id: "S3",
        what: "4 processes / 1 process",
        aim: 0.9,
        accept: 0.8,
        unit: Unit::Ratio,
        measured: |r| Some(rate(r, processes::FOUR)? / rate(r, processes::ONE)?),
    },
    Goal {
        id: "S3",
        what: "longest transaction of 4 processes",
        aim: 14.0,
        accept: 100.0,
        unit: Unit::Millis,
        measured: |r| millis(r, processes::FOUR, |times| times.max),
    },
    Goal {
        id: "drain",
        what: "enqueued one at a time / raw(100)",
        aim: 0.09,
        accept: 0.09,
        unit: Unit::Ratio,
        measured: |r| Some(rate(r, drain::SINGLE)? / r.yardsticks.hundred_full),
    },
    Goal {
        id: "drain",
        what: "enqueued in bulk / raw(100)",
        aim: 0.09,
        accept: 0.09,
        unit: Unit::Ratio,
        measured: |r| Some(rate(r, drain::BULK)? / r.yardsticks.hundred_full),
    },
    Goal {
        id: "pickup",
        what: "p50 at 200 jobs/s",
        aim: 1.0,
        accept: 1.0,
        unit: Unit::Millis,
        measured: |r| millis(r, pickup::SLOW, |times| times.p50),
    },
    Goal {
        id: "pickup",
        what: "p99 at 200 jobs/s",
        aim: 4.0,
        accept: 4.0,
        unit: Unit::Millis,
        measured: |r| millis(r, pickup::SLOW, |times| times.p99),
    },
    Goal {
        id: "pickup",
        what: "p50 at 1,000 jobs/s",
        aim: 1.0,
        accept: 1.0,
        unit: Unit::Millis,
        measured: |r| millis(r, pickup::FAST, |times| times.p50),
    },
    Goal {
        id: "pickup",
        what: "p99 at 1,000 jobs/s",
        aim: 4.0,
        accept: 4.0,
        unit: Unit::Millis,
        measured: |r| millis(r, pickup::FAST, |times| times.p99),
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_is_better_for_ratios_and_less_for_times() {
        let judged = |unit, aim, accept, measured| {
            Goal { id: "", what: "", aim, accept, unit, measured: |_| None }.judge(measured)
        };
        assert_eq!(judged(Unit::Ratio, 0.3, 0.2, 0.3), Verdict::Met);
        assert_eq!(judged(Unit::Ratio, 0.3, 0.2, 0.25), Verdict::Accepted);
        assert_eq!(judged(Unit::Ratio, 0.3, 0.2, 0.1), Verdict::Missed);
        assert_eq!(judged(Unit::Millis, 1.0, 4.0, 0.9), Verdict::Met);
        assert_eq!(judged(Unit::Millis, 1.0, 4.0, 2.0), Verdict::Accepted);
        assert_eq!(judged(Unit::Millis, 1.0, 4.0, 4.1), Verdict::Missed);
    }
}
