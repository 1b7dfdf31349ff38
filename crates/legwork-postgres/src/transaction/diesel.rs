//! Transactions of diesel, whose connections block.
//!
//! Any connection to PostgreSQL will do, one of a pool too: diesel's own `PgConnection` would bring
//! libpq into every build. That is why it is wrapped: Rust lets nobody implement a foreign trait
//! for references to all connections. What does not block is in `diesel_async`.

use std::fmt;

use diesel::connection::LoadConnection;
use diesel::pg::Pg;
use diesel::sql_types::{BigInt, Bool, Integer, Nullable, Text};
use diesel::{QueryableByName, RunQueryDsl as _};
use legwork_core::storage::{EnqueueCall, NewJob, Transaction};
use legwork_core::{Enqueued, Error, ErrorKind, Result};

use super::{Answer, BROKEN, NOT_UNDERSTOOD, Order, explain};

/// Names the driver in [`Transaction`]; nobody writes it.
#[derive(Debug)]
pub enum Diesel {}

/// A connection of diesel that is in a transaction, for `.tx(DieselTx(connection))`.
///
/// # Examples
/// ```
/// use diesel::connection::LoadConnection;
/// use legwork_jobs::Jobs;
/// use legwork_postgres::DieselTx;
/// # use legwork_core::Job;
/// # use serde::{Deserialize, Serialize};
/// # #[derive(Serialize, Deserialize)] struct SendWelcome { user_id: i64 }
/// # impl Job for SendWelcome { const NAME: &'static str = "mail.welcome"; }
///
/// fn sign_up<C>(connection: &mut C, jobs: &Jobs) -> Result<(), Box<dyn std::error::Error>>
/// where
///     C: LoadConnection<Backend = diesel::pg::Pg>,
/// {
///     connection.transaction(|connection| {
///         jobs.enqueue(SendWelcome { user_id: 7 }).tx(DieselTx(connection))?;
///         Ok(())
///     })
/// }
/// ```
pub struct DieselTx<'c, C>(pub &'c mut C);

impl<C> fmt::Debug for DieselTx<'_, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("DieselTx").finish_non_exhaustive()
    }
}

impl<C: LoadConnection<Backend = Pg>> Transaction<Diesel> for DieselTx<'_, C> {
    type Answer<T: Send + 'static> = Result<T>;

    /// Stores jobs in the transaction that the connection is in.
    ///
    /// A server notices them within milliseconds of the commit, in this process and in others.
    fn enqueue<T: Send + 'static>(self, mut call: EnqueueCall<T>) -> Result<T> {
        while let Some(jobs) = call.next_batch()? {
            let enqueued = store(self.0, call.location(), &jobs)?;
            call.stored(enqueued);
        }
        call.answer()
    }
}

fn store<C>(connection: &mut C, location: &str, jobs: &[NewJob]) -> Result<Vec<Enqueued>>
where
    C: LoadConnection<Backend = Pg>,
{
    let order = Order::new_blocking(location, jobs)?;
    let rows: Vec<Row> = diesel::sql_query(order.text())
        .bind::<Text, _>(&order.installation)
        .bind::<Text, _>(&order.jobs)
        .bind::<Nullable<BigInt>, _>(order.at)
        .load(connection)
        .map_err(failure)?;
    let answers: Vec<Answer> = rows.into_iter().map(Row::read).collect();
    order.stored(&answers)
}

/// A row, as diesel reads it by the names of its columns.
#[derive(QueryableByName)]
pub(super) struct Row {
    #[diesel(sql_type = Integer)]
    nth: i32,
    #[diesel(sql_type = BigInt)]
    id: i64,
    #[diesel(sql_type = Bool)]
    is_new: bool,
    #[diesel(sql_type = Nullable<Text>)]
    refusal: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    transaction: Option<String>,
}

impl Row {
    pub(super) fn read(self) -> Answer {
        let Self { nth, id, is_new, refusal, transaction } = self;
        Answer { nth, id, is_new, refusal, transaction }
    }
}

/// Tells what went wrong; diesel hides the code of the server.
pub(super) fn failure(error: diesel::result::Error) -> Error {
    use diesel::result::{DatabaseErrorKind as Kind, Error as E};
    let (kind, context) = match &error {
        E::DatabaseError(Kind::SerializationFailure, _) => explain("40001"),
        E::DatabaseError(Kind::ReadOnlyTransaction, _) => explain("25006"),
        E::DatabaseError(Kind::ClosedConnection, _) => BROKEN,
        // The server points into a statement that it cannot make sense of: what it calls is
        // missing.
        E::DatabaseError(_, answer) if answer.statement_position().is_some() => explain("42883"),
        E::DatabaseError(_, _) => (ErrorKind::Internal, "the statement failed"),
        E::BrokenTransactionManager => explain("25P02"),
        E::NotInTransaction
        | E::AlreadyInTransaction
        | E::RollbackTransaction
        | E::RollbackErrorOnCommit { .. }
        | E::InvalidCString(_)
        | E::NotFound
        | E::QueryBuilderError(_)
        | E::SerializationError(_)
        | E::DeserializationError(_)
        | E::IntegerConversion(_)
        | _ => NOT_UNDERSTOOD,
    };
    Error::with_source(kind, context, error)
}
