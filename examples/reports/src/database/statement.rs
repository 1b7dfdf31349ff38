//! Statements in both dialects, within a transaction: what the features write their SQL with.
//!
//! Most statements are the same in SQLite and PostgreSQL. Where they differ, mostly about time, a
//! [`Sql`] holds both texts beside each other.

use std::future::ready;

use anyhow::Result;
use legwork::BoxFuture;
use legwork::sqlite::rusqlite;
use legwork::storage::{EnqueueCall, Transaction};
use tokio_postgres::types::{FromSql, ToSql};

/// The text of a statement, its values written as `$1`, `$2`, ….
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sql {
    pub(crate) sqlite: &'static str,
    pub(crate) postgres: &'static str,
}

impl From<&'static str> for Sql {
    /// Takes a text that both understand.
    fn from(text: &'static str) -> Self {
        Self { sqlite: text, postgres: text }
    }
}

impl Sql {
    /// Returns the text with SQLite's mark of a numbered value.
    fn for_sqlite(self) -> String {
        self.sqlite.replace('$', "?")
    }
}

/// A value of a statement: `i64`, `String` and `Option`s of them.
pub(crate) trait Value {
    fn for_sqlite(&self) -> &dyn rusqlite::ToSql;
    fn for_postgres(&self) -> &(dyn ToSql + Sync);
}

impl<T: rusqlite::ToSql + ToSql + Sync> Value for T {
    fn for_sqlite(&self) -> &dyn rusqlite::ToSql {
        self
    }

    fn for_postgres(&self) -> &(dyn ToSql + Sync) {
        self
    }
}

/// A row of an answer.
pub(crate) enum Row<'r> {
    Sqlite(&'r rusqlite::Row<'r>),
    Postgres(&'r tokio_postgres::Row),
}

impl Row<'_> {
    /// Reads a column by its name.
    pub(crate) fn get<T>(&self, column: &str) -> Result<T>
    where
        T: rusqlite::types::FromSql + for<'a> FromSql<'a>,
    {
        match self {
            Self::Sqlite(row) => Ok(row.get(column)?),
            Self::Postgres(row) => Ok(row.try_get(column)?),
        }
    }
}

/// A transaction.
pub(crate) enum Tx<'t> {
    Sqlite(&'t rusqlite::Transaction<'t>),
    Postgres(&'t tokio_postgres::Transaction<'t>),
}

impl Tx<'_> {
    /// Runs a statement and returns how many rows it changed.
    pub(crate) async fn execute(&self, sql: impl Into<Sql>, values: &[&dyn Value]) -> Result<u64> {
        let sql = sql.into();
        match self {
            Self::Sqlite(tx) => {
                let values: Vec<_> = values.iter().map(|value| value.for_sqlite()).collect();
                let n = tx.prepare_cached(&sql.for_sqlite())?.execute(&values[..])?;
                Ok(n as u64)
            }
            Self::Postgres(tx) => {
                let values: Vec<_> = values.iter().map(|value| value.for_postgres()).collect();
                Ok(tx.execute(sql.postgres, &values).await?)
            }
        }
    }

    /// Runs a statement and reads its rows.
    pub(crate) async fn rows<T>(
        &self,
        sql: impl Into<Sql>,
        values: &[&dyn Value],
        read: impl Fn(&Row<'_>) -> Result<T>,
    ) -> Result<Vec<T>> {
        let sql = sql.into();
        match self {
            Self::Sqlite(tx) => {
                let values: Vec<_> = values.iter().map(|value| value.for_sqlite()).collect();
                let mut statement = tx.prepare_cached(&sql.for_sqlite())?;
                let rows = statement.query_and_then(&values[..], |row| read(&Row::Sqlite(row)))?;
                rows.collect()
            }
            Self::Postgres(tx) => {
                let values: Vec<_> = values.iter().map(|value| value.for_postgres()).collect();
                let rows = tx.query(sql.postgres, &values).await?;
                rows.iter().map(|row| read(&Row::Postgres(row))).collect()
            }
        }
    }

    /// Runs a statement and reads its first row, if there is one.
    pub(crate) async fn row<T>(
        &self,
        sql: impl Into<Sql>,
        values: &[&dyn Value],
        read: impl Fn(&Row<'_>) -> Result<T>,
    ) -> Result<Option<T>> {
        Ok(self.rows(sql, values, read).await?.into_iter().next())
    }

    /// Runs several statements, without values and rows.
    pub(crate) async fn batch(&self, sql: impl Into<Sql>) -> Result<()> {
        let sql = sql.into();
        match self {
            Self::Sqlite(tx) => Ok(tx.execute_batch(sql.sqlite)?),
            Self::Postgres(tx) => Ok(tx.batch_execute(sql.postgres).await?),
        }
    }
}

/// Names the driver in [`Transaction`]: whichever it is.
#[derive(Debug)]
pub(crate) enum Either {}

/// Lets `jobs.enqueue(…).tx(tx).await` store jobs in the transaction.
///
/// With one database of your own none of this is needed: its transactions take jobs as they are.
impl<'a> Transaction<Either> for &'a Tx<'_> {
    type Answer<T: Send + 'static> = BoxFuture<'a, legwork::Result<T>>;

    fn enqueue<T: Send + 'static>(self, call: EnqueueCall<T>) -> BoxFuture<'a, legwork::Result<T>> {
        match self {
            Tx::Sqlite(tx) => Box::pin(ready(tx.enqueue(call))),
            Tx::Postgres(tx) => tx.enqueue(call),
        }
    }
}
