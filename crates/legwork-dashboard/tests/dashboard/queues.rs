//! The queues.

use axum::http::StatusCode;
use legwork_core::Inspect as _;

use crate::shop::Shop;

#[tokio::test]
async fn a_queue_is_paused_with_a_reason_and_resumed() {
    let shop = Shop::new().await;
    shop.mail().await;
    let page = shop.post("/jobs/queues/mail/pause", "reason=the+mail+server+moves").await;
    assert_eq!(page.location(), "/jobs/queues?done=paused.1.0");
    let (actor, _) = shop.store.queues().await.unwrap().remove(0).paused.expect("it is paused");
    assert_eq!(actor.name, "dashboard");
    assert_eq!(actor.reason.as_deref(), Some("the mail server moves"));
    let shown = shop.get(page.location()).await;
    shown.has(&["paused", "by dashboard", "the mail server moves", "/jobs/queues/mail/resume"]);
    insta::assert_snapshot!(shown.fragment("queues"));

    let page = shop.post("/jobs/queues/mail/resume", "").await;
    assert_eq!(page.location(), "/jobs/queues?done=resumed.1.0");
    assert!(shop.store.queues().await.unwrap()[0].paused.is_none(), "it is open again");
    let page = shop.post("/jobs/queues/mail/resume", "").await;
    assert_eq!(page.location(), "/jobs/queues?done=resumed.0.1");
}

#[tokio::test]
async fn a_bad_queue_name_is_a_bad_request() {
    let shop = Shop::new().await;
    let page = shop.post("/jobs/queues/a%20b/pause", "").await;
    assert_eq!(page.status, StatusCode::BAD_REQUEST);
}
