//! Recurring jobs: what is declared, and each occurrence enqueued once.
//!
//! The instants come from the caller; no cron expression is read here.

use std::cmp::Ordering;

use legwork_core::limits::check_job;
use legwork_core::storage::{
    Due, Fired, Firing, NewJob, RecurringJob, RecurringSpec, Start, Triggered, Upserted,
};
use legwork_core::{Capabilities, Error, JobId, RecurringId, Result, Timestamp};

use super::model::{Model, Recurring};

impl Model {
    pub(super) fn upsert_recurring(
        &mut self,
        can: &Capabilities,
        spec: RecurringSpec,
    ) -> Result<Upserted> {
        check(can, &spec)?;
        self.woken = true;
        let now = self.now;
        let Some(stored) = self.recurring.get_mut(&spec.id) else {
            let (id, job) = (spec.id.clone(), declared(spec, now));
            let recurring = Recurring { job, over: false };
            self.recurring.insert(id, recurring);
            return Ok(Upserted::Added);
        };
        match spec.generation.cmp(&stored.job.spec.generation) {
            Ordering::Less => return Ok(Upserted::Older),
            Ordering::Equal if spec == stored.job.spec => return Ok(Upserted::Unchanged),
            Ordering::Equal | Ordering::Greater => {}
        }
        let schedule = |spec: &RecurringSpec| (spec.cron.clone(), spec.time_zone.clone());
        if schedule(&spec) != schedule(&stored.job.spec) {
            stored.job.since = now;
            stored.job.next_at = None;
            stored.over = false;
        }
        stored.job.spec = spec;
        stored.job.revision += 1;
        Ok(Upserted::Updated)
    }

    pub(super) fn remove_recurring(&mut self, id: &RecurringId) -> bool {
        self.recurring.remove(id).is_some()
    }

    pub(super) fn trigger_recurring(&mut self, id: &RecurringId) -> Triggered {
        if !self.recurring.contains_key(id) {
            return Triggered::NotFound;
        }
        let job = self.store_job_of(id, self.now);
        self.stored(id).job.last_job = Some(job);
        Triggered::Enqueued(job)
    }

    pub(super) fn due_recurring(&self, max: usize) -> Due {
        let now = self.now;
        let mut open: Vec<_> =
            self.recurring.values().filter(|recurring| !recurring.over).collect();
        // One that is not yet computed comes first, because `None` is less than any instant.
        open.sort_by_key(|recurring| recurring.job.next_at);
        let n_due = open.partition_point(|recurring| recurring.job.next_at <= Some(now));
        let others = open.split_off(std::cmp::min(n_due, max));
        let next_in = others.first().map(|next| next.job.next_at.unwrap_or(now).since(now));
        Due { jobs: open.into_iter().map(|due| due.job.clone()).collect(), now, next_in }
    }

    pub(super) fn fire_recurring(&mut self, firing: Firing) -> Fired {
        let Firing { id, revision, occurrences, last_at, next_at } = firing;
        if self.recurring.get(&id).is_none_or(|recurring| recurring.job.revision != revision) {
            return Fired::Stale;
        }
        let jobs: Vec<_> =
            occurrences.into_iter().filter_map(|at| self.enqueue_occurrence(&id, at)).collect();
        let recurring = self.stored(&id);
        recurring.over = next_at.is_none();
        recurring.job.last_at = std::cmp::max(recurring.job.last_at, last_at);
        recurring.job.next_at = next_at;
        recurring.job.revision += 1;
        recurring.job.last_job = jobs.last().copied().or(recurring.job.last_job);
        Fired::Enqueued(jobs)
    }

    /// Enqueues an occurrence, unless it was before.
    fn enqueue_occurrence(&mut self, id: &RecurringId, at: Timestamp) -> Option<JobId> {
        let is_new = self.occurrences.insert((id.clone(), at));
        is_new.then(|| self.store_job_of(id, at))
    }

    /// Stores the job of a recurring job for the instant `at`.
    fn store_job_of(&mut self, id: &RecurringId, at: Timestamp) -> JobId {
        let mut job = self.stored(id).job.spec.job.clone();
        job.options.occurrence = Some((id.clone(), at));
        self.store(job).id()
    }

    fn stored(&mut self, id: &RecurringId) -> &mut Recurring {
        self.recurring.get_mut(id).expect("the caller found it under the same lock")
    }
}

fn check(can: &Capabilities, spec: &RecurringSpec) -> Result<()> {
    let NewJob { id, start, parents, .. } = &spec.job;
    if id.is_some() || !parents.is_empty() || *start != Start::Now {
        let message = format!(
            "recurring job {:?}: its job must have no id, no parents and no delay",
            spec.id.as_str()
        );
        return Err(Error::invalid(message));
    }
    check_job(&spec.job)?;
    can.check(&spec.job)
}

fn declared(spec: RecurringSpec, now: Timestamp) -> RecurringJob {
    RecurringJob { spec, since: now, last_at: None, next_at: None, last_job: None, revision: 1 }
}
