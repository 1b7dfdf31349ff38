//! The goals on SQLite: S1 to S3, the drain of a backlog, and pick-up times.

use super::{Goal, Unit, millis, rate};
use crate::measure::{cycle, drain, enqueue, live, pickup, processes};
use crate::yardstick::sqlite;

/// The goals. The yardsticks of the machine on which they were set: 335,000 rows a second for 100
/// rows per transaction and 6,300 for one, with `synchronous=FULL`. 30,000 jobs a second out of
/// 335,000 is where the bound of the drain comes from.
pub(crate) const GOALS: [Goal; 13] = [
    Goal {
        id: "S1",
        what: "full cycle in batches of 100 / raw(100)",
        stretch: Some(0.30),
        accept: 0.20,
        unit: Unit::Ratio,
        measured: |r| Some(rate(r, cycle::FULL)? / rate(r, sqlite::HUNDRED_FULL)?),
    },
    Goal {
        id: "S1",
        what: "the same with NORMAL",
        stretch: Some(0.30),
        accept: 0.20,
        unit: Unit::Ratio,
        measured: |r| Some(rate(r, cycle::NORMAL)? / rate(r, sqlite::HUNDRED_NORMAL)?),
    },
    Goal {
        id: "S2",
        what: "64 callers, enqueue / raw(1)",
        stretch: Some(10.7),
        accept: 5.0,
        unit: Unit::Ratio,
        measured: |r| Some(rate(r, enqueue::SINGLE_64)? / rate(r, sqlite::ONE_FULL)?),
    },
    Goal {
        id: "S2",
        what: "64 callers, enqueue and run / raw(1)",
        stretch: Some(10.7),
        accept: 5.0,
        unit: Unit::Ratio,
        measured: |r| Some(rate(r, live::FULL)? / rate(r, sqlite::ONE_FULL)?),
    },
    Goal {
        id: "S2",
        what: "the same with NORMAL",
        stretch: Some(2.0),
        accept: 1.0,
        unit: Unit::Ratio,
        measured: |r| Some(rate(r, live::NORMAL)? / rate(r, sqlite::ONE_NORMAL)?),
    },
    Goal {
        id: "S3",
        what: "4 processes / 1 process",
        stretch: Some(0.9),
        accept: 0.8,
        unit: Unit::Ratio,
        measured: |r| Some(rate(r, processes::FOUR)? / rate(r, processes::ONE)?),
    },
    Goal {
        id: "S3",
        what: "longest transaction of 4 processes",
        stretch: Some(14.0),
        accept: 100.0,
        unit: Unit::Millis,
        measured: |r| millis(r, processes::FOUR, |times| times.max),
    },
    Goal {
        id: "drain",
        what: "enqueued one at a time / raw(100)",
        stretch: None,
        accept: 0.09,
        unit: Unit::Ratio,
        measured: |r| Some(rate(r, drain::SINGLE)? / rate(r, sqlite::HUNDRED_FULL)?),
    },
    Goal {
        id: "drain",
        what: "enqueued in bulk / raw(100)",
        stretch: None,
        accept: 0.09,
        unit: Unit::Ratio,
        measured: |r| Some(rate(r, drain::BULK)? / rate(r, sqlite::HUNDRED_FULL)?),
    },
    Goal {
        id: "pickup",
        what: "p50 at 200 jobs/s",
        stretch: None,
        accept: 1.0,
        unit: Unit::Millis,
        measured: |r| millis(r, pickup::SLOW, |times| times.p50),
    },
    Goal {
        id: "pickup",
        what: "p99 at 200 jobs/s",
        stretch: None,
        accept: 4.0,
        unit: Unit::Millis,
        measured: |r| millis(r, pickup::SLOW, |times| times.p99),
    },
    Goal {
        id: "pickup",
        what: "p50 at 1,000 jobs/s",
        stretch: None,
        accept: 1.0,
        unit: Unit::Millis,
        measured: |r| millis(r, pickup::FAST, |times| times.p50),
    },
    Goal {
        id: "pickup",
        what: "p99 at 1,000 jobs/s",
        stretch: None,
        accept: 4.0,
        unit: Unit::Millis,
        measured: |r| millis(r, pickup::FAST, |times| times.p99),
    },
];
