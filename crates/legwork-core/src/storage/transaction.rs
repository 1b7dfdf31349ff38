//! The contract of enqueueing within a transaction of the caller, whatever its driver.
//!
//! The builders of `legwork-jobs` call it from `.tx(…)`; each SQL storage implements it for the
//! transactions of its drivers, in its own `transaction.rs`. It never begins, commits or rolls
//! back. What a job is lies beside it, in [`super::enqueue`].

use std::fmt;

use crate::error::{Error, ErrorKind, Result};
use crate::limits::ENQUEUE_MAX_JOBS;
use crate::storage::{Enqueued, NewJob};

/// A transaction of the caller in which jobs can be enqueued.
///
/// The SQL storages implement it for what their drivers' users hold: a shared or an exclusive
/// reference to a transaction, or to a connection that is in one. `D` is a type of the storage that
/// names the driver: without a type of its own, a storage could not implement this trait for a type
/// of the driver. Callers never write it, because it follows from the transaction.
///
/// # Guarantees
/// The jobs exist if and only if the transaction commits. Nobody sees them before.
///
/// # Examples
/// An asynchronous driver; a synchronous one answers with a plain `Result<T>`.
/// ```
/// use legwork_core::storage::{EnqueueCall, Enqueued, NewJob, Transaction};
/// use legwork_core::{BoxFuture, Result};
/// # mod driver {
/// #     use legwork_core::{Result, storage::{Enqueued, NewJob}};
/// #     #[derive(Default)] pub struct Transaction(std::sync::Mutex<Vec<NewJob>>);
/// #     impl Transaction {
/// #         pub async fn insert(&self, _: &str, jobs: Vec<NewJob>) -> Result<Vec<Enqueued>> {
/// #             self.0.lock().expect("nobody panics").extend(jobs);
/// #             Ok(Vec::new())
/// #         }
/// #     }
/// # }
///
/// /// Names the driver; it is a type of the storage's own crate.
/// pub enum Driver {}
///
/// impl<'a> Transaction<Driver> for &'a driver::Transaction {
///     type Answer<T: Send + 'static> = BoxFuture<'a, Result<T>>;
///
///     fn enqueue<T: Send + 'static>(self, mut call: EnqueueCall<T>) -> BoxFuture<'a, Result<T>> {
///         Box::pin(async move {
///             while let Some(jobs) = call.next_batch()? {
///                 let enqueued = self.insert(call.location(), jobs).await?;
///                 call.stored(enqueued);
///             }
///             call.answer()
///         })
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "jobs cannot be enqueued in a `{Self}`",
    label = "not a transaction of a driver that Legwork was built for",
    note = "give it a reference: `.tx(&tx)` of rusqlite, tokio-postgres and deadpool-postgres, `.tx(&mut tx)` of sqlx, `.tx(&mut *connection)` of diesel-async; that of diesel is wrapped: `.tx(DieselTx(connection))`",
    note = "the driver is a feature of `legwork`, and must be of the version that Legwork uses"
)]
pub trait Transaction<D>: Sized {
    /// What the caller of `.tx(…)` gets: `Result<T>` of a synchronous driver, a [`BoxFuture`] of it
    /// of an asynchronous one.
    ///
    /// [`BoxFuture`]: crate::BoxFuture
    type Answer<T: Send + 'static>;

    /// Stores the jobs of the call in the transaction: all its batches, or an error.
    ///
    /// It is not idempotent: a job without an id gets a fresh one. After an error a part of the
    /// jobs may be in the transaction, and the caller rolls it back.
    ///
    /// # Errors
    /// As [`Storage::enqueue`](crate::storage::Storage::enqueue); what
    /// [`EnqueueCall::next_batch`] returns; [`Conflict`](ErrorKind::Conflict) when the transaction
    /// is of another database than [`EnqueueCall::location`]. All of them come in the answer.
    ///
    /// # Cancel safety
    /// A future does nothing before it is polled. One that is dropped before it was ready may have
    /// left any part of the jobs in the transaction, which decides about them.
    fn enqueue<T: Send + 'static>(self, call: EnqueueCall<T>) -> Self::Answer<T>;
}

/// The jobs that one `.tx(…)` stores, and how its answer is made.
///
/// A driver takes the batches, tells what was stored, and returns [`answer`](Self::answer). A
/// mistake that the client found comes out of [`next_batch`](Self::next_batch), so that it reaches
/// the caller in the same way as the errors of the driver.
#[must_use = "nothing is stored before its batches are taken"]
pub struct EnqueueCall<T> {
    location: String,
    rest: Result<Vec<NewJob>>,
    n_taken: usize,
    enqueued: Vec<Enqueued>,
    // A pointer, not a closure: the call can be sent to another thread whatever `T` is.
    answer: fn(Vec<Enqueued>) -> Result<T>,
}

