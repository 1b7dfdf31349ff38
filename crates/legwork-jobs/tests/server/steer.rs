//! What a client may ask for, and what it is refused.

use std::sync::Arc;
use std::time::Duration;

use legwork_core::storage::operate::Cancelled;
use legwork_core::{ErrorKind, Job, JobContext, JobId, JobState, Outcome};
use legwork_jobs::Jobs;
use legwork_jobs::observer::RunEventEnd;
use legwork_testing::MemoryStorage;
use serde::{Deserialize, Serialize};

use crate::fixture::{App, Work, client, detail, next_end, server, state, until};

#[tokio::test]
async fn values_that_break_a_rule_are_refused_and_nothing_is_stored() {
    let jobs = client();
    let work = || jobs.enqueue(Work { n: 1 });
    let century = Duration::from_hours(24 * 365 * 101);
    for (name, job) in [
        ("queue", work().queue("a b")),
        ("attempts", work().max_attempts(0)),
        ("timeout", work().timeout(Duration::ZERO)),
        ("delay", work().after(century)),
        ("tag", work().tag("")),
    ] {
        let error = job.await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{name}: {error}");
    }
    let tags = (0..17).fold(work(), |job, n| job.tag(&format!("tag-{n}")));
    assert_eq!(tags.await.unwrap_err().to_string(), "17 tags: at most 16 are allowed");
    let counts = jobs.store().counts().await.unwrap();
    assert_eq!(counts.enqueued.n + counts.scheduled.n, 0);
}

#[tokio::test]
async fn arguments_over_the_limit_are_refused() {
    #[derive(Serialize, Deserialize)]
    struct Big(String);
    impl Job for Big {
        const NAME: &'static str = "big";
    }
    let jobs = Jobs::with_args_max(Arc::new(MemoryStorage::new()), 10);
    jobs.enqueue(Big("12345678".to_owned())).await.unwrap();
    let error = jobs.enqueue(Big("123456789".to_owned())).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    let error = jobs.enqueue_all(["1", "123456789"].map(|s| Big(s.to_owned()))).await.unwrap_err();
    assert_eq!(error.to_string(), "job 1 of the batch is refused");
}

#[tokio::test]
async fn one_callers_mistake_refuses_nobody_else() {
    let jobs = client();
    let unknown = JobId::<Work>::new(999_999).unwrap().untyped();
    let calls = (0..100).map(|n| {
        let job = jobs.enqueue(Work { n });
        if n == 50 { job.continues(unknown) } else { job }
    });
    let results = futures_util::future::join_all(calls.map(IntoFuture::into_future)).await;
    let mut ids: Vec<JobId> = Vec::new();
    for (n, result) in results.into_iter().enumerate() {
        match result {
            Ok(enqueued) => ids.push(enqueued.into()),
            Err(error) => assert_eq!((n, error.kind()), (50, ErrorKind::NotFound)),
        }
    }
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 99);
}

#[tokio::test]
async fn a_running_job_is_told_that_it_was_cancelled() {
    let (jobs, app) = (client(), App::default());
    let handler = |_: Work, context: JobContext| async move {
        context.cancelled().await;
        Err::<(), _>("stopped half-way")
    };
    let server = server(&jobs).handle(handler).start(app).await.unwrap();
    let mut events = server.events();
    let job = jobs.enqueue(Work { n: 1 }).await.unwrap();
    until("a run", || async { state(&jobs, job).await == JobState::Processing }).await;
    assert_eq!(jobs.cancel(job).await.unwrap(), Cancelled::Requested);
    assert_eq!(next_end(&mut events, job).await, RunEventEnd::Cancelled);
    let requeued = jobs.requeue(job).await.unwrap();
    assert_eq!(requeued, legwork_core::storage::operate::Requeued::Enqueued);
}

#[tokio::test]
async fn a_paused_queue_is_left_alone_until_it_is_resumed() {
    let (jobs, app) = (client(), App::default());
    jobs.pause("default", "looking into it").await.unwrap();
    let server = server(&jobs).queues(["default", "other"]);
    let server = server.handle(|_: Work| async {}).start(app).await.unwrap();
    let mut events = server.events();
    let held = jobs.enqueue(Work { n: 1 }).await.unwrap();
    let other = jobs.enqueue(Work { n: 2 }).queue("other").await.unwrap();
    assert_eq!(next_end(&mut events, other).await, RunEventEnd::Succeeded);
    assert_eq!(state(&jobs, held).await, JobState::Enqueued);
    assert!(jobs.resume("default").await.unwrap());
    assert_eq!(next_end(&mut events, held).await, RunEventEnd::Succeeded);
}

#[tokio::test]
async fn a_server_that_cannot_work_does_not_start() {
    let jobs = client();
    let refusals = [
        (server(&jobs), "the server has no handlers: call `.handle(…)`"),
        (server(&jobs).handle(noop).handle(noop), "the kind \"work\" has two handlers"),
        (server(&jobs).handle(noop).workers(0), "0 workers: there must be 1 to 10,000"),
        (server(&jobs).handle(noop).queues([""; 0]), "the server has no queues"),
        (
            server(&jobs).handle(noop).lease(Duration::ZERO),
            "the lease is 0ns: it must be 1s to 3600s",
        ),
    ];
    for (builder, message) in refusals {
        assert_eq!(builder.start(App::default()).await.unwrap_err().to_string(), message);
    }
    assert!(jobs.store().servers().await.unwrap().is_empty());
}

async fn noop(_: Work) -> Outcome {
    Outcome::DONE
}

#[tokio::test]
async fn a_closed_client_refuses_jobs() {
    let jobs = client();
    jobs.enqueue(Work { n: 1 }).await.unwrap();
    jobs.close().await.unwrap();
    assert_eq!(jobs.enqueue(Work { n: 2 }).await.unwrap_err().kind(), ErrorKind::Closed);
}

#[tokio::test]
async fn options_of_a_job_are_stored_with_it() {
    let jobs = client();
    let job = jobs
        .enqueue(Work { n: 1 })
        .priority(-5)
        .queue("mail")
        .tag("customer-7")
        .max_attempts(9)
        .await
        .unwrap();
    let detail = detail(&jobs, job).await;
    assert_eq!((detail.summary.priority, detail.summary.queue.as_str()), (-5, "mail"));
    assert_eq!(detail.options.max_attempts, Some(9));
    assert_eq!(detail.options.tags[0].as_str(), "customer-7");
}
