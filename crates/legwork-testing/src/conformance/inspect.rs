//! Looking in: counts, pages, servers, queues, throughput.
//!
//! What the page of one job shows is in `history.rs`.

use std::collections::BTreeSet;

use legwork_core::inspect::{JobFilter, Page};
use legwork_core::storage::ClaimedJob;
use legwork_core::{Actor, JobId, JobState as S};

use super::Fixture;
use super::draft::{
    Draft as _, ending, failed, job, jobs, kind, queue, retry, secs, snoozed, succeeded,
};
use super::server::{done, finish};

cases! { ($) inspect __inspect_cases:
    counts_nothing_in_an_empty_storage,
    counts_the_jobs_of_every_state,
    tells_the_time_of_the_storage,
    lists_live_jobs_in_the_order_in_which_they_will_run,
    lists_scheduled_jobs_by_due_time,
    lists_final_jobs_latest_first,
    pages_through_all_jobs_exactly_once,
    pages_through_final_jobs_that_ended_together,
    pages_on_while_jobs_move_away,
    clamps_the_length_of_a_page,
    filters_by_queue_and_by_kind,
    finds_no_job_that_does_not_exist,
    refuses_or_ignores_a_cursor_that_it_did_not_make,
    lists_servers_with_what_they_told,
    lists_live_servers_before_those_that_have_gone,
    lists_queues_by_name_with_what_waits,
    counts_the_ends_of_runs_over_time,
    gives_as_many_points_as_asked_for,
    sees_the_same_through_both_handles,
}

async fn counts_nothing_in_an_empty_storage(fx: &Fixture) {
    let counts = fx.counts().await;
    assert_eq!(counts, legwork_core::inspect::Counts::default());
    for state in S::ALL {
        assert!(fx.list(state).await.is_empty());
    }
}

async fn counts_the_jobs_of_every_state(fx: &Fixture) {
    let server = fx.server().await;
    let ends = [S::Succeeded, S::Failed, S::Failed, S::Cancelled];
    for state in ends {
        fx.enqueue(job()).await;
        server.work_one(ending(state)).await;
    }
    for verdict in [retry(secs(60)), snoozed(secs(60))] {
        fx.enqueue(job()).await;
        server.work_one(verdict).await;
    }
    let parent = fx.enqueue(job()).await;
    server.claim_one().await;
    fx.enqueue_all(vec![job(), job(), job(), job().after(secs(1)), job().child_of(parent)]).await;
    let counts = fx.counts().await;
    let n = S::ALL.map(|state| counts.of(state).n);
    assert_eq!(n, [1, 3, 3, 1, 1, 2, 1], "in the order of a job's life");
    assert_eq!((counts.retries.n, counts.servers.n, counts.recurring.n), (1, 1, 0));
}

async fn tells_the_time_of_the_storage(fx: &Fixture) {
    assert_eq!(fx.store().now().await.unwrap(), fx.now());
    fx.advance(secs(60));
    assert_eq!(fx.other_store().now().await.unwrap(), fx.now());
}

async fn lists_live_jobs_in_the_order_in_which_they_will_run(fx: &Fixture) {
    let all = fx.enqueue_all([3, 1, 2, 1].map(|n| job().priority(n)).to_vec()).await;
    let expected = [all[1], all[3], all[2], all[0]];
    assert_eq!(fx.ids(S::Enqueued).await, expected);
    let claimed = fx.server().await.claim(4).await;
    assert_eq!(super::server::ids(&claimed), expected, "and so they run");
}

async fn lists_scheduled_jobs_by_due_time(fx: &Fixture) {
    let all = fx.enqueue_all([30, 10, 20].map(|n| job().after(secs(n))).to_vec()).await;
    assert_eq!(fx.ids(S::Scheduled).await, [all[1], all[2], all[0]]);
}

async fn lists_final_jobs_latest_first(fx: &Fixture) {
    let server = fx.server().await;
    for state in [S::Succeeded, S::Failed, S::Cancelled] {
        let all = fx.enqueue_all(jobs(4)).await;
        let claimed = server.claim(4).await;
        for n in [2, 0, 3, 1] {
            fx.advance(secs(1));
            server.end(&claimed[n], ending(state)).await;
        }
        assert_eq!(fx.ids(state).await, [all[1], all[3], all[0], all[2]], "{state}");
    }
}

/// Reads a list to its end in pages of `len`, with `between` after each page.
async fn pages<F: Future<Output = ()>>(
    fx: &Fixture,
    state: S,
    len: usize,
    mut between: impl FnMut() -> F,
) -> Vec<JobId> {
    let (mut all, mut page) = (Vec::new(), Page::first(len));
    loop {
        let part = fx.store().jobs(JobFilter::state(state), page).await.unwrap();
        assert!(part.jobs.len() <= len && part.jobs.iter().all(|job| job.state == state));
        all.extend(part.jobs.iter().map(|job| job.id));
        let Some(next) = part.next else {
            return all;
        };
        assert!(!part.jobs.is_empty(), "a page that has a next one holds something");
        page = Page { after: Some(next), len };
        between().await;
    }
}

