//! Enqueueing within a transaction of the caller: the same cases for every driver.
//!
//! What the statement stores is compared with what the storage itself would store; that the SQL
//! function for other clients does the same is in `sql_enqueue.rs`.

#![expect(clippy::unwrap_used, reason = "the helpers of tests are tests")]

#[path = "support/database.rs"]
mod database;
#[path = "transaction/drivers.rs"]
mod drivers;

use std::sync::Arc;
use std::time::Duration;

use legwork_core::inspect::{History, Inspect as _};
use legwork_core::storage::Transaction as _;
use legwork_core::storage::{Actor, EnqueueCall, Enqueued, NewJob, Parent, Start, Storage as _};
use legwork_core::{ErrorKind, Job, JobId, JobState, Kind, On, Tag, Timestamp};
use legwork_jobs::Jobs;
use legwork_postgres::PostgresStorage;
use serde::{Deserialize, Serialize};

use crate::database::Database;

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Work {
    n: u32,
}

impl Job for Work {
    const NAME: &'static str = "test.work";
}

/// How a transaction ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Commit,
    RollBack,
}

/// What is enqueued in a transaction, one after the other.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Step {
    One,
    Many(u32),
    InAnHour,
    /// A continuation of what came last.
    Next,
    After(JobId),
    Wrong,
}

/// Waits for `what`, at most as long as a slow machine needs.
async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(30), what).await.expect("it takes too long")
}

async fn open(database: &Database) -> (PostgresStorage, Jobs) {
    let storage = PostgresStorage::connect(&format!("{}?pooled=false", database.url())).await;
    let storage = storage.unwrap();
    let jobs = Jobs::new(Arc::new(storage.clone()));
    (storage, jobs)
}

async fn state(storage: &PostgresStorage, id: JobId) -> Option<JobState> {
    storage.job(id).await.unwrap().map(|job| job.summary.state)
}

