//! A PostgreSQL server that a test may kill, with everything that belongs to it.

use std::io::Write as _;
use std::net::TcpListener;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::place::{skip, try_run};
use crate::wait::until;

/// The directory of the programs of PostgreSQL.
const BIN_VARIABLE: &str = "LEGWORK_POSTGRES_BIN";

/// The account under which root has to start them; not set for others.
const OS_USER_VARIABLE: &str = "LEGWORK_POSTGRES_OS_USER";

/// A private server, stopped and removed when it is dropped.
#[derive(Debug)]
pub(crate) struct Cluster {
    programs: PathBuf,
    account: Option<(u32, u32)>,
    port: u16,
    postmaster: Option<Child>,
    directory: TempDir,
}

impl Cluster {
    /// Makes and starts a server; `None` without the programs.
    pub(crate) fn start() -> Option<Self> {
        let Some(programs) = std::env::var_os(BIN_VARIABLE) else {
            skip(BIN_VARIABLE);
            return None;
        };
        let account = std::env::var(OS_USER_VARIABLE).ok().map(|name| account(&name));
        let directory = tempfile::tempdir().unwrap();
        if let Some((user, group)) = account {
            chown(directory.path(), Some(user), Some(group)).unwrap();
        }
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let programs = programs.into();
        let mut cluster = Self { programs, account, port, postmaster: None, directory };
        let flags = ["--pgdata=data", "--username=postgres", "--auth=trust", "--encoding=UTF8"];
        let made =
            cluster.command("initdb").args(flags).args(["--no-locale", "--no-sync"]).output();
        let made = made.expect("there is an initdb");
        assert!(made.status.success(), "{made:?}");
        let settings = cluster.directory.path().join("data/postgresql.conf");
        let mut settings = std::fs::OpenOptions::new().append(true).open(settings).unwrap();
        // A kill of processes takes nothing that the operating system has been given: no fsync.
        write!(
            settings,
            "listen_addresses = '127.0.0.1'\nport = {port}\nunix_socket_directories = ''\n\
             fsync = off\nshared_buffers = 32MB\ndynamic_shared_memory_type = mmap\n"
        )
        .unwrap();
        cluster.start_again();
        Some(cluster)
    }

    pub(crate) fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    /// Ends the postmaster and all its children as a crash does, all at once.
    pub(crate) fn kill(&mut self) {
        let mut postmaster = self.postmaster.take().expect("it runs");
        let id = postmaster.id();
        // Stopped, it starts no more children meanwhile.
        signal("STOP", &[id]);
        let mut all = children(id);
        assert!(!all.is_empty(), "a server has processes besides the first");
        all.push(id);
        signal("KILL", &all);
        postmaster.wait().expect("it ends");
    }

    /// Starts the server on what a crash has left, and waits until it answers.
    pub(crate) fn start_again(&mut self) {
        let url = self.url();
        until("the server to answer", || {
            let ended = |child: &mut Child| child.try_wait().expect("it was started").is_some();
            // It refuses for as long as a process of the last one still lives.
            if self.postmaster.as_mut().is_none_or(ended) {
                let log = std::fs::File::create(self.directory.path().join("log")).unwrap();
                let mut command = self.command("postgres");
                command.args(["-D", "data"]).stdout(Stdio::null()).stderr(log);
                self.postmaster = Some(command.spawn().expect("there is a postgres"));
            }
            try_run(&url, "SELECT 1").ok()
        });
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.programs.join(program));
        command.current_dir(self.directory.path()).stdin(Stdio::null());
        if let Some((user, group)) = self.account {
            command.uid(user).gid(group);
        }
        command
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if let Some(mut postmaster) = self.postmaster.take() {
            // The immediate shutdown, which leaves no process and no shared memory behind.
            signal("QUIT", &[postmaster.id()]);
            drop(postmaster.wait());
        }
    }
}

fn account(name: &str) -> (u32, u32) {
    let id = |flag: &str| {
        let output = Command::new("id").args([flag, name]).output().expect("there is an id");
        String::from_utf8(output.stdout).unwrap().trim().parse().expect("a number")
    };
    (id("-u"), id("-g"))
}

/// Sends a signal to processes; one that has just ended is as good.
fn signal(name: &str, ids: &[u32]) {
    let ids = ids.iter().map(u32::to_string);
    let mut kill = Command::new("kill");
    kill.args(["-s", name]).args(ids).stderr(Stdio::null());
    kill.status().expect("there is a kill");
}

fn children(parent: u32) -> Vec<u32> {
    let output = Command::new("ps").args(["-o", "pid=", "--ppid", &parent.to_string()]).output();
    let text = String::from_utf8(output.expect("there is a ps").stdout).unwrap();
    text.split_whitespace().map(|id| id.parse().expect("a number")).collect()
}
