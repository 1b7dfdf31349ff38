//! The host: starts services, waits, stops them, and reports.
//!
//! [`crate::HostBuilder::build`] makes it. The phases are in [`crate::starter`] and
//! [`crate::stopper`]; who owns the process is in [`crate::runtime`].

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio_util::task::TaskTracker;

use crate::builder::HostBuilder;
use crate::erased::Service;
use crate::exit::{DroppedItem, HostExit, StopReason};
use crate::handle::{FORCED_GRACE, HostHandle};
use crate::policy::Policy;
use crate::record::ServiceRecord;
use crate::runtime;
use crate::signal::Signals;

/// Runs the services of an application, from start to stop.
///
/// # Guarantees
/// - Services start in registration order and stop in reverse; the HTTP service starts last and
///   stops first.
/// - When one fails to start, those that had started are stopped, and the exit code is 1.
/// - A stop ends at its deadline, whatever the services do; each keeps at least half a second.
/// - Under `#[legwork::main]`, [`block_on`](crate::block_on) or
///   [`run_blocking`](Self::run_blocking) the process ends too, at most two seconds later, even
///   when services block their threads. Under `#[tokio::main]` a blocked thread holds the process.
///
/// # Examples
/// ```
/// use legwork_host::{Host, HostExit, ServiceContext};
///
/// async fn poll(cx: ServiceContext) {
///     cx.host().stop(legwork_host::StopReason::requested("seen enough"));
/// }
///
/// fn main() -> std::process::ExitCode {
///     legwork_host::block_on(async { Host::builder(()).background("poll", poll).run().await })
/// }
/// ```
pub struct Host {
    pub(crate) handle: HostHandle,
    pub(crate) entries: Vec<Entry>,
    pub(crate) tasks: TaskTracker,
    /// The runtime of the services; known once the host starts.
    pub(crate) spawner: Option<Handle>,
    pub(crate) handles_signals: bool,
    pub(crate) dropped: Vec<DroppedItem>,
    exit: Option<HostExit>,
}

/// One service and what the host needs to start and stop it.
pub(crate) struct Entry {
    pub(crate) record: Arc<ServiceRecord>,
    pub(crate) service: Arc<dyn Service>,
    pub(crate) options: ServiceOptions,
    /// The supervisor, while it runs.
    pub(crate) run: Option<JoinHandle<()>>,
    pub(crate) has_started: bool,
    pub(crate) stop_took: Duration,
}

/// What the application chose for one service.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct ServiceOptions {
    pub(crate) policy: Policy,
    pub(crate) gated: bool,
    pub(crate) start_timeout: Option<Duration>,
    pub(crate) stop_budget: Option<Duration>,
}

impl Entry {
    pub(crate) fn span(&self) -> tracing::Span {
        tracing::info_span!("service", name = &*self.record.name)
    }
}

