//! Lets enqueues that come at the same time share one call to the storage.
//!
//! The client calls [`Flusher::enqueue`]. While a flush is in flight the next batch accumulates;
//! there is no timer, so that a lone call is not delayed. Bulk calls go past it.

use std::sync::{Arc, Mutex, PoisonError};

use legwork_core::storage::{Enqueued, NewJob};
use legwork_core::{Effect, Error, ErrorKind, Result, Store};
use tokio::sync::{mpsc, oneshot};
use tokio_util::task::TaskTracker;

/// How many jobs one flush takes. Measured: 500 give nearly all that larger batches give.
const BATCH_MAX: usize = 500;

/// How many jobs may wait for a flush; further callers wait for a place.
const WAITING_MAX: usize = 4_096;

struct Request {
    job: NewJob,
    reply: oneshot::Sender<Result<Enqueued>>,
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
        let (reply, answer) = oneshot::channel();
        let request = Request { job, reply };
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
    let mut batch = Vec::new();
    while requests.recv_many(&mut batch, BATCH_MAX).await > 0 {
        flush(&*store, std::mem::take(&mut batch)).await;
    }
}

async fn flush(store: &dyn Store, batch: Vec<Request>) {
    let (jobs, replies): (Vec<_>, Vec<_>) =
        batch.into_iter().map(|request| (request.job, request.reply)).unzip();
    if replies.len() == 1 {
        let result = store.enqueue(jobs).await.and_then(|enqueued| only(&enqueued));
        return answer(replies.into_iter().map(|reply| (reply, result_of(&result))));
    }
    match store.enqueue(jobs.clone()).await {
        Ok(enqueued) if enqueued.len() == replies.len() => {
            answer(replies.into_iter().zip(enqueued.into_iter().map(Ok)));
        }
        // One caller's mistake must not refuse the jobs of the others.
        Err(error) if error.effect() == Effect::None && !error.is_transient() => {
            for (job, reply) in jobs.into_iter().zip(replies) {
                let result = store.enqueue(vec![job]).await.and_then(|enqueued| only(&enqueued));
                answer([(reply, result)]);
            }
        }
        result => {
            let result = result.and_then(|enqueued| only(&enqueued));
            answer(replies.into_iter().map(|reply| (reply, result_of(&result))));
        }
    }
}

fn only(enqueued: &[Enqueued]) -> Result<Enqueued> {
    match *enqueued {
        [one] => Ok(one),
        _ => Err(Error::new(ErrorKind::Internal, "the storage did not answer for each job")),
    }
}

/// Copies a result for one of several callers.
fn result_of(result: &Result<Enqueued>) -> Result<Enqueued> {
    match result {
        Ok(enqueued) => Ok(*enqueued),
        Err(error) => {
            let cause = legwork_core::outcome::describe(error);
            Err(Error::new(error.kind(), cause))
        }
    }
}

fn answer(
    results: impl IntoIterator<Item = (oneshot::Sender<Result<Enqueued>>, Result<Enqueued>)>,
) {
    for (reply, result) in results {
        if reply.send(result).is_err() {
            tracing::trace!("a caller no longer waits for its enqueue");
        }
    }
}
