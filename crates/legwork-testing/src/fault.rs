//! A storage that fails when a test wants it to.
//!
//! The tests of the engine wrap a storage in it and script what befalls which call. It must never
//! sleep or draw at random: a held call waits until the test lets it go.

mod operation;

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use legwork_core::context::Progress;
use legwork_core::id::IdBlock;
use legwork_core::inspect::{
    Counts, JobDetail, JobFilter, JobPage, Page, QueueView, RecurringView, ServerView, Throughput,
};
use legwork_core::storage::{
    Actor, Beat, Cancelled, Deleted, Due, Enqueued, Exchange, Exchanged, Fired, Firing, NewJob,
    Promoted, Pruned, RecurringSpec, Requeued, Rescue, Rescued, ServerBeat, ServerInfo, Store,
    Triggered, Upserted, Wakes,
};
use legwork_core::{
    BoxFuture, Capabilities, Error, ErrorKind, Incarnation, Inspect, JobId, LeaseId, QueueName,
    RecurringId, Result, Retention, Run, Storage, Timestamp,
};
use tokio::sync::watch;

pub use self::operation::Operation;

/// Wraps a storage, and fails its calls as a script says.
///
/// Clones share the script. A call that the script does not name goes through unharmed.
///
/// # Examples
/// ```
/// use std::sync::Arc;
/// use legwork_core::{ErrorKind, Storage};
/// use legwork_testing::{Fault, FaultStorage, MemoryStorage, Operation};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let storage = FaultStorage::new(Arc::new(MemoryStorage::new()));
/// storage.next(Operation::Promote, Fault::Unavailable);
/// let error = storage.promote(10).await.unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::Unavailable);
/// assert!(storage.promote(10).await.is_ok());
/// # });
/// ```
#[derive(Clone)]
pub struct FaultStorage {
    inner: Arc<dyn Store>,
    script: Arc<Mutex<Script>>,
}

/// What befalls a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// It fails before it had an effect: [`ErrorKind::Unavailable`].
    Unavailable,
    /// It has its effect, and the answer gets lost: [`ErrorKind::Unknown`].
    AnswerLost,
}

/// Holds one call until it is opened or dropped.
#[derive(Debug)]
pub struct Gate {
    reached: watch::Receiver<bool>,
    open: watch::Sender<bool>,
}

#[derive(Debug, Default)]
struct Script {
    /// What befalls the next calls of an operation, in order.
    next: BTreeMap<Operation, VecDeque<Step>>,
    /// What befalls all calls of an operation after those.
    always: BTreeMap<Operation, Fault>,
    /// How often an operation was called.
    n_calls: BTreeMap<Operation, u64>,
}

#[derive(Debug)]
enum Step {
    Fail(Fault),
    Hold { reached: watch::Sender<bool>, open: watch::Receiver<bool> },
}

impl FaultStorage {
    /// Wraps a storage; its script is empty.
    pub fn new(inner: Arc<dyn Store>) -> Self {
        Self { inner, script: Arc::default() }
    }

    /// Lets `fault` befall the next call of `operation` that has no fault yet.
    pub fn next(&self, operation: Operation, fault: Fault) {
        self.add(operation, Step::Fail(fault));
    }

    /// Lets `fault` befall every call of `operation`, until it is [`heal`](Self::heal)ed.
    pub fn always(&self, operation: Operation, fault: Fault) {
        self.lock().always.insert(operation, fault);
    }

    /// Lets `fault` befall every call of every operation, until they are
    /// [`heal`](Self::heal)ed.
    pub fn break_down(&self, fault: Fault) {
        self.lock().always.extend(Operation::ALL.map(|operation| (operation, fault)));
    }

    /// Ends what [`always`](Self::always) and [`break_down`](Self::break_down) began.
    pub fn heal(&self) {
        self.lock().always.clear();
    }

    /// Holds the next call of `operation` that has no fault yet, before it has an effect.
    pub fn hold(&self, operation: Operation) -> Gate {
        let (reached_sender, reached) = watch::channel(false);
        let (open, open_receiver) = watch::channel(false);
        self.add(operation, Step::Hold { reached: reached_sender, open: open_receiver });
        Gate { reached, open }
    }

    /// Returns how often `operation` was called.
    pub fn calls(&self, operation: Operation) -> u64 {
        self.lock().n_calls.get(&operation).copied().unwrap_or(0)
    }

    fn add(&self, operation: Operation, step: Step) {
        self.lock().next.entry(operation).or_default().push_back(step);
    }

