//! Reading a storage: what the dashboard and the command line show.
//!
//! Every read is bounded: pages by key, counts up to [`COUNT_MAX`], series by their number of
//! points. Nothing here changes anything; the actions are in [`crate::storage::operate`].

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::context::Progress;
use crate::error::Result;
use crate::future::BoxFuture;
use crate::id::{Incarnation, JobId, Run};
use crate::name::{Kind, QueueName};
use crate::state::JobState;
use crate::storage::exchange::FailReason;
use crate::storage::{Actor, JobOptions, On, RecurringJob, RunError, ServerInfo};
use crate::time::Timestamp;

/// How far things are counted; more is shown as "10,000+".
pub const COUNT_MAX: u64 = 10_000;

/// How many entries a page has at most.
pub const PAGE_MAX: usize = 200;

/// How many points a series has at most.
pub const POINTS_MAX: usize = 1_440;

/// Looks into a storage.
///
/// Reads see a consistent state of one moment each, never one that was rolled back.
pub trait Inspect: Send + Sync + 'static {
    /// Returns the storage's time.
    fn now(&self) -> BoxFuture<'_, Result<Timestamp>>;

    /// Counts the jobs in each state, and what is on its way.
    fn counts(&self) -> BoxFuture<'_, Result<Counts>>;

    /// Lists jobs of a state: live ones in the order in which they will run, final ones latest
    /// first.
    fn jobs(&self, filter: JobFilter, page: Page) -> BoxFuture<'_, Result<JobPage>>;

    /// Returns everything about one job; `None` when there is none.
    fn job(&self, id: JobId) -> BoxFuture<'_, Result<Option<JobDetail>>>;

    /// Lists all recurring jobs by id.
    fn recurring(&self) -> BoxFuture<'_, Result<Vec<RecurringView>>>;

    /// Lists the servers: live ones first, then those that have gone within the last day.
    fn servers(&self) -> BoxFuture<'_, Result<Vec<ServerView>>>;

    /// Lists the queues that hold or have held jobs, by name.
    fn queues(&self) -> BoxFuture<'_, Result<Vec<QueueView>>>;

    /// Returns how many runs ended in each step of the time before now, oldest first.
    ///
    /// `points` is at most [`POINTS_MAX`]; `step` is rounded up to whole minutes.
    fn throughput(&self, step: Duration, points: usize) -> BoxFuture<'_, Result<Vec<Throughput>>>;
}

/// A number that was counted up to a bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Count {
    /// What was counted, at most [`COUNT_MAX`] unless it was cheap to know exactly.
    pub n: u64,
    /// Whether there are more.
    pub more: bool,
}

impl Count {
    /// Makes a count of a number that is exact.
    pub fn exact(n: u64) -> Self {
        Self { n, more: false }
    }

    /// Makes a count of a number that was counted up to [`COUNT_MAX`] + 1.
    pub fn bounded(n: u64) -> Self {
        Self { n: std::cmp::min(n, COUNT_MAX), more: n > COUNT_MAX }
    }
}

/// How many jobs there are in each state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Counts {
    /// Continuations that wait for their parents.
    pub awaiting: Count,
    /// Jobs that wait for their due time, retries included.
    pub scheduled: Count,
    /// The scheduled ones that have failed before.
    pub retries: Count,
    /// Jobs that can be claimed.
    pub enqueued: Count,
    /// Jobs that servers hold.
    pub processing: Count,
    /// Jobs that ended well and are still kept.
    pub succeeded: Count,
    /// Jobs that ended badly and are still kept.
    pub failed: Count,
    /// Jobs that were cancelled and are still kept.
    pub cancelled: Count,
    /// Recurring jobs.
    pub recurring: Count,
    /// Servers that are live.
    pub servers: Count,
}

impl Counts {
    /// Returns the count of one state.
    pub fn of(&self, state: JobState) -> Count {
        match state {
            JobState::Awaiting => self.awaiting,
            JobState::Scheduled => self.scheduled,
            JobState::Enqueued => self.enqueued,
            JobState::Processing => self.processing,
            JobState::Succeeded => self.succeeded,
            JobState::Failed => self.failed,
            JobState::Cancelled => self.cancelled,
        }
    }
}

/// Which jobs are to be listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobFilter {
    /// The state.
    pub state: JobState,
    /// Only those that have failed before; for `scheduled` these are the retries.
    pub retries_only: bool,
    /// Only those of this queue.
    pub queue: Option<QueueName>,
    /// Only those of this kind.
    pub kind: Option<Kind>,
}

impl JobFilter {
    /// Lists all jobs of a state.
    pub fn state(state: JobState) -> Self {
        Self { state, retries_only: false, queue: None, kind: None }
    }
}

/// A part of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Where the page before ended: its [`JobPage::next`]; `None` for the first page.
    pub after: Option<String>,
    /// How many entries, 1 to [`PAGE_MAX`]; other values are clamped.
    pub len: usize,
}

impl Page {
    /// Asks for the first `len` entries.
    pub fn first(len: usize) -> Self {
        Self { after: None, len }
    }
}

