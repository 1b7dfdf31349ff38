//! The overview, which moves while one looks.

use crate::browser::Browser;
use crate::flow::flow;
use crate::site::Count;

#[tokio::test]
async fn the_counts_of_the_overview_move_while_one_looks() {
    flow(async |browser, site| {
        browser.visit(&site.url("/jobs")).await;
        browser.see_live().await;
        browser.mark().await;
        see_tile(browser, "succeeded", "0").await;

        let counts = [(); 12].map(|()| Count {});
        site.jobs.enqueue_all(counts).await.expect("the jobs are valid");
        see_tile(browser, "succeeded", "12").await;
        browser.read("//*[@id='chart']//li[contains(@class,'succeeded')]/b", "12").await;
        let id = site.running_watch().await;
        see_tile(browser, "processing", "1").await;
        browser.read("//*[@id='running']//*[@class='kind']", "parcel.watch").await;
        site.jobs.cancel(id).await.expect("the storage answers");
        see_tile(browser, "processing", "0").await;
        site.failed_delivery("no such street").await;
        see_tile(browser, "failed", "1").await;
        browser
            .read("//*[@id='failing']//*[@class='error']", "nobody opened: no such street")
            .await;
        browser.still_marked().await;
    })
    .await;
}

async fn see_tile(browser: &Browser, name: &str, count: &str) {
    let tile = format!("//a[starts-with(@class,'tile {name}')]/*[@class='value']");
    browser.read(&tile, count).await;
}
