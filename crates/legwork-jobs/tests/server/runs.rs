//! One run: results, failures, panics, timeouts, what a handler can extract.

use std::time::Duration;

use legwork_core::storage::FailReason;
use legwork_core::{
    BoxError, CancelReason, CancellationToken, Job, JobContext, JobState, Outcome, Output, Retry,
    RunEnd, Scoped, ScopedService, State,
};
use legwork_jobs::observer::RunEventEnd;
use serde::{Deserialize, Serialize};

use crate::fixture::{App, Work, client, detail, next_end, server, state, within};

#[tokio::test]
async fn a_job_runs_once_and_its_result_is_stored() {
    let (jobs, app) = (client(), App::default());
    let handler = async |job: Work, State(app): State<App>, context: JobContext| {
        app.tell(format!("{} run {} attempt {}", job.n, context.run(), context.attempt()));
        Output(job.n * 2)
    };
    let server =
        server(&jobs).handle(move |a: Work, b: State<App>, c: JobContext| handler(a, b, c));
    let server = server.start(app.clone()).await.unwrap();
    let mut events = server.events();
    let job = jobs.enqueue(Work { n: 21 }).await.unwrap();
    assert_eq!(next_end(&mut events, job).await, RunEventEnd::Succeeded);
    assert_eq!(app.told(), ["21 run 1 attempt 1"]);
    let detail = detail(&jobs, job).await;
    assert_eq!(detail.summary.state, JobState::Succeeded);
    assert_eq!(detail.result.as_deref(), Some(b"42".as_slice()));
}

async fn fails(job: Work, State(app): State<App>, context: JobContext) -> Result<(), BoxError> {
    app.tell(format!("attempt {} of {}", context.attempt(), context.max_attempts()));
    match job.n {
        1 => panic!("boom {}", job.n),
        2 => Err(Retry::never("hopeless").into()),
        _ => Err("no luck".into()),
    }
}

#[tokio::test]
async fn a_failing_job_is_tried_again_until_its_attempts_are_spent() {
    let (jobs, app) = (client(), App::default());
    let server = server(&jobs).handle(fails).start(app.clone()).await.unwrap();
    let mut events = server.events();
    let job = jobs.enqueue(Work { n: 0 }).await.unwrap();
    assert_eq!(next_end(&mut events, job).await, RunEventEnd::Retried);
    assert_eq!(next_end(&mut events, job).await, RunEventEnd::Retried);
    assert_eq!(next_end(&mut events, job).await, RunEventEnd::Failed(FailReason::Exhausted));
    assert_eq!(app.told(), ["attempt 1 of 3", "attempt 2 of 3", "attempt 3 of 3"]);
    let summary = detail(&jobs, job).await.summary;
    assert_eq!((summary.state, summary.failures), (JobState::Failed, 3));
    assert_eq!(summary.error.as_deref(), Some("no luck"));
}

#[tokio::test]
async fn a_panic_is_a_failure_and_the_server_lives() {
    let (jobs, app) = (client(), App::default());
    let server = server(&jobs).handle(fails).start(app).await.unwrap();
    let mut events = server.events();
    let job = jobs.enqueue(Work { n: 1 }).max_attempts(1).await.unwrap();
    assert_eq!(next_end(&mut events, job).await, RunEventEnd::Failed(FailReason::Exhausted));
    assert_eq!(detail(&jobs, job).await.summary.error.as_deref(), Some("boom 1"));
    let next = jobs.enqueue(Work { n: 2 }).await.unwrap();
    assert_eq!(next_end(&mut events, next).await, RunEventEnd::Failed(FailReason::Discarded));
}

