//! The data of the model: every job with its place, and the one function that moves it.
//!
//! The operations beside this file change it, each under the lock of the storage; none of them may
//! set a place or touch a marker by itself. What must always hold is in [`super::invariants`].

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use legwork_core::context::Progress;
use legwork_core::inspect::{History, HistoryEntry};
use legwork_core::state::{Event, transition};
use legwork_core::storage::{
    Actor, NewJob, On, Parent, RecurringJob, RunError, ServerInfo, Verdict,
};
use legwork_core::{Incarnation, JobId, JobState, LeaseId, QueueName, RecurringId, Run, Timestamp};

/// Everything that a storage holds.
#[derive(Debug, Default)]
pub(super) struct Model {
    /// The storage's time of the operation under way.
    pub(super) now: Timestamp,
    /// The latest number that was handed out, as a job id or as a sequence number.
    pub(super) last_number: i64,
    /// The number of the latest lease.
    pub(super) last_lease: i64,
    /// All jobs.
    pub(super) jobs: BTreeMap<JobId, Record>,
    /// The markers of the enqueued jobs, in the order of claims.
    pub(super) ready: BTreeMap<ReadyKey, JobId>,
    /// The markers of the scheduled jobs, in the order of their due times.
    pub(super) due: BTreeSet<(Timestamp, JobId)>,
    /// The markers of the processing jobs; a lease that holds none is gone.
    pub(super) leases: BTreeMap<LeaseId, Lease>,
    /// The runs that have ended, of jobs that are still kept.
    pub(super) outcomes: BTreeMap<(JobId, Run), Ended>,
    /// The servers, those that have gone lately included.
    pub(super) servers: BTreeMap<Incarnation, Server>,
    /// The incarnations that were ever registered.
    pub(super) incarnations: BTreeSet<Incarnation>,
    /// The queues that hold or have held jobs.
    pub(super) queues: BTreeSet<QueueName>,
    /// The queues that are paused, by whom and since when.
    pub(super) paused: BTreeMap<QueueName, (Actor, Timestamp)>,
    /// The recurring jobs.
    pub(super) recurring: BTreeMap<RecurringId, Recurring>,
    /// The occurrences that were enqueued; they outlive their jobs and the recurring job.
    pub(super) occurrences: BTreeSet<(RecurringId, Timestamp)>,
    /// How many runs ended in each minute since 1970.
    pub(super) minutes: BTreeMap<i64, Tally>,
    /// Whether the operation under way did something that watchers wait for.
    pub(super) woken: bool,
    /// Whether the storage was closed.
    pub(super) closed: bool,
}

/// Orders the enqueued jobs: queue, priority, sequence number.
pub(super) type ReadyKey = (QueueName, i16, i64);

/// One job.
#[derive(Debug)]
pub(super) struct Record {
    /// What was enqueued; never changed.
    pub(super) job: NewJob,
    pub(super) created_at: Timestamp,
    /// Where the job is, which is its state.
    pub(super) place: Place,
    /// The run that is in progress, comes next, or was the last.
    pub(super) run: Run,
    /// How many runs have failed.
    pub(super) failures: u32,
    /// How many servers in a row died while holding it.
    pub(super) losses: u32,
    /// How often a server gave it back after its handler had started.
    pub(super) interruptions: u32,
    /// Who wants the run in progress cancelled.
    pub(super) cancel: Option<Actor>,
    /// What the run in progress, or the last one, told.
    pub(super) progress: Option<Progress>,
    /// How long the last run that ended took.
    pub(super) ran_for: Option<Duration>,
    /// The latest error.
    pub(super) error: Option<RunError>,
    /// The result of the run that succeeded.
    pub(super) result: Option<Vec<u8>>,
    /// The jobs it waits or waited for.
    pub(super) parents: Vec<Dependency>,
    /// The jobs that wait or waited for it.
    pub(super) children: Vec<(JobId, On)>,
    /// What happened to it, earliest first.
    pub(super) history: Vec<HistoryEntry>,
}

/// One job that a continuation waits for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Dependency {
    pub(super) parent: Parent,
    /// Whether the parent has ended as it must. It stays so when the parent is requeued.
    pub(super) met: bool,
}

/// Where a job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Its parents have not ended.
    Awaiting,
    /// In [`Model::due`].
    Due { at: Timestamp },
    /// In [`Model::ready`].
    Ready { seq: i64, since: Timestamp },
    /// In [`Model::leases`].
    Leased { lease: LeaseId, since: Timestamp },
    /// Nowhere any more: it has ended.
    Final { state: JobState, at: Timestamp },
}

/// A batch of jobs that were claimed together.
#[derive(Debug)]
pub(super) struct Lease {
    pub(super) server: Incarnation,
    pub(super) runs: BTreeMap<JobId, Run>,
    /// All jobs that it ever held, in the order in which they were claimed: so they go back.
    pub(super) claimed: Vec<JobId>,
}

/// One run that has ended.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) server: Incarnation,
    /// What its server said; `None` when it died.
    pub(super) verdict: Option<Verdict>,
}

