//! The builders that enqueue one job, or many of one kind.
//!
//! [`Jobs::enqueue`](crate::Jobs::enqueue) makes them. They validate and remember the first
//! mistake; `flusher` stores the job when they are awaited, a driver when they are given to its
//! [`Transaction`].

use std::fmt;
use std::future::IntoFuture;
use std::marker::PhantomData;
use std::time::Duration;

use legwork_core::limits::{self, ENQUEUE_MAX_JOBS};
use legwork_core::storage::{EnqueueCall, Enqueued, NewJob, On, Parent, Start, Transaction};
use legwork_core::{
    BoxFuture, Error, ErrorKind, Job, JobId, Kind, QueueName, Result, RetryPolicy, Tag, Timestamp,
};

use crate::client::Jobs;
use crate::flusher::BATCH_MAX;

/// One job that is to be enqueued: await it, or give it to a transaction.
///
/// A value that breaks a rule is remembered and returned as the error.
///
/// # Examples
/// ```
/// # use legwork_jobs::Jobs;
/// # use legwork_core::Job;
/// # use serde::{Deserialize, Serialize};
/// # use std::time::Duration;
/// # #[derive(Serialize, Deserialize)] struct Remind { user_id: i64 }
/// # impl Job for Remind { const NAME: &'static str = "remind"; }
/// # async fn remind(jobs: Jobs) -> legwork_core::Result<()> {
/// jobs.enqueue(Remind { user_id: 7 }).after(Duration::from_hours(24)).queue("mail").await?;
/// # Ok(())
/// # }
/// ```
#[must_use = "a job is enqueued when this is awaited, or given to a transaction"]
pub struct Enqueue<J> {
    jobs: Jobs,
    job: Result<NewJob>,
    kind: PhantomData<fn() -> J>,
}

/// Makes the stored form of a job, with the defaults of its kind.
pub(crate) fn new_job<J: Job>(job: &J, args_max_bytes: usize) -> Result<NewJob> {
    let args = job.encode()?;
    limits::check_args_len(args.len(), args_max_bytes)?;
    let mut new = NewJob::new(Kind::new(J::NAME)?, args);
    new.queue = QueueName::new(J::QUEUE)?;
    new.priority = J::PRIORITY;
    if J::VERSION != 1 {
        new.options.args_version = Some(J::VERSION);
    }
    Ok(new)
}

impl<J: Job> Enqueue<J> {
    pub(crate) fn new(jobs: Jobs, job: &J) -> Self {
        let job = new_job(job, jobs.args_max_bytes());
        Self { jobs, job, kind: PhantomData }
    }

    fn set(mut self, set: impl FnOnce(&mut NewJob) -> Result<()>) -> Self {
        self.job = self.job.and_then(|mut job| set(&mut job).map(|()| job));
        self
    }

    /// Runs it after a delay, which starts when the job is stored, at most 100 years.
    ///
    /// For a continuation the delay starts when its parents have ended.
    pub fn after(self, delay: Duration) -> Self {
        self.set(|job| {
            job.start = Start::After(delay);
            Ok(())
        })
    }

    /// Runs it at an instant, by the storage's clock; at once when that has passed.
    pub fn at(self, at: impl Into<Timestamp>) -> Self {
        let at = at.into();
        self.set(|job| {
            job.start = Start::At(at);
            Ok(())
        })
    }

    /// Puts it into another queue than its kind's.
    pub fn queue(self, queue: &str) -> Self {
        self.set(|job| {
            job.queue = QueueName::new(queue)?;
            Ok(())
        })
    }

    /// Gives it another priority than its kind's; a lower number runs first.
    pub fn priority(self, priority: i16) -> Self {
        self.set(|job| {
            job.priority = priority;
            Ok(())
        })
    }

    /// Gives it another number of attempts than its kind's, at least 1.
    pub fn max_attempts(self, attempts: u32) -> Self {
        self.set(|job| {
            job.options.max_attempts = Some(attempts);
            Ok(())
        })
    }

    /// Gives each of its runs another timeout than its kind's.
    pub fn timeout(self, timeout: Duration) -> Self {
        self.set(|job| {
            job.options.timeout = Some(timeout);
            Ok(())
        })
    }

    /// Gives it another retry policy than its kind's.
    pub fn retry(self, policy: RetryPolicy) -> Self {
        self.set(|job| {
            job.options.retry = Some(policy);
            Ok(())
        })
    }

