//! Tickets: what can be claimed.
//!
//! Enqueue makes fresh tickets of up to 100 consecutive ids; whatever comes in again gets a ticket
//! of its own with a fresh place in the order ([`crate::change`]). Claiming is [`crate::claim`];
//! cancel and delete cut a job out. A ticket is never updated: its parts take its place.

use legwork_core::Timestamp;
use legwork_core::limits::SUSPECT_LOSSES;
use tokio_postgres::Row;

use crate::bind::{get, instant_or_none, params, stored};
use crate::error::{Failure, Result};
use crate::marker::{Home, Marker};
use crate::statement::sql;
use crate::tx::Tx;

/// Claimable jobs of one queue, kind and priority with consecutive ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ticket {
    pub(crate) home: Home,
    pub(crate) seq: i64,
    pub(crate) first: i64,
    pub(crate) n: i16,
    pub(crate) run: i32,
    pub(crate) failures: i32,
    pub(crate) losses: i32,
    /// `None` where it is when the job was stored.
    pub(crate) entered_at: Option<Timestamp>,
}

impl Ticket {
    /// Reads `seq, first, n, run, failures, losses, entered_at`, which begin at column `at`.
    pub(crate) fn read(home: Home, row: &Row, at: usize) -> Result<Self> {
        Ok(Self {
            home,
            seq: get(row, at)?,
            first: get(row, at + 1)?,
            n: get(row, at + 2)?,
            run: get(row, at + 3)?,
            failures: get(row, at + 4)?,
            losses: get(row, at + 5)?,
            entered_at: instant_or_none(row, at + 6)?,
        })
    }

    /// Returns what the ticket says of one of its jobs.
    pub(crate) fn marker(&self, id: i64) -> Marker {
        Marker { id, run: self.run, failures: self.failures, losses: self.losses }
    }
}

/// Cuts one job out of its ticket, unless a claim was quicker: then look again.
pub(crate) async fn cut(tx: &mut Tx, ticket: &Ticket, id: i64) -> Result<()> {
    let Home { queue, kind, priority } = ticket.home;
    let suspect = ticket.losses >= stored(SUSPECT_LOSSES);
    let key = params![
        queue,
        suspect,
        kind,
        priority,
        ticket.seq,
        ticket.first,
        ticket.n,
        ticket.run,
        id,
    ];
    match tx.row(sql!("ready_cut"), key).await? {
        Some(_) => Ok(()),
        None => Err(Failure::Raced),
    }
}
