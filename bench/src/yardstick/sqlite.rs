//! Plain prepared inserts into one table of a file of their own.

use std::time::Duration;

use legwork_core::Job as _;
use rusqlite::Connection;

use crate::lab::Reading;
use crate::lab::sqlite::Directory;
use crate::machine::now;
use crate::sample::rate;
use crate::workload::Note;

/// One row per transaction, `synchronous=FULL`.
pub(crate) const ONE_FULL: &str = "raw(1), 1 row a transaction";
/// A hundred rows per transaction, `synchronous=FULL`.
pub(crate) const HUNDRED_FULL: &str = "raw(100), 100 rows a transaction";
/// One row per transaction, `synchronous=NORMAL`.
pub(crate) const ONE_NORMAL: &str = "raw(1), NORMAL";
/// A hundred rows per transaction, `synchronous=NORMAL`.
pub(crate) const HUNDRED_NORMAL: &str = "raw(100), NORMAL";

/// Measures all of them.
///
/// # Errors
/// The directory cannot be written.
pub(crate) fn measure(directory: &Directory, time: Duration) -> anyhow::Result<Vec<Reading>> {
    let all = [
        (ONE_FULL, "FULL", 1),
        (HUNDRED_FULL, "FULL", 100),
        (ONE_NORMAL, "NORMAL", 1),
        (HUNDRED_NORMAL, "NORMAL", 100),
    ];
    let readings = all.into_iter().map(|(what, synchronous, per_transaction)| {
        let rate = inserts(directory, time, synchronous, per_transaction)?;
        Ok(Reading { what, rate, ..Reading::default() })
    });
    readings.collect()
}

fn inserts(
    directory: &Directory,
    time: Duration,
    synchronous: &str,
    per_transaction: u64,
) -> anyhow::Result<f64> {
    let dir = directory.temp_dir()?;
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
    while began.elapsed() < time {
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
