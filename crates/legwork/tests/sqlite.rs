//! A whole application on an SQLite file: every kind of job, the dashboard, and a restart.

use legwork::JobState;
use legwork::host::{HostHandle, StopReason};
use legwork::prelude::*;
use legwork::sqlite::rusqlite;
use legwork::storage::Upserted;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::timeout;

/// How long anything may take that ought to happen.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Clone, FromRef)]
struct App {
    said: UnboundedSender<String>,
}

#[legwork::job(name = "count")]
async fn count(up_to: u64) -> Output<u64> {
    Output((1..=up_to).sum())
}

#[legwork::job(name = "tell", max_attempts = 2, retry(base = "1ms", cap = "1ms"))]
async fn tell(
    what: String,
    State(said): State<UnboundedSender<String>>,
    context: JobContext,
) -> Result<(), BoxError> {
    if what == "fails once" && !context.is_last_attempt() {
        return Err("as it was told".into());
    }
    let counted: Option<u64> = context.parent_output().await?;
    let text = counted.map_or(what.clone(), |counted| format!("{what} {counted}"));
    said.send(format!("{text}, attempt {}", context.attempt()))?;
    Ok(())
}

fn told(what: &str) -> Tell {
    Tell { what: what.to_owned() }
}

fn host(jobs: &Jobs) -> (legwork::host::HostBuilder<App>, UnboundedReceiver<String>) {
    let (said, heard) = unbounded_channel();
    let host = Host::builder(App { said })
        .jobs(jobs.server().handle(count).handle(tell))
        .handle_signals(false);
    (host, heard)
}

async fn next(heard: &mut UnboundedReceiver<String>) -> String {
    timeout(PATIENCE, heard.recv()).await.expect("it is said in time").expect("the host runs")
}

fn stop(handle: &HostHandle) {
    handle.stop(StopReason::requested("the test is over"));
}

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
