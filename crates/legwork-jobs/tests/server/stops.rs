//! Shutdown, lost leases, dead servers: every unfinished job comes back.

use std::time::Duration;

use legwork_core::storage::server::{Rescue, SilentServer};
use legwork_core::{CancelReason, JobContext, JobState, Outcome, State};
use legwork_jobs::RunEvent;
use legwork_jobs::observer::RunEventEnd;

use crate::fixture::{App, Work, client, detail, next_end, server, state, until, within};

#[tokio::test]
async fn a_run_that_ends_in_time_is_recorded() {
    let (jobs, app) = (client(), App::default());
    let go = std::sync::Arc::new(tokio::sync::Notify::new());
    let let_go = std::sync::Arc::clone(&go);
    let handler = move |_: Work, State(app): State<App>| {
        let go = std::sync::Arc::clone(&go);
        async move {
            app.tell("started");
            go.notified().await;
        }
    };
    let server = server(&jobs).handle(handler).start(app.clone()).await.unwrap();
    let job = jobs.enqueue(Work { n: 1 }).await.unwrap();
    until("a run", || async { !app.told().is_empty() }).await;
    server.stop_claiming();
    let later = jobs.enqueue(Work { n: 2 }).await.unwrap();
    let_go.notify_one();
    let report = within("the stop", server.stop_within(Duration::from_secs(10))).await;
    assert_eq!((report.released, report.clean), (0, true));
    assert_eq!(state(&jobs, job).await, JobState::Succeeded);
    assert_eq!(state(&jobs, later).await, JobState::Enqueued);
}

