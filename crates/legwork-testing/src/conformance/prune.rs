//! Pruning: final jobs go when their time has come, live ones never.
//!
//! That the parents of a child that waits are kept is proved in `family.rs`.

use std::time::Duration;

use legwork_core::storage::{Enqueued, Finished, Retention};
use legwork_core::{ErrorKind, JobState as S};

use super::Fixture;
use super::draft::{Draft as _, ending, job, jobs, result, retry, secs, succeeded};
use super::server::{done, ids};

cases! { ($) prune __prune_cases:
    removes_a_job_when_its_retention_has_passed,
    keeps_each_state_for_its_own_time,
    counts_from_the_end_of_the_job,
    leaves_the_rest_of_a_batch_to_its_server,
    never_removes_a_live_job,
    removes_at_most_as_many_as_asked_for,
    removes_the_result_and_the_history_too,
    does_not_remove_a_job_that_was_requeued,
    tells_a_child_that_its_parent_is_gone,
    removes_servers_that_have_been_gone_for_a_day,
    keeps_nothing_of_ten_thousand_jobs,
    answers_the_same_after_it_as_if_the_job_had_never_been,
    keeps_everything_under_an_endless_retention,
}

const HOUR: Duration = Duration::from_hours(1);

async fn removes_a_job_when_its_retention_has_passed(fx: &Fixture) {
    let id = fx.enqueue(job()).await;
    fx.server().await.work_one(succeeded()).await;
    let retention = Retention { succeeded: HOUR, ..Retention::default() };
    fx.advance(secs(3_599));
    assert_eq!(fx.prune(retention).await.jobs, 0);
    assert_eq!(fx.state(id).await, S::Succeeded);
    fx.advance(secs(2));
    let pruned = fx.prune(retention).await;
    assert_eq!((pruned.jobs, pruned.more), (1, false));
    assert!(fx.find(id).await.is_none());
    assert_eq!(fx.count(S::Succeeded).await, 0);
}

async fn keeps_each_state_for_its_own_time(fx: &Fixture) {
    let server = fx.server().await;
    let mut all = Vec::new();
    for state in [S::Succeeded, S::Cancelled, S::Failed] {
        all.push(fx.enqueue(job()).await);
        server.work_one(ending(state)).await;
    }
    let retention = Retention { succeeded: HOUR, cancelled: 2 * HOUR, failed: 3 * HOUR };
    for n in 0..3 {
        fx.advance(HOUR + secs(1));
        assert_eq!(fx.prune(retention).await.jobs, 1);
        for (m, id) in all.iter().enumerate() {
            assert_eq!(fx.find(*id).await.is_some(), m > n, "after {n} + 1 hours");
        }
    }
}

async fn counts_from_the_end_of_the_job(fx: &Fixture) {
    let id = fx.enqueue(job()).await;
    let server = fx.server().await;
    fx.advance(10 * HOUR);
    let claimed = server.claim_one().await;
    fx.advance(10 * HOUR);
    server.succeed(&claimed).await;
    let retention = Retention { succeeded: HOUR, ..Retention::default() };
    assert_eq!(fx.prune(retention).await.jobs, 0);
    assert_eq!(fx.state(id).await, S::Succeeded);
}

async fn leaves_the_rest_of_a_batch_to_its_server(fx: &Fixture) {
    let all = fx.enqueue_all(jobs(5)).await;
    let server = fx.server().await;
    let claimed = server.claim(5).await;
    for n in [0, 2, 3] {
        server.succeed(&claimed[n]).await;
    }
    assert_eq!(fx.prune_all().await, 3);
    assert_eq!(server.finish(&claimed[0], succeeded()).await, Finished::Lost);
    assert_eq!(fx.ids(S::Processing).await, [all[1], all[4]]);
    server.succeed(&claimed[1]).await;
    assert_eq!(fx.kill(&server).await.enqueued, 1);
    assert_eq!(ids(&fx.server().await.claim(9).await), [all[4]]);
}

async fn never_removes_a_live_job(fx: &Fixture) {
    let processing = fx.enqueue(job()).await;
    let server = fx.server().await;
    server.claim_one().await;
    let retrying = fx.enqueue(job()).await;
    server.work_one(retry(1_000 * HOUR)).await;
    let enqueued = fx.enqueue(job()).await;
    let scheduled = fx.enqueue(job().after(1_000 * HOUR)).await;
    let awaiting = fx.enqueue(job().child_of(enqueued)).await;
    fx.advance(900 * HOUR);
    assert_eq!(fx.prune_all().await, 0);
    assert_eq!(fx.state(processing).await, S::Processing);
    assert_eq!(fx.state(retrying).await, S::Scheduled);
    assert_eq!(fx.state(enqueued).await, S::Enqueued);
    assert_eq!(fx.state(scheduled).await, S::Scheduled);
    assert_eq!(fx.state(awaiting).await, S::Awaiting);
}

