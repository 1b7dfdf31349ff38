//! The live stream of a page.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use axum::http::{Response, StatusCode, header};
use futures_util::StreamExt as _;
use legwork_core::{CancellationToken, Storage as _};
use legwork_dashboard::{Access, DashboardOptions, router};
use legwork_testing::{Fault, FaultStorage, MemoryStorage, Operation};
use tower::ServiceExt as _;

use crate::shop::{Shop, get};

/// Reads the next event that is no comment; `None` at the end of the stream.
async fn next(stream: &mut BodyDataStream) -> Option<String> {
    let read = async {
        loop {
            let chunk = stream.next().await?.unwrap();
            let text = String::from_utf8(chunk.to_vec()).unwrap();
            if !text.starts_with(':') {
                return Some(text);
            }
        }
    };
    let deadline = Duration::from_mins(5);
    tokio::time::timeout(deadline, read).await.expect("the stream says something in time")
}

fn stream(response: Response<Body>) -> BodyDataStream {
    assert_eq!(response.status(), StatusCode::OK, "the stream opens");
    let content_type = &response.headers()[header::CONTENT_TYPE];
    assert_eq!(content_type, "text/event-stream", "the stream is one of events");
    response.into_body().into_data_stream()
}

#[tokio::test(start_paused = true)]
async fn the_first_event_has_all_fragments_and_the_next_only_what_changed() {
    let shop = Shop::new().await;
    let mut events = stream(shop.open(get("/jobs/events?view=enqueued")).await);
    let first = next(&mut events).await.unwrap();
    assert!(first.starts_with("event: fragments\ndata: {"), "{first}");
    for id in ["nav", "tabs", "jobs"] {
        assert!(first.contains(&format!("\"{id}\":")), "no {id} in {first}");
    }
    let id = shop.mail().await;
    let second = next(&mut events).await.unwrap();
    assert!(second.contains(&format!("/jobs/{id}")), "{second}");
    let third = shop.post("/jobs/queues/mail/pause", "").await;
    assert_eq!(third.status, StatusCode::SEE_OTHER, "a pause changes no fragment of this page");
    shop.store.cancel(id, legwork_core::Actor::new("x")).await.unwrap();
    let fourth = next(&mut events).await.unwrap();
    assert!(fourth.contains("Nothing waits for a worker."), "{fourth}");
}

