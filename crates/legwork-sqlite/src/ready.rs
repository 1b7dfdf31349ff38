//! Tickets: what can be claimed.
//!
//! Enqueue makes fresh tickets of up to 100 consecutive ids; whatever comes in again gets a ticket
//! of its own with a fresh place in the order. Claiming is [`crate::claim`]; cancel and delete cut
//! a job out.

use legwork_core::limits::SUSPECT_LOSSES;
use rusqlite::Row;

use crate::error::Result;
use crate::marker::{Home, Marker};
use crate::query::{find, sql};
use crate::write::Write;

/// How many jobs a ticket stands for at most: a claim of four never waits behind more, and the cost
/// of a ticket is shared by enough (measured: 100 and 500 are within noise).
pub(crate) const TICKET_MAX: i64 = 100;

/// Claimable jobs of one queue, kind and priority with consecutive ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ticket {
    pub(crate) home: Home,
    pub(crate) seq: i64,
    pub(crate) first: i64,
    pub(crate) n: i64,
    pub(crate) run: u32,
    pub(crate) failures: u32,
    pub(crate) losses: u32,
    pub(crate) entered_at: Option<i64>,
}

impl Ticket {
    /// Reads `seq, first, n, run, failures, losses, entered_at`, which begin at column `at`.
    pub(crate) fn read(home: Home, row: &Row<'_>, at: usize) -> rusqlite::Result<Self> {
        Ok(Self {
            home,
            seq: row.get(at)?,
            first: row.get(at + 1)?,
            n: row.get(at + 2)?,
            run: row.get(at + 3)?,
            failures: row.get(at + 4)?,
            losses: row.get(at + 5)?,
            entered_at: row.get(at + 6)?,
        })
    }

    /// Tells whether its jobs are suspects: of these a claim takes only so many.
    pub(crate) fn is_suspect(&self) -> bool {
        self.losses >= SUSPECT_LOSSES
    }

    /// Tells whether it stands for the job.
    pub(crate) fn holds(&self, id: i64) -> bool {
        self.first <= id && id - self.first < self.n
    }

    /// Returns the ticket without its first `n` jobs, in the same place of the order.
    fn rest(&self, n: i64) -> Option<Self> {
        (n < self.n).then(|| Self {
            seq: self.seq + n,
            first: self.first + n,
            n: self.n - n,
            ..*self
        })
    }
}

/// Makes a fresh job claimable; jobs that follow each other share a ticket, which [`flush`] writes.
pub(crate) fn add(w: &mut Write<'_>, home: Home, id: i64) -> Result<()> {
    w.wake = true;
    w.touched();
    if let Some(ticket) = &mut w.ticket
        && ticket.home == home
        && ticket.first + ticket.n == id
        && ticket.n < TICKET_MAX
    {
        ticket.n += 1;
        return Ok(());
    }
    flush(w)?;
    let fresh =
        Ticket { home, seq: id, first: id, n: 1, run: 1, failures: 0, losses: 0, entered_at: None };
    w.ticket = Some(fresh);
    Ok(())
}

/// Writes the ticket that may still grow; whatever looks for tickets calls it first.
pub(crate) fn flush(w: &mut Write<'_>) -> Result<()> {
    match w.ticket.take() {
        Some(ticket) => write(w, &ticket),
        None => Ok(()),
    }
}

/// Makes a job claimable again, behind all others of its priority.
pub(crate) fn enter(w: &mut Write<'_>, home: Home, marker: Marker) -> Result<()> {
    let seq = w.take(1)?;
    w.wake = true;
    let ticket = Ticket {
        home,
        seq,
        first: marker.id,
        n: 1,
        run: marker.run,
        failures: marker.failures,
        losses: marker.losses,
        entered_at: Some(w.now.as_micros()),
    };
    write(w, &ticket)
}

fn write(w: &mut Write<'_>, t: &Ticket) -> Result<()> {
    let Home { queue, kind, priority } = t.home;
    let params =
        (queue, kind, priority, t.seq, t.first, t.n, t.run, t.failures, t.losses, t.entered_at);
    w.execute(sql!("ready_add"), params)?;
    Ok(())
}

/// Takes the first `n` jobs off a ticket that was read in this transaction.
pub(crate) fn take(w: &mut Write<'_>, ticket: &Ticket, n: i64) -> Result<()> {
    let Home { queue, kind, priority } = ticket.home;
    w.execute(sql!("ready_remove"), (queue, ticket.is_suspect(), kind, priority, ticket.seq))?;
    match ticket.rest(n) {
        Some(rest) => write(w, &rest),
        None => Ok(()),
    }
}

/// Cuts one job out of its ticket.
pub(crate) fn cut(w: &mut Write<'_>, ticket: &Ticket, id: i64) -> Result<()> {
    take(w, ticket, ticket.n)?;
    let before = id - ticket.first;
    if before > 0 {
        write(w, &Ticket { n: before, ..*ticket })?;
    }
    match ticket.rest(before + 1) {
        Some(rest) => write(w, &rest),
        None => Ok(()),
    }
}

/// Finds the ticket of a job.
pub(crate) fn ticket_of(db: &rusqlite::Connection, home: Home, id: i64) -> Result<Option<Ticket>> {
    let Home { queue, kind, priority } = home;
    let read = |row: &Row<'_>| Ticket::read(home, row, 0);
    // A fresh ticket stands at its first id, and no other ticket can stand within its ids.
    let params = (queue, false, kind, priority, id);
    let fresh = find(db, sql!("ready_find"), params, read)?;
    if let Some(ticket) = fresh.filter(|ticket| ticket.holds(id)) {
        return Ok(Some(ticket));
    }
    find(db, sql!("ready_find_again"), [id], read)
}
