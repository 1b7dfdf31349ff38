//! Transactions of tokio-postgres.
//!
//! The statement has no name: whatever is between the user's connection and the server, it works.
//! The pool that lends such transactions is in `deadpool`.

use legwork_core::storage::{EnqueueCall, NewJob, Transaction};
use legwork_core::{BoxFuture, Enqueued, Error, Result};
use postgres_types::Type;
use tokio_postgres::{Row, Transaction as Tx};

use super::{Answer, Order, explain};

/// Names the driver in [`Transaction`]; nobody writes it.
#[derive(Debug)]
pub enum TokioPostgres {}

impl<'a> Transaction<TokioPostgres> for &'a Tx<'_> {
    type Answer<T: Send + 'static> = BoxFuture<'a, Result<T>>;

    /// Stores jobs in the transaction.
    ///
    /// A server notices them within milliseconds of the commit, in this process and in others.
    fn enqueue<T: Send + 'static>(self, mut call: EnqueueCall<T>) -> BoxFuture<'a, Result<T>> {
        Box::pin(async move {
            while let Some(jobs) = call.next_batch()? {
                let enqueued = store(self, call.location(), &jobs).await?;
                call.stored(enqueued);
            }
            call.answer()
        })
    }
}

async fn store(tx: &Tx<'_>, location: &str, jobs: &[NewJob]) -> Result<Vec<Enqueued>> {
    let order = Order::new(location, jobs).await?;
    let rows = tx
        .query_typed(
            &order.text(),
            &[
                (&order.installation, Type::TEXT),
                (&order.jobs, Type::TEXT),
                (&order.at, Type::INT8),
            ],
        )
        .await
        .map_err(failure)?;
    let answers = rows.iter().map(read).collect::<Result<Vec<_>, _>>().map_err(failure)?;
    order.stored(&answers)
}

fn read(row: &Row) -> Result<Answer, tokio_postgres::Error> {
    Ok(Answer {
        nth: row.try_get(0)?,
        id: row.try_get(1)?,
        is_new: row.try_get(2)?,
        refusal: row.try_get(3)?,
        transaction: row.try_get(4)?,
    })
}

fn failure(error: tokio_postgres::Error) -> Error {
    let (kind, context) = match error.code() {
        Some(code) => explain(code.code()),
        None => crate::error::explain(&error),
    };
    Error::with_source(kind, context, error)
}
