//! Keeps the leases of a server alive, on a thread of its own, and fences the server when it
//! cannot.
//!
//! Neither user code that blocks every worker thread nor a busy runtime can stop it. It also
//! carries cancel requests from the storage to the runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use legwork_core::storage::{Beat, ServerInfo};
use legwork_core::{
    CancelReason, CancellationToken, Error, ErrorKind, Incarnation, LeaseId, Result,
};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::server::Shared;

/// Says how sure a server may be of its leases.
#[derive(Debug, Default)]
pub(crate) struct Fence {
    level: AtomicU8,
    changed: Notify,
}

const HELD: u8 = 0;
const AT_RISK: u8 = 1;
const LOST: u8 = 2;

impl Fence {
    /// Tells whether the leases are sure enough to claim more.
    pub(crate) fn may_claim(&self) -> bool {
        self.level.load(Ordering::Acquire) == HELD
    }

    /// Tells whether another server may hold what this one held.
    pub(crate) fn is_lost(&self) -> bool {
        self.level.load(Ordering::Acquire) == LOST
    }

    /// Waits for a change.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Returns the level that was.
    fn set(&self, level: u8) -> u8 {
        let before = self.level.swap(level, Ordering::AcqRel);
        if before != level {
            self.changed.notify_one();
        }
        before
    }
}

/// How the leases of a server are kept.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LeaseTimes {
    /// After so long without a beat a server is dead.
    pub(crate) ttl: Duration,
    /// How often it beats: a tenth of the lease.
    pub(crate) interval: Duration,
}

impl LeaseTimes {
    pub(crate) fn new(ttl: Duration) -> Self {
        Self { ttl, interval: ttl / 10 }
    }

    /// A call that takes longer is given up: there must be time for two more.
    fn deadline(&self) -> Duration {
        self.ttl / 4
    }

    /// The server stops claiming when it has not been confirmed for so long.
    fn at_risk(&self) -> Duration {
        self.ttl * 5 / 6
    }
}

pub(crate) struct Heartbeat {
    shared: Arc<Shared>,
    times: LeaseTimes,
    info: ServerInfo,
    /// When the last beat that was confirmed was sent.
    confirmed_at: Instant,
    /// Set from the word that the server is dead until it is registered anew.
    dead: bool,
}

impl Heartbeat {
    /// Starts the thread. It ends soon after `stop`.
    ///
    /// # Errors
    /// `Internal` when the operating system has no thread to give.
    pub(crate) fn start(
        shared: Arc<Shared>,
        times: LeaseTimes,
        info: ServerInfo,
        stop: CancellationToken,
    ) -> Result<std::thread::JoinHandle<()>> {
        let refused = |source: std::io::Error| {
            Error::with_source(ErrorKind::Internal, "cannot start the heartbeat thread", source)
        };
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(refused)?;
        std::thread::Builder::new()
            .name("legwork-heartbeat".to_owned())
            .spawn(move || {
                runtime.block_on(async {
                    let confirmed_at = Instant::now();
                    Self { shared, times, info, confirmed_at, dead: false }.run(stop).await;
                });
            })
            .map_err(refused)
    }

    async fn run(mut self, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(self.times.interval) => {}
            }
            self.beat().await;
            self.judge();
        }
    }

    async fn beat(&mut self) {
        let sent_at = Instant::now();
        let server = self.shared.incarnation();
        let call = self.shared.store.heartbeat(server);
        match tokio::time::timeout(self.times.deadline(), call).await {
            Ok(Ok(Beat::Live { cancels, leases, .. })) => {
                self.confirmed_at = sent_at;
                self.release_strays(server, leases.into_keys()).await;
                for request in cancels {
                    let reason = CancelReason::User;
                    if self.shared.held.cancel(request.id, request.run, reason) {
                        let by = request.actor.name;
                        tracing::info!(id = %request.id, run = %request.run, by, "cancel requested");
                    }
                }
            }
            Ok(Ok(Beat::Lost)) => self.start_anew(server).await,
            Ok(Err(error)) => {
                let error = legwork_core::outcome::describe(&error);
                tracing::warn!(error, "a heartbeat failed");
            }
            Err(_) => tracing::warn!("a heartbeat was not answered in time"),
        }
    }

    /// Gives back what the storage says is held here and nobody here knows of.
    async fn release_strays(&self, server: Incarnation, held: impl Iterator<Item = LeaseId>) {
        let strays = self.shared.leases.strays(held);
        if strays.is_empty() {
            return;
        }
        let call = self.shared.store.release(server, strays);
        match tokio::time::timeout(self.times.deadline(), call).await {
            Ok(Ok(jobs)) => tracing::warn!(jobs, "a claim whose answer got lost was given back"),
            Ok(Err(error)) => {
                let error = legwork_core::outcome::describe(&error);
                tracing::warn!(error, "a claim whose answer got lost was not given back yet");
            }
            Err(_) => tracing::warn!("a release was not answered in time"),
        }
    }

    /// Judges by the time since the last confirmed beat whether the leases still hold.
    fn judge(&self) {
        if self.dead {
            return;
        }
        let silent_for = self.confirmed_at.elapsed();
        if silent_for >= self.times.ttl {
            if self.shared.fence.set(LOST) != LOST {
                tracing::error!("the lease ran out: the storage did not confirm it in time");
                self.shared.held.cancel_all(CancelReason::LeaseLost);
            }
        } else if silent_for >= self.times.at_risk() {
            if self.shared.fence.set(AT_RISK) == HELD {
                tracing::warn!("the lease is at risk: no more jobs are claimed");
            }
        } else {
            self.shared.fence.set(HELD);
        }
    }

    /// Begins a new life after the storage has declared this server dead: what it held is lost.
    async fn start_anew(&mut self, dead: Incarnation) {
        tracing::error!(server = %dead, "the storage declared this server dead: its runs are lost");
        self.dead = true;
        self.shared.fence.set(LOST);
        self.shared.held.cancel_all(CancelReason::LeaseLost);
        let Ok(incarnation) = draw_incarnation() else { return };
        let info = ServerInfo { incarnation, ..self.info.clone() };
        match self.shared.store.register(info.clone()).await {
            Ok(()) => {
                self.info = info;
                self.dead = false;
                self.confirmed_at = Instant::now();
                self.shared.set_incarnation(incarnation);
                tracing::info!(server = %incarnation, "the server goes on as a new incarnation");
            }
            Err(error) => {
                let error = legwork_core::outcome::describe(&error);
                tracing::error!(error, "the server could not register again");
            }
        }
    }
}

/// Draws an incarnation at random.
///
/// # Errors
/// `Internal` when the operating system gives no random bits.
pub(crate) fn draw_incarnation() -> Result<Incarnation> {
    let mut bits = [0; 16];
    getrandom::fill(&mut bits).map_err(|source| {
        Error::with_source(ErrorKind::Internal, "the system gave no random bits", source)
    })?;
    Ok(Incarnation::from_bits(u128::from_le_bytes(bits)))
}
