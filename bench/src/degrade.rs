//! The long run: millions of jobs in the history, a million that wait, and a transaction that
//! somebody has forgotten. Rates per window.
//!
//! `main` calls it for `--degrade`. Goals P8 to P10. Callers in this process keep up the number of
//! jobs that wait; the server runs in it too.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use legwork_jobs::Jobs;
use tokio::task::JoinSet;

use crate::goals::{Goal, Unit};
use crate::lab::postgres::Session;
use crate::lab::{Lab, Site};
use crate::machine::now;
use crate::options::{Degrade, Options};
use crate::report::{self, thousands};
use crate::sample::{count, rate};
use crate::workload::{App, Note, WORKERS, server};

/// How many tasks keep up the number of jobs that wait.
const FEEDERS: usize = 2;

/// How many jobs they enqueue per call.
const PER_CALL: u64 = 500;

/// How long a feeder waits when there is enough.
const PAUSE: Duration = Duration::from_millis(1);

/// How many windows make the first and the last minute, unless the run is shorter.
const MINUTE: usize = 6;

/// What is left behind by claims, and how large the table of claimable jobs is with its indexes.
const DEAD: &str = "SELECT coalesce(sum(n_dead_tup) FILTER (WHERE relname = 'ready'), 0)::int8,
        coalesce(sum(n_dead_tup) FILTER (WHERE relname = 'lease'), 0)::int8,
        pg_total_relation_size('legwork.ready'), pg_total_relation_size('legwork.lease')
    FROM pg_stat_user_tables WHERE schemaname = 'legwork'";

const PINNED: &str = "forgotten transaction, second half / without";
const HISTORY: &str = "rate with the history / without";
const SUSTAINED: &str = "sustained: last minute / first minute";

const GOALS: [Goal; 3] = [
    Goal::elsewhere("P8", PINNED, (Some(0.8), 0.5), Unit::Ratio),
    Goal::elsewhere("P9", HISTORY, (None, 0.9), Unit::Ratio),
    Goal::elsewhere("P10", SUSTAINED, (Some(0.95), 0.85), Unit::Ratio),
];

/// Measures and prints.
///
/// # Errors
/// The storage refused something, or a count of rows is wrong.
pub(crate) async fn run(options: &Options) -> anyhow::Result<()> {
    let lab = Lab::open(options).await?;
    report::head(&lab, options);
    let measured = measure(&lab).await;
    lab.close().await;
    let phases = measured?;
    report::goals(&GOALS, |goal| phases.of(goal.what));
    report::memory(&lab);
    Ok(())
}

/// The rates of the windows of each phase.
#[derive(Debug, Default)]
struct Phases {
    /// From an empty history to the full one.
    growing: Vec<f64>,
    /// With the history.
    free: Vec<f64>,
    /// With the history, and a transaction that holds back everything's end.
    pinned: Vec<f64>,
}

impl Phases {
    fn of(&self, what: &str) -> Option<f64> {
        let minute = (self.growing.len() / 2).clamp(1, MINUTE);
        let first = mean(self.growing.get(..minute)?)?;
        let ratio = match what {
            SUSTAINED => {
                let all: Vec<f64> = [&self.growing[..], &self.free].concat();
                mean(&all[all.len() - minute..])? / first
            }
            HISTORY => mean(&self.free)? / first,
            PINNED => mean(&self.pinned[self.pinned.len() / 2..])? / mean(&self.free)?,
            _ => return None,
        };
        Some(ratio)
    }
}

fn mean(rates: &[f64]) -> Option<f64> {
    let n = u64::try_from(rates.len()).ok().filter(|n| *n > 0)?;
    Some(rates.iter().sum::<f64>() / count(n))
}

async fn measure(lab: &Lab) -> anyhow::Result<Phases> {
    let Degrade { history, backlog, free, pinned, .. } = lab.size.degrade;
    let site = lab.site().await?;
    let app = App::expecting(u64::MAX);
    let feed = Feed::start(&site.jobs, &app, backlog);
    println!("\nfilling the backlog: {} jobs", thousands(count(backlog)));
    while feed.n_enqueued() < backlog {
        tokio::time::sleep(PAUSE).await;
    }
    let server = server(&site.jobs, WORKERS).start(app.clone()).await?;
    let mut watch = Watch::new(&site, app.clone(), lab.size.degrade.window).await?;
    let mut phases = Phases::default();
    while app.n_started() < history {
        phases.growing.push(watch.window("history grows").await?);
    }
    phases.free = watch.windows("free", free).await?;
    let forgotten = Session::open(&site.address()?).await?;
    let sql = "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT pg_current_xact_id()";
    forgotten.client.batch_execute(sql).await?;
    phases.pinned = watch.windows("transaction forgotten", pinned).await?;
    forgotten.client.batch_execute("ROLLBACK").await?;
    watch.window("rolled back").await?;
    let n = feed.stop().await?;
    while app.n_started() < n {
        watch.window("draining").await?;
    }
    let report = server.stop().await;
    ensure!(report.clean && report.released == 0, "the server did not end in order: {report:?}");
    drop(watch);
    site.finish(n).await?;
    println!("  {} jobs were run, each once", thousands(count(n)));
    Ok(phases)
}

