//! What happens when a loop fails, panics or returns.

use std::time::Duration;

use legwork_core::State;
use legwork_host::{Host, Policy, Restart, ServiceContext, ServiceState, StopReason};
use tokio::time::Instant;

use crate::journal::Journal;

fn done() -> StopReason {
    StopReason::requested("the test is over")
}

async fn failing(State(journal): State<Journal>, cx: ServiceContext) -> Result<(), &'static str> {
    journal.note(format!("attempt {}", cx.attempt()));
    Err("out of luck")
}

#[tokio::test(start_paused = true)]
async fn a_service_that_keeps_failing_is_restarted_five_times_then_the_host_stops() {
    let journal = Journal::default();
    let began = Instant::now();
    let host = Host::builder(journal.clone())
        .background("a", failing)
        .policy(Policy::Restart(Restart::default().jitter(0.0)))
        .handle_signals(false)
        .build()
        .unwrap();
    let handle = host.handle();
    let exit = host.run().await;
    assert_eq!(journal.lines().len(), 6);
    assert_eq!(journal.lines()[5], "attempt 6");
    // 0.2 + 0.4 + 0.8 + 1.6 + 3.2
    assert_eq!(began.elapsed(), Duration::from_millis(6_200));
    assert_eq!(exit.code(), 1);
    assert_eq!(exit.reason().to_string(), "service \"a\" failed: out of luck");
    assert_eq!(handle.status().service("a").unwrap().n_restarts, 5);
}

#[tokio::test(start_paused = true)]
async fn a_restarted_service_goes_on() {
    async fn failing_once(cx: ServiceContext) {
        assert!(cx.attempt() > 1, "first time unlucky");
        cx.stopping().cancelled().await;
    }
    let mut host = Host::builder(()).background("a", failing_once).build().unwrap();
    host.start().await.unwrap();
    let status = host
        .handle()
        .wait_until(|status| {
            let service = status.service("a").unwrap();
            service.n_restarts == 1 && service.state == ServiceState::Running
        })
        .await;
    let error = status.service("a").unwrap().last_error.as_deref();
    assert_eq!(error, Some("panicked: first time unlucky"));
    assert_eq!(host.stop(done()).await.code(), 0, "what was mended is no failure");
}

#[tokio::test(start_paused = true)]
async fn policy_stop_host_stops_at_the_first_failure() {
    let journal = Journal::default();
    let exit = Host::builder(journal.clone())
        .background("a", failing)
        .policy(Policy::StopHost)
        .handle_signals(false)
        .run()
        .await;
    assert_eq!((journal.lines().len(), exit.code()), (1, 1));
    assert_eq!(exit.services()[0].state, ServiceState::Failed);
}

#[tokio::test(start_paused = true)]
async fn policy_ignore_goes_on_without_the_service() {
    let journal = Journal::default();
    let mut host = Host::builder(journal.clone())
        .background("a", failing)
        .policy(Policy::Ignore)
        .build()
        .unwrap();
    host.start().await.unwrap();
    let failed = |state| state == ServiceState::Failed;
    host.handle().wait_until(|status| failed(status.services[0].state)).await;
    tokio::time::advance(Duration::from_mins(10)).await;
    let exit = host.stop(done()).await;
    assert_eq!((journal.lines().len(), exit.code()), (1, 0));
    assert_eq!(exit.services()[0].error.as_deref(), Some("out of luck"));
}

#[tokio::test(start_paused = true)]
async fn a_service_that_returns_is_completed_and_the_host_goes_on() {
    async fn brief() {}
    let mut host = Host::builder(()).background("a", brief).build().unwrap();
    host.start().await.unwrap();
    let completed = |state| state == ServiceState::Completed;
    host.handle().wait_until(|status| completed(status.services[0].state)).await;
    assert!(host.handle().status().ready);
    let exit = host.stop(done()).await;
    assert_eq!((exit.code(), exit.services()[0].state), (0, ServiceState::Completed));
}

#[tokio::test(start_paused = true)]
async fn a_host_can_exit_when_its_background_services_have_completed() {
    async fn brief() {}
    async fn longer(cx: ServiceContext) {
        cx.sleep(Duration::from_secs(9)).await;
    }
    let began = Instant::now();
    let exit = Host::builder(())
        .background("a", brief)
        .background("b", longer)
        .exit_when_completed()
        .handle_signals(false)
        .run()
        .await;
    assert_eq!(began.elapsed(), Duration::from_secs(9));
    assert_eq!((exit.code(), exit.reason()), (0, &StopReason::Completed));
}

#[tokio::test(start_paused = true)]
async fn a_stop_does_not_wait_for_a_back_off() {
    let pause = Duration::from_secs(20);
    let policy = Policy::Restart(Restart::default().back_off(pause, pause).jitter(0.0));
    let journal = Journal::default();
    let mut host =
        Host::builder(journal.clone()).background("a", failing).policy(policy).build().unwrap();
    host.start().await.unwrap();
    let backing_off = |state| state == ServiceState::BackingOff;
    host.handle().wait_until(|status| backing_off(status.services[0].state)).await;
    let began = Instant::now();
    let exit = host.stop(done()).await;
    assert_eq!((exit.code(), began.elapsed()), (0, Duration::ZERO));
    assert_eq!(journal.lines(), ["attempt 1"]);
}
