//! A private PgBouncer in transaction mode, in front of the private PostgreSQL cluster.
//!
//! Called by `servers` once `postgres` runs. Needs Debian's `pgbouncer`, but neither its service
//! nor its configuration. It is as hard to live with as such poolers are: a client has a session
//! for one transaction only, and is refused when it asks for settings that the pooler cannot keep.

use super::postgres::serves;
use super::{Server, free_ports, private_directory, wait_until_ready};
use crate::account::Account;
use crate::guard::Guarded;
use crate::packages::PGBOUNCER;
use anyhow::Context as _;
use std::path::Path;
use std::process::Command;

/// Where tests find the pooler; its console is the database `pgbouncer`.
pub(crate) const URL_VARIABLE: &str = "LEGWORK_PGBOUNCER_URL";
/// The directory of `pgbouncer`.
pub(crate) const BIN_VARIABLE: &str = "LEGWORK_PGBOUNCER_BIN";

/// Arguments: the program, the settings.
const SCRIPT: &str = r#"
printf '"postgres" ""\n' >users &&
printf '%s' "$2" >pgbouncer.ini &&
exec "$1" pgbouncer.ini
"#;

/// Means "at once", or from version 1.23 on "when the last client has gone"; by then it has.
const STOP_SIGNAL: &str = "TERM";

/// Starts a pooler for the cluster on `postgres_port` and waits until it gives out sessions.
///
/// # Errors
/// PgBouncer is not installed or does not start; the message says which.
pub(crate) fn start(postgres_port: u16) -> anyhow::Result<Server> {
    let program = PGBOUNCER.find().context("pgbouncer is not installed")?;
    let account = Account::for_server()?;
    let [port] = free_ports()?;
    let directory = private_directory("pgbouncer");
    let mut command = Command::new("sh");
    command.args(["-c", SCRIPT, "sh"]).arg(&program).arg(settings(port, postgres_port));
    command.current_dir(&directory).env("HOME", &directory);
    let process = Guarded::server_as(account.as_ref(), &directory, &command, STOP_SIGNAL)?;
    wait_until_ready("PgBouncer", &process, || serves(port))?;
    let programs = program.parent().unwrap_or(Path::new("/"));
    let env = vec![
        (URL_VARIABLE, format!("postgres://postgres@127.0.0.1:{port}/postgres")),
        (BIN_VARIABLE, programs.to_string_lossy().into_owned()),
    ];
    Ok(Server { env, _processes: vec![process] })
}

/// Two sessions for each database, so that whoever keeps one to itself is soon found out.
fn settings(port: u16, postgres_port: u16) -> String {
    format!(
        "[databases]\n\
         * = host=127.0.0.1 port={postgres_port}\n\
         [pgbouncer]\n\
         listen_addr = 127.0.0.1\n\
         listen_port = {port}\n\
         unix_socket_dir =\n\
         auth_type = trust\n\
         auth_file = users\n\
         admin_users = postgres\n\
         pool_mode = transaction\n\
         default_pool_size = 2\n\
         max_client_conn = 200\n\
         ignore_startup_parameters =\n"
    )
}

#[cfg(test)]
mod tests {
    use super::super::postgres::{self, tests::query};
    use super::super::{loopback, skip_unless_installed};
    use super::*;
    use std::net::TcpStream;

    #[test]
    fn a_real_pooler_gives_out_transactions_and_leaves_nothing_behind() {
        let behind = private_directory("postgres-behind-pgbouncer");
        let mut port = 0;
        let cluster = postgres::start_in(&behind).map(|cluster| {
            port = cluster.port;
            cluster.server
        });
        let Some(cluster) = skip_unless_installed(cluster, "pgbouncer") else { return };
        let Some(pooler) = skip_unless_installed(start(port), "pgbouncer") else { return };
        let (name, url) = &pooler.env[0];
        assert_eq!(*name, "LEGWORK_PGBOUNCER_URL", "the name that tests look for");

        let answer = query(url, "SELECT inet_server_port()");
        assert_eq!(answer.stdout, format!("{port}\n").as_bytes(), "it leads on: {answer:?}");
        let address = url.strip_suffix("/postgres").unwrap();
        let answer = query(&format!("{address}/pgbouncer"), "SHOW CONFIG");
        let answer = String::from_utf8_lossy(&answer.stdout);
        for setting in ["pool_mode|transaction|", "default_pool_size|2|", "max_client_conn|200|"] {
            assert!(answer.contains(setting), "{setting} in {answer}");
        }
        let odd = query(&format!("{url}?options=-cgeqo%3Doff"), "SELECT 1");
        let message = String::from_utf8_lossy(&odd.stderr);
        assert!(message.contains("unsupported startup parameter"), "it is refused: {message}");

        let port = address.rsplit(':').next().unwrap().parse().unwrap();
        drop(pooler);
        assert!(TcpStream::connect(loopback(port)).is_err(), "nobody listens any more");
        assert!(!private_directory("pgbouncer").exists(), "its files are gone");
        drop(cluster);
    }
}
