//! The headers of every answer, and the assets.

use axum::http::{StatusCode, header};

use crate::shop::{Page, Shop};

fn check(page: &Page, path: &str) {
    let value = |name: &str| page.headers.get(name).map(|value| value.to_str().unwrap());
    let policy = value("content-security-policy").unwrap_or_default();
    assert_eq!(
        policy,
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
         connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
        "{path}"
    );
    assert_eq!(value("x-content-type-options"), Some("nosniff"), "{path}");
    assert_eq!(value("referrer-policy"), Some("no-referrer"), "{path}");
    assert_eq!(value("cross-origin-opener-policy"), Some("same-origin"), "{path}");
    assert_eq!(value("cross-origin-resource-policy"), Some("same-origin"), "{path}");
}

#[tokio::test]
async fn every_answer_has_the_security_headers_and_is_not_stored() {
    let shop = Shop::new().await;
    let id = shop.failed("x").await;
    let job = format!("/jobs/{id}");
    let paths = [
        "/jobs",
        "/jobs/failed",
        &job,
        "/jobs/recurring",
        "/jobs/queues",
        "/jobs/servers",
        "/jobs/find?id=1",
        "/jobs/find?id=x",
        "/jobs/events",
        "/jobs/no/such/page",
        "/jobs/assets/nothing.css",
    ];
    for path in paths {
        let page = shop.get(path).await;
        check(&page, path);
        assert_eq!(page.headers[header::CACHE_CONTROL], "no-store", "{path}");
    }
    check(&shop.post(&format!("/jobs/{id}/requeue"), "").await, "an action");
    check(&shop.post("/jobs/servers", "").await, "a wrong method");
}

#[tokio::test]
async fn assets_are_named_by_their_content_and_kept_for_ever() {
    let shop = Shop::new().await;
    let page = shop.get("/jobs").await;
    let mut n_assets = 0;
    for part in page.body.split("\"/jobs/assets/").skip(1) {
        let name = part.split('"').next().unwrap();
        let asset = shop.get(&format!("/jobs/assets/{name}")).await;
        assert_eq!(asset.status, StatusCode::OK, "{name}");
        check(&asset, name);
        let cache = asset.headers[header::CACHE_CONTROL].to_str().unwrap();
        assert!(cache.contains("immutable"), "{name}: {cache}");
        n_assets += 1;
    }
    assert_eq!(n_assets, 3, "a style sheet, a script and an icon");
    for name in ["app.css", "..%2f..%2fCargo.toml", "app-0000000000000000.css"] {
        let page = shop.get(&format!("/jobs/assets/{name}")).await;
        assert_eq!(page.status, StatusCode::NOT_FOUND, "{name}");
    }
}

#[tokio::test]
async fn no_page_has_inline_styles_or_handlers() {
    let shop = Shop::new().await;
    let id = shop.failed("x").await;
    for path in ["/jobs", "/jobs/failed", &format!("/jobs/{id}"), "/jobs/servers"] {
        let page = shop.get(path).await;
        page.lacks(&[
            " style=",
            "<style",
            " onclick",
            " onload",
            "javascript:",
            "http://",
            "https://",
        ]);
    }
}

#[tokio::test]
async fn the_chosen_theme_is_drawn_by_the_server() {
    let shop = Shop::new().await;
    for (cookie, mark) in [
        ("legwork_theme=dark", Some("data-theme=\"dark\"")),
        ("a=b; legwork_theme=light", Some("data-theme=\"light\"")),
        ("legwork_theme=\"><script>", None),
    ] {
        let mut request = crate::shop::get("/jobs");
        request.headers_mut().insert(header::COOKIE, cookie.parse().unwrap());
        let page = shop.send(request).await;
        match mark {
            Some(mark) => page.has(&[mark]),
            None => page.lacks(&["data-theme", "><script>"]),
        }
    }
}
