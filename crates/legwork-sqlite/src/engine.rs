//! The writer thread: it owns the only connection that writes, and groups calls into commits.
//!
//! Whatever arrives while a commit is in flight goes into the next one, with no timer: a lone call
//! is not delayed, a crowd shares the cost of reaching the disk. Answers are sent only after the
//! commit. What a call does is in the file of its operation; the loop never interprets it. The
//! handle is [`crate::writer`].

use std::fs::File;
use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use legwork_core::{Clock, Error, ErrorKind, Result};
use rusqlite::Connection;
use tokio::sync::oneshot;

use crate::checkpoint::Checkpoints;
use crate::connection::{beside, create_private, open_writer};
use crate::error::{Failure, commit_failed, shared};
use crate::names::Names;
use crate::operation::Operation;
use crate::options::Synchronous;
use crate::query::sql;
use crate::server::Presence;
use crate::write::Write;
use crate::writer::{Message, Signals, closed};

/// How many calls one transaction takes at most.
const GROUP_MAX: usize = 1_000;

/// How many jobs one transaction is about at most, before the call that passes it; so many take
/// about 0.1 s.
const GROUP_WEIGHT_MAX: usize = 10_000;

/// How often the writer looks for commits of other processes while someone watches.
const POLL: Duration = Duration::from_millis(20);

/// How often it looks after a transactional enqueue in this process, whose commit it cannot see.
const POLL_SOON: Duration = Duration::from_millis(1);

/// What the thread owns.
pub(crate) struct Engine {
    db: Connection,
    lock: File,
    synchronous: Synchronous,
    current: Synchronous,
    clock: Arc<dyn Clock>,
    names: Names,
    presence: Presence,
    checkpoints: Checkpoints,
    signals: Arc<Signals>,
    data_version: i64,
}

/// Why a transaction was given up.
struct Spoiled {
    failure: Failure,
    /// The call that failed; `None` when it was the transaction itself.
    by: Option<usize>,
}

impl From<rusqlite::Error> for Spoiled {
    fn from(error: rusqlite::Error) -> Self {
        Self { failure: Failure::Sql(error), by: None }
    }
}

impl Engine {
    /// Opens the database.
    pub(crate) fn open(
        path: &Path,
        synchronous: Synchronous,
        clock: Arc<dyn Clock>,
        signals: Arc<Signals>,
    ) -> Result<Self> {
        let lock_path = beside(path, ".lock");
        let lock = create_private(&lock_path).map_err(|error| {
            let message = format!("the lock file {} cannot be opened", lock_path.display());
            Error::with_source(ErrorKind::Unavailable, message, error)
        })?;
        // The switch to WAL needs the database for itself: processes that start together queue
        // here.
        lock.lock().map_err(|error| lock_failed(&error))?;
        let db = open_writer(path, synchronous)?;
        lock.unlock().map_err(|error| lock_failed(&error))?;
        let presence = Presence::new(beside(path, ".servers"));
        let checkpoints = Checkpoints::start(path)?;
        Ok(Self {
            db,
            lock,
            synchronous,
            current: synchronous,
            clock,
            names: Names::default(),
            presence,
            checkpoints,
            signals,
            data_version: 0,
        })
    }

    /// Runs until the storage is closed or dropped; a panic ends the thread, never its callers.
    pub(crate) fn guarded_run(mut self, receiver: &Receiver<Message>) {
        let signals = Arc::clone(&self.signals);
        let ran = std::panic::catch_unwind(AssertUnwindSafe(|| self.run(receiver)));
        signals.closed.store(true, Ordering::Release);
        if ran.is_err() {
            tracing::error!("the writer thread of the storage panicked: the storage is closed");
        }
        while let Ok(message) = receiver.try_recv() {
            if let Message::Call(mut call) = message {
                call.refuse(closed());
                call.answer();
            }
        }
        drop(self);
        // Only now is the connection closed, which is what the caller of `close` waits for.
        if let Ok(Some(reply)) = ran
            && reply.send(()).is_err()
        {
            tracing::debug!("nobody waited for the storage to close");
        }
    }

