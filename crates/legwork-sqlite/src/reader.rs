//! Reading beside the writer: a few threads with connections that cannot write.
//!
//! [`crate::inspect`] and `results` use it. A reader never blocks the writer, nor the other way
//! round. A read that takes longer than its limit is interrupted, so that it cannot keep the log
//! from starting over.

use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use legwork_core::{Error, ErrorKind, Result};
use rusqlite::{Connection, InterruptHandle};
use tokio::sync::{Semaphore, oneshot};

use crate::connection::open_reader;
use crate::error;

/// How many reads go on at once.
const READERS: usize = 2;

/// How many reads may wait; further callers wait for a place.
const WAITING_MAX: usize = 256;

/// How long one read may take.
const READ_MAX: Duration = Duration::from_secs(5);

type Job = Box<dyn FnOnce(&Connection) + Send>;

/// A handle on the reader threads.
#[derive(Debug)]
pub(crate) struct Readers {
    sender: Mutex<Option<Sender<Job>>>,
    places: Arc<Semaphore>,
}

impl Readers {
    /// Opens the connections, each on a thread of its own.
    pub(crate) fn start(path: &Path) -> Result<Self> {
        let (sender, receiver) = channel::<Job>();
        let receiver = Arc::new(Mutex::new(receiver));
        for n in 0..READERS {
            let db = open_reader(path)?;
            let (watch, watched) = sync_channel(1);
            let interrupt = db.get_interrupt_handle();
            spawn(format!("legwork-limit-{n}"), move || limit(&interrupt, &watched))?;
            let receiver = Arc::clone(&receiver);
            spawn(format!("legwork-read-{n}"), move || {
                while let Some(job) = next(&receiver) {
                    let watching = watch.send(()).is_ok();
                    let ran = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| job(&db)));
                    if ran.is_err() {
                        tracing::error!("a read panicked");
                    }
                    if watching && watch.send(()).is_err() {
                        tracing::error!("the limit of reads has ended");
                    }
                }
            })?;
        }
        let places = Arc::new(Semaphore::new(WAITING_MAX));
        Ok(Self { sender: Mutex::new(Some(sender)), places })
    }

    /// Reads in one consistent state of the database.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        body: impl FnOnce(&Connection) -> error::Result<T> + Send + 'static,
    ) -> Result<T> {
        let permit = Arc::clone(&self.places).acquire_owned().await.map_err(|_| closed())?;
        let (reply, answer) = oneshot::channel();
        let job: Job = Box::new(move |db| {
            let answer = in_transaction(db, body);
            drop(permit);
            if reply.send(answer).is_err() {
                tracing::trace!("a caller did not wait for its read");
            }
        });
        {
            let sender = self.sender.lock().unwrap_or_else(PoisonError::into_inner);
            sender.as_ref().ok_or_else(closed)?.send(job).map_err(|_| closed())?;
        }
        answer.await.map_err(|_| Error::new(ErrorKind::Internal, "a read panicked"))?
    }

    /// Ends the threads once what was sent before has been read.
    pub(crate) fn close(&self) {
        drop(self.sender.lock().unwrap_or_else(PoisonError::into_inner).take());
    }
}

fn closed() -> Error {
    Error::new(ErrorKind::Closed, "the storage is closed")
}

fn spawn(name: String, body: impl FnOnce() + Send + 'static) -> Result<()> {
    let spawned = std::thread::Builder::new().name(name).spawn(body);
    spawned.map(drop).map_err(|error| {
        Error::with_source(ErrorKind::Unavailable, "no thread for the reads", error)
    })
}

fn next(receiver: &Mutex<Receiver<Job>>) -> Option<Job> {
    receiver.lock().unwrap_or_else(PoisonError::into_inner).recv().ok()
}

/// Interrupts a read that takes too long: it hears of each beginning and each end.
fn limit(interrupt: &InterruptHandle, watched: &Receiver<()>) {
    while watched.recv().is_ok() {
        loop {
            match watched.recv_timeout(READ_MAX) {
                Ok(()) => break,
                Err(RecvTimeoutError::Timeout) => interrupt.interrupt(),
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }
}

fn in_transaction<T>(
    db: &Connection,
    body: impl FnOnce(&Connection) -> error::Result<T>,
) -> Result<T> {
    let read = || -> error::Result<T> {
        let transaction = db.unchecked_transaction()?;
        let answer = body(&transaction)?;
        transaction.finish()?;
        Ok(answer)
    };
    read().map_err(error::Failure::into_error)
}
