//! Pruning: what has been final for long enough goes, with everything that belongs to it.

use std::time::Duration;

use legwork_core::storage::{Pruned, Retention};
use legwork_core::{JobId, JobState, Run, Timestamp};

use super::model::{Model, Place, Server};

/// How long a server that has gone is remembered.
pub(super) const GONE_KEPT: Duration = Duration::from_hours(24);

impl Model {
    pub(super) fn prune(&mut self, retention: Retention, max: usize) -> Pruned {
        let mut old: Vec<_> =
            self.jobs.keys().filter_map(|&id| Some((self.old_since(id, retention)?, id))).collect();
        old.sort_unstable();
        let more = old.len() > max;
        old.truncate(max);
        for &(_, id) in &old {
            self.remove(id);
        }
        let holders: Vec<_> = self.leases.values().map(|lease| lease.server).collect();
        let now = self.now;
        self.servers.retain(|server, Server { gone_at, .. }| {
            let is_recent = gone_at.is_none_or(|at| now.since(at) <= GONE_KEPT);
            is_recent || holders.contains(server)
        });
        Pruned { jobs: old.len() as u64, more }
    }

    /// Tells since when a job is final, if it may be pruned.
    fn old_since(&self, id: JobId, retention: Retention) -> Option<Timestamp> {
        let Place::Final { state, at } = self.jobs[&id].place else {
            return None;
        };
        let kept_for = retention.of(state)?;
        (self.now.since(at) > kept_for && !self.is_awaited(id)).then_some(at)
    }

    /// Tells whether a job has a child that is still awaiting.
    pub(super) fn is_awaited(&self, id: JobId) -> bool {
        self.jobs[&id].children.iter().any(|(child, _)| {
            self.jobs.get(child).is_some_and(|child| child.state() == JobState::Awaiting)
        })
    }

    /// Removes a job with everything that belongs to it.
    pub(super) fn remove(&mut self, id: JobId) {
        self.leave(id);
        self.jobs.remove(&id);
        let of_job = (id, Run(0))..=(id, Run(u32::MAX));
        let runs: Vec<_> = self.outcomes.range(of_job).map(|(&run, _)| run).collect();
        for run in runs {
            self.outcomes.remove(&run);
        }
    }
}
