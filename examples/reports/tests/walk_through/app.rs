//! The program under test: a child process with a directory of its own.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, mpsc};
use std::thread::JoinHandle;

use legwork::inspect::{JobDetail, JobFilter, Page};
use legwork::sqlite::SqliteStorage;
use legwork::{Inspect, JobId, JobState, Kind};
use serde_json::Value;

use crate::http::{Answer, request};
use crate::wait::{PATIENCE, until};

/// The sample data that ships with the application.
pub(crate) const SAMPLE: &str = include_str!("../../data/seattle-weather-hourly-normals.csv");

/// Returns a CSV file with the sample's rows `times` over: 8,759 rows each time.
pub(crate) fn sample_times(times: usize) -> String {
    let (header, rows) = SAMPLE.split_once('\n').expect("the sample has a header");
    let mut csv = format!("{header}\n");
    for _ in 0..times {
        csv.push_str(rows);
        if !csv.ends_with('\n') {
            csv.push('\n');
        }
    }
    csv
}

/// A running process. Dropping it kills it, and prints its log when the test has failed.
#[derive(Debug)]
pub(crate) struct App {
    child: Child,
    addr: SocketAddr,
    data: PathBuf,
    log: Arc<Mutex<String>>,
    readers: Vec<JoinHandle<()>>,
}

impl App {
    /// Starts the program on the directory `data` and waits until it says that it listens.
    pub(crate) fn start(data: &Path, settings: &[(&str, &str)]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_reports"))
            .env_clear()
            .env("REPORTS_ADDR", "127.0.0.1:0")
            .env("REPORTS_DATA", data)
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
        let addr = loop {
            let Ok(line) = seen.recv_timeout(PATIENCE) else {
                drop(child.kill());
                panic!("the program does not listen:\n{}", log.lock().unwrap());
            };
            if let Some(addr) = line.strip_prefix("listening on http://") {
                break addr.parse().expect("an address");
            }
        };
        Self { child, addr, data: data.to_owned(), log, readers }
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        request(self.addr, "GET", path, &[], b"").expect("the program answers")
    }

    /// Asks as a browser does.
    pub(crate) fn browse(&self, path: &str) -> Answer {
        let head = [("accept", "text/html,application/xhtml+xml")];
        request(self.addr, "GET", path, &head, b"").expect("the program answers")
    }

    pub(crate) fn post(&self, path: &str, head: &[(&str, &str)], body: &[u8]) -> Answer {
        request(self.addr, "POST", path, head, body).expect("the program answers")
    }

    pub(crate) fn post_json(&self, path: &str, json: &Value) -> Answer {
        self.post(path, &[("content-type", "application/json")], json.to_string().as_bytes())
    }

    /// Presses a button of the dashboard.
    pub(crate) fn press(&self, path: &str) -> Answer {
        let head = [
            ("content-type", "application/x-www-form-urlencoded"),
            ("sec-fetch-site", "same-origin"),
        ];
        self.post(path, &head, b"")
    }

    /// Uploads a file and returns where its report will be.
    pub(crate) fn upload(&self, query: &str, csv: &str) -> String {
        let head = [("content-type", "text/csv")];
        let path = format!("/reports?{query}");
        let answer = self.post(&path, &head, csv.as_bytes());
        assert_eq!(answer.status, 202, "{answer:?}");
        answer.headers.get("location").expect("a location").clone()
    }

    /// Waits until a report has got as far as `is_there` wants.
    pub(crate) fn report(&self, path: &str, is_there: impl Fn(&Value) -> bool) -> Value {
        until(&format!("{path} to get there"), || {
            Some(self.get(path).json()).filter(|report| is_there(report))
        })
    }

    /// Waits until a job has begun to report progress.
    pub(crate) fn under_way(&self, path: &str) {
        self.report(path, |report| report["progress"]["share"].as_f64() > Some(0.0));
    }

    /// Waits until a report is built and mailed.
    pub(crate) fn delivered(&self, path: &str) -> Value {
        self.report(path, |report| report["mail"] == "succeeded")
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

impl Drop for App {
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

/// Lists the mails in the directory, sorted by name.
pub(crate) fn mails(data: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(data.join("mails")) else { return Vec::new() };
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    // A file that is just being written is not a mail yet.
    let mut names: Vec<String> = names.filter(|name| !name.starts_with('.')).collect();
    names.sort();
    names
}

/// Waits until a mail is there and returns its text.
pub(crate) fn mail(data: &Path, name: &str) -> String {
    let path = data.join("mails").join(name);
    until(&format!("the mail {name}"), || std::fs::read_to_string(&path).ok())
}

/// Reads a job from the storage, in this process.
pub(crate) fn job(data: &Path, id: i64) -> JobDetail {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let storage = SqliteStorage::open(data.join("app.db")).await.unwrap();
        storage.job(JobId::new(id).unwrap()).await.unwrap().expect("there is such a job")
    })
}

/// Lists the jobs of a kind that are in a state, in this process.
pub(crate) fn jobs(data: &Path, state: JobState, kind: &str) -> Vec<JobDetail> {
    let filter = JobFilter { kind: Some(Kind::new(kind).unwrap()), ..JobFilter::state(state) };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let storage = SqliteStorage::open(data.join("app.db")).await.unwrap();
        let page = storage.jobs(filter, Page::first(100)).await.unwrap();
        let mut jobs = Vec::new();
        for summary in page.jobs {
            jobs.push(storage.job(summary.id).await.unwrap().expect("the job is there"));
        }
        jobs
    })
}

/// Returns the id in the job link that an answer shows: `/jobs/{id}`.
pub(crate) fn job_id(answer: &Value) -> i64 {
    let link = answer["job"].as_str().expect("a link to the job");
    link.rsplit('/').next().and_then(|id| id.parse().ok()).expect("an id")
}
