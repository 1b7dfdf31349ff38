//! The context of a run, for calling a handler as a function in a test.
//!
//! It knows no server and no storage: progress is recorded, results of parents are given by the
//! test. Whole jobs run on the memory storage instead.

use std::sync::{Arc, Mutex, MutexGuard};

use legwork_core::context::{ParentResult, RunFacts, RunLink};
use legwork_core::retry::MAX_ATTEMPTS_DEFAULT;
use legwork_core::{
    BoxFuture, CancellationToken, Clock as _, JobContext, JobId, Kind, Progress, QueueName, Result,
    Run,
};
use serde::Serialize;

use crate::TestClock;

/// Makes the context of a job's first run; the methods change what the handler sees.
///
/// # Examples
/// ```
/// use legwork_core::JobContext;
/// use legwork_testing::fake_context;
///
/// async fn resize(image: String, context: JobContext) {
///     context.progress(0.5, format!("half of {image}"));
/// }
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let fake = fake_context().failures(2);
/// resize("cat.png".to_owned(), fake.context()).await;
/// assert_eq!(fake.progress()[0].message, "half of cat.png");
/// assert_eq!(fake.context().attempt(), 3);
/// # });
/// ```
pub fn fake_context() -> FakeContext {
    let facts = first_run();
    FakeContext { facts, token: CancellationToken::new(), link: FakeLink::default() }
}

/// Makes contexts for a handler, and records what it tells.
#[derive(Debug, Clone)]
pub struct FakeContext {
    facts: RunFacts,
    token: CancellationToken,
    link: FakeLink,
}

#[derive(Debug, Clone, Default)]
struct FakeLink {
    progress: Arc<Mutex<Vec<Progress>>>,
    parents: Vec<ParentResult>,
}

impl FakeContext {
    /// Sets the job.
    #[must_use]
    pub fn job_id(mut self, id: impl Into<JobId>) -> Self {
        self.facts.id = id.into();
        self
    }

    /// Sets how many runs have failed; this run is the one after them.
    #[must_use]
    pub fn failures(mut self, failures: u32) -> Self {
        self.facts.failures = failures;
        self.facts.run = Run(failures.saturating_add(1));
        self
    }

    /// Sets how many attempts the job has, 20 otherwise.
    #[must_use]
    pub fn max_attempts(mut self, max_attempts: u32) -> Self {
        self.facts.max_attempts = max_attempts;
        self
    }

    /// Sets the kind, `test` otherwise.
    #[must_use]
    pub fn kind(mut self, kind: Kind) -> Self {
        self.facts.kind = kind;
        self
    }

    /// Sets the queue, `default` otherwise.
    #[must_use]
    pub fn queue(mut self, queue: QueueName) -> Self {
        self.facts.queue = queue;
        self
    }

    /// Adds a parent that ended with `result`.
    ///
    /// # Panics
    /// When serde refuses the result.
    #[must_use]
    pub fn parent(mut self, id: impl Into<JobId>, result: &impl Serialize) -> Self {
        let json = serde_json::to_vec(result).expect("the result of a parent must be JSON");
        self.link.parents.push(ParentResult { id: id.into(), json: Some(json) });
        self
    }

    /// Returns a context to call a handler with. All of them share the token and the record.
    pub fn context(&self) -> JobContext {
        JobContext::new(self.facts.clone(), self.token.clone(), self.link.clone())
    }

    /// Returns all progress that was told, earliest first.
    pub fn progress(&self) -> Vec<Progress> {
        self.link.told().clone()
    }
}

impl FakeLink {
    fn told(&self) -> MutexGuard<'_, Vec<Progress>> {
        self.progress.lock().expect("nothing that holds the lock can panic")
    }
}

impl RunLink for FakeLink {
    fn progress(&self, progress: Progress) {
        self.told().push(progress);
    }

    fn parent_results(&self) -> BoxFuture<'_, Result<Vec<ParentResult>>> {
        let parents = self.parents.clone();
        Box::pin(async { Ok(parents) })
    }
}

fn first_run() -> RunFacts {
    RunFacts {
        id: JobId::new(1).expect("1 is positive"),
        run: Run::FIRST,
        failures: 0,
        max_attempts: MAX_ATTEMPTS_DEFAULT,
        kind: Kind::new("test").expect("it is a valid name"),
        queue: QueueName::default(),
        created_at: TestClock::new().now(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use legwork_core::{BoxError, CancelReason};

    async fn handler(context: JobContext) -> Result<u32, BoxError> {
        let rows: u32 = context.parent_output().await?.ok_or("no parent")?;
        context.progress(0.25, "reading");
        context.progress(2.0, "done");
        Ok(rows)
    }

    #[tokio::test]
    async fn a_handler_reads_its_parents_and_tells_its_progress() {
        let fake = fake_context().parent(JobId::new(7).unwrap(), &42);
        assert_eq!(handler(fake.context()).await.unwrap(), 42);
        let told: Vec<_> = fake.progress().into_iter().map(|p| (p.share, p.message)).collect();
        assert_eq!(told, [(0.25, "reading".to_owned()), (1.0, "done".to_owned())]);
    }

    #[tokio::test]
    async fn a_handler_sees_the_attempt_and_the_cancellation_that_a_test_wants() {
        let context = fake_context().failures(4).max_attempts(5).context();
        assert!(context.is_last_attempt());
        assert_eq!(context.run(), Run(5));
        context.cancel(CancelReason::Timeout);
        assert_eq!(context.clone().cancelled().await, CancelReason::Timeout);
    }
}
