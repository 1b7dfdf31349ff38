//! A dashboard over a memory storage, and a server that moves its jobs.
//!
//! All tests of pages use it. Time stands still unless a test moves it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::ConnectInfo;
use axum::http::{HeaderMap, Request, Response, StatusCode, header};
use legwork_core::storage::exchange::RunErrorKind;
use legwork_core::storage::{
    Claim, ClaimedJob, Exchange, FailReason, Finish, NewJob, RunError, ServerInfo, Verdict,
};
use legwork_core::{Incarnation, Inspect, JobId, JobState, Kind, QueueName, Storage, Store};
use legwork_dashboard::{Access, DashboardOptions, router_with};
use legwork_testing::{MemoryStorage, TestClock};
use tower::ServiceExt as _;

/// The server that runs the jobs.
pub(crate) const SERVER: u128 = 0x1111_2222_3333_4444_5555_6666_7777_8888;

/// A dashboard at `/jobs`.
pub(crate) struct Shop {
    pub(crate) store: MemoryStorage,
    pub(crate) clock: TestClock,
    pub(crate) app: Router,
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Shop {
    /// Makes one for requests from this machine, with a live server.
    pub(crate) async fn new() -> Self {
        Self::with(Access::local_only(), DashboardOptions::new()).await
    }

    pub(crate) async fn with(access: Access, options: DashboardOptions) -> Self {
        let clock = TestClock::new();
        let store = MemoryStorage::with_clock(clock.clone());
        let shared: Arc<dyn Store> = Arc::new(store.clone());
        let app = Router::new().nest("/jobs", router_with(shared, access, options));
        let shop = Self { store, clock, app };
        shop.register(SERVER, "web-1/4711").await;
        shop
    }

    pub(crate) async fn register(&self, bits: u128, name: &str) {
        let info = ServerInfo {
            incarnation: Incarnation::from_bits(bits),
            name: name.to_owned(),
            workers: 4,
            queues: vec![queue("default"), queue("mail")],
            kinds: vec![kind("mail.welcome"), kind("report.build")],
            version: "0.1.0".to_owned(),
        };
        self.store.register(info).await.unwrap();
    }

    pub(crate) async fn get(&self, path: &str) -> Page {
        self.send(get(path)).await
    }

    /// Sends a form as a browser on a page of the dashboard would.
    pub(crate) async fn post(&self, path: &str, form: &str) -> Page {
        self.send(post(path, form)).await
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Page {
        let response = self.open(request).await;
        let (parts, body) = response.into_parts();
        let bytes = to_bytes(body, 4 << 20).await.unwrap();
        let body = String::from_utf8(bytes.to_vec()).unwrap();
        Page { status: parts.status, headers: parts.headers, body }
    }

    /// Sends a request and leaves the answer unread.
    pub(crate) async fn open(&self, request: Request<Body>) -> Response<Body> {
        self.app.clone().oneshot(request).await.unwrap()
    }

    pub(crate) async fn enqueue(&self, job: NewJob) -> JobId {
        self.store.enqueue(vec![job]).await.unwrap()[0].id()
    }

    /// Enqueues a plain job of `mail.welcome`.
    pub(crate) async fn mail(&self) -> JobId {
        self.enqueue(mail_job()).await
    }

    pub(crate) async fn claim(&self) -> ClaimedJob {
        let claim = Claim {
            queues: vec![queue("default"), queue("mail")],
            kinds: vec![kind("mail.welcome"), kind("report.build")].into(),
            max: 1,
            suspects_max: 1,
        };
        let server = Incarnation::from_bits(SERVER);
        let exchange = Exchange { server, finish: Vec::new(), claim: Some(claim) };
        self.store.exchange(exchange).await.unwrap().claimed.remove(0)
    }

    pub(crate) async fn finish(&self, job: &ClaimedJob, verdict: Verdict) {
        let ran_for = Duration::from_millis(1_250);
        let finish = Finish { id: job.id, run: job.run, lease: job.lease, ran_for, verdict };
        let server = Incarnation::from_bits(SERVER);
        let exchange = Exchange { server, finish: vec![finish], claim: None };
        self.store.exchange(exchange).await.unwrap();
    }

    /// Leaves a job that failed for good with this error.
    pub(crate) async fn failed(&self, error: &str) -> JobId {
        let id = self.mail().await;
        let job = self.claim().await;
        assert_eq!(job.id, id, "nothing else may wait");
        self.finish(&job, failed(error)).await;
        id
    }

    pub(crate) async fn state(&self, id: JobId) -> Option<JobState> {
        self.store.job(id).await.unwrap().map(|job| job.summary.state)
    }
}

impl Page {
    /// Asserts that the body has each of these texts, and shows it where not.
    #[track_caller]
    pub(crate) fn has(&self, texts: &[&str]) {
        for text in texts {
            assert!(self.body.contains(text), "no {text:?} in\n{}", self.body);
        }
    }

    #[track_caller]
    pub(crate) fn lacks(&self, texts: &[&str]) {
        for text in texts {
            assert!(!self.body.contains(text), "there is {text:?} in\n{}", self.body);
        }
    }

    /// Returns where a redirect leads.
    #[track_caller]
    pub(crate) fn location(&self) -> &str {
        assert_eq!(self.status, StatusCode::SEE_OTHER, "{}", self.body);
        self.headers[header::LOCATION].to_str().unwrap()
    }

    /// Returns the element with this id, by its first line that starts with `<` and its indentation
    /// of none: every fragment stands on lines of its own.
    #[track_caller]
    pub(crate) fn fragment(&self, id: &str) -> String {
        let mark = format!(" id=\"{id}\"");
        let at = self.body.find(&mark).unwrap_or_else(|| panic!("no {id} in\n{}", self.body));
        let start = self.body[..at].rfind('<').unwrap();
        let name = self.body[start + 1..].split([' ', '>']).next().unwrap();
        let end = self.body[start..].find(&format!("\n</{name}>")).unwrap();
        format!("{}\n</{name}>", &self.body[start..start + end])
    }
}

pub(crate) fn get(path: &str) -> Request<Body> {
    local(Request::get(path)).body(Body::empty()).unwrap()
}

pub(crate) fn post(path: &str, form: &str) -> Request<Body> {
    local(Request::post(path))
        .header("sec-fetch-site", "same-origin")
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Body::from(form.to_owned()))
        .unwrap()
}

/// Adds what every request of a browser on this machine has.
pub(crate) fn local(builder: axum::http::request::Builder) -> axum::http::request::Builder {
    let peer: SocketAddr = "127.0.0.1:50000".parse().unwrap();
    builder.header(header::HOST, "localhost:8080").extension(ConnectInfo(peer))
}

pub(crate) fn mail_job() -> NewJob {
    let mut job = NewJob::new(kind("mail.welcome"), br#"{"user_id":9007199254740993}"#.to_vec());
    job.queue = queue("mail");
    job
}

pub(crate) fn failed(error: &str) -> Verdict {
    let error = RunError::new(RunErrorKind::Error, error);
    Verdict::Failed { reason: FailReason::Exhausted, error }
}

pub(crate) fn retry(error: &str, after: Duration) -> Verdict {
    Verdict::Retry { after, error: RunError::new(RunErrorKind::Error, error) }
}

pub(crate) fn succeeded() -> Verdict {
    Verdict::Succeeded { result: Some(br#"{"sent":true}"#.to_vec()) }
}

pub(crate) fn queue(name: &str) -> QueueName {
    QueueName::new(name).unwrap()
}

pub(crate) fn kind(name: &str) -> Kind {
    Kind::new(name).unwrap()
}