async fn removes_at_most_as_many_as_asked_for(fx: &Fixture) {
    fx.enqueue_all(jobs(5)).await;
    let server = fx.server().await;
    let claimed = server.claim(5).await;
    server.exchange(claimed.iter().map(done).collect(), None).await;
    fx.advance(25 * HOUR);
    let pruned = fx.store().prune(Retention::default(), 2).await.unwrap();
    assert_eq!((pruned.jobs, pruned.more), (2, true));
    assert_eq!(fx.count(S::Succeeded).await, 3);
    assert_eq!(fx.prune_all().await, 3);
}

async fn removes_the_result_and_the_history_too(fx: &Fixture) {
    let id = fx.enqueue(job()).await;
    let server = fx.server().await;
    server.work_one(retry(secs(1))).await;
    fx.advance(secs(1));
    fx.promote().await;
    server.work_one(result("1")).await;
    assert_eq!(fx.prune_all().await, 1);
    assert_eq!(fx.result(id).await, None);
    assert!(fx.list(S::Succeeded).await.is_empty());
    let again = fx.store().enqueue(vec![job().id(id)]).await.unwrap();
    assert_eq!(again, [Enqueued::New(id)], "nothing of it is left to collide with");
    assert_eq!(fx.detail(id).await.history.len(), 1);
}

async fn does_not_remove_a_job_that_was_requeued(fx: &Fixture) {
    let id = fx.enqueue(job()).await;
    let server = fx.server().await;
    server.work_one(succeeded()).await;
    fx.advance(100 * HOUR);
    fx.requeue(id).await;
    assert_eq!(fx.prune_all().await, 0);
    let claimed = server.claim_one().await;
    assert_eq!(fx.prune_all().await, 0);
    server.succeed(&claimed).await;
    assert_eq!(fx.prune(Retention::default()).await.jobs, 0, "its time starts with its last end");
    assert_eq!(fx.state(id).await, S::Succeeded);
}

async fn tells_a_child_that_its_parent_is_gone(fx: &Fixture) {
    let parent = fx.enqueue(job()).await;
    let child = fx.enqueue(job().child_of(parent)).await;
    fx.server().await.work_one(succeeded()).await;
    assert_eq!(fx.prune_all().await, 1);
    let parents = fx.detail(child).await.parents;
    assert!(parents.iter().all(|one| one.id == parent && one.state.is_none()), "{parents:?}");
    assert_eq!(fx.state(child).await, S::Enqueued);
}

async fn removes_servers_that_have_been_gone_for_a_day(fx: &Fixture) {
    let (staying, leaving, dying) = (fx.server().await, fx.server().await, fx.server().await);
    leaving.retire().await;
    fx.kill(&dying).await;
    fx.advance(23 * HOUR);
    fx.prune(Retention::default()).await;
    assert_eq!(fx.store().servers().await.unwrap().len(), 3);
    fx.advance(2 * HOUR);
    fx.prune(Retention::default()).await;
    let servers = fx.store().servers().await.unwrap();
    let left: Vec<_> = servers.iter().map(|server| server.info.incarnation).collect();
    assert_eq!(left, [staying.incarnation()]);
}

async fn keeps_nothing_of_ten_thousand_jobs(fx: &Fixture) {
    fx.enqueue_all(jobs(10_000)).await;
    let server = fx.server().await;
    let mut claimed = server.claim(1_000).await;
    while !claimed.is_empty() {
        let finish = claimed.iter().map(done).collect();
        claimed = server.exchange(finish, Some(super::server::wish(1_000))).await.claimed;
    }
    assert_eq!(fx.counts().await.succeeded.n, 10_000);
    assert_eq!(fx.prune_all().await, 10_000);
    let counts = fx.counts().await;
    assert!(S::ALL.into_iter().all(|state| counts.of(state).n == 0), "{counts:?}");
}

async fn answers_the_same_after_it_as_if_the_job_had_never_been(fx: &Fixture) {
    use legwork_core::storage::{Cancelled, Deleted, Requeued};

    let id = fx.enqueue(job()).await;
    let server = fx.server().await;
    let claimed = server.work_one(succeeded()).await;
    fx.prune_all().await;
    assert_eq!(fx.cancel(id).await, Cancelled::NotFound);
    assert_eq!(fx.requeue(id).await, Requeued::NotFound);
    assert_eq!(fx.delete(id).await, Deleted::NotFound);
    assert_eq!(server.finish(&claimed, succeeded()).await, Finished::Lost);
    assert_eq!(fx.refused(vec![job().child_of(id)]).await.kind(), ErrorKind::NotFound);
}

async fn keeps_everything_under_an_endless_retention(fx: &Fixture) {
    fx.enqueue(job()).await;
    fx.server().await.work_one(succeeded()).await;
    fx.advance(secs(100 * 365 * 24 * 3_600));
    let endless = Duration::MAX;
    let retention = Retention { succeeded: endless, failed: endless, cancelled: endless };
    assert_eq!(fx.prune(retention).await.jobs, 0);
    assert_eq!(fx.count(S::Succeeded).await, 1);
}
