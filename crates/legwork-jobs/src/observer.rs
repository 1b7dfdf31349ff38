//! What happened to runs, told after the storage has recorded it.
//!
//! The exchanger emits; applications and tests subscribe with
//! [`Server::events`](crate::Server::events). Events are for watching: the storage is the truth.

use std::time::Duration;

use legwork_core::storage::{FailReason, Finished, Verdict};
use legwork_core::{JobId, Kind, Run};
use tokio::sync::broadcast;

/// How many events a slow subscriber may lag behind before it misses some.
const LAG_MAX: usize = 1_024;

/// The end of one run.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RunEvent {
    /// The job.
    pub id: JobId,
    /// The run.
    pub run: Run,
    /// The kind of the job.
    pub kind: Kind,
    /// How it ended.
    pub end: RunEventEnd,
    /// How long the handler ran.
    pub ran_for: Duration,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RunEventEnd {
    /// The job succeeded.
    Succeeded,
    /// The run failed and is tried again.
    Retried,
    /// The job failed for good.
    Failed(FailReason),
    /// The run asked to be run again later.
    Snoozed,
    /// The job was cancelled.
    Cancelled,
    /// The job was handed back.
    Released,
    /// The server had lost the run: nothing was recorded.
    Lost,
}

/// A stream of the ends of runs, each told once.
///
/// The ends of different runs come in no order, not even those of one job: a run that was lost ends
/// when its handler has given up, and by then the next run may have succeeded. Tell them apart by
/// [`RunEvent::run`].
#[derive(Debug)]
pub struct RunEvents {
    receiver: broadcast::Receiver<RunEvent>,
}

impl RunEvents {
    /// Waits for the next event; `None` when the server has ended.
    ///
    /// Events that this subscriber was too slow for (more than 1,024 behind) are left out.
    ///
    /// # Cancel safety
    /// No event is lost when the future is dropped.
    pub async fn next(&mut self) -> Option<RunEvent> {
        loop {
            match self.receiver.recv().await {
                Ok(event) => return Some(event),
                Err(broadcast::error::RecvError::Lagged(missed)) => {
                    tracing::debug!(missed, "a subscriber of run events is too slow");
                }
                Err(broadcast::error::RecvError::Closed) => return None,
            }
        }
    }
}

#[derive(Debug)]
pub(crate) struct Observer {
    sender: broadcast::Sender<RunEvent>,
}

impl Observer {
    pub(crate) fn new() -> Self {
        Self { sender: broadcast::Sender::new(LAG_MAX) }
    }

    pub(crate) fn subscribe(&self) -> RunEvents {
        RunEvents { receiver: self.sender.subscribe() }
    }

    /// Tells what became of a run.
    pub(crate) fn ended(&self, event: RunEvent, verdict: &Verdict) {
        log(&event, verdict);
        if self.sender.send(event).is_err() {
            tracing::trace!("nobody subscribes to run events");
        }
    }
}

/// Says what a verdict and its acceptance mean.
pub(crate) fn end_of(finished: Finished, verdict: &Verdict) -> RunEventEnd {
    match (finished, verdict) {
        (Finished::Lost, _) => RunEventEnd::Lost,
        (Finished::Recorded, Verdict::Succeeded { .. }) => RunEventEnd::Succeeded,
        (Finished::Recorded, Verdict::Retry { .. }) => RunEventEnd::Retried,
        (Finished::Recorded, Verdict::Failed { reason, .. }) => RunEventEnd::Failed(*reason),
        (Finished::Recorded, Verdict::Snoozed { .. }) => RunEventEnd::Snoozed,
        (Finished::Recorded, Verdict::Cancelled { .. }) => RunEventEnd::Cancelled,
        (Finished::Recorded, Verdict::Released { .. }) => RunEventEnd::Released,
    }
}

fn log(event: &RunEvent, verdict: &Verdict) {
    let RunEvent { id, run, kind, end, ran_for } = event;
    let ran_for_ms = ran_for.as_secs_f64() * 1e3;
    match (end, verdict) {
        (RunEventEnd::Failed(reason), Verdict::Failed { error, .. }) => {
            let reason = reason.as_str();
            tracing::error!(%id, %run, %kind, ran_for_ms, reason, error = %error.message, "job failed");
        }
        (RunEventEnd::Retried, Verdict::Retry { after, error }) => {
            let after_secs = after.as_secs_f64();
            tracing::warn!(%id, %run, %kind, ran_for_ms, after_secs, error = %error.message, "run failed");
        }
        (RunEventEnd::Lost, _) => {
            tracing::warn!(%id, %run, %kind, ran_for_ms, "the lease was lost: the end of the run does not count");
        }
        (end, _) => tracing::debug!(%id, %run, %kind, ran_for_ms, ?end, "run ended"),
    }
}
