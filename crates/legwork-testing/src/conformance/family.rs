//! Families of continuations: cascades, many children, and parents that come back.
//!
//! One parent and its child are in `continuation.rs`.

use legwork_core::inspect::History;
use legwork_core::storage::{Cancelled, Deleted, Finished, Requeued};
use legwork_core::{JobId, JobState as S, On};

use super::Fixture;
use super::draft::{Draft as _, cancelled, failed, job, succeeded};
use super::server::{done, finish, ids, wish};

cases! { ($) family __family_cases:
    cancels_all_descendants_of_a_failed_job,
    lets_the_descendants_run_that_asked_for_that_end,
    tells_a_cancelled_descendant_why,
    cancels_the_descendants_of_a_job_that_was_cancelled,
    cascades_through_a_long_chain,
    lets_a_thousand_children_go_at_once,
    cancels_a_thousand_children_at_once,
    runs_a_chain_from_end_to_end,
    joins_branches_exactly_once,
    ends_both_parents_of_a_child_in_one_exchange,
    does_not_revive_the_children_of_a_requeued_parent,
    lets_a_requeued_child_run_without_its_parents,
    shows_parents_and_children_on_both_sides,
    keeps_the_parents_of_a_child_that_waits,
    does_not_delete_a_parent_that_others_await,
    lets_a_child_read_the_results_of_its_parents,
}

/// Enqueues a chain in which each job waits for the one before.
async fn chain(fx: &Fixture, n: u32) -> Vec<JobId> {
    let ids = fx.allocate(n).await;
    let mut batch = vec![job().id(ids[0])];
    batch.extend(ids.windows(2).map(|pair| job().id(pair[1]).child_of(pair[0])));
    fx.enqueue_all(batch).await
}

async fn cancels_all_descendants_of_a_failed_job(fx: &Fixture) {
    let ids = chain(fx, 4).await;
    fx.server().await.work_one(failed()).await;
    assert_eq!(fx.state(ids[0]).await, S::Failed);
    for id in &ids[1..] {
        assert_eq!(fx.state(*id).await, S::Cancelled);
    }
    assert_eq!((fx.count(S::Awaiting).await, fx.count(S::Cancelled).await), (0, 3));
}

async fn lets_the_descendants_run_that_asked_for_that_end(fx: &Fixture) {
    let parent = fx.enqueue(job()).await;
    let child = fx.enqueue(job().child_of(parent)).await;
    let clean_up = fx.enqueue(job().child_on(child, On::Cancelled)).await;
    let mourn = fx.enqueue(job().child_on(parent, On::Failure)).await;
    let never = fx.enqueue(job().child_of(child)).await;
    let server = fx.server().await;
    server.work_one(failed()).await;
    assert_eq!(fx.state(child).await, S::Cancelled);
    assert_eq!(fx.state(never).await, S::Cancelled);
    let mut claimed = ids(&server.claim(5).await);
    claimed.sort_unstable();
    assert_eq!(claimed, [clean_up, mourn]);
}

async fn tells_a_cancelled_descendant_why(fx: &Fixture) {
    let ids = chain(fx, 3).await;
    fx.server().await.work_one(failed()).await;
    for pair in ids.windows(2) {
        let history = fx.detail(pair[1]).await.history;
        let History::Cancelled { reason, actor: None } = &history[0].what else {
            panic!("the last that happened must be the cancel: {history:?}");
        };
        assert!(reason.contains(&pair[0].to_string()), "{reason:?} must name job {}", pair[0]);
    }
}

async fn cancels_the_descendants_of_a_job_that_was_cancelled(fx: &Fixture) {
    let ids = chain(fx, 3).await;
    assert_eq!(fx.cancel(ids[1]).await, Cancelled::BeforeStart);
    assert_eq!(fx.state(ids[2]).await, S::Cancelled);
    let server = fx.server().await;
    server.work_one(succeeded()).await;
    assert!(server.claim(3).await.is_empty());
}

