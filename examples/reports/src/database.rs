//! The application's own tables, in the SQLite file that also holds the jobs.
//!
//! The features (`reports`, `users`, `products`, `orders`) keep their SQL to themselves and run it
//! here. Because the file is the same, `jobs.enqueue(…).tx(&tx)` makes a job part of the caller's
//! transaction: the job exists if and only if the row does.

use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result, bail};
use legwork::sqlite::rusqlite::{Connection, Transaction, TransactionBehavior};

/// The steps that bring the tables up to date; new ones are appended, old ones never change.
const MIGRATIONS: &[&str] = &[include_str!("../migrations/0001_create_tables.sql")];

/// One connection, shared by everything in this process.
///
/// SQLite has one writer at a time anyway; a pool would only move the queue.
#[derive(Debug, Clone)]
pub(crate) struct Database {
    connection: Arc<Mutex<Connection>>,
}

impl Database {
    /// Takes a connection from `SqliteStorage::connect` and brings the tables up to date.
    pub(crate) fn new(mut connection: Connection) -> Result<Self> {
        connection.pragma_update(None, "foreign_keys", true)?;
        migrate(&mut connection)?;
        Ok(Self { connection: Arc::new(Mutex::new(connection)) })
    }

    /// Runs `work` in a transaction, on a thread that may block.
    ///
    /// It commits when `work` returns `Ok` and rolls back otherwise. Dropping the future does not
    /// stop work that has begun.
    pub(crate) async fn transaction<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let database = self.clone();
        tokio::task::spawn_blocking(move || database.transaction_blocking(work))
            .await
            .context("the transaction panicked")?
    }

    /// Does the same on this thread, which must be one that may block.
    pub(crate) fn transaction_blocking<T>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T>,
    ) -> Result<T> {
        // A panic in `work` rolled its transaction back, so the connection is as good as before.
        let mut connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        // IMMEDIATE takes the write lock at once: a transaction that reads first and writes later
        // could fail half-way, when another connection wrote in between.
        let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let value = work(&tx)?;
        tx.commit()?;
        Ok(value)
    }
}

/// Applies the missing migrations; several processes may do so at once.
fn migrate(connection: &mut Connection) -> Result<()> {
    let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    tx.execute_batch(
        "CREATE TABLE IF NOT EXISTS reports_schema (version INTEGER NOT NULL) STRICT",
    )?;
    let done: i64 = tx.query_row("SELECT count(*) FROM reports_schema", [], |row| row.get(0))?;
    let done = usize::try_from(done)?;
    if done > MIGRATIONS.len() {
        bail!("the tables are of version {done}; this program knows {}", MIGRATIONS.len());
    }
    for (step, sql) in MIGRATIONS.iter().enumerate().skip(done) {
        let version = i64::try_from(step + 1)?;
        tx.execute_batch(sql).with_context(|| format!("migration {version} failed"))?;
        tx.execute("INSERT INTO reports_schema (version) VALUES (?1)", [version])?;
    }
    tx.commit()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_are_made_once_and_kept() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("app.db");
        let insert = "INSERT INTO users (name, email) VALUES ('Ada', 'ada@example.org')";
        let first = Database::new(Connection::open(&path).unwrap()).unwrap();
        first.transaction_blocking(|tx| Ok(tx.execute(insert, [])?)).unwrap();
        let again = Database::new(Connection::open(&path).unwrap()).unwrap();
        let users = |tx: &Transaction<'_>| {
            Ok(tx.query_row("SELECT count(*) FROM users", [], |row| row.get::<_, i64>(0))?)
        };
        assert_eq!(again.transaction_blocking(users).unwrap(), 1);
    }

    #[test]
    fn an_error_rolls_back_and_so_does_a_panic() {
        let database = Database::new(Connection::open_in_memory().unwrap()).unwrap();
        let insert = "INSERT INTO products (name, price_cents) VALUES ('Chair', 1)";
        let failed = database.transaction_blocking(|tx| -> Result<()> {
            tx.execute(insert, [])?;
            bail!("no")
        });
        assert!(failed.is_err());
        let panicking = std::panic::AssertUnwindSafe(|| {
            database.transaction_blocking(|tx| -> Result<()> {
                tx.execute(insert, [])?;
                panic!("ouch")
            })
        });
        assert!(std::panic::catch_unwind(panicking).is_err());
        let products = database.transaction_blocking(|tx| {
            Ok(tx.query_row("SELECT count(*) FROM products", [], |row| row.get::<_, i64>(0))?)
        });
        assert_eq!(products.unwrap(), 0);
    }
}
