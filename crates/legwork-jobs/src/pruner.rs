//! Removes jobs that have been final for longer than the retention keeps them.
//!
//! Every server prunes, in small steps with a pause between them; the storage's clock decides.

use std::sync::Arc;
use std::time::Duration;

use legwork_core::storage::Retention;
use legwork_core::{CancellationToken, Store};

use crate::pace::jittered;

/// How many jobs one call removes: a few milliseconds of work.
const BATCH_MAX: usize = 1_000;

/// The pause between two calls while there is more to remove.
const STEP: Duration = Duration::from_millis(50);

/// The pause when there is nothing to remove.
const INTERVAL: Duration = Duration::from_mins(1);

/// Prunes until `stop`.
pub(crate) async fn run(store: Arc<dyn Store>, retention: Retention, stop: CancellationToken) {
    // Servers that start together need not prune together, and not while they start.
    let mut wait = INTERVAL.mul_f64(0.1 + 0.4 * fastrand::f64());
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(wait) => {}
        }
        wait = match store.prune(retention, BATCH_MAX).await {
            Ok(pruned) if pruned.more => STEP,
            Ok(_) => jittered(INTERVAL),
            Err(error) => {
                let error = legwork_core::outcome::describe(&error);
                tracing::warn!(error, "old jobs could not be pruned");
                jittered(INTERVAL)
            }
        };
    }
}
