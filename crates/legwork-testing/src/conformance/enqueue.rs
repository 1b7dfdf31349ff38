//! Enqueueing: ids, batches, repeating a call, and what is stored with a job.
//!
//! What its arguments may be is in `args.rs`, when it may start in `schedule.rs`.

use std::collections::HashSet;

use legwork_core::limits::ENQUEUE_MAX_JOBS;
use legwork_core::retry::RetryPolicy;
use legwork_core::storage::{Enqueued, JobOptions};
use legwork_core::{Capability, ErrorKind, JobId, JobState as S, Tag};

use super::Fixture;
use super::draft::{Draft as _, job, jobs, kind, queue, secs};
use super::server::{ids, wish};

cases! { ($) enqueue __enqueue_cases:
    stores_a_plain_job_as_enqueued,
    gives_ids_that_increase_in_the_order_of_the_batch,
    gives_later_calls_greater_ids,
    never_hands_out_an_id_twice,
    keeps_the_ids_that_were_allocated_before,
    answers_existing_when_a_call_is_repeated,
    answers_existing_for_an_id_that_stands_twice_in_a_batch,
    answers_existing_for_a_job_that_has_ended,
    stores_nothing_of_an_empty_batch,
    stores_nothing_when_one_job_of_the_batch_is_invalid,
    stores_ten_thousand_jobs_in_one_call,
    refuses_more_jobs_than_one_call_may_enqueue,
    keeps_kind_queue_priority_and_creation_time,
    hands_a_server_the_options_that_were_enqueued,
    refuses_what_the_storage_is_not_capable_of,
    gives_each_handle_ids_of_its_own,
}

async fn stores_a_plain_job_as_enqueued(fx: &Fixture) {
    let id = fx.enqueue(job()).await;
    let summary = fx.detail(id).await.summary;
    assert_eq!((summary.state, summary.failures), (S::Enqueued, 0));
    assert_eq!(fx.count(S::Enqueued).await, 1);
}

async fn gives_ids_that_increase_in_the_order_of_the_batch(fx: &Fixture) {
    let ids = fx.enqueue_all(jobs(250)).await;
    assert!(ids.is_sorted_by(|a, b| a < b), "{ids:?}");
}

async fn gives_later_calls_greater_ids(fx: &Fixture) {
    let first = fx.enqueue_all(jobs(3)).await;
    let allocated = fx.allocate(3).await;
    let last = fx.enqueue(job()).await;
    assert!(first[2] < allocated[0] && allocated[2] < last);
}

async fn never_hands_out_an_id_twice(fx: &Fixture) {
    let mut seen = HashSet::new();
    for n in [1_u32, 100, 7, 1_000] {
        let ids = fx.allocate(n).await;
        assert_eq!(ids.len(), usize::try_from(n).unwrap());
        assert!(ids.into_iter().all(|id| seen.insert(id)), "an id came twice");
    }
    assert!(fx.enqueue_all(jobs(20)).await.into_iter().all(|id| seen.insert(id)));
}

async fn keeps_the_ids_that_were_allocated_before(fx: &Fixture) {
    let ids = fx.allocate(3).await;
    let batch = ids.iter().map(|&id| job().id(id)).collect();
    assert_eq!(fx.enqueue_all(batch).await, ids);
    assert_eq!(fx.ids(S::Enqueued).await, ids);
}

async fn answers_existing_when_a_call_is_repeated(fx: &Fixture) {
    let ids = fx.allocate(2).await;
    let batch = vec![job().id(ids[0]), job().id(ids[1])];
    fx.enqueue_all(batch.clone()).await;
    let again = fx.store().enqueue(batch).await.unwrap();
    assert_eq!(again, ids.iter().map(|&id| Enqueued::Existing(id)).collect::<Vec<_>>());
    assert_eq!(fx.count(S::Enqueued).await, 2);
    assert_eq!(fx.server().await.claim(10).await.len(), 2, "each can be claimed once");
}

async fn answers_existing_for_an_id_that_stands_twice_in_a_batch(fx: &Fixture) {
    let id = fx.allocate(1).await[0];
    let answers = fx.store().enqueue(vec![job().id(id), job(), job().id(id)]).await.unwrap();
    assert_eq!(answers.iter().map(Enqueued::is_new).collect::<Vec<_>>(), [true, true, false]);
    assert_eq!((answers[0].id(), answers[2].id()), (id, id));
    assert_eq!(fx.count(S::Enqueued).await, 2);
}

