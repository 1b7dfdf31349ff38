//! A whole application on a PostgreSQL database: every kind of job, transactions, and a restart.

#[cfg(test)]
#[path = "support/application.rs"]
mod application;

use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use legwork::JobState;
use legwork::postgres::PostgresStorage;
use legwork::prelude::*;
use legwork::storage::Upserted;
use tokio::task::JoinSet;

use crate::application::{Count, host, next, stop, told};

static NEXT: AtomicU32 = AtomicU32::new(1);

/// A schema of its own for one test, on the server for tests.
struct Place {
    url: String,
    schema: String,
}

impl Place {
    /// Names a fresh schema, which the storage makes; `None` without a server.
    fn new(test: &str) -> Option<Self> {
        let Ok(server) = std::env::var("LEGWORK_POSTGRES_URL") else {
            skip(test);
            return None;
        };
        let mark = if server.contains('?') { '&' } else { '?' };
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        let schema = format!("facade_{}_{n}", std::process::id());
        Some(Self { url: format!("{server}{mark}schema={schema}&pooled=false"), schema })
    }

    async fn connect(&self) -> Jobs {
        Jobs::connect(&self.url).await.expect("the schema is made")
    }

    /// Drops the schema. A test that fails has said more than a schema that stays.
    async fn drop(self) {
        let storage = PostgresStorage::connect(&self.url).await.expect("the server is there");
        let (db, moving) = storage.session().await.expect("the server accepts");
        let mut connection = JoinSet::new();
        connection.spawn(moving);
        let dropped = db.batch_execute(&format!("DROP SCHEMA {} CASCADE", self.schema)).await;
        dropped.expect("the schema is there");
    }
}

#[expect(clippy::print_stdout, reason = "people who run a test by hand see why it did nothing")]
fn skip(test: &str) {
    let line = format!("{test}: LEGWORK_POSTGRES_URL is not set");
    println!("SKIPPED: {line}");
    if let Some(path) = std::env::var_os("LEGWORK_TEST_SKIPS") {
        let file = std::fs::OpenOptions::new().append(true).create(true).open(path);
        writeln!(file.expect("the file of skips"), "{line}").expect("the file of skips");
    }
}

#[tokio::test]
async fn jobs_of_every_kind_run_and_are_found_succeeded_after_a_restart() {
    let test = "jobs_of_every_kind_run_and_are_found_succeeded_after_a_restart";
    let Some(place) = Place::new(test) else { return };
    let jobs = place.connect().await;
    let (host, mut heard) = host(&jobs);
    let host = host.build().expect("the host is valid");
    let handle = host.handle();
    let work = async {
        jobs.enqueue(told("now")).await?;
        assert_eq!(next(&mut heard).await, "now, attempt 1");
        jobs.enqueue(told("later")).after(Duration::from_millis(20)).await?;
        assert_eq!(next(&mut heard).await, "later, attempt 1");
        jobs.enqueue(told("fails once")).await?;
        assert_eq!(next(&mut heard).await, "fails once, attempt 2");

        let counted = jobs.enqueue(Count { up_to: 4 }).await?;
        let continuation = jobs.enqueue(told("the sum is")).continues(counted).await?;
        assert_eq!(next(&mut heard).await, "the sum is 10, attempt 1");

        let upserted =
            jobs.recurring("nightly", "0 3 * * *").job(told("at night")).upsert().await?;
        assert_eq!(upserted, Upserted::Added);
        jobs.trigger_recurring("nightly").await?;
        assert_eq!(next(&mut heard).await, "at night, attempt 1");
        stop(&handle);
        Ok::<_, legwork::Error>(continuation)
    };
    let (exit, continuation) = tokio::join!(host.run(), work);
    assert!(exit.is_success(), "{exit:?}");
    let continuation = continuation.expect("every call is accepted");
    jobs.close().await.expect("everything is stored");

    let jobs = place.connect().await;
    let job = jobs.store().job((&continuation).into()).await.expect("the storage answers");
    assert_eq!(job.expect("the job was kept").summary.state, JobState::Succeeded);
    assert_eq!(jobs.store().recurring().await.expect("the storage answers").len(), 1);
    jobs.close().await.expect("nothing is under way");
    place.drop().await;
}

#[tokio::test]
async fn a_job_in_a_transaction_runs_if_and_only_if_it_commits() {
    let test = "a_job_in_a_transaction_runs_if_and_only_if_it_commits";
    let Some(place) = Place::new(test) else { return };
    let storage = PostgresStorage::connect(&place.url).await.expect("the schema is made");
    let (mut db, moving) = storage.session().await.expect("the server accepts");
    let mut connection = JoinSet::new();
    connection.spawn(moving);
    let jobs = Jobs::new(Arc::new(storage));
    let (host, mut heard) = host(&jobs);
    let host = host.build().expect("the host is valid");
    let handle = host.handle();
    let work = async {
        let row = db.query_one("SHOW enable_seqscan", &[]).await?;
        assert_eq!(row.get::<_, &str>(0), "on", "a session of the application's own");
        let tx = db.transaction().await?;
        jobs.enqueue(told("rolled back")).tx(&tx).await?;
        jobs.enqueue_all([told("rolled back"), told("rolled back")]).tx(&tx).await?;
        tx.rollback().await?;
        let tx = db.transaction().await?;
        jobs.enqueue(told("committed")).tx(&tx).await?;
        tx.commit().await?;
        assert_eq!(next(&mut heard).await, "committed, attempt 1");
        let tx = db.transaction().await?;
        let both = jobs.enqueue_all([told("both"), told("both")]).tx(&tx).await?;
        assert_eq!(both.len(), 2);
        tx.commit().await?;
        assert_eq!(next(&mut heard).await, "both, attempt 1");
        assert_eq!(next(&mut heard).await, "both, attempt 1");
        jobs.enqueue(told("the last")).await?;
        assert_eq!(next(&mut heard).await, "the last, attempt 1");
        stop(&handle);
        Ok::<_, BoxError>(())
    };
    let (exit, worked) = tokio::join!(host.run(), work);
    worked.expect("every call is accepted");
    assert!(exit.is_success(), "{exit:?}");
    jobs.close().await.expect("nothing is under way");
    place.drop().await;
}
