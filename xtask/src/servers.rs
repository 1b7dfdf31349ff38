//! The throwaway servers that tests talk to.
//!
//! Called by `test`. Each server listens on free loopback ports, keeps its files in a private
//! temporary directory and lives under a `guard`. A server whose program is missing is not an error
//! here: `start` says why, and the tests that need it are skipped.

mod chromedriver;
mod pgbouncer;
pub(crate) mod postgres;
mod rabbitmq;

use crate::clock;
use crate::guard::Guarded;
use anyhow::{Context as _, bail};
use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Every variable that leads a test to a server.
pub(crate) const VARIABLES: [&str; 8] = [
    rabbitmq::URL_VARIABLE,
    chromedriver::URL_VARIABLE,
    chromedriver::BROWSER_VARIABLE,
    postgres::URL_VARIABLE,
    postgres::BIN_VARIABLE,
    postgres::OS_USER_VARIABLE,
    pgbouncer::URL_VARIABLE,
    pgbouncer::BIN_VARIABLE,
];

/// How long a server may take until it answers. RabbitMQ needs about 5 s on two idle cores.
const START_LIMIT: Duration = Duration::from_mins(2);

/// How long one look at a starting server may take.
const PROBE_LIMIT: Duration = Duration::from_secs(2);

/// A server that answered once, and the environment variables that lead tests to it.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) env: Vec<(&'static str, String)>,
    /// Stopped in this order when the server is dropped.
    _processes: Vec<Guarded>,
}

impl Server {
    /// A server that is only an address.
    #[cfg(test)]
    pub(crate) fn for_test(env: Vec<(&'static str, String)>) -> Self {
        Self { env, _processes: Vec::new() }
    }
}

/// A server by name, or why it does not run.
pub(crate) type Started = (&'static str, anyhow::Result<Server>);

/// Starts every server, all at the same time except those that need another.
pub(crate) fn start_all() -> Vec<Started> {
    let starts: [fn() -> Vec<Started>; 3] = [
        start_postgres_and_pooler,
        || vec![("RabbitMQ", rabbitmq::start())],
        || vec![("chromedriver", chromedriver::start())],
    ];
    std::thread::scope(|scope| {
        let threads = starts.map(|start| scope.spawn(start));
        let started = threads.map(|thread| thread.join().expect("a failed start is an error"));
        started.into_iter().flatten().collect()
    })
}

fn start_postgres_and_pooler() -> Vec<Started> {
    match postgres::start() {
        Ok(cluster) => {
            vec![("PgBouncer", pgbouncer::start(cluster.port)), ("PostgreSQL", Ok(cluster.server))]
        }
        Err(error) => {
            let behind = anyhow::anyhow!("there is no PostgreSQL behind it");
            vec![("PgBouncer", Err(behind)), ("PostgreSQL", Err(error))]
        }
    }
}

/// Ports that were free a moment ago, all different from all that were returned before.
///
/// # Errors
/// The system has none left.
fn free_ports<const N: usize>() -> anyhow::Result<[u16; N]> {
    /// A server that starts on another thread may not have taken its own yet.
    static HANDED_OUT: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let mut handed_out = HANDED_OUT.lock().unwrap_or_else(PoisonError::into_inner);
    let mut ports = [0; N];
    // All are held until the last is known, so that the system offers another each time.
    let mut held = Vec::with_capacity(N);
    for port in &mut ports {
        while *port == 0 || !handed_out.insert(*port) {
            let listener = TcpListener::bind(any).context("no loopback port is free")?;
            *port = listener.local_addr()?.port();
            held.push(listener);
        }
    }
    drop(held);
    Ok(ports)
}

/// A path for the files of one part of this run; a guard makes and removes the directory.
pub(crate) fn private_directory(server: &str) -> PathBuf {
    std::env::temp_dir().join(format!("legwork-test-{server}-{}", std::process::id()))
}

/// Waits until `answers` says yes.
///
/// # Errors
/// The server ended or was too slow; the message carries the end of its log.
fn wait_until_ready(
    name: &str,
    server: &Guarded,
    mut answers: impl FnMut() -> bool,
) -> anyhow::Result<()> {
    let ready = clock::wait_for(START_LIMIT, || {
        if server.has_ended() {
            bail!("{name} ended while starting:\n{}", server.log_tail());
        }
        Ok(answers().then_some(()))
    })?;
    ready.with_context(|| {
        format!("{name} gave no answer in {} s:\n{}", START_LIMIT.as_secs(), server.log_tail())
    })
}

fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

/// The server, or `None` after the running test was marked as skipped: it is not installed.
#[cfg(test)]
fn skip_unless_installed(started: anyhow::Result<Server>, test: &str) -> Option<Server> {
    use std::io::Write as _;
    let error = match started {
        Ok(server) => return Some(server),
        Err(error) => error.to_string(),
    };
    assert!(error.ends_with("is not installed"), "{error}");
    if let Some(file) = std::env::var_os(crate::test::SKIPS_VARIABLE) {
        let mut file = std::fs::File::options().append(true).open(file).unwrap();
        writeln!(file, "xtask, a real {test}: {error}").unwrap();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn free_ports_are_different() {
        let [a, b, c] = free_ports().unwrap();
        assert!(a != b && b != c && a != c, "{a}, {b} and {c} are held at the same time");
    }

    #[test]
    fn a_server_that_ends_while_starting_is_reported_with_its_log() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo the disk is full; exit 1"]);
        let directory = std::env::temp_dir().join(format!("legwork-ends-{}", std::process::id()));
        let server = Guarded::server(&directory, &command).unwrap();
        let error = wait_until_ready("the server", &server, || false).unwrap_err();
        assert!(error.to_string().contains("the disk is full"), "{error}");
    }
}
