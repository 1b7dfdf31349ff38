//! The SQLite file: one connection for the application's own tables.

use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use legwork::sqlite::rusqlite::{Connection, Transaction, TransactionBehavior};

/// One connection, shared by everything in this process.
///
/// SQLite has one writer at a time anyway; a pool would only move the queue.
#[derive(Debug, Clone)]
pub(crate) struct Sqlite {
    connection: Arc<Mutex<Connection>>,
}

impl Sqlite {
    /// Takes a connection from `SqliteStorage::connect`.
    pub(super) fn new(connection: Connection) -> Result<Self> {
        connection.pragma_update(None, "foreign_keys", true)?;
        Ok(Self { connection: Arc::new(Mutex::new(connection)) })
    }

    /// Runs `work` in a transaction, which commits when it returns `Ok`.
    pub(super) fn transaction<T>(
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
