//! The handle on the writer thread: it sends calls and waits for their answers.
//!
//! [`crate::storage`] calls it for everything that changes a job. It never touches the database:
//! that is [`crate::engine`], on the thread.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc::{Sender, channel};

use legwork_core::storage::WakeSender;
use legwork_core::{Clock, Error, ErrorKind, Result};
use tokio::sync::{Semaphore, oneshot};

use crate::engine::Engine;
use crate::operation::{Body, Call, Operation, Wish};
use crate::options::Synchronous;

/// How many calls may wait; further callers wait for a place.
const WAITING_MAX: usize = 10_000;

/// How many quick looks such an enqueue causes.
const SOON_MAX: u32 = 200;

/// What is sent to the thread.
pub(crate) enum Message {
    /// Something to carry out.
    Call(Box<dyn Operation>),
    /// Something about how to wait has changed.
    Look,
    /// The end; the answer comes when the connection is closed.
    Close(oneshot::Sender<()>),
}

/// What the writer and its handles share.
#[derive(Debug)]
pub(crate) struct Signals {
    pub(crate) wake: WakeSender,
    pub(crate) watched: AtomicBool,
    pub(crate) closed: AtomicBool,
    pub(crate) soon: AtomicU32,
}

/// A handle on the writer thread.
#[derive(Debug)]
pub(crate) struct Writer {
    sender: Sender<Message>,
    places: Arc<Semaphore>,
    pub(crate) signals: Arc<Signals>,
}

impl Writer {
    /// Opens the database on a thread of its own.
    pub(crate) async fn start(
        path: PathBuf,
        synchronous: Synchronous,
        clock: Arc<dyn Clock>,
    ) -> Result<Self> {
        let signals = Arc::new(Signals {
            wake: WakeSender::new(),
            watched: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            soon: AtomicU32::new(0),
        });
        let (sender, receiver) = channel();
        let (ready, opened) = oneshot::channel();
        let shared = Arc::clone(&signals);
        let run = move || {
            let engine = Engine::open(&path, synchronous, clock, shared);
            let (engine, answer) = match engine {
                Ok(engine) => (Some(engine), Ok(())),
                Err(error) => (None, Err(error)),
            };
            if ready.send(answer).is_ok()
                && let Some(engine) = engine
            {
                engine.guarded_run(&receiver);
            }
        };
        std::thread::Builder::new().name("legwork-sqlite".to_owned()).spawn(run).map_err(
            |error| Error::with_source(ErrorKind::Unavailable, "no thread for the writer", error),
        )?;
        opened
            .await
            .map_err(|_| Error::new(ErrorKind::Internal, "the writer ended while opening"))??;
        Ok(Self { sender, places: Arc::new(Semaphore::new(WAITING_MAX)), signals })
    }

    /// Sends a call and waits for its answer.
    ///
    /// # Cancel safety
    /// A call that was sent is carried out even when the future is dropped.
    pub(crate) async fn call<I, O>(&self, input: I, body: Body<I, O>, wish: Wish) -> Result<O>
    where
        I: Send + 'static,
        O: Send + 'static,
    {
        if self.signals.closed.load(Ordering::Acquire) {
            return Err(closed());
        }
        let places = Arc::clone(&self.places);
        let permit = places.acquire_owned().await.map_err(|_| closed())?;
        let (reply, answer) = oneshot::channel();
        let call = Call { input, body, wish, output: None, reply, permit };
        self.sender.send(Message::Call(Box::new(call))).map_err(|_| closed())?;
        answer.await.unwrap_or_else(|_| {
            let message = "the writer thread ended before it answered";
            Err(Error::new(ErrorKind::Unknown, message))
        })
    }

    /// Tells the writer that someone waits for hints.
    pub(crate) fn watch(&self) {
        if !self.signals.watched.swap(true, Ordering::AcqRel) {
            self.look();
        }
    }

    /// Makes the writer look often for a while, for a commit that it cannot see.
    pub(crate) fn look_soon(&self) {
        if self.signals.soon.swap(SOON_MAX, Ordering::AcqRel) == 0 {
            self.look();
        }
    }

    fn look(&self) {
        if self.sender.send(Message::Look).is_err() {
            tracing::debug!("the writer has ended: there is nothing to look for");
        }
    }

    /// Finishes what was sent before, then ends the thread and closes the connection.
    pub(crate) async fn close(&self) -> Result<()> {
        let first = !self.signals.closed.swap(true, Ordering::AcqRel);
        let (reply, done) = oneshot::channel();
        if first && self.sender.send(Message::Close(reply)).is_ok() && done.await.is_err() {
            let message = "the writer thread ended before it had closed";
            return Err(Error::new(ErrorKind::Unknown, message));
        }
        Ok(())
    }
}

pub(crate) fn closed() -> Error {
    Error::new(ErrorKind::Closed, "the storage is closed")
}
