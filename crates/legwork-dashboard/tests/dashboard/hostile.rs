//! Texts that want to be more than text.

use axum::http::StatusCode;
use legwork_core::storage::{NewJob, Verdict};
use legwork_core::{Actor, Progress, Storage as _};

use crate::shop::{Shop, failed, kind, queue};

const HOSTILE: [&str; 8] = [
    "<img src=x onerror=alert(1)>",
    "</script><script>alert(1)</script>",
    "\"><svg/onload=alert(1)>",
    "' onmouseover='alert(1)",
    "{{7*7}}{% raw %}",
    "<!--",
    "</pre></main>",
    "\u{202e}gnp.exe\u{0}\u{1b}]52;;",
];

fn check(page: &crate::shop::Page) {
    page.lacks(&[
        "<img",
        "<script>",
        "<svg/",
        "' onmouseover='",
        "<!--",
        "</pre></main>",
        "\u{202e}",
        "\u{0}",
        "\u{1b}",
    ]);
}

#[tokio::test]
async fn hostile_texts_are_shown_as_text_on_every_page() {
    for text in HOSTILE {
        let shop = Shop::new().await;
        shop.register(9, text).await;
        let args = serde_json::to_vec(&serde_json::json!({ text: text })).unwrap();
        let mut job = NewJob::new(kind("mail.welcome"), args);
        job.options.unique_key = None;
        let running = shop.enqueue(job.clone()).await;
        let claimed = shop.claim().await;
        let progress = Progress { share: 0.5, message: text.to_owned() };
        let update = (claimed.id, claimed.run, claimed.lease, progress);
        shop.store.record_progress(vec![update]).await.unwrap();
        shop.enqueue(job.clone()).await;
        let second = shop.claim().await;
        shop.finish(&second, failed(text)).await;
        shop.enqueue(job.clone()).await;
        let third = shop.claim().await;
        shop.finish(&third, Verdict::Cancelled { reason: text.to_owned() }).await;
        shop.enqueue(job).await;
        let fourth = shop.claim().await;
        let result = Some(serde_json::to_vec(text).unwrap());
        shop.finish(&fourth, Verdict::Succeeded { result }).await;
        let actor = Actor::new(text).because(text);
        shop.store.pause(queue("mail"), actor.clone()).await.unwrap();
        shop.store.requeue(second.id, actor).await.unwrap();

        let mut paths = vec!["/jobs".to_owned(), "/jobs/queues".to_owned()];
        paths.extend(
            ["processing", "failed", "cancelled", "succeeded", "servers"]
                .map(|tab| format!("/jobs/{tab}")),
        );
        for id in [running, second.id, third.id, fourth.id] {
            paths.push(format!("/jobs/{id}"));
        }
        for path in paths {
            let page = shop.get(&path).await;
            assert_eq!(page.status, StatusCode::OK, "{path}");
            check(&page);
        }
    }
}

#[tokio::test]
async fn hostile_requests_are_answered_with_text() {
    let shop = Shop::new().await;
    let evil = "%3Cscript%3Ealert(1)%3C%2Fscript%3E";
    for path in [
        format!("/jobs/{evil}"),
        format!("/jobs/failed?queue={evil}"),
        format!("/jobs/failed?kind={evil}"),
        format!("/jobs/failed?after={evil}"),
        format!("/jobs/failed?done={evil}.1.1"),
        format!("/jobs?span={evil}"),
        format!("/jobs/find?id={evil}"),
        format!("/jobs/events?view={evil}"),
        format!("/jobs/queues?done={evil}"),
    ] {
        check(&shop.get(&path).await);
    }
}

#[tokio::test]
async fn errors_of_the_storage_show_an_id_and_nothing_else() {
    let shop = Shop::new().await;
    shop.store.close().await.unwrap();
    let page = shop.get("/jobs").await;
    assert_eq!(page.status, StatusCode::SERVICE_UNAVAILABLE);
    page.has(&["Error id <code>", "The storage does not answer."]);
    page.lacks(&["memory:", "is closed"]);
}
