//! The job of all measurements, its handler, and the callers that enqueue it.
//!
//! The measurements call it. The arguments have 107 bytes of JSON and the handler does nothing, so
//! that what is measured is Legwork.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use legwork_core::{Job, State};
use legwork_jobs::{Jobs, ServerBuilder};
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::machine::now;
use crate::sample::count;

/// How many jobs the server of a measurement runs at once, unless a line says otherwise.
pub(crate) const WORKERS: usize = 50;

/// How many jobs are run first and not timed.
pub(crate) const WARM_UP: u64 = 20;

/// A measurement that takes longer has lost jobs.
const DEADLINE: Duration = Duration::from_mins(2);

/// Jobs are numbered from here, so that all have arguments of the same length.
const FIRST: u64 = 10_000_000;

/// What fills the arguments up to their length.
const TEXT: &str = "Your order has left the warehouse and will reach you within the next two days.";

/// The arguments of the job.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Note {
    number: u64,
    text: String,
}

impl Job for Note {
    const NAME: &'static str = "bench.note";
}

impl Note {
    /// Makes the `n`-th job of a measurement.
    pub(crate) fn new(n: u64) -> Self {
        Self { number: FIRST + n, text: TEXT.to_owned() }
    }
}

/// What the handler counts; the state of the server.
#[derive(Debug, Clone)]
pub(crate) struct App {
    seen: Arc<Seen>,
}

#[derive(Debug)]
struct Seen {
    expected: u64,
    n_started: AtomicU64,
    all_started: Notify,
    /// When each job was started; empty where nobody asks.
    started_at: Vec<OnceLock<Instant>>,
}

impl App {
    /// Expects `n` jobs.
    pub(crate) fn expecting(n: u64) -> Self {
        Self::new(n, Vec::new())
    }

    /// Expects `n` jobs and notes when each is started.
    pub(crate) fn timing(n: u64) -> Self {
        Self::new(n, (0..n).map(|_| OnceLock::new()).collect())
    }

    fn new(expected: u64, started_at: Vec<OnceLock<Instant>>) -> Self {
        let (n_started, all_started) = (AtomicU64::new(0), Notify::new());
        Self { seen: Arc::new(Seen { expected, n_started, all_started, started_at }) }
    }

    /// Waits until every expected job was started.
    ///
    /// # Errors
    /// They were not within two minutes.
    pub(crate) async fn all_started(&self) -> anyhow::Result<()> {
        let Seen { expected, n_started, all_started, .. } = &*self.seen;
        timeout(DEADLINE, all_started.notified()).await.with_context(|| {
            let started = n_started.load(Ordering::Relaxed);
            format!("{started} of {expected} jobs were started within {DEADLINE:?}")
        })
    }

    /// Returns how many jobs were started.
    pub(crate) fn n_started(&self) -> u64 {
        self.seen.n_started.load(Ordering::Relaxed)
    }

    /// Returns when the `n`-th job was started.
    pub(crate) fn started_at(&self, n: u64) -> Option<Instant> {
        let n = usize::try_from(n).ok()?;
        self.seen.started_at.get(n)?.get().copied()
    }
}

async fn handle(note: Note, State(app): State<App>) {
    let Seen { expected, n_started, all_started, started_at } = &*app.seen;
    let n = usize::try_from(note.number.saturating_sub(FIRST)).unwrap_or(usize::MAX);
    if let Some(at) = started_at.get(n) {
        at.get_or_init(now);
    }
    if n_started.fetch_add(1, Ordering::Relaxed) + 1 == *expected {
        all_started.notify_one();
    }
}

/// Makes the server that runs the jobs.
pub(crate) fn server(jobs: &Jobs, workers: usize) -> ServerBuilder<App> {
    jobs.server().workers(workers).handle(handle)
}

/// Enqueues `n` jobs one at a time from `callers` tasks, each awaiting its own; returns how long
/// each call took.
///
/// # Errors
/// An enqueue was refused.
pub(crate) async fn enqueue_singly(
    jobs: &Jobs,
    callers: usize,
    n: u64,
) -> anyhow::Result<Vec<Duration>> {
    let next = Arc::new(AtomicU64::new(0));
    let mut tasks = JoinSet::new();
    for _ in 0..callers {
        let (jobs, next) = (jobs.clone(), Arc::clone(&next));
        tasks.spawn(async move {
            let mut times = Vec::new();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= n {
                    return anyhow::Ok(times);
                }
                let began = now();
                jobs.enqueue(Note::new(number)).await?;
                times.push(began.elapsed());
            }
        });
    }
    let mut times = Vec::new();
    while let Some(joined) = tasks.join_next().await {
        times.append(&mut joined??);
    }
    Ok(times)
}

/// Enqueues `n` jobs, some per call, from some tasks, each awaiting its own; returns how long each
/// call took.
///
/// # Errors
/// An enqueue was refused.
pub(crate) async fn enqueue_in_calls(
    jobs: &Jobs,
    (callers, per_call): (usize, u64),
    n: u64,
) -> anyhow::Result<Vec<Duration>> {
    let next = Arc::new(AtomicU64::new(0));
    let mut tasks = JoinSet::new();
    for _ in 0..callers {
        let (jobs, next) = (jobs.clone(), Arc::clone(&next));
        tasks.spawn(async move {
            let mut times = Vec::new();
            loop {
                let first = next.fetch_add(per_call, Ordering::Relaxed);
                if first >= n {
                    return anyhow::Ok(times);
                }
                let until = std::cmp::min(first + per_call, n);
                let began = now();
                jobs.enqueue_all((first..until).map(Note::new)).await?;
                times.push(began.elapsed());
            }
        });
    }
    let mut times = Vec::new();
    while let Some(joined) = tasks.join_next().await {
        times.append(&mut joined??);
    }
    Ok(times)
}

/// Enqueues `n` jobs at a steady rate, each from a task of its own, whether or not the earlier ones
/// are through; returns when each was called.
///
/// # Errors
/// An enqueue was refused.
pub(crate) async fn offer(jobs: &Jobs, n: u64, per_sec: f64) -> anyhow::Result<Vec<Instant>> {
    let mut ticks = interval(Duration::from_secs_f64(1.0 / per_sec.clamp(1.0, 1_000.0)));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut callers = JoinSet::new();
    let (began, mut number) = (now(), 0);
    while number < n {
        ticks.tick().await;
        let due = 1.0 + began.elapsed().as_secs_f64() * per_sec;
        while number < n && count(number) < due {
            let jobs = jobs.clone();
            callers.spawn(async move {
                let called_at = now();
                jobs.enqueue(Note::new(number)).await.map(|_| (number, called_at))
            });
            number += 1;
        }
    }
    let mut called = callers.join_all().await.into_iter().collect::<Result<Vec<_>, _>>()?;
    called.sort_unstable_by_key(|(number, _)| *number);
    Ok(called.into_iter().map(|(_, called_at)| called_at).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_have_the_size_that_the_yardsticks_write() {
        for n in [0, 999_999] {
            assert_eq!(Note::new(n).encode().unwrap().len(), 107, "job {n}");
        }
        let args = Note::new(5).encode().unwrap();
        let back: serde_json::Value = serde_json::from_slice(&args).unwrap();
        assert_eq!(back["number"], FIRST + 5);
    }
}
