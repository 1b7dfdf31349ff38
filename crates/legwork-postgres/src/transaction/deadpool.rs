//! Transactions of deadpool-postgres: those of tokio-postgres, lent by a pool.

use legwork_core::storage::{EnqueueCall, Transaction};
use legwork_core::{BoxFuture, Result};

/// Names the driver in [`Transaction`]; nobody writes it.
#[derive(Debug)]
pub enum DeadpoolPostgres {}

impl<'a> Transaction<DeadpoolPostgres> for &'a deadpool_postgres::Transaction<'_> {
    type Answer<T: Send + 'static> = BoxFuture<'a, Result<T>>;

    /// Stores jobs in the transaction.
    ///
    /// A server notices them within milliseconds of the commit, in this process and in others.
    fn enqueue<T: Send + 'static>(self, call: EnqueueCall<T>) -> BoxFuture<'a, Result<T>> {
        let inner: &tokio_postgres::Transaction<'_> = self;
        inner.enqueue(call)
    }
}
