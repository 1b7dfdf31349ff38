//! Enqueueing within a transaction of the caller.
//!
//! The client's `.tx(&transaction)` calls it. The jobs exist if and only if the transaction
//! commits. The statements are those of [`crate::enqueue`]; only the connection is the caller's.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use legwork_core::storage::{EnqueueCall, NewJob, Transaction};
use legwork_core::{Clock as _, Enqueued, Error, ErrorKind, Result, SystemClock};

use crate::enqueue::{check, enqueue};
use crate::error::Failure;
use crate::names::Names;
use crate::server::Presence;
use crate::storage::{Inner, capabilities, location_of};
use crate::write::Write;

/// The open storages of this process by location: a transaction belongs to no handle, but takes the
/// time from its clock and tells it to look for the commit.
static OPEN: Mutex<BTreeMap<String, Weak<Inner>>> = Mutex::new(BTreeMap::new());

/// Remembers an open storage for as long as it lives.
pub(crate) fn remember(inner: &Arc<Inner>) {
    let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
    open.retain(|_, inner| inner.strong_count() > 0);
    open.insert(inner.location().to_owned(), Arc::downgrade(inner));
}

fn find_open(location: &str) -> Option<Arc<Inner>> {
    let open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
    open.get(location).and_then(Weak::upgrade)
}

/// Names the driver in [`Transaction`]; nobody writes it.
#[derive(Debug)]
pub enum Rusqlite {}

impl Transaction<Rusqlite> for &rusqlite::Transaction<'_> {
    type Answer<T: Send + 'static> = Result<T>;

    /// Stores jobs in the transaction.
    ///
    /// Begin it with `TransactionBehavior::Immediate`: one that has read before may find that it
    /// cannot write any more. A server notices the jobs within milliseconds of the commit in the
    /// same process, and within its poll interval in another.
    fn enqueue<T: Send + 'static>(self, mut call: EnqueueCall<T>) -> Result<T> {
        while let Some(jobs) = call.next_batch()? {
            let enqueued = store(self, call.location(), &jobs)?;
            call.stored(enqueued);
        }
        call.answer()
    }
}

fn store(db: &rusqlite::Transaction<'_>, location: &str, jobs: &[NewJob]) -> Result<Vec<Enqueued>> {
    check_location(db, location)?;
    check(&capabilities(), jobs)?;
    let open = find_open(location);
    let now = open.as_ref().map_or_else(|| SystemClock.now(), |inner| inner.clock.now());
    let mut names = Names::default();
    let mut presence = Presence::default();
    let mut w = Write::new(db, now, &mut names, &mut presence);
    let stored = enqueue(&mut w, jobs).and_then(|enqueued| {
        w.seal()?;
        Ok(enqueued)
    });
    if let Some(inner) = open {
        inner.writer.look_soon();
    }
    stored.map_err(Failure::into_error)
}

/// Refuses a transaction of another database.
fn check_location(db: &rusqlite::Connection, location: &str) -> Result<()> {
    let path = db.path().filter(|path| !path.is_empty());
    let place = path.and_then(|path| Path::new(path).canonicalize().ok());
    let place = place.map_or_else(|| "sqlite::memory:".to_owned(), |path| location_of(&path));
    if place == location {
        return Ok(());
    }
    let message = format!("the transaction is of {place}, the jobs are kept in {location}");
    Err(Error::new(ErrorKind::Conflict, message))
}
