//! What can be seen of a host: its phase, its services, their timers and queues.
//!
//! [`crate::HostHandle::status`] takes the picture; dashboards, health endpoints and tests read it.

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use legwork_core::Timestamp;
use serde::Serialize;

/// How many runs a timer or task queue remembers.
pub const RUNS_MAX: usize = 20;

/// A picture of a host at one moment.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct HostStatus {
    /// Where the host is in its life.
    pub phase: HostPhase,
    /// Whether the host has started, is not stopping, and every service is ready.
    pub ready: bool,
    /// The services in the order in which they start.
    pub services: Vec<ServiceStatus>,
}

/// Where a host is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum HostPhase {
    /// Built, and not started yet.
    Built,
    /// Starting its services.
    Starting,
    /// All services have started and are ready.
    Started,
    /// Stopping: draining, or stopping its services.
    Stopping,
    /// Every service has ended.
    Stopped,
}

/// A picture of one service.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct ServiceStatus {
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: ServiceKind,
    /// Where it is in its life.
    pub state: ServiceState,
    /// When it came there.
    pub since: Timestamp,
    /// Whether it lets the host be ready.
    pub ready: bool,
    /// Why it is not ready, in its own words.
    pub not_ready_reason: Option<String>,
    /// How often it was restarted after a failure.
    pub n_restarts: u64,
    /// The last error with its causes.
    pub last_error: Option<String>,
    /// The runs of a timer.
    pub timer: Option<TimerStatus>,
    /// The items of a task queue.
    pub queue: Option<QueueStatus>,
}

/// What a service is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ServiceKind {
    /// A [`HostedService`](crate::HostedService).
    Hosted,
    /// A long-running loop.
    Background,
    /// A timer.
    Timer,
    /// A task queue.
    TaskQueue,
    /// The HTTP service.
    Http,
}

/// Where a service is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ServiceState {
    /// Has not been started.
    Registered,
    /// Its `start` is running.
    Starting,
    /// Runs.
    Running,
    /// Failed, and waits to be restarted.
    BackingOff,
    /// Is being stopped.
    Stopping,
    /// Has stopped because the host stopped it.
    Stopped,
    /// Returned by itself while the host was running.
    Completed,
    /// Failed for good.
    Failed,
    /// Did not stop within its budget and was aborted.
    TimedOut,
}

impl fmt::Display for ServiceState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Registered => "not started",
            Self::Starting => "starting",
            Self::Running => "running",
            Self::BackingOff => "backing off",
            Self::Stopping => "stopping",
            Self::Stopped => "stopped",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::TimedOut => "timed out",
        })
    }
}

/// A picture of a timer.
#[derive(Debug, Clone, Default, Serialize)]
#[non_exhaustive]
pub struct TimerStatus {
    /// When it fires next; `None` while it runs and after it has stopped.
    pub next_at: Option<Timestamp>,
    /// Whether a run is going on.
    pub running: bool,
    /// How many runs have ended.
    pub n_runs: u64,
    /// How many of them failed, panicked or timed out.
    pub n_failed: u64,
    /// How many ticks were skipped because a run was still going on.
    pub n_missed: u64,
    /// The last [`RUNS_MAX`] runs, the latest last.
    pub runs: VecDeque<RunRecord>,
}

/// A picture of a task queue.
#[derive(Debug, Clone, Default, Serialize)]
#[non_exhaustive]
pub struct QueueStatus {
    /// How many items may wait.
    pub capacity: usize,
    /// How many items may run at once.
    pub workers: usize,
    /// How many items wait.
    pub n_waiting: usize,
    /// The names of the items that run, the oldest first.
    pub running: Vec<String>,
    /// How many items ended well.
    pub n_completed: u64,
    /// How many items failed or panicked.
    pub n_failed: u64,
    /// The last [`RUNS_MAX`] runs, the latest last.
    pub runs: VecDeque<RunRecord>,
}

/// One run of a timer or of an item of a task queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct RunRecord {
    /// The name of the timer or item.
    pub name: String,
    /// When it started.
    pub started_at: Timestamp,
    /// How long it took.
    pub took: Duration,
    /// How it failed, with the causes; `None` when it ended well.
    pub error: Option<String>,
}

/// Appends a run, and forgets the oldest when there are too many.
pub(crate) fn remember(runs: &mut VecDeque<RunRecord>, run: RunRecord) {
    if runs.len() == RUNS_MAX {
        runs.pop_front();
    }
    runs.push_back(run);
}

impl HostStatus {
    /// Finds a service by its name.
    pub fn service(&self, name: &str) -> Option<&ServiceStatus> {
        self.services.iter().find(|service| service.name == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_runs_are_remembered() {
        let mut runs = VecDeque::new();
        for n in 0..25 {
            let started_at = Timestamp::from_micros(n);
            let took = Duration::ZERO;
            remember(&mut runs, RunRecord { name: "t".into(), started_at, took, error: None });
        }
        assert_eq!(runs.len(), RUNS_MAX);
        assert_eq!(runs[0].started_at, Timestamp::from_micros(5));
        assert_eq!(runs[19].started_at, Timestamp::from_micros(24));
    }
}
