//! Continuations: when a child is let go, and with which parents it may be enqueued.
//!
//! What happens to whole families, cascades and many children, is in `family.rs`.

use legwork_core::storage::Enqueued;
use legwork_core::{ErrorKind, JobState as S, On};

use super::Fixture;
use super::draft::{Draft as _, ending, failed, job, released, retry, secs, snoozed, succeeded};
use super::server::ids;

cases! { ($) continuation __continuation_cases:
    waits_until_its_parent_has_ended,
    runs_or_is_cancelled_by_how_its_parent_ended,
    is_decided_at_once_when_its_parent_has_ended_before,
    waits_for_all_of_several_parents,
    is_cancelled_by_the_first_parent_that_ends_otherwise,
    waits_only_for_the_parents_that_have_not_ended,
    may_name_a_parent_earlier_in_the_same_batch,
    may_not_name_a_parent_later_in_the_same_batch,
    may_not_name_itself,
    of_an_unknown_parent_is_refused_by_its_id,
    of_a_pruned_parent_is_refused,
    of_a_refused_parent_leaves_nothing_behind,
    starts_its_delay_when_its_parents_have_ended,
    is_scheduled_for_its_instant_when_its_parents_end_before,
    is_enqueued_when_its_instant_passed_while_it_waited,
    is_not_let_go_by_a_retry_a_snooze_or_a_release,
    waits_through_a_rescue_of_its_parent,
    counts_a_parent_that_is_named_twice_once,
    is_stored_once_when_the_call_is_repeated,
    is_existing_when_the_call_is_repeated_after_its_parent_was_pruned,
    may_have_parents_in_other_queues,
    is_let_go_by_a_parent_that_was_cancelled_before_it_started,
}

async fn waits_until_its_parent_has_ended(fx: &Fixture) {
    let parent = fx.enqueue(job()).await;
    let child = fx.enqueue(job().child_of(parent)).await;
    assert_eq!(fx.state(child).await, S::Awaiting);
    assert_eq!(fx.count(S::Awaiting).await, 1);
    let server = fx.server().await;
    let claimed = server.claim(10).await;
    assert_eq!(ids(&claimed), [parent]);
    server.succeed(&claimed[0]).await;
    assert_eq!(fx.state(child).await, S::Enqueued);
    assert_eq!(server.claim_one().await.id, child);
}

const ENDS: [S; 3] = [S::Succeeded, S::Failed, S::Cancelled];
const CONDITIONS: [On; 4] = [On::Success, On::Failure, On::Cancelled, On::AnyEnd];

/// Returns the state of a child whose parent has ended.
fn decided(on: On, end: S) -> S {
    if on.decide(end).unwrap() { S::Enqueued } else { S::Cancelled }
}

async fn runs_or_is_cancelled_by_how_its_parent_ended(fx: &Fixture) {
    let server = fx.server().await;
    for end in ENDS {
        let parent = fx.enqueue(job()).await;
        let batch = CONDITIONS.map(|on| job().queue("mail").child_on(parent, on)).to_vec();
        let children = fx.enqueue_all(batch).await;
        server.work_one(ending(end)).await;
        for (child, on) in children.into_iter().zip(CONDITIONS) {
            assert_eq!(fx.state(child).await, decided(on, end), "{on:?} of a parent {end}");
        }
    }
}

async fn is_decided_at_once_when_its_parent_has_ended_before(fx: &Fixture) {
    let server = fx.server().await;
    for end in ENDS {
        let parent = fx.enqueue(job()).await;
        server.work_one(ending(end)).await;
        for on in CONDITIONS {
            let child = fx.enqueue(job().queue("mail").child_on(parent, on)).await;
            assert_eq!(fx.state(child).await, decided(on, end), "{on:?} of a parent {end}");
        }
    }
    assert_eq!(fx.count(S::Awaiting).await, 0);
}

async fn waits_for_all_of_several_parents(fx: &Fixture) {
    let parents = fx.enqueue_all(vec![job(), job(), job()]).await;
    let child = fx.enqueue(parents.iter().fold(job(), |job, &id| job.child_of(id))).await;
    let server = fx.server().await;
    for _ in 0..3 {
        assert_eq!(fx.state(child).await, S::Awaiting);
        server.work_one(succeeded()).await;
    }
    assert_eq!(ids(&server.claim(2).await), [child]);
}

