//! The application under test: what a browser and a mailbox see of it.
//!
//! `process` starts and ends the program, `place` knows where it keeps everything.

use std::net::SocketAddr;

use legwork::inspect::{JobDetail, JobFilter, Page};
use legwork::{JobId, JobState, Kind};
use serde_json::Value;

use crate::http::{Answer, request};
use crate::place::Place;
use crate::process::Process;
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

/// A running process that answers requests. Dropping it ends it.
#[derive(Debug)]
pub(crate) struct App {
    process: Process,
    addr: SocketAddr,
}

impl App {
    /// Starts the program at `place` and waits until it says that it listens.
    pub(crate) fn start(place: &Place, settings: &[(&str, &str)]) -> Self {
        let (process, lines) = Process::start(place, settings);
        let addr = loop {
            let Ok(line) = lines.recv_timeout(PATIENCE) else {
                panic!("the program does not listen");
            };
            if let Some(addr) = line.strip_prefix("listening on http://") {
                break addr.parse().expect("an address");
            }
        };
        Self { process, addr }
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
        self.process.says(text);
    }

    /// Ends the process as a crash does: nothing is tidied up.
    pub(crate) fn kill(self) {
        self.process.kill();
    }

    /// Asks the process to stop and returns its exit code.
    pub(crate) fn terminate(self) -> Option<i32> {
        self.process.terminate()
    }
}

/// Lists the mails in the directory, sorted by name.
pub(crate) fn mails(place: &Place) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(place.data().join("mails")) else { return Vec::new() };
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    // A file that is just being written is not a mail yet.
    let mut names: Vec<String> = names.filter(|name| !name.starts_with('.')).collect();
    names.sort();
    names
}

/// Waits until a mail is there and returns its text.
pub(crate) fn mail(place: &Place, name: &str) -> String {
    let path = place.data().join("mails").join(name);
    until(&format!("the mail {name}"), || std::fs::read_to_string(&path).ok())
}

/// Reads a job from the storage, in this process.
pub(crate) fn job(place: &Place, id: i64) -> JobDetail {
    place.with_store(async |store| {
        store.job(JobId::new(id).unwrap()).await.unwrap().expect("there is such a job")
    })
}

/// Lists the jobs of a kind that are in a state, in this process.
pub(crate) fn jobs(place: &Place, state: JobState, kind: &str) -> Vec<JobDetail> {
    let filter = JobFilter { kind: Some(Kind::new(kind).unwrap()), ..JobFilter::state(state) };
    place.with_store(async |store| {
        let page = store.jobs(filter, Page::first(100)).await.unwrap();
        let mut jobs = Vec::new();
        for summary in page.jobs {
            jobs.push(store.job(summary.id).await.unwrap().expect("the job is there"));
        }
        jobs
    })
}

/// Returns the id in the job link that an answer shows: `/jobs/{id}`.
pub(crate) fn job_id(answer: &Value) -> i64 {
    let link = answer["job"].as_str().expect("a link to the job");
    link.rsplit('/').next().and_then(|id| id.parse().ok()).expect("an id")
}
