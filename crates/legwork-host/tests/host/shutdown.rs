//! The stop: budgets, stages, deaf and broken services, draining.

use std::time::Duration;

use legwork_core::{BoxError, RunEnd, Scoped, ScopedService, State};
use legwork_host::{
    Host, HostExit, HostedService, ServiceContext, ServiceState, StopContext, StopReason,
};
use tokio::time::Instant;

use crate::journal::Journal;

fn done() -> StopReason {
    StopReason::requested("the test is over")
}

/// Starts and stops a host; returns its exit and how long the stop took.
async fn stop(host: Host) -> (HostExit, Duration) {
    let mut host = host;
    host.start().await.unwrap();
    let began = Instant::now();
    let exit = host.stop(done()).await;
    (exit, began.elapsed())
}

async fn deaf() {
    std::future::pending::<()>().await;
}

#[tokio::test(start_paused = true)]
async fn a_deaf_service_is_cut_short_before_the_deadline_and_the_code_is_124() {
    let host = Host::builder(()).background("deaf", deaf).build().unwrap();
    let (exit, took) = stop(host).await;
    assert_eq!(exit.code(), 124);
    assert_eq!(took, Duration::from_secs(29), "stage 2 ends a handler");
    assert_eq!(exit.services()[0].state, ServiceState::TimedOut);
    assert_eq!(exit.services()[0].error.as_deref(), Some("did not stop in time: it was cut short"));
}

/// A service whose hook ignores everything.
struct DeafStop;

impl HostedService for DeafStop {
    async fn start(&self, _: &ServiceContext) -> Result<(), BoxError> {
        Ok(())
    }
    async fn stop(&self, _: &StopContext) -> Result<(), BoxError> {
        std::future::pending().await
    }
}

#[tokio::test(start_paused = true)]
async fn a_deaf_stop_hook_is_aborted_at_the_deadline() {
    let host = Host::builder(())
        .service("deaf", DeafStop)
        .shutdown_timeout(Duration::from_secs(8))
        .build()
        .unwrap();
    let (exit, took) = stop(host).await;
    assert_eq!((exit.code(), took), (124, Duration::from_secs(8)));
    let error = exit.services()[0].error.as_deref();
    assert_eq!(error, Some("did not stop in time: it was aborted"));
}

struct Slow(Journal, Duration);

