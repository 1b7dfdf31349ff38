//! Retries and snoozes: what counts, when the job is due again, and how runs are numbered.
//!
//! When a retry is due is the caller's decision (`RetryPolicy`); the storage adds it to its clock.

use std::time::Duration;

use legwork_core::storage::Promoted;
use legwork_core::{JobState as S, Run, Timestamp};

use super::Fixture;
use super::draft::{Draft as _, failed, job, jobs, released, retry, secs, snoozed, succeeded};

cases! { ($) retry __retry_cases:
    schedules_a_failed_run_again_by_the_clock_of_the_storage,
    counts_each_failed_run,
    never_starts_a_retry_early,
    runs_a_retry_with_the_next_run_number,
    shows_the_latest_error_of_a_retry,
    tells_retries_from_delayed_jobs,
    enqueues_a_retry_without_delay_at_once_or_when_promoted,
    schedules_a_retry_no_later_than_the_last_instant,
    keeps_queue_priority_and_options_of_a_retry,
    does_not_count_a_snooze,
    schedules_a_snoozed_job_by_the_clock_of_the_storage,
    keeps_failures_through_a_snooze,
    keeps_failures_of_a_job_that_succeeds_at_last,
    puts_a_retry_behind_the_jobs_that_wait_already,
    numbers_runs_without_gaps_whatever_ended_them,
}

async fn schedules_a_failed_run_again_by_the_clock_of_the_storage(fx: &Fixture) {
    let id = fx.enqueue(job()).await;
    let server = fx.server().await;
    let claimed = server.claim_one().await;
    fx.advance(secs(100));
    server.end(&claimed, retry(secs(30))).await;
    let summary = fx.detail(id).await.summary;
    assert_eq!((summary.state, summary.at), (S::Scheduled, fx.now().after(secs(30))));
    assert_eq!(fx.promote().await, Promoted { jobs: 0, next_in: Some(secs(30)) });
}

async fn counts_each_failed_run(fx: &Fixture) {
    let id = fx.enqueue(job()).await;
    let server = fx.server().await;
    for failures in 0..4 {
        let claimed = server.claim_one().await;
        assert_eq!(claimed.failures, failures);
        server.end(&claimed, retry(secs(1))).await;
        assert_eq!(fx.detail(id).await.summary.failures, failures + 1);
        fx.advance(secs(1));
        fx.promote().await;
    }
    server.work_one(failed()).await;
    let summary = fx.detail(id).await.summary;
    assert_eq!((summary.state, summary.failures), (S::Failed, 5));
}

async fn never_starts_a_retry_early(fx: &Fixture) {
    fx.enqueue(job()).await;
    let server = fx.server().await;
    server.work_one(retry(secs(30))).await;
    fx.advance(Duration::from_micros(29_999_999));
    fx.promote().await;
    assert!(server.claim(1).await.is_empty());
    fx.advance(Duration::from_micros(1));
    fx.promote().await;
    assert_eq!(server.claim(1).await.len(), 1);
}

async fn runs_a_retry_with_the_next_run_number(fx: &Fixture) {
    let id = fx.enqueue(job()).await;
    let server = fx.server().await;
    for run in 1..=5 {
        let claimed = server.work_one(retry(secs(1))).await;
        assert_eq!((claimed.id, claimed.run), (id, Run(run)));
        fx.advance(secs(1));
        fx.promote().await;
    }
}

async fn shows_the_latest_error_of_a_retry(fx: &Fixture) {
    let id = fx.enqueue(job()).await;
    let server = fx.server().await;
    server.work_one(retry(secs(1))).await;
    assert_eq!(fx.detail(id).await.summary.error.as_deref(), Some("flaky"));
    fx.advance(secs(1));
    fx.promote().await;
    server.work_one(failed()).await;
    assert_eq!(fx.detail(id).await.summary.error.as_deref(), Some("broken"));
}

async fn tells_retries_from_delayed_jobs(fx: &Fixture) {
    use legwork_core::inspect::{JobFilter, Page};

    let retried = fx.enqueue(job()).await;
    fx.server().await.work_one(retry(secs(90))).await;
    fx.enqueue_all(jobs(2).into_iter().map(|job| job.after(secs(5))).collect()).await;
    let counts = fx.counts().await;
    assert_eq!((counts.scheduled.n, counts.retries.n), (3, 1));
    let filter = JobFilter { retries_only: true, ..JobFilter::state(S::Scheduled) };
    let page = fx.store().jobs(filter, Page::first(10)).await.unwrap();
    assert_eq!(page.jobs.iter().map(|job| job.id).collect::<Vec<_>>(), [retried]);
}

