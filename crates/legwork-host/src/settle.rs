//! Waits for one task within its share of time: asks, insists, aborts.
//!
//! The starter and the stopper call it with the task of a hook or of a supervisor. It never waits
//! longer than its share, also for a task that blocks its thread.

use std::time::Duration;

use legwork_core::BoxError;
use tokio::task::{JoinError, JoinHandle};
use tokio::time::Instant;

use crate::budget::Share;
use crate::handle::{FORCED_GRACE, FORCED_STAGE_2, HostHandle};
use crate::panic::Panicked;
use crate::record::ServiceRecord;

/// How long an aborted task may take to be dropped before it counts as stuck.
const DROP_GRACE: Duration = Duration::from_millis(100);

/// How a wait ended.
#[derive(Debug)]
pub(crate) enum Settled<T> {
    /// The task ended by itself.
    Ended(Result<T, JoinError>),
    /// The task was aborted.
    Aborted,
    /// The task was aborted and did not even react to that: it blocks its thread.
    Stuck,
}

/// Waits for `task` until stage 2, then until the abort. Stage 1 is the caller's.
///
/// A second signal shortens it to what is left of the forced grace.
pub(crate) async fn settle<T>(
    task: &mut JoinHandle<T>,
    share: Share,
    record: &ServiceRecord,
    host: &HostHandle,
) -> Settled<T> {
    let began = Instant::now();
    tokio::select! {
        biased;
        ended = &mut *task => return Settled::Ended(ended),
        () = tokio::time::sleep_until(began + share.soft) => record.aborting.cancel(),
        () = after_force(host, FORCED_STAGE_2) => host.shared.tokens.abort_all.cancel(),
    }
    tokio::select! {
        biased;
        ended = &mut *task => return Settled::Ended(ended),
        () = tokio::time::sleep_until(began + share.hard) => {}
        () = after_force(host, FORCED_GRACE) => {}
    }
    task.abort();
    match tokio::time::timeout(DROP_GRACE, &mut *task).await {
        Ok(Ok(value)) => Settled::Ended(Ok(value)),
        Ok(Err(error)) if error.is_panic() => Settled::Ended(Err(error)),
        Ok(Err(_)) => Settled::Aborted,
        Err(_) => Settled::Stuck,
    }
}

/// Waits until `d` after the second signal; for ever while there was none.
async fn after_force(host: &HostHandle, d: Duration) {
    host.shared.tokens.forced.cancelled().await;
    if let Some((_, at)) = host.forced() {
        tokio::time::sleep_until(at + d).await;
    }
}

/// Makes a panic of the task an error like any other.
pub(crate) fn flatten(ended: Result<Result<(), BoxError>, JoinError>) -> Result<(), BoxError> {
    match ended {
        Ok(result) => result,
        Err(error) => match error.try_into_panic() {
            Ok(payload) => Err(Panicked::new(&*payload).into()),
            Err(error) => Err(error.into()),
        },
    }
}
