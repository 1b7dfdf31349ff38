//! A private PostgreSQL cluster, for everything that is stored in PostgreSQL.
//!
//! Called by `servers`. Needs Debian's `postgresql`, but neither its service nor the cluster that
//! the package makes. Tests are superusers and may make databases and roles; they may not stop it.
//! A test that has to kill a server makes its own from the programs in `BIN_VARIABLE`.

use super::{PROBE_LIMIT, Server, free_ports, loopback, private_directory, wait_until_ready};
use crate::account::Account;
use crate::guard::Guarded;
use crate::packages::POSTGRES;
use anyhow::{Context as _, ensure};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where tests find the cluster: a database that they may not drop, as a superuser.
pub(crate) const URL_VARIABLE: &str = "LEGWORK_POSTGRES_URL";
/// The directory of `initdb`, `pg_basebackup`, `psql` and the rest, of the version that runs.
pub(crate) const BIN_VARIABLE: &str = "LEGWORK_POSTGRES_BIN";
/// The account under which root has to start servers, which refuse root; not set for others.
pub(crate) const OS_USER_VARIABLE: &str = "LEGWORK_POSTGRES_OS_USER";

/// Arguments: the directory of the programs, the settings.
const SCRIPT: &str = r#"
"$1/initdb" --pgdata=data --username=postgres --auth=trust --encoding=UTF8 --no-locale --no-sync &&
printf '%s' "$2" >>data/postgresql.conf &&
exec "$1/postgres" -D data
"#;

/// Asks the postmaster for an immediate shutdown: it ends all backends first, then itself.
const STOP_SIGNAL: &str = "QUIT";

/// A cluster that answered once.
#[derive(Debug)]
pub(crate) struct Cluster {
    pub(crate) server: Server,
    pub(crate) port: u16,
}

/// Makes a cluster, starts it, and waits until it serves queries.
///
/// # Errors
/// PostgreSQL is not installed or does not start; the message says which.
pub(crate) fn start() -> anyhow::Result<Cluster> {
    start_in(&private_directory("postgres"))
}

/// The same in a directory of the caller's choice.
pub(super) fn start_in(directory: &Path) -> anyhow::Result<Cluster> {
    start_with(directory, "")
}

/// The same with lines of `postgresql.conf` that win over those for tests.
///
/// # Errors
/// See [`start`].
pub(crate) fn start_with(directory: &Path, settings_of_caller: &str) -> anyhow::Result<Cluster> {
    let programs = programs()?;
    let account = Account::for_server()?;
    let [port] = free_ports()?;
    let mut command = Command::new("sh");
    let settings = settings(port, directory) + settings_of_caller;
    command.args(["-c", SCRIPT, "sh"]).arg(&programs).arg(settings);
    // The account may not read the directory in which xtask was started, nor has it a home.
    command.current_dir(directory).env("HOME", directory);
    for (name, _) in std::env::vars_os() {
        // Where the person at the machine connects to otherwise.
        if name.to_string_lossy().starts_with("PG") {
            command.env_remove(name);
        }
    }
    let process = Guarded::server_as(account.as_ref(), directory, &command, STOP_SIGNAL)?;
    wait_until_ready("PostgreSQL", &process, || serves(port))?;
    let mut env = vec![
        (URL_VARIABLE, format!("postgres://postgres@127.0.0.1:{port}/postgres")),
        (BIN_VARIABLE, programs.to_string_lossy().into_owned()),
    ];
    env.extend(account.map(|account| (OS_USER_VARIABLE, account.name)));
    Ok(Cluster { server: Server { env, _processes: vec![process] }, port })
}

/// The directory of the programs themselves; a link to one of them may lie alone.
fn programs() -> anyhow::Result<PathBuf> {
    let server = POSTGRES.find().context("postgres is not installed")?.canonicalize()?;
    let directory = server.parent().unwrap_or(Path::new("/"));
    let has_all = directory.join("initdb").is_file();
    ensure!(has_all, "initdb, which belongs into {}, is not installed", directory.display());
    Ok(directory.to_path_buf())
}

/// What differs from the defaults. A standby that a test makes of the cluster copies all of it.
///
/// Nothing is forced to the disk, since the machine's crash is not what is tested; commits are as
/// synchronous as they are by default, so that they come in the order that users see. Memory that
/// comes and goes is a file of the cluster, and is removed with it even after a kill.
fn settings(port: u16, directory: &Path) -> String {
    let sockets = directory.display().to_string().replace('\'', "''");
    format!(
        "listen_addresses = '127.0.0.1'\n\
         port = {port}\n\
         unix_socket_directories = '{sockets}'\n\
         max_connections = 300\n\
         shared_buffers = 256MB\n\
         fsync = off\n\
         full_page_writes = off\n\
         synchronous_commit = on\n\
         wal_level = replica\n\
         max_wal_senders = 10\n\
         dynamic_shared_memory_type = mmap\n"
    )
}

/// Whether a session can be opened on `port`, be it the server's own or a pooler's.
pub(super) fn serves(port: u16) -> bool {
    let open = || -> std::io::Result<bool> {
        let mut stream = TcpStream::connect_timeout(&loopback(port), PROBE_LIMIT)?;
        stream.set_read_timeout(Some(PROBE_LIMIT))?;
        stream.write_all(&startup_message())?;
        loop {
            // Every message is a letter, a length that counts itself, and the rest.
            let mut head = [0; 5];
            stream.read_exact(&mut head)?;
            let [kind, length @ ..] = head;
            match kind {
                b'Z' => return Ok(true), // ready for query
                b'E' => return Ok(false),
                _ => {
                    let rest = u64::from(u32::from_be_bytes(length)).saturating_sub(4);
                    std::io::copy(&mut (&mut stream).take(rest), &mut std::io::sink())?;
                }
            }
        }
    };
    open().unwrap_or(false)
}

