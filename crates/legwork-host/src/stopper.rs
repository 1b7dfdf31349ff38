//! Stops the services of a host in reverse order, within one hard deadline.
//!
//! [`Host::stop`] calls it, after a failed start too. An error never ends it early; a service that
//! does not end within its share of the time is aborted and named.

use std::sync::Arc;
use std::time::Duration;

use legwork_core::BoxError;
use tokio::time::Instant;
use tracing::Instrument;

use crate::budget::Share;
use crate::context::StopContext;
use crate::erased::StopHook;
use crate::exit::{DroppedItem, Facts, HostExit, ServiceExit, StopReason};
use crate::handle::{FORCED_GRACE, Stop};
use crate::host::Host;
use crate::settle::{Settled, flatten, settle};
use crate::status::{HostPhase, ServiceState};

impl Host {
    /// Runs the phases of the stop and reports how everything ended.
    pub(crate) async fn stop_all(&mut self) -> HostExit {
        let stop = self.stop_request();
        self.drain(&stop).await;
        let started: Vec<usize> = (0..self.entries.len())
            .rev()
            .filter(|&index| self.entries[index].has_started)
            .collect();
        for (n, &index) in started.iter().enumerate() {
            let n_to_come = 2 * started.len() - n;
            self.leave_one(index, StopHook::Stopping, self.share(n_to_come, None)).await;
        }
        for (n, &index) in started.iter().enumerate() {
            self.stop_one(index, started.len() - n - 1).await;
        }
        for (n, &index) in started.iter().enumerate() {
            let n_to_come = started.len() - n - 1;
            self.leave_one(index, StopHook::Stopped, self.share(n_to_come, None)).await;
        }
        // Queues that never started may hold items too, and must not keep who waits to enqueue.
        for index in 0..self.entries.len() {
            self.collect_dropped(index);
        }
        let exit = self.report(stop);
        self.handle.enter(HostPhase::Stopped);
        self.handle.stopped().cancel();
        self.handle.shared.watchdog.disarm();
        exit
    }

    /// Returns the share of a service that stops now, with `n_to_come` after it.
    pub(crate) fn share(&self, n_to_come: usize, cap: Option<Duration>) -> Share {
        let remaining = self.deadline().saturating_duration_since(Instant::now());
        Share::of(remaining, n_to_come, cap)
    }

    pub(crate) fn n_started(&self) -> usize {
        self.entries.iter().filter(|entry| entry.has_started).count()
    }

    /// The hard deadline of the stop.
    fn deadline(&self) -> Instant {
        let settings = &self.handle.shared.settings;
        let stop = self.stop_request();
        let total = if self.handle.started().is_cancelled() {
            settings.longest_stop()
        } else {
            settings.shutdown_timeout
        };
        let deadline = stop.at + total;
        match self.handle.forced() {
            Some((_, at)) => std::cmp::min(deadline, at + FORCED_GRACE),
            None => deadline,
        }
    }

    fn stop_request(&self) -> Stop {
        self.handle.stop_request().unwrap_or_else(|| Stop {
            reason: StopReason::requested("the host was stopped"),
            at: Instant::now(),
        })
    }

    /// Goes on serving for a while, so that balancers notice that the host is not ready any more.
    async fn drain(&self, stop: &Stop) {
        let delay = self.handle.shared.settings.drain_delay;
        if delay.is_zero() || !self.handle.started().is_cancelled() {
            return;
        }
        tracing::info!(?delay, "host drains");
        let over = tokio::time::sleep_until(stop.at + delay);
        if self.handle.shared.tokens.forced.run_until_cancelled(over).await.is_none() {
            tracing::info!("draining was cut short");
        }
    }