    fn lock(&self) -> MutexGuard<'_, Script> {
        self.script.lock().expect("nothing that holds the lock can panic")
    }

    fn step(&self, operation: Operation) -> Option<Step> {
        let mut script = self.lock();
        *script.n_calls.entry(operation).or_default() += 1;
        let next = script.next.get_mut(&operation).and_then(VecDeque::pop_front);
        next.or_else(|| script.always.get(&operation).copied().map(Step::Fail))
    }

    /// Passes a call on, as the script says.
    fn call<'a, T: Send + 'a>(
        &'a self,
        operation: Operation,
        call: impl FnOnce(&'a dyn Store) -> BoxFuture<'a, Result<T>> + Send + 'a,
    ) -> BoxFuture<'a, Result<T>> {
        Box::pin(async move {
            let broken = |kind| Error::new(kind, format!("the script breaks {operation:?}"));
            match self.step(operation) {
                None => {}
                Some(Step::Fail(Fault::Unavailable)) => return Err(broken(ErrorKind::Unavailable)),
                Some(Step::Fail(Fault::AnswerLost)) => {
                    call(&*self.inner).await?;
                    return Err(broken(ErrorKind::Unknown));
                }
                Some(Step::Hold { reached, mut open }) => {
                    reached.send_replace(true);
                    // An error means that the gate was dropped, which opens it too.
                    drop(open.wait_for(|open| *open).await);
                }
            }
            call(&*self.inner).await
        })
    }
}

impl Gate {
    /// Waits until the call has come.
    ///
    /// # Panics
    /// When the storage is gone, so that no call can come any more.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub async fn reached(&mut self) {
        let reached = self.reached.wait_for(|reached| *reached).await;
        drop(reached.expect("a call can come as long as the storage is there"));
    }

    /// Lets the call go on; one that has not come yet is not held any more.
    pub fn open(&self) {
        self.open.send_replace(true);
    }
}

impl fmt::Debug for FaultStorage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("FaultStorage").field(&self.inner).finish()
    }
}

impl Storage for FaultStorage {
    fn capabilities(&self) -> &Capabilities {
        self.inner.capabilities()
    }

    fn location(&self) -> &str {
        self.inner.location()
    }

    fn migrate(&self) -> BoxFuture<'_, Result<()>> {
        self.call(Operation::Migrate, move |inner| inner.migrate())
    }

    fn allocate_ids(&self, n: u32) -> BoxFuture<'_, Result<IdBlock>> {
        self.call(Operation::AllocateIds, move |inner| inner.allocate_ids(n))
    }

    fn enqueue(&self, jobs: Vec<NewJob>) -> BoxFuture<'_, Result<Vec<Enqueued>>> {
        self.call(Operation::Enqueue, move |inner| inner.enqueue(jobs))
    }

    fn register(&self, server: ServerInfo) -> BoxFuture<'_, Result<()>> {
        self.call(Operation::Register, move |inner| inner.register(server))
    }

    fn heartbeat(&self, server: Incarnation) -> BoxFuture<'_, Result<Beat>> {
        self.call(Operation::Heartbeat, move |inner| inner.heartbeat(server))
    }

    fn exchange(&self, exchange: Exchange) -> BoxFuture<'_, Result<Exchanged>> {
        self.call(Operation::Exchange, move |inner| inner.exchange(exchange))
    }

    fn release(&self, server: Incarnation, leases: Vec<LeaseId>) -> BoxFuture<'_, Result<u64>> {
        self.call(Operation::Release, move |inner| inner.release(server, leases))
    }

    fn retire(&self, server: Incarnation) -> BoxFuture<'_, Result<u64>> {
        self.call(Operation::Retire, move |inner| inner.retire(server))
    }

    fn beats(&self) -> BoxFuture<'_, Result<Vec<ServerBeat>>> {
        self.call(Operation::Beats, move |inner| inner.beats())
    }

    fn rescue(&self, rescue: Rescue) -> BoxFuture<'_, Result<Rescued>> {
        self.call(Operation::Rescue, move |inner| inner.rescue(rescue))
    }

    fn promote(&self, max: usize) -> BoxFuture<'_, Result<Promoted>> {
        self.call(Operation::Promote, move |inner| inner.promote(max))
    }

    fn prune(&self, retention: Retention, max: usize) -> BoxFuture<'_, Result<Pruned>> {
        self.call(Operation::Prune, move |inner| inner.prune(retention, max))
    }

    fn upsert_recurring(&self, spec: RecurringSpec) -> BoxFuture<'_, Result<Upserted>> {
        self.call(Operation::UpsertRecurring, move |inner| inner.upsert_recurring(spec))
    }

    fn remove_recurring(&self, id: RecurringId) -> BoxFuture<'_, Result<bool>> {
        self.call(Operation::RemoveRecurring, move |inner| inner.remove_recurring(id))
    }

    fn trigger_recurring(&self, id: RecurringId, actor: Actor) -> BoxFuture<'_, Result<Triggered>> {
        self.call(Operation::TriggerRecurring, move |inner| inner.trigger_recurring(id, actor))
    }

    fn due_recurring(&self, max: usize) -> BoxFuture<'_, Result<Due>> {
        self.call(Operation::DueRecurring, move |inner| inner.due_recurring(max))
    }

    fn fire_recurring(&self, firing: Firing) -> BoxFuture<'_, Result<Fired>> {
        self.call(Operation::FireRecurring, move |inner| inner.fire_recurring(firing))
    }

    fn cancel(&self, id: JobId, actor: Actor) -> BoxFuture<'_, Result<Cancelled>> {
        self.call(Operation::Cancel, move |inner| inner.cancel(id, actor))
    }

    fn requeue(&self, id: JobId, actor: Actor) -> BoxFuture<'_, Result<Requeued>> {
        self.call(Operation::Requeue, move |inner| inner.requeue(id, actor))
    }

    fn delete(&self, id: JobId, actor: Actor) -> BoxFuture<'_, Result<Deleted>> {
        self.call(Operation::Delete, move |inner| inner.delete(id, actor))
    }

    fn pause(&self, queue: QueueName, actor: Actor) -> BoxFuture<'_, Result<()>> {
        self.call(Operation::Pause, move |inner| inner.pause(queue, actor))
    }

    fn resume(&self, queue: QueueName, actor: Actor) -> BoxFuture<'_, Result<bool>> {
        self.call(Operation::Resume, move |inner| inner.resume(queue, actor))
    }

    fn record_progress(
        &self,
        progress: Vec<(JobId, Run, LeaseId, Progress)>,
    ) -> BoxFuture<'_, Result<()>> {
        self.call(Operation::RecordProgress, move |inner| inner.record_progress(progress))
    }

    fn results(&self, ids: Vec<JobId>) -> BoxFuture<'_, Result<Vec<Option<Vec<u8>>>>> {
        self.call(Operation::Results, move |inner| inner.results(ids))
    }

    fn watch(&self) -> Wakes {
        self.inner.watch()
    }

    fn close(&self) -> BoxFuture<'_, Result<()>> {
        self.call(Operation::Close, move |inner| inner.close())
    }
}

