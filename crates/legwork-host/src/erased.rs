//! The object-safe twin of the service traits: what the host keeps of every service.
//!
//! [`crate::starter`], [`crate::supervisor`] and [`crate::stopper`] call it. Applications never see
//! it: they implement [`HostedService`] or [`BackgroundService`], or give handlers.

use std::sync::Arc;

use legwork_core::{BoxError, BoxFuture};

use crate::context::{ServiceContext, StopContext};
use crate::service::{BackgroundService, HostedService};

/// A call that a service gets while the host starts, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StartHook {
    Starting,
    Start,
    Started,
}

/// A call that a service gets while the host stops, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StopHook {
    Stopping,
    Stop,
    Stopped,
}

/// The future of one call.
pub(crate) type Call = BoxFuture<'static, Result<(), BoxError>>;

/// Any service. A method returns `None` where the service has nothing to do.
#[expect(unused_variables, reason = "the defaults do nothing with their arguments")]
pub(crate) trait Service: Send + Sync + 'static {
    fn enter(self: Arc<Self>, hook: StartHook, cx: ServiceContext) -> Option<Call> {
        None
    }

    fn leave(self: Arc<Self>, hook: StopHook, cx: StopContext) -> Option<Call> {
        None
    }

    /// Whether [`run`](Self::run) yields a loop to supervise.
    fn runs(&self) -> bool {
        false
    }

    /// Whether there is cleaning up to do after the loop, which needs a share of the stop budget.
    fn cleans_up(&self) -> bool {
        false
    }

    fn run(self: Arc<Self>, cx: ServiceContext) -> Option<Call> {
        None
    }
}

/// Makes a [`HostedService`] a [`Service`].
pub(crate) struct Hosted<T>(pub(crate) T);

impl<T: HostedService> Service for Hosted<T> {
    fn enter(self: Arc<Self>, hook: StartHook, cx: ServiceContext) -> Option<Call> {
        Some(Box::pin(async move {
            match hook {
                StartHook::Starting => self.0.starting(&cx).await,
                StartHook::Start => self.0.start(&cx).await,
                StartHook::Started => self.0.started(&cx).await,
            }
        }))
    }

    fn leave(self: Arc<Self>, hook: StopHook, cx: StopContext) -> Option<Call> {
        Some(Box::pin(async move {
            match hook {
                StopHook::Stopping => self.0.stopping(&cx).await,
                StopHook::Stop => self.0.stop(&cx).await,
                StopHook::Stopped => self.0.stopped(&cx).await,
            }
        }))
    }
}

/// Makes a [`BackgroundService`] a [`Service`].
pub(crate) struct Background<T>(pub(crate) T);

impl<T: BackgroundService> Service for Background<T> {
    fn enter(self: Arc<Self>, hook: StartHook, cx: ServiceContext) -> Option<Call> {
        (hook == StartHook::Start)
            .then(|| -> Call { Box::pin(async move { self.0.start(&cx).await }) })
    }

    fn leave(self: Arc<Self>, hook: StopHook, cx: StopContext) -> Option<Call> {
        (hook == StopHook::Stop)
            .then(|| -> Call { Box::pin(async move { self.0.stop(&cx).await }) })
    }

    fn runs(&self) -> bool {
        true
    }

    fn cleans_up(&self) -> bool {
        true
    }

    fn run(self: Arc<Self>, cx: ServiceContext) -> Option<Call> {
        Some(Box::pin(async move { self.0.run(cx).await }))
    }
}
