//! Wake-ups: a change reaches who waits for it, without a poll.
//!
//! A hint may come for nothing, so that the cases only prove that one comes.

use std::time::Duration;

use legwork_core::Capability;
use legwork_core::storage::Wakes;

use super::Fixture;
use super::draft::{Draft as _, job, jobs, secs, succeeded};

cases! { ($) wake __wake_cases:
    comes_when_a_job_is_enqueued,
    comes_when_a_delayed_job_is_enqueued,
    comes_when_a_queue_is_resumed,
    comes_when_a_job_is_requeued,
    comes_when_a_running_job_is_to_be_cancelled,
    comes_when_due_jobs_are_promoted,
    comes_when_a_child_is_let_go,
    comes_when_the_jobs_of_a_dead_server_are_rescued,
    reaches_every_watcher,
    reaches_a_watcher_of_another_handle,
    is_not_lost_before_it_is_waited_for,
}

/// How long a hint may take; it is far more than a storage needs.
const WAKE_SECS_MAX: u64 = 10;

async fn woken(wakes: &mut Wakes, why: &str) {
    let hint = tokio::time::timeout(Duration::from_secs(WAKE_SECS_MAX), wakes.next()).await;
    assert!(hint.is_ok(), "no hint came within {WAKE_SECS_MAX} s: {why}");
}

async fn comes_when_a_job_is_enqueued(fx: &Fixture) {
    let mut wakes = fx.store().watch();
    for n in 1..=3 {
        let (_, ()) = tokio::join!(fx.enqueue(job()), woken(&mut wakes, "enqueue"));
        assert_eq!(fx.count(legwork_core::JobState::Enqueued).await, n);
    }
}

async fn comes_when_a_delayed_job_is_enqueued(fx: &Fixture) {
    let mut wakes = fx.store().watch();
    fx.enqueue(job().after(secs(60))).await;
    woken(&mut wakes, "the promoter must learn of an earlier due time").await;
}

async fn comes_when_a_queue_is_resumed(fx: &Fixture) {
    fx.pause("default").await;
    fx.enqueue(job()).await;
    let mut wakes = fx.store().watch();
    fx.resume("default").await;
    woken(&mut wakes, "resume").await;
}

async fn comes_when_a_job_is_requeued(fx: &Fixture) {
    let id = fx.enqueue(job()).await;
    fx.server().await.work_one(succeeded()).await;
    let mut wakes = fx.store().watch();
    fx.requeue(id).await;
    woken(&mut wakes, "requeue").await;
}

async fn comes_when_a_running_job_is_to_be_cancelled(fx: &Fixture) {
    let id = fx.enqueue(job()).await;
    fx.server().await.claim_one().await;
    let mut wakes = fx.store().watch();
    fx.cancel(id).await;
    woken(&mut wakes, "a request must not wait for the next beat").await;
}

async fn comes_when_due_jobs_are_promoted(fx: &Fixture) {
    fx.enqueue(job().after(secs(1))).await;
    fx.advance(secs(1));
    let mut wakes = fx.store().watch();
    fx.promote().await;
    woken(&mut wakes, "promote").await;
}

async fn comes_when_a_child_is_let_go(fx: &Fixture) {
    let parent = fx.enqueue(job()).await;
    fx.enqueue(job().child_of(parent)).await;
    let server = fx.server().await;
    let claimed = server.claim_one().await;
    let mut wakes = fx.store().watch();
    server.succeed(&claimed).await;
    woken(&mut wakes, "continuation").await;
}

async fn comes_when_the_jobs_of_a_dead_server_are_rescued(fx: &Fixture) {
    fx.enqueue(job()).await;
    let server = fx.server().await;
    server.claim_one().await;
    let mut wakes = fx.store().watch();
    fx.kill(&server).await;
    woken(&mut wakes, "rescue").await;
}

async fn reaches_every_watcher(fx: &Fixture) {
    let (mut one, mut two) = (fx.store().watch(), fx.store().watch());
    fx.enqueue(job()).await;
    woken(&mut one, "the first watcher").await;
    woken(&mut two, "the second watcher").await;
}

async fn reaches_a_watcher_of_another_handle(fx: &Fixture) {
    if !fx.has(Capability::PushWakeUps) {
        return;
    }
    let mut wakes = fx.other_store().watch();
    fx.enqueue_all(jobs(2)).await;
    woken(&mut wakes, "the other handle").await;
}

async fn is_not_lost_before_it_is_waited_for(fx: &Fixture) {
    let mut wakes = fx.store().watch();
    fx.enqueue(job()).await;
    assert_eq!(fx.count(legwork_core::JobState::Enqueued).await, 1);
    woken(&mut wakes, "it came before anybody waited").await;
}
