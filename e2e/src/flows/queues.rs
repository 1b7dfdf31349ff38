//! Queues on their page.

use crate::flow::flow;
use crate::site::{Count, STOCK};

/// The row of the queue.
const ROW: &str = "//*[@id='queues']//tr[td//a[normalize-space()='stock']]";

#[tokio::test]
async fn a_queue_is_paused_with_a_reason_and_resumed() {
    flow(async |browser, site| {
        site.jobs.enqueue(Count {}).await.expect("the job is valid");
        browser.visit(&site.url("/jobs/succeeded")).await;
        browser.see("#jobs tbody tr:only-child").await;

        browser.visit(&site.url("/jobs/queues")).await;
        browser.read(&format!("{ROW}//*[contains(@class,'badge')]"), "open").await;
        browser.write(&format!("{ROW}//input[@name='reason']"), "the shelves are moved").await;
        browser.click(&format!("{ROW}//button")).await;
        let told = "Paused the queue. What is running goes on.";
        browser.read("//*[contains(@class,'notice good')]", told).await;
        browser.read(&format!("{ROW}//*[contains(@class,'badge')]"), "paused").await;
        browser.read(&format!("{ROW}//p"), "the shelves are moved").await;

        browser.see_live().await;
        browser.mark().await;
        site.jobs.enqueue(Count {}).await.expect("the job is valid");
        browser.read(&format!("{ROW}/td[@class='number']"), "1").await;
        browser.still_marked().await;

        browser.press_button("Resume").await;
        browser.read("//*[contains(@class,'notice good')]", "Resumed the queue.").await;
        browser.read(&format!("{ROW}//*[contains(@class,'badge')]"), "open").await;
        browser.read(&format!("{ROW}/td[@class='number']"), "0").await;
        browser.visit(&site.url(&format!("/jobs/succeeded?queue={STOCK}"))).await;
        browser.see("#jobs tbody tr:nth-child(2):last-child").await;
    })
    .await;
}
