//! The parts together: jobs in a host, on the memory storage, with the macros.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use legwork::host::StopReason;
use legwork::prelude::*;
use legwork::{CancelReason, JobState};
use legwork_testing::MemoryStorage;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::timeout;

/// How long anything may take that ought to happen.
const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Clone, FromRef)]
struct App {
    said: UnboundedSender<String>,
    count: Arc<AtomicU32>,
}

fn app() -> (App, UnboundedReceiver<String>) {
    let (said, heard) = unbounded_channel();
    (App { said, count: Arc::default() }, heard)
}

fn jobs() -> Jobs {
    Jobs::new(Arc::new(MemoryStorage::new()))
}

async fn next(heard: &mut UnboundedReceiver<String>) -> String {
    timeout(PATIENCE, heard.recv()).await.expect("it is said in time").expect("the host runs")
}

async fn state_of(jobs: &Jobs, id: impl Into<JobId>) -> JobState {
    let job = jobs.store().job(id.into()).await.expect("the storage answers");
    job.expect("the job exists").summary.state
}

#[legwork::job(name = "greet", queue = "greetings", max_attempts = 3)]
async fn greet(
    name: String,
    #[serde(default)] mut times: u32,
    State(said): State<UnboundedSender<String>>,
    context: JobContext,
) -> Result<(), BoxError> {
    times += 1;
    said.send(format!("hello {name} {times} in run {}", context.run()))?;
    Ok(())
}

#[derive(Serialize, Deserialize, Job)]
#[job(name = "linger")]
struct Linger {}

#[legwork::debug_handler(state = App)]
async fn linger(_job: Linger, State(app): State<App>, context: JobContext) {
    app.count.fetch_add(1, Ordering::SeqCst);
    app.said.send("lingering".to_owned()).expect("the test listens");
    let reason = context.cancelled().await;
    assert_eq!(reason, CancelReason::Shutdown, "the host asks for the end");
    std::future::pending::<()>().await;
}

#[legwork::debug_handler(service, state = App)]
async fn watch(State(app): State<App>, cx: ServiceContext) -> Result<(), BoxError> {
    cx.stopping().cancelled().await;
    app.said.send("watched".to_owned())?;
    Ok(())
}

#[tokio::test]
async fn a_job_of_an_attribute_on_a_function_runs_in_the_host() {
    let (jobs, (app, mut heard)) = (jobs(), app());
    let server = jobs.server().queues(["greetings"]).handle(greet);
    let host = Host::builder(app).background("watch", watch).jobs(server).handle_signals(false);
    let host = host.build().expect("the host is valid");
    let handle = host.handle();
    let running = async {
        let job = Greet { name: "world".to_owned(), times: 1 };
        let greeting = jobs.enqueue(job).await.expect("the job is valid");
        assert_eq!(next(&mut heard).await, "hello world 2 in run 1");
        handle.stop(StopReason::requested("the test is over"));
        greeting
    };
    let (exit, greeting) = tokio::join!(host.run(), running);
    assert_eq!(exit.code(), 0);
    assert_eq!(next(&mut heard).await, "watched");
    assert_eq!(state_of(&jobs, &greeting).await, JobState::Succeeded);
}

#[tokio::test]
async fn a_job_that_outlives_the_host_goes_back_without_spending_an_attempt() {
    let (jobs, (app, mut heard)) = (jobs(), app());
    let server = jobs.server().handle(linger).cancel_grace(Duration::from_millis(10));
    let host = Host::builder(app.clone()).jobs(server).handle_signals(false);
    let host = host.shutdown_timeout(Duration::from_secs(3)).build().expect("the host is valid");
    let handle = host.handle();
    let running = async {
        let job = jobs.enqueue(Linger {}).await.expect("the job is valid");
        assert_eq!(next(&mut heard).await, "lingering");
        handle.stop(StopReason::requested("the test is over"));
        job
    };
    let (exit, job) = tokio::join!(host.run(), running);
    assert_eq!(exit.code(), 0, "{exit:?}");
    assert_eq!(state_of(&jobs, &job).await, JobState::Enqueued);
    let detail = jobs.store().job((&job).into()).await.expect("the storage answers");
    assert_eq!(detail.expect("the job exists").summary.failures, 0);
    assert_eq!(app.count.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_server_that_cannot_start_fails_the_start_of_the_host() {
    let jobs = jobs();
    let server = jobs.server().workers(0).handle(linger);
    let exit = Host::builder(app().0).jobs(server).handle_signals(false).run().await;
    assert_eq!(exit.code(), 1);
    let reason = exit.reason().to_string();
    assert!(reason.contains("0 workers: there must be 1 to 10,000"), "{reason}");
}

#[test]
fn main_runs_on_a_runtime_and_its_error_is_the_exit_code() {
    #[legwork::main]
    async fn main() -> legwork::Result<()> {
        tokio::task::yield_now().await;
        Err(legwork::Error::invalid("told to"))
    }
    let code = format!("{:?}", main());
    assert_eq!(code, format!("{:?}", std::process::ExitCode::FAILURE));
}
