//! Runs one job: its handler as a task of its own, under timeout and token.
//!
//! The exchanger starts [`Executor::run`] for each claimed job and sends the verdict on. The
//! executor never talks to the storage, except for what a handler asks through its context.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use legwork_core::context::{ParentResult, RunFacts, RunLink};
use legwork_core::storage::{ClaimedJob, Finish, Verdict};
use legwork_core::{
    BoxFuture, CancelReason, CancellationToken, JobContext, JobId, Kind, LeaseId, Outcome,
    Progress, RawArgs, Result, Run, RunEnd, Store,
};
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, timeout};

use crate::decide::{Attempt, RunEnding, decide};
use crate::held::Held;
use crate::progress::ProgressSender;
use crate::registry::{Defaults, Prepared, Registry};

/// How long an aborted handler may take to leave its thread before it counts as stuck.
const ABORT_WAIT: Duration = Duration::from_millis(500);

/// What every run of a server needs.
pub(crate) struct Executor<S> {
    pub(crate) registry: Registry<S>,
    pub(crate) state: S,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) held: Arc<Held>,
    pub(crate) progress: ProgressSender,
    /// How long a handler may take to end after it was asked to.
    pub(crate) cancel_grace: Duration,
    /// Cancelled when no handler may go on: the end of the shutdown.
    pub(crate) kill: CancellationToken,
}

/// A run that has ended.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) finish: Finish,
    pub(crate) kind: Kind,
    /// Whether the job was a suspect.
    pub(crate) suspect: bool,
}

impl<S: Clone + Send + Sync + 'static> Executor<S> {
    /// Runs a job to its end and says what becomes of it.
    pub(crate) async fn run(self: Arc<Self>, job: ClaimedJob) -> Done {
        let started = Instant::now();
        let Some(work) = self.registry.get(&job.kind).cloned() else {
            // No claim asks for a kind without a handler; should one come, it goes back.
            return done(&job, Duration::ZERO, Verdict::Released { started: false });
        };
        let limits = Limits::of(&job, work.defaults());
        let context = self.context(&job, limits.max_attempts);
        let args = RawArgs { version: job.options.args_version.unwrap_or(1), json: &job.args };
        let prepare = || work.prepare(self.state.clone(), args, context.clone());
        // Decoding is the user's code too: serde implementations may panic.
        let ending = match std::panic::catch_unwind(AssertUnwindSafe(prepare)) {
            Ok(Ok(prepared)) => {
                self.held.enter(context.clone());
                let ending = self.supervise(prepared, &context, limits.timeout).await;
                self.held.leave(job.id, job.run);
                ending
            }
            Ok(Err(undecodable)) => RunEnding::Undecodable(undecodable.to_string()),
            Err(panic) => RunEnding::Undecodable(panic_message(&*panic)),
        };
        let attempt = Attempt {
            failures: job.failures,
            max_attempts: limits.max_attempts,
            retry: limits.retry,
            cancelled: context.cancel_reason(),
            draw: fastrand::f64(),
        };
        done(&job, started.elapsed(), decide(ending, &attempt))
    }

    fn context(&self, job: &ClaimedJob, max_attempts: u32) -> JobContext {
        let facts = RunFacts {
            id: job.id,
            run: job.run,
            failures: job.failures,
            max_attempts,
            kind: job.kind.clone(),
            queue: job.queue.clone(),
            created_at: job.created_at,
        };
        let link = Link {
            id: job.id,
            run: job.run,
            lease: job.lease,
            store: Arc::clone(&self.store),
            progress: self.progress.clone(),
        };
        JobContext::new(facts, CancellationToken::new(), link)
    }

    /// Polls the handler until it ends, is stopped, or its scope refuses to close.
    async fn supervise(
        &self,
        prepared: Prepared,
        context: &JobContext,
        limit: Option<Duration>,
    ) -> RunEnding {
        let Prepared { run, scope } = prepared;
        let mut handler = JoinSet::new();
        handler.spawn(run);
        let ending = self.watch(&mut handler, context, limit).await;
        let succeeded = matches!(ending, RunEnding::Returned(Outcome::Done(_)));
        let end = if succeeded { RunEnd::Succeeded } else { RunEnd::Failed };
        let closed = AssertUnwindSafe(scope.close(end)).catch_unwind().await;
        match closed.unwrap_or_else(|panic| Err(panic_message(&*panic).into())) {
            Err(error) if end == RunEnd::Succeeded => RunEnding::Returned(Outcome::Error(error)),
            Err(error) => {
                let error = legwork_core::outcome::describe(&*error);
                tracing::warn!(id = %context.job_id(), error, "a scoped service did not close");
                ending
            }
            Ok(()) => ending,
        }
    }

    async fn watch(
        &self,
        handler: &mut JoinSet<Outcome>,
        context: &JobContext,
        limit: Option<Duration>,
    ) -> RunEnding {
        // All branches are cancel safe: `join_next`, a token and a sleep lose nothing when dropped.
        tokio::select! {
            joined = handler.join_next() => return ending(joined),
            () = context.token().cancelled() => {}
            () = elapsed(limit) => {
                context.cancel(CancelReason::Timeout);
            }
        }
        tokio::select! {
            joined = handler.join_next() => return ending(joined),
            () = tokio::time::sleep(self.cancel_grace) => {}
            () = self.kill.cancelled() => {}
        }
        handler.abort_all();
        if let Ok(joined) = timeout(ABORT_WAIT, handler.join_next()).await {
            return ending(joined);
        }
        let (id, run) = (context.job_id(), context.run());
        tracing::error!(%id, %run, kind = %context.kind(), "a handler blocks its thread and cannot be stopped");
        RunEnding::Aborted
    }
}

