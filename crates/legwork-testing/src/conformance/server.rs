//! A server as the cases drive it, call by call: claim, finish, beat, retire.
//!
//! `Fixture::server` makes it. It must never do anything by itself: no beat, no poll.

use std::sync::Arc;
use std::time::Duration;

use legwork_core::storage::{
    Beat, CancelRequest, Claim, ClaimedJob, Exchange, Exchanged, Finish, Finished, ServerInfo,
    Store, Verdict,
};
use legwork_core::{Incarnation, LeaseId, Progress, Result};

use super::draft::{KIND, kind, queue, succeeded};

/// A server on one handle of the storage.
#[derive(Debug, Clone)]
pub(super) struct Server {
    store: Arc<dyn Store>,
    incarnation: Incarnation,
}

impl Server {
    pub(super) fn new(store: Arc<dyn Store>, incarnation: Incarnation) -> Self {
        Self { store, incarnation }
    }

    pub(super) async fn register(store: Arc<dyn Store>, incarnation: Incarnation) -> Self {
        let server = Self::new(store, incarnation);
        server.register_again().await.unwrap();
        server
    }

    pub(super) async fn register_again(&self) -> Result<()> {
        self.store.register(self.info()).await
    }

    /// Returns what it tells about itself.
    pub(super) fn info(&self) -> ServerInfo {
        ServerInfo {
            incarnation: self.incarnation,
            name: format!("case/{}", self.incarnation.bits() >> 96),
            workers: 4,
            queues: vec![queue("default"), queue("mail")],
            kinds: vec![kind(KIND)],
            version: "0.1.0".to_owned(),
        }
    }

    pub(super) fn incarnation(&self) -> Incarnation {
        self.incarnation
    }
}

/// Claiming.
impl Server {
    /// Claims up to `n` jobs of the usual kind from the queue `default`.
    pub(super) async fn claim(&self, n: usize) -> Vec<ClaimedJob> {
        self.exchange(vec![], Some(wish(n))).await.claimed
    }

    /// Claims the one job that must be there.
    pub(super) async fn claim_one(&self) -> ClaimedJob {
        let mut claimed = self.claim(1).await;
        assert_eq!(claimed.len(), 1, "there must be a job to claim");
        claimed.remove(0)
    }

    /// Claims as told.
    pub(super) async fn claim_as(&self, claim: Claim) -> Vec<ClaimedJob> {
        self.exchange(vec![], Some(claim)).await.claimed
    }
}

/// Finishing.
impl Server {
    /// Finishes a run and tells what became of it.
    pub(super) async fn finish(&self, job: &ClaimedJob, verdict: Verdict) -> Finished {
        let answer = self.exchange(vec![finish(job, verdict)], None).await;
        assert_eq!(answer.finished.len(), 1, "one answer per run");
        answer.finished[0]
    }

    /// Finishes a run, which must be recorded.
    pub(super) async fn end(&self, job: &ClaimedJob, verdict: Verdict) {
        assert_eq!(self.finish(job, verdict).await, Finished::Recorded);
    }

    pub(super) async fn succeed(&self, job: &ClaimedJob) {
        self.end(job, succeeded()).await;
    }

    /// Claims the one job that must be there, and ends it.
    pub(super) async fn work_one(&self, verdict: Verdict) -> ClaimedJob {
        let job = self.claim_one().await;
        self.end(&job, verdict).await;
        job
    }

    pub(super) async fn exchange(&self, finish: Vec<Finish>, claim: Option<Claim>) -> Exchanged {
        let exchange = Exchange { server: self.incarnation, finish, claim };
        self.store.exchange(exchange).await.unwrap()
    }

    pub(super) async fn progress(&self, job: &ClaimedJob, share: f32) {
        let progress = Progress { share, message: format!("{share} done") };
        let all = vec![(job.id, job.run, job.lease, progress)];
        self.store.record_progress(all).await.unwrap();
    }
}

/// Living and ending.
impl Server {
    pub(super) async fn beat(&self) -> Beat {
        self.store.heartbeat(self.incarnation).await.unwrap()
    }

    /// Beats, and returns the runs that are to be cancelled.
    pub(super) async fn cancels(&self) -> Vec<CancelRequest> {
        match self.beat().await {
            Beat::Live { cancels, .. } => cancels,
            Beat::Lost => panic!("the server must be live"),
        }
    }

    pub(super) async fn release(&self, leases: &[LeaseId]) -> u64 {
        self.store.release(self.incarnation, leases.to_vec()).await.unwrap()
    }

    pub(super) async fn retire(&self) -> u64 {
        self.store.retire(self.incarnation).await.unwrap()
    }
}

/// Makes the wish for up to `n` jobs of the usual kind from the queue `default`.
pub(super) fn wish(n: usize) -> Claim {
    Claim { queues: vec![queue("default")], kinds: [kind(KIND)].into(), max: n, suspects_max: n }
}

/// Makes the end of a run that took 250 ms.
pub(super) fn finish(job: &ClaimedJob, verdict: Verdict) -> Finish {
    let ran_for = Duration::from_millis(250);
    Finish { id: job.id, run: job.run, lease: job.lease, ran_for, verdict }
}

/// Makes the good end of a run.
pub(super) fn done(job: &ClaimedJob) -> Finish {
    finish(job, succeeded())
}

/// Returns the ids of claimed jobs, in order.
pub(super) fn ids(claimed: &[ClaimedJob]) -> Vec<legwork_core::JobId> {
    claimed.iter().map(|job| job.id).collect()
}
