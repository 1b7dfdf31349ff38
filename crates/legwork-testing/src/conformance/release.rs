//! Release and retirement: jobs that are given back unharmed when a server stops.
//!
//! What happens to the jobs of a server that did not stop but died is in `rescue.rs`.

use legwork_core::inspect::History;
use legwork_core::limits::INTERRUPTIONS_MAX;
use legwork_core::storage::{Beat, FailReason, Finished};
use legwork_core::{JobState as S, LeaseId, Run};

use super::Fixture;
use super::draft::{job, jobs, released, succeeded};
use super::server::{finish, ids};

cases! { ($) release __release_cases:
    gives_a_job_back_without_spending_an_attempt,
    does_not_make_a_suspect,
    gives_a_whole_batch_back,
    puts_a_released_job_behind_those_that_wait_already,
    counts_no_interruption_when_the_job_never_started,
    fails_a_job_that_was_interrupted_too_often,
    counts_every_retirement_as_an_interruption,
    of_a_lease_counts_no_interruption,
    forgets_interruptions_when_an_operator_requeues,
    tells_in_the_history_whether_the_handler_had_started,
    of_a_lease_gives_back_what_is_left_of_it,
    of_a_lease_that_is_gone_does_nothing,
    of_a_lease_of_another_server_does_nothing,
    by_retirement_gives_everything_back,
    by_retirement_also_returns_claims_whose_answer_got_lost,
    by_retirement_ends_the_life_of_the_server,
    by_retirement_does_nothing_the_second_time,
    by_retirement_leaves_other_servers_alone,
    by_retirement_of_an_unknown_server_does_nothing,
    by_retirement_spends_no_attempt,
    by_retirement_puts_jobs_back_in_the_order_in_which_they_were_claimed,
    keeps_what_was_finished_before_the_retirement,
}

async fn gives_a_job_back_without_spending_an_attempt(fx: &Fixture) {
    let id = fx.enqueue(job()).await;
    let server = fx.server().await;
    server.work_one(released(true)).await;
    let summary = fx.detail(id).await.summary;
    assert_eq!((summary.state, summary.failures), (S::Enqueued, 0));
    assert_eq!((fx.count(S::Enqueued).await, fx.count(S::Processing).await), (1, 0));
    let claimed = fx.other_server().await.claim_one().await;
    assert_eq!((claimed.id, claimed.run, claimed.failures), (id, Run(2), 0));
}

async fn does_not_make_a_suspect(fx: &Fixture) {
    fx.enqueue(job()).await;
    let server = fx.server().await;
    server.work_one(released(true)).await;
    assert_eq!(server.claim_one().await.losses, 0);
    server.retire().await;
    assert_eq!(fx.server().await.claim_one().await.losses, 0);
}

async fn gives_a_whole_batch_back(fx: &Fixture) {
    let all = fx.enqueue_all(jobs(250)).await;
    let server = fx.server().await;
    let claimed = server.claim(250).await;
    let batch = claimed.iter().map(|job| finish(job, released(false))).collect();
    let answer = server.exchange(batch, None).await;
    assert!(answer.finished.iter().all(|finished| *finished == Finished::Recorded));
    let mut again = ids(&server.claim(1_000).await);
    again.sort_unstable();
    assert_eq!(again, all);
}

async fn puts_a_released_job_behind_those_that_wait_already(fx: &Fixture) {
    let all = fx.enqueue_all(jobs(3)).await;
    let server = fx.server().await;
    server.work_one(released(false)).await;
    let later = fx.enqueue(job()).await;
    assert_eq!(ids(&server.claim(4).await), [all[1], all[2], all[0], later]);
}

async fn counts_no_interruption_when_the_job_never_started(fx: &Fixture) {
    let id = fx.enqueue(job()).await;
    let server = fx.server().await;
    for _ in 0..INTERRUPTIONS_MAX + 5 {
        server.work_one(released(false)).await;
    }
    assert_eq!(fx.state(id).await, S::Enqueued);
}