async fn pages_through_all_jobs_exactly_once(fx: &Fixture) {
    let server = fx.server().await;
    let parent = fx.enqueue(job().queue("parent")).await;
    let awaiting = (0..25).map(|_| job().child_of(parent)).collect();
    let scheduled = (0..25).map(|n| job().after(secs(10 + n / 5))).collect();
    let mut expected = vec![(S::Awaiting, fx.enqueue_all(awaiting).await)];
    expected.push((S::Scheduled, fx.enqueue_all(scheduled).await));
    expected.push((S::Processing, fx.enqueue_all(jobs(25)).await));
    server.claim(25).await;
    expected.push((S::Enqueued, fx.enqueue_all(jobs(130)).await));
    for (state, mut all) in expected {
        if state == S::Enqueued {
            all.push(parent);
        }
        let mut paged = pages(fx, state, 7, async || ()).await;
        paged.sort_unstable();
        all.sort_unstable();
        assert_eq!(paged, all, "{state}");
    }
}

async fn pages_through_final_jobs_that_ended_together(fx: &Fixture) {
    let server = fx.server().await;
    for state in [S::Succeeded, S::Failed, S::Cancelled] {
        let all = fx.enqueue_all(jobs(30)).await;
        let claimed = server.claim(30).await;
        let batch = claimed.iter().map(|job| finish(job, ending(state))).collect();
        server.exchange(batch, None).await;
        let mut paged = pages(fx, state, 7, async || ()).await;
        paged.sort_unstable();
        assert_eq!(paged, all, "{state}");
    }
}

async fn pages_on_while_jobs_move_away(fx: &Fixture) {
    let all = fx.enqueue_all(jobs(120)).await;
    let server = fx.server().await;
    let paged = pages(fx, S::Enqueued, 10, async || {
        for job in server.claim(5).await {
            server.succeed(&job).await;
        }
    })
    .await;
    let seen: BTreeSet<_> = paged.iter().copied().collect();
    assert_eq!(seen.len(), paged.len(), "no job may be listed twice");
    assert!(all[60..].iter().all(|id| seen.contains(id)), "what stayed must be listed");
}

async fn clamps_the_length_of_a_page(fx: &Fixture) {
    fx.enqueue_all(jobs(250)).await;
    let filter = JobFilter::state(S::Enqueued);
    for (len, expected) in [(0, 1), (1, 1), (200, 200), (201, 200), (usize::MAX, 200)] {
        let page = fx.store().jobs(filter.clone(), Page::first(len)).await.unwrap();
        assert_eq!(page.jobs.len(), expected, "asked for {len}");
        assert!(page.next.is_some());
    }
}

async fn filters_by_queue_and_by_kind(fx: &Fixture) {
    let all = fx
        .enqueue_all(vec![job(), job().queue("mail"), job().kind("other"), job().queue("mail")])
        .await;
    let list = async |filter| {
        let page = fx.store().jobs(filter, Page::first(9)).await.unwrap();
        page.jobs.iter().map(|job| job.id).collect::<Vec<_>>()
    };
    let any = JobFilter::state(S::Enqueued);
    let mail = JobFilter { queue: Some(queue("mail")), ..any.clone() };
    assert_eq!(list(mail.clone()).await, [all[1], all[3]]);
    let other = JobFilter { kind: Some(kind("other")), ..any.clone() };
    assert_eq!(list(other).await, [all[2]]);
    let both = JobFilter { kind: Some(kind("other")), ..mail };
    assert!(list(both).await.is_empty());
    let none = JobFilter { queue: Some(queue("mail_")), ..any };
    assert!(list(none).await.is_empty());
}

async fn finds_no_job_that_does_not_exist(fx: &Fixture) {
    let unused = fx.allocate(1).await[0];
    assert!(fx.find(unused).await.is_none());
    assert!(fx.find(JobId::new(i64::MAX).unwrap()).await.is_none());
}

async fn refuses_or_ignores_a_cursor_that_it_did_not_make(fx: &Fixture) {
    fx.enqueue_all(jobs(3)).await;
    for state in S::ALL {
        for bad in ["", "x", "-1", "' OR 1=1 --", "99999999999999999999", "é", "0", "{}", "1.2.3"]
        {
            let page = Page { after: Some(bad.to_owned()), len: 10 };
            if let Err(error) = fx.store().jobs(JobFilter::state(state), page).await {
                assert_eq!(error.kind(), legwork_core::ErrorKind::Invalid, "{bad:?}: {error:?}");
            }
        }
    }
    assert_eq!(fx.list(S::Enqueued).await.len(), 3);
}

