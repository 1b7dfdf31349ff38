//! Plain prepared inserts into one table, the measure that all ratios refer to.
//!
//! `rounds` runs them beside the measurements, in the same minute and directory. They use the
//! settings of the storage and nothing else of it.

use legwork_core::Job as _;
use rusqlite::Connection;

use crate::lab::Lab;
use crate::machine::now;
use crate::sample::rate;
use crate::workload::Note;

/// Rows per second of plain inserts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Yardsticks {
    /// One row per transaction, `synchronous=FULL`.
    pub(crate) one_full: f64,
    /// A hundred rows per transaction, `synchronous=FULL`.
    pub(crate) hundred_full: f64,
    /// One row per transaction, `synchronous=NORMAL`.
    pub(crate) one_normal: f64,
    /// A hundred rows per transaction, `synchronous=NORMAL`.
    pub(crate) hundred_normal: f64,
}

impl Yardsticks {
    /// Returns what lies between two measurements.
    pub(crate) fn mean(self, other: Self) -> Self {
        Self {
            one_full: f64::midpoint(self.one_full, other.one_full),
            hundred_full: f64::midpoint(self.hundred_full, other.hundred_full),
            one_normal: f64::midpoint(self.one_normal, other.one_normal),
            hundred_normal: f64::midpoint(self.hundred_normal, other.hundred_normal),
        }
    }
}

/// Measures all of them.
///
/// # Errors
/// The directory cannot be written.
pub(crate) fn measure(lab: &Lab) -> anyhow::Result<Yardsticks> {
    Ok(Yardsticks {
        one_full: inserts(lab, "FULL", 1)?,
        hundred_full: inserts(lab, "FULL", 100)?,
        one_normal: inserts(lab, "NORMAL", 1)?,
        hundred_normal: inserts(lab, "NORMAL", 100)?,
    })
}

fn inserts(lab: &Lab, synchronous: &str, per_transaction: u64) -> anyhow::Result<f64> {
    let dir = lab.temp_dir()?;
    let mut db = Connection::open(dir.path().join("yardstick.db"))?;
    db.pragma_update(None, "journal_mode", "WAL")?;
    db.pragma_update(None, "synchronous", synchronous)?;
    db.pragma_update(None, "wal_autocheckpoint", 4000)?;
    db.pragma_update(None, "cache_size", -65536)?;
    db.execute_batch(
        "CREATE TABLE job (id INTEGER PRIMARY KEY, queue INT, kind INT, args BLOB, created INT)",
    )?;
    let args = Note::new(0).encode()?;
    let (began, mut n) = (now(), 0);
    while began.elapsed() < lab.size.yardstick {
        insert(&mut db, &args, per_transaction)?;
        n += per_transaction;
    }
    Ok(rate(n, began.elapsed()))
}

fn insert(db: &mut Connection, args: &[u8], n: u64) -> anyhow::Result<()> {
    let transaction = db.transaction()?;
    let mut statement = transaction
        .prepare_cached("INSERT INTO job (queue, kind, args, created) VALUES (1, 1, ?1, ?2)")?;
    for at in 0..n {
        statement.execute((args, at.cast_signed()))?;
    }
    drop(statement);
    transaction.commit()?;
    Ok(())
}