/// What a client of protocol 3.0 says first.
fn startup_message() -> Vec<u8> {
    let parameters = b"user\0postgres\0database\0postgres\0\0";
    let length = u32::try_from(8 + parameters.len()).expect("the message is short");
    [&length.to_be_bytes(), &[0, 3, 0, 0], &parameters[..]].concat()
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::skip_unless_installed;
    use super::*;
    use crate::clock;
    use std::net::TcpListener;
    use std::process::{Output, Stdio};
    use std::time::Duration;

    fn answering(answer: &'static [u8]) -> bool {
        let listener = TcpListener::bind(loopback(0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut greeting = [0; 8];
            stream.read_exact(&mut greeting).unwrap();
            let mut rest = vec![0; usize::from(greeting[3]) - 8];
            stream.read_exact(&mut rest).unwrap();
            stream.write_all(answer).unwrap();
            greeting
        });
        let is_answered = serves(port);
        assert_eq!(server.join().unwrap()[4..], [0, 3, 0, 0], "protocol 3.0");
        is_answered
    }

    #[test]
    fn only_a_session_that_takes_queries_counts_as_a_server() {
        let ready = b"R\0\0\0\x08\0\0\0\0S\0\0\0\x08a\0b\0Z\0\0\0\x05I";
        assert!(answering(ready), "authenticated, one setting, ready for query");
        assert!(!answering(b"R\0\0\0\x08\0\0\0\0"), "authenticated and then closed");
        assert!(!answering(b"E\0\0\0\x05\0"), "it is starting up, or refuses");
        assert!(!answering(b""), "a closed connection is no answer");
    }

    /// Runs one statement through `psql`.
    pub(in crate::servers) fn query(url: &str, statement: &str) -> Output {
        psql(url, statement).output().unwrap()
    }

    fn psql(url: &str, statement: &str) -> Command {
        let mut command = Command::new(programs().unwrap().join("psql"));
        command.args(["--no-psqlrc", "--tuples-only", "--no-align", "--command", statement, url]);
        command
    }

    /// Whether any process has its working directory below `directory`, which may be gone.
    fn is_worked_in(directory: &Path) -> bool {
        let processes = std::fs::read_dir("/proc").unwrap().flatten();
        let mut places =
            processes.filter_map(|process| std::fs::read_link(process.path().join("cwd")).ok());
        places.any(|place| place.starts_with(directory))
    }

    fn run(program: &str, args: &[&str]) {
        let status = Command::new(program).args(args).status().unwrap();
        assert!(status.success(), "{program} {args:?}: {status}");
    }

    fn start_for_test(name: &str) -> Option<(Cluster, PathBuf)> {
        let directory = private_directory(name);
        let mut port = 0;
        let started = start_in(&directory).map(|cluster| {
            port = cluster.port;
            cluster.server
        });
        let server = skip_unless_installed(started, "PostgreSQL")?;
        Some((Cluster { server, port }, directory))
    }

    fn assert_nothing_is_left(port: u16, directory: &Path) {
        assert!(TcpStream::connect(loopback(port)).is_err(), "nobody listens any more");
        assert!(!directory.exists(), "its files are gone");
        assert!(!is_worked_in(directory), "no backend is left");
    }

    #[test]
    fn a_real_cluster_starts_and_leaves_nothing_behind() {
        let Some((cluster, directory)) = start_for_test("postgres-starts") else { return };
        let (name, url) = &cluster.server.env[0];
        assert_eq!(*name, "LEGWORK_POSTGRES_URL", "the name that tests look for");
        let settings = "SELECT current_setting('max_connections'), current_setting('fsync')";
        let answer = query(url, settings);
        assert_eq!(answer.stdout, b"300|off\n", "its settings: {answer:?}");
        assert!(is_worked_in(&directory), "it works in its directory, and can be seen there");
        let port = cluster.port;
        drop(cluster);
        assert_nothing_is_left(port, &directory);
    }

    #[test]
    fn a_busy_backend_does_not_outlive_a_postmaster_that_was_killed() {
        let Some((cluster, directory)) = start_for_test("postgres-killed") else { return };
        let (_, url) = &cluster.server.env[0];
        // More than a minute of work, but not without an end, should this test fail.
        let mut busy = psql(url, "DO 'BEGIN FOR n IN 1..2000000000 LOOP END LOOP; END'");
        let mut busy = busy.stderr(Stdio::null()).spawn().unwrap();
        let n_busy = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'DO %'";
        let is_busy = || Ok((query(url, n_busy).stdout == b"1\n").then_some(()));
        let started = clock::wait_for(Duration::from_secs(30), is_busy).unwrap();
        assert_eq!(started, Some(()), "the backend runs its loop");
        let file = std::fs::read_to_string(directory.join("data/postmaster.pid")).unwrap();
        let lines: Vec<&str> = file.lines().collect();
        run("kill", &["-s", "KILL", lines[0]]);
        let port = cluster.port;
        drop(cluster);
        busy.kill().unwrap();
        assert!(!busy.wait().unwrap().success(), "the client was not done");
        assert_nothing_is_left(port, &directory);
        // The few bytes by which a postmaster knows that another still runs; the next would take
        // them over. The seventh line of its file is their key and their number.
        run("ipcrm", &["-m", lines[6].split_whitespace().nth(1).unwrap()]);
    }
}
