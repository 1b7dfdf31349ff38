//! What a person does with a page: looks, clicks, writes, presses keys.
//!
//! Tests get a [`Browser`] from `flow`. Every look waits until the page shows what is looked for,
//! at most [`PATIENCE`], so that no test ever waits for time to pass; what should not be there is
//! asked for by a selector that says so. Everything that goes wrong panics and says what the page
//! showed.

use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use crate::driver::{Driver, Element, Refusal};

/// How long a page may take to show something. Only a failing test waits so long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// How often a click is tried again because its element was replaced by an update meanwhile.
const REPLACED_MAX: usize = 20;

/// Whether pages may run their scripts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scripts {
    /// They may.
    On,
    /// The browser runs none.
    Off,
}

/// A key of the keyboard.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Key {
    /// Moves on to the next control.
    Tab,
    /// Activates it.
    Enter,
}

/// An open browser.
pub(crate) struct Browser {
    driver: Driver,
}

impl Browser {
    /// Starts `chromium` through the driver at `driver_url`, with a profile of its own.
    pub(crate) async fn open(driver_url: &str, chromium: &str, scripts: Scripts) -> Self {
        let patience = u64::try_from(PATIENCE.as_millis()).expect("it is short");
        let mut options = json!({
            "binary": chromium,
            // The driver adds an empty profile, and removes it with the session.
            "args": [
                "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic",
                "--no-first-run", "--disable-background-networking",
                "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
                "--window-size=1280,900", "--lang=en",
            ],
        });
        if scripts == Scripts::Off {
            let off = "profile.managed_default_content_settings.javascript";
            options["prefs"] = json!({ off: 2 });
        }
        let capabilities = json!({
            "browserName": "chrome",
            "goog:chromeOptions": options,
            "goog:loggingPrefs": { "browser": "ALL" },
            // A dialog that no test expects makes the next command fail.
            "unhandledPromptBehavior": "ignore",
            "timeouts": { "implicit": patience },
        });
        let driver = Driver::start(driver_url, capabilities).await;
        Self { driver: driver.unwrap_or_else(|refusal| panic!("no browser: {refusal}")) }
    }

    /// Goes to an address and waits until the page is loaded.
    pub(crate) async fn visit(&self, url: &str) {
        must(self.driver.post("/url", json!({ "url": url })).await, url);
    }

    /// Loads the page again.
    pub(crate) async fn reload(&self) {
        must(self.driver.post("/refresh", json!({})).await, "reload");
    }

    /// Returns the address of the page.
    pub(crate) async fn address(&self) -> String {
        text(&must(self.driver.get("/url").await, "the address"))
    }

    /// Waits until the page shows what `selector` selects: CSS, or `XPath` after a slash.
    pub(crate) async fn see(&self, selector: &str) -> Element {
        match self.driver.find(selector).await {
            Ok(element) => element,
            Err(refusal) => {
                let page = self.driver.run("return document.body.innerText").await;
                let page = page.map_or_else(|refusal| refusal.to_string(), |page| text(&page));
                panic!("nothing is {selector} ({refusal}) on this page:\n{page}");
            }
        }
    }

    /// Waits until an element of this selector holds exactly this text.
    pub(crate) async fn read(&self, selector: &str, expected: &str) {
        let matches = format!("{selector}[normalize-space()={}]", quoted(expected));
        self.see(&matches).await;
    }

    /// Waits for something that matches, and returns the text it shows.
    pub(crate) async fn text(&self, selector: &str) -> String {
        self.on_element(selector, async |element| self.driver.get_of(element, "text").await)
            .await
            .as_str()
            .expect("a text")
            .to_owned()
    }

    /// Clicks on what `selector` selects.
    pub(crate) async fn click(&self, selector: &str) {
        self.on_element(selector, async |element| {
            self.driver.post_to(element, "click", json!({})).await
        })
        .await;
    }

    /// Clicks on the button with this text.
    pub(crate) async fn press_button(&self, label: &str) {
        self.click(&format!("//button[normalize-space()={}]", quoted(label))).await;
    }

    /// Writes into a field.
    pub(crate) async fn write(&self, selector: &str, words: &str) {
        self.on_element(selector, async |element| {
            self.driver.post_to(element, "value", json!({ "text": words })).await
        })
        .await;
    }

    /// Presses and releases a key, wherever the focus is.
    pub(crate) async fn press(&self, key: Key) {
        let value = match key {
            Key::Tab => "\u{e004}",
            Key::Enter => "\u{e007}",
        };
        let strokes =
            json!([{ "type": "keyDown", "value": value }, { "type": "keyUp", "value": value }]);
        let keyboard = json!([{ "type": "key", "id": "keyboard", "actions": strokes }]);
        must(self.driver.post("/actions", json!({ "actions": keyboard })).await, "a key");
    }

