//! A browser that runs no scripts can do everything; it only has to load pages to see changes.

use legwork::JobState;

use crate::browser::Scripts;
use crate::flow::flow_with;
use crate::site::Count;

#[tokio::test]
async fn everything_can_be_done_without_scripts() {
    flow_with(Scripts::Off, async |browser, site| {
        let delivery = site.failed_delivery("ring twice").await;
        let other = site.failed_delivery("ring thrice").await;
        let watch = site.running_watch().await;
        site.jobs
            .recurring("nightly-count", "0 3 * * *")
            .job(Count {})
            .upsert()
            .await
            .expect("valid");
        site.open_doors(2);

        browser.visit(&site.url(&format!("/jobs/{delivery}"))).await;
        browser.see("#live[hidden]").await;
        browser.press_button("Requeue").await;
        browser.read("//*[contains(@class,'notice good')]", "Requeued 1 job.").await;
        site.until(delivery, JobState::Succeeded).await;
        browser.reload().await;
        browser.see("#head .state.succeeded").await;

        browser.visit(&site.url("/jobs/failed")).await;
        browser.click("#jobs tbody tr:only-child [name=id]").await;
        browser.press_button("Requeue").await;
        browser.read("//*[contains(@class,'notice good')]", "Requeued 1 job.").await;
        site.until(other, JobState::Succeeded).await;

        browser.visit(&site.url(&format!("/jobs/{watch}"))).await;
        browser.press_button("Cancel").await;
        browser.see("p.notice.good").await;
        site.until(watch, JobState::Cancelled).await;
        browser.reload().await;
        browser.see("#head .state.cancelled").await;

        browser.visit(&site.url("/jobs/recurring")).await;
        browser.press_button("Run now").await;
        browser.see("p.notice.good").await;
        browser.click("td.last a").await;
        browser.read("//*[@id='head']//*[@class='kind']", "stock.count").await;
    })
    .await;
}