#[tokio::test]
async fn a_run_over_its_timeout_is_told_and_then_dropped() {
    let (jobs, app) = (client(), App::default());
    let deaf = |_: Work, State(app): State<App>, context: JobContext| async move {
        let dropped = DropTells(app.clone());
        assert_eq!(context.cancelled().await, CancelReason::Timeout);
        app.tell("told");
        std::future::pending::<()>().await;
        drop(dropped);
    };
    let server = server(&jobs).handle(deaf).start(app.clone()).await.unwrap();
    let mut events = server.events();
    let job = jobs.enqueue(Work { n: 0 }).timeout(Duration::from_millis(20)).max_attempts(1);
    let job = job.await.unwrap();
    assert_eq!(next_end(&mut events, job).await, RunEventEnd::Failed(FailReason::Exhausted));
    assert_eq!(app.told(), ["told", "dropped"]);
    let history = detail(&jobs, job).await.history;
    let history = format!("{history:?}");
    assert!(history.contains("kind: Timeout"), "{history}");
}

struct DropTells(App);

impl Drop for DropTells {
    fn drop(&mut self) {
        self.0.tell("dropped");
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct Renamed {
    other: String,
}

impl Job for Renamed {
    const NAME: &'static str = "renamed";
    const ALIASES: &'static [&'static str] = &["work"];
}

#[tokio::test]
async fn arguments_that_cannot_be_read_fail_as_such_and_stay() {
    let (jobs, app) = (client(), App::default());
    let handler = |_: Renamed| async {};
    let server = server(&jobs).handle(handler).start(app).await.unwrap();
    let mut events = server.events();
    let job = jobs.enqueue(Work { n: 5 }).await.unwrap();
    assert_eq!(next_end(&mut events, job).await, RunEventEnd::Failed(FailReason::Undecodable));
    let detail = detail(&jobs, job).await;
    assert_eq!((detail.summary.failures, detail.args), (0, br#"{"n":5}"#.to_vec()));
    let error = detail.summary.error.unwrap();
    assert!(error.contains("missing field `other`"), "{error}");
}

#[tokio::test]
async fn a_snooze_spends_no_attempt() {
    let (jobs, app) = (client(), App::default());
    let handler = |_: Work, context: JobContext| async move {
        assert_eq!(context.attempt(), 1, "a snooze must not count");
        if context.run().0 < 4 { Outcome::snooze(Duration::from_millis(1)) } else { Outcome::DONE }
    };
    let server = server(&jobs).handle(handler).start(app).await.unwrap();
    let mut events = server.events();
    let job = jobs.enqueue(Work { n: 0 }).await.unwrap();
    for _ in 0..3 {
        assert_eq!(next_end(&mut events, job).await, RunEventEnd::Snoozed);
    }
    assert_eq!(next_end(&mut events, job).await, RunEventEnd::Succeeded);
}

#[tokio::test]
async fn a_continuation_reads_the_result_of_its_parent() {
    let (jobs, app) = (client(), App::default());
    let handler = |job: Work, State(app): State<App>, context: JobContext| async move {
        let parent: Option<u32> = context.parent_output().await?;
        app.tell(format!("{} after {parent:?}", job.n));
        Ok::<_, legwork_core::Error>(Output(job.n + 1))
    };
    let server = server(&jobs).handle(handler).start(app.clone()).await.unwrap();
    let mut events = server.events();
    let parent = jobs.enqueue(Work { n: 1 }).after(Duration::from_millis(20)).await.unwrap();
    let child = jobs.enqueue(Work { n: 10 }).continues(parent).await.unwrap();
    assert_eq!(next_end(&mut events, child).await, RunEventEnd::Succeeded);
    assert_eq!(app.told(), ["1 after None", "10 after Some(2)"]);
}

struct Ledger(App);

impl ScopedService<App> for Ledger {
    async fn open(app: &App) -> Result<Self, BoxError> {
        Ok(Self(app.clone()))
    }

    async fn close(self, end: RunEnd) -> Result<(), BoxError> {
        self.0.tell(format!("close {end:?}"));
        if end == RunEnd::Succeeded { Err("commit refused".into()) } else { Ok(()) }
    }
}

#[tokio::test]
async fn a_scoped_service_is_closed_with_the_end_and_can_fail_the_run() {
    let (jobs, app) = (client(), App::default());
    let handler = |job: Work, _ledger: Scoped<Ledger>| async move {
        assert_ne!(job.n, 13, "unlucky");
    };
    let server = server(&jobs).handle(handler).start(app.clone()).await.unwrap();
    let mut events = server.events();
    let job = jobs.enqueue(Work { n: 1 }).max_attempts(1).await.unwrap();
    assert_eq!(next_end(&mut events, job).await, RunEventEnd::Failed(FailReason::Exhausted));
    assert_eq!(detail(&jobs, job).await.summary.error.as_deref(), Some("commit refused"));
    let job = jobs.enqueue(Work { n: 13 }).max_attempts(1).await.unwrap();
    next_end(&mut events, job).await;
    assert_eq!(app.told(), ["close Succeeded", "close Failed"]);
}

#[tokio::test]
async fn a_blocking_handler_runs_off_the_runtime_and_its_panic_is_recorded() {
    let (jobs, app) = (client(), App::default());
    let handler = |job: Work, app: App, context: JobContext| {
        assert_ne!(job.n, 13, "unlucky");
        // It blocks this thread until the other one is let go: on a single-threaded runtime that
        // works only when handlers are on threads of their own.
        app.tell(format!("attempt {}", context.attempt()));
        Output(job.n)
    };
    let server = server(&jobs).handle_blocking(handler).start(app.clone()).await.unwrap();
    let mut events = server.events();
    let job = jobs.enqueue(Work { n: 7 }).await.unwrap();
    assert_eq!(next_end(&mut events, job).await, RunEventEnd::Succeeded);
    let job = jobs.enqueue(Work { n: 13 }).max_attempts(1).await.unwrap();
    assert_eq!(next_end(&mut events, job).await, RunEventEnd::Failed(FailReason::Exhausted));
    let error = detail(&jobs, job).await.summary.error.unwrap();
    assert!(error.contains("unlucky"), "{error}");
}

#[tokio::test]
async fn only_so_many_jobs_run_at_once() {
    let (jobs, app) = (client(), App::default());
    let gate = std::sync::Arc::new(tokio::sync::Semaphore::new(0));
    let opened = std::sync::Arc::clone(&gate);
    let handler = move |_: Work, State(app): State<App>, _: CancellationToken| {
        let gate = std::sync::Arc::clone(&opened);
        async move {
            app.tell("started");
            gate.acquire().await.unwrap().forget();
        }
    };
    let server = server(&jobs).workers(3).handle(handler).start(app.clone()).await.unwrap();
    let mut events = server.events();
    jobs.enqueue_all((0..7).map(|n| Work { n })).await.unwrap();
    crate::fixture::until("three runs", || async { app.told().len() == 3 }).await;
    for ended in 1..=7 {
        gate.add_permits(1);
        within("an end", events.next()).await.unwrap();
        assert!(app.told().len() <= 3 + ended, "a fourth job started beside three");
    }
}

#[tokio::test]
async fn progress_is_written_and_shown() {
    let (jobs, app) = (client(), App::default());
    let handler = |_: Work, context: JobContext| async move {
        context.progress(0.25, "a quarter");
        context.progress(0.5, "half");
        context.cancelled().await;
        Outcome::cancel("seen")
    };
    let server = server(&jobs).handle(handler).start(app).await.unwrap();
    let mut events = server.events();
    let job = jobs.enqueue(Work { n: 1 }).await.unwrap();
    crate::fixture::until("progress", || async {
        let progress = detail(&jobs, job).await.summary.progress;
        progress.is_some_and(|progress| {
            progress.message == "half" && (0.4..0.6).contains(&progress.share)
        })
    })
    .await;
    jobs.cancel(job).await.unwrap();
    assert_eq!(next_end(&mut events, job).await, RunEventEnd::Cancelled);
    assert_eq!(state(&jobs, job).await, JobState::Cancelled);
}
