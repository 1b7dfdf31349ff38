//! Hints that there may be something to do.
//!
//! Storages send them after a commit, servers wait for them beside their poll. A hint carries
//! nothing, several merge into one, and a missed one costs no more than the poll interval.

use tokio::sync::watch;

/// Sends hints to all receivers.
#[derive(Debug, Clone)]
pub struct WakeSender {
    sender: watch::Sender<()>,
}

/// Receives hints.
#[derive(Debug, Clone)]
pub struct Wakes {
    receiver: watch::Receiver<()>,
}

impl WakeSender {
    /// Makes a sender.
    pub fn new() -> Self {
        Self { sender: watch::Sender::new(()) }
    }

    /// Sends a hint.
    pub fn wake(&self) {
        self.sender.send_replace(());
    }

    /// Makes a receiver of hints that are sent from now on.
    pub fn subscribe(&self) -> Wakes {
        Wakes { receiver: self.sender.subscribe() }
    }
}

impl Default for WakeSender {
    fn default() -> Self {
        Self::new()
    }
}

impl Wakes {
    /// Waits for a hint that came since the last one was received.
    ///
    /// Never returns once the sender is gone: there is nothing to be told any more.
    ///
    /// # Cancel safety
    /// No hint is lost when the future is dropped.
    pub async fn next(&mut self) {
        if self.receiver.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn hints_merge_and_none_is_lost_between_two_waits() {
        let sender = WakeSender::new();
        let mut wakes = sender.subscribe();
        sender.wake();
        sender.wake();
        wakes.next().await;
        let waiting = wakes.next();
        tokio::pin!(waiting);
        tokio::select! {
            biased;
            () = &mut waiting => panic!("two hints must merge into one"),
            () = std::future::ready(()) => {}
        }
        sender.wake();
        waiting.await;
    }
}
