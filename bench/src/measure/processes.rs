//! One process, then four, on one file: the total of their batches, and the longest wait for a
//! transaction.
//!
//! Goal S3. The processes are this program again, with a subcommand that the usage does not show;
//! they begin together, at a line on their standard input.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use legwork_sqlite::{SqliteStorage, Synchronous};

use crate::lab::{Lab, Reading, all_succeeded};
use crate::machine::now;
use crate::measure::cycle::{BATCH, Cycle};
use crate::sample::{Percentiles, rate};

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
    let site = lab.site(Synchronous::Full).await?;
    let path = site.path();
    // The file exists and has its tables; only the processes have it open from here on.
    site.jobs.close().await?;
    let n_batches = lab.size.n_batches / n_processes;
    let n = u64::from(n_batches * n_processes) * u64::try_from(BATCH)?;
    let (took, times) = {
        let path = path.clone();
        tokio::task::spawn_blocking(move || race(&path, n_processes, n_batches)).await??
    };
    all_succeeded(&path, n)?;
    // What the processes used is theirs: CPU time and bytes of this one would say nothing.
    Ok(Reading { what, rate: rate(n, took), times: Some(times), cpu_secs: None, written: None })
}

/// Starts the processes, lets them begin together, and waits for all; returns how long that took,
/// and the largest of each of their percentiles.
fn race(path: &Path, n: u32, n_batches: u32) -> anyhow::Result<(Duration, Percentiles)> {
    let mut workers =
        (0..n).map(|_| Worker::start(path, n_batches)).collect::<anyhow::Result<Vec<_>>>()?;
    for worker in &mut workers {
        ensure!(worker.line()? == "ready", "a process did not start");
    }
    let began = now();
    for worker in &mut workers {
        worker.input.write_all(b"go\n")?;
    }
    let times = workers.iter_mut().map(Worker::times).collect::<anyhow::Result<Vec<_>>>()?;
    let took = began.elapsed();
    for worker in &mut workers {
        let status = worker.child.wait()?;
        ensure!(status.success(), "a process ended with {status}");
    }
    let largest = |of: fn(&Percentiles) -> Duration| times.iter().map(of).max().unwrap_or_default();
    let points = Percentiles {
        p50: largest(|t| t.p50),
        p95: largest(|t| t.p95),
        p99: largest(|t| t.p99),
        max: largest(|t| t.max),
    };
    Ok((took, points))
}

/// A process, as the one that started it sees it.
struct Worker {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Worker {
    fn start(path: &Path, n_batches: u32) -> anyhow::Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg("cycle-worker")
            .arg(path)
            .arg(n_batches.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let input = child.stdin.take().context("a child has an input")?;
        let output = BufReader::new(child.stdout.take().context("a child has an output")?);
        Ok(Self { child, input, output })
    }

    fn line(&mut self) -> anyhow::Result<String> {
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        Ok(line.trim().to_owned())
    }

    /// Reads `done`, and the percentiles of its calls in microseconds.
    fn times(&mut self) -> anyhow::Result<Percentiles> {
        let line = self.line()?;
        let numbers = line.strip_prefix("done ").with_context(|| format!("a process: {line}"))?;
        let numbers = numbers.split(' ').map(|n| n.parse().map(Duration::from_micros));
        let times = numbers.collect::<Result<Vec<_>, _>>()?;
        let &[p50, p95, p99, max] = &times[..] else { anyhow::bail!("a process: {line}") };
        Ok(Percentiles { p50, p95, p99, max })
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // A process that has ended cannot be killed, and need not be.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// What each of the processes does.
///
/// # Errors
/// The storage refused something.
pub(crate) async fn work(path: &Path, n_batches: u32) -> anyhow::Result<()> {
    let storage = Arc::new(SqliteStorage::open(path).await?);
    let mut cycle = Cycle::begin(Arc::clone(&storage)).await?;
    println!("ready");
    let go = tokio::task::spawn_blocking(|| std::io::stdin().lock().lines().next()).await?;
    ensure!(go.transpose()?.as_deref() == Some("go"), "whoever started this process is gone");
    for _ in 0..n_batches {
        cycle.enqueue().await?;
        cycle.exchange().await?;
    }
    cycle.drain().await?;
    let times = Percentiles::of(cycle.end().await?).context("there was nothing to do")?;
    let Percentiles { p50, p95, p99, max } = times;
    let micros = [p50, p95, p99, max].map(|time| time.as_micros().to_string());
    println!("done {}", micros.join(" "));
    legwork_core::Storage::close(&*storage).await?;
    Ok(())
}
