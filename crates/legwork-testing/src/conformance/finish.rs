//! Finishing: what each verdict makes of a job, and results.
//!
//! Which finishes are refused is in `fence.rs`; retries and snoozes are in `retry.rs`.

use std::time::Duration;

use legwork_core::storage::{FailReason, Finished, Verdict};
use legwork_core::{JobState as S, Run};

use super::Fixture;
use super::draft::{
    Draft as _, cancelled, ending, error, failed, job, jobs, released, result, retry, secs,
    snoozed, succeeded,
};
use super::server::{done, finish, ids, wish};

cases! { ($) finish __finish_cases:
    ends_a_job_as_succeeded,
    ends_a_job_as_failed_with_its_error,
    ends_a_job_as_cancelled,
    keeps_every_reason_of_a_failure,
    never_hands_out_a_job_that_has_ended,
    stores_a_result_that_can_be_read,
    stores_results_byte_for_byte,
    reads_results_in_the_order_asked_for,
    takes_a_batch_of_every_verdict,
    comes_before_the_claim_of_the_same_exchange,
    makes_a_child_claimable_in_the_same_exchange,
    answers_in_the_order_of_the_batch,
    keeps_the_rest_of_a_lease_when_one_job_ends,
    tells_how_long_the_run_took,
    leaves_exactly_one_end_per_job,
    of_a_thousand_jobs_in_one_exchange_leaves_nothing_behind,
    takes_runs_of_many_leases_in_one_exchange,
    cuts_no_error_text_of_the_allowed_length,
}

async fn ends_a_job_as_succeeded(fx: &Fixture) {
    let id = fx.enqueue(job()).await;
    let server = fx.server().await;
    let claimed = server.claim_one().await;
    fx.advance(secs(3));
    server.succeed(&claimed).await;
    let summary = fx.detail(id).await.summary;
    assert_eq!((summary.state, summary.at), (S::Succeeded, fx.now()));
    assert_eq!((summary.run, summary.failures), (Run::FIRST, 0));
    assert_eq!((fx.count(S::Succeeded).await, fx.count(S::Processing).await), (1, 0));
}

async fn ends_a_job_as_failed_with_its_error(fx: &Fixture) {
    let id = fx.enqueue(job()).await;
    fx.server().await.work_one(failed()).await;
    let summary = fx.detail(id).await.summary;
    assert_eq!((summary.state, summary.error.as_deref()), (S::Failed, Some("broken")));
    assert_eq!((fx.count(S::Failed).await, fx.count(S::Processing).await), (1, 0));
}

async fn ends_a_job_as_cancelled(fx: &Fixture) {
    let id = fx.enqueue(job()).await;
    fx.server().await.work_one(cancelled()).await;
    assert_eq!(fx.state(id).await, S::Cancelled);
    assert_eq!((fx.count(S::Cancelled).await, fx.count(S::Processing).await), (1, 0));
}

async fn keeps_every_reason_of_a_failure(fx: &Fixture) {
    use legwork_core::inspect::History;

    let server = fx.server().await;
    for reason in [FailReason::Exhausted, FailReason::Discarded, FailReason::Undecodable] {
        let id = fx.enqueue(job()).await;
        server.work_one(Verdict::Failed { reason, error: error("why \u{fffd} 漢") }).await;
        let history = fx.detail(id).await.history;
        let kept = history.iter().any(|entry| {
            matches!(&entry.what, History::Failed { reason: kept, error: cause, .. }
                if *kept == reason && *cause == error("why \u{fffd} 漢"))
        });
        assert!(kept, "{reason:?}: {history:?}");
    }
}

async fn never_hands_out_a_job_that_has_ended(fx: &Fixture) {
    let server = fx.server().await;
    for state in [S::Succeeded, S::Failed, S::Cancelled] {
        let id = fx.enqueue(job()).await;
        server.work_one(ending(state)).await;
        fx.advance(secs(3_600));
        assert_eq!(fx.promote().await.jobs, 0);
        assert!(server.claim(1).await.is_empty(), "{state}");
        assert_eq!(fx.state(id).await, state);
    }
}