async fn cascades_through_a_long_chain(fx: &Fixture) {
    let ids = chain(fx, 500).await;
    fx.server().await.work_one(cancelled()).await;
    assert_eq!((fx.count(S::Awaiting).await, fx.count(S::Cancelled).await), (0, 500));
    assert_eq!(fx.state(ids[499]).await, S::Cancelled);
}

async fn lets_a_thousand_children_go_at_once(fx: &Fixture) {
    let parent = fx.enqueue(job()).await;
    let children = fx.enqueue_all((0..1_000).map(|_| job().child_of(parent)).collect()).await;
    assert_eq!(fx.count(S::Awaiting).await, 1_000);
    let server = fx.server().await;
    server.work_one(succeeded()).await;
    assert_eq!((fx.count(S::Awaiting).await, fx.count(S::Enqueued).await), (0, 1_000));
    assert_eq!(ids(&server.claim(1_000).await), children);
}

async fn cancels_a_thousand_children_at_once(fx: &Fixture) {
    let parent = fx.enqueue(job()).await;
    fx.enqueue_all((0..1_000).map(|_| job().child_of(parent)).collect()).await;
    fx.cancel(parent).await;
    assert_eq!((fx.count(S::Awaiting).await, fx.count(S::Cancelled).await), (0, 1_001));
}

async fn runs_a_chain_from_end_to_end(fx: &Fixture) {
    let expected = chain(fx, 5).await;
    let server = fx.server().await;
    let mut last = server.claim(5).await;
    let mut seen = ids(&last);
    while let [claimed] = &last[..] {
        last = server.exchange(vec![done(claimed)], Some(wish(5))).await.claimed;
        seen.extend(ids(&last));
    }
    assert_eq!(seen, expected, "each exchange hands out the next of the chain");
    assert_eq!(fx.count(S::Succeeded).await, 5);
}

async fn joins_branches_exactly_once(fx: &Fixture) {
    let root = fx.enqueue(job()).await;
    let branches = fx.enqueue_all((0..20).map(|_| job().child_of(root)).collect()).await;
    let join = fx.enqueue(branches.iter().fold(job(), |job, &id| job.child_of(id))).await;
    let (one, two) = (fx.server().await, fx.other_server().await);
    one.work_one(succeeded()).await;
    let (left, right) = (one.claim(10).await, two.claim(10).await);
    for (left, right) in left.iter().zip(&right) {
        assert_eq!(fx.state(join).await, S::Awaiting);
        tokio::join!(one.succeed(left), two.succeed(right));
    }
    let mut claimed = ids(&one.claim(5).await);
    claimed.extend(ids(&two.claim(5).await));
    assert_eq!(claimed, [join]);
}

async fn ends_both_parents_of_a_child_in_one_exchange(fx: &Fixture) {
    let parents = fx.enqueue_all(vec![job(), job(), job()]).await;
    let both = fx.enqueue(job().child_of(parents[0]).child_of(parents[1])).await;
    let mixed = fx.enqueue(job().child_of(parents[1]).child_of(parents[2])).await;
    let server = fx.server().await;
    let claimed = server.claim(3).await;
    let batch = vec![done(&claimed[0]), done(&claimed[1]), finish(&claimed[2], failed())];
    assert_eq!(server.exchange(batch, None).await.finished, [Finished::Recorded; 3]);
    assert_eq!(fx.state(both).await, S::Enqueued);
    assert_eq!(fx.state(mixed).await, S::Cancelled);
    assert_eq!(ids(&server.claim(5).await), [both]);
}

async fn does_not_revive_the_children_of_a_requeued_parent(fx: &Fixture) {
    let parent = fx.enqueue(job()).await;
    let cancelled = fx.enqueue(job().child_of(parent)).await;
    let mourned = fx.enqueue(job().queue("mail").child_on(parent, On::Failure)).await;
    let server = fx.server().await;
    server.work_one(failed()).await;
    assert_eq!(fx.requeue(parent).await, Requeued::Enqueued);
    server.work_one(succeeded()).await;
    assert_eq!(fx.state(cancelled).await, S::Cancelled, "it was decided before");
    assert_eq!(fx.state(mourned).await, S::Enqueued, "it was decided before");
}

