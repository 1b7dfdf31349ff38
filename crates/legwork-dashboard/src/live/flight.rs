//! One read of the storage for all who want the same at the same time.
//!
//! `live` has one per page that someone looks at. Nobody owns the read: whoever waits drives it, so
//! that it needs no task of its own and stops with its last listener.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::Shared;
use legwork_core::BoxFuture;
use tokio::time::Instant;

/// Shares a value that is made at most once per period.
pub(super) struct Flight<T: Clone> {
    period: Duration,
    latest: Mutex<Option<Latest<T>>>,
}

struct Latest<T: Clone> {
    started_at: Instant,
    value: Shared<BoxFuture<'static, T>>,
}

impl<T: Clone + Send + Sync + 'static> Flight<T> {
    pub(super) fn new(period: Duration) -> Self {
        Self { period, latest: Mutex::new(None) }
    }

    /// Returns the value, made by `make` unless one is being made or is younger than the period.
    ///
    /// # Cancel safety
    /// Dropping it leaves the making to the others, or to the next caller.
    pub(super) async fn get(&self, make: impl FnOnce() -> BoxFuture<'static, T>) -> T {
        let value = {
            let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
            match &*latest {
                Some(old) if old.value.peek().is_none() => old.value.clone(),
                Some(old) if old.started_at.elapsed() < self.period => old.value.clone(),
                Some(_) | None => {
                    let value = make().shared();
                    *latest = Some(Latest { started_at: Instant::now(), value: value.clone() });
                    value
                }
            }
        };
        value.await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use tokio::sync::Notify;

    use super::*;

    const PERIOD: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn many_who_ask_at_once_share_one_read_per_period() {
        let flight = Flight::new(PERIOD);
        let n_reads = Arc::new(AtomicU32::new(0));
        let ask = || {
            let n_reads = Arc::clone(&n_reads);
            let read = async move {
                tokio::task::yield_now().await;
                n_reads.fetch_add(1, Ordering::Relaxed) + 1
            };
            flight.get(|| Box::pin(read))
        };
        assert_eq!(tokio::join!(ask(), ask(), ask()), (1, 1, 1));
        assert_eq!(ask().await, 1, "it is younger than a second");
        tokio::time::advance(PERIOD).await;
        assert_eq!(ask().await, 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_read_whose_first_caller_left_is_finished_by_the_next() {
        let flight = Flight::new(PERIOD);
        let gate = Arc::new(Notify::new());
        let held = Arc::clone(&gate);
        let read = async move {
            held.notified().await;
            7
        };
        tokio::select! {
            biased;
            _ = flight.get(|| Box::pin(read)) => panic!("the gate is closed"),
            () = std::future::ready(()) => {}
        }
        tokio::time::advance(PERIOD).await;
        gate.notify_one();
        assert_eq!(flight.get(|| Box::pin(async { 8 })).await, 7);
    }
}
