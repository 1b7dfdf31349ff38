//! The first page.

use std::time::Duration;

use axum::http::StatusCode;
use legwork_core::{Actor, Storage as _};

use crate::shop::{Shop, failed, kind, queue, retry, succeeded};

#[tokio::test]
async fn counts_of_all_states_link_to_their_lists() {
    let shop = Shop::new().await;
    shop.failed("disk full").await;
    shop.mail().await;
    let page = shop.get("/jobs").await;
    assert_eq!(page.status, StatusCode::OK);
    for tab in ["enqueued", "processing", "scheduled", "retries", "awaiting", "succeeded", "failed"]
    {
        page.has(&[&format!("href=\"/jobs/{tab}\"")]);
    }
    insta::assert_snapshot!(page.fragment("tiles"));
}

#[tokio::test]
async fn the_chart_shows_what_ended_minute_by_minute() {
    let shop = Shop::new().await;
    for verdict in [succeeded(), succeeded(), failed("x"), retry("y", Duration::from_mins(1))] {
        shop.mail().await;
        let job = shop.claim().await;
        shop.finish(&job, verdict).await;
    }
    let page = shop.get("/jobs").await;
    page.has(&["In the last hour: 2 succeeded, 1 retried, 1 failed. At most 4 per minute."]);
    insta::assert_snapshot!(page.fragment("chart"));
    let day = shop.get("/jobs?span=24h").await;
    day.has(&["In the last 24 hours: 2 succeeded, 1 retried, 1 failed."]);
    assert_eq!(shop.get("/jobs?span=7d").await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn the_latest_failures_and_the_kinds_that_fail_are_named() {
    let shop = Shop::new().await;
    let id = shop.failed("disk full\n  caused by: quota").await;
    let page = shop.get("/jobs").await;
    page.has(&[
        &format!("href=\"/jobs/{id}\""),
        ">disk full</p>",
        "/jobs/failed?kind=mail.welcome",
    ]);
    page.lacks(&["caused by: quota"]);
}

#[tokio::test]
async fn what_needs_attention_is_said_first() {
    let shop = Shop::new().await;
    shop.get("/jobs").await.lacks(&["No server is live"]);
    let actor = Actor::new("ayse").because("migration");
    shop.store.pause(queue("mail"), actor).await.unwrap();
    shop.mail().await;
    let mut job = crate::shop::mail_job();
    job.queue = queue("elsewhere");
    job.kind = kind("report.build");
    shop.enqueue(job).await;
    let page = shop.get("/jobs").await;
    page.has(&[
        "Queue mail is paused by ayse: migration",
        "Queue elsewhere has 1 enqueued, but no live server works it.",
    ]);
    shop.clock.advance(Duration::from_secs(31));
    let page = shop.get("/jobs").await;
    page.has(&["No server is live", "Server web-1/4711 is silent and holds 0 jobs."]);
}
