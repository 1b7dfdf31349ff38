//! What only a process can show: signals, exit codes, and an exit that always comes.
//!
//! A test starts this very binary again, with the scenario in the environment; the child's `main`
//! is [`child`], which does nothing in an ordinary test run.
#![cfg(unix)]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![expect(clippy::missing_assert_message, reason = "the compared values say it")]

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

use legwork_core::{BoxError, Clock, SystemClock, Timestamp};
use legwork_host::{Host, HostBuilder, HostedService, Policy, ServiceContext, StopContext};

/// Names the scenario of a child.
const SCENARIO: &str = "LEGWORK_HOST_SCENARIO";

/// How long anything here may take before the test fails.
const LIMIT: Duration = Duration::from_secs(30);

// The child.

fn say(line: &str) {
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "> {line}").and_then(|()| stdout.flush()).expect("the parent reads");
}

/// Blocks the thread for ever.
fn block() {
    Barrier::new(2).wait();
}

struct Saying;

impl HostedService for Saying {
    async fn start(&self, cx: &ServiceContext) -> Result<(), BoxError> {
        say(&format!("start {}", cx.name()));
        Ok(())
    }
    async fn started(&self, cx: &ServiceContext) -> Result<(), BoxError> {
        say(&format!("started {}", cx.name()));
        Ok(())
    }
    async fn stop(&self, cx: &StopContext) -> Result<(), BoxError> {
        say(&format!("stop {}", cx.name()));
        Ok(())
    }
}

/// Starts only when it is asked to stop.
struct SlowStart;

impl HostedService for SlowStart {
    async fn start(&self, cx: &ServiceContext) -> Result<(), BoxError> {
        say("starting slowly");
        cx.stopping().cancelled().await;
        Ok(())
    }
}

async fn polite(cx: ServiceContext) {
    say(&format!("run {}", cx.name()));
    cx.stopping().cancelled().await;
    say(&format!("asked {}", cx.name()));
}

async fn deaf(cx: ServiceContext) {
    cx.stopping().cancelled().await;
    say(&format!("ignored by {}", cx.name()));
    std::future::pending::<()>().await;
}

async fn failing() -> Result<(), &'static str> {
    Err("out of luck")
}

async fn blocking(cx: ServiceContext) {
    say(&format!("run {}", cx.name()));
    block();
}

async fn blocking_elsewhere(cx: ServiceContext) {
    let (entered, runs) = tokio::sync::oneshot::channel();
    let blocked = tokio::task::spawn_blocking(move || {
        entered.send(()).expect("the loop waits");
        block();
    });
    runs.await.expect("the thread starts");
    say(&format!("run {}", cx.name()));
    cx.until_stopped(blocked).await;
}

/// A clock that blocks the thread which drives the host, once the host is stopping.
#[derive(Debug)]
struct Wedge(std::sync::OnceLock<legwork_core::CancellationToken>);

impl Clock for Wedge {
    fn now(&self) -> Timestamp {
        if self.0.get().is_some_and(legwork_core::CancellationToken::is_cancelled) {
            block();
        }
        SystemClock.now()
    }
    fn monotonic(&self) -> Instant {
        SystemClock.monotonic()
    }
}

/// The deadline of children that are meant to miss it.
const SHORT: Duration = Duration::from_secs(1);

fn host_of(scenario: &str) -> HostBuilder<()> {
    let host = Host::builder(());
    match scenario {
        "orderly" => host.service("a", Saying).background("loop", polite).service("b", Saying),
        "deaf" => host
            .background("first", polite)
            .background("deaf", deaf)
            .shutdown_timeout(Duration::from_mins(10)),
        "blocked" => {
            let cores = std::thread::available_parallelism().map_or(2, usize::from);
            let mut host = host.background("polite", polite).shutdown_timeout(SHORT);
            // Every worker thread of the runtime is blocked.
            for n in 0..std::cmp::max(cores, 2) {
                host = host.background(&format!("blocked-{n}"), blocking);
            }
            host
        }
        "blocking-elsewhere" => {
            host.background("elsewhere", blocking_elsewhere).shutdown_timeout(SHORT)
        }
        "failing" => host.service("a", Saying).background("b", failing).policy(Policy::StopHost),
        "starting" => host.service("a", Saying).service("slow", SlowStart),
        "misconfigured" => host.shutdown_timeout(Duration::ZERO),
        other => panic!("there is no scenario {other}"),
    }
}

