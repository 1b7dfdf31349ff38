//! The recurring jobs.

use axum::http::StatusCode;
use legwork_core::storage::{Overlap, RecurringSpec};
use legwork_core::{Inspect as _, Misfire, RecurringId, Storage as _};

use crate::shop::{Shop, mail_job};

async fn with_digest() -> Shop {
    let shop = Shop::new().await;
    let spec = RecurringSpec {
        id: RecurringId::new("digest").unwrap(),
        cron: "30 6 * * *".to_owned(),
        time_zone: "Europe/Istanbul".to_owned(),
        job: mail_job(),
        misfire: Misfire::default(),
        overlap: Overlap::default(),
        generation: 0,
    };
    shop.store.upsert_recurring(spec).await.unwrap();
    shop
}

#[tokio::test]
async fn a_recurring_job_is_listed_with_its_schedule_in_words() {
    let shop = with_digest().await;
    let page = shop.get("/jobs/recurring").await;
    assert_eq!(page.status, StatusCode::OK);
    page.has(&["<code>30 6 * * *</code>", "Europe/Istanbul", "06:30", "not known yet", "never"]);
    insta::assert_snapshot!(page.fragment("recurring"));
}

#[tokio::test]
async fn run_now_enqueues_one_run() {
    let shop = with_digest().await;
    let page = shop.post("/jobs/recurring/digest/trigger", "").await;
    assert_eq!(page.location(), "/jobs/recurring?done=triggered.1.0");
    assert_eq!(shop.store.counts().await.unwrap().enqueued.n, 1);
    let shown = shop.get(page.location()).await;
    shown.has(&["Enqueued one run", "<span class=\"state enqueued\">enqueued</span>"]);
}

#[tokio::test]
async fn remove_removes_it() {
    let shop = with_digest().await;
    let page = shop.post("/jobs/recurring/digest/remove", "").await;
    assert_eq!(page.location(), "/jobs/recurring?done=removed.1.0");
    shop.get(page.location()).await.has(&["No recurring job is declared."]);
    for action in ["trigger", "remove"] {
        let page = shop.post(&format!("/jobs/recurring/digest/{action}"), "").await;
        assert_eq!(page.status, StatusCode::NOT_FOUND, "{action}");
    }
}
