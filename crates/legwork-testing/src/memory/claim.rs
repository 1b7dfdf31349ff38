//! Claiming: the order of jobs, and what is passed over.
//!
//! The claiming half of `Storage::exchange`; the other half is in [`super::finish`].

use std::collections::{BTreeMap, BTreeSet};

use legwork_core::inspect::History;
use legwork_core::limits::{CLAIM_MAX_JOBS, SUSPECT_LOSSES};
use legwork_core::state::Event;
use legwork_core::storage::{Claim, ClaimedJob};
use legwork_core::{Incarnation, JobId, LeaseId, QueueName};

use super::model::{Lease, Model, Place};

/// The jobs that a claim comes across, in order.
#[derive(Default)]
struct Picked {
    jobs: Vec<JobId>,
    n_suspects: usize,
    expired: Vec<JobId>,
}

impl Model {
    pub(super) fn claim(&mut self, server: Incarnation, claim: &Claim) -> Vec<ClaimedJob> {
        if !self.is_live(server) {
            return Vec::new();
        }
        let picked = self.pick(claim);
        for id in picked.expired {
            self.note(id, None, History::Cancelled { reason: "expired".to_owned(), actor: None });
            self.end(id, Event::Cancel);
        }
        if picked.jobs.is_empty() {
            return Vec::new();
        }
        self.last_lease += 1;
        let lease = LeaseId(self.last_lease);
        self.leases.insert(lease, Lease { server, runs: BTreeMap::new(), claimed: Vec::new() });
        picked.jobs.into_iter().map(|id| self.take(id, lease, server)).collect()
    }

    fn pick(&self, claim: &Claim) -> Picked {
        let mut picked = Picked::default();
        let mut seen = BTreeSet::new();
        for queue in claim.queues.iter().filter(|queue| !self.paused.contains_key(*queue)) {
            if seen.insert(queue) {
                self.pick_from(queue, claim, &mut picked);
            }
        }
        picked
    }

    fn pick_from(&self, queue: &QueueName, claim: &Claim, picked: &mut Picked) {
        let max = std::cmp::min(claim.max, CLAIM_MAX_JOBS);
        let first = (queue.clone(), i16::MIN, i64::MIN);
        let in_queue = self.ready.range(first..).take_while(|((name, ..), _)| name == queue);
        for &id in in_queue.map(|(_, id)| id) {
            if picked.jobs.len() == max {
                return;
            }
            let record = &self.jobs[&id];
            if !claim.kinds.contains(&record.job.kind) {
                continue;
            }
            if record.job.options.expires_at.is_some_and(|at| at <= self.now) {
                picked.expired.push(id);
                continue;
            }
            if record.losses >= SUSPECT_LOSSES {
                if picked.n_suspects == claim.suspects_max {
                    continue;
                }
                picked.n_suspects += 1;
            }
            picked.jobs.push(id);
        }
    }

    fn take(&mut self, id: JobId, lease: LeaseId, server: Incarnation) -> ClaimedJob {
        self.go(id, Event::Claim, Place::Leased { lease, since: self.now });
        let record = self.record(id);
        record.progress = None;
        let job = &record.job;
        let claimed = ClaimedJob {
            id,
            run: record.run,
            lease,
            kind: job.kind.clone(),
            queue: job.queue.clone(),
            args: job.args.clone(),
            options: job.options.clone(),
            failures: record.failures,
            losses: record.losses,
            created_at: record.created_at,
        };
        self.note(id, Some(claimed.run), History::Claimed { server });
        claimed
    }
}
