//! What an application implements: services that start and stop with the host.
//!
//! [`crate::HostBuilder`] takes them. How they are kept apart from the host, as boxed futures, is
//! in [`crate::erased`]; what they are given is in [`crate::context`].

use std::convert::Infallible;

use legwork_core::BoxError;

use crate::context::{ServiceContext, StopContext};

/// A service that starts and stops with the host.
///
/// The host calls `starting` on all services, then `start`, then `started`, each in registration
/// order; when it stops, `stopping`, `stop` and `stopped`, each in reverse. Only services whose
/// `start` succeeded are stopped. Every call runs on its own task: a panic is an error of the call.
///
/// # Examples
/// ```
/// use legwork_core::BoxError;
/// use legwork_host::{Host, HostedService, ServiceContext, StopContext};
///
/// struct Warehouse;
///
/// impl HostedService for Warehouse {
///     async fn start(&self, cx: &ServiceContext) -> Result<(), BoxError> {
///         tracing::info!("{} opens", cx.name());
///         Ok(())
///     }
///     async fn stop(&self, cx: &StopContext) -> Result<(), BoxError> {
///         tracing::info!("closing within {:?}", cx.remaining());
///         Ok(())
///     }
/// }
///
/// let host = Host::builder(()).service("warehouse", Warehouse).build()?;
/// # Ok::<(), legwork_core::Error>(())
/// ```
#[expect(unused_variables, reason = "the defaults do nothing with their context")]
pub trait HostedService: Send + Sync + 'static {
    /// Starts it; the next service starts when this has returned.
    ///
    /// # Errors
    /// Any error: the host stops what had started, in reverse order, and exits with code 1.
    fn start(&self, cx: &ServiceContext) -> impl Future<Output = Result<(), BoxError>> + Send;

    /// Stops it, within [`StopContext::remaining`].
    ///
    /// # Errors
    /// Any error: it is logged and makes the exit code 1; the other services are stopped all the
    /// same.
    ///
    /// # Cancel safety
    /// It is dropped when its budget ends.
    fn stop(&self, cx: &StopContext) -> impl Future<Output = Result<(), BoxError>> + Send {
        async { Ok(()) }
    }

    /// Is called before any service starts.
    ///
    /// # Errors
    /// As for [`start`](Self::start).
    fn starting(&self, cx: &ServiceContext) -> impl Future<Output = Result<(), BoxError>> + Send {
        async { Ok(()) }
    }

    /// Is called after every service has started and is ready.
    ///
    /// # Errors
    /// As for [`start`](Self::start).
    fn started(&self, cx: &ServiceContext) -> impl Future<Output = Result<(), BoxError>> + Send {
        async { Ok(()) }
    }

    /// Is called before any service stops.
    ///
    /// # Errors
    /// As for [`stop`](Self::stop).
    fn stopping(&self, cx: &StopContext) -> impl Future<Output = Result<(), BoxError>> + Send {
        async { Ok(()) }
    }

    /// Is called after every service has stopped.
    ///
    /// # Errors
    /// As for [`stop`](Self::stop).
    fn stopped(&self, cx: &StopContext) -> impl Future<Output = Result<(), BoxError>> + Send {
        async { Ok(()) }
    }
}

/// A service that is one long-running loop.
///
/// # Examples
/// ```
/// use std::time::Duration;
/// use legwork_core::BoxError;
/// use legwork_host::{BackgroundService, Host, ServiceContext};
///
/// struct Poller;
///
/// impl BackgroundService for Poller {
///     async fn run(&self, cx: ServiceContext) -> Result<(), BoxError> {
///         while cx.sleep(Duration::from_secs(30)).await {
///             tracing::info!("looking for orders");
///         }
///         Ok(())
///     }
/// }
///
/// let host = Host::builder(()).background_service("poller", Poller).build()?;
/// # Ok::<(), legwork_core::Error>(())
/// ```
#[expect(unused_variables, reason = "the defaults do nothing with their context")]
pub trait BackgroundService: Send + Sync + 'static {
    /// Runs until [`ServiceContext::stopping`] is cancelled.
    ///
    /// Returning early is not an error; the host logs it and goes on without the service.
    ///
    /// # Errors
    /// Any error, or a panic: the service's [`Policy`](crate::Policy) decides what happens.
    ///
    /// # Cancel safety
    /// It is dropped when its budget at stop ends.
    fn run(&self, cx: ServiceContext) -> impl Future<Output = Result<(), BoxError>> + Send;

    /// Prepares it; `run` and the next service start when this has returned.
    ///
    /// It is called once, not again when `run` is restarted.
    ///
    /// # Errors
    /// Any error: the host stops what had started, in reverse order, and exits with code 1.
    fn start(&self, cx: &ServiceContext) -> impl Future<Output = Result<(), BoxError>> + Send {
        async { Ok(()) }
    }

    /// Cleans up after `run` has ended for good.
    ///
    /// # Errors
    /// Any error: it is logged and makes the exit code 1.
    fn stop(&self, cx: &StopContext) -> impl Future<Output = Result<(), BoxError>> + Send {
        async { Ok(()) }
    }
}

/// What a handler of a service, timer or task may return: `()`, or a `Result` of it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be returned by a service, timer or task",
    label = "not `()` and not a `Result<(), E>`",
    note = "return `()` or `Result<(), E>` with `E: Into<BoxError>`"
)]
pub trait ServiceOutput: Send + 'static {
    /// Converts it.
    ///
    /// # Errors
    /// The error that the handler returned.
    fn into_result(self) -> Result<(), BoxError>;
}

impl ServiceOutput for () {
    fn into_result(self) -> Result<(), BoxError> {
        Ok(())
    }
}

impl ServiceOutput for Infallible {
    fn into_result(self) -> Result<(), BoxError> {
        match self {}
    }
}

impl<E: Into<BoxError> + Send + 'static> ServiceOutput for Result<(), E> {
    fn into_result(self) -> Result<(), BoxError> {
        self.map_err(Into::into)
    }
}
