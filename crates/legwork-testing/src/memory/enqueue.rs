//! Storing jobs: all of a batch, or none.
//!
//! `Storage::enqueue` comes here, and the recurring jobs in [`super::recurring`]. A whole batch is
//! checked before its first job is stored.

use std::collections::BTreeSet;

use legwork_core::id::IdBlock;
use legwork_core::inspect::History;
use legwork_core::limits::{ENQUEUE_MAX_JOBS, check_job};
use legwork_core::outcome::describe;
use legwork_core::storage::{Enqueued, NewJob, Parent};
use legwork_core::{Capabilities, Error, ErrorKind, JobId, Result, Run};

use super::model::{Dependency, Model, Place, Record};

/// The largest id that a caller may bring: half of all, so that fresh ones never run out.
const ID_MAX: i64 = i64::MAX / 2;

impl Model {
    pub(super) fn allocate_ids(&mut self, n: u32) -> IdBlock {
        let first = job_id(self.last_number + 1);
        self.last_number += i64::from(n);
        IdBlock { first, len: n }
    }

    pub(super) fn enqueue(
        &mut self,
        can: &Capabilities,
        jobs: Vec<NewJob>,
    ) -> Result<Vec<Enqueued>> {
        if jobs.len() > ENQUEUE_MAX_JOBS {
            let n = jobs.len();
            let message = format!("{n} jobs in one batch: at most {ENQUEUE_MAX_JOBS} are allowed");
            return Err(Error::new(ErrorKind::TooLarge, message));
        }
        self.check_batch(can, &jobs)?;
        Ok(jobs.into_iter().map(|job| self.store(job)).collect())
    }

    fn check_batch(&self, can: &Capabilities, jobs: &[NewJob]) -> Result<()> {
        let mut earlier = BTreeSet::new();
        for (index, job) in jobs.iter().enumerate() {
            check_alone(can, job).map_err(|error| {
                let message = format!("job {index} of the batch: {}", describe(&error));
                Error::new(error.kind(), message)
            })?;
            let is_there = |id| self.jobs.contains_key(id) || earlier.contains(id);
            if job.id.as_ref().is_some_and(is_there) {
                continue; // It exists: nothing of it is stored, so that nothing of it is looked at.
            }
            if let Some(parent) = job.parents.iter().find(|parent| !is_there(&parent.id)) {
                let message =
                    format!("job {index} of the batch: parent {} does not exist", parent.id);
                return Err(Error::new(ErrorKind::NotFound, message));
            }
            earlier.extend(job.id);
        }
        Ok(())
    }

    /// Stores one job that was checked.
    pub(super) fn store(&mut self, mut job: NewJob) -> Enqueued {
        let id = match job.id {
            Some(id) if self.jobs.contains_key(&id) => return Enqueued::Existing(id),
            Some(id) => id,
            None => job_id(self.next_number()),
        };
        job.id = Some(id);
        self.last_number = std::cmp::max(self.last_number, id.get());
        let place = self.first_place(id, &job);
        let parents = self.dependencies(id, &job);
        self.place_new(
            id,
            Record {
                job,
                created_at: self.now,
                place,
                run: Run::FIRST,
                failures: 0,
                losses: 0,
                interruptions: 0,
                cancel: None,
                progress: None,
                ran_for: None,
                error: None,
                result: None,
                parents,
                children: Vec::new(),
                history: Vec::new(),
            },
        );
        self.note(id, None, History::Enqueued { state: place.state() });
        self.decide(id);
        Enqueued::New(id)
    }

    /// Returns what `job` waits for, and makes it known to the parents.
    fn dependencies(&mut self, id: JobId, job: &NewJob) -> Vec<Dependency> {
        let depend = |&parent: &Parent| {
            let record = self.record(parent.id);
            record.children.push((id, parent.on));
            Dependency { parent, met: false }
        };
        job.parents.iter().map(depend).collect()
    }

    /// Returns where a job begins. A fresh job's sequence number is its id.
    fn first_place(&self, id: JobId, job: &NewJob) -> Place {
        match job.start.due(self.now) {
            _ if !job.parents.is_empty() => Place::Awaiting,
            Some(at) => Place::Due { at },
            None => Place::Ready { seq: id.get(), since: self.now },
        }
    }
}

fn check_alone(can: &Capabilities, job: &NewJob) -> Result<()> {
    check_job(job)?;
    can.check(job)?;
    match job.id {
        Some(id) if id.get() > ID_MAX => {
            Err(Error::invalid(format!("id {id} was never allocated")))
        }
        Some(_) | None => Ok(()),
    }
}

fn job_id(number: i64) -> JobId {
    JobId::new(number).expect("numbers start at 1")
}
