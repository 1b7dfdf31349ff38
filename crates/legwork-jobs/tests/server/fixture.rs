//! A client on a memory storage, a server that polls quickly, and waits with a deadline.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use legwork_core::inspect::JobDetail;
use legwork_core::{Job, JobId, JobState, RetryPolicy};
use legwork_jobs::observer::RunEventEnd;
use legwork_jobs::{Jobs, RunEvent, RunEvents, ServerBuilder};
use legwork_testing::{MemoryStorage, TestClock};
use serde::{Deserialize, Serialize};

/// No wait in these tests is longer, unless something is wrong.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

/// What handlers tell the test, in order.
#[derive(Debug, Clone, Default)]
pub(crate) struct App {
    lines: Arc<Mutex<Vec<String>>>,
}

impl App {
    pub(crate) fn tell(&self, line: impl Into<String>) {
        self.lines.lock().unwrap().push(line.into());
    }

    pub(crate) fn told(&self) -> Vec<String> {
        self.lines.lock().unwrap().clone()
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Work {
    pub(crate) n: u32,
}

impl Job for Work {
    const NAME: &'static str = "work";
    const MAX_ATTEMPTS: u32 = 3;

    fn retry_policy() -> RetryPolicy {
        RetryPolicy::fixed(Duration::from_millis(1)).unwrap()
    }
}

pub(crate) fn client() -> Jobs {
    Jobs::new(Arc::new(MemoryStorage::new()))
}

/// A client whose storage time stands still until the clock is advanced.
pub(crate) fn client_with_clock() -> (Jobs, TestClock) {
    let clock = TestClock::new();
    (Jobs::new(Arc::new(MemoryStorage::with_clock(clock.clone()))), clock)
}

pub(crate) fn server(jobs: &Jobs) -> ServerBuilder<App> {
    jobs.server()
        .poll_interval(Duration::from_millis(10))
        .lease(Duration::from_secs(2))
        .cancel_grace(Duration::from_millis(50))
}

pub(crate) async fn within<T>(what: &str, wait: impl Future<Output = T>) -> T {
    let waited = tokio::time::timeout(DEADLINE, wait).await;
    waited.unwrap_or_else(|_| panic!("{what} did not happen within {DEADLINE:?}"))
}

/// Waits for the next end of a run of `id`.
pub(crate) async fn next_end(events: &mut RunEvents, id: impl Into<JobId>) -> RunEventEnd {
    let id = id.into();
    let wait = async {
        loop {
            let RunEvent { id: of, end, .. } = events.next().await.expect("the server lives");
            if of == id {
                return end;
            }
        }
    };
    within("the end of a run", wait).await
}

pub(crate) async fn detail(jobs: &Jobs, id: impl Into<JobId>) -> JobDetail {
    jobs.store().job(id.into()).await.unwrap().expect("the job is there")
}

pub(crate) async fn state(jobs: &Jobs, id: impl Into<JobId>) -> JobState {
    detail(jobs, id).await.summary.state
}

/// Waits until `check` holds, looking every few milliseconds.
pub(crate) async fn until<F: Future<Output = bool>>(what: &str, mut check: impl FnMut() -> F) {
    let wait = async {
        let mut ticks = tokio::time::interval(Duration::from_millis(5));
        while !check().await {
            ticks.tick().await;
        }
    };
    within(what, wait).await;
}
