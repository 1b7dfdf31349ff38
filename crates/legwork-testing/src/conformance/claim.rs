//! Claiming: which jobs, in which order, and for whom.
//!
//! What suspects are is in `rescue.rs`; that finishing comes before claiming in `finish.rs`.

use std::collections::HashSet;

use legwork_core::limits::CLAIM_MAX_JOBS;
use legwork_core::storage::Claim;
use legwork_core::{ErrorKind, JobState as S, On, Run};

use super::Fixture;
use super::draft::{Draft as _, KIND, job, jobs, kind, queue, secs};
use super::server::{ids, wish};

cases! { ($) claim __claim_cases:
    hands_out_jobs_in_the_order_in_which_they_were_enqueued,
    never_hands_one_job_to_two_servers,
    never_hands_one_job_to_the_same_server_twice,
    takes_lower_priority_numbers_first,
    takes_queues_in_the_order_asked_for,
    lets_the_order_of_queues_beat_priority,
    passes_over_kinds_that_the_server_has_not_registered,
    does_not_let_unknown_kinds_block_a_queue,
    passes_over_queues_that_were_not_asked_for,
    passes_over_paused_queues,
    hands_out_a_paused_queue_again_after_it_was_resumed,
    takes_at_most_as_many_as_asked_for,
    takes_at_most_a_thousand_whatever_was_asked_for,
    takes_a_queue_that_is_named_twice_once,
    leaves_the_rest_of_a_batch_for_others,
    takes_nothing_when_nothing_is_asked_for,
    starts_with_the_first_run,
    puts_jobs_that_were_claimed_together_under_one_lease,
    puts_later_claims_under_other_leases,
    shows_the_job_as_processing_on_its_server,
    cancels_a_job_that_expired_before_it_started,
    cancels_the_children_of_a_job_that_expired,
    takes_a_job_that_has_not_expired_yet,
    gives_a_server_that_was_never_registered_nothing,
    gives_a_server_that_was_declared_dead_nothing,
    gives_a_server_that_retired_nothing,
    sees_what_another_handle_enqueued,
    takes_priority_across_batches_of_one_queue,
    refuses_to_register_one_incarnation_twice,
}

async fn hands_out_jobs_in_the_order_in_which_they_were_enqueued(fx: &Fixture) {
    let mut expected = fx.enqueue_all(jobs(3)).await;
    expected.push(fx.enqueue(job()).await);
    expected.extend(fx.enqueue_all(jobs(150)).await);
    let server = fx.server().await;
    let mut claimed = ids(&server.claim(2).await);
    claimed.extend(ids(&server.claim(1_000).await));
    assert_eq!(claimed, expected);
}

async fn never_hands_one_job_to_two_servers(fx: &Fixture) {
    let all = fx.enqueue_all(jobs(10)).await;
    let (one, two) = (fx.server().await, fx.other_server().await);
    let mut claimed = ids(&one.claim(4).await);
    claimed.extend(ids(&two.claim(10).await));
    claimed.extend(ids(&one.claim(10).await));
    assert_eq!(claimed, all);
}

async fn never_hands_one_job_to_the_same_server_twice(fx: &Fixture) {
    fx.enqueue_all(jobs(3)).await;
    let server = fx.server().await;
    assert_eq!(server.claim(10).await.len(), 3);
    assert!(server.claim(10).await.is_empty());
}

async fn takes_lower_priority_numbers_first(fx: &Fixture) {
    let priorities = [5, -3, 0, 5, -3];
    let all = fx.enqueue_all(priorities.map(|n| job().priority(n)).to_vec()).await;
    let claimed = fx.server().await.claim(5).await;
    assert_eq!(ids(&claimed), [all[1], all[4], all[2], all[0], all[3]]);
}

async fn takes_queues_in_the_order_asked_for(fx: &Fixture) {
    let b = fx.enqueue(job().queue("b")).await;
    let a = fx.enqueue(job().queue("a")).await;
    let claim = |first, second| Claim { queues: vec![queue(first), queue(second)], ..wish(1) };
    let server = fx.server().await;
    assert_eq!(ids(&server.claim_as(claim("a", "b")).await), [a]);
    fx.enqueue(job().queue("a")).await;
    assert_eq!(ids(&server.claim_as(claim("b", "a")).await), [b]);
}

async fn lets_the_order_of_queues_beat_priority(fx: &Fixture) {
    let urgent = fx.enqueue(job().queue("b").priority(-100)).await;
    let idle = fx.enqueue(job().queue("a").priority(100)).await;
    let claim = Claim { queues: vec![queue("a"), queue("b")], ..wish(2) };
    assert_eq!(ids(&fx.server().await.claim_as(claim).await), [idle, urgent]);
}

