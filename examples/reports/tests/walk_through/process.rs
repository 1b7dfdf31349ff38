//! The program as a child process, in whichever role.

use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, mpsc};
use std::thread::JoinHandle;

use crate::place::Place;
use crate::wait::until;

/// A running process. Dropping it kills it, and prints its log when the test has failed.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    data: PathBuf,
    log: Arc<Mutex<String>>,
    readers: Vec<JoinHandle<()>>,
}

impl Process {
    /// Starts the program at `place`; also returns the lines that it prints.
    pub(crate) fn start(
        place: &Place,
        settings: &[(&str, &str)],
    ) -> (Self, mpsc::Receiver<String>) {
        let mut child = Command::new(env!("CARGO_BIN_EXE_reports"))
            .env_clear()
            .env("REPORTS_ADDR", "127.0.0.1:0")
            .env("REPORTS_DATA", place.data())
            .envs(place.database_url().map(|url| ("DATABASE_URL", url)))
            .envs(settings.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let log = Arc::new(Mutex::new(String::new()));
        let (lines, seen) = mpsc::channel();
        let stdout = child.stdout.take().expect("stdout is piped");
        let stderr = child.stderr.take().expect("stderr is piped");
        let readers = vec![
            read_lines(stdout, Arc::clone(&log), lines),
            read_lines(stderr, Arc::clone(&log), mpsc::channel().0),
        ];
        (Self { child, data: place.data().to_owned(), log, readers }, seen)
    }

    /// Waits until the log says `text`.
    pub(crate) fn says(&self, text: &str) {
        until(&format!("{text:?} in the log"), || {
            self.log.lock().unwrap().contains(text).then_some(())
        });
    }

    /// Ends the process as a crash does: nothing is tidied up.
    pub(crate) fn kill(mut self) {
        self.child.kill().expect("the process can be killed");
        self.child.wait().expect("the process ends");
    }

    /// Asks the process to stop and returns its exit code.
    pub(crate) fn terminate(mut self) -> Option<i32> {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-TERM", &pid]).status();
        assert!(sent.expect("there is a `kill`").success(), "SIGTERM cannot be sent");
        until("the process to stop", || self.child.try_wait().expect("the process exists")).code()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already, which is as good.
        drop(self.child.kill());
        drop(self.child.wait());
        for reader in self.readers.drain(..) {
            drop(reader.join());
        }
        if std::thread::panicking() {
            let log = self.log.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            eprintln!("--- the log of {} ---\n{log}", self.data.display());
        }
    }
}

/// Copies what the process prints into `log`, and line by line to `lines`.
fn read_lines(
    source: impl Read + Send + 'static,
    log: Arc<Mutex<String>>,
    lines: mpsc::Sender<String>,
) -> JoinHandle<()> {
    std::thread::spawn(move || {
        for line in BufReader::new(source).lines().map_while(Result::ok) {
            let mut log = log.lock().unwrap();
            log.push_str(&line);
            log.push('\n');
            drop(log);
            // Nobody listens any more once the address is known.
            drop(lines.send(line));
        }
    })
}
