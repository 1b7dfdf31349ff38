//! A connection and the calls that wait for it.
//!
//! The storage has a few: one for enqueues, one for exchanges, one for heartbeats, one for the
//! rest. Each runs one transaction after the other, reconnects when its connection is gone, and
//! repeats what met another transaction. A caller that stops waiting stops nothing.

use std::sync::Arc;
use std::time::Duration;

use legwork_core::{BoxFuture, Error, ErrorKind};
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::conn::Conn;
use crate::error::{Remedy, Result};
use crate::ground::Ground;
use crate::tx::Tx;

/// How long a call may take, with its waiting, reconnecting and repeating.
pub(crate) const CALL_LIMIT: Duration = Duration::from_secs(10);

/// How often a call that meets other transactions is repeated at once.
const REPEATS_MAX: u32 = 50;

/// How long after a failed attempt to connect the next is made, at most: 50 ms, doubled each time.
const BACK_OFF_FIRST: Duration = Duration::from_millis(50);
const BACK_OFF_MAX: Duration = Duration::from_secs(3);

/// What a call does; it may be done again after a rollback.
pub(crate) type Body<I, O> = for<'t> fn(&'t mut Tx, &'t I) -> BoxFuture<'t, Result<O>>;

/// How a call wants to be treated.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Wish {
    /// Whether it may be lost with the power: nothing that was acknowledged as durable.
    pub(crate) relaxed: bool,
    /// Whether doing it twice is doing it once, so that a commit of unknown outcome is repeated.
    pub(crate) repeatable: bool,
}

/// A connection with its queue.
#[derive(Debug)]
pub(crate) struct Line {
    purpose: &'static str,
    ground: Arc<Ground>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    conn: Option<Arc<Conn>>,
    n_failed: u32,
}

impl Line {
    pub(crate) fn new(purpose: &'static str, ground: Arc<Ground>) -> Arc<Self> {
        Arc::new(Self { purpose, ground, state: Mutex::default() })
    }

    /// Does `body` in a transaction, whoever still waits for it.
    pub(crate) async fn call<I, O>(
        self: &Arc<Self>,
        wish: Wish,
        input: I,
        body: Body<I, O>,
    ) -> legwork_core::Result<O>
    where
        I: Send + Sync + 'static,
        O: Send + 'static,
    {
        self.ground.check_open()?;
        let line = Arc::clone(self);
        let work = self.ground.tasks.spawn(async move { line.work(wish, &input, body).await });
        match work.await {
            Ok(answer) => answer,
            Err(error) => {
                let message = "the call ended with its runtime, or by a defect";
                Err(Error::with_source(ErrorKind::Unknown, message, error))
            }
        }
    }

    /// Waits for the calls that are under way, and hangs up.
    pub(crate) async fn close(&self, limit: Duration) {
        if let Ok(mut state) = tokio::time::timeout(limit, self.state.lock()).await {
            state.conn = None;
        }
    }

    async fn work<I, O>(&self, wish: Wish, input: &I, body: Body<I, O>) -> legwork_core::Result<O>
    where
        I: Send + Sync,
    {
        let deadline = Instant::now() + CALL_LIMIT;
        let Ok(mut state) = timeout_at(deadline, self.state.lock()).await else {
            return Err(too_slow("no connection became free"));
        };
        let mut careful = false;
        // Whether an earlier attempt may have been committed.
        let mut unknown = false;
        let (mut n_repeats, mut n_lost) = (0, 0);
        loop {
            if n_lost > 1 {
                sleep_until(std::cmp::min(Instant::now() + back_off(n_lost), deadline)).await;
            }
            // Taken out, so that nobody finds it in the middle of a transaction.
            let conn = self.connected(&mut state, deadline).await;
            let conn = conn.map_err(|error| if unknown { in_doubt(error) } else { error })?;
            let mut tx = Tx::new(Arc::clone(&conn), Arc::clone(&self.ground), wish.relaxed);
            tx.careful = careful;
            let ended = timeout_at(deadline, attempt(&mut tx, input, body)).await;
            let Ok(ended) = ended else {
                let error = too_slow("the database did not answer");
                return Err(if unknown || tx.is_committing() { in_doubt(error) } else { error });
            };
            let failure = match ended {
                Ok(output) => {
                    state.conn = Some(conn);
                    if tx.wake {
                        self.ground.signals.committed();
                    }
                    return Ok(output);
                }
                Err(failure) => failure,
            };
            let remedy = failure.remedy();
            if remedy == Remedy::Pooled && !conn.pooled {
                self.ground.set_pooled();
            }
            if matches!(remedy, Remedy::Reconnect | Remedy::Pooled) {
                unknown |= tx.is_committing();
                let error = failure.into_error();
                if unknown && !wish.repeatable {
                    return Err(in_doubt(error));
                }
                // What was committed before is recognised.
                careful = true;
                n_lost += 1;
                tracing::debug!(purpose = self.purpose, %error, "reconnecting");
                continue;
            }
            if matches!(timeout_at(deadline, tx.roll_back()).await, Ok(Ok(()))) {
                state.conn = Some(conn);
            }
            n_repeats += 1;
            if remedy == Remedy::Tell || n_repeats > REPEATS_MAX || Instant::now() >= deadline {
                let error = failure.into_error();
                return Err(if unknown { in_doubt(error) } else { error });
            }
            careful |= remedy == Remedy::RepeatCarefully;
        }
    }

    /// Takes the connection, dialling until the deadline.
    async fn connected(
        &self,
        state: &mut State,
        deadline: Instant,
    ) -> legwork_core::Result<Arc<Conn>> {
        let fits =
            |conn: &Arc<Conn>| !conn.client.is_closed() && conn.pooled == self.ground.is_pooled();
        if let Some(conn) = state.conn.take().filter(fits) {
            return Ok(conn);
        }
        loop {
            self.ground.check_open()?;
            let error = match timeout_at(deadline, self.ground.dial(self.purpose)).await {
                Ok(Ok(conn)) => {
                    if state.n_failed > 0 {
                        tracing::info!(purpose = self.purpose, "the database is back");
                    }
                    state.n_failed = 0;
                    return Ok(conn);
                }
                Ok(Err(error)) => error,
                Err(_) => too_slow("the database could not be reached"),
            };
            state.n_failed = state.n_failed.saturating_add(1);
            let retry_at = Instant::now() + back_off(state.n_failed);
            if retry_at >= deadline || !error.is_transient() {
                return Err(error);
            }
            sleep_until(retry_at).await;
        }
    }
}

async fn attempt<I, O>(tx: &mut Tx, input: &I, body: Body<I, O>) -> Result<O> {
    let output = body(tx, input).await?;
    tx.commit().await?;
    Ok(output)
}

/// Returns a wait with full jitter, so that processes do not come back in step.
pub(crate) fn back_off(n_failed: u32) -> Duration {
    let most = BACK_OFF_FIRST.saturating_mul(1 << n_failed.saturating_sub(1).clamp(0, 10));
    std::cmp::min(most, BACK_OFF_MAX).mul_f64(fastrand::f64())
}

/// Makes the error of a call that took too long.
pub(crate) fn too_slow(what: &'static str) -> Error {
    Error::new(ErrorKind::Unavailable, format!("{what} within {} s", CALL_LIMIT.as_secs()))
}

/// Makes an error of unknown effect of one that came after a commit was sent.
fn in_doubt(error: Error) -> Error {
    Error::with_source(ErrorKind::Unknown, "the connection broke during the commit", error)
}
