//! Recurring jobs on their page.

use crate::flow::flow;
use crate::site::Count;

#[tokio::test]
async fn a_recurring_job_is_run_now_and_followed_to_its_job() {
    flow(async |browser, site| {
        let recurring = site.jobs.recurring("nightly-count", "0 3 * * *");
        let recurring = recurring.time_zone("Europe/Istanbul").job(Count {});
        recurring.upsert().await.expect("the declaration is valid");
        browser.visit(&site.url("/jobs/recurring")).await;
        browser.read("//td[@class='job']/b", "nightly-count").await;
        browser.read("//td[contains(@class,'last')]/span", "never").await;

        browser.press_button("Run now").await;
        let told = "Enqueued one run of the recurring job.";
        browser.read("//*[contains(@class,'notice good')]", told).await;
        browser.see("td.last a .state.succeeded").await;
        browser.click("td.last a").await;
        browser.read("//*[@id='head']//*[@class='kind']", "stock.count").await;
        browser.see("#head .state.succeeded").await;
        let facts = browser.text("#now").await;
        assert!(facts.contains("nightly-count"), "the page says where it comes from: {facts}");
    })
    .await;
}
