//! The fence: a run writes only while its lease holds it, and ends once.
//!
//! The rule is (job, run) under its lease, by the server that owns it. How a lease gets lost is in
//! `rescue.rs` and `release.rs`.

use legwork_core::storage::{Exchange, Finished};
use legwork_core::{JobState as S, LeaseId, Run};

use super::Fixture;
use super::draft::{
    cancelled, failed, job, jobs, released, result, retry, secs, snoozed, succeeded,
};
use super::server::{done, finish};

cases! { ($) fence __fence_cases:
    refuses_a_run_that_another_run_has_followed,
    refuses_a_run_that_never_was,
    refuses_a_lease_that_never_was,
    refuses_the_lease_of_another_job,
    refuses_another_server,
    refuses_another_server_that_repeats_an_end,
    refuses_another_verdict_for_a_run_that_ended,
    refuses_a_job_that_was_never_claimed,
    refuses_a_job_that_does_not_exist,
    records_the_same_end_again_without_a_second_effect,
    records_a_repeated_retry_without_counting_twice,
    records_a_repeated_release_after_the_job_went_to_another_server,
    takes_the_first_of_two_ends_in_one_batch,
    refuses_to_finish_after_a_rescue,
    writes_nothing_for_a_lost_run,
    keeps_a_lost_run_from_deciding_children,
    lets_the_run_that_followed_finish,
    refuses_to_finish_after_the_server_retired,
    of_one_job_does_not_hold_back_the_others_of_a_batch,
}

async fn refuses_a_run_that_another_run_has_followed(fx: &Fixture) {
    let id = fx.enqueue(job()).await;
    let server = fx.server().await;
    let first = server.work_one(released(true)).await;
    let second = server.claim_one().await;
    assert_eq!((first.run, second.run), (Run(1), Run(2)));
    assert_eq!(server.finish(&first, succeeded()).await, Finished::Lost);
    assert_eq!(fx.state(id).await, S::Processing);
}

async fn refuses_a_run_that_never_was(fx: &Fixture) {
    let id = fx.enqueue(job()).await;
    let server = fx.server().await;
    let mut claimed = server.claim_one().await;
    for run in [Run(0), Run(2), Run(u32::MAX)] {
        claimed.run = run;
        assert_eq!(server.finish(&claimed, succeeded()).await, Finished::Lost, "run {run}");
    }
    assert_eq!(fx.state(id).await, S::Processing);
}

async fn refuses_a_lease_that_never_was(fx: &Fixture) {
    let id = fx.enqueue(job()).await;
    let server = fx.server().await;
    let mut claimed = server.claim_one().await;
    for lease in [0, -1, i64::MAX, claimed.lease.0.wrapping_add(1)] {
        claimed.lease = LeaseId(lease);
        assert_eq!(server.finish(&claimed, succeeded()).await, Finished::Lost, "lease {lease}");
    }
    assert_eq!(fx.state(id).await, S::Processing);
}

async fn refuses_the_lease_of_another_job(fx: &Fixture) {
    let all = fx.enqueue_all(jobs(2)).await;
    let server = fx.server().await;
    let (one, mut two) = (server.claim_one().await, server.claim_one().await);
    two.lease = one.lease;
    assert_eq!(server.finish(&two, succeeded()).await, Finished::Lost);
    assert_eq!(fx.state(all[1]).await, S::Processing);
}

async fn refuses_another_server(fx: &Fixture) {
    let id = fx.enqueue(job()).await;
    let claimed = fx.server().await.claim_one().await;
    let thief = fx.other_server().await;
    assert_eq!(thief.finish(&claimed, succeeded()).await, Finished::Lost);
    assert_eq!(fx.unregistered().finish(&claimed, failed()).await, Finished::Lost);
    assert_eq!(fx.state(id).await, S::Processing);
}

async fn refuses_another_server_that_repeats_an_end(fx: &Fixture) {
    fx.enqueue(job()).await;
    let claimed = fx.server().await.work_one(succeeded()).await;
    assert_eq!(fx.other_server().await.finish(&claimed, succeeded()).await, Finished::Lost);
    assert_eq!(fx.unregistered().finish(&claimed, succeeded()).await, Finished::Lost);
}

async fn refuses_another_verdict_for_a_run_that_ended(fx: &Fixture) {
    let server = fx.server().await;
    for (first, second, state) in [
        (succeeded(), failed(), S::Succeeded),
        (failed(), succeeded(), S::Failed),
        (cancelled(), retry(secs(1)), S::Cancelled),
        (succeeded(), cancelled(), S::Succeeded),
    ] {
        let id = fx.enqueue(job()).await;
        let claimed = server.work_one(first).await;
        assert_eq!(server.finish(&claimed, second).await, Finished::Lost);
        assert_eq!(fx.state(id).await, state);
    }
}

async fn refuses_a_job_that_was_never_claimed(fx: &Fixture) {
    let all = fx.enqueue_all(jobs(2)).await;
    let server = fx.server().await;
    let mut claimed = server.claim_one().await;
    claimed.id = all[1];
    assert_eq!(server.finish(&claimed, succeeded()).await, Finished::Lost);
    assert_eq!(fx.state(all[1]).await, S::Enqueued);
}

async fn refuses_a_job_that_does_not_exist(fx: &Fixture) {
    fx.enqueue(job()).await;
    let server = fx.server().await;
    let mut claimed = server.claim_one().await;
    claimed.id = fx.allocate(1).await[0];
    assert_eq!(server.finish(&claimed, succeeded()).await, Finished::Lost);
    assert!(fx.find(claimed.id).await.is_none());
}