#[tokio::test(start_paused = true)]
async fn every_page_has_a_live_view() {
    let shop = Shop::new().await;
    let id = shop.failed("x").await;
    let paths = ["", "/failed", "/retries", "/recurring", "/queues", "/servers", &format!("/{id}")];
    for path in paths {
        let page = shop.get(&format!("/jobs{path}")).await;
        let mark = "data-events=\"";
        let at = page.body.find(mark).unwrap_or_else(|| panic!("{path} is not live")) + mark.len();
        let url = page.body[at..].split('"').next().unwrap().replace("&#38;", "&");
        let mut events = stream(shop.open(get(&url)).await);
        let first = next(&mut events).await.unwrap();
        let data = first.split_once("data: ").unwrap().1.trim();
        let fragments: serde_json::Value = serde_json::from_str(data).unwrap();
        for (id, html) in fragments.as_object().unwrap() {
            let html = html.as_str().unwrap();
            assert!(html.contains(&format!(" id=\"{id}\"")), "{id} is not the id of {html}");
            page.has(&[html]);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_stream_ends_when_the_server_stops() {
    let token = CancellationToken::new();
    let options = DashboardOptions::new().stopping(token.clone());
    let shop = Shop::with(Access::local_only(), options).await;
    let mut events = stream(shop.open(get("/jobs/events?view=servers")).await);
    assert!(next(&mut events).await.is_some());
    token.cancel();
    assert_eq!(next(&mut events).await, None);
}

#[tokio::test(start_paused = true)]
async fn the_stream_ends_with_the_token_in_the_extensions_of_the_request() {
    let shop = Shop::new().await;
    let token = CancellationToken::new();
    let mut request = get("/jobs/events?view=servers");
    request.extensions_mut().insert(token.clone());
    let mut events = stream(shop.open(request).await);
    assert!(next(&mut events).await.is_some());
    token.cancel();
    assert_eq!(next(&mut events).await, None);
}

#[tokio::test(start_paused = true)]
async fn the_stream_ends_when_the_storage_is_closed_and_does_not_start_again() {
    let shop = Shop::new().await;
    let mut events = stream(shop.open(get("/jobs/events?view=overview")).await);
    assert!(next(&mut events).await.is_some());
    shop.store.close().await.unwrap();
    assert_eq!(next(&mut events).await, None);
    let again = shop.get("/jobs/events?view=overview").await;
    assert_eq!(again.status, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test(start_paused = true)]
async fn a_quiet_stream_sends_a_comment_every_15_seconds() {
    let shop = Shop::new().await;
    let mut events = stream(shop.open(get("/jobs/events?view=queues")).await);
    next(&mut events).await.unwrap();
    let before = tokio::time::Instant::now();
    let chunk = events.next().await.unwrap().unwrap();
    assert_eq!(chunk.as_ref(), b":\n\n");
    assert_eq!(before.elapsed().as_secs(), 15);
}

#[tokio::test(start_paused = true)]
async fn at_most_64_pages_are_live_at_once() {
    let shop = Shop::new().await;
    let mut open = Vec::new();
    for _ in 0..64 {
        open.push(stream(shop.open(get("/jobs/events?view=queues")).await));
    }
    let refused = shop.get("/jobs/events?view=queues").await;
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
    open.pop();
    let mut events = stream(shop.open(get("/jobs/events?view=queues")).await);
    assert!(next(&mut events).await.is_some(), "the seat is free again");
}

#[tokio::test(start_paused = true)]
async fn an_unknown_view_is_a_bad_request() {
    let shop = Shop::new().await;
    for query in ["", "?view=nothing", "?view=job", "?view=job&id=x", "?view=failed&len=0"] {
        let page = shop.get(&format!("/jobs/events{query}")).await;
        assert_eq!(page.status, StatusCode::BAD_REQUEST, "{query}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_storage_that_fails_is_told_once_and_the_page_recovers() {
    let storage = FaultStorage::new(Arc::new(MemoryStorage::new()));
    let app = router(Arc::new(storage.clone()), Access::local_only());
    let mut events = stream(app.oneshot(get("/events?view=queues")).await.unwrap());
    next(&mut events).await.unwrap();
    storage.always(Operation::Inspect, Fault::Unavailable);
    let trouble = next(&mut events).await.unwrap();
    assert!(trouble.starts_with("event: trouble\ndata: The storage does not answer."), "{trouble}");
    tokio::time::advance(Duration::from_secs(5)).await;
    storage.heal();
    let recovered = next(&mut events).await.unwrap();
    assert!(recovered.starts_with("event: fragments\n"), "{recovered}");
    assert!(recovered.contains("\"queues\":"), "all fragments come again: {recovered}");
}

#[tokio::test(start_paused = true)]
async fn many_who_look_at_the_same_page_cost_the_storage_what_one_does() {
    let storage = FaultStorage::new(Arc::new(MemoryStorage::new()));
    let app = router(Arc::new(storage.clone()), Access::local_only());
    let mut open = Vec::new();
    for _ in 0..10 {
        let response = app.clone().oneshot(get("/events?view=queues")).await.unwrap();
        open.push(stream(response));
    }
    let before = storage.calls(Operation::Inspect);
    for events in &mut open {
        next(events).await.unwrap();
    }
    let n_reads = storage.calls(Operation::Inspect) - before;
    assert_eq!(n_reads, 3, "counts, time and queues, once for all ten");
}