async fn fails_a_job_that_was_interrupted_too_often(fx: &Fixture) {
    let id = fx.enqueue(job()).await;
    let server = fx.server().await;
    for _ in 0..=INTERRUPTIONS_MAX {
        assert_eq!(fx.state(id).await, S::Enqueued);
        server.work_one(released(true)).await;
    }
    let detail = fx.detail(id).await;
    assert_eq!((detail.summary.state, detail.summary.failures), (S::Failed, 0));
    let told = detail.history.iter().any(|entry| {
        matches!(&entry.what, History::Failed { reason: FailReason::Interrupted, .. })
    });
    assert!(told, "{:?}", detail.history);
}

async fn counts_every_retirement_as_an_interruption(fx: &Fixture) {
    let id = fx.enqueue(job()).await;
    for _ in 0..=INTERRUPTIONS_MAX {
        let server = fx.server().await;
        assert_eq!(server.claim_one().await.id, id);
        server.retire().await;
    }
    assert_eq!(fx.state(id).await, S::Failed);
}

async fn of_a_lease_counts_no_interruption(fx: &Fixture) {
    let id = fx.enqueue(job()).await;
    let server = fx.server().await;
    for _ in 0..INTERRUPTIONS_MAX + 5 {
        let lease = server.claim_one().await.lease;
        server.release(&[lease]).await;
    }
    assert_eq!(fx.state(id).await, S::Enqueued);
}

async fn forgets_interruptions_when_an_operator_requeues(fx: &Fixture) {
    let id = fx.enqueue(job()).await;
    let server = fx.server().await;
    for _ in 0..=INTERRUPTIONS_MAX {
        server.work_one(released(true)).await;
    }
    fx.requeue(id).await;
    server.work_one(released(true)).await;
    assert_eq!(fx.state(id).await, S::Enqueued);
}

async fn tells_in_the_history_whether_the_handler_had_started(fx: &Fixture) {
    for started in [false, true] {
        let id = fx.enqueue(job()).await;
        let server = fx.server().await;
        server.work_one(released(started)).await;
        let history = fx.detail(id).await.history;
        assert_eq!(history[0].what, History::Released { started });
        server.work_one(succeeded()).await;
    }
}

async fn of_a_lease_gives_back_what_is_left_of_it(fx: &Fixture) {
    let all = fx.enqueue_all(jobs(5)).await;
    let server = fx.server().await;
    let (left, kept) = (server.claim(3).await, server.claim(2).await);
    server.succeed(&left[1]).await;
    assert_eq!(server.release(&[left[0].lease]).await, 2);
    assert_eq!(fx.ids(S::Processing).await, all[3..]);
    assert_eq!(server.finish(&left[0], succeeded()).await, Finished::Lost);
    server.succeed(&kept[0]).await;
    let again = server.claim(5).await;
    assert_eq!(ids(&again), [all[0], all[2]]);
    assert!(again.iter().all(|job| (job.run, job.failures, job.losses) == (Run(2), 0, 0)));
}

async fn of_a_lease_that_is_gone_does_nothing(fx: &Fixture) {
    fx.enqueue(job()).await;
    let server = fx.server().await;
    let lease = server.claim_one().await.lease;
    assert_eq!(server.release(&[lease, LeaseId(i64::MAX)]).await, 1);
    let claimed = server.claim_one().await;
    assert_eq!(server.release(&[lease]).await, 0, "repeating it does nothing");
    assert_eq!(server.release(&[]).await, 0);
    server.succeed(&claimed).await;
}

async fn of_a_lease_of_another_server_does_nothing(fx: &Fixture) {
    fx.enqueue(job()).await;
    let (holder, thief) = (fx.server().await, fx.other_server().await);
    let claimed = holder.claim_one().await;
    assert_eq!(thief.release(&[claimed.lease]).await, 0);
    assert_eq!(fx.unregistered().release(&[claimed.lease]).await, 0);
    holder.succeed(&claimed).await;
}