async fn passes_over_kinds_that_the_server_has_not_registered(fx: &Fixture) {
    let other = fx.enqueue(job().kind("other")).await;
    let server = fx.server().await;
    assert!(server.claim(1).await.is_empty());
    assert_eq!(fx.state(other).await, S::Enqueued);
    let claim = Claim { kinds: [kind("other"), kind(KIND)].into(), ..wish(1) };
    assert_eq!(ids(&server.claim_as(claim).await), [other]);
}

async fn does_not_let_unknown_kinds_block_a_queue(fx: &Fixture) {
    let mut batch = jobs(301);
    for unknown in &mut batch[..300] {
        unknown.kind = kind("unknown");
    }
    let all = fx.enqueue_all(batch).await;
    assert_eq!(ids(&fx.server().await.claim(1).await), [all[300]]);
    assert_eq!(fx.count(S::Enqueued).await, 300);
}

async fn passes_over_queues_that_were_not_asked_for(fx: &Fixture) {
    let mail = fx.enqueue(job().queue("mail")).await;
    let server = fx.server().await;
    assert!(server.claim(1).await.is_empty());
    assert!(server.claim_as(Claim { queues: vec![], ..wish(1) }).await.is_empty());
    assert_eq!(fx.state(mail).await, S::Enqueued);
}

async fn passes_over_paused_queues(fx: &Fixture) {
    let paused = fx.enqueue(job().queue("mail")).await;
    let free = fx.enqueue(job()).await;
    fx.pause("mail").await;
    let claim = Claim { queues: vec![queue("mail"), queue("default")], ..wish(2) };
    assert_eq!(ids(&fx.other_server().await.claim_as(claim).await), [free]);
    assert_eq!(fx.state(paused).await, S::Enqueued);
}

async fn hands_out_a_paused_queue_again_after_it_was_resumed(fx: &Fixture) {
    fx.pause("default").await;
    let all = fx.enqueue_all(jobs(2)).await;
    let server = fx.server().await;
    assert!(server.claim(2).await.is_empty());
    assert!(fx.resume("default").await);
    assert_eq!(ids(&server.claim(2).await), all);
}

async fn takes_at_most_as_many_as_asked_for(fx: &Fixture) {
    let all = fx.enqueue_all(jobs(10)).await;
    let server = fx.server().await;
    assert_eq!(ids(&server.claim(3).await), all[..3]);
    assert_eq!((fx.count(S::Processing).await, fx.count(S::Enqueued).await), (3, 7));
}

async fn takes_at_most_a_thousand_whatever_was_asked_for(fx: &Fixture) {
    let all = fx.enqueue_all(jobs(CLAIM_MAX_JOBS + 50)).await;
    let server = fx.server().await;
    assert_eq!(ids(&server.claim(usize::MAX).await), all[..CLAIM_MAX_JOBS]);
    assert_eq!(ids(&server.claim(usize::MAX).await), all[CLAIM_MAX_JOBS..]);
}

async fn takes_a_queue_that_is_named_twice_once(fx: &Fixture) {
    let all = fx.enqueue_all(jobs(3)).await;
    let queues = vec![queue("default"), queue("mail"), queue("default")];
    assert_eq!(ids(&fx.server().await.claim_as(Claim { queues, ..wish(9) }).await), all);
}

async fn leaves_the_rest_of_a_batch_for_others(fx: &Fixture) {
    let all = fx.enqueue_all(jobs(100)).await;
    let (one, two) = (fx.server().await, fx.other_server().await);
    let mut claimed = Vec::new();
    for n in 1..=13 {
        claimed.extend(ids(&one.claim(n).await));
        claimed.extend(ids(&two.claim(1).await));
    }
    assert_eq!(claimed, all);
}

async fn takes_nothing_when_nothing_is_asked_for(fx: &Fixture) {
    fx.enqueue(job()).await;
    let server = fx.server().await;
    assert!(server.claim(0).await.is_empty());
    assert!(server.exchange(vec![], None).await.claimed.is_empty());
    assert!(server.claim_as(Claim { kinds: [].into(), ..wish(1) }).await.is_empty());
    assert_eq!(fx.count(S::Enqueued).await, 1);
}

async fn starts_with_the_first_run(fx: &Fixture) {
    let id = fx.enqueue(job()).await;
    let claimed = fx.server().await.claim_one().await;
    assert_eq!((claimed.id, claimed.run), (id, Run::FIRST));
    assert_eq!((claimed.failures, claimed.losses), (0, 0));
}

