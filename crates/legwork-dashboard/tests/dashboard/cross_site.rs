//! Actions that another site asks for.

use axum::body::Body;
use axum::http::{Method, Request, StatusCode, header};
use legwork_core::JobState;

use crate::shop::{Shop, local};

fn forged(path: &str, headers: &[(&str, &str)]) -> Request<Body> {
    let mut builder = local(Request::post(path));
    for (name, value) in headers {
        builder = builder.header(*name, *value);
    }
    builder
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Body::empty())
        .unwrap()
}

#[tokio::test]
async fn an_action_of_another_origin_is_refused_and_changes_nothing() {
    let shop = Shop::new().await;
    let id = shop.failed("x").await;
    let path = format!("/jobs/{id}/requeue");
    let cases: [&[(&str, &str)]; 9] = [
        &[],
        &[("sec-fetch-site", "cross-site")],
        &[("sec-fetch-site", "same-site")],
        &[("sec-fetch-site", "none")],
        &[("sec-fetch-site", "same-origin"), ("sec-fetch-site", "cross-site")],
        &[("sec-fetch-site", "cross-site"), ("origin", "http://localhost:8080")],
        &[("origin", "null")],
        &[("origin", "http://evil.test")],
        &[("origin", "http://localhost:9999")],
    ];
    for headers in cases {
        let page = shop.send(forged(&path, headers)).await;
        assert_eq!(page.status, StatusCode::FORBIDDEN, "{headers:?}");
        assert_eq!(shop.state(id).await, Some(JobState::Failed), "{headers:?}");
    }
}

#[tokio::test]
async fn without_the_fetch_header_the_origin_must_be_the_host() {
    let shop = Shop::new().await;
    let id = shop.failed("x").await;
    let page =
        shop.send(forged(&format!("/jobs/{id}/requeue"), &[("origin", "http://localhost:8080")]));
    assert_eq!(page.await.status, StatusCode::SEE_OTHER);
    assert_eq!(shop.state(id).await, Some(JobState::Enqueued));
}

#[tokio::test]
async fn other_methods_and_reads_of_actions_change_nothing() {
    let shop = Shop::new().await;
    let id = shop.failed("x").await;
    for method in [Method::PUT, Method::DELETE, Method::PATCH, Method::OPTIONS] {
        let request = local(Request::builder().method(method.clone()).uri(format!("/jobs/{id}")))
            .header("sec-fetch-site", "same-origin");
        let page = shop.send(request.body(Body::empty()).unwrap()).await;
        assert_eq!(page.status, StatusCode::METHOD_NOT_ALLOWED, "{method}");
    }
    let page = shop.get(&format!("/jobs/{id}/requeue")).await;
    assert_eq!(page.status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(shop.state(id).await, Some(JobState::Failed));
}
