//! Child processes that cannot outlive xtask: servers and test runners.
//!
//! Every long-lived child is started here, by `runner` and by `servers`. `guard.sh` is the other
//! half: it holds a pipe to xtask and stops its whole process group when the pipe closes, so that
//! even `kill -9` of xtask leaves nothing behind. No other file may start a server.

use crate::account::Account;
use crate::clock;
use anyhow::Context as _;
use std::ffi::OsStr;
use std::fs::{DirBuilder, File};
use std::os::unix::fs::{DirBuilderExt as _, lchown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::time::Duration;

const SCRIPT: &str = include_str!("guard.sh");

/// `guard.sh` gives a group ten seconds to stop before it kills it; this is a little more.
const STOP_LIMIT: Duration = Duration::from_secs(15);

/// How a server is asked to stop, unless it is known to take something else as that.
const STOP_SIGNAL: &str = "TERM";

/// A command that runs as the leader of its own process group, under `guard.sh`.
///
/// Dropping it stops the group and removes its directory.
#[derive(Debug)]
pub(crate) struct Guarded {
    child: Child,
    lifeline: Option<ChildStdin>,
    directory: Option<PathBuf>,
}

impl Guarded {
    /// Starts a server that owns a new private directory; its output goes to `log` in there.
    ///
    /// # Errors
    /// The directory could not be made, or no shell could be started.
    pub(crate) fn server(directory: &Path, command: &Command) -> anyhow::Result<Self> {
        Self::server_as(None, directory, command, STOP_SIGNAL)
    }

    /// The same under another account, to which the directory will belong, and with the name of the
    /// signal that asks this server to stop at once.
    ///
    /// # Errors
    /// See [`Guarded::server`]; and only root may change to another account.
    pub(crate) fn server_as(
        account: Option<&Account>,
        directory: &Path,
        command: &Command,
        stop_signal: &str,
    ) -> anyhow::Result<Self> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(directory)
            .with_context(|| format!("{} could not be made", directory.display()))?;
        let log = File::create(directory.join("log"))?;
        let mut shell = guarded(directory.as_os_str(), command, stop_signal);
        shell.stdout(log.try_clone()?).stderr(log);
        if let Some(Account { name, user_id, group_id }) = account {
            lchown(directory, Some(*user_id), Some(*group_id))
                .with_context(|| format!("{} cannot be given to {name}", directory.display()))?;
            shell.uid(*user_id).gid(*group_id);
        }
        Self::start(shell, Some(directory.to_path_buf()))
    }

    /// Makes a private directory in which nothing runs, and which goes when xtask does.
    ///
    /// # Errors
    /// See [`Guarded::server`].
    pub(crate) fn directory(directory: &Path) -> anyhow::Result<Self> {
        Self::server(directory, &Command::new("true"))
    }

    /// Starts a command whose two output streams the caller reads.
    ///
    /// # Errors
    /// No shell could be started.
    pub(crate) fn piped(command: &Command) -> anyhow::Result<Self> {
        let mut shell = guarded("".as_ref(), command, STOP_SIGNAL);
        shell.stdout(Stdio::piped()).stderr(Stdio::piped());
        Self::start(shell, None)
    }

    fn start(mut shell: Command, directory: Option<PathBuf>) -> anyhow::Result<Self> {
        let mut child = shell.spawn().context("`sh` could not be started")?;
        // Taken out of the child because `Child::wait` would close it, which means "stop".
        let lifeline = child.stdin.take();
        Ok(Self { child, lifeline, directory })
    }

    pub(crate) fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// Waits until the command ends by itself, and stops what it left running in its group.
    ///
    /// `None` when it did not end within `limit`: then all of it is stopped.
    ///
    /// # Errors
    /// The system refuses to wait for the child.
    pub(crate) fn wait(&mut self, limit: Duration) -> anyhow::Result<Option<ExitStatus>> {
        let ended = clock::wait_for(limit, || {
            self.child.try_wait().context("a child process could not be awaited")
        });
        self.lifeline = None;
        ended
    }

    /// Whether the command has ended; only known of a server.
    pub(crate) fn has_ended(&self) -> bool {
        self.directory.as_ref().is_some_and(|directory| directory.join("exit-status").exists())
    }

    /// The last lines of a server's output, for the message that says why it did not start.
    pub(crate) fn log_tail(&self) -> String {
        let path = self.directory.as_ref().map(|directory| directory.join("log"));
        let log = path.and_then(|path| std::fs::read_to_string(path).ok()).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(15)..].join("\n")
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        self.lifeline = None;
        // The leader dies with its group, so there is nothing to learn from how it ended.
        drop(self.child.wait());
        if let Some(directory) = &self.directory {
            // The directory goes last: once it is gone, so is everything that used it.
            let gone = clock::wait_for(STOP_LIMIT, || Ok((!directory.exists()).then_some(())));
            if !matches!(gone, Ok(Some(()))) {
                println!("xtask: {} is still there and should not be", directory.display());
            }
        }
    }
}