async fn records_the_same_end_again_without_a_second_effect(fx: &Fixture) {
    for verdict in [result("1"), failed(), cancelled()] {
        let id = fx.enqueue(job()).await;
        let server = fx.server().await;
        let claimed = server.work_one(verdict.clone()).await;
        let before = fx.detail(id).await;
        fx.advance(secs(60));
        assert_eq!(server.finish(&claimed, verdict).await, Finished::Recorded);
        assert_eq!(fx.detail(id).await, before);
    }
    assert_eq!(fx.count(S::Succeeded).await, 1);
}

async fn records_a_repeated_retry_without_counting_twice(fx: &Fixture) {
    for verdict in [retry(secs(5)), snoozed(secs(5))] {
        let id = fx.enqueue(job()).await;
        let server = fx.server().await;
        let claimed = server.work_one(verdict.clone()).await;
        let before = fx.detail(id).await;
        fx.advance(secs(1));
        assert_eq!(server.finish(&claimed, verdict).await, Finished::Recorded);
        assert_eq!(fx.detail(id).await, before);
    }
    assert_eq!(fx.count(S::Scheduled).await, 2);
}

async fn records_a_repeated_release_after_the_job_went_to_another_server(fx: &Fixture) {
    let id = fx.enqueue(job()).await;
    let (one, two) = (fx.server().await, fx.other_server().await);
    let first = one.work_one(released(true)).await;
    let second = two.claim_one().await;
    assert_eq!(one.finish(&first, released(true)).await, Finished::Recorded);
    assert_eq!(fx.state(id).await, S::Processing);
    two.succeed(&second).await;
}

async fn takes_the_first_of_two_ends_in_one_batch(fx: &Fixture) {
    let id = fx.enqueue(job()).await;
    let server = fx.server().await;
    let claimed = server.claim_one().await;
    let batch = vec![done(&claimed), done(&claimed), finish(&claimed, failed())];
    let answer = server.exchange(batch, None).await;
    assert_eq!(answer.finished, [Finished::Recorded, Finished::Recorded, Finished::Lost]);
    assert_eq!(fx.state(id).await, S::Succeeded);
    assert_eq!((fx.count(S::Succeeded).await, fx.count(S::Failed).await), (1, 0));
}

async fn refuses_to_finish_after_a_rescue(fx: &Fixture) {
    let id = fx.enqueue(job()).await;
    let server = fx.other_server().await;
    let claimed = server.claim_one().await;
    fx.kill(&server).await;
    assert_eq!(server.finish(&claimed, succeeded()).await, Finished::Lost);
    assert_eq!(fx.state(id).await, S::Enqueued);
}

async fn writes_nothing_for_a_lost_run(fx: &Fixture) {
    let id = fx.enqueue(job()).await;
    let server = fx.server().await;
    let claimed = server.claim_one().await;
    fx.kill(&server).await;
    let before = fx.detail(id).await;
    for verdict in [result("1"), retry(secs(1)), failed(), snoozed(secs(1)), cancelled()] {
        assert_eq!(server.finish(&claimed, verdict).await, Finished::Lost);
    }
    assert_eq!(fx.detail(id).await, before);
    assert_eq!(fx.result(id).await, None);
    let points = fx.store().throughput(secs(60), 60).await.unwrap();
    assert_eq!(points.iter().map(|p| p.succeeded + p.failed + p.retried).sum::<u64>(), 0);
}

async fn keeps_a_lost_run_from_deciding_children(fx: &Fixture) {
    use super::draft::Draft as _;

    let parent = fx.enqueue(job()).await;
    let child = fx.enqueue(job().child_of(parent)).await;
    let server = fx.server().await;
    let claimed = server.claim_one().await;
    fx.kill(&server).await;
    assert_eq!(server.finish(&claimed, succeeded()).await, Finished::Lost);
    assert_eq!(server.finish(&claimed, failed()).await, Finished::Lost);
    assert_eq!(fx.state(child).await, S::Awaiting);
}

async fn lets_the_run_that_followed_finish(fx: &Fixture) {
    let id = fx.enqueue(job()).await;
    let (one, two) = (fx.server().await, fx.other_server().await);
    let first = one.claim_one().await;
    fx.kill(&one).await;
    let second = two.claim_one().await;
    assert_eq!(one.finish(&first, failed()).await, Finished::Lost);
    two.succeed(&second).await;
    assert_eq!(one.finish(&first, failed()).await, Finished::Lost);
    assert_eq!(fx.state(id).await, S::Succeeded);
}

async fn refuses_to_finish_after_the_server_retired(fx: &Fixture) {
    let id = fx.enqueue(job()).await;
    let server = fx.server().await;
    let claimed = server.claim_one().await;
    assert_eq!(server.retire().await, 1);
    assert_eq!(server.finish(&claimed, succeeded()).await, Finished::Lost);
    assert_eq!(fx.state(id).await, S::Enqueued);
}

async fn of_one_job_does_not_hold_back_the_others_of_a_batch(fx: &Fixture) {
    let all = fx.enqueue_all(jobs(3)).await;
    let server = fx.server().await;
    let claimed = server.claim(3).await;
    let mut stale = done(&claimed[1]);
    stale.run = Run(9);
    let exchange = Exchange {
        server: server.incarnation(),
        finish: vec![done(&claimed[0]), stale, done(&claimed[2])],
        claim: None,
    };
    let answer = fx.store().exchange(exchange).await.unwrap();
    assert_eq!(answer.finished, [Finished::Recorded, Finished::Lost, Finished::Recorded]);
    let states = [fx.state(all[0]).await, fx.state(all[1]).await, fx.state(all[2]).await];
    assert_eq!(states, [S::Succeeded, S::Processing, S::Succeeded]);
}
