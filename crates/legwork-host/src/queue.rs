//! The in-memory task queue: a bounded line of closures that run in the background.
//!
//! Handlers and services enqueue; the workers are in [`worker`], what an item is given in [`task`].
//! Nothing survives a restart here: work that must is a durable job.

mod task;
mod worker;

use std::borrow::Cow;
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

pub use self::task::TaskContext;
pub(crate) use self::worker::QueueService;

use self::task::{CURRENT, Item};
use crate::service::ServiceOutput;
use crate::status::{QueueStatus, RunRecord, remember};

/// How many items may wait in a queue unless told otherwise.
pub const CAPACITY_DEFAULT: usize = 100;

/// Runs closures in the background, in order, within this process. Cheap to clone.
///
/// The host works it once it is registered with
/// [`HostBuilder::task_queue`](crate::HostBuilder::task_queue). A panic or error of one item is
/// logged and counted, and the next item runs.
///
/// # Guarantees
/// Nothing is durable: what a crash finds in the queue is lost. At a regular stop, every item that
/// was accepted runs to its end, or is named in the log and in [`HostExit`](crate::HostExit).
///
/// # Examples
/// ```
/// use std::time::Duration;
/// use legwork_host::{Host, TaskContext, TaskQueue};
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// let queue = TaskQueue::bounded(100).workers(4);
/// let host = Host::builder(()).task_queue("notifications", &queue).build()?;
///
/// queue
///     .enqueue("notify", |cx: TaskContext| async move {
///         if cx.sleep(Duration::from_secs(5)).await {
///             tracing::info!("notified");
///         }
///     })
///     .await?;
/// # Ok::<(), legwork_core::BoxError>(())
/// # })?;
/// # Ok::<(), legwork_core::BoxError>(())
/// ```
#[derive(Clone)]
pub struct TaskQueue {
    inner: Arc<Inner>,
}

struct Inner {
    sender: mpsc::Sender<Item>,
    /// Taken by the host that works the queue.
    receiver: Mutex<Option<mpsc::Receiver<Item>>>,
    capacity: usize,
    next_id: AtomicU64,
    ledger: Mutex<Ledger>,
}

/// Everything that was accepted and has not ended, and what has.
#[derive(Debug)]
struct Ledger {
    workers: usize,
    drain: Drain,
    waiting: BTreeMap<u64, Cow<'static, str>>,
    running: BTreeMap<u64, Cow<'static, str>>,
    n_completed: u64,
    n_failed: u64,
    runs: VecDeque<RunRecord>,
}

/// Decides what becomes of a task queue's items when the host stops.
///
/// New items are refused from the moment the host begins to stop. What does not end within the
/// queue's budget is cancelled, then aborted, and named in the log and the exit report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Drain {
    /// Runs all items to their end.
    #[default]
    FinishAll,
    /// Runs the items that have started to their end, and drops the others.
    FinishRunning,
    /// Cancels the tokens of the items that have started, and drops the others.
    CancelRunning,
}

impl TaskQueue {
    /// Makes a queue in which 100 items may wait.
    pub fn new() -> Self {
        Self::bounded(CAPACITY_DEFAULT)
    }