/// One server.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) info: ServerInfo,
    pub(super) beat: u64,
    pub(super) started_at: Timestamp,
    pub(super) beat_at: Timestamp,
    /// When it was retired or declared dead.
    pub(super) gone_at: Option<Timestamp>,
}

/// One recurring job.
#[derive(Debug)]
pub(super) struct Recurring {
    pub(super) job: RecurringJob,
    /// Whether a server found that there is no next occurrence.
    pub(super) over: bool,
}

/// How many runs ended.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Tally {
    pub(super) succeeded: u64,
    pub(super) failed: u64,
    pub(super) retried: u64,
}

impl Place {
    /// Returns the state that the place stands for.
    pub(super) fn state(self) -> JobState {
        match self {
            Self::Awaiting => JobState::Awaiting,
            Self::Due { .. } => JobState::Scheduled,
            Self::Ready { .. } => JobState::Enqueued,
            Self::Leased { .. } => JobState::Processing,
            Self::Final { state, .. } => state,
        }
    }
}

impl Record {
    pub(super) fn state(&self) -> JobState {
        self.place.state()
    }

    pub(super) fn ready_key(&self, seq: i64) -> ReadyKey {
        (self.job.queue.clone(), self.job.priority, seq)
    }
}

impl Model {
    /// Hands out a fresh number. Ids and sequence numbers share one row, so that a job which
    /// re-enters its queue stands behind all that are there.
    pub(super) fn next_number(&mut self) -> i64 {
        self.last_number += 1;
        self.last_number
    }

    /// Returns a fresh place at the end of the job's priority.
    pub(super) fn at_the_end(&mut self) -> Place {
        Place::Ready { seq: self.next_number(), since: self.now }
    }

    pub(super) fn record(&mut self, id: JobId) -> &mut Record {
        self.jobs.get_mut(&id).expect("the caller found the job under the same lock")
    }

    /// Adds a line to the history of a job.
    pub(super) fn note(&mut self, id: JobId, run: Option<Run>, what: History) {
        let at = self.now;
        self.record(id).history.push(HistoryEntry { at, run, what });
    }

    /// Counts a run that ended.
    pub(super) fn tally(&mut self) -> &mut Tally {
        self.minutes.entry(self.now.as_micros() / MICROS_PER_MINUTE).or_default()
    }

    /// Puts a job that is new at its first place.
    pub(super) fn place_new(&mut self, id: JobId, record: Record) {
        let place = record.place;
        self.queues.insert(record.job.queue.clone());
        let before = self.jobs.insert(id, record);
        assert!(before.is_none(), "job {id} was stored twice");
        self.enter(id, place);
    }

    /// Moves a job to another place because of `event`.
    pub(super) fn go(&mut self, id: JobId, event: Event, place: Place) {
        let from = self.record(id).state();
        let to = transition(from, event);
        assert_eq!(to, Ok(place.state()), "job {id} must move as the state machine says");
        self.leave(id);
        self.enter(id, place);
    }

    /// Ends a job, and decides the jobs that wait for it.
    pub(super) fn end(&mut self, id: JobId, event: Event) {
        self.go_final(id, event);
        self.decide_children(id);
    }

    /// Ends a job; the caller decides the jobs that wait for it.
    pub(super) fn go_final(&mut self, id: JobId, event: Event) {
        let state = transition(self.record(id).state(), event);
        let state = state.expect("the caller saw a state in which the job can end");
        self.go(id, event, Place::Final { state, at: self.now });
    }

    /// Removes the marker of a job.
    pub(super) fn leave(&mut self, id: JobId) {
        let record = &self.jobs[&id];
        let was_there = match record.place {
            Place::Awaiting | Place::Final { .. } => true,
            Place::Due { at } => self.due.remove(&(at, id)),
            Place::Ready { seq, .. } => self.ready.remove(&record.ready_key(seq)).is_some(),
            Place::Leased { lease, .. } => {
                let held = self.leases.get_mut(&lease).expect("a processing job has its lease");
                let was_there = held.runs.remove(&id).is_some();
                if held.runs.is_empty() {
                    self.leases.remove(&lease);
                }
                was_there
            }
        };
        assert!(was_there, "job {id} has lost its marker");
    }

    /// Sets the place of a job and adds the marker.
    fn enter(&mut self, id: JobId, place: Place) {
        let record = self.record(id);
        record.place = place;
        record.cancel = None;
        let run = record.run;
        let is_new = match place {
            Place::Awaiting | Place::Final { .. } => true,
            Place::Due { at } => {
                self.woken = true;
                self.due.insert((at, id))
            }
            Place::Ready { seq, .. } => {
                let key = record.ready_key(seq);
                self.woken = true;
                self.ready.insert(key, id).is_none()
            }
            Place::Leased { lease, .. } => {
                let held = self.leases.get_mut(&lease).expect("a claim makes its lease first");
                held.claimed.push(id);
                held.runs.insert(id, run).is_none()
            }
        };
        assert!(is_new, "two jobs must not have one place, as job {id} has");
    }
}

/// A minute in microseconds, the unit of instants.
pub(super) const MICROS_PER_MINUTE: i64 = 60_000_000;
