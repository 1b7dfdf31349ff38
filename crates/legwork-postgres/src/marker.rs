//! Where a job is: its marker is in exactly one place, which is its state.
//!
//! Cancel, requeue, delete and the dashboard ask [`locate`], which looks into all places at one
//! moment. It only reads: whoever acts on the answer makes sure that it still holds.

use legwork_core::{JobState, Timestamp};
use tokio_postgres::Row;

use crate::bind::{get, instant, instant_or_none, params};
use crate::error::Result;
use crate::lease::Lease;
use crate::outcome::Ended;
use crate::ready::Ticket;
use crate::statement::sql;
use crate::tx::Tx;

/// Where a job belongs; fixed when it is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) struct Home {
    pub(crate) queue: i32,
    pub(crate) kind: i32,
    pub(crate) priority: i16,
}

/// What a job carries from place to place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Marker {
    pub(crate) id: i64,
    pub(crate) run: i32,
    pub(crate) failures: i32,
    pub(crate) losses: i32,
}

impl Marker {
    /// Returns the marker of a job that has never run.
    pub(crate) fn fresh(id: i64) -> Self {
        Self { id, run: 1, failures: 0, losses: 0 }
    }

    /// Returns the marker after a run that ended without a failure.
    pub(crate) fn next(self) -> Self {
        Self { run: self.run.saturating_add(1), ..self }
    }
}

/// The place of a job.
#[derive(Debug)]
pub(crate) enum Place {
    /// In `waiting`.
    Waiting,
    /// In `due`.
    Due { run_at: Timestamp, marker: Marker },
    /// In `ready`.
    Ready { ticket: Ticket },
    /// In `lease`.
    Leased { lease: Lease, marker: Marker },
    /// Its last run ended for good.
    Ended { state: JobState, run: i32, failures: i32, at: Timestamp },
}

impl Place {
    /// Returns the state that the place stands for.
    pub(crate) fn state(&self) -> JobState {
        match self {
            Self::Waiting => JobState::Awaiting,
            Self::Due { .. } => JobState::Scheduled,
            Self::Ready { .. } => JobState::Enqueued,
            Self::Leased { .. } => JobState::Processing,
            Self::Ended { state, .. } => *state,
        }
    }
}

/// The columns of `sql/locate.sql` begin with those of [`Lease::read`]; these follow.
const LEASED_RUN: usize = 12;
const HOME: usize = 13;
const OUTCOME: usize = 16;
const TICKET: usize = 20;
const DUE: usize = 27;
const WAITING: usize = 31;

/// Finds where a job belongs and is; `None` when there is no such job.
///
/// A job that is in no place is what `doctor` would call an orphan.
pub(crate) async fn locate(tx: &mut Tx, id: i64) -> Result<Option<(Home, Option<Place>)>> {
    let Some(row) = tx.row(sql!("locate"), params![id]).await? else {
        return Ok(None);
    };
    let home = Home {
        queue: get(&row, HOME)?,
        kind: get(&row, HOME + 1)?,
        priority: get(&row, HOME + 2)?,
    };
    Ok(Some((home, read_place(&row, home, id)?)))
}

fn read_place(row: &Row, home: Home, id: i64) -> Result<Option<Place>> {
    if let Some(code) = get::<Option<i16>>(row, OUTCOME + 1)?
        && code > 0
        && let Some(state) = Ended::from_code(code)?.state()
    {
        let (run, failures) = (get(row, OUTCOME)?, get(row, OUTCOME + 2)?);
        return Ok(Some(Place::Ended { state, run, failures, at: instant(row, OUTCOME + 3)? }));
    }
    if get::<Option<i64>>(row, TICKET)?.is_some() {
        return Ok(Some(Place::Ready { ticket: Ticket::read(home, row, TICKET)? }));
    }
    if let Some(run_at) = instant_or_none(row, DUE)? {
        let (run, failures, losses) = (get(row, DUE + 1)?, get(row, DUE + 2)?, get(row, DUE + 3)?);
        return Ok(Some(Place::Due { run_at, marker: Marker { id, run, failures, losses } }));
    }
    if get(row, WAITING)? {
        return Ok(Some(Place::Waiting));
    }
    let Some(run) = get(row, LEASED_RUN)? else {
        return Ok(None);
    };
    let lease = Lease::read(row)?;
    let held = lease.lists(id, run);
    Ok(held.map(|held| Place::Leased { lease, marker: held.marker }))
}
