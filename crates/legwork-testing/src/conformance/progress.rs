//! Progress: what a run tells while it runs, fenced by its lease.

use legwork_core::{JobState as S, Progress, Run};

use super::Fixture;
use super::draft::{job, jobs, released, secs};

cases! { ($) progress __progress_cases:
    of_a_run_is_shown,
    is_replaced_by_what_is_told_later,
    of_a_lost_run_is_passed_over,
    of_another_run_number_is_passed_over,
    of_many_runs_is_written_at_once,
    of_a_job_without_any_is_absent,
    is_not_shown_for_the_run_that_follows,
}

fn share(progress: Option<Progress>) -> Option<f32> {
    progress.map(|progress| progress.share)
}

async fn of_a_run_is_shown(fx: &Fixture) {
    let id = fx.enqueue(job()).await;
    let server = fx.other_server().await;
    let claimed = server.claim_one().await;
    server.progress(&claimed, 0.25).await;
    let progress = fx.detail(id).await.summary.progress;
    assert_eq!(progress, Some(Progress { share: 0.25, message: "0.25 done".to_owned() }));
    assert_eq!(share(fx.list(S::Processing).await.remove(0).progress), Some(0.25));
}

async fn is_replaced_by_what_is_told_later(fx: &Fixture) {
    let id = fx.enqueue(job()).await;
    let server = fx.server().await;
    let claimed = server.claim_one().await;
    for part in [0.5, 0.75, 0.125] {
        server.progress(&claimed, part).await;
        assert_eq!(share(fx.detail(id).await.summary.progress), Some(part));
    }
}

async fn of_a_lost_run_is_passed_over(fx: &Fixture) {
    let id = fx.enqueue(job()).await;
    let (dying, heir) = (fx.server().await, fx.other_server().await);
    let lost = dying.claim_one().await;
    fx.kill(&dying).await;
    dying.progress(&lost, 0.5).await;
    assert_eq!(fx.detail(id).await.summary.progress, None);
    let claimed = heir.claim_one().await;
    heir.progress(&claimed, 0.25).await;
    dying.progress(&lost, 0.75).await;
    assert_eq!(share(fx.detail(id).await.summary.progress), Some(0.25));
}

async fn of_another_run_number_is_passed_over(fx: &Fixture) {
    let id = fx.enqueue(job()).await;
    let server = fx.server().await;
    let mut claimed = server.claim_one().await;
    claimed.run = Run(2);
    server.progress(&claimed, 0.5).await;
    assert_eq!(fx.detail(id).await.summary.progress, None);
}

async fn of_many_runs_is_written_at_once(fx: &Fixture) {
    fx.enqueue_all(jobs(10)).await;
    let server = fx.server().await;
    let mut claimed = server.claim(10).await;
    server.succeed(&claimed[3]).await;
    let progress = Progress { share: 0.5, message: "half \u{1f980}".to_owned() };
    let all = claimed.iter().map(|job| (job.id, job.run, job.lease, progress.clone())).collect();
    fx.store().record_progress(all).await.unwrap();
    claimed.remove(3);
    for job in claimed {
        assert_eq!(fx.detail(job.id).await.summary.progress.as_ref(), Some(&progress));
    }
}

async fn of_a_job_without_any_is_absent(fx: &Fixture) {
    let id = fx.enqueue(job()).await;
    fx.server().await.claim_one().await;
    assert_eq!(fx.detail(id).await.summary.progress, None);
    fx.store().record_progress(vec![]).await.unwrap();
}

async fn is_not_shown_for_the_run_that_follows(fx: &Fixture) {
    let id = fx.enqueue(job()).await;
    let server = fx.server().await;
    let claimed = server.claim_one().await;
    server.progress(&claimed, 0.5).await;
    server.end(&claimed, released(true)).await;
    fx.advance(secs(1));
    server.claim_one().await;
    assert_eq!(fx.detail(id).await.summary.progress, None);
}
