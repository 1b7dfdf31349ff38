//! A private `PgBouncer` in front of the shared server.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use super::cluster::{Account, free_port, variable};

/// A pooler, which is killed when it is dropped.
pub(super) struct Pooler {
    port: u16,
    process: Child,
    program: PathBuf,
    directory: TempDir,
}

impl Pooler {
    /// Starts a pooler of `n_sessions` in front of the server of `url`, which has a host and a
    /// port.
    pub(super) fn start_with(test: &str, url: &str, mode: &str, n_sessions: u16) -> Option<Self> {
        let program = PathBuf::from(variable("LEGWORK_PGBOUNCER_BIN", test)?).join("pgbouncer");
        let server = url.split(['/', '?']).nth(2).unwrap().rsplit('@').next().unwrap();
        let (host, server) = server.rsplit_once(':').expect("the shared server has a port");
        let port = free_port();
        let directory = tempfile::tempdir().unwrap();
        let lines = format!(
            "[databases]\n* = user=postgres host={host} port={server}\n[pgbouncer]\n\
             listen_addr = 127.0.0.1\n\
             listen_port = {port}\nunix_socket_dir =\nauth_type = any\npool_mode = {mode}\n\
             default_pool_size = {n_sessions}\n"
        );
        let settings = directory.path().join("pgbouncer.ini");
        std::fs::write(&settings, lines).unwrap();
        if let Some(account) = Account::for_servers() {
            account.own(directory.path());
            account.own(&settings);
        }
        let process = launch(&program, &settings);
        Some(Self { port, process, program, directory })
    }

    /// Kills the pooler with all its connections, and starts it again.
    pub(super) fn restart(&mut self) {
        self.process.kill().and_then(|()| self.process.wait()).unwrap();
        self.process = launch(&self.program, &self.directory.path().join("pgbouncer.ini"));
    }

    pub(super) fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }
}

fn launch(program: &Path, settings: &Path) -> Child {
    let mut command = Command::new(program);
    command.arg(settings).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    if let Some(account) = Account::for_servers() {
        account.become_by(&mut command);
    }
    let mut process = command.spawn().unwrap();
    let mut log = BufReader::new(process.stderr.take().unwrap()).lines();
    assert!(log.any(|line| line.unwrap().contains("process up")), "pgbouncer does not start");
    // Its log must go on being read, or it would stop.
    std::thread::spawn(move || log.for_each(drop));
    process
}

impl Drop for Pooler {
    fn drop(&mut self) {
        let killed = self.process.kill().and_then(|()| self.process.wait());
        drop(killed);
    }
}