macro_rules! cases {
    ($($driver:ident)+) => {$(
        mod $driver {
            use super::*;

            use crate::drivers::$driver::within;

            #[tokio::test(flavor = "multi_thread")]
            async fn a_job_exists_if_and_only_if_the_transaction_commits() {
                let Some(database) = Database::create().await else { return };
                let (storage, jobs) = open(&database).await;
                let steps = [Step::One, Step::Many(250), Step::InAnHour, Step::Next];
                let dropped = within(&database.url(), &jobs, End::RollBack, &steps).await;
                let dropped = dropped.0.unwrap();
                assert_eq!(dropped.len(), 253);
                for id in [dropped[0], dropped[252]] {
                    assert_eq!(state(&storage, id).await, None);
                }
                let mut wakes = storage.watch();
                let (kept, committed_at) =
                    within(&database.url(), &jobs, End::Commit, &steps).await;
                let kept = kept.unwrap();
                soon(wakes.next()).await;
                assert!(committed_at.elapsed() < Duration::from_secs(5), "nobody waits for a poll");
                let expected = [
                    (0, JobState::Enqueued),
                    (250, JobState::Enqueued),
                    (251, JobState::Scheduled),
                    (252, JobState::Awaiting),
                ];
                for (at, expected) in expected {
                    assert_eq!(state(&storage, kept[at]).await, Some(expected), "{at}");
                }
                let last = storage.job(kept[250]).await.unwrap().unwrap();
                assert_eq!(last.args, b"{\"n\":249}");
                assert_eq!(storage.counts().await.unwrap().enqueued.n, 251);
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn a_transaction_of_another_database_is_a_conflict() {
                let Some(database) = Database::create().await else { return };
                let (_storage, jobs) = open(&database).await;
                let bare = Database::create().await.unwrap();
                let migrated = Database::create().await.unwrap();
                open(&migrated).await;
                for other in [bare, migrated] {
                    let enqueued = within(&other.url(), &jobs, End::Commit, &[Step::One]).await;
                    let error = enqueued.0.unwrap_err();
                    assert_eq!(error.kind(), ErrorKind::Conflict, "{error:?}");
                    assert!(error.to_string().contains("of another database"), "{error}");
                }
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn a_refusal_names_what_is_wrong_and_leaves_the_transaction_usable() {
                let Some(database) = Database::create().await else { return };
                let (storage, jobs) = open(&database).await;
                let unknown = Step::After(JobId::new(77).unwrap());
                let (refused, _) = within(&database.url(), &jobs, End::Commit, &[unknown]).await;
                let error = refused.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::NotFound);
                let text = "job 0 of the batch: parent 77 does not exist";
                assert_eq!(error.to_string(), text);
                let wrong = [Step::One, Step::Wrong];
                let (refused, _) = within(&database.url(), &jobs, End::Commit, &wrong).await;
                assert_eq!(refused.unwrap_err().kind(), ErrorKind::Invalid);
                assert_eq!(storage.counts().await.unwrap().enqueued.n, 1, "the first was stored");
            }
        }
    )+};
}

cases! { tokio_postgres deadpool sqlx_0_8 sqlx_0_9 diesel diesel_async }

fn new_job(kind: &str) -> NewJob {
    NewJob::new(Kind::new(kind).unwrap(), b"{\"a\":\"\\u0000\xc3\xa9\"}".to_vec())
}

fn call(storage: &PostgresStorage, jobs: Vec<NewJob>) -> EnqueueCall<Vec<Enqueued>> {
    EnqueueCall::new(storage.location(), Ok(jobs), Ok)
}

/// Jobs of every sort, with ids of a block.
fn jobs_of_every_sort(first: JobId, succeeded: JobId) -> Vec<NewJob> {
    let id = |n: i64| JobId::new(first.get() + n).unwrap();
    let after = |n: i64, parents: &[(JobId, On)]| NewJob {
        id: Some(id(n)),
        parents: parents.iter().map(|&(id, on)| Parent { id, on }).collect(),
        ..new_job("test.b")
    };
    let mut tagged = NewJob { priority: -7, ..new_job("test.a") };
    tagged.options.tags = vec![Tag::new("x").unwrap(), Tag::new("y").unwrap()];
    tagged.options.max_attempts = Some(3);
    let at = Timestamp::from_micros(4_000_000_000_000_001);
    vec![
        NewJob { id: Some(id(0)), ..new_job("test.a") },
        NewJob { id: Some(id(1)), start: Start::At(at), ..new_job("test.a") },
        NewJob { id: Some(id(2)), start: Start::At(Timestamp::MIN), ..new_job("test.a") },
        NewJob { id: Some(id(3)), ..tagged },
        after(4, &[(id(0), On::Success), (id(0), On::Success), (id(0), On::AnyEnd)]),
        after(5, &[(succeeded, On::Success)]),
        after(6, &[(id(0), On::Success), (succeeded, On::Failure)]),
        after(7, &[(id(6), On::Success)]),
        after(8, &[(id(7), On::Cancelled), (succeeded, On::AnyEnd)]),
        NewJob { start: Start::After(Duration::from_mins(1)), ..after(9, &[(id(6), On::AnyEnd)]) },
    ]
}

/// What is told about a job, without what differs from run to run.
async fn told(storage: &PostgresStorage, first: JobId, n: i64) -> String {
    let id = JobId::new(first.get() + n).unwrap();
    let job = storage.job(id).await.unwrap().unwrap();
    let shift = |id: JobId| id.get() - first.get();
    let parents: Vec<_> = job.parents.iter().map(|p| (shift(p.id), p.on)).collect();
    let history: Vec<&History> = job.history.iter().map(|event| &event.what).collect();
    let text = format!("{:?} {:?} {parents:?} {history:?}", job.summary.state, job.options);
    text.replace(&format!("job {}", id.get() - 1), "the job before")
        .replace(&format!("job {}", first.get() - 1), "the first parent")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_stores_what_the_storage_itself_would_store() {
    let Some(database) = Database::create().await else { return };
    let (storage, _) = open(&database).await;
    let mut client = database.client().await;
    let mut both = Vec::new();
    for through_transaction in [false, true] {
        let block = storage.allocate_ids(1_000).await.unwrap();
        let parent = NewJob { id: Some(block.first), ..new_job("test.a") };
        storage.enqueue(vec![parent]).await.unwrap();
        storage.cancel(block.first, Actor::new("test")).await.unwrap();
        let first = JobId::new(block.first.get() + 1).unwrap();
        let jobs = jobs_of_every_sort(first, block.first);
        let enqueued = if through_transaction {
            let tx = client.transaction().await.unwrap();
            let enqueued = tx.enqueue(call(&storage, jobs.clone())).await.unwrap();
            tx.commit().await.unwrap();
            enqueued
        } else {
            storage.enqueue(jobs.clone()).await.unwrap()
        };
        assert!(enqueued.iter().all(Enqueued::is_new), "{enqueued:?}");
        let again = client.transaction().await.unwrap();
        let existing = again.enqueue(call(&storage, jobs)).await.unwrap();
        assert!(existing.iter().all(|one| !one.is_new()), "{existing:?}");
        let mut lines = Vec::new();
        for n in 0..10 {
            lines.push(told(&storage, first, n).await);
        }
        both.push(lines);
    }
    assert_eq!(both[0], both[1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn fresh_ids_rise_with_the_batch_and_share_tickets() {
    let Some(database) = Database::create().await else { return };
    let (storage, _) = open(&database).await;
    let mut client = database.client().await;
    let tx = client.transaction().await.unwrap();
    let enqueued = tx.enqueue(call(&storage, vec![new_job("test.a"); 1_250])).await.unwrap();
    assert!(enqueued.windows(2).all(|pair| pair[0].id() < pair[1].id()));
    let tickets = tx.query_one("SELECT count(*), sum(n) FROM legwork.ready", &[]).await.unwrap();
    assert_eq!((tickets.get::<_, i64>(0), tickets.get::<_, i64>(1)), (13, 1_250));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_that_was_never_handed_out_is_refused() {
    let Some(database) = Database::create().await else { return };
    let (storage, _) = open(&database).await;
    let mut client = database.client().await;
    let tx = client.transaction().await.unwrap();
    let job = NewJob { id: Some(JobId::new(900_000).unwrap()), ..new_job("test.a") };
    let error = tx.enqueue(call(&storage, vec![job])).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert_eq!(error.to_string(), "the id 900000 was never handed out");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kind_that_is_new_in_two_transactions_lets_neither_wait_for_the_other() {
    let Some(database) = Database::create().await else { return };
    let (storage, _) = open(&database).await;
    let (mut one, mut two) = (database.client().await, database.client().await);
    let (one, two) = (one.transaction().await.unwrap(), two.transaction().await.unwrap());
    soon(one.enqueue(call(&storage, vec![new_job("test.fresh")]))).await.unwrap();
    // The first has not ended: were the name added within it, this would wait for that.
    soon(two.enqueue(call(&storage, vec![new_job("test.fresh")]))).await.unwrap();
    two.commit().await.unwrap();
    one.commit().await.unwrap();
    assert_eq!(storage.counts().await.unwrap().enqueued.n, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_with_an_old_snapshot_can_enqueue_a_kind_that_is_newer() {
    let Some(database) = Database::create().await else { return };
    let (storage, _) = open(&database).await;
    let mut client = database.client().await;
    let level = ::tokio_postgres::IsolationLevel::RepeatableRead;
    let tx = client.build_transaction().isolation_level(level).start().await.unwrap();
    tx.query_one("SELECT count(*) FROM legwork.kind", &[]).await.unwrap();
    tx.enqueue(call(&storage, vec![new_job("test.later")])).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(storage.counts().await.unwrap().enqueued.n, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_that_cannot_write_is_told_so() {
    let Some(database) = Database::create().await else { return };
    let (storage, _) = open(&database).await;
    let mut client = database.client().await;
    let tx = client.build_transaction().read_only(true).start().await.unwrap();
    let error = tx.enqueue(call(&storage, vec![new_job("test.a")])).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.to_string().as_str()),
        (ErrorKind::Conflict, "the transaction is read-only")
    );
    let error = tx.enqueue(call(&storage, vec![new_job("test.a")])).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "it has failed before");
}

#[tokio::test(flavor = "multi_thread")]
async fn after_the_storage_was_closed_a_transaction_takes_no_jobs() {
    let Some(database) = Database::create().await else { return };
    let (storage, _) = open(&database).await;
    let mut client = database.client().await;
    storage.close().await.unwrap();
    let tx = client.transaction().await.unwrap();
    let error = tx.enqueue(call(&storage, vec![new_job("test.a")])).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Closed);
}
