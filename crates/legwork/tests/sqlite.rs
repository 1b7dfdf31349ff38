//! A whole application on an SQLite file: every kind of job, the dashboard, and a restart.

#[cfg(test)]
#[path = "support/application.rs"]
mod application;

use legwork::JobState;
use legwork::prelude::*;
use legwork::sqlite::rusqlite;
use legwork::storage::Upserted;

use crate::application::{Count, host, next, stop, told};

/// A file for the jobs, in a directory that is gone with the test.
struct Place {
    _directory: tempfile::TempDir,
    path: std::path::PathBuf,
}

impl Place {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        Self { path: directory.path().join("app.db"), _directory: directory }
    }

    async fn connect(&self) -> Jobs {
        let url = format!("sqlite://{}", self.path.display());
        Jobs::connect(&url).await.expect("the file is opened")
    }
}

#[tokio::test]
async fn jobs_of_every_kind_run_and_are_found_succeeded_after_a_restart() {
    let place = Place::new();
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
}

#[tokio::test]
async fn a_job_in_a_transaction_runs_if_and_only_if_it_commits() {
    let place = Place::new();
    let jobs = place.connect().await;
    let (host, mut heard) = host(&jobs);
    let host = host.build().expect("the host is valid");
    let handle = host.handle();
    let work = async {
        let mut db = rusqlite::Connection::open(&place.path)?;
        let tx = db.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        jobs.enqueue(told("rolled back")).tx(&tx)?;
        jobs.enqueue_all([told("rolled back"), told("rolled back")]).tx(&tx)?;
        tx.rollback()?;
        let tx = db.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        jobs.enqueue(told("committed")).tx(&tx)?;
        tx.commit()?;
        assert_eq!(next(&mut heard).await, "committed, attempt 1");
        let tx = db.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        let both = jobs.enqueue_all([told("both"), told("both")]).tx(&tx)?;
        assert_eq!(both.len(), 2);
        tx.commit()?;
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
}

#[cfg(all(feature = "dashboard", feature = "http"))]
#[tokio::test]
async fn the_dashboard_is_served_by_the_host() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::time::timeout;

    use crate::application::PATIENCE;

    let place = Place::new();
    let jobs = place.connect().await;
    let router = axum::Router::new().nest("/jobs", jobs.dashboard(Access::local_only()));
    let host = host(&jobs).0.http("127.0.0.1:0", router).build().expect("the host is valid");
    let handle = host.handle();
    let work = async {
        timeout(PATIENCE, handle.started().cancelled()).await.expect("the host starts");
        let address = handle.http_addr().expect("the HTTP service is started");
        let mut stream = tokio::net::TcpStream::connect(address).await?;
        let request = format!("GET /jobs HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        timeout(PATIENCE, stream.read_to_string(&mut answer)).await.expect("an answer")?;
        stop(&handle);
        Ok::<_, std::io::Error>(answer)
    };
    let (exit, answer) = tokio::join!(host.run(), work);
    assert!(exit.is_success(), "{exit:?}");
    let answer = answer.expect("the connection holds");
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(answer.contains("<!doctype html>"), "{answer}");
}
