//! Hints: telling this process, and soon after the others, that there may be something to do.
//!
//! [`crate::line`] calls [`Signals::committed`] after a commit; [`crate::listen`] passes hints on
//! to other processes and takes theirs.

use std::sync::atomic::{AtomicI32, Ordering};

use legwork_core::storage::{WakeSender, Wakes};
use tokio::sync::Notify;

/// The hints of one storage.
#[derive(Debug, Default)]
pub(crate) struct Signals {
    wake: WakeSender,
    /// Set while other processes are still to be told.
    untold: Notify,
    /// The server's number of the connection that tells them; what it tells is known here.
    teller: AtomicI32,
}

impl Signals {
    /// Tells this process at once, and lets the others be told.
    pub(crate) fn committed(&self) {
        self.wake.wake();
        self.untold.notify_one();
    }

    /// Tells this process what another has told.
    pub(crate) fn heard(&self) {
        self.wake.wake();
    }

    /// Remembers which connection tells other processes.
    pub(crate) fn set_teller(&self, backend: i32) {
        self.teller.store(backend, Ordering::Relaxed);
    }

    /// Tells whether a hint is one of our own.
    pub(crate) fn is_own(&self, backend: i32) -> bool {
        self.teller.load(Ordering::Relaxed) == backend
    }

    /// Waits until other processes are to be told something; several hints merge into one.
    pub(crate) async fn untold(&self) {
        self.untold.notified().await;
    }

    /// Makes a receiver of hints.
    pub(crate) fn subscribe(&self) -> Wakes {
        self.wake.subscribe()
    }
}
