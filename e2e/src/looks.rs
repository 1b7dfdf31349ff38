//! Every page, light and dark, on a desk and on a phone: does it fit, can everybody read it?
//!
//! The pages show a made-up day of a shop, from `seed`. With `LEGWORK_E2E_SHOTS` set, each of them
//! is also written into that directory as a picture, to be looked at by people.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::Router;
use legwork::prelude::*;
use legwork_core::Store;
use legwork_sqlite::{SqliteStorage, Synchronous};
use serde_json::json;

use crate::browser::Browser;
use crate::flow::flow;
use crate::seed::{PastClock, Seed};
use crate::site::serve;

/// Names the directory for the pictures.
const SHOTS_VARIABLE: &str = "LEGWORK_E2E_SHOTS";

/// The widths of a desk and of a small phone, in pixels.
const WIDTHS: [(&str, u32); 2] = [("desk", 1280), ("phone", 360)];

/// The height of a window, in pixels.
const HEIGHT: u64 = 700;

/// The longest picture, in pixels.
const HEIGHT_MAX: u64 = 2_600;

/// The pages with an address of their own, and the lists whose first job has a page.
const PAGES: [(&str, &str); 12] = [
    // First, because nobody beats for the servers of the seed.
    ("servers", "/servers"),
    ("overview", ""),
    ("overview-day", "?span=24h"),
    ("enqueued", "/enqueued"),
    ("processing", "/processing"),
    ("scheduled", "/scheduled"),
    ("retries", "/retries"),
    ("succeeded", "/succeeded"),
    ("failed", "/failed"),
    ("cancelled", "/cancelled"),
    ("recurring", "/recurring"),
    ("queues", "/queues"),
];

/// The lists whose first job is looked at too.
const JOBS: [&str; 7] =
    ["enqueued", "processing", "scheduled", "awaiting", "succeeded", "failed", "cancelled"];

