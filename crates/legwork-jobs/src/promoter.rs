//! Makes due jobs claimable: delayed, retried and snoozed ones.
//!
//! Every server promotes; the storage's clock decides what is due, and each job is promoted once.

use std::sync::Arc;
use std::time::Duration;

use legwork_core::{CancellationToken, Store};
use tokio::time::Instant;

use crate::pace::{BackOff, jittered};

/// How many jobs one call promotes.
const BATCH_MAX: usize = 1_000;

/// Wakes come with every enqueue; the due list is looked at no more often than this.
const LOOK_MIN: Duration = Duration::from_millis(50);

/// Promotes until `stop`.
pub(crate) async fn run(store: Arc<dyn Store>, poll_interval: Duration, stop: CancellationToken) {
    let mut wakes = store.watch();
    let mut back_off = BackOff::default();
    loop {
        let looked_at = Instant::now();
        let wait = match store.promote(BATCH_MAX).await {
            Ok(promoted) => {
                back_off.succeeded();
                let poll = jittered(poll_interval);
                promoted.next_in.map_or(poll, |next_in| std::cmp::min(next_in, poll))
            }
            Err(error) => {
                let error = legwork_core::outcome::describe(&error);
                tracing::warn!(error, "due jobs could not be promoted");
                back_off.failed()
            }
        };
        if wait.is_zero() {
            continue;
        }
        // Cancel safe: a token, a sleep and a wake lose nothing when dropped.
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(wait) => {}
            () = wakes.next() => {
                let early = async { tokio::time::sleep_until(looked_at + LOOK_MIN).await };
                tokio::select! {
                    () = stop.cancelled() => return,
                    () = early => {}
                }
            }
        }
    }
}