async fn stores_a_result_that_can_be_read(fx: &Fixture) {
    let id = fx.enqueue(job()).await;
    fx.server().await.work_one(result("{\"rows\":42}")).await;
    assert_eq!(fx.result(id).await.as_deref(), Some(&b"{\"rows\":42}"[..]));
    assert_eq!(fx.detail(id).await.result.as_deref(), Some(&b"{\"rows\":42}"[..]));
}

async fn stores_results_byte_for_byte(fx: &Fixture) {
    let server = fx.server().await;
    let long = format!("\"{}\"", "é".repeat(500_000));
    for json in ["null", "\"\\u0000\"", " [ 1.0 ] ", "123456789012345678901234567890", &long] {
        let id = fx.enqueue(job()).await;
        server.work_one(result(json)).await;
        assert!(fx.result(id).await.as_deref() == Some(json.as_bytes()), "{json:.40}");
    }
}

async fn reads_results_in_the_order_asked_for(fx: &Fixture) {
    let all = fx.enqueue_all(jobs(4)).await;
    let server = fx.server().await;
    server.work_one(result("1")).await;
    server.work_one(result("2")).await;
    server.work_one(succeeded()).await;
    let unknown = fx.allocate(1).await[0];
    let asked = vec![all[2], all[1], unknown, all[0], all[3], all[1]];
    let results = fx.store().results(asked).await.unwrap();
    let json = |text: &str| Some(text.as_bytes().to_vec());
    assert_eq!(results, [None, json("2"), None, json("1"), None, json("2")]);
}

async fn takes_a_batch_of_every_verdict(fx: &Fixture) {
    let all = fx.enqueue_all(jobs(6)).await;
    let server = fx.server().await;
    let claimed = server.claim(6).await;
    let verdicts =
        [succeeded(), retry(secs(9)), failed(), snoozed(secs(9)), cancelled(), released(false)];
    let batch = claimed.iter().zip(verdicts).map(|(job, verdict)| finish(job, verdict)).collect();
    let answer = server.exchange(batch, None).await;
    assert_eq!(answer.finished, [Finished::Recorded; 6]);
    let states = [S::Succeeded, S::Scheduled, S::Failed, S::Scheduled, S::Cancelled, S::Enqueued];
    for (id, state) in all.into_iter().zip(states) {
        assert_eq!(fx.state(id).await, state);
    }
    assert_eq!(fx.count(S::Processing).await, 0);
}

async fn comes_before_the_claim_of_the_same_exchange(fx: &Fixture) {
    let id = fx.enqueue(job()).await;
    let server = fx.server().await;
    let claimed = server.claim_one().await;
    let answer = server.exchange(vec![finish(&claimed, released(false))], Some(wish(1))).await;
    assert_eq!(answer.finished, [Finished::Recorded]);
    assert_eq!(ids(&answer.claimed), [id], "what was released is claimed again");
    assert_eq!(answer.claimed[0].run, Run(2));
}

async fn makes_a_child_claimable_in_the_same_exchange(fx: &Fixture) {
    let parent = fx.enqueue(job()).await;
    let child = fx.enqueue(job().child_of(parent)).await;
    let server = fx.server().await;
    let claimed = server.claim(2).await;
    assert_eq!(ids(&claimed), [parent]);
    let answer = server.exchange(vec![done(&claimed[0])], Some(wish(1))).await;
    assert_eq!(ids(&answer.claimed), [child]);
}

