//! Timers: when they fire, what they skip, what they remember.

use std::sync::Arc;
use std::time::Duration;

use legwork_core::{BoxError, Clock, RunEnd, Scoped, ScopedService, State, SystemClock, Timestamp};
use legwork_host::{Host, HostStatus, RUNS_MAX, Schedule, ServiceContext, StopReason, TimerStatus};
use tokio::time::Instant;

use crate::journal::Journal;

const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn done() -> StopReason {
    StopReason::requested("the test is over")
}

fn timer(status: &HostStatus) -> &TimerStatus {
    status.service("t").and_then(|service| service.timer.as_ref()).unwrap()
}

#[derive(Clone)]
struct App {
    journal: Journal,
    began: Instant,
}

impl App {
    fn new() -> Self {
        Self { journal: Journal::default(), began: Instant::now() }
    }

    fn note_time(&self) {
        self.journal.note(self.began.elapsed().as_secs().to_string());
    }
}

async fn note_time(State(app): State<App>) {
    app.note_time();
}

/// Runs a host with one timer until it has run `n_runs` times.
async fn run_until(mut host: Host, n_runs: u64) -> HostStatus {
    host.start().await.unwrap();
    let status = host.handle().wait_until(|status| timer(status).n_runs == n_runs).await;
    assert_eq!(host.stop(done()).await.code(), 0, "the timer stops well");
    status
}

#[tokio::test(start_paused = true)]
async fn a_timer_fires_after_each_period_and_at_once_when_asked() {
    let app = App::new();
    let host = Host::builder(app.clone());
    let host = host.timer("t", Schedule::every(secs(60)), note_time).build().unwrap();
    run_until(host, 3).await;
    assert_eq!(app.journal.lines(), ["60", "120", "180"]);

    let app = App::new();
    let schedule = Schedule::every(secs(60)).immediately();
    let host = Host::builder(app.clone()).timer("t", schedule, note_time).build().unwrap();
    run_until(host, 3).await;
    assert_eq!(app.journal.lines(), ["0", "60", "120"]);

    let app = App::new();
    let schedule = Schedule::every(secs(60)).first_after(secs(5));
    let host = Host::builder(app.clone()).timer("t", schedule, note_time).build().unwrap();
    run_until(host, 2).await;
    assert_eq!(app.journal.lines(), ["5", "65"]);
}

