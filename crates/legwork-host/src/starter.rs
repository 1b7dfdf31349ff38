//! Starts the services of a host in registration order, and waits until they are ready.
//!
//! [`Host::start`] calls it. Whatever ends the start early (an error, a service that fails
//! before it is ready, a request to stop) becomes the host's stop reason; the stopper rolls back.

use std::sync::Arc;
use std::time::Duration;

use legwork_core::BoxError;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior};
use tracing::Instrument;

use crate::context::ServiceContext;
use crate::erased::StartHook;
use crate::exit::StopReason;
use crate::host::{Entry, Host};
use crate::settle::{Settled, flatten, settle};
use crate::status::{HostPhase, ServiceState};
use crate::supervisor::Supervisor;

/// How long a start may take before the log names it, again and again.
const SLOW_START: Duration = Duration::from_secs(5);

impl Host {
    /// Runs the phases of the start; returns early when the host is to stop.
    pub(crate) async fn start_all(&mut self) {
        self.handle.enter(HostPhase::Starting);
        tracing::info!(services = self.entries.len(), "host is starting");
        let is_up = self.enter_all(StartHook::Starting).await
            && self.enter_all(StartHook::Start).await
            && self.all_ready().await
            && self.enter_all(StartHook::Started).await;
        if is_up {
            self.handle.enter(HostPhase::Started);
            self.handle.started().cancel();
            tracing::info!("host has started");
        }
    }

    /// Calls one hook of all services in order; tells whether the start goes on.
    async fn enter_all(&mut self, hook: StartHook) -> bool {
        for index in 0..self.entries.len() {
            if self.handle.stopping().is_cancelled() {
                return false;
            }
            if let Err(error) = self.enter_one(index, hook).await {
                let record = &self.entries[index].record;
                let error = record.fail(&error);
                let service = record.name.as_ref().to_owned();
                tracing::error!(service, error, "service did not start");
                if hook != StartHook::Started {
                    record.enter(ServiceState::Failed);
                }
                self.handle.stop(StopReason::StartFailed { service, error });
                return false;
            }
        }
        !self.handle.stopping().is_cancelled()
    }

    async fn enter_one(&mut self, index: usize, hook: StartHook) -> Result<(), BoxError> {
        let entry = &self.entries[index];
        if hook == StartHook::Start {
            entry.record.enter(ServiceState::Starting);
        }
        let cx = ServiceContext::new(Arc::clone(&entry.record), self.handle.clone(), 1);
        if let Some(call) = Arc::clone(&entry.service).enter(hook, cx) {
            let task = self.spawn(call.instrument(entry.span()));
            if !self.await_start(index, hook, task).await? {
                return Ok(());
            }
        }
        if hook == StartHook::Start {
            self.has_started(index);
        }
        Ok(())
    }

    /// Awaits a start hook; tells whether it ended well, which it need not when the host stops.
    async fn await_start(
        &self,
        index: usize,
        hook: StartHook,
        mut task: JoinHandle<Result<(), BoxError>>,
    ) -> Result<bool, BoxError> {
        let Entry { record, options, .. } = &self.entries[index];
        let began = Instant::now();
        let mut slow = tokio::time::interval_at(began + SLOW_START, SLOW_START);
        slow.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let limit = options.start_timeout.unwrap_or(Duration::MAX);
        let mut late = std::pin::pin!(tokio::time::sleep(limit));
        loop {
            tokio::select! {
                biased;
                ended = &mut task => return flatten(ended).map(|()| true),
                () = self.handle.stopping().cancelled() => break,
                () = &mut late => {
                    task.abort();
                    return Err(format!("{hook:?} took longer than {limit:?}").into());
                }
                _ = slow.tick() => {
                    let elapsed = began.elapsed();
                    tracing::warn!(service = &*record.name, ?elapsed, "service is still starting");
                }
            }
        }
        // A stop was asked for: the hook may end early, and gets no more time than a stop would.
        record.stopping.cancel();
        let share = self.share(self.n_started() + 1, options.stop_budget);
        match settle(&mut task, share, record, &self.handle).await {
            Settled::Ended(result) => flatten(result).map(|()| true),
            Settled::Aborted | Settled::Stuck => {
                record.enter(ServiceState::TimedOut);
                Ok(false)
            }
        }
    }

    fn has_started(&mut self, index: usize) {
        let entry = &mut self.entries[index];
        entry.has_started = true;
        entry.record.enter(ServiceState::Running);
        tracing::info!(service = &*entry.record.name, "service has started");
        if !entry.service.runs() {
            return;
        }
        let supervisor = Supervisor {
            service: Arc::clone(&entry.service),
            record: Arc::clone(&entry.record),
            policy: entry.options.policy,
            host: self.handle.clone(),
        };
        let run = supervisor.run().instrument(entry.span());
        let run = self.spawn(run);
        self.entries[index].run = Some(run);
    }

    /// Waits until every service with a gate is ready; tells whether the start goes on.
    async fn all_ready(&self) -> bool {
        let services = &self.handle.shared.services;
        let gates = || services.iter().filter(|service| service.gated);
        let ready = self.handle.wait_until(|_| gates().all(|service| service.is_ready()));
        let mut ready = std::pin::pin!(self.handle.stopping().run_until_cancelled(ready));
        loop {
            tokio::select! {
                ready = &mut ready => return ready.is_some(),
                () = tokio::time::sleep(SLOW_START) => {
                    for service in gates().filter(|service| !service.is_ready()) {
                        tracing::warn!(service = &*service.name, "service is still not ready");
                    }
                }
            }
        }
    }
}
