//! Runs one browser test: starts the application and the browser, and ends both whatever happens.
//!
//! Every test calls [`flow`]. A flow fails when it panics, and when the browser complained: about a
//! script, a resource, or a violation of the content security policy.

use std::fs::File;
use std::io::Write as _;
use std::panic::AssertUnwindSafe;

use futures_util::FutureExt as _;

use crate::browser::{Browser, Scripts};
use crate::site::Site;

/// Names the chromedriver, the browser, and the file that collects the skips.
const DRIVER_VARIABLE: &str = "LEGWORK_TEST_WEBDRIVER_URL";
const CHROMIUM_VARIABLE: &str = "LEGWORK_TEST_CHROMIUM";
const SKIPS_VARIABLE: &str = "LEGWORK_TEST_SKIPS";

/// Runs a test, or records that it was skipped.
pub(crate) async fn flow(body: impl AsyncFnOnce(&Browser, &Site)) {
    flow_with(Scripts::On, body).await;
}

/// Runs a test in a browser that does, or does not, run scripts.
pub(crate) async fn flow_with<F: AsyncFnOnce(&Browser, &Site)>(scripts: Scripts, body: F) {
    let variables = [DRIVER_VARIABLE, CHROMIUM_VARIABLE].map(std::env::var);
    let [Ok(driver), Ok(chromium)] = &variables else {
        return skip(test_of(&body));
    };
    let site = Site::start().await;
    let browser = Browser::open(driver, chromium, scripts).await;
    let flow = async {
        body(&browser, &site).await;
        assert_eq!(browser.complaints().await, [""; 0], "the browser complained");
    };
    let ended = AssertUnwindSafe(flow).catch_unwind().await;
    browser.close().await;
    site.stop().await;
    if let Err(panic) = ended {
        std::panic::resume_unwind(panic);
    }
}

/// Returns the path of the test that a body is written in.
fn test_of<F>(_: &F) -> &'static str {
    let closure = std::any::type_name::<F>();
    let test = closure.trim_end_matches("::{{closure}}");
    test.split_once("::").map_or(test, |(_, path)| path)
}

fn skip(test: &str) {
    let line = format!("{test}: {DRIVER_VARIABLE} or {CHROMIUM_VARIABLE} is not set");
    if let Some(file) = std::env::var_os(SKIPS_VARIABLE) {
        let mut file = File::options().append(true).open(file).expect("the file is there");
        writeln!(file, "{line}").expect("the line is written");
    }
}
