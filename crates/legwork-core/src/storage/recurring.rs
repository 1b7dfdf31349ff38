//! Recurring jobs and their occurrences.
//!
//! The scheduler of `legwork-jobs` computes the instants with [`crate::cron`]; the storage keeps
//! the high-water mark and enqueues each occurrence once. No storage reads a cron expression.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::id::JobId;
use crate::name::RecurringId;
use crate::storage::NewJob;
use crate::time::Timestamp;

/// A recurring job as it is declared.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RecurringSpec {
    /// Its id; the same id is the same recurring job.
    pub id: RecurringId,
    /// The cron expression.
    pub cron: String,
    /// The IANA time zone in which it is meant.
    pub time_zone: String,
    /// The job to enqueue; it has no id, no parents and starts at once.
    pub job: NewJob,
    /// What to do about occurrences that were missed while no server ran.
    #[serde(default)]
    pub misfire: Misfire,
    /// What to do while the job of an earlier occurrence has not ended.
    #[serde(default)]
    pub overlap: Overlap,
    /// Increases with each deploy that changes the spec; a lower one never overwrites a higher.
    #[serde(default)]
    pub generation: u32,
}

/// What to do about occurrences that were missed while no server ran.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Misfire {
    /// Enqueue none of them.
    Skip,
    /// Enqueue the latest of them.
    #[default]
    RunOnce,
    /// Enqueue up to so many of them, the latest ones.
    CatchUp(u32),
}

/// What to do while the job of an earlier occurrence has not ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Overlap {
    /// Enqueue the new one all the same.
    #[default]
    Allow,
}

/// A recurring job as it is stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RecurringJob {
    /// What was declared.
    pub spec: RecurringSpec,
    /// When it was first declared, or last given another schedule: occurrences are later than this.
    pub since: Timestamp,
    /// The latest instant that has been dealt with: enqueued, or skipped by policy.
    pub last_at: Option<Timestamp>,
    /// The next occurrence; `None` until a server has computed it.
    pub next_at: Option<Timestamp>,
    /// The job of the latest occurrence or trigger.
    pub last_job: Option<JobId>,
    /// Changes with every upsert and firing; the guard of [`Firing`].
    pub revision: u64,
}

/// What an upsert did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Upserted {
    /// There was none of this id.
    Added,
    /// The stored one was replaced.
    Updated,
    /// It was stored exactly so already.
    Unchanged,
    /// A higher generation is stored; nothing was changed.
    Older,
}

/// The recurring jobs that a scheduler must look at.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Due {
    /// Those whose next occurrence is due, or not yet known.
    pub jobs: Vec<RecurringJob>,
    /// The storage's time of the answer.
    pub now: Timestamp,
    /// How long it is until the next of the others is due, if there are others.
    pub next_in: Option<Duration>,
}

impl Default for Timestamp {
    fn default() -> Self {
        Self::MIN
    }
}

/// The occurrences of one recurring job that are to be enqueued.
#[derive(Debug, Clone, PartialEq)]
pub struct Firing {
    /// The recurring job.
    pub id: RecurringId,
    /// The revision that the caller saw; any other changes nothing.
    pub revision: u64,
    /// The nominal instants to enqueue, earliest first; may be empty.
    pub occurrences: Vec<Timestamp>,
    /// The new high-water mark.
    pub last_at: Option<Timestamp>,
    /// The next occurrence; `None` when the schedule has ended.
    pub next_at: Option<Timestamp>,
}

/// What a firing did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fired {
    /// These jobs were enqueued, one per occurrence that had not been before.
    Enqueued(Vec<JobId>),
    /// Another server, or an upsert, was faster; nothing was changed.
    Stale,
}

/// What a trigger did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Triggered {
    /// This job was enqueued.
    Enqueued(JobId),
    /// There is no such recurring job.
    NotFound,
}
