//! Start in order, roll-back, readiness gates, stop in reverse.

use std::time::Duration;

use legwork_core::{BoxError, ErrorKind, State};
use legwork_host::{
    BackgroundService, Host, HostPhase, HostedService, Schedule, ServiceContext, ServiceState,
    StopContext, StopReason, TaskQueue,
};
use tokio::time::Instant;

use crate::journal::Journal;

fn done() -> StopReason {
    StopReason::requested("the test is over")
}

#[tokio::test(start_paused = true)]
async fn phases_are_barriers_in_order_and_stop_is_in_reverse() {
    let journal = Journal::default();
    let mut host = Host::builder(())
        .service("a", journal.service())
        .service("b", journal.service())
        .build()
        .unwrap();
    host.start().await.unwrap();
    assert_eq!(host.handle().status().phase, HostPhase::Started);
    let exit = host.stop(done()).await;
    let expected = [
        "starting a",
        "starting b",
        "start a",
        "start b",
        "started a",
        "started b",
        "stopping b",
        "stopping a",
        "stop b",
        "stop a",
        "stopped b",
        "stopped a",
    ];
    assert_eq!(journal.lines(), expected);
    assert_eq!((exit.code(), exit.reason()), (0, &done()));
    assert_eq!(host.handle().status().phase, HostPhase::Stopped);
    assert!(host.handle().stopped().is_cancelled());
}

#[tokio::test(start_paused = true)]
async fn a_failed_start_rolls_back_in_reverse_and_stops_nothing_else() {
    let journal = Journal::default();
    let mut host = Host::builder(())
        .service("a", journal.service())
        .service("b", journal.service())
        .service("c", journal.failing("start"))
        .service("d", journal.service())
        .build()
        .unwrap();
    let exit = host.start().await.unwrap_err();
    let lines = journal.lines();
    assert_eq!(
        lines[4..],
        [
            "start a",
            "start b",
            "start c",
            "stopping b",
            "stopping a",
            "stop b",
            "stop a",
            "stopped b",
            "stopped a",
        ]
    );
    assert_eq!(exit.code(), 1);
    assert_eq!(exit.reason().to_string(), "service \"c\" did not start: start is broken");
    let states: Vec<ServiceState> = exit.services().iter().map(|service| service.state).collect();
    let (stopped, failed) = (ServiceState::Stopped, ServiceState::Failed);
    assert_eq!(states, [stopped, stopped, failed, ServiceState::Registered]);
}

#[tokio::test(start_paused = true)]
async fn a_failing_started_hook_fails_the_start() {
    let journal = Journal::default();
    let mut host = Host::builder(()).service("a", journal.failing("started")).build().unwrap();
    let exit = host.start().await.unwrap_err();
    assert_eq!(exit.code(), 1);
    assert_eq!(journal.lines().last().unwrap(), "stopped a");
}

struct Panicking;

