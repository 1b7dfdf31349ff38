//! What must hold after every operation, whatever it was.
//!
//! The storage checks it after each operation in debug builds while it is small enough; tests may
//! ask for it at any time.

use legwork_core::JobState;

use super::model::{Model, Place};

impl Model {
    /// Checks everything.
    ///
    /// # Panics
    /// When something does not hold, naming it.
    pub(super) fn check(&self) {
        self.check_places();
        self.check_leases();
        self.check_outcomes();
        self.check_dependencies();
    }

    /// Each live job has one marker, and each marker a job.
    fn check_places(&self) {
        let (mut n_due, mut n_ready, mut n_leased) = (0, 0, 0);
        for (&id, record) in &self.jobs {
            assert_eq!(record.job.id, Some(id), "a job is stored under its id");
            assert!(id.get() <= self.last_number, "job {id} has an id that may come again");
            match record.place {
                Place::Awaiting => {}
                Place::Due { at } => {
                    n_due += 1;
                    assert!(self.due.contains(&(at, id)), "job {id} is scheduled without a marker");
                }
                Place::Ready { seq, .. } => {
                    n_ready += 1;
                    let marked = self.ready.get(&record.ready_key(seq));
                    assert_eq!(marked, Some(&id), "job {id} is enqueued without a marker");
                    assert!(seq <= self.last_number, "job {id} has a place that may come again");
                }
                Place::Leased { lease, .. } => {
                    n_leased += 1;
                    let run = self.leases.get(&lease).and_then(|lease| lease.runs.get(&id));
                    assert_eq!(run, Some(&record.run), "job {id} is processing without its lease");
                }
                Place::Final { state, .. } => {
                    assert!(state.is_final(), "job {id} has ended as {state}");
                }
            }
        }
        let held: usize = self.leases.values().map(|lease| lease.runs.len()).sum();
        let markers = (self.due.len(), self.ready.len(), held);
        assert_eq!(markers, (n_due, n_ready, n_leased), "a marker without its job is left");
    }

    /// Each lease holds something and belongs to a server that is known.
    fn check_leases(&self) {
        for (id, lease) in &self.leases {
            assert!(!lease.runs.is_empty(), "{id:?} holds nothing and is still there");
            assert!(id.0 <= self.last_lease, "{id:?} may come again");
            assert!(self.servers.contains_key(&lease.server), "{id:?} belongs to no server");
        }
    }

    /// Outcomes belong to jobs that are kept, and to runs before the next one.
    fn check_outcomes(&self) {
        for &(id, run) in self.outcomes.keys() {
            let record = self.jobs.get(&id);
            let record = record.expect("the outcomes of a job go with it");
            let last = if record.state().is_final() { record.run.0 } else { record.run.0 - 1 };
            assert!(run.0 <= last, "run {run} of job {id} has ended before it started");
        }
        for (id, record) in &self.jobs {
            if matches!(record.state(), JobState::Succeeded | JobState::Failed) {
                let ended = self.outcomes.contains_key(&(*id, record.run));
                assert!(ended, "job {id} has ended without an outcome");
            }
            let in_progress = record.state() == JobState::Processing;
            assert!(
                in_progress || record.cancel.is_none(),
                "nobody can obey the cancel of job {id}"
            );
        }
    }

    /// A job awaits exactly as long as a parent has not ended, and its parents know it.
    fn check_dependencies(&self) {
        for (id, record) in &self.jobs {
            let is_open = record.parents.iter().any(|dependency| !dependency.met);
            match record.place {
                Place::Awaiting => assert!(is_open, "job {id} awaits nothing"),
                Place::Due { .. } | Place::Ready { .. } | Place::Leased { .. } => {
                    let was_requeued = record.run.0 > 1;
                    assert!(!is_open || was_requeued, "job {id} did not wait for its parents");
                }
                Place::Final { .. } => {}
            }
            if record.place == Place::Awaiting {
                for dependency in &record.parents {
                    let parent = self.jobs.get(&dependency.parent.id);
                    let parent = parent.expect("a job that others await is not removed");
                    let has_child = parent.children.iter().any(|(child, _)| child == id);
                    assert!(has_child, "a parent of job {id} does not know it");
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
