//! Hints: telling this process, and soon after the others, that there may be something to do.
//!
//! [`crate::line`] calls [`Signals::committed`] after a commit; [`crate::listen`] passes hints on
//! to other processes and takes theirs.

use legwork_core::storage::{WakeSender, Wakes};
use tokio::sync::Notify;

/// The hints of one storage.
#[derive(Debug, Default)]
pub(crate) struct Signals {
    wake: WakeSender,
    /// Set while other processes are still to be told.
    untold: Notify,
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

    /// Waits until other processes are to be told something; several hints merge into one.
    pub(crate) async fn untold(&self) {
        self.untold.notified().await;
    }

    /// Makes a receiver of hints.
    pub(crate) fn subscribe(&self) -> Wakes {
        self.wake.subscribe()
    }
}
