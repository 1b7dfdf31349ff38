//! What an operator does to a job or a queue, and what a handler tells while it runs.

use legwork_core::context::Progress;
use legwork_core::inspect::History;
use legwork_core::state::Event;
use legwork_core::storage::{Actor, Cancelled, Deleted, Requeued};
use legwork_core::{JobId, JobState, LeaseId, QueueName, Run};

use super::model::{Model, Place};

impl Model {
    pub(super) fn cancel(&mut self, id: JobId, actor: Actor) -> Cancelled {
        let Some(record) = self.jobs.get_mut(&id) else {
            return Cancelled::NotFound;
        };
        match record.place {
            Place::Awaiting | Place::Due { .. } | Place::Ready { .. } => {
                let reason = cancel_reason(&actor);
                self.note(id, None, History::Cancelled { reason, actor: Some(actor) });
                self.end(id, Event::Cancel);
                Cancelled::BeforeStart
            }
            Place::Leased { .. } => {
                record.cancel = Some(actor.clone());
                let run = record.run;
                self.note(id, Some(run), History::CancelRequested { actor });
                self.woken = true;
                Cancelled::Requested
            }
            Place::Final { state, .. } => Cancelled::AlreadyFinal(state),
        }
    }

    pub(super) fn requeue(&mut self, id: JobId, actor: Actor) -> Requeued {
        let Some(record) = self.jobs.get_mut(&id) else {
            return Requeued::NotFound;
        };
        let event = match record.state() {
            JobState::Scheduled => Event::Promote,
            JobState::Succeeded | JobState::Failed | JobState::Cancelled => {
                record.run = record.run.next();
                Event::Requeue
            }
            state @ (JobState::Awaiting | JobState::Enqueued | JobState::Processing) => {
                return Requeued::Refused(state);
            }
        };
        record.failures = 0;
        record.losses = 0;
        record.interruptions = 0;
        record.result = None;
        self.note(id, None, History::Requeued { actor });
        let place = self.at_the_end();
        self.go(id, event, place);
        Requeued::Enqueued
    }

    pub(super) fn delete(&mut self, id: JobId) -> Deleted {
        let Some(record) = self.jobs.get(&id) else {
            return Deleted::NotFound;
        };
        let state = record.state();
        if state == JobState::Processing || self.is_awaited(id) {
            return Deleted::Refused(state);
        }
        self.remove(id);
        Deleted::Removed
    }

    pub(super) fn pause(&mut self, queue: QueueName, actor: Actor) {
        let since = self.paused.get(&queue).map_or(self.now, |&(_, since)| since);
        self.paused.insert(queue, (actor, since));
        self.woken = true;
    }

    pub(super) fn resume(&mut self, queue: &QueueName) -> bool {
        self.woken = true;
        self.paused.remove(queue).is_some()
    }

    pub(super) fn record_progress(&mut self, progress: Vec<(JobId, Run, LeaseId, Progress)>) {
        for (id, run, lease, progress) in progress {
            if self.leases.get(&lease).is_some_and(|lease| lease.runs.get(&id) == Some(&run)) {
                self.record(id).progress = Some(progress);
            }
        }
    }

    pub(super) fn results(&self, ids: &[JobId]) -> Vec<Option<Vec<u8>>> {
        ids.iter().map(|id| self.jobs.get(id).and_then(|record| record.result.clone())).collect()
    }
}

/// Says why someone's job was cancelled.
pub(super) fn cancel_reason(actor: &Actor) -> String {
    actor.reason.clone().unwrap_or_else(|| format!("cancelled by {}", actor.name))
}