/// `sh guard.sh <directory> <signal> <command…>` with the environment and working directory of
/// `command`.
fn guarded(directory: &OsStr, command: &Command, stop_signal: &str) -> Command {
    let mut shell = Command::new("sh");
    shell.args(["-c", SCRIPT, "guard"]).arg(directory).arg(stop_signal);
    shell.arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    if let Some(working_directory) = command.get_current_dir() {
        shell.current_dir(working_directory);
    }
    shell.process_group(0).stdin(Stdio::piped());
    shell
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read as _;

    const LIMIT: Duration = Duration::from_secs(30);

    fn directory(name: &str) -> PathBuf {
        std::env::temp_dir().join(format!("legwork-guard-{name}-{}", std::process::id()))
    }

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    /// The process id that the script wrote to `pid` in its directory.
    fn written_pid(directory: &Path) -> String {
        let read = || Ok(std::fs::read_to_string(directory.join("pid")).ok());
        let complete = || read().map(|text| text.filter(|pid| pid.ends_with('\n')));
        clock::wait_for(LIMIT, complete).unwrap().expect("the server writes its pid")
    }

    fn is_alive(pid: &str) -> bool {
        shell(&format!("kill -s 0 {pid} 2>/dev/null")).status().unwrap().success()
    }

    #[test]
    fn dropping_a_server_stops_it_and_removes_its_directory() {
        let directory = directory("drop");
        let script = format!("echo $$ >{}/pid; exec sleep 600", directory.display());
        let server = Guarded::server(&directory, &shell(&script)).unwrap();
        let pid = written_pid(&directory);
        assert!(is_alive(pid.trim()), "the server runs until it is dropped");
        drop(server);
        assert!(!directory.exists(), "the directory went with its server");
        let gone = clock::wait_for(LIMIT, || Ok((!is_alive(pid.trim())).then_some(())));
        assert_eq!(gone.unwrap(), Some(()), "the server went with its guard");
    }

    #[test]
    fn dropping_a_server_stops_what_the_server_had_started() {
        let directory = directory("group");
        let script =
            format!("sleep 600 & echo $! >{}/pid; trap '' TERM; wait; wait", directory.display());
        let server = Guarded::server(&directory, &shell(&script)).unwrap();
        let pid = written_pid(&directory);
        drop(server);
        let gone = clock::wait_for(LIMIT, || Ok((!is_alive(pid.trim())).then_some(())));
        assert_eq!(gone.unwrap(), Some(()), "the grandchild is of the same group");
    }

    #[test]
    fn a_server_is_asked_to_stop_with_the_signal_that_it_understands() {
        let directory = directory("signal");
        // It ignores what servers are asked with otherwise, and says when it is asked in its way.
        let asked = std::env::temp_dir().join(format!("legwork-asked-{}", std::process::id()));
        let script = format!(
            "trap '' TERM; trap 'echo >{}; exit' QUIT; echo $$ >{}/pid; while :; do sleep 0.1; done",
            asked.display(),
            directory.display(),
        );
        let server = Guarded::server_as(None, &directory, &shell(&script), "QUIT").unwrap();
        written_pid(&directory);
        drop(server);
        assert!(std::fs::remove_file(&asked).is_ok(), "the trap for QUIT ran");
    }

    #[test]
    fn a_server_under_another_account_owns_its_directory() {
        let Some(account) = Account::for_server().unwrap() else { return };
        let directory = directory("account");
        let script = "touch mine; id -u; sleep 600";
        let mut command = shell(script);
        command.current_dir(&directory);
        let server = Guarded::server_as(Some(&account), &directory, &command, "TERM").unwrap();
        let says = || Ok((!server.log_tail().is_empty()).then(|| server.log_tail()));
        let said = clock::wait_for(LIMIT, says).unwrap();
        assert_eq!(said, Some(account.user_id.to_string()), "nothing is in the way of the file");
        drop(server);
        assert!(!directory.exists(), "and it can remove the directory");
    }

    #[test]
    fn a_server_that_ends_by_itself_is_noticed_with_its_last_words() {
        let directory = directory("ends");
        let server = Guarded::server(&directory, &shell("echo no port left; exit 3")).unwrap();
        let ended = clock::wait_for(LIMIT, || Ok(server.has_ended().then_some(())));
        assert_eq!(ended.unwrap(), Some(()), "the guard recorded the end");
        assert_eq!(server.log_tail(), "no port left", "the log says why");
    }

    #[test]
    fn a_piped_command_hands_over_its_output_and_its_status() {
        let mut run = Guarded::piped(&shell("echo out; exit 7")).unwrap();
        let mut out = String::new();
        run.child().stdout.take().unwrap().read_to_string(&mut out).unwrap();
        let status = run.wait(LIMIT).unwrap().expect("it ends by itself");
        assert_eq!(status.code(), Some(7), "the status of the command itself");
        assert_eq!(out, "out\n", "the output of the command itself");
    }
}