fn run_wedged() -> ExitCode {
    legwork_host::block_on(async {
        let clock = Arc::new(Wedge(std::sync::OnceLock::new()));
        let host = Host::builder(())
            .background("loop", polite)
            .clock(Arc::clone(&clock) as Arc<dyn Clock>)
            .shutdown_timeout(SHORT)
            .build()?;
        clock.0.get_or_init(|| host.handle().stopping().clone());
        Ok::<_, legwork_core::Error>(host.run().await)
    })
}

/// The `main` of a child: `block_on:` as under `#[legwork::main]`, or `run_blocking:`.
#[test]
#[expect(clippy::exit, reason = "the exit code of the child is what is tested")]
fn child() {
    let Ok(scenario) = std::env::var(SCENARIO) else { return };
    let code = match scenario.split_once(':') {
        Some(("block_on", "wedged")) => run_wedged(),
        Some(("block_on", "wrapped")) => legwork_host::block_on(async {
            host_of("misconfigured").run().await.into_result()?;
            Ok::<_, legwork_core::Error>(())
        }),
        Some(("block_on", name)) => legwork_host::block_on(host_of(name).run()),
        Some(("run_blocking", name)) => host_of(name).run_blocking(),
        _ => panic!("{scenario} is not a scenario"),
    };
    // What `main` does with the code that it returns.
    let number = (0..=u8::MAX).find(|&number| ExitCode::from(number) == code);
    std::process::exit(number.map_or(255, i32::from));
}

// The parent.

/// A running child.
struct Running {
    child: Child,
    lines: Receiver<String>,
    began: Instant,
}

impl Running {
    fn start(scenario: &str) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "child", "--nocapture"]).env(SCENARIO, scenario);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (sender, lines) = channel();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                // The harness prints too, also in front of a line.
                let said = line.split_once("> ").map(|(_, said)| said.to_owned());
                if said.is_some_and(|said| sender.send(said).is_err()) {
                    break;
                }
            }
        });
        Self { child, lines, began: SystemClock.monotonic() }
    }

    /// Waits until the child says `line`.
    fn until(&self, line: &str) {
        loop {
            let said = self.lines.recv_timeout(LIMIT);
            if said.unwrap_or_else(|_| panic!("the child never said {line:?}")) == line {
                break;
            }
        }
    }

    fn signal(&mut self, name: &str) {
        self.began = SystemClock.monotonic();
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args([name, &id]).status().unwrap().success());
    }

    /// Waits for the exit; returns the code, the lines since, stderr, and the time since the last
    /// signal.
    fn exit(mut self) -> Exit {
        let mut stderr = self.child.stderr.take().unwrap();
        let (sender, ended) = channel();
        let read = std::thread::spawn(move || {
            let mut text = String::new();
            let read = stderr.read_to_string(&mut text);
            let _nobody_listens_after_the_limit = sender.send(());
            read.map(|_| text)
        });
        if ended.recv_timeout(LIMIT).is_err() {
            self.child.kill().unwrap();
            panic!("the child did not exit");
        }
        let took = SystemClock.monotonic().duration_since(self.began);
        let code = self.child.wait().unwrap().code();
        let lines = self.lines.iter().collect();
        Exit { code, lines, took, stderr: read.join().unwrap().unwrap() }
    }
}

#[derive(Debug)]
struct Exit {
    code: Option<i32>,
    lines: Vec<String>,
    stderr: String,
    took: Duration,
}

/// Stops an orderly host with a signal.
fn check_orderly(scenario: &str, signal: &str) {
    let mut child = Running::start(scenario);
    child.until("started b");
    child.signal(signal);
    let exit = child.exit();
    assert_eq!(exit.code, Some(0), "{exit:?}");
    let stops: Vec<&str> = exit.lines.iter().map(String::as_str).collect();
    assert!(stops.ends_with(&["stop b", "asked loop", "stop a"]), "{exit:?}");
    let reason = format!("host exit 0: SIG{}", signal.trim_start_matches('-'));
    assert!(exit.stderr.contains(&reason), "{exit:?}");
}

