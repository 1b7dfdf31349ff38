//! Tests of the dashboard in a real browser: Chromium, driven through chromedriver.
//!
//! `cargo xtask test` starts the driver and says where it is; without it every test here records a
//! skip, as `CONTRIBUTING.md` says. Each test starts an application of its own and a browser of its
//! own, clicks through one flow, and fails when the browser complains about anything.
//!
//! # Layout
//! - `flow`: runs one test: the application, the browser, the skip, the end of both
//! - `site`: the application whose dashboard is looked at, and what its handlers do
//! - `browser`: what a person does with a page: look, click, write, press keys
//! - `driver`: the protocol of chromedriver below that
//! - `flows`: the tests, one file per subject
//! - `looks`: every page in both themes, as pictures when asked for; `seed` fills them

#[cfg(test)]
mod browser;
#[cfg(test)]
mod driver;
#[cfg(test)]
mod flow;
#[cfg(test)]
mod flows;
#[cfg(test)]
mod looks;
#[cfg(test)]
#[path = "../../crates/legwork-dashboard/examples/gallery/seed.rs"]
#[expect(dead_code, reason = "the gallery lets it go on; the pictures do not")]
mod seed;
#[cfg(test)]
mod site;