    fn run(&mut self, receiver: &Receiver<Message>) -> Option<oneshot::Sender<()>> {
        let mut next = None;
        loop {
            let message = match next.take() {
                Some(message) => message,
                None => match self.wait(receiver) {
                    Ok(message) => message,
                    Err(RecvTimeoutError::Timeout) => {
                        self.idle();
                        continue;
                    }
                    Err(RecvTimeoutError::Disconnected) => return None,
                },
            };
            match message {
                Message::Call(first) => {
                    next = self.take_group(first, receiver);
                    self.checkpoints.step(&self.db);
                }
                Message::Look => {}
                Message::Close(reply) => return Some(reply),
            }
        }
    }

    /// Waits for a message, but no longer than until it is time to look for other processes.
    fn wait(&self, receiver: &Receiver<Message>) -> Result<Message, RecvTimeoutError> {
        if self.signals.soon.load(Ordering::Acquire) > 0 {
            return receiver.recv_timeout(POLL_SOON);
        }
        if self.signals.watched.load(Ordering::Acquire) {
            return receiver.recv_timeout(POLL);
        }
        receiver.recv().map_err(|_| RecvTimeoutError::Disconnected)
    }

    /// Looks for commits of other connections: they may have made something claimable.
    fn idle(&mut self) {
        self.checkpoints.step(&self.db);
        let soon = self.signals.soon.load(Ordering::Acquire);
        let seen: rusqlite::Result<i64> = self
            .db
            .prepare_cached(sql!("data_version"))
            .and_then(|mut statement| statement.query_row([], |row| row.get(0)));
        match seen {
            Ok(version) if version != self.data_version => {
                self.data_version = version;
                self.signals.wake.wake();
                self.signals.soon.store(0, Ordering::Release);
            }
            Ok(_) => self.signals.soon.store(soon.saturating_sub(1), Ordering::Release),
            Err(error) => tracing::warn!(%error, "the data version cannot be read"),
        }
    }

    /// Takes what is waiting into one transaction; returns a message that does not belong to it.
    fn take_group(
        &mut self,
        first: Box<dyn Operation>,
        receiver: &Receiver<Message>,
    ) -> Option<Message> {
        let mut weight = first.wish().weight;
        let mut group = vec![first];
        let mut other = None;
        while group.len() < GROUP_MAX && weight < GROUP_WEIGHT_MAX {
            match receiver.try_recv() {
                Ok(Message::Call(call)) => {
                    weight += call.wish().weight;
                    group.push(call);
                }
                Ok(message) => {
                    other = Some(message);
                    break;
                }
                Err(_) => break,
            }
        }
        self.carry_out(&mut group);
        group.into_iter().for_each(Operation::answer);
        other
    }

    /// Carries out a group; one call that fails does not take the others with it.
    fn carry_out(&mut self, group: &mut [Box<dyn Operation>]) {
        let Err(spoiled) = self.transact(group) else {
            return;
        };
        if spoiled.by.is_some() && group.len() > 1 {
            for one in group {
                self.carry_out(std::slice::from_mut(one));
            }
            return;
        }
        let error = spoiled.failure.into_error();
        for call in group {
            call.refuse(shared(&error));
        }
    }

    fn transact(&mut self, group: &mut [Box<dyn Operation>]) -> Result<(), Spoiled> {
        self.set_durability(group.iter().all(|call| call.wish().relaxed))?;
        // Queueing for a file lock is fair; SQLite's own waiting sleeps and may starve a process.
        self.lock.lock().map_err(|error| Spoiled {
            failure: Failure::Refused(lock_failed(&error)),
            by: None,
        })?;
        let done = self.transact_locked(group);
        if let Err(error) = self.lock.unlock() {
            tracing::error!(%error, "the lock file cannot be unlocked");
        }
        if done.is_err() {
            self.names.rolled_back();
            self.presence.rolled_back();
            if !self.db.is_autocommit()
                && let Err(error) = self.db.execute_batch(sql!("rollback"))
            {
                tracing::error!(%error, "a transaction cannot be rolled back");
            }
        }
        done
    }

