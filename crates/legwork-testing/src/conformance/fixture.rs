//! One fresh storage with its clock: what a case works on.
//!
//! A storage crate makes it in its call of `conformance!`; the cases use its verbs, which panic
//! where a case does not expect to be refused. A server that claims is in `server.rs`.

use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use legwork_core::inspect::{Counts, JobDetail, JobFilter, JobSummary, Page};
use legwork_core::storage::{
    Actor, Cancelled, Deleted, Enqueued, NewJob, Promoted, Pruned, Requeued, Rescue, Rescued,
    Retention, SilentServer, Store,
};
use legwork_core::{Capability, Clock as _, Error, Incarnation, JobId, JobState, Timestamp};

use super::draft::queue;
use super::server::Server;
use crate::TestClock;

/// How many jobs the verbs promote, rescue and prune at most in one call.
const STEP_JOBS_MAX: usize = 1_000;

/// A fresh storage, its clock, and what must live as long as they do.
pub struct Fixture {
    store: Arc<dyn Store>,
    second: Option<Arc<dyn Store>>,
    clock: TestClock,
    servers: AtomicU64,
    guard: Option<Box<dyn Any + Send + Sync>>,
}

impl fmt::Debug for Fixture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fixture").field("store", &self.store).finish_non_exhaustive()
    }
}

impl Fixture {
    /// Makes a fixture of an empty storage and the clock that it reads.
    pub fn new(store: impl Store, clock: TestClock) -> Self {
        let store = Arc::new(store);
        Self { store, second: None, clock, servers: AtomicU64::new(0), guard: None }
    }

    /// Adds a second handle on the same jobs, as another process would have one.
    ///
    /// A storage with [`Capability::SeveralProcesses`] must give it; it must read the same clock.
    #[must_use]
    pub fn second(mut self, store: impl Store) -> Self {
        self.second = Some(Arc::new(store));
        self
    }

    /// Adds something that is dropped after the storage, such as a temporary directory.
    #[must_use]
    pub fn guard(mut self, guard: impl Any + Send + Sync) -> Self {
        self.guard = Some(Box::new(guard));
        self
    }

    /// Returns the storage.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// Returns the second handle; the first where the storage serves one process only.
    pub(super) fn other_store(&self) -> &Arc<dyn Store> {
        match &self.second {
            Some(second) => second,
            None if self.has(Capability::SeveralProcesses) => {
                panic!("a storage for several processes must give a second handle")
            }
            None => &self.store,
        }
    }

    pub(super) fn has(&self, capability: Capability) -> bool {
        self.store.capabilities().has(capability)
    }

    pub(super) fn clock(&self) -> &TestClock {
        &self.clock
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(super) fn advance(&self, by: Duration) {
        self.clock.advance(by);
    }

    pub(super) fn set_time(&self, at: Timestamp) {
        self.clock.set(at);
    }
}

/// Enqueueing.
impl Fixture {
    /// Enqueues a job that must be new.
    pub(super) async fn enqueue(&self, job: NewJob) -> JobId {
        self.enqueue_all(vec![job]).await[0]
    }

    /// Enqueues jobs that must all be new.
    pub(super) async fn enqueue_all(&self, jobs: Vec<NewJob>) -> Vec<JobId> {
        let n = jobs.len();
        let answers = self.store.enqueue(jobs).await.unwrap();
        assert_eq!(answers.len(), n, "one answer per job");
        assert!(answers.iter().all(Enqueued::is_new), "all must be new: {answers:?}");
        answers.iter().map(Enqueued::id).collect()
    }

    /// Enqueues jobs that must be refused, and returns why.
    pub(super) async fn refused(&self, jobs: Vec<NewJob>) -> Error {
        self.store.enqueue(jobs).await.expect_err("the storage must refuse it")
    }

    pub(super) async fn allocate(&self, n: u32) -> Vec<JobId> {
        self.store.allocate_ids(n).await.unwrap().ids().collect()
    }
}

/// Servers.
impl Fixture {
    /// Registers a server.
    pub(super) async fn server(&self) -> Server {
        Server::register(self.store.clone(), self.fresh_incarnation()).await
    }

    /// Registers a server on the second handle.
    pub(super) async fn other_server(&self) -> Server {
        Server::register(self.other_store().clone(), self.fresh_incarnation()).await
    }

    /// Makes a server that the storage has never heard of.
    pub(super) fn unregistered(&self) -> Server {
        Server::new(self.store.clone(), self.fresh_incarnation())
    }

