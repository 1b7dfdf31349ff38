//! Writes the progress of runs, the latest of each, about twice a second.
//!
//! Contexts send into it from any thread without waiting; the loop writes one batch per interval,
//! and nothing while nothing changed.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use legwork_core::{CancellationToken, JobId, LeaseId, Progress, Run, Store};
use tokio::sync::Notify;

/// How often progress is written at most.
const INTERVAL: Duration = Duration::from_millis(500);

type Latest = HashMap<(JobId, Run), (LeaseId, Progress)>;

/// Takes progress from contexts.
#[derive(Debug, Clone, Default)]
pub(crate) struct ProgressSender {
    inner: Arc<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    latest: Mutex<Latest>,
    changed: Notify,
}

impl ProgressSender {
    pub(crate) fn send(&self, id: JobId, run: Run, lease: LeaseId, progress: Progress) {
        let mut latest = self.inner.latest.lock().unwrap_or_else(PoisonError::into_inner);
        latest.insert((id, run), (lease, progress));
        drop(latest);
        self.inner.changed.notify_one();
    }

    fn take(&self) -> Latest {
        std::mem::take(&mut *self.inner.latest.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Writes what was sent, until the server stops.
pub(crate) async fn run(store: Arc<dyn Store>, sender: ProgressSender, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = sender.inner.changed.notified() => {}
        }
        let batch = sender.take().into_iter();
        let batch: Vec<_> =
            batch.map(|((id, run), (lease, progress))| (id, run, lease, progress)).collect();
        if let Err(error) = store.record_progress(batch).await {
            // The next call of the handler tells more than this one did.
            tracing::debug!(%error, "progress was not written");
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(INTERVAL) => {}
        }
    }
}