/// Keeps up the number of jobs that wait.
struct Feed {
    n_enqueued: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    tasks: JoinSet<anyhow::Result<()>>,
}

impl Feed {
    fn start(jobs: &Jobs, app: &App, backlog: u64) -> Self {
        let (n_enqueued, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let mut tasks = JoinSet::new();
        for _ in 0..FEEDERS {
            let (jobs, app) = (jobs.clone(), app.clone());
            let (n_enqueued, stop) = (Arc::clone(&n_enqueued), Arc::clone(&stop));
            tasks.spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    let waiting = n_enqueued.load(Ordering::Relaxed);
                    if waiting.saturating_sub(app.n_started()) >= backlog {
                        tokio::time::sleep(PAUSE).await;
                        continue;
                    }
                    let first = n_enqueued.fetch_add(PER_CALL, Ordering::Relaxed);
                    jobs.enqueue_all((first..first + PER_CALL).map(Note::new)).await?;
                }
                Ok(())
            });
        }
        Self { n_enqueued, stop, tasks }
    }

    fn n_enqueued(&self) -> u64 {
        self.n_enqueued.load(Ordering::Relaxed)
    }

    /// Stops; returns how many jobs there are.
    async fn stop(mut self) -> anyhow::Result<u64> {
        self.stop.store(true, Ordering::Relaxed);
        while let Some(joined) = self.tasks.join_next().await {
            joined?.context("while the backlog was kept up")?;
        }
        Ok(self.n_enqueued())
    }
}

/// Takes the rates of windows and prints them.
struct Watch {
    app: App,
    session: Session,
    window: Duration,
    n_windows: u32,
}

impl Watch {
    async fn new(site: &Site<'_>, app: App, window: Duration) -> anyhow::Result<Self> {
        let session = Session::open(&site.address()?).await?;
        println!(
            "\n{:>6}  {:<24} {:>9} {:>11} {:>11} {:>9} {:>9}",
            "s", "phase", "jobs/s", "dead ready", "dead lease", "ready kB", "lease kB"
        );
        Ok(Self { app, session, window, n_windows: 0 })
    }

    async fn windows(&mut self, phase: &str, time: Duration) -> anyhow::Result<Vec<f64>> {
        let until = now() + time;
        let mut rates = Vec::new();
        while now() + self.window / 2 < until {
            rates.push(self.window(phase).await?);
        }
        Ok(rates)
    }

    async fn window(&mut self, phase: &str) -> anyhow::Result<f64> {
        let (began, before) = (now(), self.app.n_started());
        tokio::time::sleep(self.window).await;
        let rate = rate(self.app.n_started() - before, began.elapsed());
        self.n_windows += 1;
        let row = self.session.client.query_one(DEAD, &[]).await?;
        let figure = |at: usize, unit: i64| row.get::<_, i64>(at) / unit;
        println!(
            "{:>6}  {phase:<24} {:>9} {:>11} {:>11} {:>9} {:>9}",
            (self.window * self.n_windows).as_secs(),
            thousands(rate),
            figure(0, 1),
            figure(1, 1),
            figure(2, 1024),
            figure(3, 1024),
        );
        Ok(rate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_half_of_the_forgotten_transaction_is_compared() {
        let phases = Phases {
            growing: vec![100.0, 100.0, 90.0, 80.0],
            free: vec![80.0, 80.0],
            pinned: vec![80.0, 60.0, 40.0, 40.0],
        };
        assert_eq!(phases.of(PINNED), Some(0.5));
        assert_eq!(phases.of(HISTORY), Some(0.8));
        assert_eq!(phases.of(SUSTAINED), Some(0.8));
        assert_eq!(phases.of("something else"), None);
    }
}