    fn fresh_incarnation(&self) -> Incarnation {
        let n = self.servers.fetch_add(1, Ordering::Relaxed);
        // The high bits too, so that a storage that keeps only 64 of the 128 is found out.
        Incarnation::from_bits((u128::from(n) << 96) | 0xfeed)
    }

    /// Declares a server dead at its present beat, and rescues up to `max_jobs` jobs.
    pub(super) async fn kill_at_most(&self, server: &Server, max_jobs: usize) -> Rescued {
        let beats = self.store.beats().await.unwrap();
        let seen = beats.iter().find(|beat| beat.server == server.incarnation());
        let silent = SilentServer { server: server.incarnation(), beat: seen.unwrap().beat };
        self.store.rescue(Rescue { silent: vec![silent], max_jobs, losses_max: 3 }).await.unwrap()
    }

    /// Declares a server dead at its present beat, and rescues what it held.
    pub(super) async fn kill(&self, server: &Server) -> Rescued {
        let rescued = self.kill_at_most(server, STEP_JOBS_MAX).await;
        assert_eq!(rescued.servers, [server.incarnation()]);
        rescued
    }

    /// Rescues up to `max_jobs` jobs of servers that were declared dead before.
    pub(super) async fn rescue_more(&self, max_jobs: usize) -> Rescued {
        self.store.rescue(Rescue { silent: vec![], max_jobs, losses_max: 3 }).await.unwrap()
    }
}

/// Time and operators.
impl Fixture {
    pub(super) async fn promote(&self) -> Promoted {
        self.store.promote(STEP_JOBS_MAX).await.unwrap()
    }

    /// Prunes once.
    pub(super) async fn prune(&self, retention: Retention) -> Pruned {
        self.store.prune(retention, STEP_JOBS_MAX).await.unwrap()
    }

    /// Removes every final job that may be removed, and returns how many there were.
    pub(super) async fn prune_all(&self) -> u64 {
        self.advance(Duration::from_secs(1));
        let zero = Duration::ZERO;
        let retention = Retention { succeeded: zero, failed: zero, cancelled: zero };
        let mut n_jobs = 0;
        loop {
            let pruned = self.prune(retention).await;
            n_jobs += pruned.jobs;
            if !pruned.more {
                return n_jobs;
            }
        }
    }

    pub(super) async fn cancel(&self, id: JobId) -> Cancelled {
        self.store.cancel(id, operator()).await.unwrap()
    }

    pub(super) async fn requeue(&self, id: JobId) -> Requeued {
        self.store.requeue(id, operator()).await.unwrap()
    }

    pub(super) async fn delete(&self, id: JobId) -> Deleted {
        self.store.delete(id, operator()).await.unwrap()
    }

    pub(super) async fn pause(&self, name: &str) {
        self.store.pause(queue(name), operator()).await.unwrap();
    }

    pub(super) async fn resume(&self, name: &str) -> bool {
        self.store.resume(queue(name), operator()).await.unwrap()
    }
}

/// Looking.
impl Fixture {
    pub(super) async fn find(&self, id: JobId) -> Option<JobDetail> {
        self.store.job(id).await.unwrap()
    }

    /// Returns everything about a job that must be there.
    pub(super) async fn detail(&self, id: JobId) -> JobDetail {
        self.find(id).await.unwrap_or_else(|| panic!("job {id} must be there"))
    }

    pub(super) async fn state(&self, id: JobId) -> JobState {
        self.detail(id).await.summary.state
    }

    pub(super) async fn counts(&self) -> Counts {
        self.store.counts().await.unwrap()
    }

    /// Counts the jobs in a state.
    pub(super) async fn count(&self, state: JobState) -> u64 {
        self.counts().await.of(state).n
    }

    /// Lists the first jobs of a state.
    pub(super) async fn list(&self, state: JobState) -> Vec<JobSummary> {
        let page = self.store.jobs(JobFilter::state(state), Page::first(200)).await.unwrap();
        page.jobs
    }

    /// Lists the ids of the first jobs of a state.
    pub(super) async fn ids(&self, state: JobState) -> Vec<JobId> {
        self.list(state).await.into_iter().map(|job| job.id).collect()
    }

    /// Reads the result of a job.
    pub(super) async fn result(&self, id: JobId) -> Option<Vec<u8>> {
        self.store.results(vec![id]).await.unwrap().remove(0)
    }
}

/// The person who acts in the cases.
pub(super) fn operator() -> Actor {
    Actor::new("ada").because("a case")
}