#[tokio::test]
async fn a_run_that_is_told_to_stop_goes_back_without_spending_an_attempt() {
    let (jobs, app) = (client(), App::default());
    let handler = |_: Work, State(app): State<App>, context: JobContext| async move {
        app.tell(format!("run {} attempt {}", context.run(), context.attempt()));
        if context.run().0 == 1 {
            assert_eq!(context.cancelled().await, CancelReason::Shutdown);
            return Err("stopped half-way");
        }
        Ok(())
    };
    let first = server(&jobs).handle(handler).start(app.clone()).await.unwrap();
    let job = jobs.enqueue(Work { n: 1 }).await.unwrap();
    until("a run", || async { !app.told().is_empty() }).await;
    within("the stop", first.stop_within(Duration::from_millis(300))).await;
    let summary = detail(&jobs, job).await.summary;
    assert_eq!((summary.state, summary.failures), (JobState::Enqueued, 0));
    let second = server(&jobs).handle(handler).start(app.clone()).await.unwrap();
    assert_eq!(next_end(&mut second.events(), job).await, RunEventEnd::Succeeded);
    assert_eq!(app.told(), ["run 1 attempt 1", "run 2 attempt 1"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn handlers_that_ignore_the_stop_cannot_hold_it() {
    let (jobs, app) = (client(), App::default());
    let (release, blocked) = std::sync::mpsc::channel::<()>();
    let blocked = std::sync::Arc::new(std::sync::Mutex::new(blocked));
    let handler = move |job: Work, State(app): State<App>| {
        let blocked = std::sync::Arc::clone(&blocked);
        async move {
            app.tell("started");
            if job.n == 1 {
                // Blocks its thread until the test ends.
                blocked.lock().unwrap().recv().unwrap_err();
            }
            std::future::pending::<()>().await;
        }
    };
    let server = server(&jobs).handle(handler).start(app.clone()).await.unwrap();
    let deaf = jobs.enqueue(Work { n: 0 }).await.unwrap();
    let blocking = jobs.enqueue(Work { n: 1 }).await.unwrap();
    until("two runs", || async { app.told().len() == 2 }).await;
    within("the stop", server.stop_within(Duration::from_secs(1))).await;
    for job in [deaf, blocking] {
        let summary = detail(&jobs, job).await.summary;
        assert_eq!((summary.state, summary.failures), (JobState::Enqueued, 0));
    }
    drop(release);
}

#[tokio::test]
async fn jobs_that_were_claimed_ahead_go_back_untouched() {
    let (jobs, app) = (client(), App::default());
    let handler = |job: Work, State(app): State<App>, context: JobContext| async move {
        if job.n < 200 {
            return Outcome::DONE;
        }
        app.tell("long");
        context.cancelled().await;
        Outcome::discard("must not count")
    };
    let server = server(&jobs).workers(1).handle(handler).start(app.clone()).await.unwrap();
    jobs.enqueue_all((0..300).map(|n| Work { n })).await.unwrap();
    until("the long run", || async { !app.told().is_empty() }).await;
    within("the stop", server.stop_within(Duration::from_secs(1))).await;
    let counts = jobs.store().counts().await.unwrap();
    assert_eq!((counts.succeeded.n, counts.processing.n), (200, 0));
    assert_eq!(counts.enqueued.n + counts.failed.n, 100);
}

#[tokio::test]
async fn a_server_that_was_declared_dead_drops_its_runs_and_goes_on() {
    let (jobs, app) = (client(), App::default());
    let handler = |_: Work, State(app): State<App>, context: JobContext| async move {
        if context.run().0 == 1 {
            app.tell("first");
            app.tell(context.cancelled().await.to_string());
        }
    };
    let server = server(&jobs).handle(handler).start(app.clone()).await.unwrap();
    let mut events = server.events();
    let dead = server.incarnation();
    let job = jobs.enqueue(Work { n: 1 }).await.unwrap();
    until("a run", || async { !app.told().is_empty() }).await;
    until("the rescue", || async {
        let beats = jobs.store().beats().await.unwrap();
        let silent = beats.iter().map(|b| SilentServer { server: b.server, beat: b.beat });
        let rescue = Rescue { silent: silent.collect(), max_jobs: 10, losses_max: 3 };
        jobs.store().rescue(rescue).await.unwrap().servers == [dead]
    })
    .await;
    // The second run does not wait for the first to have left its thread.
    until("the success", || async { state(&jobs, job).await == JobState::Succeeded }).await;
    assert_ne!(server.incarnation(), dead);
    within("the stop", server.stop()).await;
    drop(server);
    let mut ends = Vec::new();
    while let Some(RunEvent { run, end, .. }) = within("the end of events", events.next()).await {
        ends.push((run.0, end));
    }
    ends.sort_by_key(|(run, _)| *run);
    assert_eq!(ends, [(1, RunEventEnd::Lost), (2, RunEventEnd::Succeeded)], "each once");
    assert_eq!(app.told(), ["first", "lease lost"]);
    let summary = detail(&jobs, job).await.summary;
    assert_eq!((summary.run.0, summary.failures), (2, 0));
}

#[tokio::test]
async fn jobs_that_were_claimed_ahead_of_a_lost_lease_are_not_run_under_it() {
    let (jobs, app) = (client(), App::default());
    let handler = |job: Work, State(app): State<App>, context: JobContext| async move {
        if job.n >= 200 {
            app.tell(format!("{} run {}", job.n, context.run()));
        }
        if job.n == 200 && context.run().0 == 1 {
            context.cancelled().await;
        }
    };
    let server = server(&jobs).workers(1).handle(handler).start(app.clone()).await.unwrap();
    let dead = server.incarnation();
    jobs.enqueue_all((0..220).map(|n| Work { n })).await.unwrap();
    until("the long run", || async { !app.told().is_empty() }).await;
    until("the rescue", || async {
        let beats = jobs.store().beats().await.unwrap();
        let silent = beats.iter().map(|b| SilentServer { server: b.server, beat: b.beat });
        let rescue = Rescue { silent: silent.collect(), max_jobs: 999, losses_max: 3 };
        jobs.store().rescue(rescue).await.unwrap().servers == [dead]
    })
    .await;
    until("all of them", || async { jobs.store().counts().await.unwrap().succeeded.n == 220 })
        .await;
    let mut told = app.told();
    told.sort();
    let second = told.iter().filter(|line| line.ends_with("run 2")).count();
    assert!(second > 1, "nothing was claimed ahead: {told:?}");
    assert_eq!(told.len(), 21, "only the long one started twice: {told:?}");
}

#[tokio::test]
async fn the_jobs_of_a_server_that_vanished_are_rescued() {
    let (jobs, app) = (client(), App::default());
    let handler = |_: Work, State(app): State<App>, context: JobContext| async move {
        app.tell(format!("run {}", context.run()));
        if context.run().0 == 1 {
            std::future::pending::<()>().await;
        }
    };
    let vanishing = server(&jobs).lease(Duration::from_secs(1)).handle(handler);
    let vanishing = vanishing.start(app.clone()).await.unwrap();
    let job = jobs.enqueue(Work { n: 1 }).await.unwrap();
    until("a run", || async { !app.told().is_empty() }).await;
    drop(vanishing);
    let survivor = server(&jobs).lease(Duration::from_secs(1)).handle(handler);
    let survivor = survivor.start(app.clone()).await.unwrap();
    assert_eq!(next_end(&mut survivor.events(), job).await, RunEventEnd::Succeeded);
    assert_eq!(app.told(), ["run 1", "run 2"]);
}
