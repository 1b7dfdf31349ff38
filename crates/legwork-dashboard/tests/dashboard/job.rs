//! The page of one job.

use std::time::Duration;

use axum::http::StatusCode;
use legwork_core::storage::{Cancelled, On, Parent};
use legwork_core::{Actor, JobState, Storage as _};
use legwork_dashboard::{Access, DashboardOptions};

use crate::shop::{Shop, mail_job, queue, retry, succeeded};

#[tokio::test]
async fn a_failed_job_shows_its_arguments_error_and_history() {
    let shop = Shop::new().await;
    let id = shop.mail().await;
    let first = shop.claim().await;
    shop.clock.advance(Duration::from_secs(2));
    shop.finish(&first, retry("the server is busy", Duration::from_secs(90))).await;
    shop.clock.advance(Duration::from_secs(90));
    shop.store.promote(10).await.unwrap();
    let second = shop.claim().await;
    shop.finish(&second, crate::shop::failed("mailbox unavailable\n  caused by: 550")).await;

    let page = shop.get(&format!("/jobs/{id}")).await;
    assert_eq!(page.status, StatusCode::OK);
    page.has(&[
        "<span class=\"n\">9007199254740993</span>",
        "mailbox unavailable\n  caused by: 550",
        "the server is busy",
        "All attempts are spent. Ran for 1.2 s",
        "Failed, will be tried again",
        "1 min 30 s later",
        "Claimed",
        &format!("/jobs/{id}/requeue"),
        &format!("/jobs/{id}/delete"),
    ]);
    page.lacks(&[&format!("/jobs/{id}/cancel")]);
    insta::assert_snapshot!(page.fragment("timeline"));
    insta::assert_snapshot!("job_now", page.fragment("now"));
}

#[tokio::test]
async fn a_result_and_relatives_are_shown() {
    let shop = Shop::new().await;
    let parent = shop.mail().await;
    let mut child = mail_job();
    child.parents = vec![Parent { id: parent, on: On::Success }];
    let child = shop.enqueue(child).await;
    let waiting = shop.get(&format!("/jobs/{child}")).await;
    waiting.has(&[&format!("It waits for job {parent} to end."), "Continues", "on success"]);
    let job = shop.claim().await;
    shop.finish(&job, succeeded()).await;
    let page = shop.get(&format!("/jobs/{parent}")).await;
    page.has(&["Result", "<span class=\"k\">&#34;sent&#34;</span>", "Continued by"]);
    page.has(&[&format!("href=\"/jobs/{child}\">Job {child}</a>")]);
}

#[tokio::test]
async fn an_enqueued_job_says_why_it_is_not_running() {
    let shop = Shop::new().await;
    let id = shop.mail().await;
    let path = format!("/jobs/{id}");
    shop.get(&path).await.has(&["as soon as a worker is free"]);
    shop.store.pause(queue("mail"), Actor::new("ayse")).await.unwrap();
    shop.get(&path).await.has(&["Queue mail is paused."]);
    shop.clock.advance(Duration::from_secs(31));
    shop.get(&path).await.has(&["Queue mail is paused.", "No server is live."]);
}

#[tokio::test]
async fn requeue_cancel_and_delete_do_what_they_say() {
    let shop = Shop::new().await;
    let id = shop.failed("x").await;
    let page = shop.post(&format!("/jobs/{id}/requeue"), "").await;
    assert_eq!(page.location(), format!("/jobs/{id}?done=requeued.1.0"));
    assert_eq!(shop.state(id).await, Some(JobState::Enqueued));
    let shown = shop.get(page.location()).await;
    shown.has(&["Requeued 1 job.", "By dashboard"]);

    let page = shop.post(&format!("/jobs/{id}/cancel"), "").await;
    assert_eq!(page.location(), format!("/jobs/{id}?done=cancelled.1.0"));
    let again = shop.post(&format!("/jobs/{id}/cancel"), "").await;
    assert_eq!(again.location(), format!("/jobs/{id}?done=cancelled.0.1"));
    shop.get(again.location()).await.has(&["Nothing was changed"]);

    let page = shop.post(&format!("/jobs/{id}/delete"), "").await;
    assert_eq!(page.location(), "/jobs?done=deleted.1.0");
    assert_eq!(shop.state(id).await, None);
    assert_eq!(shop.get(&format!("/jobs/{id}")).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn cancelling_a_running_job_asks_its_handler() {
    let shop = Shop::new().await;
    let id = shop.mail().await;
    shop.claim().await;
    let page = shop.post(&format!("/jobs/{id}/cancel"), "").await;
    assert_eq!(page.location(), format!("/jobs/{id}?done=cancel-requested.1.0"));
    assert_eq!(shop.state(id).await, Some(JobState::Processing));
    let again = shop.store.cancel(id, Actor::new("x")).await.unwrap();
    assert_eq!(again, Cancelled::Requested);
}

#[tokio::test]
async fn actions_are_recorded_under_the_name_that_the_rule_gives() {
    let access =
        Access::rule(|_| legwork_dashboard::Decision::OperateAs("ayse@example.com".to_owned()));
    let shop = Shop::with(access, DashboardOptions::new()).await;
    let id = shop.failed("x").await;
    shop.post(&format!("/jobs/{id}/requeue"), "").await;
    shop.get(&format!("/jobs/{id}")).await.has(&["By ayse@example.com"]);
}

#[tokio::test]
async fn arguments_pass_the_redaction_hook() {
    let options = DashboardOptions::new().redact(|kind, json| {
        assert_eq!(kind.as_str(), "mail.welcome");
        (json != br#"{"sent":true}"#).then(|| br#"{"user_id":"hidden"}"#.to_vec())
    });
    let shop = Shop::with(Access::local_only(), options).await;
    let id = shop.mail().await;
    let job = shop.claim().await;
    shop.finish(&job, succeeded()).await;
    let page = shop.get(&format!("/jobs/{id}")).await;
    page.has(&["&#34;hidden&#34;", "<p class=\"empty\">Hidden.</p>"]);
    page.lacks(&["9007199254740993", "sent"]);
}

#[tokio::test]
async fn an_id_in_the_search_field_leads_to_its_job() {
    let shop = Shop::new().await;
    let id = shop.mail().await;
    assert_eq!(shop.get(&format!("/jobs/find?id=%23{id}")).await.location(), format!("/jobs/{id}"));
    assert_eq!(shop.get("/jobs/find?id=mail").await.status, StatusCode::BAD_REQUEST);
    assert_eq!(shop.get("/jobs/999999").await.status, StatusCode::NOT_FOUND);
    assert_eq!(shop.get("/jobs/nonsense").await.status, StatusCode::NOT_FOUND);
}
