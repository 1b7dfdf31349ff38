//! Finds servers that are silent, and makes the jobs they held claimable again.
//!
//! Every server rescues; there is no leader. A server is silent when its beat counter does not move
//! by *this* process's monotonic clock; the storage declares it dead only if the counter still
//! stands where it was seen.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use legwork_core::storage::server::{Rescue, ServerBeat, SilentServer};
use legwork_core::{CancellationToken, Incarnation, Result, Store};
use tokio::time::Instant;

use crate::pace::jittered;

/// How many jobs one call rescues.
const BATCH_MAX: usize = 500;

/// How many servers in a row a job may lose before it is quarantined.
const LOSSES_MAX: u32 = 3;

pub(crate) struct Rescuer {
    store: Arc<dyn Store>,
    ttl: Duration,
    /// The beat of each server and when it was first seen there.
    seen: HashMap<Incarnation, (u64, Instant)>,
    /// When the beats were last seen.
    looked_at: Option<Instant>,
}

impl Rescuer {
    pub(crate) fn new(store: Arc<dyn Store>, ttl: Duration) -> Self {
        Self { store, ttl, seen: HashMap::new(), looked_at: None }
    }

    /// Sweeps until `stop`, about three times per lease.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        loop {
            if let Err(error) = self.sweep().await {
                let error = legwork_core::outcome::describe(&error);
                tracing::warn!(error, "silent servers could not be looked for");
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(jittered(self.ttl / 3)) => {}
            }
        }
    }

    async fn sweep(&mut self) -> Result<()> {
        let beats = self.store.beats().await?;
        let mut silent = self.silent(&beats, Instant::now());
        loop {
            // Also without silent servers: another rescuer may have died between declaring a server
            // dead and moving all of its jobs.
            let rescue = Rescue {
                silent: std::mem::take(&mut silent),
                max_jobs: BATCH_MAX,
                losses_max: LOSSES_MAX,
            };
            let rescued = self.store.rescue(rescue).await?;
            if !rescued.servers.is_empty() || rescued.enqueued + rescued.quarantined > 0 {
                let (enqueued, quarantined) = (rescued.enqueued, rescued.quarantined);
                let servers = rescued.servers.len();
                tracing::warn!(servers, enqueued, quarantined, "jobs of dead servers were rescued");
            }
            if !rescued.more {
                return Ok(());
            }
        }
    }

    /// Returns the servers that stood still for a whole lease, or are known to be gone.
    ///
    /// Only silence that was watched counts. While the storage was out of reach, or this process
    /// was suspended, nobody could beat or nobody looked: the watch begins anew, or the end of an
    /// outage would be the death of every server.
    fn silent(&mut self, beats: &[ServerBeat], now: Instant) -> Vec<SilentServer> {
        let looked_at = self.looked_at.replace(now);
        if looked_at.is_none_or(|at| now.duration_since(at) >= self.ttl / 2) {
            self.seen.clear();
        }
        self.seen.retain(|server, _| beats.iter().any(|beat| beat.server == *server));
        let mut silent = Vec::new();
        for &ServerBeat { server, beat, gone } in beats {
            let seen = self.seen.entry(server).or_insert((beat, now));
            if seen.0 != beat {
                *seen = (beat, now);
            }
            if gone || now.duration_since(seen.1) >= self.ttl {
                silent.push(SilentServer { server, beat });
            }
        }
        silent
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use legwork_testing::MemoryStorage;

    const TTL: Duration = Duration::from_secs(30);

    fn check(looks: &[(u64, u64, bool)]) {
        let mut rescuer = Rescuer::new(Arc::new(MemoryStorage::new()), TTL);
        let start = Instant::now();
        let server = Incarnation::from_bits(7);
        for &(secs, beat, silent) in looks {
            let beats = [ServerBeat { server, beat, gone: false }];
            let found = rescuer.silent(&beats, start + Duration::from_secs(secs));
            assert_eq!(!found.is_empty(), silent, "at {secs} s");
        }
    }

    #[test]
    fn a_server_is_silent_after_a_whole_lease_without_a_beat() {
        check(&[(0, 1, false), (10, 1, false), (20, 1, false), (29, 1, false), (30, 1, true)]);
        check(&[(0, 1, false), (10, 1, false), (20, 2, false), (30, 2, false), (44, 2, false)]);
    }

    #[test]
    fn silence_that_nobody_watched_does_not_count() {
        check(&[(0, 1, false), (10, 1, false), (3600, 1, false), (3610, 1, false)]);
        check(&[(0, 1, false), (31, 1, false), (41, 1, false), (51, 1, false), (61, 1, true)]);
    }

    #[test]
    fn a_server_that_is_known_to_be_gone_is_not_waited_for() {
        let mut rescuer = Rescuer::new(Arc::new(MemoryStorage::new()), TTL);
        let server = Incarnation::from_bits(7);
        let beats = [ServerBeat { server, beat: 1, gone: true }];
        let silent = SilentServer { server, beat: 1 };
        assert_eq!(rescuer.silent(&beats, Instant::now()), [silent]);
    }
}