#[tokio::test(start_paused = true)]
async fn runs_never_overlap_and_missed_ticks_are_skipped_and_counted() {
    async fn slow(State(app): State<App>) {
        app.note_time();
        tokio::time::sleep(secs(25)).await; // tidy: paused time
        app.journal.note("end");
    }
    let app = App::new();
    let schedule = Schedule::every(secs(10)).immediately();
    let mut host = Host::builder(app.clone()).timer("t", schedule, slow).build().unwrap();
    host.start().await.unwrap();
    let status = host.handle().wait_until(|status| timer(status).n_missed == 4).await;
    assert_eq!(app.journal.lines(), ["0", "end", "30", "end"]);
    assert_eq!(timer(&status).n_runs, 2);
    assert_eq!(host.stop(done()).await.code(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_run_that_fails_or_panics_is_remembered_and_the_next_tick_comes() {
    async fn unlucky(State(app): State<App>) -> Result<(), &'static str> {
        app.note_time();
        match app.journal.lines().len() {
            1 => Err("no network"),
            2 => panic!("no idea"),
            _ => Ok(()),
        }
    }
    let app = App::new();
    let host = Host::builder(app.clone());
    let host = host.timer("t", Schedule::every(secs(1)), unlucky).build().unwrap();
    let status = run_until(host, 3).await;
    let timer = timer(&status);
    let errors: Vec<Option<&str>> = timer.runs.iter().map(|run| run.error.as_deref()).collect();
    assert_eq!(errors, [Some("no network"), Some("panicked: no idea"), None]);
    assert_eq!((timer.n_runs, timer.n_failed), (3, 2));
}

#[tokio::test(start_paused = true)]
async fn only_the_last_runs_are_remembered() {
    let app = App::new();
    let host = Host::builder(app);
    let host = host.timer("t", Schedule::every(secs(1)), note_time).build().unwrap();
    let status = run_until(host, 25).await;
    assert_eq!(timer(&status).runs.len(), RUNS_MAX);
    assert_eq!(timer(&status).n_runs, 25);
}

#[tokio::test(start_paused = true)]
async fn a_run_that_takes_longer_than_its_timeout_fails() {
    async fn endless() {
        std::future::pending::<()>().await;
    }
    let schedule = Schedule::every(secs(60)).immediately().timeout(secs(5));
    let host = Host::builder(()).timer("t", schedule, endless).build().unwrap();
    let status = run_until(host, 1).await;
    let run = &timer(&status).runs[0];
    assert_eq!((run.error.as_deref(), run.took), (Some("took longer than 5s"), secs(5)));
}

#[tokio::test(start_paused = true)]
async fn a_gating_timer_is_ready_after_its_first_run_that_succeeds() {
    async fn third_time_lucky(State(app): State<App>) -> Result<(), &'static str> {
        app.note_time();
        if app.journal.lines().len() < 3 { Err("not yet") } else { Ok(()) }
    }
    let app = App::new();
    let schedule = Schedule::every(secs(10)).immediately();
    let mut host = Host::builder(app.clone())
        .timer("t", schedule, third_time_lucky)
        .gates_readiness()
        .build()
        .unwrap();
    host.start().await.unwrap();
    assert_eq!(app.began.elapsed(), secs(20), "the start waits for the gate");
    assert!(host.handle().status().ready);
    assert_eq!(host.stop(done()).await.code(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_timer_does_not_fire_while_the_host_drains() {
    let app = App::new();
    let mut host = Host::builder(app.clone())
        .timer("t", Schedule::every(secs(1)), note_time)
        .drain_delay(secs(10))
        .build()
        .unwrap();
    host.start().await.unwrap();
    assert_eq!(host.stop(done()).await.code(), 0);
    assert_eq!(app.began.elapsed(), secs(10));
    assert_eq!(app.journal.lines(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn jitter_delays_a_run_by_its_bound_at_most() {
    let app = App::new();
    let schedule = Schedule::every(secs(60)).jitter(secs(30));
    let host = Host::builder(app.clone()).timer("t", schedule, note_time).build().unwrap();
    run_until(host, 20).await;
    let at: Vec<u64> = app.journal.lines().iter().map(|line| line.parse().unwrap()).collect();
    let late: Vec<u64> = (1..).zip(&at).map(|(n, at)| at - 60 * n).collect();
    assert!(late.iter().all(|&late| late <= 30), "{late:?}");
    assert!(late.iter().any(|&late| late > 0), "twenty runs without a second of jitter: {late:?}");
}

struct Visit(Journal);

impl ScopedService<App> for Visit {
    async fn open(app: &App) -> Result<Self, BoxError> {
        app.journal.note("open");
        Ok(Self(app.journal.clone()))
    }
    async fn close(self, end: RunEnd) -> Result<(), BoxError> {
        self.0.note(format!("close {end:?}"));
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn every_tick_has_a_scope_that_is_closed_with_its_outcome() {
    async fn visit(_visit: Scoped<Visit>, State(app): State<App>) -> Result<(), &'static str> {
        if app.journal.lines().len() > 1 { Err("late") } else { Ok(()) }
    }
    let app = App::new();
    let host = Host::builder(app.clone());
    let host = host.timer("t", Schedule::every(secs(1)), visit).build().unwrap();
    run_until(host, 2).await;
    assert_eq!(app.journal.lines(), ["open", "close Succeeded", "open", "close Failed"]);
}

/// A wall clock that goes with tokio's time, from 2026-03-28T00:00:00Z.
#[derive(Debug)]
struct PausedClock(Instant);

impl Clock for PausedClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(1_774_656_000_000_000).after(self.0.elapsed())
    }
    fn monotonic(&self) -> std::time::Instant {
        SystemClock.monotonic()
    }
}

#[tokio::test(start_paused = true)]
async fn a_cron_timer_can_fire_once_at_its_start_too() {
    let app = App::new();
    let schedule = Schedule::cron("*/5 * * * *", "UTC").immediately();
    let host = Host::builder(app.clone())
        .timer("t", schedule, note_time)
        .clock(Arc::new(PausedClock(Instant::now())))
        .build()
        .unwrap();
    run_until(host, 3).await;
    assert_eq!(app.journal.lines(), ["0", "300", "600"]);
}

#[tokio::test(start_paused = true)]
async fn cron_occurrences_during_a_run_are_missed_and_counted() {
    async fn slow(State(app): State<App>) {
        app.note_time();
        tokio::time::sleep(secs(150)).await; // tidy: paused time
    }
    let app = App::new();
    let mut host = Host::builder(app.clone())
        .timer("t", Schedule::cron("* * * * *", "UTC"), slow)
        .clock(Arc::new(PausedClock(Instant::now())))
        .build()
        .unwrap();
    host.start().await.unwrap();
    host.handle().wait_until(|status| timer(status).n_missed == 4).await;
    assert_eq!(app.journal.lines(), ["60", "240"]);
    assert_eq!(host.stop(done()).await.code(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_cron_timer_fires_by_the_wall_clock_of_its_zone() {
    async fn note_next(State(journal): State<Journal>, cx: ServiceContext) {
        let status = cx.host().status();
        let started_at = status.service("t").unwrap().since;
        journal.note(format!("since {started_at}"));
    }
    let journal = Journal::default();
    let mut host = Host::builder(journal.clone())
        .timer("t", Schedule::cron("0 3 * * *", "Europe/Istanbul"), note_next)
        .clock(Arc::new(PausedClock(Instant::now())))
        .build()
        .unwrap();
    host.start().await.unwrap();
    let handle = host.handle();
    let planned = handle.wait_until(|status| timer(status).next_at.is_some()).await;
    // Midnight UTC is 03:00 in Istanbul, and the next occurrence is strictly later.
    let next = timer(&planned).next_at.map(|at| at.to_string());
    assert_eq!(next.as_deref(), Some("2026-03-29T00:00:00.000Z"));
    let ran = handle.wait_until(|status| timer(status).n_runs == 2).await;
    let started: Vec<String> =
        timer(&ran).runs.iter().map(|run| run.started_at.to_string()).collect();
    assert_eq!(started, ["2026-03-29T00:00:00.000Z", "2026-03-30T00:00:00.000Z"]);
    assert_eq!(host.stop(done()).await.code(), 0);
}
