//! The application's own tables, in the database that also holds the jobs: SQLite or PostgreSQL.
//!
//! The features (`reports`, `users`, `products`, `orders`) keep their SQL to themselves and run it
//! here, in a [`Tx`]. Because the database is the same, `jobs.enqueue(…).tx(tx)` makes a job part
//! of the caller's transaction: the job exists if and only if the row does.
//!
//! # Layout
//! - [`statement`]: a statement in both dialects, its values and its rows
//! - [`sqlite`], [`postgres`]: the connections of each; your own application needs one of them

mod postgres;
mod sqlite;
mod statement;

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use legwork::Jobs;
use legwork::postgres::PostgresStorage;
use legwork::sqlite::SqliteStorage;
use tokio::runtime::Handle;

use self::postgres::Postgres;
use self::sqlite::Sqlite;
pub(crate) use self::statement::{Row, Sql, Tx, Value};

/// The steps that bring the tables up to date; new ones are appended, old ones never change.
const MIGRATIONS: &[Sql] = &[Sql {
    sqlite: include_str!("../migrations/sqlite/0001_create_tables.sql"),
    postgres: include_str!("../migrations/postgres/0001_create_tables.sql"),
}];

/// The database of this process; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) enum Database {
    Sqlite(Sqlite),
    Postgres(Postgres),
}

impl Database {
    /// Opens the database that `url` names, or `file` without one, and brings the tables up to
    /// date; also returns the client of the jobs in it.
    ///
    /// `Jobs::connect(url)` does the same for the jobs alone; here the storage is needed too, for
    /// connections of the application's own.
    pub(crate) async fn open(url: Option<&str>, file: &Path) -> Result<(Self, Jobs)> {
        let (database, jobs) = match url {
            Some(url) if url.starts_with("postgres") => {
                let storage = PostgresStorage::connect(url).await?;
                let database = Self::Postgres(Postgres::new(storage.clone())?);
                (database, Jobs::new(Arc::new(storage)))
            }
            Some(_) => bail!("DATABASE_URL is not like postgres://user:password@host/database"),
            None => {
                let storage = SqliteStorage::open(file).await?;
                let database = Self::Sqlite(Sqlite::new(storage.connect()?)?);
                (database, Jobs::new(Arc::new(storage)))
            }
        };
        database.transaction(migrate).await.context("cannot bring the tables up to date")?;
        Ok((database, jobs))
    }

    /// Runs `work` in a transaction, on a thread that may block.
    ///
    /// It commits when `work` returns `Ok` and rolls back otherwise. Dropping the future does not
    /// stop work that has begun.
    pub(crate) async fn transaction<T: Send + 'static>(
        &self,
        work: impl AsyncFnOnce(&Tx<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let database = self.clone();
        tokio::task::spawn_blocking(move || database.transaction_blocking(work))
            .await
            .context("the transaction panicked")?
    }

    /// Does the same on this thread, which must be one that may block.
    ///
    /// A transaction of SQLite cannot leave its thread. The same closure serves both databases
    /// because both run it to its end on one.
    pub(crate) fn transaction_blocking<T>(
        &self,
        work: impl AsyncFnOnce(&Tx<'_>) -> Result<T>,
    ) -> Result<T> {
        let runtime = Handle::current();
        match self {
            Self::Sqlite(sqlite) => {
                sqlite.transaction(|tx| runtime.block_on(work(&Tx::Sqlite(tx))))
            }
            Self::Postgres(postgres) => runtime.block_on(postgres.transaction(work)),
        }
    }
}

/// Applies the missing migrations; several processes may do so at once.
async fn migrate(tx: &Tx<'_>) -> Result<()> {
    // In SQLite the transaction is the only one that writes; in PostgreSQL it takes a lock of this
    // application's own, by a number that nobody else in the database uses.
    let alone = Sql { sqlite: "", postgres: "SELECT pg_advisory_xact_lock(7265706)" };
    tx.batch(alone).await?;
    tx.batch("CREATE TABLE IF NOT EXISTS reports_schema (version bigint NOT NULL)").await?;
    let done = tx.row("SELECT count(*) AS n FROM reports_schema", &[], |row| row.get::<i64>("n"));
    let done = usize::try_from(done.await?.context("a count is one row")?)?;
    if done > MIGRATIONS.len() {
        bail!("the tables are of version {done}; this program knows {}", MIGRATIONS.len());
    }
    for (step, sql) in MIGRATIONS.iter().enumerate().skip(done) {
        let version = i64::try_from(step + 1)?;
        tx.batch(*sql).await.with_context(|| format!("migration {version} failed"))?;
        tx.execute("INSERT INTO reports_schema (version) VALUES ($1)", &[&version]).await?;
    }
    Ok(())
}

#[cfg(test)]
impl Database {
    /// Makes the tables in an SQLite file below `directory`.
    pub(crate) async fn in_directory(directory: &Path) -> Self {
        let (database, _jobs) = Self::open(None, &directory.join("app.db")).await.unwrap();
        database
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn count(database: &Database, sql: &'static str) -> i64 {
        let counted =
            database.transaction(async move |tx| tx.row(sql, &[], |row| row.get("n")).await);
        counted.await.unwrap().expect("a count is one row")
    }

    #[tokio::test]
    async fn the_tables_are_made_once_and_kept() {
        let dir = tempfile::tempdir().unwrap();
        let first = Database::in_directory(dir.path()).await;
        let insert = "INSERT INTO users (name, email) VALUES ('Ada', 'ada@example.org')";
        first.transaction(async move |tx| tx.execute(insert, &[]).await).await.unwrap();
        let again = Database::in_directory(dir.path()).await;
        assert_eq!(count(&again, "SELECT count(*) AS n FROM users").await, 1);
    }

    #[tokio::test]
    async fn an_error_rolls_back_and_so_does_a_panic() {
        let dir = tempfile::tempdir().unwrap();
        let database = Database::in_directory(dir.path()).await;
        let insert = "INSERT INTO products (name, price_cents) VALUES ('Chair', 1)";
        let failed = database.transaction(async move |tx| -> Result<()> {
            tx.execute(insert, &[]).await?;
            bail!("no")
        });
        assert_eq!(failed.await.unwrap_err().to_string(), "no");
        let panicked = database.transaction(async move |tx| -> Result<()> {
            tx.execute(insert, &[]).await?;
            panic!("ouch")
        });
        assert_eq!(panicked.await.unwrap_err().to_string(), "the transaction panicked");
        assert_eq!(count(&database, "SELECT count(*) AS n FROM products").await, 0);
    }
}