async fn enqueues_a_retry_without_delay_at_once_or_when_promoted(fx: &Fixture) {
    let id = fx.enqueue(job()).await;
    let server = fx.server().await;
    server.work_one(retry(Duration::ZERO)).await;
    fx.promote().await;
    let claimed = server.claim_one().await;
    assert_eq!((claimed.id, claimed.run, claimed.failures), (id, Run(2), 1));
}

async fn schedules_a_retry_no_later_than_the_last_instant(fx: &Fixture) {
    for verdict in [retry(Duration::MAX), snoozed(Duration::MAX)] {
        let id = fx.enqueue(job()).await;
        fx.server().await.work_one(verdict).await;
        let summary = fx.detail(id).await.summary;
        assert_eq!((summary.state, summary.at), (S::Scheduled, Timestamp::MAX));
    }
}

async fn keeps_queue_priority_and_options_of_a_retry(fx: &Fixture) {
    let new = job().priority(-5).options(|o| o.max_attempts = Some(9));
    let expected = new.options.clone();
    fx.enqueue(new).await;
    let created_at = fx.now();
    let server = fx.server().await;
    let first = server.work_one(retry(secs(1))).await;
    fx.enqueue(job()).await;
    fx.advance(secs(1));
    fx.promote().await;
    let second = server.claim_one().await;
    assert_eq!((second.id, &second.queue, &second.kind), (first.id, &first.queue, &first.kind));
    assert_eq!((second.options, second.created_at), (expected, created_at));
    assert_eq!(fx.detail(first.id).await.summary.priority, -5);
}

async fn does_not_count_a_snooze(fx: &Fixture) {
    let id = fx.enqueue(job()).await;
    let server = fx.server().await;
    server.work_one(snoozed(secs(1))).await;
    assert_eq!(fx.detail(id).await.summary.failures, 0);
    assert_eq!(fx.counts().await.retries.n, 0);
    fx.advance(secs(1));
    fx.promote().await;
    let claimed = server.claim_one().await;
    assert_eq!((claimed.run, claimed.failures), (Run(2), 0));
}

async fn schedules_a_snoozed_job_by_the_clock_of_the_storage(fx: &Fixture) {
    let id = fx.enqueue(job()).await;
    let server = fx.server().await;
    let claimed = server.claim_one().await;
    fx.advance(secs(50));
    server.end(&claimed, snoozed(secs(7))).await;
    let summary = fx.detail(id).await.summary;
    assert_eq!((summary.state, summary.at), (S::Scheduled, fx.now().after(secs(7))));
}

async fn keeps_failures_through_a_snooze(fx: &Fixture) {
    let id = fx.enqueue(job()).await;
    let server = fx.server().await;
    for verdict in [retry(secs(1)), snoozed(secs(1)), released(true)] {
        server.work_one(verdict).await;
        fx.advance(secs(1));
        fx.promote().await;
    }
    let claimed = server.claim_one().await;
    assert_eq!((claimed.id, claimed.failures, claimed.run), (id, 1, Run(4)));
}

async fn keeps_failures_of_a_job_that_succeeds_at_last(fx: &Fixture) {
    let id = fx.enqueue(job()).await;
    let server = fx.server().await;
    server.work_one(retry(secs(1))).await;
    fx.advance(secs(1));
    fx.promote().await;
    server.work_one(succeeded()).await;
    let summary = fx.detail(id).await.summary;
    assert_eq!((summary.state, summary.failures, summary.run), (S::Succeeded, 1, Run(2)));
}

async fn puts_a_retry_behind_the_jobs_that_wait_already(fx: &Fixture) {
    let flaky = fx.enqueue(job()).await;
    let server = fx.server().await;
    server.work_one(retry(secs(1))).await;
    let waiting = fx.enqueue(job()).await;
    fx.advance(secs(1));
    fx.promote().await;
    assert_eq!(super::server::ids(&server.claim(2).await), [waiting, flaky]);
}

async fn numbers_runs_without_gaps_whatever_ended_them(fx: &Fixture) {
    let id = fx.enqueue(job()).await;
    let server = fx.server().await;
    let verdicts = [retry(secs(1)), snoozed(secs(1)), released(false), released(true), failed()];
    for (verdict, run) in verdicts.into_iter().zip(1..) {
        assert_eq!(server.work_one(verdict).await.run, Run(run));
        fx.advance(secs(1));
        fx.promote().await;
    }
    fx.requeue(id).await;
    let dying = fx.server().await;
    assert_eq!(dying.claim_one().await.run, Run(6));
    fx.kill(&dying).await;
    assert_eq!(server.claim_one().await.run, Run(7));
}
