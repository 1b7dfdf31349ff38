//! Keeps the loop of one background service running: panics, errors, restarts, early returns.
//!
//! The starter spawns one supervisor per service that runs; the stopper awaits it. It follows the
//! service's [`Policy`] and never restarts anything once a stop was asked for.

use std::sync::Arc;

use legwork_core::BoxError;
use tokio::time::Instant;

use crate::background::Aborted;
use crate::context::ServiceContext;
use crate::erased::Service;
use crate::exit::StopReason;
use crate::handle::HostHandle;
use crate::panic::caught;
use crate::policy::{Failures, Policy};
use crate::record::ServiceRecord;
use crate::status::{ServiceKind, ServiceState};

/// Runs one service until it ends for good.
pub(crate) struct Supervisor {
    pub(crate) service: Arc<dyn Service>,
    pub(crate) record: Arc<ServiceRecord>,
    pub(crate) policy: Policy,
    pub(crate) host: HostHandle,
}

impl Supervisor {
    pub(crate) async fn run(self) {
        let mut failures = Failures::default();
        for attempt in 1.. {
            let (record, host) = (Arc::clone(&self.record), self.host.clone());
            let cx = ServiceContext::new(record, host, attempt);
            let Some(work) = Arc::clone(&self.service).run(cx) else { return };
            let result = caught(work).await;
            if self.host.stopping().is_cancelled() {
                return self.ended_while_stopping(result);
            }
            match result {
                Ok(()) => return self.completed(),
                Err(error) if !self.goes_on(&error, &mut failures).await => return,
                Err(_) => {}
            }
        }
    }

    /// Follows the policy after a failure; tells whether the loop is to be started again.
    async fn goes_on(&self, error: &BoxError, failures: &mut Failures) -> bool {
        let text = self.record.fail(error);
        let service = &*self.record.name;
        if self.record.never_was_ready() {
            self.record.enter(ServiceState::Failed);
            let error = format!("failed before it was ready: {text}");
            self.host.stop(StopReason::StartFailed { service: service.to_owned(), error });
            return false;
        }
        let pause = match &self.policy {
            Policy::Restart(restart) => failures.count(restart, Instant::now()),
            Policy::StopHost => None,
            Policy::Ignore => {
                tracing::error!(service, error = text, "service failed and is not restarted");
                self.record.enter(ServiceState::Failed);
                self.stop_host_when_all_completed();
                return false;
            }
        };
        let Some(pause) = pause else {
            tracing::error!(service, error = text, "service failed, the host stops");
            self.record.enter(ServiceState::Failed);
            let service = service.to_owned();
            self.host.stop(StopReason::ServiceFailed { service, error: text });
            return false;
        };
        tracing::error!(service, error = text, ?pause, "service failed and will be restarted");
        self.record.enter(ServiceState::BackingOff);
        let stopping = self.host.stopping();
        if stopping.run_until_cancelled(tokio::time::sleep(pause)).await.is_none() {
            return false;
        }
        self.record.restart();
        self.record.enter(ServiceState::Running);
        true
    }

    fn ended_while_stopping(&self, result: Result<(), BoxError>) {
        if let Err(error) = result {
            if error.is::<Aborted>() {
                self.record.fail(&error);
                return self.record.enter(ServiceState::TimedOut);
            }
            let error = self.record.fail_to_stop(&error);
            tracing::error!(service = &*self.record.name, error, "service failed while stopping");
        }
    }

    fn completed(&self) {
        let service = &*self.record.name;
        if self.record.never_was_ready() {
            self.record.enter(ServiceState::Failed);
            let (service, error) = (service.to_owned(), "returned before it was ready".to_owned());
            self.host.stop(StopReason::StartFailed { service, error });
            return;
        }
        tracing::warn!(service, "service returned while the host runs; it is not restarted");
        self.record.enter(ServiceState::Completed);
        self.stop_host_when_all_completed();
    }

    fn stop_host_when_all_completed(&self) {
        let shared = &self.host.shared;
        let ended = |record: &Arc<ServiceRecord>| {
            record.kind != ServiceKind::Background
                || matches!(record.state(), ServiceState::Completed | ServiceState::Failed)
        };
        if shared.settings.exit_when_completed && shared.services.iter().all(ended) {
            self.host.stop(StopReason::Completed);
        }
    }
}
