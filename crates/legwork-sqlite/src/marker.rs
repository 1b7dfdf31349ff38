//! Where a job is: its marker is in exactly one place, which is its state.
//!
//! Cancel, requeue, delete, continuations and the dashboard ask [`find_place`]. It only reads.

use legwork_core::JobState;
use rusqlite::Connection;

use crate::error::Result;
use crate::lease::Lease;
use crate::outcome::Ended;
use crate::query::{find, sql};
use crate::ready::{Ticket, ticket_of};

/// Where a job belongs; fixed when it is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Home {
    pub(crate) queue: i64,
    pub(crate) kind: i64,
    pub(crate) priority: i16,
}

/// What a job carries from place to place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Marker {
    pub(crate) id: i64,
    pub(crate) run: u32,
    pub(crate) failures: u32,
    pub(crate) losses: u32,
}

impl Marker {
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
    Due { run_at: i64, marker: Marker },
    /// In `ready`.
    Ready { ticket: Ticket },
    /// In `lease`.
    Leased { lease: Lease, marker: Marker },
    /// Its last run ended for good.
    Ended { state: JobState, run: u32, failures: u32 },
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

/// Reads where a job belongs; `None` when there is no such job.
pub(crate) fn home_of(db: &Connection, id: i64) -> Result<Option<Home>> {
    find(db, sql!("job_home"), [id], |row| {
        Ok(Home { queue: row.get(0)?, kind: row.get(1)?, priority: row.get(2)? })
    })
}

/// Reads how a job ended; `None` while it is live, or when there is no such job.
pub(crate) fn end_of(db: &Connection, id: i64) -> Result<Option<JobState>> {
    match find(db, sql!("job_end"), [id], |row| row.get(0))? {
        Some(code) => Ok(Ended::from_code(code)?.state()),
        None => Ok(None),
    }
}

/// Finds the place of a job; `None` when it has none, which `doctor` would call an orphan.
pub(crate) fn find_place(db: &Connection, home: Home, id: i64) -> Result<Option<Place>> {
    let ended = find(db, sql!("job_last_run"), [id], |row| {
        Ok((row.get::<_, u32>(0)?, row.get::<_, i64>(1)?, row.get::<_, u32>(6)?))
    })?;
    if let Some((run, code, failures)) = ended
        && code > 0
        && let Some(state) = Ended::from_code(code)?.state()
    {
        return Ok(Some(Place::Ended { state, run, failures }));
    }
    if let Some(ticket) = ticket_of(db, home, id)? {
        return Ok(Some(Place::Ready { ticket }));
    }
    let due = find(db, sql!("due_find"), [id], |row| {
        let marker = Marker { id, run: row.get(1)?, failures: row.get(2)?, losses: row.get(3)? };
        Ok(Place::Due { run_at: row.get(0)?, marker })
    })?;
    if due.is_some() {
        return Ok(due);
    }
    if find(db, sql!("waiting_find"), [id], |_| Ok(()))?.is_some() {
        return Ok(Some(Place::Waiting));
    }
    let leased = crate::lease::find_holder(db, id)?;
    Ok(leased.map(|(lease, marker)| Place::Leased { lease, marker }))
}
