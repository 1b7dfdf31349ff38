//! Running the statements of `sql/` on a connection.
//!
//! Every operation calls it, the writer's through [`Write`](crate::write::Write). It never builds
//! SQL: a statement is a file. What an error means is decided in [`crate::error`].

use rusqlite::{CachedStatement, Connection, Params, Row};

use crate::error::Result;

/// Yields the text of `sql/<name>.sql`.
macro_rules! sql {
    ($name:literal) => {
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/sql/", $name, ".sql"))
    };
}
pub(crate) use sql;

/// How many prepared statements a connection keeps: all that there are.
pub(crate) const STATEMENTS_MAX: usize = 256;

/// Prepares a statement, or takes it from the cache of the connection.
pub(crate) fn prepare<'c>(db: &'c Connection, sql: &str) -> Result<CachedStatement<'c>> {
    Ok(db.prepare_cached(sql)?)
}

/// Reads at most one row.
pub(crate) fn find<T>(
    db: &Connection,
    sql: &str,
    params: impl Params,
    read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
) -> Result<Option<T>> {
    let mut statement = db.prepare_cached(sql)?;
    let mut rows = statement.query(params)?;
    match rows.next()? {
        Some(row) => Ok(Some(read(row)?)),
        None => Ok(None),
    }
}

/// Tells whether there is a row.
pub(crate) fn exists(db: &Connection, sql: &str, params: impl Params) -> Result<bool> {
    Ok(db.prepare_cached(sql)?.exists(params)?)
}

/// Reads all rows; the statement has a bound where the table may be large.
pub(crate) fn list<T>(
    db: &Connection,
    sql: &str,
    params: impl Params,
    mut read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
) -> Result<Vec<T>> {
    let mut statement = db.prepare_cached(sql)?;
    let mut rows = statement.query(params)?;
    let mut all = Vec::new();
    while let Some(row) = rows.next()? {
        all.push(read(row)?);
    }
    Ok(all)
}