impl Host {
    /// Begins a host whose handlers take their arguments from `state`.
    pub fn builder<S: Clone + Send + Sync + 'static>(state: S) -> HostBuilder<S> {
        HostBuilder::new(state)
    }

    pub(crate) fn new(handle: HostHandle, entries: Vec<Entry>, handles_signals: bool) -> Self {
        Self {
            handle,
            entries,
            tasks: TaskTracker::new(),
            spawner: None,
            handles_signals,
            dropped: Vec::new(),
            exit: None,
        }
    }

    /// Returns the host's handle.
    pub fn handle(&self) -> HostHandle {
        self.handle.clone()
    }

    /// Starts all services and waits until they are ready.
    ///
    /// It also returns when a stop was asked for meanwhile: [`wait`](Self::wait) then returns at
    /// once. [`run`](Self::run) does it all.
    ///
    /// # Errors
    /// How the host ended, when a service did not start: what had started has been stopped.
    pub async fn start(&mut self) -> Result<(), HostExit> {
        self.spawner.get_or_insert_with(Handle::current);
        self.start_all().await;
        let request = self.handle.stop_request();
        match request.map(|stop| stop.reason) {
            Some(StopReason::StartFailed { .. }) => Err(self.finish().await),
            Some(_) | None => Ok(()),
        }
    }

    /// Waits until the host is asked to stop, and returns why.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub async fn wait(&self) -> StopReason {
        self.handle.stopping().cancelled().await;
        let request = self.handle.stop_request();
        request.map_or_else(|| StopReason::requested("the host was stopped"), |stop| stop.reason)
    }

    /// Stops all services in reverse order, for `reason` unless there is one already.
    ///
    /// A second call returns the same exit again.
    ///
    /// # Cancel safety
    /// Not cancel safe: services that were not reached yet are left running.
    pub async fn stop(&mut self, reason: StopReason) -> HostExit {
        self.handle.stop(reason);
        self.finish().await
    }

    async fn finish(&mut self) -> HostExit {
        if let Some(exit) = &self.exit {
            return exit.clone();
        }
        self.spawner.get_or_insert_with(Handle::current);
        let exit = self.stop_all().await;
        self.exit = Some(exit.clone());
        exit
    }

    /// Starts the services, waits for a signal or another reason to stop, stops them.
    ///
    /// SIGINT, SIGTERM and SIGQUIT stop the host; a second signal skips the grace, a third ends the
    /// process at once with code 128 + its number.
    ///
    /// # Cancel safety
    /// Not cancel safe: a host that is dropped while it runs cancels its services and awaits none.
    pub async fn run(self) -> HostExit {
        if runtime::is_owned() { runtime::drive_apart(self).await } else { self.drive().await }
    }

    /// Runs the host on a runtime of its own and ends the process with its exit code.
    ///
    /// The process always ends by the deadline of the stop plus two seconds.
    pub fn run_blocking(self) -> ! {
        runtime::run_blocking(self)
    }

    /// Spawns a task of a service where the services run.
    pub(crate) fn spawn<T: Send + 'static>(
        &self,
        task: impl Future<Output = T> + Send + 'static,
    ) -> JoinHandle<T> {
        match &self.spawner {
            Some(spawner) => self.tasks.spawn_on(task, spawner),
            None => self.tasks.spawn(task),
        }
    }

    /// Lets the services run on `spawner`, wherever the host itself is driven.
    pub(crate) fn on(mut self, spawner: Handle) -> Self {
        self.spawner = Some(spawner);
        self
    }

    /// What [`run`](Self::run) does, on the current task.
    pub(crate) async fn drive(mut self) -> HostExit {
        let signals = if self.handles_signals { Signals::listen().map(Some) } else { Ok(None) };
        let signals = signals.unwrap_or_else(|error| {
            tracing::error!(%error, "cannot listen to signals");
            None
        });
        let handle = self.handle();
        let life = async {
            match self.start().await {
                Ok(()) => {
                    self.wait().await;
                    self.finish().await
                }
                Err(exit) => exit,
            }
        };
        let exit = tokio::select! {
            exit = life => exit,
            never = obey(signals, &handle) => match never {},
        };
        let (code, reason, took) = (exit.code(), exit.reason(), exit.took());
        if code == 0 {
            tracing::info!(%reason, ?took, "host stopped");
        } else {
            tracing::error!(code, %reason, ?took, "host stopped");
        }
        exit
    }
}

/// Obeys signals: the first stops the host, the second skips the grace, the third ends the process.
async fn obey(signals: Option<Signals>, host: &HostHandle) -> std::convert::Infallible {
    let Some(mut signals) = signals else { return std::future::pending().await };
    for n in 1.. {
        let signal = signals.next().await;
        match n {
            1 => host.stop(StopReason::Signal(signal)),
            2 => {
                host.shared.watchdog.arm_with(FORCED_GRACE, signal.exit_code());
                host.force(signal);
            }
            _ => runtime::exit_now(signal.exit_code()),
        }
    }
    std::future::pending().await
}

impl Drop for Host {
    fn drop(&mut self) {
        let is_running = self.spawner.is_some() && self.exit.is_none();
        if is_running {
            tracing::error!(
                "host was dropped while it ran: its services are cancelled, not awaited"
            );
            self.handle.stop(StopReason::requested("the host was dropped"));
            self.handle.shared.tokens.stop_all.cancel();
        }
        self.handle.shared.watchdog.disarm();
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Host").field("handle", &self.handle).finish_non_exhaustive()
    }
}
