//! The memory storage: the contract of storages as an executable model, and a storage for tests.
//!
//! The model tests compare the real storages with it; users run their jobs on it in tests. It must
//! stay obviously right: plain maps under one lock, every operation a walk over them. The contract
//! is in `legwork_core::storage`.
//!
//! # Layout
//! - `model`: the data, and the one function that moves a job
//! - `enqueue`, `children`, `claim`, `finish`: the way of a job
//! - `server`, `rescue`, `promote`, `prune`, `recurring`, `operate`: everything around it
//! - `inspect`: what can be read
//! - `invariants`: what must always hold

mod children;
mod claim;
mod enqueue;
mod finish;
mod inspect;
mod invariants;
mod model;
mod operate;
mod promote;
mod prune;
mod recurring;
mod rescue;
mod server;

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use legwork_core::context::Progress;
use legwork_core::id::IdBlock;
use legwork_core::inspect::{
    Counts, JobDetail, JobFilter, JobPage, Page, QueueView, RecurringView, ServerView, Throughput,
};
use legwork_core::storage::{
    Actor, Beat, Cancelled, Deleted, Due, Enqueued, Exchange, Exchanged, Fired, Firing, NewJob,
    Promoted, Pruned, RecurringSpec, Requeued, Rescue, Rescued, ServerBeat, ServerInfo, Triggered,
    Upserted, WakeSender, Wakes,
};
use legwork_core::{
    BoxFuture, Capabilities, Clock, Error, ErrorKind, Incarnation, Inspect, JobId, LeaseId,
    QueueName, RecurringId, Result, Retention, Run, Storage, SystemClock, Timestamp,
};

use self::model::Model;

/// Keeps jobs in the memory of this process, for tests.
///
/// It does everything that the contract of storages asks for, except what its
/// [`capabilities`](Storage::capabilities) leave out: nothing survives the process. Clones share
/// their jobs.
///
/// # Examples
/// ```
/// use legwork_core::storage::{NewJob, Storage};
/// use legwork_core::{Inspect, Kind};
/// use legwork_testing::MemoryStorage;
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let storage = MemoryStorage::new();
/// storage.enqueue(vec![NewJob::new(Kind::new("mail.welcome")?, b"{}".to_vec())]).await?;
/// assert_eq!(storage.counts().await?.enqueued.n, 1);
/// # Ok::<(), legwork_core::Error>(())
/// # }).unwrap();
/// ```
#[derive(Clone)]
pub struct MemoryStorage {
    shared: Arc<Shared>,
}

struct Shared {
    model: Mutex<Model>,
    clock: Box<dyn Clock>,
    wakes: WakeSender,
    capabilities: Capabilities,
    location: String,
}

/// How many jobs a storage may hold for its invariants to be checked after every operation.
const CHECKED_MAX_JOBS: usize = 100;

impl MemoryStorage {
    /// Makes an empty storage with the clock of the operating system.
    pub fn new() -> Self {
        Self::with_clock(SystemClock)
    }

    /// Makes an empty storage that lives by `clock`, such as a [`TestClock`](crate::TestClock).
    pub fn with_clock(clock: impl Clock) -> Self {
        static STORAGES: AtomicU64 = AtomicU64::new(1);
        let number = STORAGES.fetch_add(1, Ordering::Relaxed);
        let shared = Shared {
            model: Mutex::default(),
            clock: Box::new(clock),
            wakes: WakeSender::new(),
            capabilities: Capabilities::new("the memory storage", &[]),
            location: format!("memory:{number}"),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Checks that everything the storage holds is consistent.
    ///
    /// In debug builds the storage does so itself after each operation, up to a hundred jobs.
    ///
    /// # Panics
    /// When something does not hold, naming it: a defect in the storage.
    pub fn check_invariants(&self) {
        self.lock().check();
    }

    fn lock(&self) -> MutexGuard<'_, Model> {
        self.shared.model.lock().expect("no operation of the model fails half-way")
    }

    /// Runs one operation: under the lock, at one instant, on an open storage.
    ///
    /// The operation changes nothing when it returns an error.
    fn run<'a, T: Send + 'a>(
        &'a self,
        operation: impl FnOnce(&mut Model) -> Result<T> + Send + 'a,
    ) -> BoxFuture<'a, Result<T>> {
        Box::pin(async move {
            let mut model = self.lock();
            if model.closed {
                let message = format!("the storage {} is closed", self.shared.location);
                return Err(Error::new(ErrorKind::Closed, message));
            }
            model.now = self.shared.clock.now();
            let result = operation(&mut model);
            if cfg!(debug_assertions) && model.jobs.len() <= CHECKED_MAX_JOBS {
                model.check();
            }
            let woken = std::mem::take(&mut model.woken);
            drop(model);
            if woken {
                self.shared.wakes.wake();
            }
            result
        })
    }
}

impl Default for MemoryStorage {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for MemoryStorage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStorage")
            .field("location", &self.shared.location)
            .finish_non_exhaustive()
    }
}

impl Storage for MemoryStorage {
    fn capabilities(&self) -> &Capabilities {
        &self.shared.capabilities
    }

    fn location(&self) -> &str {
        &self.shared.location
    }

