//! Lets enqueues that come at the same time share one call to the storage.
//!
//! The client calls [`Flusher::enqueue`]. While a flush is in flight the next batch accumulates;
//! there is no timer, so that a lone call is not delayed. Large bulk calls go past it.

use std::sync::{Arc, Mutex, PoisonError};

use legwork_core::storage::{Enqueued, NewJob};
use legwork_core::{Effect, Error, ErrorKind, Result, Store};
use tokio::sync::{mpsc, oneshot};
use tokio_util::task::TaskTracker;

/// How many jobs one flush takes, up to the last call in it. Measured: 500 give nearly all that
/// larger batches give.
pub(crate) const BATCH_MAX: usize = 500;

/// How many calls may wait for a flush; further callers wait for a place.
const WAITING_MAX: usize = 4_096;

/// One call: its jobs are stored all, or none of them.
struct Request {
    jobs: Vec<NewJob>,
    reply: oneshot::Sender<Result<Vec<Enqueued>>>,
}

/// Owns the task that flushes.
#[derive(Debug)]
pub(crate) struct Flusher {
    store: Arc<dyn Store>,
    queue: Mutex<Queue>,
    tasks: TaskTracker,
}

#[derive(Debug)]
enum Queue {
    /// The task is started by the first enqueue, on its runtime.
    Idle,
    Running(mpsc::Sender<Request>),
    Closed,
}

impl Flusher {
    pub(crate) fn new(store: Arc<dyn Store>) -> Self {
        Self { store, queue: Mutex::new(Queue::Idle), tasks: TaskTracker::new() }
    }

    /// Stores one job, together with the others that wait.
    pub(crate) async fn enqueue(&self, job: NewJob) -> Result<Enqueued> {
        match *self.enqueue_all(vec![job]).await? {
            [one] => Ok(one),
            _ => Err(miscounted()),
        }
    }

    /// Stores all jobs of a call or none, together with the others that wait.
    pub(crate) async fn enqueue_all(&self, jobs: Vec<NewJob>) -> Result<Vec<Enqueued>> {
        let (reply, answer) = oneshot::channel();
        let request = Request { jobs, reply };
        if self.sender()?.send(request).await.is_err() {
            return Err(Error::new(ErrorKind::Unavailable, "the runtime of the client has ended"));
        }
        // The task ends without an answer only when its runtime is shut down under it.
        answer.await.unwrap_or_else(|_| {
            Err(Error::new(ErrorKind::Unknown, "the runtime of the client ended during an enqueue"))
        })
    }

    /// Returns the way to the task, which is started anew when its runtime has ended.
    fn sender(&self) -> Result<mpsc::Sender<Request>> {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        match &*queue {
            Queue::Closed => Err(Error::new(ErrorKind::Closed, "the client has been closed")),
            Queue::Running(sender) if !sender.is_closed() => Ok(sender.clone()),
            Queue::Running(_) | Queue::Idle => {
                let (sender, requests) = mpsc::channel(WAITING_MAX);
                self.tasks.spawn(run(Arc::clone(&self.store), requests));
                *queue = Queue::Running(sender.clone());
                Ok(sender)
            }
        }
    }

    /// Refuses further enqueues and waits for those that were accepted.
    pub(crate) async fn close(&self) {
        *self.queue.lock().unwrap_or_else(PoisonError::into_inner) = Queue::Closed;
        self.tasks.close();
        self.tasks.wait().await;
    }
}

async fn run(store: Arc<dyn Store>, mut requests: mpsc::Receiver<Request>) {
    while let Some(first) = requests.recv().await {
        let mut n_jobs = first.jobs.len();
        let mut batch = vec![first];
        while n_jobs < BATCH_MAX
            && let Ok(next) = requests.try_recv()
        {
            n_jobs += next.jobs.len();
            batch.push(next);
        }
        flush(&*store, batch).await;
    }
}

async fn flush(store: &dyn Store, mut batch: Vec<Request>) {
    if batch.len() == 1
        && let Some(Request { jobs, reply }) = batch.pop()
    {
        return answer(reply, store_all(store, jobs).await);
    }
    let jobs = batch.iter().flat_map(|request| request.jobs.iter().cloned()).collect();
    match store_all(store, jobs).await {
        Ok(enqueued) => {
            let mut enqueued = enqueued.into_iter();
            for Request { jobs, reply } in batch {
                answer(reply, Ok(enqueued.by_ref().take(jobs.len()).collect()));
            }
        }
        // One caller's mistake must not refuse the jobs of the others.
        Err(error) if error.effect() == Effect::None && !error.is_transient() => {
            for Request { jobs, reply } in batch {
                answer(reply, store_all(store, jobs).await);
            }
        }
        Err(error) => {
            // Copied for each of the callers.
            let text = legwork_core::outcome::describe(&error);
            for Request { reply, .. } in batch {
                answer(reply, Err(Error::new(error.kind(), text.clone())));
            }
        }
    }
}

/// Stores jobs, and makes sure that the storage answers for each.
async fn store_all(store: &dyn Store, jobs: Vec<NewJob>) -> Result<Vec<Enqueued>> {
    let n = jobs.len();
    let enqueued = store.enqueue(jobs).await?;
    if enqueued.len() == n { Ok(enqueued) } else { Err(miscounted()) }
}

fn miscounted() -> Error {
    Error::new(ErrorKind::Internal, "the storage did not answer for each job")
}

fn answer(reply: oneshot::Sender<Result<Vec<Enqueued>>>, result: Result<Vec<Enqueued>>) {
    if reply.send(result).is_err() {
        tracing::trace!("a caller no longer waits for its enqueue");
    }
}
