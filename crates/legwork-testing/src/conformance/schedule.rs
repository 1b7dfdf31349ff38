//! Delayed jobs and their promotion: never early, in the order of their due times.
//!
//! Retries and snoozes, which are scheduled too, are in `retry.rs`.

use std::time::Duration;

use legwork_core::limits::DELAY_MAX;
use legwork_core::storage::Promoted;
use legwork_core::{JobState as S, Timestamp};

use super::Fixture;
use super::draft::{Draft as _, job, jobs, secs};
use super::server::ids;

cases! { ($) schedule __schedule_cases:
    keeps_a_delayed_job_from_being_claimed,
    never_promotes_a_job_before_it_is_due,
    promotes_a_job_at_the_instant_it_is_due,
    promotes_in_the_order_of_due_times,
    promotes_at_most_as_many_as_asked_for,
    tells_how_long_it_is_until_the_next_is_due,
    tells_that_nothing_is_scheduled,
    enqueues_a_job_at_once_when_its_instant_has_passed,
    enqueues_a_job_at_once_when_its_delay_is_zero,
    holds_a_job_until_the_last_instant_there_is,
    holds_a_job_for_the_longest_delay,
    puts_a_promoted_job_behind_those_that_wait_already,
    keeps_the_priority_of_a_promoted_job,
    promotes_each_job_once_from_two_handles,
    never_starts_a_job_early_when_the_clock_steps_back,
    promotes_every_one_of_many_due_jobs,
}

async fn keeps_a_delayed_job_from_being_claimed(fx: &Fixture) {
    let id = fx.enqueue(job().after(secs(60))).await;
    let summary = fx.detail(id).await.summary;
    assert_eq!((summary.state, summary.at), (S::Scheduled, fx.now().after(secs(60))));
    assert_eq!((fx.count(S::Scheduled).await, fx.count(S::Enqueued).await), (1, 0));
    assert!(fx.server().await.claim(1).await.is_empty());
}

async fn never_promotes_a_job_before_it_is_due(fx: &Fixture) {
    let id = fx.enqueue(job().after(secs(60))).await;
    fx.advance(Duration::from_micros(59_999_999));
    assert_eq!(fx.promote().await.jobs, 0);
    assert_eq!(fx.state(id).await, S::Scheduled);
    assert!(fx.server().await.claim(1).await.is_empty());
}

async fn promotes_a_job_at_the_instant_it_is_due(fx: &Fixture) {
    let id = fx.enqueue(job().at(fx.now().after(secs(60)))).await;
    fx.advance(secs(60));
    assert_eq!(fx.promote().await, Promoted { jobs: 1, next_in: None });
    assert_eq!(fx.state(id).await, S::Enqueued);
    assert_eq!(fx.server().await.claim_one().await.id, id);
}

async fn promotes_in_the_order_of_due_times(fx: &Fixture) {
    let third = fx.enqueue(job().after(secs(30))).await;
    let first = fx.enqueue(job().after(secs(10))).await;
    let second = fx.enqueue(job().after(secs(20))).await;
    fx.advance(secs(60));
    fx.promote().await;
    assert_eq!(ids(&fx.server().await.claim(3).await), [first, second, third]);
}

async fn promotes_at_most_as_many_as_asked_for(fx: &Fixture) {
    let late = fx.enqueue(job().after(secs(20))).await;
    let early = fx.enqueue_all(vec![job().after(secs(10)), job().after(secs(11))]).await;
    fx.advance(secs(60));
    let promoted = fx.store().promote(2).await.unwrap();
    assert_eq!(promoted, Promoted { jobs: 2, next_in: Some(Duration::ZERO) });
    assert_eq!(fx.ids(S::Enqueued).await, early, "the earliest come first");
    assert_eq!(fx.state(late).await, S::Scheduled);
    assert_eq!(fx.promote().await, Promoted { jobs: 1, next_in: None });
}

async fn tells_how_long_it_is_until_the_next_is_due(fx: &Fixture) {
    fx.enqueue_all(vec![job().after(secs(90)), job().after(secs(30))]).await;
    assert_eq!(fx.promote().await, Promoted { jobs: 0, next_in: Some(secs(30)) });
    fx.advance(secs(40));
    assert_eq!(fx.promote().await, Promoted { jobs: 1, next_in: Some(secs(50)) });
}