    fn migrate(&self) -> BoxFuture<'_, Result<()>> {
        self.run(|_| Ok(()))
    }

    fn allocate_ids(&self, n: u32) -> BoxFuture<'_, Result<IdBlock>> {
        self.run(move |model| Ok(model.allocate_ids(n)))
    }

    fn enqueue(&self, jobs: Vec<NewJob>) -> BoxFuture<'_, Result<Vec<Enqueued>>> {
        self.run(|model| model.enqueue(self.capabilities(), jobs))
    }

    fn register(&self, server: ServerInfo) -> BoxFuture<'_, Result<()>> {
        self.run(|model| model.register(server))
    }

    fn heartbeat(&self, server: Incarnation) -> BoxFuture<'_, Result<Beat>> {
        self.run(move |model| Ok(model.heartbeat(server)))
    }

    fn exchange(&self, exchange: Exchange) -> BoxFuture<'_, Result<Exchanged>> {
        self.run(|model| Ok(model.exchange(exchange)))
    }

    fn release(&self, server: Incarnation, leases: Vec<LeaseId>) -> BoxFuture<'_, Result<u64>> {
        self.run(move |model| Ok(model.release(server, &leases)))
    }

    fn retire(&self, server: Incarnation) -> BoxFuture<'_, Result<u64>> {
        self.run(move |model| Ok(model.retire(server)))
    }

    fn beats(&self) -> BoxFuture<'_, Result<Vec<ServerBeat>>> {
        self.run(|model| Ok(model.beats()))
    }

    fn rescue(&self, rescue: Rescue) -> BoxFuture<'_, Result<Rescued>> {
        self.run(move |model| Ok(model.rescue(&rescue)))
    }

    fn promote(&self, max: usize) -> BoxFuture<'_, Result<Promoted>> {
        self.run(move |model| Ok(model.promote(max)))
    }

    fn prune(&self, retention: Retention, max: usize) -> BoxFuture<'_, Result<Pruned>> {
        self.run(move |model| Ok(model.prune(retention, max)))
    }

    fn upsert_recurring(&self, spec: RecurringSpec) -> BoxFuture<'_, Result<Upserted>> {
        self.run(|model| model.upsert_recurring(self.capabilities(), spec))
    }

    fn remove_recurring(&self, id: RecurringId) -> BoxFuture<'_, Result<bool>> {
        self.run(move |model| Ok(model.remove_recurring(&id)))
    }

    fn trigger_recurring(&self, id: RecurringId, _: Actor) -> BoxFuture<'_, Result<Triggered>> {
        self.run(move |model| Ok(model.trigger_recurring(&id)))
    }

    fn due_recurring(&self, max: usize) -> BoxFuture<'_, Result<Due>> {
        self.run(move |model| Ok(model.due_recurring(max)))
    }

    fn fire_recurring(&self, firing: Firing) -> BoxFuture<'_, Result<Fired>> {
        self.run(|model| Ok(model.fire_recurring(firing)))
    }

    fn cancel(&self, id: JobId, actor: Actor) -> BoxFuture<'_, Result<Cancelled>> {
        self.run(move |model| Ok(model.cancel(id, actor)))
    }

    fn requeue(&self, id: JobId, actor: Actor) -> BoxFuture<'_, Result<Requeued>> {
        self.run(move |model| Ok(model.requeue(id, actor)))
    }

    fn delete(&self, id: JobId, _: Actor) -> BoxFuture<'_, Result<Deleted>> {
        self.run(move |model| Ok(model.delete(id)))
    }

    fn pause(&self, queue: QueueName, actor: Actor) -> BoxFuture<'_, Result<()>> {
        self.run(|model| {
            model.pause(queue, actor);
            Ok(())
        })
    }

    fn resume(&self, queue: QueueName, _: Actor) -> BoxFuture<'_, Result<bool>> {
        self.run(move |model| Ok(model.resume(&queue)))
    }

    fn record_progress(
        &self,
        progress: Vec<(JobId, Run, LeaseId, Progress)>,
    ) -> BoxFuture<'_, Result<()>> {
        self.run(|model| {
            model.record_progress(progress);
            Ok(())
        })
    }

    fn results(&self, ids: Vec<JobId>) -> BoxFuture<'_, Result<Vec<Option<Vec<u8>>>>> {
        self.run(move |model| Ok(model.results(&ids)))
    }

    fn watch(&self) -> Wakes {
        self.shared.wakes.subscribe()
    }

    fn close(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(async {
            self.lock().closed = true;
            Ok(())
        })
    }
}

impl Inspect for MemoryStorage {
    fn now(&self) -> BoxFuture<'_, Result<Timestamp>> {
        self.run(|model| Ok(model.now))
    }

    fn counts(&self) -> BoxFuture<'_, Result<Counts>> {
        self.run(|model| Ok(model.counts()))
    }

    fn jobs(&self, filter: JobFilter, page: Page) -> BoxFuture<'_, Result<JobPage>> {
        self.run(move |model| model.jobs(&filter, &page))
    }

    fn job(&self, id: JobId) -> BoxFuture<'_, Result<Option<JobDetail>>> {
        self.run(move |model| Ok(model.job(id)))
    }

    fn recurring(&self) -> BoxFuture<'_, Result<Vec<RecurringView>>> {
        self.run(|model| Ok(model.recurring_views()))
    }

    fn servers(&self) -> BoxFuture<'_, Result<Vec<ServerView>>> {
        self.run(|model| Ok(model.server_views()))
    }

    fn queues(&self) -> BoxFuture<'_, Result<Vec<QueueView>>> {
        self.run(|model| Ok(model.queue_views()))
    }

    fn throughput(&self, step: Duration, points: usize) -> BoxFuture<'_, Result<Vec<Throughput>>> {
        self.run(move |model| Ok(model.throughput(step, points)))
    }
}
