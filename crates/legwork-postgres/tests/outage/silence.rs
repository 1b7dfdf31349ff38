//! A network that says nothing, and a server that is away: every call ends within its limit, and
//! work goes on soon after.

use std::time::Duration;

use legwork_core::storage::{NewJob, Storage as _};
use legwork_core::{ErrorKind, Kind, Result};
use tokio::time::{Instant, sleep_until, timeout};

use crate::fixture::{Fixture, Server, heard_at_once, job};
use crate::proxy::Flow;

/// How long the network is silent: longer than any call may take.
const OUTAGE: Duration = Duration::from_secs(12);

/// How long a call may take, and what a busy machine adds to it.
const CALL_LIMIT: Duration = Duration::from_secs(10);
const SLACK: Duration = Duration::from_secs(2);

/// How soon after an outage everything works again.
const RECOVERY: Duration = Duration::from_secs(10);

/// Calls again and again until an answer comes after `healed_at`; returns how many had none.
async fn call_until<T>(healed_at: Instant, mut call: impl AsyncFnMut() -> Result<T>) -> u32 {
    let mut n_failed = 0;
    loop {
        let started = Instant::now();
        let answer = call().await;
        assert!(started.elapsed() < CALL_LIMIT + SLACK, "it took {:?}", started.elapsed());
        match answer {
            Ok(_) if started > healed_at => return n_failed,
            Ok(_) => {}
            Err(error) => {
                let kind = error.kind();
                assert!(matches!(kind, ErrorKind::Unavailable | ErrorKind::Unknown), "{error:?}");
                n_failed += 1;
            }
        }
        assert!(Instant::now() < healed_at + RECOVERY + SLACK, "it still fails");
        tokio::task::yield_now().await;
    }
}

/// Works while nothing passes, heals, and expects everything to work again; returns how many calls
/// failed.
async fn survive(fx: &Fixture, flow: Flow) -> u32 {
    let server = Server::register(&fx.storage).await;
    fx.storage.enqueue(vec![job(0)]).await.unwrap();
    let healed_at = Instant::now() + OUTAGE;
    fx.proxy.set_flow(flow);
    if !flow.takes {
        fx.proxy.cut();
    }
    let heal = async {
        sleep_until(healed_at).await;
        fx.proxy.set_flow(Flow::OPEN);
    };
    let (.., enqueues, claims, beats) = tokio::join!(
        heal,
        call_until(healed_at, async || fx.storage.enqueue(vec![job(1)]).await),
        call_until(healed_at, async || server.exchange(Vec::new(), 1).await),
        call_until(healed_at, async || fx.storage.heartbeat(server.incarnation()).await),
    );
    heard_at_once(&fx.storage, &fx.direct, healed_at + RECOVERY + SLACK).await;
    enqueues + claims + beats
}

#[tokio::test]
async fn silence_ends_no_connection_and_costs_no_call_more_than_its_limit() {
    let Some(fx) = Fixture::create().await else { return };
    assert!(survive(&fx, Flow::SILENT).await >= 3, "each kind of call had to fail");
}

#[tokio::test]
async fn connections_that_are_lost_without_a_word_are_replaced() {
    let Some(fx) = Fixture::create().await else { return };
    fx.proxy.forget();
    assert!(survive(&fx, Flow::SILENT).await >= 3, "each kind of call had to fail");
}

#[tokio::test]
async fn answers_that_are_lost_cost_no_call_more_than_its_limit() {
    let Some(fx) = Fixture::create().await else { return };
    survive(&fx, Flow { down: false, ..Flow::OPEN }).await;
}

#[tokio::test]
async fn an_outage_costs_few_attempts_to_connect() {
    let Some(fx) = Fixture::create().await else { return };
    let before = fx.proxy.n_taken();
    assert!(survive(&fx, Flow::CLOSED).await >= 3, "each kind of call had to fail");
    let n_dials = fx.proxy.n_taken() - before;
    // Each of five connections waits 1.5 s on average once it has failed seven times.
    assert!(n_dials < 120, "{n_dials} attempts in {OUTAGE:?}");
}

#[tokio::test]
async fn many_calls_for_a_new_kind_wait_for_one_connection() {
    let Some(fx) = Fixture::create().await else { return };
    let before = fx.proxy.n_taken();
    fx.proxy.set_flow(Flow::CLOSED);
    fx.proxy.cut();
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..50 {
        let storage = fx.storage.clone();
        let job = NewJob::new(Kind::new("fresh").unwrap(), b"1".to_vec());
        calls.spawn(async move { storage.enqueue(vec![job]).await });
    }
    let heal = async {
        sleep_until(Instant::now() + Duration::from_secs(3)).await;
        let n_dials = fx.proxy.n_taken() - before;
        assert!(n_dials < 60, "{n_dials} attempts of 50 calls");
        fx.proxy.set_flow(Flow::OPEN);
    };
    let (answers, ()) = tokio::join!(timeout(CALL_LIMIT, calls.join_all()), heal);
    for answer in answers.expect("within the limit of a call") {
        assert!(answer.unwrap()[0].is_new());
    }
}

#[tokio::test]
async fn a_new_kind_costs_no_call_more_than_its_limit() {
    let Some(fx) = Fixture::create().await else { return };
    let started = Instant::now();
    // The connection for names is made, and says nothing from its first statement on.
    fx.proxy.set_stop("kind");
    let job = NewJob::new(Kind::new("fresh").unwrap(), b"1".to_vec());
    let answer = timeout(CALL_LIMIT + SLACK, fx.storage.enqueue(vec![job])).await;
    let error = answer.expect("within the limit of a call").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
    assert!(fx.proxy.was_sprung() && started.elapsed() >= CALL_LIMIT, "it was tried");
}

#[tokio::test]
async fn connections_that_say_nothing_any_more_are_closed() {
    let Some(fx) = Fixture::create().await else { return };
    fx.storage.enqueue(vec![job(0)]).await.unwrap();
    fx.proxy.set_stop("77007700");
    let error = fx.storage.enqueue(vec![job(77_007_700)]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unknown, "{error:?}");
    fx.proxy.stopped_ends(RECOVERY).await;
}