impl HostedService for Slow {
    async fn start(&self, _: &ServiceContext) -> Result<(), BoxError> {
        Ok(())
    }
    async fn stop(&self, cx: &StopContext) -> Result<(), BoxError> {
        tokio::time::sleep(self.1).await; // tidy: paused time
        self.0.note(format!("{} stopped", cx.name()));
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn deaf_services_do_not_starve_those_that_stop_after_them() {
    let journal = Journal::default();
    let slow = |millis| Slow(journal.clone(), Duration::from_millis(millis));
    let host = Host::builder(())
        .service("first", slow(350))
        .service("second", slow(350))
        .service("deaf", DeafStop)
        .service("deaf-too", DeafStop)
        .shutdown_timeout(Duration::from_secs(10))
        .build()
        .unwrap();
    let (exit, took) = stop(host).await;
    assert_eq!(journal.lines(), ["second stopped", "first stopped"]);
    assert!(took <= Duration::from_secs(10), "{took:?}");
    let states: Vec<ServiceState> = exit.services().iter().map(|service| service.state).collect();
    let (stopped, timed_out) = (ServiceState::Stopped, ServiceState::TimedOut);
    assert_eq!(states, [stopped, stopped, timed_out, timed_out]);
    assert_eq!(exit.code(), 124);
}

#[tokio::test(start_paused = true)]
async fn a_slow_service_may_use_the_time_that_the_others_leave() {
    let journal = Journal::default();
    let host = Host::builder(())
        .service("quick", journal.service())
        .service("slow", Slow(journal.clone(), Duration::from_secs(25)))
        .build()
        .unwrap();
    let (exit, took) = stop(host).await;
    assert_eq!((exit.code(), took), (0, Duration::from_secs(25)));
}

#[tokio::test(start_paused = true)]
async fn a_budget_of_its_own_bounds_one_service() {
    let host = Host::builder(())
        .service("deaf", DeafStop)
        .stop_budget(Duration::from_secs(2))
        .build()
        .unwrap();
    let (exit, took) = stop(host).await;
    assert_eq!((exit.code(), took), (124, Duration::from_secs(2)));
}

#[tokio::test(start_paused = true)]
async fn an_error_during_stop_does_not_end_the_stop_and_makes_the_code_1() {
    for hook in ["stopping", "stop", "stopped"] {
        let journal = Journal::default();
        let host = Host::builder(())
            .service("a", journal.service())
            .service("b", journal.failing(hook))
            .build()
            .unwrap();
        let (exit, _) = stop(host).await;
        assert_eq!(journal.lines().len(), 12, "every hook of both was called");
        assert_eq!(exit.code(), 1, "{hook}");
        assert!(exit.services()[1].failed_to_stop);
    }
}

struct PanickingStop;

impl HostedService for PanickingStop {
    async fn start(&self, _: &ServiceContext) -> Result<(), BoxError> {
        Ok(())
    }
    async fn stop(&self, _: &StopContext) -> Result<(), BoxError> {
        panic!("cannot let go");
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_during_stop_does_not_end_the_stop() {
    let journal = Journal::default();
    let host = Host::builder(())
        .service("a", journal.service())
        .service("b", PanickingStop)
        .build()
        .unwrap();
    let (exit, _) = stop(host).await;
    assert_eq!(journal.lines().last().unwrap(), "stopped a");
    assert_eq!(exit.services()[1].error.as_deref(), Some("panicked: cannot let go"));
    assert_eq!(exit.services()[1].state, ServiceState::Failed);
    assert_eq!(exit.code(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_ends_at_stage_2_has_stopped_well() {
    async fn stubborn(State(journal): State<Journal>, cx: ServiceContext) {
        cx.stopping().cancelled().await;
        journal.note("asked");
        tokio::time::sleep(Duration::from_secs(28)).await; // tidy: paused time
        journal.note("finished");
    }
    let journal = Journal::default();
    let host = Host::builder(journal.clone()).background("a", stubborn).build().unwrap();
    let (exit, took) = stop(host).await;
    assert_eq!(journal.lines(), ["asked", "finished"]);
    assert_eq!((exit.code(), took), (0, Duration::from_secs(28)));
}

#[tokio::test(start_paused = true)]
async fn an_error_of_a_loop_that_is_being_stopped_makes_the_code_1() {
    async fn sore(cx: ServiceContext) -> Result<(), &'static str> {
        cx.stopping().cancelled().await;
        Err("lost my place")
    }
    let host = Host::builder(()).background("a", sore).build().unwrap();
    let (exit, _) = stop(host).await;
    assert_eq!(exit.code(), 1);
    assert_eq!(exit.services()[0].error.as_deref(), Some("lost my place"));
}

#[tokio::test(start_paused = true)]
async fn every_service_learns_at_once_that_the_host_stops_and_drains_until_its_turn() {
    async fn observe(State((journal, began)): State<(Journal, Instant)>, cx: ServiceContext) {
        cx.host_stopping().cancelled().await;
        journal.note(format!("host stopping after {:?}", began.elapsed()));
        cx.stopping().cancelled().await;
        journal.note(format!("stopping after {:?}", began.elapsed()));
    }
    let journal = Journal::default();
    let host = Host::builder((journal.clone(), Instant::now()))
        .background("a", observe)
        .drain_delay(Duration::from_secs(5))
        .build()
        .unwrap();
    let handle = host.handle();
    let (exit, took) = stop(host).await;
    assert_eq!(journal.lines(), ["host stopping after 0ns", "stopping after 5s"]);
    assert_eq!((exit.code(), took), (0, Duration::from_secs(5)));
    assert!(!handle.status().ready);
}

#[tokio::test(start_paused = true)]
async fn a_stop_hook_knows_its_reason_and_its_time() {
    struct Asking(Journal);
    impl HostedService for Asking {
        async fn start(&self, _: &ServiceContext) -> Result<(), BoxError> {
            Ok(())
        }
        async fn stop(&self, cx: &StopContext) -> Result<(), BoxError> {
            self.0.note(format!("{}: {:?}", cx.reason(), cx.remaining()));
            Ok(())
        }
    }
    let journal = Journal::default();
    let host = Host::builder(())
        .service("a", Asking(journal.clone()))
        .service("b", journal.service())
        .shutdown_timeout(Duration::from_secs(10))
        .build()
        .unwrap();
    let (_, _) = stop(host).await;
    let line = journal.lines().into_iter().find(|line| line.starts_with("the test"));
    assert_eq!(line.as_deref(), Some("the test is over: 9s"));
}

#[tokio::test(start_paused = true)]
async fn the_scope_of_a_loop_is_closed_also_when_it_is_cut_short() {
    struct Lock(Journal);
    impl ScopedService<Journal> for Lock {
        async fn open(journal: &Journal) -> Result<Self, BoxError> {
            journal.note("open");
            Ok(Self(journal.clone()))
        }
        async fn close(self, end: RunEnd) -> Result<(), BoxError> {
            self.0.note(format!("close {end:?}"));
            Ok(())
        }
    }
    async fn hold(_lock: Scoped<Lock>) {
        std::future::pending::<()>().await;
    }
    let journal = Journal::default();
    let host = Host::builder(journal.clone()).background("a", hold).build().unwrap();
    let (exit, _) = stop(host).await;
    assert_eq!(journal.lines(), ["open", "close Failed"]);
    assert_eq!(exit.code(), 124);
}
