//! The live record of one service: its state, its readiness, its two tokens.
//!
//! The starter, supervisor and stopper write it; [`crate::ServiceContext`] and the status read it.
//! Every change bumps the host's change counter, so that nobody has to poll.

use std::borrow::Cow;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use legwork_core::outcome::describe;
use legwork_core::{BoxError, CancellationToken, Clock, Timestamp};
use tokio::sync::watch;

use crate::queue::TaskQueue;
use crate::status::{ServiceKind, ServiceState, ServiceStatus};
use crate::timer::TimerRecord;

/// What all parts of the host know of one service.
pub(crate) struct ServiceRecord {
    pub(crate) name: Arc<str>,
    pub(crate) kind: ServiceKind,
    /// Whether the host waits for [`crate::ServiceContext::ready`] before it has started.
    pub(crate) gated: bool,
    /// Stage 1 of its stop: please finish.
    pub(crate) stopping: CancellationToken,
    /// Stage 2 of its stop: the grace is over.
    pub(crate) aborting: CancellationToken,
    pub(crate) timer: Option<Arc<TimerRecord>>,
    pub(crate) queue: Option<TaskQueue>,
    clock: Arc<dyn Clock>,
    changes: watch::Sender<u64>,
    live: Mutex<Live>,
}

struct Live {
    state: ServiceState,
    since: Timestamp,
    ready: bool,
    /// Whether it was ready at least once since the host started.
    was_ready: bool,
    not_ready: Option<Cow<'static, str>>,
    n_restarts: u64,
    last_error: Option<String>,
    failed_to_stop: bool,
}

/// What a record is made of.
pub(crate) struct NewRecord {
    pub(crate) name: Arc<str>,
    pub(crate) kind: ServiceKind,
    pub(crate) gated: bool,
    pub(crate) timer: Option<Arc<TimerRecord>>,
    pub(crate) queue: Option<TaskQueue>,
}

impl ServiceRecord {
    /// Makes the record of a service whose tokens are children of `stopping` and `aborting`.
    pub(crate) fn new(
        new: NewRecord,
        (stopping, aborting): (&CancellationToken, &CancellationToken),
        clock: Arc<dyn Clock>,
        changes: watch::Sender<u64>,
    ) -> Self {
        let NewRecord { name, kind, gated, timer, queue } = new;
        let live = Live {
            state: ServiceState::Registered,
            since: clock.now(),
            ready: !gated,
            was_ready: !gated,
            not_ready: None,
            n_restarts: 0,
            last_error: None,
            failed_to_stop: false,
        };
        Self {
            name,
            kind,
            gated,
            stopping: stopping.child_token(),
            aborting: aborting.child_token(),
            timer,
            queue,
            clock,
            changes,
            live: Mutex::new(live),
        }
    }

    pub(crate) fn state(&self) -> ServiceState {
        self.live().state
    }

    pub(crate) fn is_ready(&self) -> bool {
        self.live().ready
    }

    /// Whether the service failed to become ready even once.
    pub(crate) fn never_was_ready(&self) -> bool {
        !self.live().was_ready
    }

    /// Moves the service to `state`.
    pub(crate) fn enter(&self, state: ServiceState) {
        let from = {
            let mut live = self.live();
            let from = std::mem::replace(&mut live.state, state);
            live.since = self.clock.now();
            from
        };
        tracing::debug!(service.name = &*self.name, %from, to = %state, "service changed state");
        self.changed();
    }

    /// Remembers an error of the service.
    pub(crate) fn fail(&self, error: &BoxError) -> String {
        let text = describe(&**error);
        self.live().last_error = Some(text.clone());
        self.changed();
        text
    }

    /// Remembers an error that came while the service was stopping.
    pub(crate) fn fail_to_stop(&self, error: &BoxError) -> String {
        self.live().failed_to_stop = true;
        self.fail(error)
    }

    pub(crate) fn failed_to_stop(&self) -> bool {
        self.live().failed_to_stop
    }

    /// Counts a restart; a gated service has to become ready again.
    pub(crate) fn restart(&self) {
        let mut live = self.live();
        live.n_restarts += 1;
        live.ready = !self.gated;
        live.not_ready = None;
        drop(live);
        self.changed();
    }

    pub(crate) fn ready(&self) {
        let mut live = self.live();
        let is_new = !live.ready;
        live.ready = true;
        live.was_ready = true;
        live.not_ready = None;
        drop(live);
        if is_new {
            tracing::info!(service.name = &*self.name, "service is ready");
            self.changed();
        }
    }

    pub(crate) fn not_ready(&self, why: Cow<'static, str>) {
        let mut live = self.live();
        let was_ready = std::mem::replace(&mut live.ready, false);
        if was_ready {
            tracing::info!(service.name = &*self.name, why = &*why, "service is not ready");
        }
        live.not_ready = Some(why);
        drop(live);
        self.changed();
    }

    /// Takes a picture.
    pub(crate) fn status(&self) -> ServiceStatus {
        let live = self.live();
        ServiceStatus {
            name: self.name.as_ref().to_owned(),
            kind: self.kind,
            state: live.state,
            since: live.since,
            ready: live.ready,
            not_ready_reason: live.not_ready.as_deref().map(str::to_owned),
            n_restarts: live.n_restarts,
            last_error: live.last_error.clone(),
            timer: self.timer.as_ref().map(|timer| timer.status()),
            queue: self.queue.as_ref().map(TaskQueue::status),
        }
    }

    /// Wakes whoever waits for a change.
    pub(crate) fn changed(&self) {
        self.changes.send_modify(|n| *n = n.wrapping_add(1));
    }

    fn live(&self) -> MutexGuard<'_, Live> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for ServiceRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceRecord")
            .field("name", &self.name)
            .field("state", &self.state())
            .finish_non_exhaustive()
    }
}