async fn answers_existing_for_a_job_that_has_ended(fx: &Fixture) {
    let id = fx.enqueue(job()).await;
    let server = fx.server().await;
    server.succeed(&server.claim_one().await).await;
    let again = fx.store().enqueue(vec![job().id(id)]).await.unwrap();
    assert_eq!(again, [Enqueued::Existing(id)]);
    assert_eq!(fx.state(id).await, S::Succeeded);
    assert!(server.claim(1).await.is_empty(), "it must not run again");
}

async fn stores_nothing_of_an_empty_batch(fx: &Fixture) {
    assert!(fx.store().enqueue(vec![]).await.unwrap().is_empty());
    assert_eq!(fx.count(S::Enqueued).await, 0);
}

async fn stores_nothing_when_one_job_of_the_batch_is_invalid(fx: &Fixture) {
    let mut batch = jobs(50);
    batch[37] = job().args("{");
    let error = fx.refused(batch).await;
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(error.to_string().contains("37"), "{error} must name the job's index");
    assert_eq!(fx.count(S::Enqueued).await, 0);
    assert!(fx.server().await.claim(10).await.is_empty());
}

async fn stores_ten_thousand_jobs_in_one_call(fx: &Fixture) {
    let ids = fx.enqueue_all(jobs(ENQUEUE_MAX_JOBS)).await;
    assert_eq!(ids.iter().collect::<HashSet<_>>().len(), ENQUEUE_MAX_JOBS);
    assert_eq!(fx.count(S::Enqueued).await, 10_000);
    let claimed = fx.server().await.claim(1_000).await;
    assert_eq!(super::server::ids(&claimed), ids[..1_000]);
    assert_eq!(fx.count(S::Enqueued).await, 9_000);
}

async fn refuses_more_jobs_than_one_call_may_enqueue(fx: &Fixture) {
    let error = fx.refused(jobs(ENQUEUE_MAX_JOBS + 1)).await;
    assert!(matches!(error.kind(), ErrorKind::Invalid | ErrorKind::TooLarge), "{error:?}");
    assert_eq!(fx.count(S::Enqueued).await, 0);
}

async fn keeps_kind_queue_priority_and_creation_time(fx: &Fixture) {
    let before = fx.now();
    let id = fx.enqueue(job().kind("a.Kind-9_").queue("A.queue-9_").priority(-7)).await;
    fx.advance(secs(60));
    let summary = fx.detail(id).await.summary;
    assert_eq!(summary.kind, kind("a.Kind-9_"));
    assert_eq!((summary.queue, summary.priority), (queue("A.queue-9_"), -7));
    assert_eq!(summary.created_at, before);
}

async fn hands_a_server_the_options_that_were_enqueued(fx: &Fixture) {
    let at = fx.now().after(secs(3_600));
    let new = job().options(|options| {
        options.args_version = Some(3);
        options.max_attempts = Some(7);
        options.timeout = Some(secs(90));
        options.retry = Some(RetryPolicy::exponential(secs(2), secs(300)).unwrap());
        options.expires_at = Some(at);
        options.tags = vec![Tag::new("customer-17").unwrap(), Tag::new("b").unwrap()];
        options.traceparent = Some(format!("00-{}-{}-01", "4b".repeat(16), "f0".repeat(8)));
    });
    let expected = new.options.clone();
    let plain = fx.enqueue(job()).await;
    let id = fx.enqueue(new).await;
    let claimed = fx.server().await.claim(2).await;
    assert_eq!(ids(&claimed), [plain, id]);
    assert_eq!(claimed[0].options, JobOptions::default());
    assert_eq!(claimed[1].options, expected);
    assert_eq!(fx.detail(id).await.options, expected);
}

async fn refuses_what_the_storage_is_not_capable_of(fx: &Fixture) {
    let wants = [
        (Capability::UniqueKeys, job().options(|o| o.unique_key = Some("k".to_owned()))),
        (Capability::Limits, job().options(|o| o.limit_key = Some("k".to_owned()))),
        (Capability::Batches, job().options(|o| o.batch = Some(1))),
    ];
    for (capability, wanting) in wants {
        if fx.has(capability) {
            continue;
        }
        let error = fx.refused(vec![job(), wanting]).await;
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{capability}");
        assert!(error.to_string().contains(&capability.to_string()), "{error}");
    }
    assert_eq!(fx.count(S::Enqueued).await, 0);
}

async fn gives_each_handle_ids_of_its_own(fx: &Fixture) {
    let mut all: Vec<JobId> = Vec::new();
    for _ in 0..5 {
        all.extend(fx.enqueue_all(jobs(2)).await);
        let others = fx.other_store().enqueue(jobs(2)).await.unwrap();
        all.extend(others.iter().map(Enqueued::id));
    }
    assert_eq!(all.iter().collect::<HashSet<_>>().len(), 20);
    assert_eq!(fx.server().await.claim_as(wish(20)).await.len(), 20);
}
