//! Servers for tests: the shared one, and private ones that a test sets up as it likes.

use std::io::Write as _;
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use tempfile::TempDir;

/// Returns the URL of the shared server, or records that `test` is skipped.
pub(super) fn shared_server(test: &str) -> Option<String> {
    variable("LEGWORK_POSTGRES_URL", test)
}

/// Returns a variable of the environment, or records that `test` is skipped without it.
pub(super) fn variable(name: &str, test: &str) -> Option<String> {
    let value = std::env::var(name).ok();
    if value.is_none() {
        skip(test, &format!("{name} is not set"));
    }
    value
}

/// Records that `test` is skipped.
fn skip(test: &str, why: &str) {
    let line = format!("{test}: {why}");
    // People who run a test by hand see why it did nothing.
    writeln!(std::io::stdout(), "SKIPPED: {line}").expect("someone reads what tests say");
    if let Some(path) = std::env::var_os("LEGWORK_TEST_SKIPS") {
        let file = std::fs::OpenOptions::new().append(true).create(true).open(path);
        writeln!(file.expect("the file of skips"), "{line}").expect("the file of skips");
    }
}

/// Returns a port on which nobody listens.
pub(super) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// The account under which servers run, when we are root: they refuse root.
#[derive(Clone, Copy)]
pub(super) struct Account {
    uid: u32,
    gid: u32,
}

impl Account {
    pub(super) fn for_servers() -> Option<Self> {
        let name = std::env::var("LEGWORK_POSTGRES_OS_USER").ok()?;
        let id = |flag: &str| {
            let output = Command::new("id").args([flag, name.as_str()]).output().unwrap();
            String::from_utf8(output.stdout).unwrap().trim().parse().unwrap()
        };
        Some(Self { uid: id("-u"), gid: id("-g") })
    }

    /// Hands a file or directory over.
    pub(super) fn own(self, path: &std::path::Path) {
        chown(path, Some(self.uid), Some(self.gid)).unwrap();
    }

    pub(super) fn become_by(self, command: &mut Command) {
        command.uid(self.uid).gid(self.gid);
    }
}

/// A private server, which is stopped and removed when it is dropped.
pub(super) struct Cluster {
    pub(super) port: u16,
    programs: PathBuf,
    account: Option<Account>,
    directory: TempDir,
}

impl Cluster {
    /// Makes a server with `settings` besides the defaults, and starts it after `prepare`.
    pub(super) fn start(test: &str, settings: &str, prepare: impl FnOnce(&Self)) -> Option<Self> {
        let programs = variable("LEGWORK_POSTGRES_BIN", test)?.into();
        let account = Account::for_servers();
        let directory = tempfile::tempdir().unwrap();
        if let Some(account) = account {
            account.own(directory.path());
        }
        let cluster = Self { port: free_port(), programs, account, directory };
        let flags = ["--username=postgres", "--auth=trust", "--no-locale", "--encoding=UTF8"];
        cluster.run("initdb", &[&flags[..], &["--no-sync"]].concat());
        let mut file =
            std::fs::OpenOptions::new().append(true).open(cluster.path("postgresql.conf"));
        let (port, sockets) = (cluster.port, cluster.path(""));
        write!(
            file.as_mut().unwrap(),
            "listen_addresses = '127.0.0.1'\nport = {port}\nunix_socket_directories = '{sockets}'\n\
             fsync = off\nshared_buffers = 16MB\n{settings}"
        )
        .unwrap();
        prepare(&cluster);
        cluster.start_again();
        Some(cluster)
    }

    /// Starts the server, which was stopped or killed.
    pub(super) fn start_again(&self) {
        let log = self.path("log");
        self.run("pg_ctl", &["start", "--wait", "--silent", "--log", &log]);
    }

    /// Returns the path of a file in the data directory.
    pub(super) fn path(&self, name: &str) -> String {
        self.directory.path().join("data").join(name).to_str().unwrap().to_owned()
    }

    /// Writes a file of the data directory, which only the server may read.
    pub(super) fn write(&self, name: &str, text: &str) {
        let path = PathBuf::from(self.path(name));
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
        if let Some(account) = self.account {
            account.own(&path);
        }
    }

    /// Runs a program of the server on the data directory.
    pub(super) fn run(&self, program: &str, arguments: &[&str]) {
        let output = self.command(program, arguments).output().unwrap();
        let (said, log) = (String::from_utf8_lossy(&output.stderr), self.path("log"));
        let log = std::fs::read_to_string(log).unwrap_or_default();
        assert!(output.status.success(), "{program}: {said}\n{log}");
    }

    fn command(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.programs.join(program));
        command.args(arguments).env("PGDATA", self.path("")).current_dir(self.directory.path());
        command.stdin(Stdio::null());
        if let Some(account) = self.account {
            account.become_by(&mut command);
        }
        command
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // A server that never started cannot be stopped, and needs not be.
        let stop = self.command("pg_ctl", &["stop", "--mode=immediate", "--silent"]).output();
        drop(stop);
    }
}
