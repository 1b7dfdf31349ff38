//! Finishing runs and claiming jobs.
//!
//! The exchanger of a server calls [`Storage::exchange`](super::Storage::exchange); the executor
//! decides the [`Verdict`] of a run.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::id::{Incarnation, JobId, LeaseId, Run};
use crate::name::{Kind, QueueName};
use crate::storage::{JobOptions, Kinds};
use crate::time::Timestamp;

/// Runs that have ended, and a wish for more.
#[derive(Debug, Clone)]
pub struct Exchange {
    /// The server that holds the runs and claims.
    pub server: Incarnation,
    /// The runs that have ended.
    pub finish: Vec<Finish>,
    /// What is wanted, if anything.
    pub claim: Option<Claim>,
}

/// One run that has ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Finish {
    /// The job.
    pub id: JobId,
    /// The run.
    pub run: Run,
    /// The lease it was claimed under.
    pub lease: LeaseId,
    /// How long the handler ran, by the server's monotonic clock; zero when it never started.
    pub ran_for: Duration,
    /// What is to become of the job.
    pub verdict: Verdict,
}

/// What is to become of a job after a run.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// `succeeded`, with a result in JSON where there is one.
    Succeeded {
        /// At most [`RESULT_MAX_BYTES`](crate::limits::RESULT_MAX_BYTES).
        result: Option<Vec<u8>>,
    },
    /// `scheduled` again; one more failure counts.
    Retry {
        /// From now.
        after: Duration,
        /// What went wrong.
        error: RunError,
    },
    /// `failed`.
    Failed {
        /// Why for good.
        reason: FailReason,
        /// What went wrong.
        error: RunError,
    },
    /// `scheduled` again; nothing counts.
    Snoozed {
        /// From now.
        delay: Duration,
    },
    /// `cancelled`.
    Cancelled {
        /// Why.
        reason: String,
    },
    /// `enqueued` again, unharmed; nothing counts.
    Released {
        /// Whether the handler had started: then it counts as an interruption.
        started: bool,
    },
}

/// Why a job is `failed`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FailReason {
    /// All attempts are spent.
    Exhausted,
    /// Its handler, or the error it returned, gave up.
    Discarded,
    /// Its arguments cannot be read; no attempt was spent.
    Undecodable,
    /// Its processes died while running it, too often.
    Quarantined,
    /// It was interrupted too often.
    Interrupted,
}

impl FailReason {
    /// Returns the stored name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Exhausted => "exhausted",
            Self::Discarded => "discarded",
            Self::Undecodable => "undecodable",
            Self::Quarantined => "quarantined",
            Self::Interrupted => "interrupted",
        }
    }
}

/// What went wrong in a run, as it is stored and shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunError {
    /// What kind of failure it was.
    pub kind: RunErrorKind,
    /// The error and its causes, at most
    /// [`ERROR_MAX_BYTES`](crate::limits::ERROR_MAX_BYTES).
    pub message: String,
}

/// What kind of failure ended a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RunErrorKind {
    /// The handler returned an error, or one of its arguments could not be extracted.
    Error,
    /// The handler panicked.
    Panic,
    /// The run took longer than its timeout.
    Timeout,
    /// The arguments could not be read.
    Undecodable,
    /// The handler gave up.
    Discarded,
    /// The process of the server died.
    Lost,
}

impl RunError {
    /// Makes it, clipped to what may be stored.
    pub fn new(kind: RunErrorKind, message: &str) -> Self {
        Self { kind, message: crate::limits::clip(message, crate::limits::ERROR_MAX_BYTES) }
    }
}

/// What a server wants to run next.
#[derive(Debug, Clone)]
pub struct Claim {
    /// The queues, in the order in which they are to be emptied.
    pub queues: Vec<QueueName>,
    /// The kinds that the server has registered.
    pub kinds: Kinds,
    /// How many jobs at most, up to [`CLAIM_MAX_JOBS`](crate::limits::CLAIM_MAX_JOBS).
    pub max: usize,
    /// How many suspects at most (see [`ClaimedJob::is_suspect`]).
    pub suspects_max: usize,
}

/// The answer to an exchange.
#[derive(Debug, Clone, Default)]
pub struct Exchanged {
    /// One entry per run that was to be finished, in order.
    pub finished: Vec<Finished>,
    /// The jobs that the server now holds, in the order in which they are to be run.
    pub claimed: Vec<ClaimedJob>,
}

/// What became of a verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Finished {
    /// It is recorded.
    Recorded,
    /// The lease no longer holds the run: nothing was written.
    Lost,
}

/// A job that a server holds and is to run.
#[derive(Debug, Clone, PartialEq)]
pub struct ClaimedJob {
    /// The job.
    pub id: JobId,
    /// The number of the run that begins.
    pub run: Run,
    /// The lease that the server holds it under; jobs claimed together share one.
    pub lease: LeaseId,
    /// The kind.
    pub kind: Kind,
    /// The queue.
    pub queue: QueueName,
    /// The arguments.
    pub args: Vec<u8>,
    /// What only some jobs have.
    pub options: JobOptions,
    /// How many runs have failed.
    pub failures: u32,
    /// How many servers in a row died while holding it.
    pub losses: u32,
    /// When it was enqueued.
    pub created_at: Timestamp,
}

impl ClaimedJob {
    /// Tells whether the job may be what its servers die of: it was lost by
    /// [`SUSPECT_LOSSES`](crate::limits::SUSPECT_LOSSES) of them in a row.
    pub fn is_suspect(&self) -> bool {
        self.losses >= crate::limits::SUSPECT_LOSSES
    }
}
