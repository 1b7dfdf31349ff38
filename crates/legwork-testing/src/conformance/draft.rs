//! Jobs and verdicts as the cases write them: `job().queue("mail").priority(3)`.
//!
//! Every case uses it. It must never check a value: cases give bad ones on purpose. What acts on a
//! storage is in `fixture.rs` and `server.rs`.

use std::time::Duration;

use legwork_core::storage::exchange::RunErrorKind;
use legwork_core::storage::{FailReason, JobOptions, NewJob, Parent, RunError, Start, Verdict};
use legwork_core::{JobId, JobState, Kind, On, QueueName, Timestamp};

/// The kind of a job that no case gave another.
pub(super) const KIND: &str = "test.work";

/// Makes a plain job with small arguments.
pub(super) fn job() -> NewJob {
    NewJob::new(kind(KIND), b"{}".to_vec())
}

/// Makes `n` plain jobs.
pub(super) fn jobs(n: usize) -> Vec<NewJob> {
    (0..n).map(|_| job()).collect()
}

pub(super) fn kind(text: &str) -> Kind {
    Kind::new(text).unwrap()
}

pub(super) fn queue(text: &str) -> QueueName {
    QueueName::new(text).unwrap()
}

pub(super) fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// Changes one thing about a job.
pub(super) trait Draft {
    fn id(self, id: JobId) -> Self;
    fn kind(self, text: &str) -> Self;
    fn queue(self, text: &str) -> Self;
    fn priority(self, priority: i16) -> Self;
    fn args(self, json: impl AsRef<[u8]>) -> Self;
    fn after(self, delay: Duration) -> Self;
    fn at(self, at: Timestamp) -> Self;
    fn child_of(self, parent: JobId) -> Self;
    fn child_on(self, parent: JobId, on: On) -> Self;
    fn options(self, change: impl FnOnce(&mut JobOptions)) -> Self;
}

impl Draft for NewJob {
    fn id(mut self, id: JobId) -> Self {
        self.id = Some(id);
        self
    }

    fn kind(mut self, text: &str) -> Self {
        self.kind = kind(text);
        self
    }

    fn queue(mut self, text: &str) -> Self {
        self.queue = queue(text);
        self
    }

    fn priority(mut self, priority: i16) -> Self {
        self.priority = priority;
        self
    }

    fn args(mut self, json: impl AsRef<[u8]>) -> Self {
        self.args = json.as_ref().to_vec();
        self
    }

    fn after(mut self, delay: Duration) -> Self {
        self.start = Start::After(delay);
        self
    }

    fn at(mut self, at: Timestamp) -> Self {
        self.start = Start::At(at);
        self
    }

    fn child_of(self, parent: JobId) -> Self {
        self.child_on(parent, On::Success)
    }

    fn child_on(mut self, id: JobId, on: On) -> Self {
        self.parents.push(Parent { id, on });
        self
    }

    fn options(mut self, change: impl FnOnce(&mut JobOptions)) -> Self {
        change(&mut self.options);
        self
    }
}

/// What a handler's error becomes.
pub(super) fn error(message: &str) -> RunError {
    RunError::new(RunErrorKind::Error, message)
}

pub(super) fn succeeded() -> Verdict {
    Verdict::Succeeded { result: None }
}

pub(super) fn result(json: &str) -> Verdict {
    Verdict::Succeeded { result: Some(json.as_bytes().to_vec()) }
}

pub(super) fn retry(after: Duration) -> Verdict {
    Verdict::Retry { after, error: error("flaky") }
}

pub(super) fn failed() -> Verdict {
    Verdict::Failed { reason: FailReason::Exhausted, error: error("broken") }
}

pub(super) fn snoozed(delay: Duration) -> Verdict {
    Verdict::Snoozed { delay }
}

pub(super) fn cancelled() -> Verdict {
    Verdict::Cancelled { reason: "no longer needed".to_owned() }
}

pub(super) fn released(started: bool) -> Verdict {
    Verdict::Released { started }
}

/// Returns the verdict that ends a job in `state`.
pub(super) fn ending(state: JobState) -> Verdict {
    match state {
        JobState::Succeeded => succeeded(),
        JobState::Failed => failed(),
        JobState::Cancelled => cancelled(),
        JobState::Awaiting | JobState::Scheduled | JobState::Enqueued | JobState::Processing => {
            panic!("{state} is not an end")
        }
    }
}