impl HostedService for Panicking {
    async fn start(&self, _: &ServiceContext) -> Result<(), BoxError> {
        panic!("no disk");
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_start_is_an_error_of_the_start() {
    let mut host = Host::builder(()).service("a", Panicking).build().unwrap();
    let exit = host.start().await.unwrap_err();
    assert_eq!(exit.reason().to_string(), "service \"a\" did not start: panicked: no disk");
}

/// Starts only when it is asked to stop.
struct Patient(Journal);

impl HostedService for Patient {
    async fn start(&self, cx: &ServiceContext) -> Result<(), BoxError> {
        self.0.note("waiting");
        cx.host().stop(StopReason::requested("changed my mind"));
        cx.stopping().cancelled().await;
        Ok(())
    }
    async fn stop(&self, _: &StopContext) -> Result<(), BoxError> {
        self.0.note("stopped again");
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn a_stop_during_start_is_no_error_and_rolls_back() {
    let journal = Journal::default();
    let exit = Host::builder(())
        .service("a", journal.service())
        .service("b", Patient(journal.clone()))
        .service("c", journal.service())
        .handle_signals(false)
        .run()
        .await;
    let lines = journal.lines();
    assert_eq!(
        lines[2..],
        ["start a", "waiting", "stopping a", "stopped again", "stop a", "stopped a"]
    );
    assert_eq!(exit.code(), 0);
    assert_eq!(exit.services()[2].state, ServiceState::Registered);
}

#[tokio::test(start_paused = true)]
async fn a_host_that_is_stopped_before_its_start_starts_nothing() {
    let journal = Journal::default();
    let host =
        Host::builder(()).service("a", journal.service()).handle_signals(false).build().unwrap();
    host.handle().stop(StopReason::exit_code(7, "never mind"));
    let exit = host.run().await;
    assert_eq!(journal.lines(), [""; 0]);
    assert_eq!(exit.code(), 7, "the application's own code");
}

struct Endless;

impl HostedService for Endless {
    async fn start(&self, _: &ServiceContext) -> Result<(), BoxError> {
        std::future::pending().await
    }
}

#[tokio::test(start_paused = true)]
async fn a_start_that_takes_too_long_fails() {
    let limit = Duration::from_secs(20);
    let mut host = Host::builder(()).service("a", Endless).start_timeout(limit).build().unwrap();
    let began = Instant::now();
    let exit = host.start().await.unwrap_err();
    assert_eq!(began.elapsed(), limit);
    let message = "service \"a\" did not start: Start took longer than 20s";
    assert_eq!(exit.reason().to_string(), message);
}

#[tokio::test(start_paused = true)]
async fn a_second_stop_returns_the_same_exit_and_runs_no_hook_again() {
    let journal = Journal::default();
    let mut host = Host::builder(()).service("a", journal.service()).build().unwrap();
    host.start().await.unwrap();
    let first = host.stop(done()).await;
    let n_lines = journal.lines().len();
    let second = host.stop(StopReason::requested("again")).await;
    assert_eq!(first.to_string(), second.to_string());
    assert_eq!(journal.lines().len(), n_lines);
}

#[tokio::test]
async fn build_reports_all_problems_at_once() {
    async fn nothing() {}
    let queue = TaskQueue::new();
    let error = Host::builder(())
        .start_timeout(Duration::from_secs(1))
        .background("a b", nothing)
        .background("twice", nothing)
        .background("Twice", nothing)
        .timer("timer", Schedule::every(Duration::ZERO), nothing)
        .timer("cron", Schedule::cron("61 * * * *", "UTC"), nothing)
        .task_queue("queue", &TaskQueue::bounded(0).workers(0))
        .task_queue("mail", &queue)
        .task_queue("mail-again", &queue)
        .gates_readiness()
        .shutdown_timeout(Duration::ZERO)
        .build()
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    let message = error.to_string();
    for part in [
        "start_timeout was called before any service",
        "service name \"a b\" has ' ' at byte 1",
        "two services are named \"Twice\"",
        "timer \"timer\": its period is zero",
        "timer \"cron\": ",
        "task queue \"queue\": its capacity is zero",
        "task queue \"queue\": it has no workers",
        "\"mail-again\" works a task queue for the second time",
        "\"mail-again\" cannot gate the readiness",
        "shutdown_timeout is zero",
    ] {
        assert!(message.contains(part), "{part:?} is missing in {message:?}");
    }
}

#[tokio::test]
async fn a_host_that_cannot_be_built_exits_with_78() {
    let exit = Host::builder(()).shutdown_timeout(Duration::ZERO).run().await;
    assert_eq!(exit.code(), 78);
    let line = "host exit 78: the host cannot be built: shutdown_timeout is zero";
    assert_eq!(exit.to_string(), line);
}

#[tokio::test(start_paused = true)]
async fn a_gated_service_holds_the_start_until_it_is_ready() {
    async fn warm_up(State(journal): State<Journal>, cx: ServiceContext) {
        cx.not_ready("warming up");
        cx.sleep(Duration::from_secs(3)).await;
        journal.note("warm");
        cx.ready();
        cx.stopping().cancelled().await;
    }
    let journal = Journal::default();
    let mut host = Host::builder(journal.clone())
        .background("cache", warm_up)
        .gates_readiness()
        .service("other", journal.service())
        .build()
        .unwrap();
    let handle = host.handle();
    let watch = handle.wait_until(|status| {
        status.service("cache").and_then(|s| s.not_ready_reason.as_deref()) == Some("warming up")
    });
    let (started, seen) = tokio::join!(host.start(), watch);
    started.unwrap();
    assert!(!seen.ready);
    assert_eq!(seen.phase, HostPhase::Starting);
    let expected = ["starting other", "start other", "warm", "started other"];
    assert_eq!(journal.lines(), expected, "the gate holds the end of the start, not the others");
    assert!(handle.status().ready);
    assert_eq!(host.stop(done()).await.code(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_gated_service_that_fails_before_it_is_ready_fails_the_start() {
    async fn broken() -> Result<(), &'static str> {
        Err("no source")
    }
    let journal = Journal::default();
    let mut host = Host::builder(())
        .service("a", journal.service())
        .background("cache", broken)
        .gates_readiness()
        .build()
        .unwrap();
    let exit = host.start().await.unwrap_err();
    assert_eq!(exit.code(), 1);
    let message = "service \"cache\" did not start: failed before it was ready: no source";
    assert_eq!(exit.reason().to_string(), message);
    assert_eq!(journal.lines().last().unwrap(), "stopped a");
}

struct Prepared(Journal);

impl BackgroundService for Prepared {
    async fn start(&self, _: &ServiceContext) -> Result<(), BoxError> {
        self.0.note("prepared");
        Ok(())
    }
    async fn run(&self, cx: ServiceContext) -> Result<(), BoxError> {
        self.0.note("running");
        cx.stopping().cancelled().await;
        self.0.note("finished");
        Ok(())
    }
    async fn stop(&self, _: &StopContext) -> Result<(), BoxError> {
        self.0.note("cleaned up");
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn a_background_service_prepares_runs_finishes_and_cleans_up() {
    let journal = Journal::default();
    let mut host =
        Host::builder(()).background_service("a", Prepared(journal.clone())).build().unwrap();
    host.start().await.unwrap();
    let exit = host.stop(done()).await;
    assert_eq!(journal.lines(), ["prepared", "running", "finished", "cleaned up"]);
    assert_eq!(exit.code(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_host_cancels_its_services() {
    async fn note_end(State(journal): State<Journal>, cx: ServiceContext) {
        cx.stopping().cancelled().await;
        journal.note("cancelled");
    }
    let journal = Journal::default();
    let mut host = Host::builder(journal.clone()).background("a", note_end).build().unwrap();
    host.start().await.unwrap();
    drop(host);
    tokio::task::yield_now().await;
    assert_eq!(journal.lines(), ["cancelled"]);
}