/// A part of a list of jobs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct JobPage {
    /// The jobs.
    pub jobs: Vec<JobSummary>,
    /// Where the next page starts; `None` when there is none. Opaque, and safe in a URL.
    pub next: Option<String>,
}

/// A job in a list.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct JobSummary {
    /// The job.
    pub id: JobId,
    /// The kind.
    pub kind: Kind,
    /// The queue.
    pub queue: QueueName,
    /// The priority; a lower number runs first.
    pub priority: i16,
    /// The state.
    pub state: JobState,
    /// When it was enqueued.
    pub created_at: Timestamp,
    /// When it came into its state, or will leave it: due time of a scheduled job, start of a
    /// processing one, end of a final one.
    pub at: Timestamp,
    /// The run that is in progress, comes next, or was the last.
    pub run: Run,
    /// How many runs have failed.
    pub failures: u32,
    /// The server of a processing job.
    pub server: Option<Incarnation>,
    /// How long the last run took.
    pub ran_for: Option<Duration>,
    /// The latest error, at most its first 200 bytes.
    pub error: Option<String>,
    /// The progress of a processing job.
    pub progress: Option<Progress>,
}

/// Everything about one job.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct JobDetail {
    /// What a list shows.
    pub summary: JobSummary,
    /// The arguments in JSON.
    #[serde(skip)]
    pub args: Vec<u8>,
    /// What only some jobs have.
    pub options: JobOptions,
    /// What happened to it, latest first.
    pub history: Vec<HistoryEntry>,
    /// The jobs it waits or waited for.
    pub parents: Vec<Relative>,
    /// The jobs that wait or waited for it.
    pub children: Vec<Relative>,
    /// The result in JSON.
    #[serde(skip)]
    pub result: Option<Vec<u8>>,
}

/// A parent or a child of a job.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Relative {
    /// The job.
    pub id: JobId,
    /// How the parent must end.
    pub on: On,
    /// The state of the relative; `None` when it has been pruned.
    pub state: Option<JobState>,
}

/// One thing that happened to a job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HistoryEntry {
    /// When, by the storage's clock.
    pub at: Timestamp,
    /// The run it belongs to, if any.
    pub run: Option<Run>,
    /// What.
    pub what: History,
}

/// What can happen to a job, as its history tells it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "event")]
#[non_exhaustive]
pub enum History {
    /// It was stored.
    Enqueued {
        /// Its first state.
        state: JobState,
    },
    /// A server claimed it.
    Claimed {
        /// The server.
        server: Incarnation,
    },
    /// A run ended well.
    Succeeded {
        /// How long the handler ran.
        ran_for: Duration,
    },
    /// A run failed; it was scheduled again.
    Retried {
        /// What went wrong.
        error: RunError,
        /// When it was due again.
        due_at: Timestamp,
        /// How long the handler ran.
        ran_for: Duration,
    },
    /// It failed for good.
    Failed {
        /// Why for good.
        reason: FailReason,
        /// What went wrong.
        error: RunError,
        /// How long the handler ran.
        ran_for: Duration,
    },
    /// A run asked to be run later.
    Snoozed {
        /// When it was due again.
        due_at: Timestamp,
    },
    /// A server gave it back.
    Released {
        /// Whether the handler had started.
        started: bool,
    },
    /// Its server died; it was enqueued again.
    Rescued {
        /// The server that held it.
        server: Incarnation,
    },
    /// It was cancelled.
    Cancelled {
        /// Why.
        reason: String,
        /// Who, if it was a person.
        actor: Option<Actor>,
    },
    /// Someone wanted it cancelled while it was processing.
    CancelRequested {
        /// Who.
        actor: Actor,
    },
    /// Someone made it claimable again.
    Requeued {
        /// Who.
        actor: Actor,
    },
    /// Its parents had ended as it asked.
    ParentsDone,
}

/// A recurring job in the list.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RecurringView {
    /// What is stored.
    pub job: RecurringJob,
    /// The state of the latest job it enqueued; `None` when there is none or it has been pruned.
    pub last_state: Option<JobState>,
}

/// A server in the list.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ServerView {
    /// What it told when it started.
    pub info: ServerInfo,
    /// When it started.
    pub started_at: Timestamp,
    /// When it last beat.
    pub beat_at: Timestamp,
    /// When it stopped or was declared dead.
    pub gone_at: Option<Timestamp>,
    /// How many jobs it holds.
    pub processing: u64,
}

/// A queue in the list.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct QueueView {
    /// Its name.
    pub name: QueueName,
    /// How many jobs can be claimed.
    pub enqueued: Count,
    /// When the first of them was enqueued.
    pub oldest_at: Option<Timestamp>,
    /// Who paused it and since when, if it is paused.
    pub paused: Option<(Actor, Timestamp)>,
}

/// How many runs ended in one step of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Throughput {
    /// The start of the step.
    pub at: Timestamp,
    /// Jobs that succeeded.
    pub succeeded: u64,
    /// Jobs that failed for good.
    pub failed: u64,
    /// Runs that failed and were scheduled again.
    pub retried: u64,
}
