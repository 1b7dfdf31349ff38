//! The client: the handle that jobs are enqueued and steered with.
//!
//! Applications clone it freely. It validates, then hands over to `flusher`; servers are made with
//! [`Jobs::server`].

use std::fmt;
use std::sync::Arc;

use legwork_core::limits::{ARGS_MAX_BYTES, ARGS_MAX_BYTES_DEFAULT};
use legwork_core::storage::operate::{Cancelled, Requeued};
use legwork_core::storage::recurring::Triggered;
use legwork_core::{Actor, Error, ErrorKind, Job, JobId, QueueName, RecurringId, Result, Store};

use crate::enqueue::{Enqueue, EnqueueAll};
use crate::flusher::Flusher;
use crate::instrumented::Instrumented;
use crate::recurring::Recurring;
use crate::server::ServerBuilder;

/// A client of one storage. Clones share it.
#[derive(Clone)]
pub struct Jobs {
    inner: Arc<Inner>,
}

struct Inner {
    store: Arc<dyn Store>,
    flusher: Flusher,
    args_max_bytes: usize,
    actor: Actor,
}

impl Jobs {
    /// Makes a client of a storage that is open and migrated.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self::with_args_max(store, ARGS_MAX_BYTES_DEFAULT)
    }

    /// Makes a client that refuses arguments over `max` bytes of JSON.
    ///
    /// The default is 256 KiB; what is over 16 MiB is refused whatever `max` says. Large inputs
    /// belong in a file or table of their own, with their key in the arguments.
    pub fn with_args_max(store: Arc<dyn Store>, max: usize) -> Self {
        let store: Arc<dyn Store> = Arc::new(Instrumented::new(store));
        let flusher = Flusher::new(Arc::clone(&store));
        let args_max_bytes = std::cmp::min(max, ARGS_MAX_BYTES);
        let actor = Actor::new("application");
        Self { inner: Arc::new(Inner { store, flusher, args_max_bytes, actor }) }
    }

    /// Returns the storage.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.inner.store
    }

    pub(crate) fn flusher(&self) -> &Flusher {
        &self.inner.flusher
    }

    pub(crate) fn args_max_bytes(&self) -> usize {
        self.inner.args_max_bytes
    }

    /// Enqueues a job: a builder that is awaited.
    ///
    /// When it has been awaited with `Ok`, the job is stored and will run at least once, whatever
    /// crashes. Calls that are awaited at the same time share one commit.
    ///
    /// # Errors
    /// The future returns [`Invalid`](ErrorKind::Invalid) or [`TooLarge`](ErrorKind::TooLarge) for
    /// a value that breaks a rule, [`NotFound`](ErrorKind::NotFound) for a parent that does not
    /// exist, and the errors of the storage; [`Error::effect`] tells a refusal from an unknown
    /// outcome.
    ///
    /// # Cancel safety
    /// A future that is dropped before it was ready may have stored the job or not.
    #[expect(clippy::needless_pass_by_value, reason = "the job is handed over")]
    pub fn enqueue<J: Job>(&self, job: J) -> Enqueue<J> {
        Enqueue::new(self.clone(), &job)
    }

    /// Enqueues many jobs of one kind: all of them, or none, per ten thousand.
    ///
    /// # Errors
    /// As [`enqueue`](Self::enqueue); the message names the index of the job that was refused.
    pub fn enqueue_all<J: Job>(&self, jobs: impl IntoIterator<Item = J>) -> EnqueueAll<J> {
        EnqueueAll::new(self.clone(), jobs)
    }

    /// Declares a recurring job: a builder that ends with `.upsert().await`.
    pub fn recurring(&self, id: &str, cron: &str) -> Recurring {
        Recurring::new(self.clone(), id, cron)
    }

    /// Removes a recurring job; `false` when there is none of this id.
    ///
    /// # Errors
    /// [`Invalid`](ErrorKind::Invalid) for a bad id; the errors of the storage.
    pub async fn remove_recurring(&self, id: &str) -> Result<bool> {
        self.store().remove_recurring(RecurringId::new(id)?).await
    }

    /// Enqueues a recurring job once, now, and returns the id of the job.
    ///
    /// # Errors
    /// [`NotFound`](ErrorKind::NotFound) when there is none of this id; the errors of the storage.
    pub async fn trigger_recurring(&self, id: &str) -> Result<JobId> {
        let trigger = self.store().trigger_recurring(RecurringId::new(id)?, self.actor()).await?;
        match trigger {
            Triggered::Enqueued(job) => Ok(job),
            Triggered::NotFound => {
                Err(Error::new(ErrorKind::NotFound, format!("there is no recurring job {id:?}")))
            }
        }
    }

    /// Cancels a job: at once where it has not started, by request where it is running.
    ///
    /// # Errors
    /// The errors of the storage; a job that has ended or does not exist is an answer, no error.
    pub async fn cancel(&self, id: impl Into<JobId>) -> Result<Cancelled> {
        self.store().cancel(id.into(), self.actor()).await
    }

    /// Makes a job that has ended, or is scheduled, claimable now, with all its attempts again.
    ///
    /// # Errors
    /// The errors of the storage; a job that cannot be requeued is an answer, no error.
    pub async fn requeue(&self, id: impl Into<JobId>) -> Result<Requeued> {
        self.store().requeue(id.into(), self.actor()).await
    }

    /// Stops claims from a queue everywhere; what is running goes on.
    ///
    /// # Errors
    /// [`Invalid`](ErrorKind::Invalid) for a bad queue name; the errors of the storage.
    pub async fn pause(&self, queue: &str, reason: &str) -> Result<()> {
        self.store().pause(QueueName::new(queue)?, self.actor().because(reason)).await
    }

    /// Allows claims from a queue again; `false` when it was not paused.
    ///
    /// # Errors
    /// [`Invalid`](ErrorKind::Invalid) for a bad queue name; the errors of the storage.
    pub async fn resume(&self, queue: &str) -> Result<bool> {
        self.store().resume(QueueName::new(queue)?, self.actor()).await
    }

    /// Makes a server that runs the jobs of this storage, for an application state of type `S`.
    pub fn server<S: Clone + Send + Sync + 'static>(&self) -> ServerBuilder<S> {
        ServerBuilder::new(Arc::clone(self.store()))
    }

    /// Waits for the enqueues that were accepted, then closes the storage.
    ///
    /// # Errors
    /// The errors of the storage.
    pub async fn close(&self) -> Result<()> {
        self.inner.flusher.close().await;
        self.store().close().await
    }

    fn actor(&self) -> Actor {
        self.inner.actor.clone()
    }
}

impl fmt::Debug for Jobs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Jobs").field("location", &self.store().location()).finish_non_exhaustive()
    }
}
