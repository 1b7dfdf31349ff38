//! What the host gives a service: its name, its tokens, its readiness, the time that is left.
//!
//! Handlers of background services and timers take [`ServiceContext`] as an argument, hooks of
//! services get it by reference. The context of a task-queue item is in [`crate::queue`].

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use legwork_core::{BoxError, CancellationToken, FromScope, RunContext, Scope};
use tokio::time::Instant;

use crate::exit::StopReason;
use crate::handle::HostHandle;
use crate::record::ServiceRecord;

/// What a running service knows and can tell.
///
/// # Examples
/// ```
/// use std::time::Duration;
/// use legwork_host::{Host, ServiceContext};
///
/// async fn poll(cx: ServiceContext) {
///     while cx.sleep(Duration::from_secs(10)).await {
///         tracing::info!("{} looks for orders", cx.name());
///     }
/// }
/// let host = Host::builder(()).background("orders", poll).build()?;
/// # Ok::<(), legwork_core::Error>(())
/// ```
#[derive(Clone)]
pub struct ServiceContext {
    record: Arc<ServiceRecord>,
    host: HostHandle,
    attempt: u32,
}

impl ServiceContext {
    pub(crate) fn new(record: Arc<ServiceRecord>, host: HostHandle, attempt: u32) -> Self {
        Self { record, host, attempt }
    }

    pub(crate) fn record(&self) -> &Arc<ServiceRecord> {
        &self.record
    }

    /// Returns the name that the service was registered with.
    pub fn name(&self) -> &str {
        &self.record.name
    }

    /// Returns which start of the loop this is, from 1: the restarts so far, plus this one.
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// Returns the token that asks this service to finish: stage 1 of its stop.
    ///
    /// It is cancelled when the service's turn has come, in reverse registration order.
    pub fn stopping(&self) -> &CancellationToken {
        &self.record.stopping
    }

    /// Returns the same token as [`stopping`](Self::stopping).
    pub fn token(&self) -> &CancellationToken {
        &self.record.stopping
    }

    /// Returns the token that says the grace is over: stage 2, at most a second before the abort.
    pub fn aborting(&self) -> &CancellationToken {
        &self.record.aborting
    }

    /// Returns the token that is cancelled for every service at once when the host begins to stop.
    ///
    /// Whoever takes new work from elsewhere stops taking it here, long before its turn to stop.
    pub fn host_stopping(&self) -> &CancellationToken {
        self.host.stopping()
    }

    /// Sleeps for `d`; tells whether the service should go on.
    ///
    /// It returns `false` at once when the service should finish.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub async fn sleep(&self, d: Duration) -> bool {
        self.until_stopped(tokio::time::sleep(d)).await.is_some()
    }

    /// Runs `work` until it ends or the service should finish, which yields `None`.
    ///
    /// # Cancel safety
    /// As of `work`: it is dropped when the service should finish.
    pub async fn until_stopped<F: Future>(&self, work: F) -> Option<F::Output> {
        self.record.stopping.run_until_cancelled(work).await
    }

    /// Says that the service is ready.
    ///
    /// A service is ready from its start, unless it was registered with
    /// [`gates_readiness`](crate::HostBuilder::gates_readiness) or said
    /// [`not_ready`](Self::not_ready).
    pub fn ready(&self) {
        self.record.ready();
    }

    /// Says that the service is not ready, and why: `/readyz` answers 503 until it is again.
    pub fn not_ready(&self, why: impl Into<Cow<'static, str>>) {
        self.record.not_ready(why.into());
    }

    /// Returns the host.
    pub fn host(&self) -> &HostHandle {
        &self.host
    }
}

impl fmt::Debug for ServiceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceContext")
            .field("name", &self.record.name)
            .field("attempt", &self.attempt)
            .finish_non_exhaustive()
    }
}

impl RunContext for ServiceContext {
    fn token(&self) -> &CancellationToken {
        &self.record.stopping
    }
}

impl<S: Send + Sync + 'static> FromScope<S, Self> for ServiceContext {
    async fn from_scope(scope: &Scope<S, Self>) -> Result<Self, BoxError> {
        Ok(scope.context().clone())
    }
}

/// What a service knows while it is being stopped.
#[derive(Debug, Clone)]
pub struct StopContext {
    pub(crate) name: Arc<str>,
    pub(crate) reason: StopReason,
    pub(crate) deadline: Instant,
    pub(crate) aborting: CancellationToken,
}

impl StopContext {
    /// Returns the name that the service was registered with.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns why the host stops.
    pub fn reason(&self) -> &StopReason {
        &self.reason
    }

    /// Returns the time that is left before [`aborting`](Self::aborting) is cancelled.
    pub fn remaining(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    /// Returns the token that says the grace is over: at most a second later the call is dropped.
    pub fn aborting(&self) -> &CancellationToken {
        &self.aborting
    }
}
