//! One write transaction, as the operations see it.
//!
//! The writer makes a [`Write`] per transaction, and so does [`crate::transaction`] for a caller's
//! own; the operations write through it. It gathers what is written once per transaction: the
//! sequence, the last ticket, the sums. It never commits: that is [`crate::writer`].

use legwork_core::{Error, Timestamp};
use rusqlite::{Connection, Params};

use crate::error::Result;
use crate::marker::Home;
use crate::names::Names;
use crate::outcome::Ended;
use crate::query::{exists, find, list, sql};
use crate::ready::Ticket;
use crate::server::Presence;
use crate::stat::Stats;

/// A write transaction.
#[derive(Debug)]
pub(crate) struct Write<'c> {
    /// The connection in its transaction.
    pub(crate) db: &'c Connection,
    /// The storage's time, read once.
    pub(crate) now: Timestamp,
    /// The numbers of names.
    pub(crate) names: &'c mut Names,
    /// The locks that show that this process's servers live.
    pub(crate) presence: &'c mut Presence,
    /// Whether something became claimable or due.
    pub(crate) wake: bool,
    /// The last fresh ticket, which may still grow.
    pub(crate) ticket: Option<Ticket>,
    /// What goes into the sums of the minute.
    pub(crate) stats: Stats,
    sequence: Option<i64>,
    sequence_stored: i64,
    n_writes: u64,
    waiting: Option<bool>,
    paused: Option<Vec<i64>>,
}

impl<'c> Write<'c> {
    /// Begins to write in the transaction that `db` is in.
    pub(crate) fn new(
        db: &'c Connection,
        now: Timestamp,
        names: &'c mut Names,
        presence: &'c mut Presence,
    ) -> Self {
        Self {
            db,
            now,
            names,
            presence,
            wake: false,
            ticket: None,
            stats: Stats::default(),
            sequence: None,
            sequence_stored: 0,
            n_writes: 0,
            waiting: None,
            paused: None,
        }
    }

    /// Runs a statement that writes; returns how many rows it changed.
    pub(crate) fn execute(&mut self, sql: &str, params: impl Params) -> Result<usize> {
        self.n_writes += 1;
        Ok(self.db.prepare_cached(sql)?.execute(params)?)
    }

    /// Counts a write that was made, or promised for the end, without [`execute`](Self::execute).
    pub(crate) fn touched(&mut self) {
        self.n_writes += 1;
    }

    /// Returns how many writes there were, to tell whether an operation that failed has written.
    pub(crate) fn n_writes(&self) -> u64 {
        self.n_writes
    }

    /// Takes the next `n` numbers of the sequence; returns the first.
    pub(crate) fn take(&mut self, n: u32) -> Result<i64> {
        let next = self.next_number()?;
        let after = next
            .checked_add(i64::from(n))
            .ok_or_else(|| Error::corrupt("the sequence of ids is at its end"))?;
        self.touched();
        self.sequence = Some(after);
        Ok(next)
    }

    /// Makes sure that `id` is never handed out again.
    pub(crate) fn pass(&mut self, id: i64) -> Result<()> {
        if id >= self.next_number()? {
            self.touched();
            self.sequence = Some(id.saturating_add(1));
        }
        Ok(())
    }

    fn next_number(&mut self) -> Result<i64> {
        if let Some(next) = self.sequence {
            return Ok(next);
        }
        let next: Option<i64> = find(self.db, sql!("sequence"), [], |row| row.get(0))?;
        let next = next.ok_or_else(|| Error::corrupt("the sequence of ids is missing"))?;
        self.sequence = Some(next);
        self.sequence_stored = next;
        Ok(next)
    }

    /// Tells whether any job waits for another, at this moment of the transaction.
    pub(crate) fn any_waiting(&mut self) -> Result<bool> {
        if let Some(any) = self.waiting {
            return Ok(any);
        }
        let any = exists(self.db, sql!("children_any"), [])?;
        self.waiting = Some(any);
        Ok(any)
    }

    /// Tells [`any_waiting`](Self::any_waiting) that there is one now.
    pub(crate) fn set_waiting(&mut self) {
        self.waiting = Some(true);
    }

    /// Returns the numbers of the paused queues.
    pub(crate) fn paused(&mut self) -> Result<&[i64]> {
        if self.paused.is_none() {
            self.paused = Some(list(self.db, sql!("paused"), [], |row| row.get(0))?);
        }
        Ok(self.paused.as_deref().unwrap_or_default())
    }

    /// Forgets the paused queues after they were changed.
    pub(crate) fn pauses_changed(&mut self) {
        self.paused = None;
    }

    /// Adds to the sums of the minute.
    pub(crate) fn count(&mut self, home: Home, ended: Ended, ran_for: Option<i64>) {
        self.touched();
        self.stats.add(home.queue, home.kind, ended, ran_for.unwrap_or_default());
    }

    /// Writes what was gathered; the last thing before the commit.
    pub(crate) fn seal(&mut self) -> Result<()> {
        crate::ready::flush(self)?;
        crate::stat::flush(self)?;
        if let Some(next) = self.sequence
            && next != self.sequence_stored
        {
            self.execute(sql!("sequence_move"), [next])?;
            self.sequence_stored = next;
        }
        Ok(())
    }
}
