//! Looking for the commits of callers, whose transactions say nothing.
//!
//! The drivers tell [`Look`] which transaction has stored jobs. It asks the server what has become
//! of it, ever less often, and wakes the servers once it is committed: neither a hint before, which
//! would make them look in vain, nor a NOTIFY within, which would make commits wait for each other.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout};

use crate::bind::{get, params};
use crate::conn::Conn;
use crate::error::{Failure, Result};
use crate::ground::Ground;
use crate::statement::sql;

/// How long after a transaction has stored jobs it is asked about: half as long again as it has
/// taken so far, within these bounds.
const PAUSE_MIN: Duration = Duration::from_millis(1);
const PAUSE_MAX: Duration = Duration::from_millis(50);

/// How long a transaction is asked about; the jobs of a later commit are found by polling.
const LOOK_MAX: Duration = Duration::from_mins(1);

/// How many transactions are asked about at once; those of a crowd are found by each other's hints.
const TRANSACTIONS_MAX: usize = 1_000;

/// How long the connection is kept for the next transaction.
const IDLE_MAX: Duration = Duration::from_secs(10);

/// How long an answer may take.
const ASK_LIMIT: Duration = Duration::from_secs(5);

/// The transactions of one storage that may commit.
#[derive(Debug, Default)]
pub(super) struct Look {
    state: Mutex<State>,
    more: Notify,
}

#[derive(Debug, Default)]
struct State {
    open: Vec<Open>,
    is_running: bool,
}

#[derive(Debug)]
struct Open {
    number: String,
    since: Instant,
}

impl Look {
    /// Looks for the commit of a transaction, in the background.
    pub(super) fn for_commit(self: &Arc<Self>, ground: &Arc<Ground>, on: &Handle, number: String) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let is_known = state.open.iter().any(|open| open.number == number);
        if is_known || state.open.len() >= TRANSACTIONS_MAX {
            return;
        }
        state.open.push(Open { number, since: Instant::now() });
        self.more.notify_one();
        if !std::mem::replace(&mut state.is_running, true) {
            let (look, ground) = (Arc::clone(self), Arc::clone(ground));
            let tasks = ground.tasks.clone();
            let work = async move {
                let closing = ground.closing.clone();
                closing.run_until_cancelled(look.run(&ground)).await;
            };
            tasks.spawn_on(work, on);
        }
    }

    /// Asks until there has been nothing to ask for a while.
    async fn run(&self, ground: &Ground) {
        let mut conn = None;
        loop {
            while let Some(pause) = self.pause() {
                sleep(pause).await;
                let asked = timeout(ASK_LIMIT, self.ask(ground, &mut conn)).await;
                if !matches!(asked, Ok(Ok(()))) {
                    tracing::debug!("commits cannot be looked for: polling will find them");
                    conn = None;
                    self.state.lock().unwrap_or_else(PoisonError::into_inner).open.clear();
                }
            }
            if timeout(IDLE_MAX, self.more.notified()).await.is_err() && self.stop() {
                return;
            }
        }
    }

    /// Returns when to ask next; `None` when there is nothing to ask.
    fn pause(&self) -> Option<Duration> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.open.retain(|open| open.since.elapsed() < LOOK_MAX);
        let latest = state.open.last()?;
        Some((latest.since.elapsed() / 2).clamp(PAUSE_MIN, PAUSE_MAX))
    }

    /// Stops, unless there is something to ask again.
    fn stop(&self) -> bool {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.is_running = !state.open.is_empty();
        !state.is_running
    }

    async fn ask(&self, ground: &Ground, conn: &mut Option<Arc<Conn>>) -> Result<()> {
        let conn = match conn {
            Some(conn) => conn,
            None => conn.insert(ground.dial("look").await.map_err(Failure::Refused)?),
        };
        let numbers: Vec<String> = {
            let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            state.open.iter().map(|open| open.number.clone()).collect()
        };
        let rows = conn.rows(sql!("enqueue_all_status"), params![numbers]).await?;
        let mut ended: Vec<String> = Vec::new();
        let mut is_committed = false;
        for row in &rows {
            let status: Option<String> = get(row, 1)?;
            if status.as_deref() != Some("in progress") {
                ended.push(get(row, 0)?);
            }
            is_committed |= status.as_deref() == Some("committed");
        }
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.open.retain(|open| !ended.contains(&open.number));
        drop(state);
        if is_committed {
            ground.signals.committed();
        }
        Ok(())
    }
}
