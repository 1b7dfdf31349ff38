//! What an operator does to jobs: requeue, cancel, and both on many at once.

use legwork::JobState;

use crate::flow::flow;
use crate::site::Deliver;

#[tokio::test]
async fn a_failed_job_is_requeued_from_its_page_and_succeeds_before_ones_eyes() {
    flow(async |browser, site| {
        let id = site.failed_delivery("leave it in the garden").await;
        browser.visit(&site.url(&format!("/jobs/{id}"))).await;
        browser.read("//*[@id='head']//*[@class='kind']", "parcel.deliver").await;
        browser.see("#head .state.failed").await;
        browser.read("//*[@id='now']/pre", "nobody opened: leave it in the garden").await;

        browser.press_button("Requeue").await;
        browser.read("//*[contains(@class,'notice good')]", "Requeued 1 job.").await;
        browser.see("#head .state.processing").await;
        browser.see("#now progress[value='50']").await;
        browser.see_live().await;
        browser.mark().await;
        site.open_doors(1);
        browser.see("#head .state.succeeded").await;
        browser.see("#now:has(h3):not(:has(progress))").await;
        browser.still_marked().await;

        for (n, step) in
            ["Succeeded", "Claimed", "Requeued", "Failed", "Claimed"].iter().enumerate()
        {
            browser.read(&format!("//*[@id='timeline']//li[{}]//b", n + 1), step).await;
        }
        browser.click("#timeline summary").await;
        browser.read("//details[@open]/pre", "nobody opened: leave it in the garden").await;
    })
    .await;
}

#[tokio::test]
async fn a_running_job_is_cancelled_after_a_question() {
    flow(async |browser, site| {
        let id = site.running_watch().await;
        let page = site.url(&format!("/jobs/{id}"));
        browser.visit(&page).await;
        browser.see("#head .state.processing").await;

        browser.press_button("Cancel").await;
        browser.dismiss(&format!("Cancel job {id}?")).await;
        assert_eq!(browser.address().await, page, "nothing was sent");
        browser.see("#head .state.processing").await;

        browser.press_button("Cancel").await;
        browser.accept(&format!("Cancel job {id}?")).await;
        let told = "Asked 1 job to cancel; a running handler ends when it notices.";
        browser.read("//*[contains(@class,'notice good')]", told).await;
        browser.see("#head .state.cancelled").await;
    })
    .await;
}

#[tokio::test]
async fn failed_jobs_are_ticked_and_requeued_together() {
    flow(async |browser, site| {
        for note in ["first", "second", "third"] {
            site.failed_delivery(note).await;
        }
        browser.visit(&site.url("/jobs/failed")).await;
        browser.read("//*[@data-chosen]", "Nothing ticked").await;
        browser.see(".bulk button:disabled").await;
        browser.click("[data-all]").await;
        browser.read("//*[@data-chosen]", "3 ticked:").await;
        browser.click("#jobs tbody tr:nth-child(2) [name=id]").await;
        browser.read("//*[@data-chosen]", "2 ticked:").await;

        browser.see_live().await;
        let fourth = Deliver { note: "fourth".to_owned() };
        site.jobs.enqueue(fourth).await.expect("the job is valid");
        browser.see("#jobs tbody tr:nth-child(4)").await;
        browser.read("//*[@data-chosen]", "2 ticked:").await;

        browser.press_button("Requeue").await;
        browser.read("//*[contains(@class,'notice good')]", "Requeued 2 jobs.").await;
        browser.see("#jobs tbody tr:nth-child(2):last-child").await;
        let left = browser.text("#jobs tbody").await;
        assert!(left.contains("fourth") && left.contains("second"), "the others stay: {left}");

        site.open_doors(2);
        browser.visit(&site.url("/jobs/succeeded")).await;
        browser.see("#jobs tbody tr:nth-child(2):last-child").await;
    })
    .await;
}

#[tokio::test]
async fn a_job_is_found_by_its_id_and_deleted() {
    flow(async |browser, site| {
        let id = site.failed_delivery("return to sender").await;
        browser.visit(&site.url("/jobs/servers")).await;
        browser.write("#find", &format!("#{id}\n")).await;
        browser.see("#head .state.failed").await;
        assert_eq!(browser.address().await, site.url(&format!("/jobs/{id}")), "its page");
        browser.press_button("Delete").await;
        browser.accept(&format!("Delete job {id}?")).await;
        browser.read("//*[contains(@class,'notice good')]", "Deleted 1 job.").await;
        let job = site.jobs.store().job(id).await.expect("the storage answers");
        assert_eq!(job.map(|job| job.summary.state), None::<JobState>, "it is gone");
    })
    .await;
}
