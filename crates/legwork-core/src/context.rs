//! What a job's handler can learn about its run, and tell while it runs.
//!
//! The server's executor makes a [`JobContext`] per run; handlers take it as an argument. The
//! contexts of services and tasks are in `legwork-host`.

use std::fmt;
use std::sync::{Arc, OnceLock};

use serde::de::DeserializeOwned;
use tokio_util::sync::CancellationToken;

use crate::error::{BoxError, Error, ErrorKind, Result};
use crate::extract::{FromScope, RunContext};
use crate::future::BoxFuture;
use crate::id::{JobId, Run};
use crate::name::{Kind, QueueName};
use crate::scope::Scope;
use crate::time::Timestamp;

/// The context of one run of a job.
#[derive(Clone)]
pub struct JobContext {
    inner: Arc<Inner>,
}

struct Inner {
    facts: RunFacts,
    token: CancellationToken,
    reason: OnceLock<CancelReason>,
    link: Box<dyn RunLink>,
}

/// What is known about a run when it starts.
#[derive(Debug, Clone)]
pub struct RunFacts {
    /// The job.
    pub id: JobId,
    /// The number of this run.
    pub run: Run,
    /// How many runs have failed so far.
    pub failures: u32,
    /// How many may fail.
    pub max_attempts: u32,
    /// The kind that the job was enqueued as.
    pub kind: Kind,
    /// The queue.
    pub queue: QueueName,
    /// When the job was enqueued, by the storage's clock.
    pub created_at: Timestamp,
}

/// Why the token of a run was cancelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CancelReason {
    /// The server is stopping; the job is handed back without spending an attempt.
    Shutdown,
    /// A person cancelled the job.
    User,
    /// The run took longer than its timeout.
    Timeout,
    /// The server lost its lease; another may run the job already, and nothing this run reports
    /// counts.
    LeaseLost,
}

impl fmt::Display for CancelReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Shutdown => "shutdown",
            Self::User => "user",
            Self::Timeout => "timeout",
            Self::LeaseLost => "lease lost",
        })
    }
}

/// How far a run has come.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Progress {
    /// The share that is done, 0 to 1.
    pub share: f32,
    /// What it is doing.
    pub message: String,
}

/// The result of a parent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParentResult {
    /// The parent.
    pub id: JobId,
    /// Its result in JSON, if it ended with one.
    pub json: Option<Vec<u8>>,
}

/// Connects a context to its server; a test may give its own.
pub trait RunLink: Send + Sync + 'static {
    /// Passes the latest progress on. It may be merged with later calls, and is never waited for.
    fn progress(&self, progress: Progress);

    /// Reads the results of the job's parents, in the order in which they were named.
    fn parent_results(&self) -> BoxFuture<'_, Result<Vec<ParentResult>>>;
}

impl JobContext {
    /// Makes the context of a run.
    pub fn new(facts: RunFacts, token: CancellationToken, link: impl RunLink) -> Self {
        let reason = OnceLock::new();
        Self { inner: Arc::new(Inner { facts, token, reason, link: Box::new(link) }) }
    }

    /// Returns the job's id.
    pub fn job_id(&self) -> JobId {
        self.inner.facts.id
    }

    /// Returns the number of this run: 1, 2, 3, … .
    ///
    /// Together with the job's id it is a fencing token: a later run has a greater number.
    pub fn run(&self) -> Run {
        self.inner.facts.run
    }

    /// Returns which attempt this is, from 1: the runs that failed so far, plus this one.
    pub fn attempt(&self) -> u32 {
        self.inner.facts.failures.saturating_add(1)
    }

    /// Returns how many attempts the job has.
    pub fn max_attempts(&self) -> u32 {
        self.inner.facts.max_attempts
    }

    /// Tells whether a failure of this run would be the last.
    pub fn is_last_attempt(&self) -> bool {
        self.attempt() >= self.max_attempts()
    }

    /// Returns the kind that the job was enqueued as.
    pub fn kind(&self) -> &Kind {
        &self.inner.facts.kind
    }

    /// Returns the queue.
    pub fn queue(&self) -> &QueueName {
        &self.inner.facts.queue
    }

    /// Returns when the job was enqueued, by the storage's clock.
    pub fn created_at(&self) -> Timestamp {
        self.inner.facts.created_at
    }

    /// Returns a key that is the same in every run of this job, and of no other job.
    ///
    /// Pass it to services that recognise repeated requests, with the name of the step appended.
    pub fn idempotency_key(&self) -> String {
        format!("legwork-{}", self.job_id())
    }

    /// Returns the token that is cancelled when the run should end.
    pub fn token(&self) -> &CancellationToken {
        &self.inner.token
    }

    /// Waits until the run should end, and says why.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub async fn cancelled(&self) -> CancelReason {
        self.inner.token.cancelled().await;
        self.cancel_reason().unwrap_or(CancelReason::Shutdown)
    }

    /// Returns why the run should end, once it should.
    pub fn cancel_reason(&self) -> Option<CancelReason> {
        self.inner.reason.get().copied()
    }

    /// Cancels the token; only the first reason that is given counts.
    ///
    /// Tells whether this was the first.
    pub fn cancel(&self, reason: CancelReason) -> bool {
        let first = self.inner.reason.set(reason).is_ok();
        self.inner.token.cancel();
        first
    }

    /// Tells how far the run has come: a share from 0 to 1, and what it is doing.
    ///
    /// The server writes it about twice a second, the latest call only, so that it may be called in
    /// a loop. It is shown until the next run starts.
    pub fn progress(&self, share: f32, message: impl Into<String>) {
        let share = if share.is_finite() { share.clamp(0.0, 1.0) } else { 0.0 };
        let message = crate::limits::clip(&message.into(), crate::limits::PROGRESS_MAX_BYTES);
        self.inner.link.progress(Progress { share, message });
    }

    /// Reads the result of the first parent that this continuation was enqueued for.
    ///
    /// `None` when there is no parent, or it ended without a result.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] when the result is not a `T`; any error of the storage.
    pub async fn parent_output<T: DeserializeOwned>(&self) -> Result<Option<T>> {
        let results = self.inner.link.parent_results().await?;
        let Some(ParentResult { id, json: Some(json) }) = results.into_iter().next() else {
            return Ok(None);
        };
        serde_json::from_slice(&json).map(Some).map_err(|source| {
            let message = format!("the result of job {id} is not of the type that was asked for");
            Error::with_source(ErrorKind::Invalid, message, source)
        })
    }
}

impl fmt::Debug for JobContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JobContext")
            .field("facts", &self.inner.facts)
            .field("reason", &self.inner.reason)
            .finish_non_exhaustive()
    }
}

impl RunContext for JobContext {
    fn token(&self) -> &CancellationToken {
        &self.inner.token
    }
}

impl<S: Send + Sync + 'static> FromScope<S, Self> for JobContext {
    async fn from_scope(scope: &Scope<S, Self>) -> Result<Self, BoxError> {
        Ok(scope.context().clone())
    }
}
