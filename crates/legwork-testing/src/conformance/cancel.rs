//! Cancelling: at once before the start, by request while running, never after the end.
//!
//! What a cancelled parent does to its children is in `continuation.rs`.

use legwork_core::inspect::History;
use legwork_core::storage::{Cancelled, ClaimedJob, Finished};
use legwork_core::{Actor, JobState as S, On};

use super::Fixture;
use super::draft::{
    Draft as _, cancelled, ending, job, jobs, released, retry, secs, snoozed, succeeded,
};
use super::server::ids;

cases! { ($) cancel __cancel_cases:
    ends_an_enqueued_job_at_once,
    ends_a_scheduled_job_at_once,
    ends_an_awaiting_job_at_once,
    takes_one_job_out_of_the_middle_of_a_batch,
    takes_several_jobs_out_of_one_batch,
    takes_out_a_job_that_was_put_back,
    only_requests_the_end_of_a_processing_job,
    reaches_the_heartbeat_of_the_server_that_holds_the_job,
    reaches_no_other_server,
    is_forgotten_when_the_run_has_ended,
    lets_the_verdict_decide_how_a_processing_job_ends,
    tells_the_state_of_a_job_that_has_ended,
    tells_that_there_is_no_such_job,
    may_be_repeated,
    keeps_who_and_why,
    never_lets_a_cancelled_job_start,
    ends_a_retry_that_waits,
    that_was_requested_ends_a_job_that_would_run_again,
    that_was_requested_ends_a_job_whose_server_died,
    that_was_requested_ends_a_job_whose_server_retired,
    that_was_requested_does_not_end_a_later_life,
}

async fn ends_an_enqueued_job_at_once(fx: &Fixture) {
    let id = fx.enqueue(job()).await;
    fx.advance(secs(9));
    assert_eq!(fx.cancel(id).await, Cancelled::BeforeStart);
    let summary = fx.detail(id).await.summary;
    assert_eq!((summary.state, summary.at), (S::Cancelled, fx.now()));
    assert_eq!((fx.count(S::Enqueued).await, fx.count(S::Cancelled).await), (0, 1));
}

async fn ends_a_scheduled_job_at_once(fx: &Fixture) {
    let id = fx.enqueue(job().after(secs(5))).await;
    assert_eq!(fx.cancel(id).await, Cancelled::BeforeStart);
    fx.advance(secs(5));
    assert_eq!(fx.promote().await.jobs, 0);
    assert_eq!(fx.state(id).await, S::Cancelled);
    assert_eq!(fx.count(S::Scheduled).await, 0);
}

async fn ends_an_awaiting_job_at_once(fx: &Fixture) {
    let parent = fx.enqueue(job()).await;
    let child = fx.enqueue(job().child_of(parent)).await;
    assert_eq!(fx.cancel(child).await, Cancelled::BeforeStart);
    let server = fx.server().await;
    server.work_one(succeeded()).await;
    assert_eq!(fx.state(child).await, S::Cancelled);
    assert!(server.claim(1).await.is_empty(), "its parent's end must not revive it");
    assert_eq!(fx.count(S::Awaiting).await, 0);
}

async fn takes_one_job_out_of_the_middle_of_a_batch(fx: &Fixture) {
    let all = fx.enqueue_all(jobs(100)).await;
    assert_eq!(fx.cancel(all[50]).await, Cancelled::BeforeStart);
    assert_eq!(fx.count(S::Enqueued).await, 99);
    let claimed = ids(&fx.server().await.claim(200).await);
    let expected: Vec<_> = all.iter().copied().filter(|id| *id != all[50]).collect();
    assert_eq!(claimed, expected);
}