    fn transact_locked(&mut self, group: &mut [Box<dyn Operation>]) -> Result<(), Spoiled> {
        self.db.prepare_cached(sql!("begin"))?.execute([])?;
        let now = self.clock.now();
        let mut w = Write::new(&self.db, now, &mut self.names, &mut self.presence);
        for (at, call) in group.iter_mut().enumerate() {
            let before = w.n_writes();
            match call.apply(&mut w) {
                Ok(()) => {}
                Err(Failure::Refused(error)) if w.n_writes() == before => call.refuse(error),
                Err(failure) => return Err(Spoiled { failure, by: Some(at) }),
            }
        }
        w.seal().map_err(|failure| Spoiled { failure, by: Some(0) })?;
        let (wake, n_writes) = (w.wake, w.n_writes());
        if let Err(error) = self.db.prepare_cached(sql!("commit"))?.execute([]) {
            return Err(self.lost_commit(error));
        }
        self.names.committed();
        self.presence.committed();
        self.checkpoints.wrote(n_writes);
        if wake {
            self.signals.wake.wake();
        }
        Ok(())
    }

    /// Tells what became of a commit that failed.
    ///
    /// When the disk fails while the commit is being flushed, recovery may find it whole.
    fn lost_commit(&self, error: rusqlite::Error) -> Spoiled {
        let flushing = error.sqlite_error_code() == Some(rusqlite::ErrorCode::SystemIoFailure);
        let rolled_back = !flushing
            && (self.db.is_autocommit() || self.db.execute_batch(sql!("rollback")).is_ok());
        Spoiled { failure: Failure::Refused(commit_failed(error, rolled_back)), by: None }
    }

    /// Sets when the next commit is on the disk.
    ///
    /// A claim that a power loss undoes is only another run of the job: every process that could
    /// hold it is gone too. A durable commit also flushes all relaxed ones before it.
    fn set_durability(&mut self, relaxed: bool) -> rusqlite::Result<()> {
        let wanted = if relaxed { Synchronous::Normal } else { self.synchronous };
        if wanted != self.current {
            self.db.prepare_cached(wanted.pragma())?.query([])?.next().map(drop)?;
            self.current = wanted;
        }
        Ok(())
    }
}

fn lock_failed(error: &std::io::Error) -> Error {
    let message = format!("the lock file of the database failed: {error}");
    Error::new(ErrorKind::Unavailable, message)
}

#[cfg(test)]
mod tests {
    use legwork_core::storage::NewJob;
    use legwork_core::{Kind, SystemClock};

    use super::*;
    use crate::enqueue::enqueue;
    use crate::operation::Wish;
    use crate::schema::migrate;
    use crate::writer::Writer;

    const DURABLE: Wish = Wish { weight: 1, relaxed: false };
    const RELAXED: Wish = Wish { weight: 1, relaxed: true };

    async fn open() -> (tempfile::TempDir, Writer) {
        let directory = tempfile::tempdir().unwrap();
        let path = crate::connection::resolve(&directory.path().join("jobs.db")).unwrap();
        let writer = Writer::start(path, Synchronous::Full, Arc::new(SystemClock)).await.unwrap();
        writer.call((), |w, ()| migrate(w), DURABLE).await.unwrap();
        (directory, writer)
    }

    fn big() -> Vec<NewJob> {
        let args = format!("\"{}\"", "x".repeat(200_000)).into_bytes();
        vec![NewJob::new(Kind::new("test.work").unwrap(), args)]
    }