    /// Cancels it when it has not started by this instant, by the storage's clock.
    pub fn expires_at(self, at: impl Into<Timestamp>) -> Self {
        let at = at.into();
        self.set(|job| {
            job.options.expires_at = Some(at);
            Ok(())
        })
    }

    /// Labels it, for searching; up to 16 times.
    pub fn tag(self, tag: &str) -> Self {
        self.set(|job| {
            job.options.tags.push(Tag::new(tag)?);
            Ok(())
        })
    }

    /// Runs it once `parent` has succeeded; it is cancelled when the parent ends otherwise.
    ///
    /// Called several times, it waits for all of them, up to 1,000.
    pub fn continues(self, parent: impl Into<JobId>) -> Self {
        self.continues_on(parent, On::Success)
    }

    /// Runs it once `parent` has ended as `on` says; it is cancelled when the parent ends
    /// otherwise.
    pub fn continues_on(self, parent: impl Into<JobId>, on: On) -> Self {
        let parent = Parent { id: parent.into(), on };
        self.set(|job| {
            job.parents.push(parent);
            Ok(())
        })
    }

    /// Stores the job in the caller's transaction: it exists if and only if that commits.
    ///
    /// The driver of the transaction decides what comes back:
    ///
    /// | driver | call |
    /// | --- | --- |
    /// | rusqlite | `.tx(&tx)?` |
    /// | tokio-postgres, deadpool-postgres | `.tx(&tx).await?` |
    /// | sqlx | `.tx(&mut tx).await?` |
    /// | diesel | `.tx(DieselTx(connection))?` |
    /// | diesel-async | `.tx(&mut *connection).await?` |
    ///
    /// Servers notice it after the commit, within their poll interval at the latest.
    ///
    /// # Errors
    /// As [`Jobs::enqueue`]; [`Conflict`](ErrorKind::Conflict) when the transaction is of another
    /// database than the jobs. Roll the transaction back: a part of what the call writes may be in
    /// it.
    ///
    /// # Cancel safety
    /// Nothing happens before a future is polled. One that is dropped before it was ready may have
    /// left the job in the transaction or not; either way nothing is stored unless that commits, so
    /// roll it back.
    ///
    /// # Examples
    /// ```
    /// # use legwork_core::storage::{EnqueueCall, Transaction};
    /// # use legwork_core::{BoxFuture, Error, ErrorKind, Job, Result};
    /// # use legwork_jobs::Jobs;
    /// # use serde::{Deserialize, Serialize};
    /// # struct Client;
    /// # struct Tx<'a>(&'a Client);
    /// # impl Client { async fn transaction(&mut self) -> Result<Tx<'_>> { Ok(Tx(self)) } }
    /// # impl Tx<'_> {
    /// #     async fn execute(&self, _: &str, _: &[&str]) -> Result<u64> { Ok(1) }
    /// #     async fn commit(self) -> Result<()> { Ok(()) }
    /// # }
    /// # enum Driver {}
    /// # impl<'a> Transaction<Driver> for &'a Tx<'_> {
    /// #     type Answer<T: Send + 'static> = BoxFuture<'a, Result<T>>;
    /// #     fn enqueue<T: Send + 'static>(self, _: EnqueueCall<T>) -> BoxFuture<'a, Result<T>> {
    /// #         Box::pin(async { Err(Error::new(ErrorKind::Unavailable, "there is no server")) })
    /// #     }
    /// # }
    /// # #[derive(Serialize, Deserialize)] struct SendWelcome { name: String }
    /// # impl Job for SendWelcome { const NAME: &'static str = "mail.welcome"; }
    /// async fn sign_up(client: &mut Client, jobs: &Jobs, name: &str) -> Result<()> {
    ///     let tx = client.transaction().await?;
    ///     tx.execute("INSERT INTO users (name) VALUES ($1)", &[name]).await?;
    ///     jobs.enqueue(SendWelcome { name: name.to_owned() }).tx(&tx).await?;
    ///     tx.commit().await
    /// }
    /// ```
    #[must_use = "an asynchronous driver stores the job when this is awaited; any may refuse it"]
    pub fn tx<D, T: Transaction<D>>(self, transaction: T) -> T::Answer<Enqueued<J>> {
        let Self { jobs, job, kind: _ } = self;
        let job = job.and_then(|job| checked(&jobs, job));
        let batch = job.map(|job| vec![job]);
        transaction.enqueue(EnqueueCall::new(jobs.store().location(), batch, single))
    }
}