async fn is_cancelled_by_the_first_parent_that_ends_otherwise(fx: &Fixture) {
    let parents = fx.enqueue_all(vec![job(), job()]).await;
    let child = fx.enqueue(job().child_of(parents[0]).child_of(parents[1])).await;
    let server = fx.server().await;
    server.work_one(failed()).await;
    assert_eq!(fx.state(child).await, S::Cancelled);
    server.work_one(succeeded()).await;
    assert_eq!(fx.state(child).await, S::Cancelled, "a later parent must not revive it");
    assert!(server.claim(1).await.is_empty());
}

async fn waits_only_for_the_parents_that_have_not_ended(fx: &Fixture) {
    let done = fx.enqueue(job()).await;
    let server = fx.server().await;
    server.work_one(succeeded()).await;
    let open = fx.enqueue(job()).await;
    let child = fx.enqueue(job().child_of(done).child_of(open)).await;
    assert_eq!(fx.state(child).await, S::Awaiting);
    server.work_one(succeeded()).await;
    assert_eq!(fx.state(child).await, S::Enqueued);
}

async fn may_name_a_parent_earlier_in_the_same_batch(fx: &Fixture) {
    let ids = fx.allocate(3).await;
    let batch = vec![
        job().id(ids[0]),
        job().id(ids[1]).child_of(ids[0]),
        job().id(ids[2]).child_of(ids[0]).child_of(ids[1]),
    ];
    assert_eq!(fx.enqueue_all(batch).await, ids);
    let server = fx.server().await;
    for id in ids {
        assert_eq!(server.work_one(succeeded()).await.id, id);
    }
}

async fn may_not_name_a_parent_later_in_the_same_batch(fx: &Fixture) {
    let ids = fx.allocate(2).await;
    let batch = vec![job().id(ids[0]).child_of(ids[1]), job().id(ids[1])];
    assert_eq!(fx.refused(batch).await.kind(), ErrorKind::NotFound);
    assert!(fx.find(ids[1]).await.is_none());
}

async fn may_not_name_itself(fx: &Fixture) {
    let id = fx.allocate(1).await[0];
    let error = fx.refused(vec![job().id(id).child_of(id)]).await;
    assert!(matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Invalid), "{error:?}");
    assert!(fx.find(id).await.is_none());
}

async fn of_an_unknown_parent_is_refused_by_its_id(fx: &Fixture) {
    let unknown = fx.allocate(1).await[0];
    let error = fx.refused(vec![job(), job().child_of(unknown)]).await;
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains(&unknown.to_string()), "{error} must name the parent");
}

async fn of_a_pruned_parent_is_refused(fx: &Fixture) {
    let parent = fx.enqueue(job()).await;
    fx.server().await.work_one(succeeded()).await;
    assert_eq!(fx.prune_all().await, 1);
    assert_eq!(fx.refused(vec![job().child_of(parent)]).await.kind(), ErrorKind::NotFound);
}

async fn of_a_refused_parent_leaves_nothing_behind(fx: &Fixture) {
    let ids = fx.allocate(3).await;
    let batch = vec![
        job().id(ids[0]),
        job().id(ids[1]).child_of(ids[0]),
        job().id(ids[2]).child_of(ids[0]).args("nonsense"),
    ];
    assert_eq!(fx.refused(batch.clone()).await.kind(), ErrorKind::Invalid);
    let counts = fx.counts().await;
    assert_eq!((counts.enqueued.n, counts.awaiting.n), (0, 0));
    fx.enqueue_all(batch[..2].to_vec()).await;
    fx.server().await.work_one(succeeded()).await;
    assert_eq!(fx.state(ids[1]).await, S::Enqueued);
}

async fn starts_its_delay_when_its_parents_have_ended(fx: &Fixture) {
    let parent = fx.enqueue(job()).await;
    let child = fx.enqueue(job().child_of(parent).after(secs(60))).await;
    fx.advance(secs(600));
    fx.server().await.work_one(succeeded()).await;
    let summary = fx.detail(child).await.summary;
    assert_eq!((summary.state, summary.at), (S::Scheduled, fx.now().after(secs(60))));
    fx.advance(secs(60));
    assert_eq!(fx.promote().await.jobs, 1);
    assert_eq!(fx.state(child).await, S::Enqueued);
}

