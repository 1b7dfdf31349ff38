//! The repository's own tasks: `cargo xtask test | ci | tidy | bench`.
//!
//! Called by people through the alias in `.cargo/config.toml` and by `.ci/run`. It must build with
//! nothing but a Rust toolchain, and it must never leave a process or a directory behind. What each
//! task does lives in the file of its name; what is written for contributors is in
//! `CONTRIBUTING.md`.

#![expect(clippy::print_stdout, reason = "the tasks talk to the person who started them")]

mod account;
mod bench;
mod ci;
mod clock;
mod guard;
mod licences;
mod packages;
mod runner;
mod servers;
mod tally;
mod test;
mod tidy;
mod workspace;

use std::process::ExitCode;

const USAGE: &str = "\
usage: cargo xtask <task>

  test [filter…]          run every test, with the servers it needs; filters pick tests by name
  ci                      run everything that has to pass before a merge
  tidy                    check the rules of the house that no compiler checks
  bench <storage> [args]  measure a storage in a release build, for example `bench sqlite`
";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let (task, rest) = args.split_first().map_or(("help", &args[..]), |(t, r)| (t.as_str(), r));
    let done = match task {
        "test" => test::run(rest),
        "ci" => ci::run(),
        "tidy" => tidy::run(),
        "bench" => bench::run(rest),
        "help" | "--help" | "-h" => {
            print!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        unknown => Err(anyhow::anyhow!("there is no task `{unknown}`\n\n{USAGE}")),
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            println!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}
