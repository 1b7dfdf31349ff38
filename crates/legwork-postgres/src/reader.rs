//! Reading beside the work: a few connections on which nothing can be written.
//!
//! [`crate::inspect`] and whoever only looks use it. A read sees one moment, holds up nobody and
//! is held up by nobody. It has limits, so that a dashboard cannot hurt: so many at once, so long
//! each. What is written goes through the lines of [`crate::storage`].

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use legwork_core::{BoxFuture, Error, ErrorKind};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::error::Result;
use crate::ground::Ground;
use crate::line::{Body, Line, Wish};
use crate::tx::Tx;

/// How many reads go on at once, each on a connection of its own, which is opened when it is first
/// needed.
const READERS: usize = 4;

/// How long a read waits for its turn; then it may take as long as any call.
const WAIT_LIMIT: Duration = Duration::from_secs(10);

/// The connections for reading.
#[derive(Debug)]
pub(crate) struct Readers {
    lines: Vec<Arc<Line>>,
    seats: Arc<Semaphore>,
    idle: Idle,
}

/// The lines that nobody uses; the one that was used last is on top, so that few are ever opened.
type Idle = Arc<Mutex<Vec<Arc<Line>>>>;

/// A line in use. It is free again when the read has ended, not when its caller stops waiting.
struct Seat {
    line: Arc<Line>,
    idle: Idle,
    _permit: OwnedSemaphorePermit,
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.push(Arc::clone(&self.line));
    }
}

/// What a read does, with the seat that it keeps until its end.
struct Ask<I, O> {
    input: I,
    body: Body<I, O>,
    _seat: Seat,
}

impl Readers {
    /// Makes the connections, without opening any.
    pub(crate) fn new(ground: Arc<Ground>) -> Self {
        let grounds = std::iter::repeat_n(ground, READERS);
        let lines: Vec<_> = grounds.map(|ground| Line::new("reads", ground)).collect();
        let idle = Arc::new(Mutex::new(lines.clone()));
        Self { lines, seats: Arc::new(Semaphore::new(READERS)), idle }
    }

    /// Reads in one consistent state of the database.
    pub(crate) async fn read<I, O>(&self, input: I, body: Body<I, O>) -> legwork_core::Result<O>
    where
        I: Send + Sync + 'static,
        O: Send + 'static,
    {
        let seat = self.sit_down().await?;
        let line = Arc::clone(&seat.line);
        let wish = Wish { repeatable: true, ..Wish::default() };
        line.call(wish, Ask { input, body, _seat: seat }, look).await
    }

    /// Waits for the reads that are under way, and hangs up.
    pub(crate) async fn close(&self) {
        for line in &self.lines {
            line.close(WAIT_LIMIT).await;
        }
    }

    async fn sit_down(&self) -> legwork_core::Result<Seat> {
        let turn = timeout(WAIT_LIMIT, Arc::clone(&self.seats).acquire_owned()).await;
        let Ok(Ok(permit)) = turn else {
            let message = format!("no read ended within {} s", WAIT_LIMIT.as_secs());
            return Err(Error::new(ErrorKind::Unavailable, message));
        };
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let line = idle.pop().expect("there are as many lines as permits");
        Ok(Seat { line, idle: Arc::clone(&self.idle), _permit: permit })
    }
}

fn look<'t, I, O>(tx: &'t mut Tx, ask: &'t Ask<I, O>) -> BoxFuture<'t, Result<O>> {
    tx.only_look();
    (ask.body)(tx, &ask.input)
}
