//! One job as a list shows it.
//!
//! The lists and the page of one job build it from the place of the job's marker. A damaged row
//! yields none.

use std::time::Duration;

use legwork_core::inspect::{History, JobSummary};
use legwork_core::{Incarnation, JobId, JobState, Progress, Run, Timestamp};
use rusqlite::Connection;

use crate::error::Result;
use crate::marker::{Home, Place};
use crate::names::Names;
use crate::query::{find, list, sql};

/// How much of an error a list shows, in bytes.
const ERROR_MAX_BYTES: usize = 200;

/// Reads what lists show, and remembers the names it has met.
pub(super) struct Summaries<'c> {
    pub(super) db: &'c Connection,
    names: Names,
}

/// What the place of a job tells about it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Standing {
    pub(super) state: JobState,
    /// `None` stands for the time it was stored.
    pub(super) at: Option<i64>,
    pub(super) run: u32,
    pub(super) failures: u32,
    pub(super) server: Option<i64>,
}

impl Standing {
    /// Reads what the place tells; the last outcome is read for final jobs.
    pub(super) fn of(db: &Connection, id: i64, place: &Place) -> Result<Self> {
        let live =
            |at, run, failures| Self { state: place.state(), at, run, failures, server: None };
        Ok(match place {
            Place::Waiting => live(None, 1, 0),
            Place::Due { run_at, marker } => live(Some(*run_at), marker.run, marker.failures),
            Place::Ready { ticket } => live(ticket.entered_at, ticket.run, ticket.failures),
            Place::Leased { lease, marker } => Self {
                server: Some(lease.server),
                ..live(Some(lease.claimed_at), marker.run, marker.failures)
            },
            Place::Ended { state, run, failures } => {
                let at = find(db, sql!("job_last_run"), [id], |row| row.get(5))?;
                Self { state: *state, ..live(at, *run, *failures) }
            }
        })
    }
}

impl<'c> Summaries<'c> {
    /// Begins to read.
    pub(super) fn new(db: &'c Connection) -> Self {
        Self { db, names: Names::default() }
    }

    /// Reads one line; `None` when there is no such job.
    pub(super) fn read(&mut self, id: i64, standing: &Standing) -> Result<Option<JobSummary>> {
        let head = find(self.db, sql!("inspect_job_head"), [id], |row| {
            let home = Home { queue: row.get(0)?, kind: row.get(1)?, priority: row.get(2)? };
            Ok((home, Timestamp::from_micros(row.get(3)?)))
        })?;
        let Some((home, created_at)) = head else {
            return Ok(None);
        };
        let kind = self.names.kind_name(self.db, home.kind)?;
        let queue = self.names.queue_name(self.db, home.queue)?;
        self.names.committed();
        let processing = standing.state == JobState::Processing;
        Ok(Some(JobSummary {
            id: JobId::new(id)?,
            kind,
            queue,
            priority: home.priority,
            state: standing.state,
            created_at,
            at: standing.at.map_or(created_at, Timestamp::from_micros),
            run: Run(standing.run),
            failures: standing.failures,
            server: self.server(standing.server.filter(|_| processing))?,
            ran_for: self.ran_for(id, standing)?,
            error: self.last_error(id)?,
            progress: if processing { self.progress(id, standing.run)? } else { None },
        }))
    }

    /// Reads the incarnation of a server.
    pub(super) fn server(&self, id: Option<i64>) -> Result<Option<Incarnation>> {
        let Some(id) = id else {
            return Ok(None);
        };
        let text: Option<String> =
            find(self.db, sql!("inspect_server_name"), [id], |row| row.get(0))?;
        Ok(text.and_then(|text| text.parse().ok()))
    }

    fn ran_for(&self, id: i64, standing: &Standing) -> Result<Option<Duration>> {
        if standing.run == 1 && !standing.state.is_final() {
            return Ok(None);
        }
        let ran_for: Option<i64> = find(self.db, sql!("inspect_ran_for"), [id], |row| row.get(0))?;
        Ok(ran_for.map(duration))
    }

    fn last_error(&self, id: i64) -> Result<Option<String>> {
        let events =
            list(self.db, sql!("inspect_last_error"), [id], |row| row.get::<_, String>(0))?;
        Ok(events.iter().find_map(|json| {
            let what = serde_json::from_str(json).ok()?;
            let (History::Retried { error, .. } | History::Failed { error, .. }) = what else {
                return None;
            };
            let message = error.message;
            let end = message.floor_char_boundary(ERROR_MAX_BYTES);
            Some(message[..end].to_owned())
        }))
    }

    fn progress(&self, id: i64, run: u32) -> Result<Option<Progress>> {
        find(self.db, sql!("inspect_progress"), (id, run), |row| {
            Ok(Progress { share: row.get(0)?, message: row.get(1)? })
        })
    }
}

/// Reads a stored duration.
pub(super) fn duration(micros: i64) -> Duration {
    Duration::from_micros(u64::try_from(micros).unwrap_or(0))
}
