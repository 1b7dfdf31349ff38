//! Enqueueing within a transaction, through drivers that are awaited and one that is not.
//!
//! The drivers are made up, with the shapes of real ones: a shared reference, as tokio-postgres has
//! it, and exclusive references, as sqlx and diesel do. The real ones are tested by their storages.

use std::sync::{Arc, Mutex};

use legwork_core::limits::ENQUEUE_MAX_JOBS;
use legwork_core::storage::{EnqueueCall, Enqueued, NewJob, Transaction};
use legwork_core::{BoxFuture, Error, ErrorKind, JobId, JobState, Result, Store};
use legwork_jobs::Jobs;
use tokio::task::JoinSet;

use crate::fixture::{Work, client, state, within};

/// A connection of the application to the database that also keeps the jobs.
struct Connection {
    store: Arc<dyn Store>,
}

impl Connection {
    fn to_database_of(jobs: &Jobs) -> Self {
        Self { store: Arc::clone(jobs.store()) }
    }

    fn begin(&mut self) -> Tx<'_> {
        Tx { connection: self, batches: Mutex::default() }
    }
}

/// A transaction: what was written within it is lost, unless it commits.
struct Tx<'c> {
    connection: &'c Connection,
    batches: Mutex<Vec<Vec<NewJob>>>,
}

impl Tx<'_> {
    async fn write(&self, location: &str, mut jobs: Vec<NewJob>) -> Result<Vec<Enqueued>> {
        assert_eq!(location, self.connection.store.location(), "the client tells its storage");
        let n = u32::try_from(jobs.len()).unwrap();
        let ids: Vec<JobId> = self.connection.store.allocate_ids(n).await?.ids().collect();
        for (job, &id) in jobs.iter_mut().zip(&ids) {
            job.id = Some(id);
        }
        // A real driver waits for its server: whoever holds the future must be able to wait too.
        tokio::task::yield_now().await;
        self.batches.lock().unwrap().push(jobs);
        Ok(ids.into_iter().map(Enqueued::New).collect())
    }

    async fn commit(self) -> Result<()> {
        for jobs in self.batches.into_inner().unwrap() {
            self.connection.store.enqueue(jobs).await?;
        }
        Ok(())
    }

    fn n_jobs(&self) -> Vec<usize> {
        self.batches.lock().unwrap().iter().map(Vec::len).collect()
    }
}

/// Names the driver that takes a shared reference.
enum Shared {}

impl<'a> Transaction<Shared> for &'a Tx<'_> {
    type Answer<T: Send + 'static> = BoxFuture<'a, Result<T>>;

    fn enqueue<T: Send + 'static>(self, mut call: EnqueueCall<T>) -> BoxFuture<'a, Result<T>> {
        Box::pin(async move {
            while let Some(jobs) = call.next_batch()? {
                let enqueued = self.write(call.location(), jobs).await?;
                call.stored(enqueued);
            }
            call.answer()
        })
    }
}

/// Names the driver that takes an exclusive reference.
enum Exclusive {}

impl<'a> Transaction<Exclusive> for &'a mut Tx<'_> {
    type Answer<T: Send + 'static> = BoxFuture<'a, Result<T>>;

    fn enqueue<T: Send + 'static>(self, call: EnqueueCall<T>) -> BoxFuture<'a, Result<T>> {
        (&*self).enqueue(call)
    }
}

/// A connection of a driver that blocks; it is within a transaction, and gives ids from 1.
#[derive(Default)]
struct Blocking {
    jobs: Vec<NewJob>,
}

/// Names the driver that blocks.
enum Blocks {}

impl Transaction<Blocks> for &mut Blocking {
    type Answer<T: Send + 'static> = Result<T>;

    fn enqueue<T: Send + 'static>(self, mut call: EnqueueCall<T>) -> Result<T> {
        while let Some(jobs) = call.next_batch()? {
            let before = self.jobs.len();
            self.jobs.extend(jobs);
            let ids = before + 1..=self.jobs.len();
            let ids = ids.map(|id| JobId::new(i64::try_from(id).unwrap()));
            call.stored(ids.map(|id| id.map(Enqueued::New)).collect::<Result<_>>()?);
        }
        call.answer()
    }
}