/// Returns the texts that stand out less from what is behind them than WCAG 2 (AA) asks for.
const FAINT: &str = r"
    const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
    const parse = (colour) => {
      canvas.clearRect(0, 0, 1, 1);
      canvas.fillStyle = colour;
      canvas.fillRect(0, 0, 1, 1);
      return [...canvas.getImageData(0, 0, 1, 1).data];
    };
    const over = (top, below) => {
      const share = top[3] / 255;
      return [0, 1, 2].map((i) => top[i] * share + below[i] * (1 - share)).concat(255);
    };
    const behind = (element) => {
      if (!element) return [255, 255, 255, 255];
      const own = parse(getComputedStyle(element).backgroundColor);
      return own[3] === 255 ? own : over(own, behind(element.parentElement));
    };
    const light = (colour) => {
      const [r, g, b] = colour.map((value) => {
        const part = value / 255;
        return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
      });
      return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const found = new Set();
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (texts.nextNode()) {
      const text = texts.currentNode.textContent.trim();
      const element = texts.currentNode.parentElement;
      if (!text || !element.checkVisibility() || element.closest(':disabled, svg')) continue;
      const style = getComputedStyle(element);
      const below = behind(element);
      const [a, b] = [light(over(parse(style.color), below)), light(below)];
      const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
      const size = parseFloat(style.fontSize);
      const isLarge = size >= 24 || (size >= 18.66 && parseInt(style.fontWeight) >= 700);
      if (ratio < (isLarge ? 3 : 4.5)) found.add(`${text.slice(0, 30)}: ${ratio.toFixed(2)}`);
    }
    return [...found].slice(0, 20);
";

/// Returns what sticks out of the window.
const WIDE: &str = r"
    const width = document.documentElement.clientWidth;
    if (document.documentElement.scrollWidth <= width) return [];
    const all = [...document.body.querySelectorAll('*')];
    const wide = all.filter((element) => element.getBoundingClientRect().right > width + 1);
    return wide.slice(0, 8).map((e) => `${e.tagName} ${e.id} ${e.className} ${e.innerText}`.slice(0, 90));
";

/// Returns the entries that say where one is, but cannot be seen.
const HIDDEN: &str = r"
    const current = [...document.querySelectorAll('nav [aria-current]')];
    return current.filter((entry) => {
      const box = entry.getBoundingClientRect();
      return box.left < -1 || box.right > document.documentElement.clientWidth + 1;
    }).map((entry) => entry.innerText);
";

#[tokio::test]
async fn every_page_fits_and_can_be_read_in_both_themes() {
    flow(async |browser, _| {
        let directory = tempfile::tempdir().expect("a directory for the file");
        let jobs = Jobs::new(shop(directory.path()).await);
        let router = Router::new().nest("/jobs", jobs.dashboard(Access::local_only()));
        let (address, _http) = serve(router).await;
        let base = format!("http://{address}/jobs");

        let mut pages =
            PAGES.map(|(name, path)| (name.to_owned(), format!("{base}{path}"))).to_vec();
        for list in JOBS {
            browser.visit(&format!("{base}/{list}")).await;
            let first = browser.run("return document.querySelector('td.job a').href").await;
            pages.push((format!("job-{list}"), first.as_str().expect("an address").to_owned()));
        }
        let mut faults = Vec::new();
        for (name, page) in &pages {
            faults.extend(look_at(browser, name, page).await);
        }
        browser.visit(&format!("{base}/no-such-page")).await;
        faults.extend(look_at_this(browser, "missing-phone", WIDTHS[1].1).await);
        // The browser tells of every 404.
        browser.complaints().await;
        assert_eq!(faults, [""; 0], "what is wrong with the pages");
        jobs.close().await.expect("everything is stored");
    })
    .await;
}

/// Fills a storage with a day of a shop.
async fn shop(directory: &Path) -> Arc<dyn Store> {
    let clock = PastClock::default();
    let storage = SqliteStorage::options(directory.join("shop.db"));
    let storage = storage.synchronous(Synchronous::Normal).clock(Arc::new(clock.clone()));
    let store: Arc<dyn Store> = Arc::new(storage.open().await.expect("the file is created"));
    Seed::new(Arc::clone(&store), clock).a_day().await.expect("the day passes");
    store
}

/// Visits a page on each device and looks at it from all sides; returns what is wrong with it.
async fn look_at(browser: &Browser, name: &str, page: &str) -> Vec<String> {
    let mut faults = Vec::new();
    for (device, width) in WIDTHS {
        resize(browser, width, HEIGHT).await;
        browser.visit(page).await;
        browser.see_live().await;
        // As if the reader went away: no update may replace what is being looked at.
        browser.run("window.dispatchEvent(new Event('pagehide'))").await;
        faults.extend(look_at_this(browser, &format!("{name}-{device}"), width).await);
    }
    let controls = "a, button, input:not([type=hidden]), select, summary, progress, meter";
    for control in browser.without_name(controls).await {
        faults.push(format!("{name}: has no name to be spoken: {control}"));
    }
    faults
}

/// Looks at the page that is open, in both themes.
async fn look_at_this(browser: &Browser, name: &str, width: u32) -> Vec<String> {
    let mut faults = Vec::new();
    for theme in ["light", "dark"] {
        let scheme = json!([{ "name": "prefers-color-scheme", "value": theme }]);
        browser.chromium("Emulation.setEmulatedMedia", json!({ "features": scheme })).await;
        // Colours that still move towards the new theme are those of neither.
        browser.run("for (const each of document.getAnimations()) each.cancel()").await;
        for (fault, script) in [("too faint", FAINT), ("too wide", WIDE), ("out of sight", HIDDEN)]
        {
            let found = browser.run(script).await;
            let found = found.as_array().into_iter().flatten();
            faults.extend(found.map(|what| format!("{name}-{theme}: {fault}: {what}")));
        }
        if let Some(directory) = std::env::var_os(SHOTS_VARIABLE) {
            let height = browser.run("return document.documentElement.scrollHeight").await;
            let height = height.as_u64().expect("a height").clamp(HEIGHT, HEIGHT_MAX);
            resize(browser, width, height).await;
            std::fs::create_dir_all(&directory).expect("the directory is made");
            let file = PathBuf::from(directory).join(format!("{name}-{theme}.png"));
            std::fs::write(file, browser.picture().await).expect("the picture is written");
        }
    }
    faults
}

async fn resize(browser: &Browser, width: u32, height: u64) {
    let metrics =
        json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
    browser.chromium("Emulation.setDeviceMetricsOverride", metrics).await;
}
