//! The life of a job, as one pure function.
//!
//! Storages ask [`transition`] (or are proved against it by the conformance suite), the dashboard
//! prints [`JobState`]. What a handler may answer is in [`crate::outcome`].

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::Error;

/// Where a job is in its life.
///
/// The first four are live, the last three final; only an operator's requeue leaves a final state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum JobState {
    /// Waits for its parents to end.
    Awaiting,
    /// Waits for its due time: delayed, retried or snoozed.
    Scheduled,
    /// Can be claimed.
    Enqueued,
    /// A server holds its lease.
    Processing,
    /// Ended well.
    Succeeded,
    /// Ended badly: attempts exhausted, discarded, undecodable or quarantined.
    Failed,
    /// Was cancelled.
    Cancelled,
}

impl JobState {
    /// All states, in the order in which a job passes through them.
    pub const ALL: [Self; 7] = [
        Self::Awaiting,
        Self::Scheduled,
        Self::Enqueued,
        Self::Processing,
        Self::Succeeded,
        Self::Failed,
        Self::Cancelled,
    ];

    /// Returns the name that is used in Rust, SQL, JSON and HTML.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Awaiting => "awaiting",
            Self::Scheduled => "scheduled",
            Self::Enqueued => "enqueued",
            Self::Processing => "processing",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// Tells whether the job has ended.
    pub fn is_final(self) -> bool {
        match self {
            Self::Succeeded | Self::Failed | Self::Cancelled => true,
            Self::Awaiting | Self::Scheduled | Self::Enqueued | Self::Processing => false,
        }
    }
}

impl fmt::Display for JobState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for JobState {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Self::ALL
            .into_iter()
            .find(|state| state.as_str() == text)
            .ok_or_else(|| Error::invalid(format!("{text:?} is not a job state")))
    }
}

/// What can happen to a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Event {
    /// The last open parent ended as the continuation asked, and no delay was given.
    ParentsDone,
    /// The same, with a delay that starts now.
    ParentsDoneLater,
    /// Its due time came, or an operator runs it now.
    Promote,
    /// A server took it.
    Claim,
    /// Its run ended well.
    Succeed,
    /// Its run, or the attempt to run it, ended for good.
    Fail,
    /// Its run ended badly and is tried again later.
    Retry,
    /// Its run asked to be run again later.
    Snooze,
    /// Its server gave it back unharmed.
    Release,
    /// Its server died.
    Rescue,
    /// A person, its handler or a parent that ended otherwise cancelled it.
    Cancel,
    /// An operator wants it run again.
    Requeue,
}

impl Event {
    /// All events.
    pub const ALL: [Self; 12] = [
        Self::ParentsDone,
        Self::ParentsDoneLater,
        Self::Promote,
        Self::Claim,
        Self::Succeed,
        Self::Fail,
        Self::Retry,
        Self::Snooze,
        Self::Release,
        Self::Rescue,
        Self::Cancel,
        Self::Requeue,
    ];
}

/// An event that cannot happen in a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Impossible {
    /// The state the job was in.
    pub state: JobState,
    /// What was to happen.
    pub event: Event,
}

impl fmt::Display for Impossible {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} cannot happen to a job that is {}", self.event, self.state)
    }
}

impl std::error::Error for Impossible {}

/// Returns the state after `event`.
///
/// # Errors
/// [`Impossible`] when the event cannot happen in `state`.
///
/// # Examples
/// ```
/// use legwork_core::state::{Event, JobState, transition};
///
/// assert_eq!(transition(JobState::Enqueued, Event::Claim), Ok(JobState::Processing));
/// assert!(transition(JobState::Succeeded, Event::Retry).is_err());
/// ```
#[expect(clippy::match_same_arms, reason = "the arms are in the order of a job's life")]
pub fn transition(state: JobState, event: Event) -> Result<JobState, Impossible> {
    use Event as E;
    use JobState as S;

    let next = match (state, event) {
        (S::Awaiting, E::ParentsDone) | (S::Scheduled, E::Promote) => S::Enqueued,
        (S::Awaiting, E::ParentsDoneLater) => S::Scheduled,
        (S::Enqueued, E::Claim) => S::Processing,
        (S::Processing, E::Succeed) => S::Succeeded,
        (S::Processing, E::Fail) => S::Failed,
        (S::Processing, E::Retry | E::Snooze) => S::Scheduled,
        (S::Processing, E::Release | E::Rescue) => S::Enqueued,
        (S::Awaiting | S::Scheduled | S::Enqueued | S::Processing, E::Cancel) => S::Cancelled,
        (S::Succeeded | S::Failed | S::Cancelled, E::Requeue) => S::Enqueued,
        (state, event) => return Err(Impossible { state, event }),
    };
    Ok(next)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The whole table, a row per state in the order of [`JobState::ALL`], a column per event in
    /// the order of [`Event::ALL`]; `-` is impossible, otherwise the first letters of the state.
    const TABLE: [(&str, &str); 7] = [
        ("awaiting", "en sc -  -  -  -  -  -  -  -  ca - "),
        ("scheduled", "-  -  en -  -  -  -  -  -  -  ca - "),
        ("enqueued", "-  -  -  pr -  -  -  -  -  -  ca - "),
        ("processing", "-  -  -  -  su fa sc sc en en ca - "),
        ("succeeded", "-  -  -  -  -  -  -  -  -  -  -  en"),
        ("failed", "-  -  -  -  -  -  -  -  -  -  -  en"),
        ("cancelled", "-  -  -  -  -  -  -  -  -  -  -  en"),
    ];

    #[test]
    fn the_transition_table_is_exactly_this() {
        for (name, row) in TABLE {
            let state: JobState = name.parse().unwrap();
            for (event, cell) in Event::ALL.into_iter().zip(row.split_whitespace()) {
                let next =
                    transition(state, event).map_or("-".to_owned(), |s| s.as_str()[..2].to_owned());
                assert_eq!(next, cell, "{event:?} in {state}");
            }
        }
    }

    #[test]
    fn only_a_requeue_leaves_a_final_state() {
        for state in JobState::ALL.into_iter().filter(|state| state.is_final()) {
            for event in Event::ALL {
                assert_eq!(transition(state, event).is_ok(), event == Event::Requeue);
            }
        }
    }

    #[test]
    fn state_names_are_the_same_in_text_and_json() {
        for state in JobState::ALL {
            assert_eq!(state.as_str().parse::<JobState>().unwrap(), state);
            assert_eq!(serde_json::to_string(&state).unwrap(), format!("\"{state}\""));
        }
        assert!("done".parse::<JobState>().is_err());
    }
}
