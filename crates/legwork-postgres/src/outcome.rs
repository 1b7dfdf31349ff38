//! The append-only record of runs that ended, and the codes of their results.
//!
//! Every end of a run is one, gathered in [`crate::change`]. (id, run) is its key: no run ends
//! twice. What a history needs beside it is an event.

use legwork_core::{Error, JobState, Timestamp};

use crate::error::Result;

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
    pub(crate) fn code(self) -> i16 {
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
    pub(crate) fn from_code(code: i16) -> Result<Self> {
        Ok(match code.unsigned_abs() {
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
    pub(crate) run: i32,
    pub(crate) ended: Ended,
    pub(crate) server: Option<i32>,
    pub(crate) claimed_at: Option<Timestamp>,
    /// In microseconds; `None` where no handler ended.
    pub(crate) ran_for: Option<i64>,
    pub(crate) failures: i32,
    /// What the server asked for, where a cancel or a limit made something else of it.
    pub(crate) asked: Option<Ended>,
}
