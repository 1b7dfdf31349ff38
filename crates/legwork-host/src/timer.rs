//! A handler that runs by the clock and never overlaps itself.
//!
//! [`crate::HostBuilder::timer`] makes it; when it fires is in [`crate::schedule`]. A run that
//! fails, panics or times out is logged, counted and remembered; it never ends the timer.

use std::marker::PhantomData;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use legwork_core::handler::NoArgs;
use legwork_core::outcome::describe;
use legwork_core::{BoxError, Handler, Timestamp};
use tokio::time::Instant;

use crate::background::{Aborted, run_once};
use crate::context::ServiceContext;
use crate::erased::{Call, Service};
use crate::schedule::Schedule;
use crate::service::ServiceOutput;
use crate::status::{RunRecord, TimerStatus, remember};

/// What is known of a timer's runs.
#[derive(Debug, Default)]
pub(crate) struct TimerRecord {
    live: Mutex<TimerStatus>,
}

impl TimerRecord {
    pub(crate) fn status(&self) -> TimerStatus {
        self.live().clone()
    }

    fn waits(&self, next_at: Option<Timestamp>) {
        self.live().next_at = next_at;
    }

    fn starts(&self) {
        let mut live = self.live();
        live.next_at = None;
        live.running = true;
    }

    fn ended(&self, run: RunRecord) {
        let mut live = self.live();
        live.running = false;
        live.n_runs += 1;
        if run.error.is_some() {
            live.n_failed += 1;
        }
        remember(&mut live.runs, run);
    }

    fn missed(&self, n: u64) {
        let mut live = self.live();
        live.n_missed = live.n_missed.saturating_add(n);
    }

    fn live(&self) -> MutexGuard<'_, TimerStatus> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A handler with a schedule, as a service.
pub(crate) struct TimerService<H, S, M> {
    handler: H,
    state: S,
    schedule: Schedule,
    record: Arc<TimerRecord>,
    arguments: PhantomData<fn() -> M>,
}

impl<H, S, M> TimerService<H, S, M> {
    pub(crate) fn new(handler: H, state: S, schedule: Schedule, record: Arc<TimerRecord>) -> Self {
        Self { handler, state, schedule, record, arguments: PhantomData }
    }
}

impl<H, S, M> Service for TimerService<H, S, M>
where
    H: Handler<NoArgs, S, ServiceContext, M, Output: ServiceOutput>,
    S: Clone + Send + Sync + 'static,
    M: 'static,
{
    fn runs(&self) -> bool {
        true
    }

    fn run(self: Arc<Self>, cx: ServiceContext) -> Option<Call> {
        Some(Box::pin(async move { self.tick(cx).await }))
    }
}

impl<H, S, M> TimerService<H, S, M>
where
    H: Handler<NoArgs, S, ServiceContext, M, Output: ServiceOutput>,
    S: Clone + Send + Sync + 'static,
    M: 'static,
{
    /// Waits for a tick and runs the handler, until the host stops.
    async fn tick(&self, cx: ServiceContext) -> Result<(), BoxError> {
        let clock = Arc::clone(&cx.host().shared.clock);
        let mut ticks = self.schedule.ticks(&*clock);
        loop {
            self.record.waits(ticks.next_at(&*clock));
            cx.record().changed();
            let tick = cx.host_stopping().run_until_cancelled(ticks.wait(&*clock));
            if tick.await.is_none() {
                self.record.waits(None);
                return Ok(());
            }
            self.run_and_record(&cx).await?;
            let n_missed = ticks.advance(&*clock);
            if n_missed > 0 {
                self.record.missed(n_missed);
                tracing::warn!(timer = cx.name(), n_missed, "timer missed ticks during its run");
            }
        }
    }

    /// Runs the handler once. Only being cut short at stop is an error of the timer itself.
    async fn run_and_record(&self, cx: &ServiceContext) -> Result<(), BoxError> {
        let started_at = cx.host().shared.clock.now();
        let began = Instant::now();
        self.record.starts();
        cx.record().changed();
        let (handler, state, limit) =
            (self.handler.clone(), self.state.clone(), self.schedule.run_limit());
        let result = run_once(handler, state, cx.clone(), limit).await;
        let error = result.as_ref().err().map(|error| describe(&**error));
        if let Some(error) = &error {
            tracing::error!(timer = cx.name(), error, "timer run failed");
        }
        let took = began.elapsed();
        self.record.ended(RunRecord { name: cx.name().to_owned(), started_at, took, error });
        match result {
            Ok(()) => {
                // A gate opens with the first success; later the handler itself decides.
                if cx.record().gated && cx.record().never_was_ready() {
                    cx.ready();
                }
                Ok(())
            }
            Err(error) if error.is::<Aborted>() => Err(error),
            Err(_) => Ok(()),
        }
    }
}