    /// Stops one service: its loop, then its clean-up, then its queue's remains are counted.
    async fn stop_one(&mut self, index: usize, n_to_come: usize) {
        let began = Instant::now();
        let share = self.share(n_to_come, self.entries[index].options.stop_budget);
        let entry = &mut self.entries[index];
        let record = Arc::clone(&entry.record);
        if matches!(record.state(), ServiceState::Running | ServiceState::BackingOff) {
            record.enter(ServiceState::Stopping);
        }
        record.stopping.cancel();
        if let Some(mut run) = entry.run.take() {
            let part = if entry.service.cleans_up() { share.loop_part() } else { share };
            match settle(&mut run, part, &record, &self.handle).await {
                Settled::Ended(ended) => {
                    if let Err(error) = flatten(ended.map(Ok)) {
                        record.fail_to_stop(&error);
                    }
                }
                Settled::Aborted => self.timed_out(index, "it was aborted"),
                Settled::Stuck => self.timed_out(index, "it blocks its thread and was left behind"),
            }
        }
        let spent = began.elapsed();
        let rest = Share {
            soft: share.soft.saturating_sub(spent),
            hard: share.hard.saturating_sub(spent),
        };
        self.leave_one(index, StopHook::Stop, rest).await;
        if record.state() == ServiceState::Stopping {
            let failed = record.failed_to_stop();
            record.enter(if failed { ServiceState::Failed } else { ServiceState::Stopped });
        }
        let took = began.elapsed();
        self.entries[index].stop_took = took;
        self.collect_dropped(index);
        tracing::info!(service = &*record.name, state = %record.state(), ?took, "service ended");
    }

    /// Calls one stop hook of one service.
    async fn leave_one(&mut self, index: usize, hook: StopHook, share: Share) {
        let entry = &self.entries[index];
        let record = Arc::clone(&entry.record);
        let cx = StopContext {
            name: Arc::clone(&record.name),
            reason: self.stop_request().reason,
            deadline: Instant::now() + share.soft,
            aborting: record.aborting.clone(),
        };
        let Some(call) = Arc::clone(&entry.service).leave(hook, cx) else { return };
        let mut task = self.spawn(call.instrument(entry.span()));
        let result: Result<(), BoxError> =
            match settle(&mut task, share, &record, &self.handle).await {
                Settled::Ended(ended) => flatten(ended),
                Settled::Aborted => return self.timed_out(index, "it was aborted"),
                Settled::Stuck => return self.timed_out(index, "it blocks its thread"),
            };
        if let Err(error) = result {
            let error = record.fail_to_stop(&error);
            tracing::error!(service = &*record.name, ?hook, error, "stop hook failed");
        }
    }

    fn timed_out(&self, index: usize, what: &str) {
        let record = &self.entries[index].record;
        let message = format!("did not stop in time: {what}");
        tracing::error!(service = &*record.name, "service {message}");
        record.fail(&message.into());
        record.enter(ServiceState::TimedOut);
    }

    /// Takes what is left in a task queue, and says so.
    fn collect_dropped(&mut self, index: usize) {
        let record = &self.entries[index].record;
        let Some(queue) = &record.queue else { return };
        let dropped = queue.take_dropped();
        if dropped.is_empty() {
            return;
        }
        let names: Vec<&str> = dropped.iter().map(|(name, _)| &**name).collect();
        let names = names.join(", ");
        tracing::warn!(queue = &*record.name, n = dropped.len(), names, "queue items were dropped");
        let queue = &record.name;
        self.dropped.extend(dropped.into_iter().map(|(name, started)| DroppedItem {
            queue: queue.as_ref().to_owned(),
            name,
            started,
        }));
    }

    fn report(&mut self, stop: Stop) -> HostExit {
        let services = self.entries.iter().map(|entry| {
            let status = entry.record.status();
            let ended_badly = matches!(status.state, ServiceState::Failed | ServiceState::TimedOut);
            ServiceExit {
                name: status.name,
                state: status.state,
                error: status.last_error.filter(|_| ended_badly || entry.record.failed_to_stop()),
                failed_to_stop: entry.record.failed_to_stop(),
                took: entry.stop_took,
            }
        });
        HostExit::of(Facts {
            services: services.collect(),
            forced_by: self.handle.forced().map(|(signal, _)| signal),
            dropped: std::mem::take(&mut self.dropped),
            took: stop.at.elapsed(),
            reason: stop.reason,
        })
    }
}