    async fn pragma(writer: &Writer, name: &'static str) -> i64 {
        let read = |w: &mut Write<'_>, name: &&str| {
            Ok(w.db.query_row(&format!("PRAGMA {name}"), [], |row| row.get(0))?)
        };
        writer.call(name, read, DURABLE).await.unwrap()
    }

    #[tokio::test]
    async fn a_full_disk_is_a_typed_error_and_work_goes_on_when_there_is_room() {
        let (_directory, writer) = open().await;
        let pages = pragma(&writer, "page_count").await;
        let limit = |w: &mut Write<'_>, pages: &i64| {
            Ok(w.db.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(()))?)
        };
        writer.call(pages, limit, DURABLE).await.unwrap();
        let full = writer.call(big(), |w, jobs| enqueue(w, jobs), DURABLE).await.unwrap_err();
        assert_eq!(full.kind(), ErrorKind::Unavailable, "{full:?}");
        assert_eq!(full.to_string(), "the disk of the database is full");
        writer.call(1_000_000, limit, DURABLE).await.unwrap();
        let stored = writer.call(big(), |w, jobs| enqueue(w, jobs), DURABLE).await.unwrap();
        assert!(stored[0].is_new());
    }

    #[tokio::test]
    async fn the_writer_has_the_settings_that_the_guarantees_rest_on() {
        let (_directory, writer) = open().await;
        for (name, expected) in [
            ("synchronous", 2),
            ("wal_autocheckpoint", 0),
            ("mmap_size", 0),
            ("trusted_schema", 0),
            ("cell_size_check", 1),
            ("temp_store", 2),
            ("busy_timeout", 10_000),
        ] {
            assert_eq!(pragma(&writer, name).await, expected, "{name}");
        }
    }

    #[tokio::test]
    async fn only_a_call_that_may_be_lost_with_the_power_skips_the_disk() {
        let (_directory, writer) = open().await;
        let read = |w: &mut Write<'_>, (): &()| {
            Ok(w.db.query_row("PRAGMA synchronous", [], |row| row.get::<_, i64>(0))?)
        };
        for (wish, expected) in [(RELAXED, 1), (DURABLE, 2), (RELAXED, 1), (DURABLE, 2)] {
            assert_eq!(writer.call((), read, wish).await.unwrap(), expected);
        }
    }

    #[tokio::test]
    async fn a_panic_ends_the_writer_and_leaves_no_caller_waiting() {
        let (_directory, writer) = open().await;
        let panics = |_: &mut Write<'_>, (): &()| -> crate::error::Result<()> { panic!("a test") };
        let error = writer.call((), panics, DURABLE).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unknown);
        let error = loop {
            // The thread may not have noted its end yet.
            match writer.call((), |_, ()| Ok(()), DURABLE).await {
                Err(error) if error.kind() == ErrorKind::Closed => break error,
                Err(error) => assert_eq!(error.kind(), ErrorKind::Unknown),
                Ok(()) => panic!("a writer that panicked must not go on"),
            }
        };
        assert_eq!(error.to_string(), "the storage is closed");
    }

    #[tokio::test]
    async fn a_call_that_fails_after_it_wrote_leaves_nothing_and_spares_the_others() {
        let (_directory, writer) = open().await;
        let half = |w: &mut Write<'_>, jobs: &Vec<NewJob>| -> crate::error::Result<()> {
            enqueue(w, jobs)?;
            Err(Error::corrupt("half way").into())
        };
        let (bad, good) = tokio::join!(
            writer.call(big(), half, DURABLE),
            writer.call(big(), |w, jobs| enqueue(w, jobs), DURABLE)
        );
        assert_eq!(bad.unwrap_err().kind(), ErrorKind::Corrupt);
        assert!(good.unwrap()[0].is_new());
        let count = |w: &mut Write<'_>, (): &()| {
            Ok(w.db.query_row("SELECT count(*) FROM legwork_job", [], |row| row.get::<_, i64>(0))?)
        };
        assert_eq!(writer.call((), count, DURABLE).await.unwrap(), 1);
    }
}