    /// Checks the question that a dialog asks, and says yes.
    pub(crate) async fn accept(&self, question: &str) {
        self.answer(question, "accept").await;
    }

    /// Checks the question that a dialog asks, and says no.
    pub(crate) async fn dismiss(&self, question: &str) {
        self.answer(question, "dismiss").await;
    }

    async fn answer(&self, question: &str, verdict: &str) {
        let asked = must(self.driver.get("/alert/text").await, "a dialog");
        assert_eq!(text(&asked), question, "the question of the dialog");
        must(self.driver.post(&format!("/alert/{verdict}"), json!({})).await, verdict);
    }

    /// Returns the elements of a selector for which a screen reader has no name to say.
    pub(crate) async fn without_name(&self, selector: &str) -> Vec<String> {
        let mut nameless = Vec::new();
        for element in must(self.driver.find_all(selector).await, selector) {
            let name = must(self.driver.get_of(&element, "computedlabel").await, "a name");
            if name == "" {
                let shown = "return arguments[0].checkVisibility() && arguments[0].outerHTML";
                let html = self.run_with(shown, json!([element.argument()])).await;
                nameless.extend(html.as_str().map(str::to_owned));
            }
        }
        nameless
    }

    /// Returns what a script in the page returns; `arguments` are its arguments.
    pub(crate) async fn run_with(&self, script: &str, arguments: Value) -> Value {
        let body = json!({ "script": script, "args": arguments });
        must(self.driver.post("/execute/sync", body).await, script)
    }

    /// Returns what a script in the page returns.
    pub(crate) async fn run(&self, script: &str) -> Value {
        must(self.driver.run(script).await, script)
    }

    /// Returns what a script in the page, called with the focused element, returns.
    pub(crate) async fn of_focus(&self, script: &str) -> Value {
        let focused = must(self.driver.focused().await, "the focused element");
        self.run_with(script, json!([focused.argument()])).await
    }

    /// Sends a command of Chromium's own protocol.
    pub(crate) async fn chromium(&self, command: &str, parameters: Value) -> Value {
        let body = json!({ "cmd": command, "params": parameters });
        must(self.driver.post("/goog/cdp/execute", body).await, command)
    }

    /// Waits until the page keeps itself up to date.
    pub(crate) async fn see_live(&self) {
        self.see("#live:not([hidden]):not(.off)").await;
    }

    /// Puts a mark on the page that does not survive a load.
    pub(crate) async fn mark(&self) {
        self.run("document.body.dataset.mark = 'yes'").await;
    }

    /// Checks that the page was not loaded since [`mark`](Self::mark).
    pub(crate) async fn still_marked(&self) {
        let mark = self.run("return document.body.dataset.mark").await;
        assert_eq!(mark, "yes", "the page was loaded again");
    }

    /// Returns what the browser complained about since the last call: errors and warnings of
    /// scripts, refused resources, violations of the content security policy.
    pub(crate) async fn complaints(&self) -> Vec<String> {
        let log = self.driver.post("/se/log", json!({ "type": "browser" })).await;
        let log = must(log, "the log of the browser");
        let entries = log.as_array().into_iter().flatten();
        entries
            .map(|entry| format!("{}: {}", text(&entry["level"]), text(&entry["message"])))
            .collect()
    }

    /// Takes a picture of what the window shows, as PNG.
    pub(crate) async fn picture(&self) -> Vec<u8> {
        let picture = must(self.driver.get("/screenshot").await, "a picture");
        BASE64_STANDARD.decode(text(&picture)).expect("a picture is Base64")
    }

    /// Closes the browser.
    pub(crate) async fn close(self) {
        must(self.driver.end().await, "the end");
    }

    /// Waits for an element and does something with it, again when an update replaced it meanwhile.
    async fn on_element(
        &self,
        selector: &str,
        act: impl AsyncFn(&Element) -> Result<Value, Refusal>,
    ) -> Value {
        for _ in 0..REPLACED_MAX {
            let element = self.see(selector).await;
            match act(&element).await {
                Err(refusal) if refusal.error == "stale element reference" => {}
                answer => return must(answer, selector),
            }
        }
        panic!("{selector} was replaced {REPLACED_MAX} times while it was used");
    }
}

/// Writes a text as a literal of `XPath`.
pub(crate) fn quoted(words: &str) -> String {
    assert!(!words.contains('"'), "XPath cannot quote {words}");
    format!("\"{words}\"")
}

fn must<T>(answer: Result<T, Refusal>, what: &str) -> T {
    answer.unwrap_or_else(|refusal| panic!("{what}: {refusal}"))
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
