//! One process, then four, on one file: the total of their batches, and the longest wait for a
//! transaction.
//!
//! Goal S3. The processes are this program again, with a subcommand that the usage does not show;
//! they begin together.

use std::time::Duration;

use anyhow::{Context as _, bail};

use crate::crew::{Crew, Orders};
use crate::lab::{Lab, Reading};
use crate::measure::cycle::{BATCH, Cycle};
use crate::sample::Percentiles;

/// All batches by one process.
pub(crate) const ONE: &str = "full cycle, 1 process";
/// A quarter of the batches by each of four processes.
pub(crate) const FOUR: &str = "full cycle, 4 processes";

pub(crate) async fn run(lab: &Lab) -> anyhow::Result<Vec<Reading>> {
    let one = measure(lab, ONE, 1).await?;
    let four = measure(lab, FOUR, 4).await?;
    Ok(vec![one, four])
}

async fn measure(lab: &Lab, what: &'static str, n_processes: u32) -> anyhow::Result<Reading> {
    let site = lab.site().await?;
    // The file exists and has its tables; only the processes have it open from here on.
    site.jobs.close().await?;
    let n_batches = lab.size.n_batches / n_processes;
    let n = u64::from(n_batches * n_processes) * u64::try_from(BATCH)?;
    let args = ["cycle-worker".to_owned(), site.address()?, n_batches.to_string()];
    let mut crew = Crew::start(usize::try_from(n_processes)?, &args).await?;
    let stretch = lab.begin().await?;
    crew.tell("go").await?;
    let times = crew.each("done").await?;
    let reading = stretch.end(what, n).await?;
    crew.end().await?;
    let times = times.iter().map(|line| read(line)).collect::<anyhow::Result<Vec<_>>>()?;
    site.finish(n).await?;
    // What the processes used is theirs: CPU time and bytes of this one would say nothing.
    let reading = Reading { cpu_secs: None, written: None, ..reading };
    Ok(reading.with_times(largest(&times)))
}

/// Returns the largest of each of their percentiles.
fn largest(times: &[Percentiles]) -> Option<Percentiles> {
    let of = |point: fn(&Percentiles) -> Duration| times.iter().map(point).max();
    Some(Percentiles {
        p50: of(|t| t.p50)?,
        p95: of(|t| t.p95)?,
        p99: of(|t| t.p99)?,
        max: of(|t| t.max)?,
    })
}

/// Reads the percentiles of a process in microseconds.
fn read(line: &str) -> anyhow::Result<Percentiles> {
    let numbers = line.split(' ').map(|n| n.parse().map(Duration::from_micros));
    let times = numbers.collect::<Result<Vec<_>, _>>()?;
    let &[p50, p95, p99, max] = &times[..] else { bail!("a process: {line}") };
    Ok(Percentiles { p50, p95, p99, max })
}

/// What each of the processes does.
///
/// # Errors
/// The storage refused something.
pub(crate) async fn work(address: &str, n_batches: u32) -> anyhow::Result<()> {
    let store = crate::lab::open(address).await?;
    let mut cycle = Cycle::begin(std::sync::Arc::clone(&store)).await?;
    println!("ready");
    Orders::new().wait_for("go").await?;
    for _ in 0..n_batches {
        cycle.enqueue().await?;
        cycle.exchange().await?;
    }
    cycle.drain().await?;
    let times = Percentiles::of(cycle.end().await?).context("there was nothing to do")?;
    let Percentiles { p50, p95, p99, max } = times;
    let micros = [p50, p95, p99, max].map(|time| time.as_micros().to_string());
    println!("done {}", micros.join(" "));
    store.close().await?;
    Ok(())
}