/// Runs on another thread, as a handler does.
async fn elsewhere<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> T {
    let mut set = JoinSet::new();
    set.spawn(work);
    within("the work", set.join_next()).await.unwrap().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_exists_if_and_only_if_the_transaction_it_was_given_to_commits() {
    let jobs = client();
    let work = |commit: bool| {
        let jobs = jobs.clone();
        let mut connection = Connection::to_database_of(&jobs);
        elsewhere(async move {
            let tx = connection.begin();
            let job = jobs.enqueue(Work { n: 1 }).queue("mail").tx(&tx).await?;
            let child = jobs.enqueue(Work { n: 2 }).continues(job).tx(&tx).await?;
            if commit {
                tx.commit().await?;
            }
            Ok::<_, Error>((job, child))
        })
    };
    let (dropped, _) = work(false).await.unwrap();
    assert!(jobs.store().job(dropped.into()).await.unwrap().is_none());
    let (job, child) = work(true).await.unwrap();
    assert_eq!(state(&jobs, job).await, JobState::Enqueued);
    assert_eq!(state(&jobs, child).await, JobState::Awaiting);
}

#[tokio::test]
async fn an_exclusive_reference_can_be_used_again_after_the_answer() {
    let jobs = client();
    let mut connection = Connection::to_database_of(&jobs);
    let mut tx = connection.begin();
    let first = jobs.enqueue(Work { n: 1 }).tx(&mut tx).await.unwrap();
    let second = jobs.enqueue(Work { n: 2 }).tx(&mut tx).await.unwrap();
    tx.commit().await.unwrap();
    assert!(first.is_new() && second.is_new() && first.id() != second.id());
    assert_eq!(state(&jobs, second).await, JobState::Enqueued);
}

#[test]
fn a_driver_that_blocks_answers_without_being_awaited() {
    let jobs = client();
    let mut connection = Blocking::default();
    let enqueue = |tx: &mut Blocking| -> Result<JobId<Work>> {
        let job = jobs.enqueue(Work { n: 1 }).priority(-3).tx(&mut *tx)?;
        let more = jobs.enqueue_all([Work { n: 2 }, Work { n: 3 }]).tx(tx)?;
        assert_eq!((more.len(), job.is_new()), (2, true));
        Ok(more[1].id())
    };
    assert_eq!(enqueue(&mut connection).unwrap().get(), 3);
    let priorities: Vec<i16> = connection.jobs.iter().map(|job| job.priority).collect();
    assert_eq!(priorities, [-3, 0, 0]);
}

#[tokio::test]
async fn many_jobs_are_stored_in_one_transaction_however_many_they_are() {
    let jobs = client();
    let mut connection = Connection::to_database_of(&jobs);
    let tx = connection.begin();
    let n = ENQUEUE_MAX_JOBS + 1;
    let work = (0..n).map(|n| Work { n: u32::try_from(n).unwrap() });
    let enqueued = jobs.enqueue_all(work).tx(&tx).await.unwrap();
    assert_eq!(tx.n_jobs(), [ENQUEUE_MAX_JOBS, 1]);
    assert_eq!(jobs.store().counts().await.unwrap().enqueued.n, 0);
    tx.commit().await.unwrap();
    assert_eq!(state(&jobs, enqueued[n - 1]).await, JobState::Enqueued);
    let last = jobs.store().job(enqueued[n - 1].into()).await.unwrap().unwrap();
    assert_eq!(last.args, format!("{{\"n\":{ENQUEUE_MAX_JOBS}}}").into_bytes());
    assert_eq!(jobs.enqueue_all::<Work>([]).tx(&connection.begin()).await.unwrap(), []);
}

#[tokio::test]
async fn a_mistake_is_the_answer_of_every_driver_and_writes_nothing() {
    let jobs = Jobs::with_args_max(Arc::clone(client().store()), 10);
    let mut connection = Connection::to_database_of(&jobs);
    let mut tx = connection.begin();
    let mut blocking = Blocking::default();
    let bad = || jobs.enqueue(Work { n: 1 }).queue("a b");
    let zero = jobs.enqueue(Work { n: 1 }).max_attempts(0);
    for error in [
        bad().tx(&tx).await.unwrap_err(),
        bad().tx(&mut tx).await.unwrap_err(),
        bad().tx(&mut blocking).unwrap_err(),
        zero.tx(&tx).await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
    }
    let batch = || jobs.enqueue_all([Work { n: 1 }, Work { n: 1_000_000 }]);
    for error in [batch().tx(&tx).await.unwrap_err(), batch().tx(&mut blocking).unwrap_err()] {
        assert_eq!(error.kind(), ErrorKind::TooLarge, "{error}");
        assert_eq!(error.to_string(), "job 1 of the batch is refused");
    }
    assert!(tx.n_jobs().is_empty() && blocking.jobs.is_empty());
}

#[tokio::test]
async fn an_answer_that_is_dropped_before_it_is_awaited_writes_nothing() {
    let jobs = client();
    let mut connection = Connection::to_database_of(&jobs);
    let tx = connection.begin();
    drop(jobs.enqueue(Work { n: 1 }).tx(&tx));
    assert!(tx.n_jobs().is_empty());
}
