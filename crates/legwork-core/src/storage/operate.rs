//! What an operator does to a job or a queue, and what came of it.
//!
//! The client, the dashboard and the command line call it. Each answer tells the state at the time
//! of the call: the storage decides, not what a page showed a minute ago.

use serde::{Deserialize, Serialize};

use crate::limits::{REASON_MAX_BYTES, clip};
use crate::state::JobState;

/// Who did something, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    /// Who: a user's name, or the program.
    pub name: String,
    /// Why, if it was said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl Actor {
    /// Makes an actor without a reason; a name over 1 KiB is cut.
    pub fn new(name: &str) -> Self {
        Self { name: clip(name, REASON_MAX_BYTES), reason: None }
    }

    /// Adds the reason; one over 1 KiB is cut.
    #[must_use]
    pub fn because(mut self, reason: &str) -> Self {
        self.reason = Some(clip(reason, REASON_MAX_BYTES));
        self
    }
}

/// What a cancel did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cancelled {
    /// The job is `cancelled` and never starts.
    BeforeStart,
    /// The job is processing: its token will be cancelled, and it ends as its handler decides.
    Requested,
    /// The job has ended before, in this state.
    AlreadyFinal(JobState),
    /// There is no such job.
    NotFound,
}

/// What a requeue did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Requeued {
    /// The job can be claimed, with all its attempts again.
    Enqueued,
    /// The job is in this state, in which it cannot be requeued.
    Refused(JobState),
    /// There is no such job.
    NotFound,
}

/// What a delete did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Deleted {
    /// The job is gone.
    Removed,
    /// The job is in this state, in which it cannot be deleted, or other jobs await it.
    Refused(JobState),
    /// There is no such job.
    NotFound,
}
