//! The theme that a reader chooses.

use crate::browser::Browser;
use crate::flow::flow;

#[tokio::test]
async fn the_chosen_theme_stays() {
    flow(async |browser, site| {
        browser.visit(&site.url("/jobs")).await;
        let at_first = background(browser).await;
        browser.click("#theme").await;
        browser.see("html[data-theme=dark]").await;
        let dark = background(browser).await;
        assert_ne!(dark, at_first, "the colours changed");

        browser.visit(&site.url("/jobs/queues")).await;
        browser.see("html[data-theme=dark]").await;
        assert_eq!(background(browser).await, dark, "on another page too");
        browser.click("#theme").await;
        browser.see("html[data-theme=light]").await;
        browser.reload().await;
        browser.see("html[data-theme=light]").await;
        assert_eq!(background(browser).await, at_first, "and back, after a load");
    })
    .await;
}

async fn background(browser: &Browser) -> String {
    browser.run("return getComputedStyle(document.body).backgroundColor").await.to_string()
}
