//! Servers: their registration, their beats and their orderly end.
//!
//! What becomes of the jobs of a dead one is in [`super::rescue`].

use std::time::Duration;

use legwork_core::storage::{Beat, CancelRequest, ServerBeat, ServerInfo, Verdict};
use legwork_core::{Error, ErrorKind, Incarnation, JobId, JobState, LeaseId, Result};

use super::model::{Lease, Model, Server};

impl Model {
    pub(super) fn is_live(&self, server: Incarnation) -> bool {
        self.servers.get(&server).is_some_and(|server| server.gone_at.is_none())
    }

    pub(super) fn register(&mut self, info: ServerInfo) -> Result<()> {
        let incarnation = info.incarnation;
        if !self.incarnations.insert(incarnation) {
            let message = format!("server {incarnation} was registered before");
            return Err(Error::new(ErrorKind::Conflict, message));
        }
        let now = self.now;
        let server = Server { info, beat: 0, started_at: now, beat_at: now, gone_at: None };
        self.servers.insert(incarnation, server);
        Ok(())
    }

    pub(super) fn heartbeat(&mut self, incarnation: Incarnation) -> Beat {
        if !self.is_live(incarnation) {
            return Beat::Lost;
        }
        let now = self.now;
        let server = self.servers.get_mut(&incarnation).expect("a live server is registered");
        server.beat += 1;
        server.beat_at = now;
        let held = self.leases.iter().filter(|(_, lease)| lease.server == incarnation);
        let mut cancels = Vec::new();
        let mut leases = std::collections::BTreeMap::new();
        for (&id, lease) in held {
            let n = u32::try_from(lease.runs.len()).expect("a claim takes a thousand at most");
            leases.insert(id, n);
            cancels.extend(lease.runs.iter().filter_map(|(&id, &run)| {
                let actor = self.jobs[&id].cancel.clone()?;
                Some(CancelRequest { id, run, actor })
            }));
        }
        Beat::Live { cancels, paused: self.paused.keys().cloned().collect(), leases }
    }

    pub(super) fn beats(&self) -> Vec<ServerBeat> {
        let live = self.servers.iter().filter(|(_, server)| server.gone_at.is_none());
        live.map(|(&server, Server { beat, .. })| ServerBeat { server, beat: *beat, gone: false })
            .collect()
    }

    pub(super) fn release(&mut self, incarnation: Incarnation, leases: &[LeaseId]) -> u64 {
        let held = self.held_in(|id, lease| lease.server == incarnation && leases.contains(&id));
        self.give_back(held, false)
    }

    pub(super) fn retire(&mut self, incarnation: Incarnation) -> u64 {
        let now = self.now;
        if let Some(server) = self.servers.get_mut(&incarnation) {
            server.gone_at.get_or_insert(now);
        }
        let held = self.held_in(|_, lease| lease.server == incarnation);
        self.give_back(held, true)
    }

    fn give_back(&mut self, held: Vec<JobId>, started: bool) -> u64 {
        let mut n_enqueued = 0;
        for id in held {
            self.finish_held(id, Duration::ZERO, Verdict::Released { started });
            n_enqueued += u64::from(self.record(id).state() == JobState::Enqueued);
        }
        n_enqueued
    }

    /// Returns the jobs in certain leases, in the order in which they were claimed.
    pub(super) fn held_in(&self, which: impl Fn(LeaseId, &Lease) -> bool) -> Vec<JobId> {
        let leases = self.leases.iter().filter(|&(&id, lease)| which(id, lease));
        let held = |lease: &'_ Lease| -> Vec<JobId> {
            lease.claimed.iter().copied().filter(|id| lease.runs.contains_key(id)).collect()
        };
        leases.flat_map(|(_, lease)| held(lease)).collect()
    }
}
