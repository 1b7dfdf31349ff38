//! `cargo xtask ci`: everything that has to pass before a merge, in order of cost.
//!
//! Called by `.ci/run`. It only starts other tools and tasks, prints how long each took and stops
//! at the first that fails. All of them share one target directory and one set of compiler flags,
//! so that nothing is built twice.

use crate::clock::Stopwatch;
use crate::{licences, runner, test, tidy, workspace};
use std::process::{Command, ExitCode};

/// One thing that has to pass.
struct Step {
    name: &'static str,
    run: fn() -> anyhow::Result<bool>,
}

const STEPS: [Step; 7] = [
    Step { name: "format", run: format },
    Step { name: "tidy", run: tidy_is_clean },
    Step { name: "licences", run: licences::check },
    Step { name: "clippy", run: clippy },
    Step { name: "docs", run: docs },
    Step { name: "deny", run: deny },
    Step { name: "browser tests lint", run: lint_browser_tests },
];

/// Runs the steps and then the tests.
///
/// # Errors
/// A tool could not be started.
pub(crate) fn run() -> anyhow::Result<ExitCode> {
    let total = Stopwatch::start();
    let mut timings = Vec::new();
    for step in STEPS {
        let watch = Stopwatch::start();
        println!("\n==> {}", step.name);
        let passed = (step.run)()?;
        println!("{} took {watch}", step.name);
        timings.push(format!("{:>8}  {}", watch.to_string(), step.name));
        if !passed {
            println!("\nci: FAILED at `{}`, after {total}", step.name);
            return Ok(ExitCode::FAILURE);
        }
    }
    let watch = Stopwatch::start();
    let tally = test::run_all(&[])?;
    timings.push(format!("{:>8}  tests", watch.to_string()));
    println!("\n{}", timings.join("\n"));
    let word = if test::is_good(tally) { "passed" } else { "FAILED at `tests`" };
    println!("ci: {word}, after {total}");
    Ok(test::close(tally))
}

fn format() -> anyhow::Result<bool> {
    let mut command = workspace::cargo();
    command.args(["fmt", "--all", "--check"]);
    passes(command)
}

fn tidy_is_clean() -> anyhow::Result<bool> {
    tidy::is_clean(&workspace::root())
}

fn clippy() -> anyhow::Result<bool> {
    let mut command = workspace::cargo();
    command.args(["clippy", "--workspace", "--all-targets", "--all-features"]);
    command.args(["--", "-D", "warnings"]);
    passes(command)
}

fn docs() -> anyhow::Result<bool> {
    let mut command = workspace::cargo();
    command.args(["doc", "--workspace", "--no-deps", "--all-features"]);
    command.env("RUSTDOCFLAGS", "-D warnings");
    passes(command)
}

fn deny() -> anyhow::Result<bool> {
    if !workspace::has_subcommand("deny") {
        println!("cargo-deny is not installed, so advisories, bans and sources were not checked");
        return Ok(true);
    }
    let mut command = workspace::cargo();
    command.args(["deny", "check"]);
    passes(command)
}

/// The browser tests are a workspace of their own, which the other steps do not see.
fn lint_browser_tests() -> anyhow::Result<bool> {
    let manifest = "e2e/Cargo.toml";
    if !workspace::root().join(manifest).is_file() {
        return Ok(true);
    }
    let mut format = workspace::cargo();
    format.args(["fmt", "--manifest-path", manifest, "--check"]);
    let mut clippy = workspace::cargo();
    clippy.args(["clippy", "--manifest-path", manifest, "--all-targets", "--", "-D", "warnings"]);
    clippy.env("CARGO_TARGET_DIR", workspace::root().join("target/e2e"));
    Ok(passes(format)? && passes(clippy)?)
}

fn passes(mut command: Command) -> anyhow::Result<bool> {
    println!("{}", runner::shown(&command));
    Ok(command.status()?.success())
}