async fn puts_jobs_that_were_claimed_together_under_one_lease(fx: &Fixture) {
    fx.enqueue_all(vec![job(), job().priority(1), job().queue("mail")]).await;
    let claim = Claim { queues: vec![queue("default"), queue("mail")], ..wish(3) };
    let claimed = fx.server().await.claim_as(claim).await;
    assert_eq!(claimed.len(), 3);
    assert!(claimed.iter().all(|job| job.lease == claimed[0].lease));
}

async fn puts_later_claims_under_other_leases(fx: &Fixture) {
    fx.enqueue_all(jobs(3)).await;
    let (one, two) = (fx.server().await, fx.other_server().await);
    let leases = [one.claim_one().await, one.claim_one().await, two.claim_one().await];
    let leases: HashSet<_> = leases.iter().map(|job| job.lease).collect();
    assert_eq!(leases.len(), 3);
}

async fn shows_the_job_as_processing_on_its_server(fx: &Fixture) {
    let id = fx.enqueue(job()).await;
    let server = fx.server().await;
    fx.advance(secs(5));
    server.claim_one().await;
    let summary = fx.detail(id).await.summary;
    assert_eq!((summary.state, summary.at), (S::Processing, fx.now()));
    assert_eq!((summary.server, summary.run), (Some(server.incarnation()), Run::FIRST));
    assert_eq!(fx.ids(S::Processing).await, [id]);
}

async fn cancels_a_job_that_expired_before_it_started(fx: &Fixture) {
    let expires_at = fx.now().after(secs(10));
    let expired = fx.enqueue(job().options(|o| o.expires_at = Some(expires_at))).await;
    let fresh = fx.enqueue(job()).await;
    fx.advance(secs(11));
    assert_eq!(ids(&fx.server().await.claim(2).await), [fresh]);
    assert_eq!(fx.state(expired).await, S::Cancelled);
}

async fn cancels_the_children_of_a_job_that_expired(fx: &Fixture) {
    let expires_at = fx.now().after(secs(10));
    let parent = fx.enqueue(job().options(|o| o.expires_at = Some(expires_at))).await;
    let child = fx.enqueue(job().child_of(parent)).await;
    let other = fx.enqueue(job().child_on(parent, On::Cancelled)).await;
    fx.advance(secs(10));
    let server = fx.server().await;
    server.claim(1).await;
    assert_eq!((fx.state(parent).await, fx.state(child).await), (S::Cancelled, S::Cancelled));
    assert!([S::Enqueued, S::Processing].contains(&fx.state(other).await));
}

async fn takes_a_job_that_has_not_expired_yet(fx: &Fixture) {
    let expires_at = fx.now().after(secs(10));
    let id = fx.enqueue(job().options(|o| o.expires_at = Some(expires_at))).await;
    fx.advance(secs(9));
    let server = fx.server().await;
    let claimed = server.claim_one().await;
    fx.advance(secs(60));
    server.succeed(&claimed).await;
    assert_eq!(fx.state(id).await, S::Succeeded, "only a start can be too late");
}

async fn gives_a_server_that_was_never_registered_nothing(fx: &Fixture) {
    fx.enqueue(job()).await;
    assert!(fx.unregistered().claim(1).await.is_empty());
    assert_eq!(fx.count(S::Enqueued).await, 1);
}

async fn gives_a_server_that_was_declared_dead_nothing(fx: &Fixture) {
    fx.enqueue(job()).await;
    let server = fx.other_server().await;
    fx.kill(&server).await;
    assert!(server.claim(1).await.is_empty());
    assert_eq!(fx.count(S::Enqueued).await, 1);
}

async fn gives_a_server_that_retired_nothing(fx: &Fixture) {
    fx.enqueue(job()).await;
    let server = fx.server().await;
    server.retire().await;
    assert!(server.claim(1).await.is_empty());
    assert_eq!(fx.count(S::Enqueued).await, 1);
}

async fn sees_what_another_handle_enqueued(fx: &Fixture) {
    let server = fx.other_server().await;
    assert!(server.claim(1).await.is_empty());
    let id = fx.enqueue(job()).await;
    assert_eq!(ids(&server.claim(1).await), [id]);
}

async fn takes_priority_across_batches_of_one_queue(fx: &Fixture) {
    let slow = fx.enqueue_all(jobs(120).into_iter().map(|job| job.priority(9)).collect()).await;
    let server = fx.server().await;
    assert_eq!(ids(&server.claim(5).await), slow[..5]);
    let fast = fx.enqueue_all(vec![job().priority(8), job().priority(7)]).await;
    assert_eq!(ids(&server.claim(4).await), [fast[1], fast[0], slow[5], slow[6]]);
}

async fn refuses_to_register_one_incarnation_twice(fx: &Fixture) {
    let server = fx.server().await;
    let error = server.register_again().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    server.retire().await;
    let error = server.register_again().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "a retired incarnation is spent too");
}