async fn is_scheduled_for_its_instant_when_its_parents_end_before(fx: &Fixture) {
    let parent = fx.enqueue(job()).await;
    let at = fx.now().after(secs(60));
    let child = fx.enqueue(job().child_of(parent).at(at)).await;
    assert_eq!(fx.state(child).await, S::Awaiting);
    fx.advance(secs(20));
    fx.server().await.work_one(succeeded()).await;
    let summary = fx.detail(child).await.summary;
    assert_eq!((summary.state, summary.at), (S::Scheduled, at));
}

async fn is_enqueued_when_its_instant_passed_while_it_waited(fx: &Fixture) {
    let parent = fx.enqueue(job()).await;
    let child = fx.enqueue(job().child_of(parent).at(fx.now().after(secs(60)))).await;
    fx.advance(secs(60));
    assert_eq!(fx.promote().await.jobs, 0, "it waits for its parent still");
    let server = fx.server().await;
    server.work_one(succeeded()).await;
    assert_eq!(server.claim_one().await.id, child);
}

async fn is_not_let_go_by_a_retry_a_snooze_or_a_release(fx: &Fixture) {
    let parent = fx.enqueue(job()).await;
    let child = fx.enqueue(job().child_on(parent, On::AnyEnd)).await;
    let server = fx.server().await;
    for verdict in [retry(secs(1)), snoozed(secs(1)), released(true)] {
        assert_eq!(server.work_one(verdict).await.id, parent);
        assert_eq!(fx.state(child).await, S::Awaiting);
        fx.advance(secs(1));
        fx.promote().await;
    }
    server.work_one(succeeded()).await;
    assert_eq!(fx.state(child).await, S::Enqueued);
}

async fn waits_through_a_rescue_of_its_parent(fx: &Fixture) {
    let parent = fx.enqueue(job()).await;
    let child = fx.enqueue(job().child_on(parent, On::AnyEnd)).await;
    let server = fx.server().await;
    server.claim_one().await;
    fx.kill(&server).await;
    assert_eq!(fx.state(child).await, S::Awaiting);
    fx.other_server().await.work_one(succeeded()).await;
    assert_eq!(fx.state(child).await, S::Enqueued);
}

async fn counts_a_parent_that_is_named_twice_once(fx: &Fixture) {
    let parent = fx.enqueue(job()).await;
    let child = fx.enqueue(job().child_of(parent).child_of(parent)).await;
    let server = fx.server().await;
    server.work_one(succeeded()).await;
    assert_eq!(ids(&server.claim(5).await), [child]);
}

async fn is_stored_once_when_the_call_is_repeated(fx: &Fixture) {
    let ids = fx.allocate(2).await;
    let batch = vec![job().id(ids[0]), job().id(ids[1]).child_of(ids[0])];
    fx.enqueue_all(batch.clone()).await;
    let again = fx.store().enqueue(batch).await.unwrap();
    assert_eq!(again, [Enqueued::Existing(ids[0]), Enqueued::Existing(ids[1])]);
    let server = fx.server().await;
    server.work_one(succeeded()).await;
    assert_eq!(super::server::ids(&server.claim(5).await), [ids[1]]);
}

async fn is_existing_when_the_call_is_repeated_after_its_parent_was_pruned(fx: &Fixture) {
    let parent = fx.enqueue(job()).await;
    let child = job().id(fx.allocate(1).await[0]).child_of(parent);
    let id = fx.enqueue(child.clone()).await;
    let server = fx.server().await;
    server.work_one(succeeded()).await;
    assert_eq!(fx.prune_all().await, 1);
    assert_eq!(fx.store().enqueue(vec![child]).await.unwrap(), [Enqueued::Existing(id)]);
    assert_eq!(ids(&server.claim(5).await), [id]);
}

async fn may_have_parents_in_other_queues(fx: &Fixture) {
    let parent = fx.enqueue(job()).await;
    let child = fx.enqueue(job().queue("mail").kind("mail.send").child_of(parent)).await;
    fx.server().await.work_one(succeeded()).await;
    let summary = fx.detail(child).await.summary;
    assert_eq!((summary.state, summary.queue.as_str()), (S::Enqueued, "mail"));
}

async fn is_let_go_by_a_parent_that_was_cancelled_before_it_started(fx: &Fixture) {
    let parent = fx.enqueue(job().after(secs(60))).await;
    let batch = CONDITIONS.map(|on| job().child_on(parent, on)).to_vec();
    let children = fx.enqueue_all(batch).await;
    fx.cancel(parent).await;
    for (child, on) in children.into_iter().zip(CONDITIONS) {
        assert_eq!(fx.state(child).await, decided(on, S::Cancelled), "{on:?}");
    }
}
