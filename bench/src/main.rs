//! `legwork-bench`: how fast Legwork is on a storage, next to what the storage does at its best.
//!
//! `cargo xtask bench sqlite` and `cargo xtask bench postgres` build and run it. It prints one page
//! and asserts no timing; it fails when a count of rows is wrong after a measurement.
//!
//! # Layout
//! - `options`: the command line, and how much is measured
//! - `lab`: a fresh storage per measurement, what the work costs, the count of rows at its end
//! - `workload`: the job, its handler, and the callers that enqueue it
//! - `yardstick`: plain statements on the same disk or server, the measure of all ratios
//! - `measure`: one file per measurement
//! - `crew`, `worker`: further processes of this program
//! - `rounds`: interleaves yardsticks and measurements
//! - `degrade`: the long run under a forgotten transaction
//! - `goals`: what the figures are held against
//! - `report`: the page
//! - `machine`, `sample`: cores, disk, CPU time, memory; medians and percentiles

#![expect(clippy::print_stdout, reason = "the load generator talks to whoever started it")]

mod crew;
mod degrade;
mod goals;
mod lab;
mod machine;
mod measure;
mod options;
mod report;
mod rounds;
mod sample;
mod worker;
mod workload;
mod yardstick;

use std::process::ExitCode;

use crate::options::Command;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match options::parse(&args).and_then(run) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("\nlegwork-bench failed: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    match command {
        Command::Help => {
            println!("{}", options::USAGE);
            Ok(())
        }
        Command::Measure(options) if options.degrade => runtime.block_on(degrade::run(&options)),
        Command::Measure(options) => runtime.block_on(rounds::run(&options)),
        Command::CycleWorker { address, n_batches } => {
            runtime.block_on(measure::processes::work(&address, n_batches))
        }
        Command::Worker(told) => runtime.block_on(worker::work(&told)),
    }
}