async fn takes_several_jobs_out_of_one_batch(fx: &Fixture) {
    let all = fx.enqueue_all(jobs(10)).await;
    let server = fx.server().await;
    assert_eq!(ids(&server.claim(2).await), all[..2]);
    for n in [2, 9, 5, 6] {
        assert_eq!(fx.cancel(all[n]).await, Cancelled::BeforeStart);
    }
    assert_eq!(ids(&server.claim(10).await), [all[3], all[4], all[7], all[8]]);
    assert_eq!((fx.count(S::Cancelled).await, fx.count(S::Enqueued).await), (4, 0));
}

async fn takes_out_a_job_that_was_put_back(fx: &Fixture) {
    let all = fx.enqueue_all(jobs(3)).await;
    let server = fx.server().await;
    let claimed = server.claim(3).await;
    for job in &claimed {
        server.end(job, released(false)).await;
    }
    assert_eq!(fx.cancel(all[1]).await, Cancelled::BeforeStart);
    assert_eq!(ids(&server.claim(3).await), [all[0], all[2]]);
}

async fn only_requests_the_end_of_a_processing_job(fx: &Fixture) {
    let id = fx.enqueue(job()).await;
    let server = fx.server().await;
    server.claim_one().await;
    assert_eq!(fx.cancel(id).await, Cancelled::Requested);
    assert_eq!(fx.state(id).await, S::Processing);
}

async fn reaches_the_heartbeat_of_the_server_that_holds_the_job(fx: &Fixture) {
    let all = fx.enqueue_all(jobs(3)).await;
    let server = fx.other_server().await;
    let claimed = server.claim(3).await;
    fx.cancel(all[1]).await;
    let cancels = server.cancels().await;
    assert_eq!(cancels.len(), 1);
    assert_eq!((cancels[0].id, cancels[0].run), (all[1], claimed[1].run));
    assert_eq!(cancels[0].actor, super::fixture::operator());
}

async fn reaches_no_other_server(fx: &Fixture) {
    let id = fx.enqueue(job()).await;
    let (holder, other) = (fx.server().await, fx.other_server().await);
    holder.claim_one().await;
    fx.cancel(id).await;
    assert!(other.cancels().await.is_empty());
}

async fn is_forgotten_when_the_run_has_ended(fx: &Fixture) {
    let id = fx.enqueue(job()).await;
    let server = fx.server().await;
    let claimed = server.claim_one().await;
    fx.cancel(id).await;
    server.end(&claimed, cancelled()).await;
    assert!(server.cancels().await.is_empty());
}

async fn lets_the_verdict_decide_how_a_processing_job_ends(fx: &Fixture) {
    let server = fx.server().await;
    for state in [S::Succeeded, S::Failed, S::Cancelled] {
        let id = fx.enqueue(job()).await;
        let claimed: ClaimedJob = server.claim_one().await;
        fx.cancel(id).await;
        assert_eq!(server.finish(&claimed, ending(state)).await, Finished::Recorded);
        assert_eq!(fx.state(id).await, state);
    }
}

async fn tells_the_state_of_a_job_that_has_ended(fx: &Fixture) {
    let server = fx.server().await;
    for state in [S::Succeeded, S::Failed, S::Cancelled] {
        let id = fx.enqueue(job()).await;
        server.work_one(ending(state)).await;
        let before = fx.detail(id).await;
        assert_eq!(fx.cancel(id).await, Cancelled::AlreadyFinal(state));
        assert_eq!(fx.detail(id).await, before, "nothing may be written");
    }
}

async fn tells_that_there_is_no_such_job(fx: &Fixture) {
    let unused = fx.allocate(1).await[0];
    assert_eq!(fx.cancel(unused).await, Cancelled::NotFound);
}

async fn may_be_repeated(fx: &Fixture) {
    let waiting = fx.enqueue(job().queue("mail")).await;
    fx.cancel(waiting).await;
    assert_eq!(fx.cancel(waiting).await, Cancelled::AlreadyFinal(S::Cancelled));
    let running = fx.enqueue(job()).await;
    let server = fx.server().await;
    server.claim_one().await;
    fx.cancel(running).await;
    assert_eq!(fx.cancel(running).await, Cancelled::Requested);
    assert_eq!(server.cancels().await.len(), 1, "one request for one run");
}

