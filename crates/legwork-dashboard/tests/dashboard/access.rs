//! Who may come in.

use std::net::SocketAddr;

use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{Request, StatusCode, header};
use legwork_core::{JobState, Storage as _};
use legwork_dashboard::{Access, DashboardOptions, Decision};

use crate::shop::{Shop, get, local, post};

/// Every kind of address there is, unknown ones included.
const PATHS: [&str; 11] = [
    "/jobs",
    "/jobs/failed",
    "/jobs/1",
    "/jobs/recurring",
    "/jobs/queues",
    "/jobs/servers",
    "/jobs/find?id=1",
    "/jobs/events?view=overview",
    "/jobs/assets/app.css",
    "/jobs/no/such/page",
    "/jobs/bulk/requeue",
];

fn from(peer: &str, host: &str) -> Request<Body> {
    let peer: SocketAddr = peer.parse().unwrap();
    let builder = Request::get("/jobs").header(header::HOST, host);
    builder.extension(ConnectInfo(peer)).body(Body::empty()).unwrap()
}

#[tokio::test]
async fn local_only_admits_loopback_peers_under_loopback_names() {
    let shop = Shop::new().await;
    for (peer, host) in [
        ("127.0.0.1:9", "localhost:8080"),
        ("[::1]:9", "[::1]:8080"),
        ("[::ffff:127.0.0.1]:9", "127.0.0.1"),
    ] {
        assert_eq!(shop.send(from(peer, host)).await.status, StatusCode::OK, "{peer} {host}");
    }
    for (peer, host, status) in [
        ("10.0.0.7:9", "localhost", StatusCode::FORBIDDEN),
        ("[2001:db8::1]:9", "localhost", StatusCode::FORBIDDEN),
        ("127.0.0.1:9", "evil.test", StatusCode::MISDIRECTED_REQUEST),
        ("127.0.0.1:9", "127.0.0.1.evil.test", StatusCode::MISDIRECTED_REQUEST),
    ] {
        let page = shop.send(from(peer, host)).await;
        assert_eq!(page.status, status, "{peer} {host}");
        page.lacks(&["memory:", "Enqueued"]);
    }
    let two_hosts = local(Request::get("/jobs")).header(header::HOST, "evil.test");
    let page = shop.send(two_hosts.body(Body::empty()).unwrap()).await;
    assert_eq!(page.status, StatusCode::MISDIRECTED_REQUEST);
}

#[tokio::test]
async fn local_only_without_a_known_peer_says_how_to_serve() {
    let shop = Shop::new().await;
    let request = Request::get("/jobs").header(header::HOST, "localhost");
    let page = shop.send(request.body(Body::empty()).unwrap()).await;
    assert_eq!(page.status, StatusCode::FORBIDDEN);
    page.has(&["into_make_service_with_connect_info"]);
}

#[tokio::test]
async fn local_only_refuses_what_a_proxy_passed_on() {
    let shop = Shop::new().await;
    for name in ["x-forwarded-for", "forwarded", "x-real-ip", "via", "x-forwarded-host"] {
        let mut request = get("/jobs");
        request.headers_mut().insert(name, "127.0.0.1".parse().unwrap());
        let page = shop.send(request).await;
        assert_eq!(page.status, StatusCode::FORBIDDEN, "{name}");
        page.has(&["came through a proxy"]);
    }
}

#[tokio::test]
async fn a_denied_request_gets_nothing_from_any_address() {
    let shop = Shop::with(Access::rule(|_| Decision::Deny), DashboardOptions::new()).await;
    shop.failed("secret error").await;
    for path in PATHS {
        let page = shop.get(path).await;
        assert_eq!(page.status, StatusCode::FORBIDDEN, "{path}");
        page.lacks(&["secret error", "memory:", "mail.welcome"]);
        assert_eq!(shop.post(path, "").await.status, StatusCode::FORBIDDEN, "{path}");
    }
}

#[tokio::test]
async fn a_viewer_sees_everything_and_changes_nothing() {
    let shop = Shop::with(Access::rule(|_| Decision::View), DashboardOptions::new()).await;
    let id = shop.failed("disk full").await;
    shop.store.pause(crate::shop::queue("mail"), legwork_core::Actor::new("x")).await.unwrap();
    let job = format!("/jobs/{id}");
    for path in ["/jobs", "/jobs/failed", &job, "/jobs/recurring", "/jobs/queues"] {
        let page = shop.get(path).await;
        assert_eq!(page.status, StatusCode::OK, "{path}");
        page.has(&["You may look, but not act"]);
        page.lacks(&["formaction", "type=\"checkbox\""]);
    }
    let actions = [
        format!("/jobs/{id}/requeue"),
        format!("/jobs/{id}/delete"),
        "/jobs/bulk/requeue".to_owned(),
        "/jobs/queues/mail/resume".to_owned(),
        "/jobs/queues/mail/pause".to_owned(),
        "/jobs/recurring/digest/trigger".to_owned(),
        "/jobs/recurring/digest/remove".to_owned(),
    ];
    for path in actions {
        let page = shop.send(post(&path, &format!("tab=failed&id={id}"))).await;
        assert_eq!(page.status, StatusCode::FORBIDDEN, "{path}");
    }
    assert_eq!(shop.state(id).await, Some(JobState::Failed));
}