async fn lets_a_requeued_child_run_without_its_parents(fx: &Fixture) {
    let parents = fx.enqueue_all(vec![job(), job().queue("mail")]).await;
    let child = fx.enqueue(job().child_of(parents[0]).child_of(parents[1])).await;
    let server = fx.server().await;
    server.work_one(failed()).await;
    assert_eq!(fx.requeue(child).await, Requeued::Enqueued);
    let claimed = server.claim_one().await;
    assert_eq!(claimed.id, child);
    fx.cancel(parents[1]).await;
    assert_eq!(fx.state(child).await, S::Processing, "it waits for nobody any more");
    server.succeed(&claimed).await;
}

async fn shows_parents_and_children_on_both_sides(fx: &Fixture) {
    let parents = fx.enqueue_all(vec![job(), job()]).await;
    let child = fx.enqueue(job().child_of(parents[0]).child_on(parents[1], On::AnyEnd)).await;
    fx.server().await.work_one(succeeded()).await;
    let seen = fx.detail(child).await.parents;
    let seen: Vec<_> = seen.iter().map(|parent| (parent.id, parent.on, parent.state)).collect();
    let expected = [
        (parents[0], On::Success, Some(S::Succeeded)),
        (parents[1], On::AnyEnd, Some(S::Enqueued)),
    ];
    assert_eq!(seen, expected);
    let children = fx.detail(parents[1]).await.children;
    assert_eq!((children.len(), children[0].id), (1, child));
    assert_eq!((children[0].on, children[0].state), (On::AnyEnd, Some(S::Awaiting)));
}

async fn keeps_the_parents_of_a_child_that_waits(fx: &Fixture) {
    let parents = fx.enqueue_all(vec![job(), job(), job()]).await;
    let child = fx.enqueue(job().child_of(parents[0]).child_of(parents[1])).await;
    let server = fx.server().await;
    let claimed = server.claim(3).await;
    server.exchange(vec![done(&claimed[0]), done(&claimed[2])], None).await;
    assert_eq!(fx.prune_all().await, 1, "only the job that nobody awaits");
    assert_eq!(fx.state(parents[0]).await, S::Succeeded);
    server.succeed(&claimed[1]).await;
    server.work_one(succeeded()).await;
    assert_eq!(fx.prune_all().await, 3);
    assert!(fx.find(child).await.is_none());
}

async fn does_not_delete_a_parent_that_others_await(fx: &Fixture) {
    let parents = fx.enqueue_all(vec![job(), job()]).await;
    let child = fx.enqueue(job().child_of(parents[0]).child_of(parents[1])).await;
    let server = fx.server().await;
    server.work_one(succeeded()).await;
    assert_eq!(fx.delete(parents[0]).await, Deleted::Refused(S::Succeeded));
    assert_eq!(fx.delete(parents[1]).await, Deleted::Refused(S::Enqueued));
    assert_eq!(fx.delete(child).await, Deleted::Removed);
    assert_eq!(fx.delete(parents[1]).await, Deleted::Removed);
    assert_eq!(fx.delete(parents[0]).await, Deleted::Removed);
}

async fn lets_a_child_read_the_results_of_its_parents(fx: &Fixture) {
    let parents = fx.enqueue_all(vec![job(), job()]).await;
    let child = fx.enqueue(job().child_of(parents[1]).child_of(parents[0])).await;
    let server = fx.server().await;
    server.work_one(super::draft::result("\"a\"")).await;
    server.work_one(super::draft::result("\"b\"")).await;
    let named: Vec<_> = fx.detail(child).await.parents.iter().map(|one| one.id).collect();
    assert_eq!(named, [parents[1], parents[0]], "in the order in which they were named");
    let results = fx.store().results(named).await.unwrap();
    assert_eq!(results, [Some(b"\"b\"".to_vec()), Some(b"\"a\"".to_vec())]);
}
