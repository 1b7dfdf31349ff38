//! The lists of jobs.

use std::time::Duration;

use axum::http::StatusCode;
use legwork_core::storage::{On, Parent, Start};
use legwork_core::{Actor, JobState, Progress, Storage as _};

use crate::shop::{Shop, kind, mail_job, queue, retry, succeeded};

#[tokio::test]
async fn each_state_has_a_list_with_its_jobs() {
    let shop = Shop::new().await;
    let failed = shop.failed("disk full").await;
    shop.mail().await;
    let done = shop.claim().await;
    shop.finish(&done, succeeded()).await;
    shop.mail().await;
    let retried = shop.claim().await;
    shop.finish(&retried, retry("busy", Duration::from_secs(90))).await;
    shop.mail().await;
    let running = shop.claim().await;
    let progress = Progress { share: 0.42, message: "page 42 of 100".to_owned() };
    let update = (running.id, running.run, running.lease, progress);
    shop.store.record_progress(vec![update]).await.unwrap();
    let enqueued = shop.mail().await;
    let mut later = mail_job();
    later.start = Start::After(Duration::from_hours(3));
    let scheduled = shop.enqueue(later).await;
    let mut child = mail_job();
    child.parents = vec![Parent { id: enqueued, on: On::Success }];
    let awaiting = shop.enqueue(child).await;
    let cancelled = shop.mail().await;
    shop.store.cancel(cancelled, Actor::new("ayse")).await.unwrap();

    let table = [
        ("failed", failed, "disk full"),
        ("succeeded", done.id, "1.2 s"),
        ("retries", retried.id, "in 1 min"),
        ("scheduled", scheduled, "in 3 h"),
        ("processing", running.id, "page 42 of 100"),
        ("enqueued", enqueued, "mail.welcome"),
        ("awaiting", awaiting, "mail.welcome"),
        ("cancelled", cancelled, "just now"),
    ];
    for (tab, id, text) in table {
        let page = shop.get(&format!("/jobs/{tab}")).await;
        assert_eq!(page.status, StatusCode::OK, "{tab}");
        page.has(&[&format!("<a href=\"/jobs/{id}\">{id}</a>"), text]);
    }
    let list = shop.get("/jobs/retries").await;
    list.lacks(&[&format!(">{scheduled}</a>")]);
    insta::assert_snapshot!(shop.get("/jobs/processing").await.fragment("jobs"));
}

#[tokio::test]
async fn a_list_is_paged_by_key_and_filtered_by_queue_and_kind() {
    let shop = Shop::new().await;
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.push(shop.mail().await);
    }
    let mut other = mail_job();
    other.queue = queue("default");
    other.kind = kind("report.build");
    let other = shop.enqueue(other).await;

    let first = shop.get("/jobs/enqueued?queue=mail&len=3").await;
    first.has(&[&format!(">{}</a>", ids[0]), &format!(">{}</a>", ids[2])]);
    first.lacks(&[&format!(">{}</a>", ids[3]), &format!(">{other}</a>"), "First page"]);
    let at = first.body.find("after=").expect("a link to the next page");
    let after = first.body[at..].split('"').next().unwrap();
    let second = shop.get(&format!("/jobs/enqueued?queue=mail&len=3&{after}")).await;
    second.has(&[&format!(">{}</a>", ids[3]), &format!(">{}</a>", ids[4]), "First page"]);
    second.lacks(&[&format!(">{}</a>", ids[2]), "Next page"]);

    let filtered = shop.get("/jobs/enqueued?kind=report.build&queue=").await;
    filtered.has(&[&format!(">{other}</a>"), "value=\"report.build\""]);
    filtered.lacks(&[&format!(">{}</a>", ids[0])]);
    let none = shop.get("/jobs/enqueued?kind=no.such").await;
    none.has(&["No job matches this filter."]);
}

#[tokio::test]
async fn what_cannot_be_a_list_is_a_bad_request() {
    let shop = Shop::new().await;
    for query in
        ["len=0", "len=201", "len=x", "len=-1", "queue=a%20b", "kind=%00", "after=%22", "after=x"]
    {
        let page = shop.get(&format!("/jobs/failed?{query}")).await;
        assert_eq!(page.status, StatusCode::BAD_REQUEST, "{query}");
    }
}

#[tokio::test]
async fn ticked_jobs_are_requeued_and_the_rest_is_left_alone() {
    let shop = Shop::new().await;
    let a = shop.failed("x").await;
    let b = shop.failed("x").await;
    let c = shop.failed("x").await;
    let form = format!("tab=failed&queue=mail&len=50&id={a}&id={b}");
    let page = shop.post("/jobs/bulk/requeue", &form).await;
    assert_eq!(page.location(), "/jobs/failed?queue=mail&len=50&done=requeued.2.0");
    assert_eq!(shop.state(a).await, Some(JobState::Enqueued));
    assert_eq!(shop.state(b).await, Some(JobState::Enqueued));
    assert_eq!(shop.state(c).await, Some(JobState::Failed));
    shop.get(page.location()).await.has(&["Requeued 2 jobs."]);

    // They have moved on: the storage refuses, and the page says so.
    let again = shop.post("/jobs/bulk/requeue", &format!("tab=failed&id={a}&id={c}")).await;
    assert_eq!(again.location(), "/jobs/failed?done=requeued.1.1");
}

#[tokio::test]
async fn ticked_jobs_are_cancelled_and_deleted() {
    let shop = Shop::new().await;
    let id = shop.mail().await;
    let page = shop.post("/jobs/bulk/cancel", &format!("tab=enqueued&id={id}")).await;
    assert_eq!(page.location(), "/jobs/enqueued?done=cancelled.1.0");
    assert_eq!(shop.state(id).await, Some(JobState::Cancelled));
    let page = shop.post("/jobs/bulk/delete", &format!("tab=cancelled&id={id}")).await;
    assert_eq!(page.location(), "/jobs/cancelled?done=deleted.1.0");
    assert_eq!(shop.state(id).await, None);
}

#[tokio::test]
async fn a_bulk_action_is_bounded_and_checked() {
    let shop = Shop::new().await;
    let page = shop.post("/jobs/bulk/delete", "tab=failed").await;
    assert_eq!(page.location(), "/jobs/failed?done=nothing-selected.0.0");
    let many = "&id=1".repeat(201);
    for (path, form) in [
        ("/jobs/bulk/delete", format!("tab=failed{many}")),
        ("/jobs/bulk/delete", "tab=failed&id=x".to_owned()),
        ("/jobs/bulk/delete", "tab=nowhere&id=1".to_owned()),
        ("/jobs/bulk/delete", "id=1".to_owned()),
    ] {
        assert_eq!(shop.post(path, &form).await.status, StatusCode::BAD_REQUEST, "{form}");
    }
    let unknown = shop.post("/jobs/bulk/explode", "tab=failed&id=1").await;
    assert_eq!(unknown.status, StatusCode::NOT_FOUND);
    let huge = shop.post("/jobs/bulk/delete", &"x".repeat(100_000)).await;
    assert_eq!(huge.status, StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn buttons_are_those_that_the_state_allows() {
    let shop = Shop::new().await;
    shop.mail().await;
    let enqueued = shop.get("/jobs/enqueued").await;
    enqueued.has(&["/bulk/cancel", "/bulk/delete"]);
    enqueued.lacks(&["/bulk/requeue"]);
    shop.claim().await;
    let processing = shop.get("/jobs/processing").await;
    processing.has(&["/bulk/cancel"]);
    processing.lacks(&["/bulk/requeue", "/bulk/delete"]);
}
