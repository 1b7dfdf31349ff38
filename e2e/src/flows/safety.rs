//! What strangers wrote stays text, and what strangers ask for is not done.

use axum::Router;
use axum::response::Html;
use axum::routing::get;
use legwork::JobState;

use crate::browser::Browser;
use crate::flow::flow;
use crate::site::{STOCK, serve};

/// Breaks out of elements, attributes, scripts and comments, wherever it is not escaped.
const HOSTILE: &str = "--></script><img src=x onerror=\"document.title='hacked'\">\
                       <script>alert('hacked')</script><!-- ' {{7*7}} &lt;b&gt; \u{202e}";

/// What a page shows of it, direction marks made visible.
const SHOWN: &str = "--></script><img src=x onerror=\"document.title='hacked'\">\
                     <script>alert('hacked')</script><!-- ' {{7*7}} &lt;b&gt; \\u{202e}";

#[tokio::test]
async fn hostile_strings_stay_text_on_every_page() {
    flow(async |browser, site| {
        let id = site.failed_delivery(HOSTILE).await;
        site.jobs.pause(STOCK, HOSTILE).await.expect("the reason is valid");
        for page in ["/jobs", "/jobs/failed", "/jobs/queues", &format!("/jobs/{id}")] {
            browser.visit(&site.url(page)).await;
            // By then the script has put every part that can change into the page once more.
            browser.see_live().await;
            check_inert(browser, page).await;
        }
        browser.press_button("Requeue").await;
        browser.see("#head .state.processing").await;
        browser.see_live().await;
        site.open_doors(1);
        browser.see("#head .state.succeeded").await;
        browser.see("#now:has(h3)").await;
        check_inert(browser, "the result").await;
    })
    .await;
}

async fn check_inert(browser: &Browser, page: &str) {
    let shown = browser.text("main").await;
    // Arguments and results are shown as JSON, which quotes the quotation marks.
    assert!(
        shown.contains(SHOWN) || shown.contains(&SHOWN.replace('"', "\\\"")),
        "{page}: {shown}"
    );
    let parsed = browser.run("return document.querySelectorAll('main img, main script').length");
    assert_eq!(parsed.await, 0, "{page}: it became elements");
    let title = browser.run("return document.title").await;
    assert!(!title.to_string().contains("hacked"), "{page}: it ran");
}

#[tokio::test]
async fn another_site_cannot_act_in_the_name_of_its_visitor() {
    flow(async |browser, site| {
        let id = site.failed_delivery("do not disturb").await;
        let action = site.url(&format!("/jobs/{id}/requeue"));
        // The icon keeps the browser from asking for one, and from complaining about the answer.
        let lure = format!(
            "<link rel=icon href='data:,'>\
             <form method=post action='{action}'><button>A prize!</button></form>"
        );
        let page = get(async move || Html(lure));
        let (address, _stranger) = serve(Router::new().route("/", page)).await;

        browser.visit(&format!("http://{address}/")).await;
        browser.click("button").await;
        let told = browser.text("main .failure").await;
        assert!(told.contains("This action was asked for by another site."), "{told}");
        let complaints = browser.complaints().await;
        let [refused] = &complaints[..] else { panic!("the browser complained: {complaints:?}") };
        assert!(refused.contains("403 (Forbidden)"), "{refused}");
        site.until(id, JobState::Failed).await;
    })
    .await;
}

#[tokio::test]
async fn the_browser_refuses_scripts_that_are_not_the_dashboards() {
    flow(async |browser, site| {
        browser.visit(&site.url("/jobs")).await;
        browser.see_live().await;
        let script = "const stranger = document.createElement('script'); \
                      stranger.text = \"document.title = 'hacked'\"; \
                      document.body.append(stranger); \
                      return document.title";
        let title = browser.run(script).await;
        assert_ne!(title, "hacked", "it ran");
        // That every other flow fails when the browser complains rests on this.
        let complaints = browser.complaints().await;
        let [refused] = &complaints[..] else { panic!("one complaint: {complaints:?}") };
        assert!(refused.contains("Content Security Policy"), "{refused}");
    })
    .await;
}