async fn answers_in_the_order_of_the_batch(fx: &Fixture) {
    fx.enqueue_all(jobs(3)).await;
    let server = fx.server().await;
    let claimed = server.claim(3).await;
    server.succeed(&claimed[1]).await;
    let batch = [2, 1, 0].map(|n| finish(&claimed[n], failed())).to_vec();
    let answer = server.exchange(batch, None).await;
    assert_eq!(answer.finished, [Finished::Recorded, Finished::Lost, Finished::Recorded]);
}

async fn keeps_the_rest_of_a_lease_when_one_job_ends(fx: &Fixture) {
    let all = fx.enqueue_all(jobs(3)).await;
    let server = fx.server().await;
    let claimed = server.claim(3).await;
    server.succeed(&claimed[1]).await;
    assert_eq!(fx.ids(S::Processing).await, [all[0], all[2]]);
    server.succeed(&claimed[0]).await;
    server.end(&claimed[2], failed()).await;
    assert_eq!(fx.count(S::Processing).await, 0);
    assert_eq!(fx.state(all[2]).await, S::Failed);
}

async fn tells_how_long_the_run_took(fx: &Fixture) {
    let id = fx.enqueue(job()).await;
    fx.server().await.work_one(succeeded()).await;
    assert_eq!(fx.detail(id).await.summary.ran_for, Some(Duration::from_millis(250)));
}

async fn leaves_exactly_one_end_per_job(fx: &Fixture) {
    fx.enqueue_all(jobs(30)).await;
    let server = fx.server().await;
    let verdict = |n| ending([S::Succeeded, S::Failed, S::Cancelled][n % 3]);
    let batch = |jobs: &[legwork_core::storage::ClaimedJob]| {
        jobs.iter().enumerate().map(|(n, job)| finish(job, verdict(n))).collect()
    };
    let claimed = server.claim(30).await;
    server.exchange(batch(&claimed), None).await;
    server.exchange(batch(&claimed), None).await;
    let counts = fx.counts().await;
    assert_eq!((counts.succeeded.n, counts.failed.n, counts.cancelled.n), (10, 10, 10));
    assert_eq!((counts.enqueued.n, counts.processing.n, counts.scheduled.n), (0, 0, 0));
}

async fn of_a_thousand_jobs_in_one_exchange_leaves_nothing_behind(fx: &Fixture) {
    fx.enqueue_all(jobs(1_000)).await;
    let server = fx.server().await;
    let claimed = server.claim(1_000).await;
    let answer = server.exchange(claimed.iter().map(done).collect(), Some(wish(10))).await;
    assert!(answer.finished.iter().all(|finished| *finished == Finished::Recorded));
    assert!(answer.claimed.is_empty());
    assert_eq!((fx.count(S::Succeeded).await, fx.count(S::Processing).await), (1_000, 0));
}

async fn takes_runs_of_many_leases_in_one_exchange(fx: &Fixture) {
    fx.enqueue_all(jobs(300)).await;
    let server = fx.server().await;
    let mut claimed = Vec::new();
    for n in (1..=3).cycle().take(150) {
        claimed.extend(server.claim(n).await);
    }
    assert_eq!(claimed.len(), 300);
    claimed.reverse();
    let answer = server.exchange(claimed.iter().map(done).collect(), None).await;
    assert!(answer.finished.iter().all(|finished| *finished == Finished::Recorded));
    assert_eq!((fx.count(S::Succeeded).await, fx.count(S::Processing).await), (300, 0));
}

async fn cuts_no_error_text_of_the_allowed_length(fx: &Fixture) {
    let id = fx.enqueue(job()).await;
    let text = "é".repeat(legwork_core::limits::ERROR_MAX_BYTES / 2);
    let verdict = Verdict::Failed { reason: FailReason::Exhausted, error: error(&text) };
    fx.server().await.work_one(verdict).await;
    let detail = fx.detail(id).await;
    let shown = detail.summary.error.unwrap();
    assert!(shown.len() < 250 && text.starts_with(&shown[..150]), "{shown}");
    assert!(format!("{:?}", detail.history).contains(&text), "the history keeps all of it");
}
