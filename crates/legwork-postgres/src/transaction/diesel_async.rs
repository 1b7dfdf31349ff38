//! Transactions of diesel-async. What blocks is in `diesel`.

use diesel::sql_types::{BigInt, Nullable, Text};
use diesel_async::{AsyncPgConnection, RunQueryDsl as _};
use legwork_core::storage::{EnqueueCall, NewJob, Transaction};
use legwork_core::{BoxFuture, Enqueued, Result};

use super::diesel::{Row, failure};
use super::{Answer, Order};

/// Names the driver in [`Transaction`]; nobody writes it.
#[derive(Debug)]
pub enum DieselAsync {}

impl<'a> Transaction<DieselAsync> for &'a mut AsyncPgConnection {
    type Answer<T: Send + 'static> = BoxFuture<'a, Result<T>>;

    /// Stores jobs in the transaction that the connection is in.
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

async fn store(
    connection: &mut AsyncPgConnection,
    location: &str,
    jobs: &[NewJob],
) -> Result<Vec<Enqueued>> {
    let order = Order::new(location, jobs).await?;
    let rows: Vec<Row> = diesel::sql_query(order.text())
        .bind::<Text, _>(&order.installation)
        .bind::<Text, _>(&order.jobs)
        .bind::<Nullable<BigInt>, _>(order.at)
        .load(connection)
        .await
        .map_err(failure)?;
    let answers: Vec<Answer> = rows.into_iter().map(Row::read).collect();
    order.stored(&answers)
}
