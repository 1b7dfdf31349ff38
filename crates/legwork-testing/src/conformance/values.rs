//! Bad values: what `limits::check_job` refuses is refused before anything is stored.
//!
//! Names cannot be bad here, because their types do not allow it; arguments are in `args.rs`.

use std::time::Duration;

use legwork_core::limits::{DELAY_MAX, PARENTS_MAX, TAGS_MAX};
use legwork_core::storage::NewJob;
use legwork_core::{ErrorKind, JobState as S, Tag, Timestamp};

use super::Fixture;
use super::draft::{Draft, job, jobs, kind, queue};
use super::server::wish;

cases! { ($) values __values_cases:
    out_of_range_are_refused,
    at_their_limits_are_accepted,
    accept_names_of_the_longest_length,
    accept_the_lowest_and_the_highest_priority,
    of_a_clock_at_its_bounds_are_stored,
}

fn tags(n: usize) -> Vec<Tag> {
    (0..n).map(|n| Tag::new(format!("tag-{n}")).unwrap()).collect()
}

async fn refused(fx: &Fixture, bad: NewJob) {
    let error = fx.refused(vec![job(), bad.clone()]).await;
    assert_eq!(error.kind(), ErrorKind::Invalid, "{bad:?}");
}

async fn out_of_range_are_refused(fx: &Fixture) {
    let parents = fx.enqueue_all(jobs(PARENTS_MAX + 1)).await;
    refused(fx, parents.into_iter().fold(job(), Draft::child_of)).await;
    refused(fx, job().options(|o| o.tags = tags(TAGS_MAX + 1))).await;
    refused(fx, job().options(|o| o.max_attempts = Some(0))).await;
    refused(fx, job().options(|o| o.timeout = Some(Duration::ZERO))).await;
    refused(fx, job().options(|o| o.timeout = Some(DELAY_MAX + Duration::from_nanos(1)))).await;
    refused(fx, job().after(DELAY_MAX + Duration::from_nanos(1))).await;
    refused(fx, job().after(Duration::MAX)).await;
    assert_eq!(fx.count(S::Enqueued).await, 1_001, "only the parents are stored");
}

async fn at_their_limits_are_accepted(fx: &Fixture) {
    let parents = fx.enqueue_all(jobs(PARENTS_MAX)).await;
    let child = fx.enqueue(parents.into_iter().fold(job(), Draft::child_of)).await;
    let full = job().options(|o| {
        o.tags = tags(TAGS_MAX);
        o.max_attempts = Some(u32::MAX);
        o.timeout = Some(DELAY_MAX);
        o.args_version = Some(u16::MAX);
    });
    let expected = full.options.clone();
    let id = fx.enqueue(full).await;
    assert_eq!(fx.detail(id).await.options, expected);
    assert_eq!(fx.detail(child).await.parents.len(), PARENTS_MAX);
    let server = fx.server().await;
    let claimed = server.claim(1_000).await;
    server.exchange(claimed.iter().map(super::server::done).collect(), None).await;
    assert_eq!(fx.state(child).await, S::Enqueued);
}

async fn accept_names_of_the_longest_length(fx: &Fixture) {
    let long = "n".repeat(128);
    let id = fx.enqueue(job().kind(&long).queue(&long)).await;
    let claim = legwork_core::storage::Claim {
        queues: vec![queue(&long)],
        kinds: [kind(&long)].into(),
        ..wish(1)
    };
    let claimed = fx.server().await.claim_as(claim).await;
    assert_eq!(claimed[0].id, id);
    assert_eq!((claimed[0].kind.as_str(), claimed[0].queue.as_str()), (&*long, &*long));
}

async fn accept_the_lowest_and_the_highest_priority(fx: &Fixture) {
    let last = fx.enqueue(job().priority(i16::MAX)).await;
    let middle = fx.enqueue(job()).await;
    let first = fx.enqueue(job().priority(i16::MIN)).await;
    let claimed = fx.server().await.claim(3).await;
    assert_eq!(super::server::ids(&claimed), [first, middle, last]);
}

async fn of_a_clock_at_its_bounds_are_stored(fx: &Fixture) {
    for at in [Timestamp::MIN, Timestamp::MAX] {
        fx.set_time(at);
        let id = fx.enqueue(job()).await;
        assert_eq!(fx.detail(id).await.summary.created_at, at);
        assert_eq!(fx.server().await.claim_one().await.created_at, at);
    }
}
