//! A handler as a background service: one scope per start of the loop, closed with its outcome.
//!
//! [`crate::HostBuilder::background`] makes it; [`crate::timer`] runs its ticks with
//! [`run_once`] too.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use legwork_core::handler::NoArgs;
use legwork_core::{BoxError, Handler, RunEnd, Scope};

use crate::context::ServiceContext;
use crate::erased::{Call, Service};
use crate::panic::caught;
use crate::service::ServiceOutput;

/// An `async fn` with extractors, as a loop.
pub(crate) struct HandlerService<H, S, M> {
    handler: H,
    state: S,
    arguments: PhantomData<fn() -> M>,
}

impl<H, S, M> HandlerService<H, S, M> {
    pub(crate) fn new(handler: H, state: S) -> Self {
        Self { handler, state, arguments: PhantomData }
    }
}

impl<H, S, M> Service for HandlerService<H, S, M>
where
    H: Handler<NoArgs, S, ServiceContext, M, Output: ServiceOutput>,
    S: Clone + Send + Sync + 'static,
    M: 'static,
{
    fn runs(&self) -> bool {
        true
    }

    fn run(self: Arc<Self>, cx: ServiceContext) -> Option<Call> {
        let (handler, state) = (self.handler.clone(), self.state.clone());
        Some(Box::pin(run_once(handler, state, cx, None)))
    }
}

/// The error of a run that was cut short by stage 2 of the stop: its service timed out.
#[derive(Debug)]
pub(crate) struct Aborted;

impl fmt::Display for Aborted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("did not stop in time: it was cut short")
    }
}

impl std::error::Error for Aborted {}

/// Runs `handler` once in a scope of its own, for `limit` at most.
///
/// The scope is closed with the outcome, also after a panic, the limit or stage 2 of the stop.
pub(crate) async fn run_once<H, S, M>(
    handler: H,
    state: S,
    cx: ServiceContext,
    limit: Option<Duration>,
) -> Result<(), BoxError>
where
    H: Handler<NoArgs, S, ServiceContext, M, Output: ServiceOutput>,
    S: Send + Sync + 'static,
{
    let aborting = cx.aborting().clone();
    let scope = Scope::new(state, cx);
    let work = caught(handler.call(NoArgs, scope.clone()));
    let work = tokio::time::timeout(limit.unwrap_or(Duration::MAX), work);
    let result = match aborting.run_until_cancelled(work).await {
        Some(Ok(result)) => result.and_then(ServiceOutput::into_result),
        Some(Err(_)) => Err(format!("took longer than {:?}", limit.unwrap_or_default()).into()),
        None => Err(Aborted.into()),
    };
    let end = if result.is_ok() { RunEnd::Succeeded } else { RunEnd::Failed };
    let closed = scope.close(end).await;
    result.and(closed)
}
