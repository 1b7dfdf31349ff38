//! Where the dashboard is mounted.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode, header};
use legwork_core::{Storage as _, Store};
use legwork_dashboard::{Access, router};
use legwork_testing::MemoryStorage;
use tower::ServiceExt as _;

use crate::shop::{local, mail_job, post};

async fn body(app: &Router, path: &str) -> (StatusCode, String) {
    let request = local(Request::get(path)).body(Body::empty()).unwrap();
    let response = app.clone().oneshot(request).await.unwrap();
    let status = response.status();
    let bytes = to_bytes(response.into_body(), 1 << 20).await.unwrap();
    (status, String::from_utf8(bytes.to_vec()).unwrap())
}

#[tokio::test]
async fn links_forms_and_redirects_follow_the_prefix() {
    let storage = MemoryStorage::new();
    let id = storage.enqueue(vec![mail_job()]).await.unwrap()[0].id();
    let store: Arc<dyn Store> = Arc::new(storage);
    let dashboard = || router(Arc::clone(&store), Access::local_only());
    let deep = Router::new().nest("/work", dashboard());
    let apps = [
        ("", dashboard()),
        ("/jobs", Router::new().nest("/jobs", dashboard())),
        ("/ops/work", Router::new().nest("/ops", deep.clone())),
        ("/t/acme/work", Router::new().nest("/t/{tenant}", deep)),
    ];
    for (prefix, app) in apps {
        let home = if prefix.is_empty() { "/" } else { prefix };
        let mut pages = vec![home.to_owned()];
        pages.extend(
            ["enqueued", "recurring", "queues", "servers"].map(|page| format!("{prefix}/{page}")),
        );
        pages.push(format!("{prefix}/{id}"));
        for page in &pages {
            let (status, html) = body(&app, page).await;
            assert_eq!(status, StatusCode::OK, "{page}");
            for attribute in ["href=\"", "src=\"", "formaction=\"", "data-events=\"", " action=\""]
            {
                for link in html.split(attribute).skip(1) {
                    let link = link.split('"').next().unwrap();
                    let is_inside = link == home
                        || link.starts_with('#')
                        || link.starts_with(&format!("{prefix}/"))
                        || link.starts_with(&format!("{home}?"));
                    assert!(is_inside, "{link:?} on {page} leaves {prefix:?}");
                    assert!(!link.starts_with("//"), "{link:?} leaves the site");
                }
            }
        }
        let request = post(&format!("{prefix}/queues/mail/pause"), "");
        let response = app.clone().oneshot(request).await.unwrap();
        let location = response.headers()[header::LOCATION].to_str().unwrap();
        assert_eq!(location, format!("{prefix}/queues?done=paused.1.0"));
        let (status, _) = body(&app, &format!("{prefix}/no/such/page")).await;
        assert_eq!(status, StatusCode::NOT_FOUND);
    }
}
