//! Runs one test runner: shows its output as it comes and counts its summaries.
//!
//! Called by `test`, once per runner. The process itself is in the hands of `guard`; what the
//! summaries look like is known to `tally`.

use crate::guard::Guarded;
use crate::tally::Tally;
use std::io::{BufRead as _, BufReader, Read, Write};
use std::process::Command;
use std::thread::JoinHandle;
use std::time::Duration;

/// How long one runner may take, building included; on two cores ten minutes are usual.
const TIME_LIMIT: Duration = Duration::from_mins(40);

/// Runs `command` to its end and returns its counts.
///
/// A runner that fails without having counted a failure (it did not compile, it was killed) counts
/// as one failed test, so that a total without failures always means that everything ran.
///
/// # Errors
/// The runner could not be started or awaited.
pub(crate) fn run(name: &str, command: &Command, filtered: bool) -> anyhow::Result<Tally> {
    println!("\n==> {name}: {}", shown(command));
    run_into(command, filtered, TIME_LIMIT, (std::io::stdout(), std::io::stderr()))
}

/// The same with other places for the two streams, so that the tests of this file do not print
/// summaries that the run they belong to would count.
fn run_into(
    command: &Command,
    filtered: bool,
    limit: Duration,
    copies: (impl Write + Send + 'static, impl Write + Send + 'static),
) -> anyhow::Result<Tally> {
    let mut guarded = Guarded::piped(command)?;
    let out = guarded.child().stdout.take();
    let err = guarded.child().stderr.take();
    let readers = [
        out.map(|pipe| follow(pipe, filtered, copies.0)),
        err.map(|pipe| follow(pipe, filtered, copies.1)),
    ];
    let status = guarded.wait(limit)?;
    let mut tally = Tally::default();
    for reader in readers.into_iter().flatten() {
        tally += reader.join().map_err(|_| anyhow::anyhow!("the reader of a stream panicked"))?;
    }
    let fault = match status {
        Some(status) if status.success() => None,
        Some(status) => Some(format!("failed ({status})")),
        None => Some(format!("was stopped: it ran for {} s", limit.as_secs())),
    };
    if let Some(fault) = fault.filter(|_| tally.failed == 0) {
        println!("xtask: this runner {fault}; counted as one failed test");
        tally.failed = 1;
    }
    Ok(tally)
}

/// Copies a stream line by line on a thread of its own and adds up the summaries it contains.
fn follow(
    pipe: impl Read + Send + 'static,
    filtered: bool,
    mut copy: impl Write + Send + 'static,
) -> JoinHandle<Tally> {
    std::thread::spawn(move || {
        let mut tally = Tally::default();
        let mut reader = BufReader::new(pipe);
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line).is_ok_and(|n| n > 0) {
            if let Some(counts) = Tally::of_line(&String::from_utf8_lossy(&line), filtered) {
                tally += counts;
            }
            // A closed terminal is no reason to stop counting.
            drop(copy.write_all(&line));
            line.clear();
        }
        tally
    })
}

/// The command as one would type it.
pub(crate) fn shown(command: &Command) -> String {
    let program = std::path::Path::new(command.get_program());
    let name = program.file_name().unwrap_or(command.get_program()).to_string_lossy().into_owned();
    command.get_args().fold(name, |line, arg| line + " " + &arg.to_string_lossy())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(script: &str, expected: &str) {
        check_within(TIME_LIMIT, script, expected);
    }

    fn check_within(limit: Duration, script: &str, expected: &str) {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        let tally = run_into(&command, false, limit, (std::io::sink(), std::io::sink())).unwrap();
        assert_eq!(tally.to_string(), expected, "{script}");
    }

    #[test]
    fn the_summaries_of_both_streams_are_added_up() {
        check(
            "echo 'test result: ok. 2 passed; 0 failed'; \
             echo '  Summary [ 1s] 3 tests run: 3 passed, 0 skipped' >&2",
            "5 passed, 0 failed, 0 skipped",
        );
    }

    #[test]
    fn a_runner_that_breaks_off_counts_as_a_failure() {
        check("echo 'error: could not compile'; exit 101", "0 passed, 1 failed, 0 skipped");
    }

    #[test]
    fn a_failure_that_was_counted_is_not_counted_again() {
        check(
            "echo 'test result: FAILED. 1 passed; 2 failed'; exit 101",
            "1 passed, 2 failed, 0 skipped",
        );
    }

    #[test]
    fn a_stray_process_that_keeps_the_pipe_open_does_not_hold_the_run() {
        check(
            "sleep 600 & echo 'test result: ok. 1 passed; 0 failed'",
            "1 passed, 0 failed, 0 skipped",
        );
    }

    #[test]
    fn a_runner_that_hangs_is_stopped_and_counts_as_a_failure() {
        check_within(Duration::ZERO, "sleep 600", "0 passed, 1 failed, 0 skipped");
    }

    #[test]
    fn a_command_is_shown_by_its_name_and_arguments() {
        let mut command = Command::new("/usr/bin/cargo");
        command.args(["test", "--doc"]);
        assert_eq!(shown(&command), "cargo test --doc", "the path is noise");
    }
}