#[test]
fn a_signal_stops_the_host_in_reverse_order_with_code_0() {
    for signal in ["-TERM", "-INT", "-QUIT"] {
        check_orderly("block_on:orderly", signal);
    }
    check_orderly("run_blocking:orderly", "-TERM");
}

#[test]
fn a_signal_during_the_start_rolls_back_with_code_0() {
    let mut child = Running::start("block_on:starting");
    child.until("starting slowly");
    child.signal("-TERM");
    let exit = child.exit();
    assert_eq!((exit.code, exit.lines.last().map(String::as_str)), (Some(0), Some("stop a")));
}

#[test]
fn a_second_signal_skips_the_grace_and_asks_everybody_first() {
    let mut child = Running::start("block_on:deaf");
    child.until("run first");
    child.signal("-TERM");
    child.until("ignored by deaf");
    child.signal("-TERM");
    let exit = child.exit();
    assert_eq!(exit.code, Some(143), "{exit:?}");
    assert_eq!(exit.lines, ["asked first"], "asked although the deaf one is before it");
    assert!(exit.took < Duration::from_secs(5), "{exit:?}");
    assert!(exit.stderr.contains("(forced by a second SIGTERM)"), "{exit:?}");
}

#[test]
fn a_third_signal_ends_the_process_at_once() {
    let mut child = Running::start("run_blocking:deaf");
    child.until("run first");
    child.signal("-INT");
    child.until("ignored by deaf");
    child.signal("-INT");
    child.until("asked first");
    child.signal("-INT");
    let exit = child.exit();
    assert_eq!(exit.code, Some(130), "{exit:?}");
    assert!(!exit.stderr.contains("host exit"), "no time for a report: {exit:?}");
}

/// Stops a host whose services block every thread of their runtime.
fn check_blocked(scenario: &str) {
    let mut child = Running::start(scenario);
    child.until("run blocked-1");
    child.signal("-TERM");
    let exit = child.exit();
    assert_eq!(exit.code, Some(124), "{exit:?}");
    assert!(exit.took < SHORT + Duration::from_secs(4), "{exit:?}");
    assert!(exit.stderr.contains("it blocks its thread"), "{exit:?}");
}

#[test]
fn services_that_block_all_threads_do_not_hold_the_process() {
    check_blocked("block_on:blocked");
    check_blocked("run_blocking:blocked");
}

#[test]
fn a_blocking_call_that_never_returns_does_not_hold_the_process() {
    for scenario in ["block_on:blocking-elsewhere", "run_blocking:blocking-elsewhere"] {
        let mut child = Running::start(scenario);
        child.until("run elsewhere");
        child.signal("-TERM");
        let exit = child.exit();
        assert_eq!(exit.code, Some(0), "{exit:?}");
        assert!(exit.took < SHORT + Duration::from_secs(4), "{exit:?}");
    }
}

#[test]
fn the_watchdog_ends_a_process_whose_host_itself_is_stuck() {
    let mut child = Running::start("block_on:wedged");
    child.until("run loop");
    child.signal("-TERM");
    let exit = child.exit();
    assert_eq!(exit.code, Some(124), "{exit:?}");
    // The deadline of a second, and the watchdog's two.
    assert!(exit.took >= Duration::from_secs(3), "{exit:?}");
    assert!(exit.took < Duration::from_secs(8), "{exit:?}");
}

#[test]
fn a_service_that_fails_for_good_ends_the_process_with_code_1() {
    for scenario in ["block_on:failing", "run_blocking:failing"] {
        let exit = Running::start(scenario).exit();
        assert_eq!(exit.code, Some(1), "{exit:?}");
        assert_eq!(exit.lines.last().unwrap(), "stop a");
        let reason = "host exit 1: service \"b\" failed: out of luck";
        assert!(exit.stderr.contains(reason), "{exit:?}");
    }
}

#[test]
fn a_host_that_cannot_be_built_ends_the_process_with_code_78() {
    for scenario in ["block_on:misconfigured", "run_blocking:misconfigured", "block_on:wrapped"] {
        let exit = Running::start(scenario).exit();
        assert_eq!(exit.code, Some(78), "{exit:?}");
        assert!(exit.stderr.contains("shutdown_timeout is zero"), "{exit:?}");
    }
}