impl<T> EnqueueCall<T> {
    /// Makes a call; `location` is that of the storage which the client uses.
    ///
    /// `jobs` have been checked, or are the first mistake. `answer` makes what the caller gets of
    /// one [`Enqueued`] per job, in order.
    pub fn new(
        location: &str,
        jobs: Result<Vec<NewJob>>,
        answer: fn(Vec<Enqueued>) -> Result<T>,
    ) -> Self {
        let location = location.to_owned();
        Self { location, rest: jobs, n_taken: 0, enqueued: Vec::new(), answer }
    }

    /// Returns where the client keeps its jobs: the transaction must be of the same database.
    pub fn location(&self) -> &str {
        &self.location
    }

    /// Takes the jobs that are to be stored next; `None` when there are no more.
    ///
    /// There are at most [`ENQUEUE_MAX_JOBS`], and never none.
    ///
    /// # Errors
    /// The client's mistake, before any job: nothing has been stored.
    pub fn next_batch(&mut self) -> Result<Option<Vec<NewJob>>> {
        match &mut self.rest {
            Ok(rest) if rest.is_empty() => Ok(None),
            Ok(rest) => {
                let later = rest.split_off(std::cmp::min(rest.len(), ENQUEUE_MAX_JOBS));
                let batch = std::mem::replace(rest, later);
                self.n_taken += batch.len();
                Ok(Some(batch))
            }
            Err(mistake) => {
                let again = Error::new(ErrorKind::Internal, "the jobs have been refused already");
                Err(std::mem::replace(mistake, again))
            }
        }
    }

    /// Takes down what became of the jobs of a batch, one entry per job, in order.
    pub fn stored(&mut self, enqueued: Vec<Enqueued>) {
        if self.enqueued.is_empty() {
            self.enqueued = enqueued;
        } else {
            self.enqueued.extend(enqueued);
        }
    }

    /// Returns what the caller of `.tx(…)` gets, once all batches have been stored.
    ///
    /// # Errors
    /// [`Internal`](ErrorKind::Internal) when a batch was left out, or the driver did not tell what
    /// became of each job.
    pub fn answer(self) -> Result<T> {
        let n_left = self.rest?.len();
        let (n_told, n_taken) = (self.enqueued.len(), self.n_taken);
        if n_left > 0 || n_told != n_taken {
            let n = n_taken + n_left;
            let message = format!("the storage answered for {n_told} of {n} jobs");
            return Err(Error::new(ErrorKind::Internal, message));
        }
        (self.answer)(self.enqueued)
    }
}

impl<T> fmt::Debug for EnqueueCall<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EnqueueCall").field("location", &self.location).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{JobId, Kind};

    fn call(n: usize) -> EnqueueCall<Vec<Enqueued>> {
        let job = NewJob::new(Kind::new("test.work").unwrap(), b"{}".to_vec());
        EnqueueCall::new("memory://", Ok(vec![job; n]), Ok)
    }

    fn enqueued(n: usize) -> Vec<Enqueued> {
        (1..=n).map(|id| Enqueued::New(JobId::new(i64::try_from(id).unwrap()).unwrap())).collect()
    }

    #[test]
    fn a_call_comes_in_batches_that_a_storage_accepts_and_answers_for_all() {
        let mut call = call(ENQUEUE_MAX_JOBS + 1);
        let mut sizes = Vec::new();
        while let Some(batch) = call.next_batch().unwrap() {
            sizes.push(batch.len());
            call.stored(enqueued(batch.len()));
        }
        assert_eq!(sizes, [ENQUEUE_MAX_JOBS, 1]);
        let answer = call.answer().unwrap();
        assert_eq!((answer.len(), answer.last()), (ENQUEUE_MAX_JOBS + 1, enqueued(1).first()));
    }

    #[test]
    fn a_call_without_jobs_is_answered_without_a_batch() {
        let mut call = call(0);
        assert_eq!(call.next_batch().unwrap(), None);
        assert_eq!(call.answer().unwrap(), []);
    }

    #[test]
    fn a_mistake_comes_before_any_job_and_is_never_answered_as_stored() {
        let mistake = Err(Error::invalid("the queue has no name"));
        let mut call = EnqueueCall::new("memory://", mistake, Ok);
        assert_eq!(call.next_batch().unwrap_err().to_string(), "the queue has no name");
        assert_eq!(call.next_batch().unwrap_err().kind(), ErrorKind::Internal);
        assert_eq!(call.answer().unwrap_err().kind(), ErrorKind::Internal);
    }

    #[test]
    fn a_driver_that_loses_count_is_found_out() {
        for (n_taken, n_told) in [(0, 0), (0, 3), (3, 2), (3, 4)] {
            let mut call = call(3);
            if n_taken > 0 {
                call.next_batch().unwrap();
            }
            call.stored(enqueued(n_told));
            let answer = call.answer();
            let text = format!("the storage answered for {n_told} of 3 jobs");
            assert_eq!(answer.unwrap_err().to_string(), text);
        }
    }
}
