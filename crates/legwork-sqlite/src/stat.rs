//! Sums per minute, queue and kind, gathered in a transaction and written at its end.
//!
//! [`Write::count`](crate::write::Write::count) adds, [`flush`] writes; the dashboard's charts read
//! them.

use crate::error::Result;
use crate::outcome::Ended;
use crate::query::sql;
use crate::write::Write;

/// One minute in microseconds.
pub(crate) const MINUTE: i64 = 60_000_000;

/// What ended in one transaction.
#[derive(Debug, Default)]
pub(crate) struct Stats {
    sums: Vec<Sum>,
}

/// A transaction touches few kinds: they are searched one by one.
#[derive(Debug, Default)]
struct Sum {
    queue: i64,
    kind: i64,
    succeeded: i64,
    failed: i64,
    retried: i64,
    cancelled: i64,
    ran_for: i64,
}

impl Stats {
    /// Adds the end of one run; what is neither an end nor a retry does not count.
    pub(crate) fn add(&mut self, queue: i64, kind: i64, ended: Ended, ran_for: i64) {
        let found = self.sums.iter().position(|sum| sum.queue == queue && sum.kind == kind);
        let at = found.unwrap_or_else(|| {
            self.sums.push(Sum { queue, kind, ..Sum::default() });
            self.sums.len() - 1
        });
        let sum = &mut self.sums[at];
        match ended {
            Ended::Succeeded => sum.succeeded += 1,
            Ended::Failed => sum.failed += 1,
            Ended::Retried => sum.retried += 1,
            Ended::Cancelled => sum.cancelled += 1,
            Ended::Snoozed | Ended::Released | Ended::Interrupted | Ended::Lost => return,
        }
        sum.ran_for = sum.ran_for.saturating_add(ran_for);
    }
}

/// Writes the sums of the transaction.
pub(crate) fn flush(w: &mut Write<'_>) -> Result<()> {
    let minute = w.now.as_micros() / MINUTE;
    for sum in std::mem::take(&mut w.stats.sums) {
        if sum.succeeded + sum.failed + sum.retried + sum.cancelled == 0 {
            continue;
        }
        let key = (minute, sum.queue, sum.kind);
        let counts = (sum.succeeded, sum.failed, sum.retried, sum.cancelled, sum.ran_for);
        w.execute(
            sql!("stat"),
            (key.0, key.1, key.2, counts.0, counts.1, counts.2, counts.3, counts.4),
        )?;
    }
    Ok(())
}