async fn tells_that_nothing_is_scheduled(fx: &Fixture) {
    fx.enqueue_all(jobs(2)).await;
    assert_eq!(fx.promote().await, Promoted { jobs: 0, next_in: None });
}

async fn enqueues_a_job_at_once_when_its_instant_has_passed(fx: &Fixture) {
    for at in [Timestamp::MIN, fx.now().before(secs(1)), fx.now()] {
        let id = fx.enqueue(job().at(at)).await;
        assert_eq!(fx.state(id).await, S::Enqueued, "{at}");
    }
    assert_eq!(fx.count(S::Scheduled).await, 0);
}

async fn enqueues_a_job_at_once_when_its_delay_is_zero(fx: &Fixture) {
    let id = fx.enqueue(job().after(Duration::ZERO)).await;
    assert_eq!(fx.state(id).await, S::Enqueued);
}

async fn holds_a_job_until_the_last_instant_there_is(fx: &Fixture) {
    let id = fx.enqueue(job().at(Timestamp::MAX)).await;
    let next_in = Timestamp::MAX.since(fx.now());
    assert_eq!(fx.promote().await, Promoted { jobs: 0, next_in: Some(next_in) });
    assert_eq!(fx.detail(id).await.summary.at, Timestamp::MAX);
    fx.set_time(Timestamp::MAX);
    assert_eq!(fx.promote().await.jobs, 1);
}

async fn holds_a_job_for_the_longest_delay(fx: &Fixture) {
    let id = fx.enqueue(job().after(DELAY_MAX)).await;
    fx.advance(DELAY_MAX.saturating_sub(secs(1)));
    assert_eq!(fx.promote().await, Promoted { jobs: 0, next_in: Some(secs(1)) });
    assert_eq!(fx.state(id).await, S::Scheduled);
}

async fn puts_a_promoted_job_behind_those_that_wait_already(fx: &Fixture) {
    let delayed = fx.enqueue(job().after(secs(10))).await;
    let waiting = fx.enqueue_all(jobs(2)).await;
    fx.advance(secs(10));
    fx.promote().await;
    let later = fx.enqueue(job()).await;
    let claimed = fx.server().await.claim(4).await;
    assert_eq!(ids(&claimed), [waiting[0], waiting[1], delayed, later]);
}

async fn keeps_the_priority_of_a_promoted_job(fx: &Fixture) {
    let urgent = fx.enqueue(job().priority(-1).after(secs(10))).await;
    fx.enqueue(job()).await;
    fx.advance(secs(10));
    fx.promote().await;
    assert_eq!(fx.server().await.claim_one().await.id, urgent);
}

async fn promotes_each_job_once_from_two_handles(fx: &Fixture) {
    fx.enqueue_all(jobs(50).into_iter().map(|job| job.after(secs(1))).collect()).await;
    fx.advance(secs(1));
    let (here, there) = tokio::join!(fx.store().promote(100), fx.other_store().promote(100));
    assert_eq!(here.unwrap().jobs + there.unwrap().jobs, 50);
    assert_eq!(fx.count(S::Enqueued).await, 50);
    assert_eq!(fx.server().await.claim(100).await.len(), 50);
}

async fn never_starts_a_job_early_when_the_clock_steps_back(fx: &Fixture) {
    let id = fx.enqueue(job().after(secs(60))).await;
    let due = fx.now().after(secs(60));
    fx.set_time(fx.now().before(secs(24 * 3_600)));
    assert_eq!(fx.promote().await, Promoted { jobs: 0, next_in: Some(due.since(fx.now())) });
    fx.set_time(due);
    assert_eq!(fx.promote().await.jobs, 1);
    assert_eq!(fx.server().await.claim_one().await.id, id);
}

async fn promotes_every_one_of_many_due_jobs(fx: &Fixture) {
    fx.enqueue_all(jobs(2_500).into_iter().map(|job| job.after(secs(5))).collect()).await;
    fx.advance(secs(5));
    let mut n_jobs = 0;
    while let promoted = fx.promote().await
        && promoted.jobs > 0
    {
        n_jobs += promoted.jobs;
    }
    assert_eq!((n_jobs, fx.count(S::Enqueued).await), (2_500, 2_500));
}