/// The attempts, timeout and retries of one job: its own, or its kind's.
struct Limits {
    max_attempts: u32,
    timeout: Option<Duration>,
    retry: legwork_core::RetryPolicy,
}

impl Limits {
    fn of(job: &ClaimedJob, defaults: Defaults) -> Self {
        Self {
            max_attempts: job.options.max_attempts.unwrap_or(defaults.max_attempts),
            timeout: job.options.timeout.or(defaults.timeout),
            retry: job.options.retry.unwrap_or(defaults.retry),
        }
    }
}

async fn elapsed(limit: Option<Duration>) {
    match limit {
        Some(limit) => tokio::time::sleep(limit).await,
        None => std::future::pending().await,
    }
}

fn ending(joined: Option<Result<Outcome, JoinError>>) -> RunEnding {
    match joined {
        Some(Ok(outcome)) => RunEnding::Returned(outcome),
        Some(Err(error)) if error.is_panic() => {
            RunEnding::Panicked(panic_message(&*error.into_panic()))
        }
        Some(Err(_)) | None => RunEnding::Aborted,
    }
}

fn panic_message(panic: &(dyn std::any::Any + Send)) -> String {
    if let Some(message) = panic.downcast_ref::<&str>() {
        return (*message).to_owned();
    }
    panic
        .downcast_ref::<String>()
        .cloned()
        .unwrap_or_else(|| "the handler panicked with a value that is no text".to_owned())
}

fn done(job: &ClaimedJob, ran_for: Duration, verdict: Verdict) -> Done {
    let finish = Finish { id: job.id, run: job.run, lease: job.lease, ran_for, verdict };
    Done { finish, kind: job.kind.clone(), suspect: job.is_suspect() }
}

/// What a context can ask of its server.
struct Link {
    id: JobId,
    run: Run,
    lease: LeaseId,
    store: Arc<dyn Store>,
    progress: ProgressSender,
}

impl RunLink for Link {
    fn progress(&self, progress: Progress) {
        self.progress.send(self.id, self.run, self.lease, progress);
    }

    fn parent_results(&self) -> BoxFuture<'_, Result<Vec<ParentResult>>> {
        Box::pin(async {
            let Some(detail) = self.store.job(self.id).await? else { return Ok(Vec::new()) };
            let ids: Vec<JobId> = detail.parents.iter().map(|parent| parent.id).collect();
            let results = self.store.results(ids.clone()).await?;
            let results = ids.into_iter().zip(results);
            Ok(results.map(|(id, json)| ParentResult { id, json }).collect())
        })
    }
}
