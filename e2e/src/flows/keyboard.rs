//! The dashboard without a mouse.

use crate::browser::{Browser, Key};
use crate::flow::flow;

/// How many controls may lie before the one that is looked for.
const CONTROLS_MAX: usize = 40;

/// Says what has the focus, and whether one can see that.
const FOCUS: &str = "
    const style = getComputedStyle(arguments[0]);
    const box = arguments[0].getBoundingClientRect();
    const drawn = style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 1;
    const inside = box.width > 0 && box.height > 0 && box.top >= 0 && box.bottom <= innerHeight;
    return [arguments[0].innerText || arguments[0].id, drawn && inside];
";

#[tokio::test]
async fn the_tab_key_reaches_the_actions_and_enter_does_them() {
    flow(async |browser, site| {
        let id = site.failed_delivery("knock softly").await;
        browser.visit(&site.url(&format!("/jobs/{id}"))).await;
        browser.see_live().await;
        let way = tab_to(browser, "Requeue").await;
        let expected = ["Skip to content", "Overview", "Jobs", "Queues", "find", "theme"];
        let mut met = way.iter();
        for control in expected {
            let found = met.any(|name| name.starts_with(control) || name.ends_with(control));
            assert!(found, "{control} is not met in this order: {way:?}");
        }
        browser.press(Key::Enter).await;
        browser.read("//*[contains(@class,'notice good')]", "Requeued 1 job.").await;
        site.open_doors(1);
        browser.see("#head .state.succeeded").await;

        browser.visit(&site.url("/jobs/succeeded")).await;
        browser.press(Key::Tab).await;
        browser.press(Key::Enter).await;
        browser.press(Key::Tab).await;
        let (name, _) = focus(browser).await;
        assert!(name.starts_with("Enqueued"), "the head is skipped: {name} has the focus");
    })
    .await;
}

/// Presses the tab key until the control of this name has the focus, which must always be visible.
async fn tab_to(browser: &Browser, wanted: &str) -> Vec<String> {
    let mut way = Vec::new();
    while way.last().is_none_or(|last| last != wanted) {
        assert!(way.len() < CONTROLS_MAX, "{wanted} is not reached: {way:?}");
        browser.press(Key::Tab).await;
        let (name, is_visible) = focus(browser).await;
        assert!(is_visible, "one cannot see that {name} has the focus");
        way.push(name);
    }
    way
}

async fn focus(browser: &Browser) -> (String, bool) {
    let focus = browser.of_focus(FOCUS).await;
    let name = focus[0].as_str().expect("a name").trim().to_owned();
    (name, focus[1] == true)
}
