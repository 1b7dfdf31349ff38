//! Wraps a storage so that every call is seen: the same span and slow log for all of them.
//!
//! [`Jobs::new`](crate::Jobs::new) wraps what it is given, so that client, server and dashboard all
//! call through it. It must never change a call or its answer.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use legwork_core::context::Progress;
use legwork_core::id::IdBlock;
use legwork_core::inspect::{
    Counts, JobDetail, JobFilter, JobPage, Page, QueueView, RecurringView, ServerView, Throughput,
};
use legwork_core::storage::{
    Actor, Beat, Cancelled, Deleted, Due, Enqueued, Exchange, Exchanged, Fired, Firing, NewJob,
    Promoted, Pruned, RecurringSpec, Requeued, Rescue, Rescued, Retention, ServerBeat, ServerInfo,
    Triggered, Upserted, Wakes,
};
use legwork_core::{
    BoxFuture, Capabilities, Incarnation, Inspect, JobId, LeaseId, QueueName, RecurringId, Result,
    Run, Storage, Store, Timestamp,
};
use tokio::time::Instant;
use tracing::Instrument as _;

/// A call that takes longer is logged.
const SLOW: Duration = Duration::from_secs(1);

/// A storage whose calls are seen.
pub(crate) struct Instrumented {
    inner: Arc<dyn Store>,
}

impl Instrumented {
    pub(crate) fn new(inner: Arc<dyn Store>) -> Self {
        Self { inner }
    }
}

impl fmt::Debug for Instrumented {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

/// Runs a call inside its span, and says so when it was slow.
fn seen<'a, T: Send + 'a>(
    operation: &'static str,
    call: BoxFuture<'a, Result<T>>,
) -> BoxFuture<'a, Result<T>> {
    let span = tracing::debug_span!("legwork.storage", operation);
    let call = async move {
        let started = Instant::now();
        let result = call.await;
        let took = started.elapsed();
        if took >= SLOW {
            let took_ms = took.as_secs_f64() * 1e3;
            tracing::warn!(operation, took_ms, ok = result.is_ok(), "a storage call was slow");
        }
        result
    };
    Box::pin(call.instrument(span))
}

macro_rules! pass_on {
    ($(fn $operation:ident(&self $(, $arg:ident: $type:ty)*) -> $answer:ty;)*) => {
        $(fn $operation(&self $(, $arg: $type)*) -> BoxFuture<'_, Result<$answer>> {
            seen(stringify!($operation), self.inner.$operation($($arg),*))
        })*
    };
}

impl Storage for Instrumented {
    fn capabilities(&self) -> &Capabilities {
        self.inner.capabilities()
    }

    fn location(&self) -> &str {
        self.inner.location()
    }

    fn watch(&self) -> Wakes {
        self.inner.watch()
    }

    pass_on! {
        fn migrate(&self) -> ();
        fn allocate_ids(&self, n: u32) -> IdBlock;
        fn enqueue(&self, jobs: Vec<NewJob>) -> Vec<Enqueued>;
        fn register(&self, server: ServerInfo) -> ();
        fn heartbeat(&self, server: Incarnation) -> Beat;
        fn exchange(&self, exchange: Exchange) -> Exchanged;
        fn release(&self, server: Incarnation, leases: Vec<LeaseId>) -> u64;
        fn retire(&self, server: Incarnation) -> u64;
        fn beats(&self) -> Vec<ServerBeat>;
        fn rescue(&self, rescue: Rescue) -> Rescued;
        fn promote(&self, max: usize) -> Promoted;
        fn prune(&self, retention: Retention, max: usize) -> Pruned;
        fn upsert_recurring(&self, spec: RecurringSpec) -> Upserted;
        fn remove_recurring(&self, id: RecurringId) -> bool;
        fn trigger_recurring(&self, id: RecurringId, actor: Actor) -> Triggered;
        fn due_recurring(&self, max: usize) -> Due;
        fn fire_recurring(&self, firing: Firing) -> Fired;
        fn cancel(&self, id: JobId, actor: Actor) -> Cancelled;
        fn requeue(&self, id: JobId, actor: Actor) -> Requeued;
        fn delete(&self, id: JobId, actor: Actor) -> Deleted;
        fn pause(&self, queue: QueueName, actor: Actor) -> ();
        fn resume(&self, queue: QueueName, actor: Actor) -> bool;
        fn record_progress(&self, progress: Vec<(JobId, Run, LeaseId, Progress)>) -> ();
        fn results(&self, ids: Vec<JobId>) -> Vec<Option<Vec<u8>>>;
        fn close(&self) -> ();
    }
}

impl Inspect for Instrumented {
    pass_on! {
        fn now(&self) -> Timestamp;
        fn counts(&self) -> Counts;
        fn jobs(&self, filter: JobFilter, page: Page) -> JobPage;
        fn job(&self, id: JobId) -> Option<JobDetail>;
        fn recurring(&self) -> Vec<RecurringView>;
        fn servers(&self) -> Vec<ServerView>;
        fn queues(&self) -> Vec<QueueView>;
        fn throughput(&self, step: Duration, points: usize) -> Vec<Throughput>;
    }
}
