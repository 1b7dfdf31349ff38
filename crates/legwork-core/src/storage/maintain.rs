//! Promotion of due jobs, and pruning of old ones.
//!
//! The promoter and the pruner of `legwork-jobs` call it, in bounded steps.

use std::time::Duration;

use crate::state::JobState;

/// What a promotion did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Promoted {
    /// How many jobs can be claimed now.
    pub jobs: u64,
    /// How long it is until the next is due: zero when there are more due than were asked for,
    /// `None` when nothing is scheduled.
    pub next_in: Option<Duration>,
}

/// How long jobs are kept after they have ended.
///
/// The default is one day for succeeded, seven days for cancelled and thirty for failed jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// How long succeeded jobs are kept.
    pub succeeded: Duration,
    /// How long failed jobs are kept.
    pub failed: Duration,
    /// How long cancelled jobs are kept.
    pub cancelled: Duration,
}

const DAY: Duration = Duration::from_hours(24);

impl Default for Retention {
    fn default() -> Self {
        Self { succeeded: DAY, cancelled: 7 * DAY, failed: 30 * DAY }
    }
}

impl Retention {
    /// Returns how long jobs in `state` are kept; `None` for a live state: for ever.
    pub fn of(&self, state: JobState) -> Option<Duration> {
        match state {
            JobState::Succeeded => Some(self.succeeded),
            JobState::Failed => Some(self.failed),
            JobState::Cancelled => Some(self.cancelled),
            JobState::Awaiting
            | JobState::Scheduled
            | JobState::Enqueued
            | JobState::Processing => None,
        }
    }
}

/// What a pruning did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pruned {
    /// How many jobs were removed.
    pub jobs: u64,
    /// Whether there is more to remove: call again.
    pub more: bool,
}
