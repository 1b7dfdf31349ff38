//! Enqueueing within a transaction of the caller, whatever its driver.
//!
//! The client's `.tx(…)` calls the drivers, a file each; they send one [`Order`] per batch and read
//! its answer. What is stored and what is refused is decided by the SQL function
//! `legwork.enqueue_all`. Nothing here begins, commits or rolls back. Jobs that come in without a
//! transaction of the caller are [`crate::enqueue`].

#[cfg(feature = "deadpool-0_14")]
mod deadpool;
#[cfg(any(feature = "diesel-2", feature = "diesel-async-0_9"))]
mod diesel;
#[cfg(feature = "diesel-async-0_9")]
mod diesel_async;
mod look;
mod order;
#[cfg(any(feature = "sqlx-0_8", feature = "sqlx-0_9"))]
mod sqlx;
mod tokio_postgres;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use legwork_core::{Error, ErrorKind, Result};
use tokio::runtime::Handle;

#[cfg(feature = "deadpool-0_14")]
pub use self::deadpool::DeadpoolPostgres;
#[cfg(feature = "diesel-2")]
pub use self::diesel::{Diesel, DieselTx};
#[cfg(feature = "diesel-async-0_9")]
pub use self::diesel_async::DieselAsync;
#[cfg(feature = "sqlx-0_8")]
pub use self::sqlx::Sqlx08;
#[cfg(feature = "sqlx-0_9")]
pub use self::sqlx::Sqlx09;
pub use self::tokio_postgres::TokioPostgres;

use self::look::Look;
use self::order::{Answer, Order};
use crate::ground::Ground;

/// The open storages of this process by location: a transaction belongs to no handle, but takes the
/// schema and the time from one, and lets it look for the commit.
static OPEN: Mutex<BTreeMap<String, Vec<Open>>> = Mutex::new(BTreeMap::new());

/// An open storage, as its transactions see it.
#[derive(Debug, Clone)]
struct Open {
    ground: Weak<Ground>,
    /// Where it was opened: drivers that block have no runtime of their own.
    runtime: Handle,
    look: Arc<Look>,
}

/// Remembers an open storage for as long as it lives; within a runtime.
pub(crate) fn remember(ground: &Arc<Ground>) {
    let opened =
        Open { ground: Arc::downgrade(ground), runtime: Handle::current(), look: Arc::default() };
    let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
    for at_location in open.values_mut() {
        at_location.retain(|open| open.ground.strong_count() > 0);
    }
    open.retain(|_, at_location| !at_location.is_empty());
    open.entry(ground.location.clone()).or_default().push(opened);
}

/// Finds the storage that was opened last at a location and has not been closed.
fn find_open(location: &str) -> Result<(Arc<Ground>, Open)> {
    let open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
    let mut latest_first = open.get(location).into_iter().flatten().rev();
    latest_first
        .find_map(|open| {
            let ground = open.ground.upgrade().filter(|ground| ground.check_open().is_ok())?;
            Some((ground, open.clone()))
        })
        .ok_or_else(|| Error::new(ErrorKind::Closed, "the storage has been closed"))
}

/// What a failure of the server means for the caller.
///
/// A place or a function that is missing says that the database is another one: that of the jobs
/// was migrated when it was opened.
fn explain(code: &str) -> (ErrorKind, &'static str) {
    match code {
        "3F000" | "42883" | "42P01" => (
            ErrorKind::Conflict,
            "the transaction is of another database than the jobs: Legwork's schema is missing",
        ),
        "25P02" => (ErrorKind::Conflict, "the transaction has failed before: roll it back"),
        "25006" => (ErrorKind::Conflict, "the transaction is read-only"),
        _ => crate::error::explain_code(&::tokio_postgres::error::SqlState::from_code(code)),
    }
}

/// What a failure means that is not an answer of the server.
#[cfg(any(
    feature = "diesel-2",
    feature = "diesel-async-0_9",
    feature = "sqlx-0_8",
    feature = "sqlx-0_9"
))]
const BROKEN: (ErrorKind, &str) =
    (ErrorKind::Unavailable, "the connection of the transaction is broken");

#[cfg(any(
    feature = "diesel-2",
    feature = "diesel-async-0_9",
    feature = "sqlx-0_8",
    feature = "sqlx-0_9"
))]
const NOT_UNDERSTOOD: (ErrorKind, &str) =
    (ErrorKind::Internal, "the answer of the database was not understood");