async fn by_retirement_gives_everything_back(fx: &Fixture) {
    let all = fx.enqueue_all(jobs(5)).await;
    let server = fx.other_server().await;
    server.claim(2).await;
    server.claim(1).await;
    assert_eq!(server.retire().await, 3);
    assert_eq!((fx.count(S::Enqueued).await, fx.count(S::Processing).await), (5, 0));
    let mut claimed = ids(&fx.server().await.claim(10).await);
    claimed.sort_unstable();
    assert_eq!(claimed, all);
}

async fn by_retirement_also_returns_claims_whose_answer_got_lost(fx: &Fixture) {
    let id = fx.enqueue(job()).await;
    let server = fx.server().await;
    let lost = server.claim(1).await;
    let Beat::Live { leases, .. } = server.beat().await else {
        panic!("the server must be live");
    };
    assert_eq!(leases.into_iter().collect::<Vec<_>>(), [(lost[0].lease, 1)]);
    drop(lost);
    assert_eq!(server.retire().await, 1);
    assert_eq!(fx.state(id).await, S::Enqueued);
}

async fn by_retirement_ends_the_life_of_the_server(fx: &Fixture) {
    let server = fx.server().await;
    assert_eq!(fx.counts().await.servers.n, 1);
    server.retire().await;
    assert_eq!(server.beat().await, Beat::Lost);
    assert!(fx.store().beats().await.unwrap().is_empty());
    assert_eq!(fx.counts().await.servers.n, 0);
}

async fn by_retirement_does_nothing_the_second_time(fx: &Fixture) {
    fx.enqueue(job()).await;
    let server = fx.server().await;
    server.claim_one().await;
    assert_eq!(server.retire().await, 1);
    let heir = fx.server().await;
    let claimed = heir.claim_one().await;
    assert_eq!(server.retire().await, 0);
    heir.succeed(&claimed).await;
}

async fn by_retirement_leaves_other_servers_alone(fx: &Fixture) {
    fx.enqueue_all(jobs(2)).await;
    let (leaving, staying) = (fx.server().await, fx.other_server().await);
    leaving.claim_one().await;
    let kept = staying.claim_one().await;
    assert_eq!(leaving.retire().await, 1);
    assert!(matches!(staying.beat().await, Beat::Live { .. }));
    staying.succeed(&kept).await;
}

async fn by_retirement_of_an_unknown_server_does_nothing(fx: &Fixture) {
    assert_eq!(fx.unregistered().retire().await, 0);
    assert_eq!(fx.counts().await.servers.n, 0);
}

async fn by_retirement_spends_no_attempt(fx: &Fixture) {
    let id = fx.enqueue(job()).await;
    for run in 1..=4 {
        let server = fx.server().await;
        let claimed = server.claim_one().await;
        assert_eq!((claimed.id, claimed.run, claimed.failures), (id, Run(run), 0));
        server.retire().await;
    }
}

async fn by_retirement_puts_jobs_back_in_the_order_in_which_they_were_claimed(fx: &Fixture) {
    let all = fx.enqueue_all(jobs(3)).await;
    let server = fx.server().await;
    server.work_one(released(false)).await;
    let claimed = ids(&server.claim(3).await);
    assert_eq!(claimed, [all[1], all[2], all[0]]);
    server.retire().await;
    assert_eq!(ids(&fx.server().await.claim(3).await), claimed);
}

async fn keeps_what_was_finished_before_the_retirement(fx: &Fixture) {
    let all = fx.enqueue_all(jobs(3)).await;
    let server = fx.server().await;
    let claimed = server.claim(3).await;
    server.succeed(&claimed[1]).await;
    assert_eq!(server.retire().await, 2);
    assert_eq!(fx.state(all[1]).await, S::Succeeded);
    assert_eq!(server.finish(&claimed[1], succeeded()).await, Finished::Recorded);
}