impl Inspect for FaultStorage {
    fn now(&self) -> BoxFuture<'_, Result<Timestamp>> {
        self.call(Operation::Inspect, move |inner| inner.now())
    }

    fn counts(&self) -> BoxFuture<'_, Result<Counts>> {
        self.call(Operation::Inspect, move |inner| inner.counts())
    }

    fn jobs(&self, filter: JobFilter, page: Page) -> BoxFuture<'_, Result<JobPage>> {
        self.call(Operation::Inspect, move |inner| inner.jobs(filter, page))
    }

    fn job(&self, id: JobId) -> BoxFuture<'_, Result<Option<JobDetail>>> {
        self.call(Operation::Inspect, move |inner| inner.job(id))
    }

    fn recurring(&self) -> BoxFuture<'_, Result<Vec<RecurringView>>> {
        self.call(Operation::Inspect, move |inner| inner.recurring())
    }

    fn servers(&self) -> BoxFuture<'_, Result<Vec<ServerView>>> {
        self.call(Operation::Inspect, move |inner| inner.servers())
    }

    fn queues(&self) -> BoxFuture<'_, Result<Vec<QueueView>>> {
        self.call(Operation::Inspect, move |inner| inner.queues())
    }

    fn throughput(&self, step: Duration, points: usize) -> BoxFuture<'_, Result<Vec<Throughput>>> {
        self.call(Operation::Inspect, move |inner| inner.throughput(step, points))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MemoryStorage;
    use legwork_core::Kind;

    fn storage() -> FaultStorage {
        FaultStorage::new(Arc::new(MemoryStorage::new()))
    }

    fn job() -> Vec<NewJob> {
        vec![NewJob::new(Kind::new("mail").unwrap(), b"{}".to_vec())]
    }

    async fn enqueued(storage: &FaultStorage) -> u64 {
        storage.counts().await.unwrap().enqueued.n
    }

    #[tokio::test]
    async fn a_call_that_is_unavailable_has_no_effect() {
        let storage = storage();
        storage.next(Operation::Enqueue, Fault::Unavailable);
        let error = storage.enqueue(job()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert_eq!(enqueued(&storage).await, 0);
        storage.enqueue(job()).await.unwrap();
        assert_eq!((enqueued(&storage).await, storage.calls(Operation::Enqueue)), (1, 2));
    }

    #[tokio::test]
    async fn a_call_whose_answer_gets_lost_has_its_effect() {
        let storage = storage();
        storage.next(Operation::Enqueue, Fault::AnswerLost);
        let error = storage.enqueue(job()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unknown);
        assert_eq!(enqueued(&storage).await, 1);
    }

    #[tokio::test]
    async fn a_held_call_has_its_effect_only_when_the_gate_opens() {
        let storage = storage();
        let mut gate = storage.hold(Operation::Enqueue);
        let call = storage.enqueue(job());
        tokio::pin!(call);
        tokio::select! {
            biased;
            _ = &mut call => panic!("the call must be held"),
            () = gate.reached() => {}
        }
        assert_eq!(enqueued(&storage).await, 0);
        gate.open();
        call.await.unwrap();
        assert_eq!(enqueued(&storage).await, 1);
    }

    #[tokio::test]
    async fn a_break_down_lasts_until_it_is_healed() {
        let storage = storage();
        storage.break_down(Fault::Unavailable);
        assert!(storage.promote(1).await.is_err());
        assert!(storage.counts().await.is_err());
        storage.heal();
        assert!(storage.promote(1).await.is_ok());
    }
}
