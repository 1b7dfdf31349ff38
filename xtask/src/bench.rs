//! `cargo xtask bench <storage> [args]`: the load generator in a release build, with the server
//! that it needs.
//!
//! Only starts `legwork-bench` (in `bench/`), which measures and prints; this file holds no
//! measurement of its own.

use crate::servers::postgres::{self, Cluster};
use crate::servers::private_directory;
use crate::workspace;
use anyhow::{Context as _, ensure};
use std::process::ExitCode;

/// Where the load generator finds the server.
const URL_VARIABLE: &str = "LEGWORK_BENCH_POSTGRES_URL";

/// The settings under which the goals were set: everything is forced to the disk. Statements are
/// counted only in databases that ask for it.
const SETTINGS: &str = "\
max_connections = 200
shared_buffers = 512MB
fsync = on
synchronous_commit = on
full_page_writes = on
wal_level = replica
max_wal_size = 8GB
checkpoint_timeout = 15min
shared_preload_libraries = 'pg_stat_statements'
pg_stat_statements.track = none
";

/// Runs `legwork-bench` with `args`, the first of which names the storage.
///
/// # Errors
/// No storage was named, its server could not be started, or cargo could not.
pub(crate) fn run(args: &[String]) -> anyhow::Result<ExitCode> {
    ensure!(!args.is_empty(), "name the storage to measure: `cargo xtask bench sqlite`");
    let server = if needs_server(args) { Some(start_postgres()?) } else { None };
    let mut command = workspace::cargo();
    command.args(["run", "--release", "-p", "legwork-bench", "--"]).args(args);
    if let Some(cluster) = &server {
        let url = format!("postgres://postgres@127.0.0.1:{}/postgres", cluster.port);
        command.env(URL_VARIABLE, url);
    }
    let status = command.status().context("cargo could not be started")?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Whether PostgreSQL is measured and nobody named a server.
fn needs_server(args: &[String]) -> bool {
    args.first().is_some_and(|storage| storage == "postgres")
        && !args.iter().any(|arg| arg == "--url")
        && std::env::var_os(URL_VARIABLE).is_none()
}

/// Starts a server of its own, in the directory for temporary files.
fn start_postgres() -> anyhow::Result<Cluster> {
    postgres::start_with(&private_directory("bench-postgres"), SETTINGS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_started_only_where_none_was_named() {
        let needs = |args: &str| {
            let args: Vec<String> = args.split_whitespace().map(str::to_owned).collect();
            needs_server(&args)
        };
        assert!(needs("postgres --quick"));
        assert!(!needs("postgres --url postgres://h/db"));
        assert!(!needs("sqlite --quick"));
    }
}
