//! The handle of a host: everybody's view of it, and the way to stop it.
//!
//! Services get it from their context, applications from [`crate::Host::handle`]. What the host
//! itself does with it (begin, force) is crate-private.

use std::fmt;
#[cfg(feature = "http")]
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use legwork_core::{CancellationToken, Clock};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::exit::StopReason;
use crate::record::ServiceRecord;
use crate::runtime::Watchdog;
use crate::signal::Signal;
use crate::status::{HostPhase, HostStatus};

/// How long after a second signal stage 2 comes for all services.
pub(crate) const FORCED_STAGE_2: Duration = Duration::from_millis(500);

/// How long everything together may still take after a second signal.
pub(crate) const FORCED_GRACE: Duration = Duration::from_secs(1);

/// Watches and stops a host. Cheap to clone.
///
/// # Examples
/// ```
/// use legwork_host::{Host, StopReason};
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// let host = Host::builder(()).handle_signals(false).build()?;
/// let handle = host.handle();
/// handle.stop(StopReason::requested("the demonstration is over"));
/// assert_eq!(host.run().await.code(), 0);
/// # Ok::<(), legwork_core::Error>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct HostHandle {
    pub(crate) shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub(crate) services: Vec<Arc<ServiceRecord>>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) settings: Settings,
    pub(crate) tokens: Tokens,
    pub(crate) changes: watch::Sender<u64>,
    pub(crate) watchdog: Watchdog,
    #[cfg(feature = "http")]
    pub(crate) http_addr: std::sync::OnceLock<SocketAddr>,
    #[cfg(feature = "http")]
    pub(crate) has_health_routes: bool,
    life: Mutex<Life>,
}

/// How a host is stopped.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Settings {
    pub(crate) shutdown_timeout: Duration,
    pub(crate) drain_delay: Duration,
    pub(crate) exit_when_completed: bool,
}

/// The tokens of a host.
#[derive(Debug, Default)]
pub(crate) struct Tokens {
    /// All services have started and are ready.
    pub(crate) started: CancellationToken,
    /// A stop was asked for: t0.
    pub(crate) stopping: CancellationToken,
    /// The parent of every service's stage 1; cancelled itself only by force.
    pub(crate) stop_all: CancellationToken,
    /// The parent of every service's stage 2; cancelled itself only by force.
    pub(crate) abort_all: CancellationToken,
    /// A second signal arrived.
    pub(crate) forced: CancellationToken,
    /// Every service has ended.
    pub(crate) stopped: CancellationToken,
}

struct Life {
    phase: HostPhase,
    stop: Option<Stop>,
    forced: Option<(Signal, Instant)>,
}

/// The first request to stop.
#[derive(Debug, Clone)]
pub(crate) struct Stop {
    pub(crate) reason: StopReason,
    pub(crate) at: Instant,
}

impl HostHandle {
    pub(crate) fn new(shared: Shared) -> Self {
        Self { shared: Arc::new(shared) }
    }

    /// Takes a picture of the host and its services.
    pub fn status(&self) -> HostStatus {
        let phase = self.phase();
        HostStatus {
            phase,
            ready: phase == HostPhase::Started && self.shared.services.iter().all(|s| s.is_ready()),
            services: self.shared.services.iter().map(|service| service.status()).collect(),
        }
    }

