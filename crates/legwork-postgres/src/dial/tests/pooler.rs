//! A private `PgBouncer` in front of the shared server.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use super::cluster::{Account, free_port, variable};
use crate::address::{Address, Place};

/// A pooler, which is killed when it is dropped.
pub(super) struct Pooler {
    port: u16,
    process: Child,
    _directory: TempDir,
}

impl Pooler {
    /// Starts a pooler of two sessions in front of `url`.
    pub(super) fn start(test: &str, url: &str, mode: &str) -> Option<Self> {
        Self::start_with(test, url, mode, 2)
    }

    /// Starts a pooler of `n_sessions`.
    pub(super) fn start_with(test: &str, url: &str, mode: &str, n_sessions: u16) -> Option<Self> {
        let endpoint = Address::parse(url).unwrap().endpoints()[0].clone();
        let Place::Tcp(host, _) = &endpoint.place else { panic!("the shared server has no host") };
        let (port, server) = (free_port(), endpoint.port);
        let directory = tempfile::tempdir().unwrap();
        let settings = directory.path().join("pgbouncer.ini");
        let lines = format!(
            "[databases]\n* = user=postgres host={host} port={server}\n[pgbouncer]\n\
             listen_addr = 127.0.0.1\n\
             listen_port = {port}\nunix_socket_dir =\nauth_type = any\npool_mode = {mode}\n\
             default_pool_size = {n_sessions}\n"
        );
        std::fs::write(&settings, lines).unwrap();
        let programs = PathBuf::from(variable("LEGWORK_PGBOUNCER_BIN", test)?);
        let mut command = Command::new(programs.join("pgbouncer"));
        command.arg(&settings).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        if let Some(account) = Account::for_servers() {
            account.own(directory.path());
            account.own(&settings);
            account.become_by(&mut command);
        }
        let mut process = command.spawn().unwrap();
        let mut log = BufReader::new(process.stderr.take().unwrap()).lines();
        let is_up = log.any(|line| line.unwrap().contains("process up"));
        let pooler = Self { port, process, _directory: directory };
        assert!(is_up, "pgbouncer ended while it started");
        // Its log must go on being read, or it would stop.
        std::thread::spawn(move || log.for_each(drop));
        Some(pooler)
    }

    pub(super) fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        let killed = self.process.kill().and_then(|()| self.process.wait());
        drop(killed);
    }
}
