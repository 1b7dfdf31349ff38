//! `cargo xtask test [filter…]`: every test of the repository, with everything they need.
//!
//! Called by people and, as the last step, by `ci`. It installs what is missing (`packages`),
//! starts private servers (`servers`), lets each test runner run (`runner`), stops everything again
//! and prints one line of counts. A runner that fails does not keep the others from running.

use crate::guard::Guarded;
use crate::servers::{self, Server};
use crate::tally::Tally;
use crate::{packages, runner, workspace};
use anyhow::Context as _;
use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

/// Names the file to which a test that skips itself appends one line, `<test>: <why>`.
pub(crate) const SKIPS_VARIABLE: &str = "LEGWORK_TEST_SKIPS";

/// Runs the tests and prints the closing line.
///
/// # Errors
/// See [`run_all`].
pub(crate) fn run(filters: &[String]) -> anyhow::Result<ExitCode> {
    let tally = run_all(filters)?;
    println!();
    Ok(close(tally))
}

/// Prints the closing line, which stands alone and is the last, and turns it into an exit code.
pub(crate) fn close(tally: Tally) -> ExitCode {
    if tally.failed == 0 && !is_good(tally) {
        println!("a skipped test is a failure when CI=true");
    }
    println!("{tally}");
    if is_good(tally) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Whether a run with these counts lets a change pass: in CI a skipped test is a failure.
pub(crate) fn is_good(tally: Tally) -> bool {
    tally.failed == 0 && (tally.skipped == 0 || !workspace::is_ci())
}

/// Runs every runner and returns the counts of all of them.
///
/// # Errors
/// A runner could not be started. Failing tests are no error; they are in the counts.
pub(crate) fn run_all(filters: &[String]) -> anyhow::Result<Tally> {
    packages::install_missing();
    let skips = SkipFile::create()?;
    let session = Session { filters, skips: &skips.path, servers: start_servers() };
    let mut tally = session.run_workspace()?;
    tally += session.run_doc_tests()?;
    if workspace::root().join("e2e/Cargo.toml").is_file() {
        tally += session.run_browser_tests()?;
    }
    drop(session);
    let said = skips.lines();
    if !said.is_empty() {
        println!("\nskipped:\n  {}", said.join("\n  "));
    }
    tally.count_self_skipped(u64::try_from(said.len())?);
    Ok(tally)
}

/// Everything that the runners of one run have in common.
struct Session<'a> {
    filters: &'a [String],
    skips: &'a Path,
    servers: Vec<Server>,
}

impl Session<'_> {
    fn run_workspace(&self) -> anyhow::Result<Tally> {
        let mut command = self.cargo();
        if workspace::has_subcommand("nextest") {
            command.args(["nextest", "run", "--workspace", "--all-features"]);
            command.args(["--no-tests", "pass", "--config-file", "xtask/nextest.toml"]);
            command.args(self.filters);
            return runner::run("tests", &command, !self.filters.is_empty());
        }
        command.args(["test", "--workspace", "--all-features", "--no-fail-fast"]);
        // Doc tests are the next runner, under both kinds of runner.
        command.args(["--lib", "--bins", "--tests", "--examples"]);
        self.run_libtest("tests", command)
    }

    fn run_doc_tests(&self) -> anyhow::Result<Tally> {
        let mut command = self.cargo();
        command.args(["test", "--doc", "--workspace", "--all-features", "--no-fail-fast"]);
        self.run_libtest("doc tests", command)
    }

    fn run_browser_tests(&self) -> anyhow::Result<Tally> {
        let mut command = self.cargo();
        command.args(["test", "--manifest-path", "e2e/Cargo.toml", "--no-fail-fast"]);
        // A target directory of its own: its features differ, and would rebuild the workspace's.
        command.env("CARGO_TARGET_DIR", workspace::root().join("target/e2e"));
        self.run_libtest("browser tests", command)
    }

    fn run_libtest(&self, name: &str, mut command: Command) -> anyhow::Result<Tally> {
        if !self.filters.is_empty() {
            command.arg("--").args(self.filters);
        }
        runner::run(name, &command, !self.filters.is_empty())
    }

    fn cargo(&self) -> Command {
        let mut command = workspace::cargo();
        command.env(SKIPS_VARIABLE, self.skips);
        if std::io::stdout().is_terminal() {
            // Its output passes through xtask, so it cannot see the terminal itself.
            command.env("CARGO_TERM_COLOR", "always");
        }
        for name in servers::VARIABLES {
            command.env_remove(name);
        }
        for (name, value) in self.servers.iter().flat_map(|server| &server.env) {
            command.env(name, value);
        }
        command
    }
}

/// Starts what can be started; the tests of what cannot will skip themselves.
fn start_servers() -> Vec<Server> {
    let mut running = Vec::new();
    for (name, started) in servers::start_all() {
        match started {
            Ok(server) => {
                let env: Vec<String> =
                    server.env.iter().map(|(name, value)| format!("{name}={value}")).collect();
                println!("==> {name} runs: {}", env.join(" "));
                running.push(server);
            }
            Err(error) => println!("xtask: tests that need {name} will be skipped: {error:#}"),
        }
    }
    running
}

/// The file in which tests say that they were skipped, in a directory that goes with this run.
struct SkipFile {
    path: PathBuf,
    _directory: Guarded,
}

impl SkipFile {
    fn create() -> anyhow::Result<Self> {
        let directory = servers::private_directory("skips");
        let guarded = Guarded::directory(&directory)?;
        let path = directory.join("skips");
        std::fs::write(&path, "").with_context(|| format!("cannot write {}", path.display()))?;
        Ok(Self { path, _directory: guarded })
    }

    fn lines(&self) -> Vec<String> {
        let text = std::fs::read_to_string(&self.path).unwrap_or_default();
        text.lines().filter(|line| !line.trim().is_empty()).map(str::to_owned).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_test_is_never_good() {
        assert!(!is_good(Tally { passed: 9, failed: 1, skipped: 0 }), "one failed");
        assert!(is_good(Tally { passed: 9, failed: 0, skipped: 0 }), "all passed");
    }

    #[test]
    fn tests_are_told_where_the_servers_are_and_nothing_else() {
        let env = vec![("LEGWORK_TEST_AMQP_URL", "amqp://127.0.0.1:1".to_owned())];
        let servers = vec![Server::for_test(env)];
        let session = Session { filters: &[], skips: Path::new("/tmp/skips"), servers };
        let command = session.cargo();
        let find = |wanted: &str| {
            let (_, value) = command.get_envs().find(|(name, _)| *name == wanted).unwrap();
            value.map(|value| value.to_string_lossy().into_owned())
        };
        assert_eq!(find("LEGWORK_TEST_AMQP_URL").as_deref(), Some("amqp://127.0.0.1:1"), "runs");
        assert_eq!(find("LEGWORK_TEST_WEBDRIVER_URL"), None, "removed when it does not run");
        assert_eq!(
            find("LEGWORK_POSTGRES_URL"),
            None,
            "a cluster that is no throwaway is not used"
        );
        assert_eq!(find("LEGWORK_TEST_SKIPS").as_deref(), Some("/tmp/skips"), "always set");
    }

    #[test]
    fn the_skip_file_counts_its_lines_and_goes_away() {
        let file = SkipFile::create().unwrap();
        let path = file.path.clone();
        std::fs::write(&path, "a: no browser\n\nb: no broker\n").unwrap();
        assert_eq!(file.lines(), ["a: no browser", "b: no broker"], "blank lines say nothing");
        drop(file);
        assert!(!path.exists(), "it is removed");
    }
}