    /// Waits until the picture of the host satisfies `condition`, and returns it.
    ///
    /// It waits for ever if that never happens; put a timeout around it.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub async fn wait_until(&self, mut condition: impl FnMut(&HostStatus) -> bool) -> HostStatus {
        let mut changes = self.shared.changes.subscribe();
        loop {
            changes.mark_unchanged();
            let status = self.status();
            if condition(&status) {
                return status;
            }
            if changes.changed().await.is_err() {
                // The sender lives in `self`, so that it cannot be closed while this runs.
                return status;
            }
        }
    }

    /// Asks the host to stop; the first reason counts. It returns at once.
    ///
    /// A host that is starting stops what has started; one that has not been started stops as soon
    /// as it is.
    pub fn stop(&self, reason: StopReason) {
        let mut life = self.life();
        if life.stop.is_some() {
            return;
        }
        let why = reason.to_string();
        life.stop = Some(Stop { reason, at: Instant::now() });
        if life.phase != HostPhase::Stopped {
            life.phase = HostPhase::Stopping;
        }
        drop(life);
        tracing::info!(reason = why, "host is stopping");
        self.shared.watchdog.arm(self.shared.settings.longest_stop());
        self.shared.tokens.stopping.cancel();
        self.shared.changed();
    }

    /// Returns the token that is cancelled when all services have started and are ready.
    pub fn started(&self) -> &CancellationToken {
        &self.shared.tokens.started
    }

    /// Returns the token that is cancelled when the host begins to stop.
    pub fn stopping(&self) -> &CancellationToken {
        &self.shared.tokens.stopping
    }

    /// Returns the token that is cancelled when every service has ended.
    pub fn stopped(&self) -> &CancellationToken {
        &self.shared.tokens.stopped
    }

    /// Returns the address that the HTTP service listens on, once it does.
    ///
    /// It is how to learn the port of `127.0.0.1:0`.
    #[cfg(feature = "http")]
    pub fn http_addr(&self) -> Option<SocketAddr> {
        self.shared.http_addr.get().copied()
    }

    /// Returns the routes `/livez`, `/readyz` and `/healthz` of this host.
    ///
    /// [`HostBuilder::http`](crate::HostBuilder::http) serves them by itself.
    #[cfg(feature = "http")]
    pub fn health_router(&self) -> axum::Router {
        crate::health::router(self.clone())
    }

    /// Skips the grace of a stop: every service is asked to finish at once, half a second later its
    /// stage 2 comes, and another half what still runs is aborted.
    ///
    /// All are asked together: those that are not reached yet must not be aborted unasked.
    pub(crate) fn force(&self, signal: Signal) {
        let mut life = self.life();
        if life.forced.is_some() {
            return;
        }
        life.forced = Some((signal, Instant::now()));
        drop(life);
        tracing::warn!(%signal, "second signal: the host stops without grace");
        self.stop(StopReason::Signal(signal));
        self.shared.tokens.stop_all.cancel();
        self.shared.tokens.forced.cancel();
    }

    pub(crate) fn forced(&self) -> Option<(Signal, Instant)> {
        self.life().forced
    }

    pub(crate) fn stop_request(&self) -> Option<Stop> {
        self.life().stop.clone()
    }

    pub(crate) fn phase(&self) -> HostPhase {
        self.life().phase
    }

    /// Moves the host to `phase`, unless it is already stopping and `phase` comes before that.
    pub(crate) fn enter(&self, phase: HostPhase) {
        let mut life = self.life();
        if life.stop.is_some() && phase != HostPhase::Stopped {
            return;
        }
        life.phase = phase;
        drop(life);
        self.shared.changed();
    }

    fn life(&self) -> MutexGuard<'_, Life> {
        self.shared.life.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for HostHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HostHandle")
            .field("phase", &self.phase())
            .field("services", &self.shared.services)
            .finish_non_exhaustive()
    }
}

impl Shared {
    pub(crate) fn new(
        clock: Arc<dyn Clock>,
        settings: Settings,
        changes: watch::Sender<u64>,
        tokens: Tokens,
    ) -> Self {
        Self {
            services: Vec::new(),
            clock,
            settings,
            tokens,
            changes,
            watchdog: Watchdog::default(),
            #[cfg(feature = "http")]
            http_addr: std::sync::OnceLock::new(),
            #[cfg(feature = "http")]
            has_health_routes: true,
            life: Mutex::new(Life { phase: HostPhase::Built, stop: None, forced: None }),
        }
    }

    fn changed(&self) {
        self.changes.send_modify(|n| *n = n.wrapping_add(1));
    }
}

impl Settings {
    /// The longest that a stop may take.
    pub(crate) fn longest_stop(&self) -> Duration {
        self.drain_delay.saturating_add(self.shutdown_timeout)
    }
}
