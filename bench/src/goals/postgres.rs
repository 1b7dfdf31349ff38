//! The goals on PostgreSQL: P1 to P7, P11, P12 and C1, and what a user gets with 50 workers.
//!
//! P8 to P10 take minutes: `degrade` measures them.

use super::{Goal, Unit, millis, rate};
use crate::measure::{apart, cost, drain, enqueue, live};
use crate::yardstick::postgres as yardstick;

/// The goals. The yardsticks of the machine on which they were set: 100,000 jobs a second for
/// `Y_floor`, 18,000 commits a second with 32 connections. The bounds of the drain and of the 16
/// callers come from 40,000 and 8,000 a second there.
pub(super) const GOALS: [Goal; 20] = [
    Goal {
        id: "P1",
        what: "64 callers x 50 jobs, full cycle / Y_floor",
        stretch: Some(0.65),
        accept: 0.45,
        unit: Unit::Ratio,
        measured: |r| Some(rate(r, live::FIFTY)? / rate(r, yardstick::FLOOR)?),
    },
    Goal {
        id: "P2",
        what: "512 callers, full cycle / Y_floor",
        stretch: Some(0.55),
        accept: 0.40,
        unit: Unit::Ratio,
        measured: |r| Some(rate(r, live::MANY)? / rate(r, yardstick::FLOOR)?),
    },
    Goal {
        id: "P3",
        what: "64 callers, enqueue / Y_commit, 32 conn.",
        stretch: Some(1.8),
        accept: 1.2,
        unit: Unit::Ratio,
        measured: |r| Some(rate(r, enqueue::SINGLE_64)? / rate(r, yardstick::COMMIT_32)?),
    },
    Goal {
        id: "P3",
        what: "64 callers, enqueue and run / Y_commit, 32",
        stretch: Some(1.8),
        accept: 1.2,
        unit: Unit::Ratio,
        measured: |r| Some(rate(r, live::FULL)? / rate(r, yardstick::COMMIT_32)?),
    },
    Goal {
        id: "P4",
        what: "enqueue_all, 500 per call / Y_ins",
        stretch: Some(1.0),
        accept: 0.55,
        unit: Unit::Ratio,
        measured: |r| Some(rate(r, enqueue::BULK_500)? / rate(r, yardstick::INSERT)?),
    },
    Goal {
        id: "P4",
        what: "enqueue_all, all at once / Y_ins",
        stretch: Some(1.0),
        accept: 0.55,
        unit: Unit::Ratio,
        measured: |r| Some(rate(r, enqueue::BULK)? / rate(r, yardstick::INSERT)?),
    },
    Goal {
        id: "P5",
        what: "pick-up p50, idle / (3 x one commit)",
        stretch: Some(2.5),
        accept: 5.0,
        unit: Unit::Times,
        measured: |r| {
            let commit = millis(r, yardstick::COMMIT_1, |times| times.p50)?;
            Some(millis(r, apart::IDLE, |times| times.p50)? / (3.0 * commit))
        },
    },
    Goal {
        id: "P6",
        what: "WAL of a full cycle, 50 jobs per call",
        stretch: Some(500.0),
        accept: 750.0,
        unit: Unit::Bytes,
        measured: |r| r.reading(live::FIFTY)?.written,
    },
    Goal {
        id: "P6",
        what: "WAL of a full cycle, 512 callers",
        stretch: Some(500.0),
        accept: 750.0,
        unit: Unit::Bytes,
        measured: |r| r.reading(live::MANY)?.written,
    },
    Goal {
        id: "P7",
        what: "transactions per job, 50 jobs per call",
        stretch: None,
        accept: 0.05,
        unit: Unit::Times,
        measured: |r| r.reading(cost::FIFTY)?.transactions,
    },
    Goal {
        id: "P7",
        what: "statements and transactions per job",
        stretch: None,
        accept: 0.05,
        unit: Unit::Times,
        measured: |r| {
            let reading = r.reading(cost::FIFTY)?;
            Some(reading.statements? + reading.transactions?)
        },
    },
    Goal {
        id: "P11",
        what: "32 callers, another process listens / none",
        stretch: None,
        accept: 0.9,
        unit: Unit::Ratio,
        measured: |r| Some(rate(r, apart::HEARD)? / rate(r, apart::UNHEARD)?),
    },
    Goal {
        id: "P12",
        what: "64 callers x 50 jobs, full cycle / hang",
        stretch: None,
        accept: 20.0,
        unit: Unit::Ratio,
        measured: |r| Some(rate(r, live::FIFTY)? / rate(r, yardstick::HANG)?),
    },
    Goal {
        id: "C1",
        what: "CPU of the client, 50 jobs per call",
        stretch: Some(5.0),
        accept: 10.0,
        unit: Unit::Micros,
        measured: |r| Some(r.reading(live::FIFTY)?.cpu_secs? * 1e6),
    },
    Goal {
        id: "drain",
        what: "50 workers, enqueued in bulk / Y_floor",
        stretch: None,
        accept: 0.40,
        unit: Unit::Ratio,
        measured: |r| Some(rate(r, drain::BULK)? / rate(r, yardstick::FLOOR)?),
    },
    Goal {
        id: "drain",
        what: "enqueued one at a time / Y_floor",
        stretch: None,
        accept: 0.40,
        unit: Unit::Ratio,
        measured: |r| Some(rate(r, drain::SINGLE)? / rate(r, yardstick::FLOOR)?),
    },
    Goal {
        id: "single",
        what: "16 callers, enqueue / Y_commit, 32 conn.",
        stretch: None,
        accept: 0.44,
        unit: Unit::Ratio,
        measured: |r| Some(rate(r, enqueue::SINGLE_16)? / rate(r, yardstick::COMMIT_32)?),
    },
    Goal {
        id: "pickup",
        what: "p50 between two processes, idle",
        stretch: None,
        accept: 1.5,
        unit: Unit::Millis,
        measured: |r| millis(r, apart::IDLE, |times| times.p50),
    },
    Goal {
        id: "pickup",
        what: "p99 between two processes, idle",
        stretch: None,
        accept: 8.0,
        unit: Unit::Millis,
        measured: |r| millis(r, apart::IDLE, |times| times.p99),
    },
    Goal {
        id: "pickup",
        what: "p99 between two processes, 50 % load",
        stretch: None,
        accept: 8.0,
        unit: Unit::Millis,
        measured: |r| millis(r, apart::HALF, |times| times.p99),
    },
];