/// Refuses a job that no storage, or not this one, could take.
fn checked(jobs: &Jobs, job: NewJob) -> Result<NewJob> {
    limits::check_job(&job)?;
    jobs.store().capabilities().check(&job)?;
    Ok(job)
}

fn single<J>(enqueued: Vec<Enqueued>) -> Result<Enqueued<J>> {
    let mut enqueued = enqueued.into_iter();
    match (enqueued.next(), enqueued.next()) {
        (Some(one), None) => Ok(one.cast()),
        _ => Err(Error::new(ErrorKind::Internal, "the storage did not answer for exactly one job")),
    }
}

impl<J: Job> IntoFuture for Enqueue<J> {
    type Output = Result<Enqueued<J>>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let Self { jobs, job, kind: _ } = self;
            let job = checked(&jobs, job?)?;
            Ok(jobs.flusher().enqueue(job).await?.cast())
        })
    }
}

impl<J> fmt::Debug for Enqueue<J> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Enqueue").field("job", &self.job).finish_non_exhaustive()
    }
}

/// Many jobs of one kind that are to be enqueued: await it, or give it to a transaction.
#[must_use = "jobs are enqueued when this is awaited, or given to a transaction"]
pub struct EnqueueAll<J> {
    jobs: Jobs,
    batch: Result<Vec<NewJob>>,
    kind: PhantomData<fn() -> J>,
}

impl<J: Job> EnqueueAll<J> {
    pub(crate) fn new(client: Jobs, jobs: impl IntoIterator<Item = J>) -> Self {
        let max = client.args_max_bytes();
        let batch = jobs
            .into_iter()
            .enumerate()
            .map(|(index, job)| {
                let job = new_job(&job, max).and_then(|job| checked(&client, job));
                job.map_err(|source| {
                    let message = format!("job {index} of the batch is refused");
                    Error::with_source(source.kind(), message, source)
                })
            })
            .collect();
        Self { jobs: client, batch, kind: PhantomData }
    }

    /// Stores the jobs in the caller's transaction: they exist if and only if that commits.
    ///
    /// Which call a driver needs is told at [`Enqueue::tx`]. However many there are, they become
    /// visible together; they are sent ten thousand at a time.
    ///
    /// # Errors
    /// As [`Jobs::enqueue_all`]; [`Conflict`](ErrorKind::Conflict) when the transaction is of
    /// another database than the jobs. Nothing is sent when one of them breaks a rule. After
    /// another error roll the transaction back: it may hold a part of the jobs.
    ///
    /// # Cancel safety
    /// Nothing happens before a future is polled. One that is dropped before it was ready may have
    /// left a part of the jobs in the transaction: roll it back.
    #[must_use = "an asynchronous driver stores the jobs when this is awaited; any may refuse them"]
    pub fn tx<D, T: Transaction<D>>(self, transaction: T) -> T::Answer<Vec<Enqueued<J>>> {
        let Self { jobs, batch, kind: _ } = self;
        transaction.enqueue(EnqueueCall::new(jobs.store().location(), batch, |enqueued| {
            Ok(enqueued.into_iter().map(Enqueued::cast).collect())
        }))
    }
}

impl<J: Job> IntoFuture for EnqueueAll<J> {
    type Output = Result<Vec<Enqueued<J>>>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let mut batch = self.batch?;
            if batch.is_empty() {
                return Ok(Vec::new());
            }
            if batch.len() <= BATCH_MAX {
                let stored = self.jobs.flusher().enqueue_all(batch).await?;
                return Ok(stored.into_iter().map(Enqueued::cast).collect());
            }
            let mut enqueued = Vec::with_capacity(batch.len());
            while !batch.is_empty() {
                let rest = batch.split_off(std::cmp::min(batch.len(), ENQUEUE_MAX_JOBS));
                let stored = self.jobs.store().enqueue(batch).await?;
                enqueued.extend(stored.into_iter().map(Enqueued::cast));
                batch = rest;
            }
            Ok(enqueued)
        })
    }
}

impl<J> fmt::Debug for EnqueueAll<J> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EnqueueAll").finish_non_exhaustive()
    }
}