async fn lists_servers_with_what_they_told(fx: &Fixture) {
    let server = fx.other_server().await;
    let started_at = fx.now();
    fx.enqueue_all(jobs(3)).await;
    let claimed = server.claim(3).await;
    server.succeed(&claimed[0]).await;
    fx.advance(secs(10));
    server.beat().await;
    let views = fx.store().servers().await.unwrap();
    assert_eq!((views.len(), &views[0].info), (1, &server.info()));
    assert_eq!((views[0].started_at, views[0].beat_at), (started_at, fx.now()));
    assert_eq!((views[0].gone_at, views[0].processing), (None, 2));
}

async fn lists_live_servers_before_those_that_have_gone(fx: &Fixture) {
    let (dead, retired, living) = (fx.server().await, fx.server().await, fx.server().await);
    fx.advance(secs(5));
    fx.kill(&dead).await;
    retired.retire().await;
    let views = fx.store().servers().await.unwrap();
    assert_eq!(views.len(), 3);
    assert_eq!((views[0].info.incarnation, views[0].gone_at), (living.incarnation(), None));
    assert!(views[1..].iter().all(|view| view.gone_at == Some(fx.now())));
    assert_eq!(fx.counts().await.servers.n, 1);
}

async fn lists_queues_by_name_with_what_waits(fx: &Fixture) {
    let first_at = fx.now();
    fx.enqueue_all(vec![job().queue("mail"), job().queue("b").after(secs(60))]).await;
    fx.advance(secs(5));
    fx.enqueue_all(vec![job().queue("mail"), job()]).await;
    fx.server().await.work_one(succeeded()).await;
    let paused_at = fx.now();
    fx.pause("mail").await;
    let queues = fx.store().queues().await.unwrap();
    let names: Vec<_> = queues.iter().map(|view| view.name.as_str()).collect();
    assert_eq!(names, ["b", "default", "mail"]);
    let n: Vec<_> = queues.iter().map(|view| view.enqueued.n).collect();
    assert_eq!(n, [0, 0, 2]);
    assert_eq!(queues[2].oldest_at, Some(first_at));
    assert_eq!((queues[0].oldest_at, queues[1].oldest_at), (None, None));
    let by: Option<&(Actor, _)> = queues[2].paused.as_ref();
    assert_eq!(by, Some(&(super::fixture::operator(), paused_at)));
}

async fn counts_the_ends_of_runs_over_time(fx: &Fixture) {
    fx.enqueue_all(jobs(10)).await;
    let server = fx.server().await;
    let claimed: Vec<ClaimedJob> = server.claim(10).await;
    server.exchange(claimed[..3].iter().map(done).collect(), None).await;
    fx.advance(secs(600));
    server.end(&claimed[3], failed()).await;
    server.end(&claimed[4], retry(secs(60))).await;
    server.end(&claimed[5], retry(secs(60))).await;
    server.end(&claimed[6], snoozed(secs(60))).await;
    let points = fx.store().throughput(secs(60), 60).await.unwrap();
    let busy: Vec<_> = points.iter().filter(|p| p.succeeded + p.failed + p.retried > 0).collect();
    assert_eq!(busy.len(), 2, "{busy:?}");
    assert_eq!((busy[0].succeeded, busy[0].failed, busy[0].retried), (3, 0, 0));
    assert_eq!((busy[1].succeeded, busy[1].failed, busy[1].retried), (0, 1, 2));
    assert_eq!(busy[1].at.since(busy[0].at), secs(600));
    let hourly = fx.store().throughput(secs(3_600), 2).await.unwrap();
    assert_eq!(hourly.iter().map(|p| p.succeeded + p.failed + p.retried).sum::<u64>(), 6);
}

async fn gives_as_many_points_as_asked_for(fx: &Fixture) {
    for (step, points) in [(60, 1), (60, 30), (3_600, 24), (60, 1_440)] {
        let series = fx.store().throughput(secs(step), points).await.unwrap();
        assert_eq!(series.len(), points);
        assert!(series.windows(2).all(|two| two[1].at.since(two[0].at) == secs(step)));
        let last = series[points - 1].at;
        assert!(last <= fx.now() && fx.now().since(last) <= secs(step), "it ends with now");
    }
    let rounded = fx.store().throughput(secs(61), 3).await.unwrap();
    assert_eq!(rounded[1].at.since(rounded[0].at), secs(120), "rounded up to whole minutes");
}

async fn sees_the_same_through_both_handles(fx: &Fixture) {
    fx.enqueue_all(vec![job(), job().after(secs(9)), job().queue("mail")]).await;
    let server = fx.other_server().await;
    let claimed = server.claim_one().await;
    assert_eq!(fx.other_store().counts().await.unwrap(), fx.counts().await);
    let seen = fx.other_store().job(claimed.id).await.unwrap();
    assert_eq!(seen, fx.find(claimed.id).await);
    assert_eq!(fx.other_store().queues().await.unwrap(), fx.store().queues().await.unwrap());
}
