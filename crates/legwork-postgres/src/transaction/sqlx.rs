//! Transactions of sqlx, of both versions that are in use.
//!
//! They are the same but for their names, and that 0.9 wants to hear that a statement is not made
//! of what users typed. Only `sqlx-core` and `sqlx-postgres` are used: the crate `sqlx` would bind
//! every user of Legwork to its version of SQLite.

use legwork_core::storage::{EnqueueCall, NewJob, Transaction};
use legwork_core::{BoxFuture, Enqueued, Error, Result};

use super::{Answer, BROKEN, NOT_UNDERSTOOD, Order, explain};

macro_rules! driver {
    ($driver:ident, $module:ident, $core:ident, $postgres:ident, $trusted:path) => {
        /// Names the driver in [`Transaction`]; nobody writes it.
        #[derive(Debug)]
        pub enum $driver {}

        mod $module {
            use $core::Error as SqlxError;
            use $core::row::Row as _;
            use $core::transaction::Transaction as Tx;
            use $postgres::{PgConnection, PgRow, Postgres};

            use super::*;

            impl<'a> Transaction<$driver> for &'a mut PgConnection {
                type Answer<T: Send + 'static> = BoxFuture<'a, Result<T>>;

                /// Stores jobs in the transaction that the connection is in.
                ///
                /// A server notices them within milliseconds of the commit, in this process and in
                /// others.
                fn enqueue<T: Send + 'static>(
                    self,
                    mut call: EnqueueCall<T>,
                ) -> BoxFuture<'a, Result<T>> {
                    Box::pin(async move {
                        while let Some(jobs) = call.next_batch()? {
                            let enqueued = store(self, call.location(), &jobs).await?;
                            call.stored(enqueued);
                        }
                        call.answer()
                    })
                }
            }

            impl<'a> Transaction<$driver> for &'a mut Tx<'_, Postgres> {
                type Answer<T: Send + 'static> = BoxFuture<'a, Result<T>>;

                /// Stores jobs in the transaction.
                ///
                /// A server notices them within milliseconds of the commit, in this process and in
                /// others.
                fn enqueue<T: Send + 'static>(
                    self,
                    call: EnqueueCall<T>,
                ) -> BoxFuture<'a, Result<T>> {
                    let connection: &'a mut PgConnection = self;
                    connection.enqueue(call)
                }
            }

            async fn store(
                connection: &mut PgConnection,
                location: &str,
                jobs: &[NewJob],
            ) -> Result<Vec<Enqueued>> {
                let order = Order::new(location, jobs).await?;
                let text = order.text();
                let rows = $core::query::query::<Postgres>($trusted(&*text))
                    .bind(order.installation.clone())
                    .bind(order.jobs.clone())
                    .bind(order.at)
                    .fetch_all(&mut *connection)
                    .await
                    .map_err(failure)?;
                let answers =
                    rows.iter().map(read).collect::<Result<Vec<_>, _>>().map_err(failure)?;
                order.stored(&answers)
            }

            fn read(row: &PgRow) -> Result<Answer, SqlxError> {
                Ok(Answer {
                    nth: row.try_get(0)?,
                    id: row.try_get(1)?,
                    is_new: row.try_get(2)?,
                    refusal: row.try_get(3)?,
                    transaction: row.try_get(4)?,
                })
            }

            fn failure(error: SqlxError) -> Error {
                let (kind, context) = match &error {
                    SqlxError::Database(answer) => match answer.code() {
                        Some(code) => explain(&code),
                        None => NOT_UNDERSTOOD,
                    },
                    SqlxError::Io(_) | SqlxError::Tls(_) | SqlxError::WorkerCrashed => BROKEN,
                    _ => NOT_UNDERSTOOD,
                };
                Error::with_source(kind, context, error)
            }
        }
    };
}

#[cfg(feature = "sqlx-0_8")]
driver!(Sqlx08, sqlx_0_8, sqlx_core_0_8, sqlx_postgres_0_8, std::convert::identity);
#[cfg(feature = "sqlx-0_9")]
driver!(Sqlx09, sqlx_0_9, sqlx_core_0_9, sqlx_postgres_0_9, sqlx_core_0_9::sql_str::AssertSqlSafe);
