//! The application whose dashboard is looked at: a parcel service on a real SQLite file.
//!
//! `flow` starts one per test and stops it. Its handlers do what the test says: a delivery fails
//! the first time and later waits for [`Site::open_doors`]; a watch goes on until it is cancelled;
//! a count succeeds at once. No test may look at the storage where it could look at the page.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use legwork::prelude::*;
use legwork::{JobState, Server};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{interval, timeout};

use crate::browser::PATIENCE;

/// The queue of the counts, besides `default`.
pub(crate) const STOCK: &str = "stock";

/// How often the storage is asked whether a job is where the test wants it.
const LOOK_PERIOD: Duration = Duration::from_millis(20);

/// What a server may still do when its test is over.
const STOP_BUDGET: Duration = Duration::from_secs(5);

/// Fails the first time it runs. Later it waits for a door, and succeeds.
#[derive(Serialize, Deserialize, Job)]
#[job(name = "parcel.deliver")]
pub(crate) struct Deliver {
    pub(crate) note: String,
}

/// Goes on until it is cancelled.
#[derive(Serialize, Deserialize, Job)]
#[job(name = "parcel.watch")]
pub(crate) struct Watch {}

/// Succeeds at once.
#[derive(Serialize, Deserialize, Job)]
#[job(name = "stock.count", queue = "stock")]
pub(crate) struct Count {}

/// A running application.
pub(crate) struct Site {
    pub(crate) jobs: Jobs,
    doors: Arc<Semaphore>,
    server: Server,
    address: SocketAddr,
    _http: JoinSet<()>,
    _directory: TempDir,
}

impl Site {
    /// Starts the job server, and the dashboard under `/jobs` on a free port.
    pub(crate) async fn start() -> Self {
        let directory = tempfile::tempdir().expect("a directory for the file");
        let url = format!("sqlite://{}", directory.path().join("parcels.db").display());
        let jobs = Jobs::connect(&url).await.expect("the file is created");
        let doors = Arc::new(Semaphore::new(0));
        let server = jobs.server().name("depot-1").queues(["default", STOCK]);
        let server = server.handle(deliver).handle(watch).handle(count);
        let server = server.start(Arc::clone(&doors)).await.expect("the server starts");
        let dashboard = jobs.dashboard(Access::local_only());
        let (address, http) = serve(Router::new().nest("/jobs", dashboard)).await;
        Self { jobs, doors, server, address, _http: http, _directory: directory }
    }

    /// Returns the address of a page: `/jobs`, `/jobs/failed`.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Enqueues a delivery, and waits until it has failed.
    pub(crate) async fn failed_delivery(&self, note: &str) -> JobId {
        let job = Deliver { note: note.to_owned() };
        let id = JobId::from(&self.jobs.enqueue(job).await.expect("the job is valid"));
        self.until(id, JobState::Failed).await;
        id
    }

    /// Enqueues a watch, and waits until it runs.
    pub(crate) async fn running_watch(&self) -> JobId {
        let id = JobId::from(&self.jobs.enqueue(Watch {}).await.expect("the job is valid"));
        self.until(id, JobState::Processing).await;
        id
    }

    /// Lets so many deliveries succeed.
    pub(crate) fn open_doors(&self, n: usize) {
        self.doors.add_permits(n);
    }

    /// Waits until a job is in `state`, for pages that do not tell by themselves.
    pub(crate) async fn until(&self, id: JobId, state: JobState) {
        let mut looks = interval(LOOK_PERIOD);
        let reached = async {
            loop {
                looks.tick().await;
                let job = self.jobs.store().job(id).await.expect("the storage answers");
                if job.expect("the job is there").summary.state == state {
                    return;
                }
            }
        };
        let reached = timeout(PATIENCE, reached).await;
        assert!(reached.is_ok(), "job {id} is not {state} after {PATIENCE:?}");
    }

    /// Stops the job server and closes the file.
    pub(crate) async fn stop(self) {
        self.doors.close();
        self.server.stop_within(STOP_BUDGET).await;
        self.jobs.close().await.expect("everything is stored");
    }
}

/// Serves an application on a free loopback port.
pub(crate) async fn serve(router: Router) -> (SocketAddr, JoinSet<()>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port is free");
    let address = listener.local_addr().expect("it is bound");
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    let mut http = JoinSet::new();
    http.spawn(async move { axum::serve(listener, service).await.expect("it serves") });
    (address, http)
}

async fn deliver(
    job: Deliver,
    State(doors): State<Arc<Semaphore>>,
    context: JobContext,
) -> Result<Output<String>, Retry> {
    if context.run().0 == 1 {
        return Err(Retry::never(format!("nobody opened: {}", job.note)));
    }
    context.progress(0.5, "waits at the door");
    let door = doors.acquire().await.map_err(Retry::never)?;
    door.forget();
    Ok(Output(job.note))
}

async fn watch(_job: Watch, context: JobContext) -> Outcome {
    let reason = context.cancelled().await;
    Outcome::cancel(reason.to_string())
}

async fn count(_job: Count) {}