    /// Makes a queue in which `capacity` items may wait; 0 is an error when the host is built.
    pub fn bounded(capacity: usize) -> Self {
        let (sender, receiver) = mpsc::channel(capacity.clamp(1, mpsc_capacity_max()));
        let ledger = Ledger {
            workers: 1,
            drain: Drain::default(),
            waiting: BTreeMap::new(),
            running: BTreeMap::new(),
            n_completed: 0,
            n_failed: 0,
            runs: VecDeque::new(),
        };
        let inner = Inner {
            sender,
            receiver: Mutex::new(Some(receiver)),
            capacity,
            next_id: AtomicU64::new(1),
            ledger: Mutex::new(ledger),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Sets how many items may run at once. Default 1, which keeps their order; 0 is an error when
    /// the host is built.
    #[must_use]
    pub fn workers(self, n: usize) -> Self {
        self.ledger().workers = n;
        self
    }

    /// Sets what becomes of the items when the host stops. Default [`Drain::FinishAll`].
    #[must_use]
    pub fn drain(self, drain: Drain) -> Self {
        self.ledger().drain = drain;
        self
    }

    /// Enqueues an item; waits while the queue is full.
    ///
    /// # Errors
    /// The item with the reason: the host is stopping ([`Refused::Closed`]), or the queue is full
    /// and the caller is itself an item of it, which could wait for ever
    /// ([`Refused::WouldDeadlock`]).
    ///
    /// # Cancel safety
    /// When the future is dropped, the item was not enqueued.
    pub async fn enqueue<F, Fut>(
        &self,
        name: impl Into<Cow<'static, str>>,
        item: F,
    ) -> Result<(), EnqueueError<F>>
    where
        F: FnOnce(TaskContext) -> Fut + Send + 'static,
        Fut: Future<Output: ServiceOutput> + Send + 'static,
    {
        match self.try_enqueue(name, item) {
            Err(EnqueueError { refused: Refused::Full, name, item }) => {
                let item = item.into_inner().unwrap_or_else(PoisonError::into_inner);
                match self.inner.sender.reserve().await {
                    Ok(place) => {
                        place.send(self.accept(name, item));
                        Ok(())
                    }
                    Err(_) => Err(EnqueueError::new(Refused::Closed, name, item)),
                }
            }
            result => result,
        }
    }

    /// Enqueues an item if there is a free place.
    ///
    /// # Errors
    /// The item with the reason: [`Refused::Full`], or as of [`enqueue`](Self::enqueue).
    pub fn try_enqueue<F, Fut>(
        &self,
        name: impl Into<Cow<'static, str>>,
        item: F,
    ) -> Result<(), EnqueueError<F>>
    where
        F: FnOnce(TaskContext) -> Fut + Send + 'static,
        Fut: Future<Output: ServiceOutput> + Send + 'static,
    {
        let name = name.into();
        match self.inner.sender.try_reserve() {
            Ok(place) => {
                place.send(self.accept(name, item));
                Ok(())
            }
            Err(TrySendError::Closed(())) => Err(EnqueueError::new(Refused::Closed, name, item)),
            Err(TrySendError::Full(())) => {
                let is_inside = CURRENT.try_with(|queue| Arc::ptr_eq(queue, &self.inner));
                let inside = is_inside.unwrap_or(false);
                let refused = if inside { Refused::WouldDeadlock } else { Refused::Full };
                Err(EnqueueError::new(refused, name, item))
            }
        }
    }

    /// Returns how many items wait.
    pub fn len(&self) -> usize {
        self.ledger().waiting.len()
    }

    /// Tells whether no item waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns how many items may wait.
    pub fn capacity(&self) -> usize {
        self.inner.capacity
    }

    /// Takes a picture of the queue.
    pub fn status(&self) -> QueueStatus {
        let ledger = self.ledger();
        QueueStatus {
            capacity: self.inner.capacity,
            workers: ledger.workers,
            n_waiting: ledger.waiting.len(),
            running: ledger.running.values().map(|name| name.as_ref().to_owned()).collect(),
            n_completed: ledger.n_completed,
            n_failed: ledger.n_failed,
            runs: ledger.runs.clone(),
        }
    }

    /// Returns the rules that the settings break, as `build` reports them.
    pub(crate) fn problems(&self) -> impl Iterator<Item = &'static str> {
        [
            (self.inner.capacity == 0, "its capacity is zero"),
            (self.inner.capacity > mpsc_capacity_max(), "its capacity is beyond what can be held"),
            (self.ledger().workers == 0, "it has no workers"),
        ]
        .into_iter()
        .filter_map(|(broken, rule)| broken.then_some(rule))
    }

    pub(crate) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.inner, &other.inner)
    }

    /// Closes the queue and takes the names of what has not ended, and whether it had started.
    pub(crate) fn take_dropped(&self) -> Vec<(String, bool)> {
        drop(self.inner.receiver.lock().unwrap_or_else(PoisonError::into_inner).take());
        let mut ledger = self.ledger();
        let running = std::mem::take(&mut ledger.running);
        let waiting = std::mem::take(&mut ledger.waiting);
        let started = running.into_values().map(|name| (name.into_owned(), true));
        started.chain(waiting.into_values().map(|name| (name.into_owned(), false))).collect()
    }

    /// Enters an item into the ledger: from here on it runs or is reported.
    fn accept<F, Fut>(&self, name: Cow<'static, str>, item: F) -> Item
    where
        F: FnOnce(TaskContext) -> Fut + Send + 'static,
        Fut: Future<Output: ServiceOutput> + Send + 'static,
    {
        let id = self.inner.next_id.fetch_add(1, Ordering::Relaxed);
        self.ledger().waiting.insert(id, name.clone());
        Item::new(id, name, item)
    }

    fn started(&self, id: u64) {
        let mut ledger = self.ledger();
        if let Some(name) = ledger.waiting.remove(&id) {
            ledger.running.insert(id, name);
        }
    }

    fn ended(&self, id: u64, run: RunRecord) {
        let mut ledger = self.ledger();
        ledger.running.remove(&id);
        if run.error.is_none() {
            ledger.n_completed += 1;
        } else {
            ledger.n_failed += 1;
        }
        remember(&mut ledger.runs, run);
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.inner.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The most places that tokio's channel can hold.
const fn mpsc_capacity_max() -> usize {
    tokio::sync::Semaphore::MAX_PERMITS
}

impl Default for TaskQueue {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for TaskQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskQueue")
            .field("capacity", &self.inner.capacity)
            .field("ledger", &*self.ledger())
            .finish_non_exhaustive()
    }
}

/// Gives an item back that was not enqueued, with the reason.
pub struct EnqueueError<F> {
    refused: Refused,
    name: Cow<'static, str>,
    /// In a mutex so that the error is `Sync`, as `?` wants it, when the item is only `Send`.
    item: Mutex<F>,
}

/// Tells why an item was not enqueued.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Refused {
    /// The queue is full.
    Full,
    /// The host is stopping or has stopped.
    Closed,
    /// The queue is full, and the caller is one of its own items: waiting could take for ever.
    WouldDeadlock,
}

impl<F> EnqueueError<F> {
    fn new(refused: Refused, name: Cow<'static, str>, item: F) -> Self {
        Self { refused, name, item: Mutex::new(item) }
    }

    /// Returns why the item was refused.
    pub fn refused(&self) -> Refused {
        self.refused
    }

    /// Gives the item back.
    pub fn into_item(self) -> F {
        self.item.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<F> fmt::Display for EnqueueError<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let why = match self.refused {
            Refused::Full => "it is full",
            Refused::Closed => "the host is stopping",
            Refused::WouldDeadlock => "it is full, and one of its own items would wait for it",
        };
        write!(f, "the task queue refused {:?}: {why}", self.name)
    }
}

impl<F> fmt::Debug for EnqueueError<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EnqueueError")
            .field("refused", &self.refused)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl<F> std::error::Error for EnqueueError<F> {}