async fn keeps_who_and_why(fx: &Fixture) {
    let id = fx.enqueue(job()).await;
    let actor = Actor::new("grace").because("ordered twice \u{1f980}");
    fx.store().cancel(id, actor.clone()).await.unwrap();
    let history = fx.detail(id).await.history;
    let kept = |entry: &legwork_core::inspect::HistoryEntry| {
        matches!(&entry.what,
        History::Cancelled { actor: Some(by), .. } if *by == actor)
    };
    assert!(kept(&history[0]), "{history:?}");
}

async fn never_lets_a_cancelled_job_start(fx: &Fixture) {
    let all = fx.enqueue_all(jobs(3)).await;
    for id in all {
        fx.cancel(id).await;
    }
    fx.advance(secs(60));
    fx.promote().await;
    assert!(fx.server().await.claim(10).await.is_empty());
}

async fn ends_a_retry_that_waits(fx: &Fixture) {
    let id = fx.enqueue(job()).await;
    let server = fx.server().await;
    server.work_one(retry(secs(5))).await;
    assert_eq!(fx.cancel(id).await, Cancelled::BeforeStart);
    fx.advance(secs(5));
    assert_eq!(fx.promote().await.jobs, 0);
    let summary = fx.detail(id).await.summary;
    assert_eq!((summary.state, summary.failures), (S::Cancelled, 1));
    assert_eq!(fx.counts().await.retries.n, 0);
}

async fn that_was_requested_ends_a_job_that_would_run_again(fx: &Fixture) {
    let server = fx.server().await;
    for verdict in [retry(secs(1)), snoozed(secs(1)), released(true), released(false)] {
        let id = fx.enqueue(job()).await;
        let child = fx.enqueue(job().queue("mail").child_on(id, On::Cancelled)).await;
        let claimed = server.claim_one().await;
        fx.cancel(id).await;
        server.end(&claimed, verdict).await;
        assert_eq!((fx.state(id).await, fx.state(child).await), (S::Cancelled, S::Enqueued));
        fx.advance(secs(1));
        assert_eq!(fx.promote().await.jobs, 0);
        assert!(server.claim(1).await.is_empty(), "no other run may start");
    }
}

async fn that_was_requested_ends_a_job_whose_server_died(fx: &Fixture) {
    let all = fx.enqueue_all(jobs(2)).await;
    let server = fx.server().await;
    server.claim(2).await;
    fx.cancel(all[0]).await;
    let rescued = fx.kill(&server).await;
    assert_eq!((rescued.enqueued, rescued.quarantined, rescued.more), (1, 0, false));
    assert_eq!((fx.state(all[0]).await, fx.state(all[1]).await), (S::Cancelled, S::Enqueued));
}

async fn that_was_requested_ends_a_job_whose_server_retired(fx: &Fixture) {
    let all = fx.enqueue_all(jobs(2)).await;
    let server = fx.server().await;
    server.claim(2).await;
    fx.cancel(all[1]).await;
    assert_eq!(server.retire().await, 1, "only one job went back");
    assert_eq!((fx.state(all[0]).await, fx.state(all[1]).await), (S::Enqueued, S::Cancelled));
}

async fn that_was_requested_does_not_end_a_later_life(fx: &Fixture) {
    let id = fx.enqueue(job()).await;
    let server = fx.server().await;
    let claimed = server.claim_one().await;
    fx.cancel(id).await;
    server.end(&claimed, cancelled()).await;
    fx.requeue(id).await;
    let claimed = server.claim_one().await;
    assert!(server.cancels().await.is_empty());
    server.end(&claimed, retry(secs(1))).await;
    assert_eq!(fx.state(id).await, S::Scheduled);
}
