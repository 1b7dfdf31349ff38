//! The append-only record of runs that ended, and the codes of their results.
//!
//! Finish, rescue, cancel and expiry write it. (id, run) is its key: no run ends twice. What a
//! history needs beside it is an event; how the marker moves on is [`crate::finish`]'s business.

use legwork_core::inspect::History;
use legwork_core::{Error, ErrorKind, JobState};

use crate::error::Result;
use crate::query::sql;
use crate::write::Write;

/// How a run ended; the number is what is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    Succeeded = 1,
    Failed = 2,
    Cancelled = 3,
    Retried = 4,
    Snoozed = 5,
    Released = 6,
    Interrupted = 7,
    Lost = 8,
}

impl Ended {
    /// Returns the stored number.
    pub(crate) fn code(self) -> i64 {
        match self {
            Self::Succeeded => 1,
            Self::Failed => 2,
            Self::Cancelled => 3,
            Self::Retried => 4,
            Self::Snoozed => 5,
            Self::Released => 6,
            Self::Interrupted => 7,
            Self::Lost => 8,
        }
    }

    /// Reads a stored number; the sign only says that the job was requeued since.
    pub(crate) fn from_code(code: i64) -> Result<Self> {
        Ok(match code.abs() {
            1 => Self::Succeeded,
            2 => Self::Failed,
            3 => Self::Cancelled,
            4 => Self::Retried,
            5 => Self::Snoozed,
            6 => Self::Released,
            7 => Self::Interrupted,
            8 => Self::Lost,
            _ => return Err(Error::corrupt(format!("{code} is not a result")).into()),
        })
    }

    /// Returns the final state that a run with this result leaves, if it does.
    pub(crate) fn state(self) -> Option<JobState> {
        match self {
            Self::Succeeded => Some(JobState::Succeeded),
            Self::Failed => Some(JobState::Failed),
            Self::Cancelled => Some(JobState::Cancelled),
            Self::Retried | Self::Snoozed | Self::Released | Self::Interrupted | Self::Lost => None,
        }
    }
}

/// One run that ended.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Outcome {
    pub(crate) id: i64,
    pub(crate) run: u32,
    pub(crate) ended: Ended,
    pub(crate) server: Option<i64>,
    pub(crate) claimed_at: Option<i64>,
    /// `None` where no handler ended.
    pub(crate) ran_for: Option<i64>,
    pub(crate) failures: u32,
    /// What the server asked for, where a cancel or a limit made something else of it.
    pub(crate) asked: Option<Ended>,
}

/// Records the end of a run; `false` when it had ended before.
pub(crate) fn record(w: &mut Write<'_>, outcome: &Outcome) -> Result<bool> {
    let now = w.now.as_micros();
    let Outcome { id, run, ended, server, claimed_at, ran_for, failures, asked } = *outcome;
    let asked = asked.map(Ended::code);
    let params = (id, run, ended.code(), server, claimed_at, ran_for, now, failures, asked);
    Ok(w.execute(sql!("finish"), params)? == 1)
}

/// Adds to the history of a job.
pub(crate) fn tell(w: &mut Write<'_>, id: i64, run: Option<u32>, what: &History) -> Result<()> {
    let json = serde_json::to_string(what).map_err(|error| {
        Error::with_source(ErrorKind::Internal, "an event cannot be written as JSON", error)
    })?;
    w.execute(sql!("event"), (id, run, w.now.as_micros(), json))?;
    Ok(())
}
