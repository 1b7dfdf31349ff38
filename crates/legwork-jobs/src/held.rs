//! The runs of this process, so that they can be asked to end.
//!
//! The executor enters and leaves runs; the heartbeat and the shutdown look them up. It never talks
//! to a storage.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use legwork_core::{CancelReason, JobContext, JobId, Run};

/// The contexts of all runs that have started and not ended.
#[derive(Debug, Default)]
pub(crate) struct Held {
    runs: Mutex<HashMap<(JobId, Run), JobContext>>,
}

impl Held {
    pub(crate) fn enter(&self, context: JobContext) {
        let key = (context.job_id(), context.run());
        self.lock().insert(key, context);
    }

    pub(crate) fn leave(&self, id: JobId, run: Run) {
        self.lock().remove(&(id, run));
    }

    /// Asks one run to end; `false` when this process does not run it.
    pub(crate) fn cancel(&self, id: JobId, run: Run, reason: CancelReason) -> bool {
        let context = self.lock().get(&(id, run)).cloned();
        // Outside the lock: a token runs what waits for it, which may end the run.
        context.is_some_and(|context| context.cancel(reason))
    }

    /// Asks all runs to end.
    pub(crate) fn cancel_all(&self, reason: CancelReason) {
        let contexts: Vec<JobContext> = self.lock().values().cloned().collect();
        for context in contexts {
            context.cancel(reason);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<(JobId, Run), JobContext>> {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
