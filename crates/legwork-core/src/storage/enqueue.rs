//! What a job is when it is given to a storage.
//!
//! The client builds a [`NewJob`]; [`crate::limits::check_job`] is the rule for its values.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::id::{JobId, Untyped};
use crate::limits::DELAY_MAX;
use crate::name::{Kind, QueueName, Tag};
use crate::retry::RetryPolicy;
use crate::state::JobState;
use crate::time::Timestamp;

/// A job to be stored. What is in it is written once and never updated.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NewJob {
    /// The id, where it was allocated before; otherwise the storage gives one.
    pub id: Option<JobId>,
    /// The kind.
    pub kind: Kind,
    /// The queue.
    pub queue: QueueName,
    /// The priority within the queue; a lower number runs first.
    pub priority: i16,
    /// The arguments: one JSON text.
    #[serde(with = "json_text")]
    pub args: Vec<u8>,
    /// When it may be claimed.
    pub start: Start,
    /// The jobs it waits for; empty unless it is a continuation.
    pub parents: Vec<Parent>,
    /// What only some jobs have.
    pub options: JobOptions,
}

impl NewJob {
    /// Makes a plain job: default queue, priority 0, to be run at once.
    pub fn new(kind: Kind, args: Vec<u8>) -> Self {
        Self {
            id: None,
            kind,
            queue: QueueName::default(),
            priority: 0,
            args,
            start: Start::Now,
            parents: Vec::new(),
            options: JobOptions::default(),
        }
    }
}

/// When a job may be claimed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Start {
    /// At once; a continuation when its parents have ended.
    #[default]
    Now,
    /// After a delay, which starts when the job is stored; for a continuation when its parents
    /// have ended.
    After(Duration),
    /// At an instant that the user chose, by the storage's clock; at once when it has passed.
    At(Timestamp),
}

impl Start {
    /// Returns the due time for a job that could run from `now` on; `None` means at once.
    pub fn due(self, now: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Now => None,
            Self::After(delay) => Some(now.after(delay)).filter(|&at| at > now),
            Self::At(at) => Some(at).filter(|&at| at > now),
        }
    }

    /// # Errors
    /// `Invalid` for a delay over 100 years.
    pub(crate) fn check(self) -> Result<()> {
        match self {
            Self::After(delay) if delay > DELAY_MAX => {
                Err(Error::invalid("the delay is over 100 years"))
            }
            Self::Now | Self::After(_) | Self::At(_) => Ok(()),
        }
    }
}

/// One job that a continuation waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Parent {
    /// The job.
    pub id: JobId,
    /// How it must end.
    pub on: On,
}

/// How a parent must end for its continuation to run.
///
/// A parent that ends otherwise cancels the continuation, with the reason, and so on down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum On {
    /// It succeeded.
    #[default]
    Success,
    /// It failed.
    Failure,
    /// It was cancelled.
    Cancelled,
    /// It ended, in any way.
    AnyEnd,
}

impl On {
    /// Tells whether a parent in `state` lets the continuation run; `None` while it has not ended.
    pub fn decide(self, state: JobState) -> Option<bool> {
        if !state.is_final() {
            return None;
        }
        Some(match self {
            Self::Success => state == JobState::Succeeded,
            Self::Failure => state == JobState::Failed,
            Self::Cancelled => state == JobState::Cancelled,
            Self::AnyEnd => true,
        })
    }

    /// Returns the stored name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure => "failure",
            Self::Cancelled => "cancelled",
            Self::AnyEnd => "any_end",
        }
    }
}

/// What only some jobs have; a plain job has the default and pays nothing for it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct JobOptions {
    /// The version of the arguments' encoding, where it is not 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub args_version: Option<u16>,
    /// How many runs may fail, where it is not the kind's default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_attempts: Option<u32>,
    /// How long a run may take, where it is not the kind's default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
    /// When failed runs are tried again, where it is not the kind's default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry: Option<RetryPolicy>,
    /// When it is too late to start; then the job is cancelled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// Labels to search for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<Tag>,
    /// The key of which no two jobs may be live.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unique_key: Option<String>,
    /// The key whose limit holds the job back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit_key: Option<String>,
    /// The batch it belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch: Option<i64>,
    /// The recurring job that it is an occurrence of, with the nominal instant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub occurrence: Option<(crate::name::RecurringId, Timestamp)>,
    /// The W3C trace context in which it was enqueued.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
}

impl JobOptions {
    /// Tells whether the job is plain: nothing is set.
    pub fn is_plain(&self) -> bool {
        *self == Self::default()
    }
}

/// What became of a job that was enqueued.
pub enum Enqueued<J = Untyped> {
    /// It is stored.
    New(JobId<J>),
    /// A job with its id or unique key was there already; nothing was stored.
    Existing(JobId<J>),
}

impl<J> Enqueued<J> {
    /// Returns the id of the job that is in the storage now.
    pub fn id(&self) -> JobId<J> {
        match self {
            Self::New(id) | Self::Existing(id) => *id,
        }
    }

    /// Tells whether this call stored the job.
    pub fn is_new(&self) -> bool {
        matches!(self, Self::New(_))
    }

    /// Says that the arguments are of type `K`, which nothing checks.
    pub fn cast<K>(self) -> Enqueued<K> {
        match self {
            Self::New(id) => Enqueued::New(id.cast()),
            Self::Existing(id) => Enqueued::Existing(id.cast()),
        }
    }
}

impl<J> Clone for Enqueued<J> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<J> Copy for Enqueued<J> {}
impl<J> PartialEq for Enqueued<J> {
    fn eq(&self, other: &Self) -> bool {
        self.is_new() == other.is_new() && self.id() == other.id()
    }
}
impl<J> Eq for Enqueued<J> {}

impl<J> fmt::Debug for Enqueued<J> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::New(id) => f.debug_tuple("New").field(id).finish(),
            Self::Existing(id) => f.debug_tuple("Existing").field(id).finish(),
        }
    }
}

impl<J> From<&Enqueued<J>> for JobId {
    fn from(enqueued: &Enqueued<J>) -> Self {
        enqueued.id().untyped()
    }
}
impl<J> From<Enqueued<J>> for JobId {
    fn from(enqueued: Enqueued<J>) -> Self {
        enqueued.id().untyped()
    }
}

/// Writes bytes that are one JSON text as a string.
mod json_text {
    use serde::{Deserialize, Deserializer, Serializer, de, ser};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        let text = std::str::from_utf8(bytes).map_err(ser::Error::custom)?;
        serializer.serialize_str(text)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(deserializer)?;
        crate::limits::check_args(text.as_bytes(), crate::limits::ARGS_MAX_BYTES)
            .map_err(de::Error::custom)?;
        Ok(text.into_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_continuation_runs_only_on_the_end_it_asked_for() {
        use JobState as S;
        let ends = [S::Succeeded, S::Failed, S::Cancelled];
        let table = [
            (On::Success, [true, false, false]),
            (On::Failure, [false, true, false]),
            (On::Cancelled, [false, false, true]),
            (On::AnyEnd, [true, true, true]),
        ];
        for (on, expected) in table {
            assert_eq!(ends.map(|end| on.decide(end).unwrap()), expected, "{on:?}");
            for live in [S::Awaiting, S::Scheduled, S::Enqueued, S::Processing] {
                assert_eq!(on.decide(live), None);
            }
        }
    }

    #[test]
    fn a_due_time_that_has_passed_means_at_once() {
        let now = Timestamp::from_micros(1_000_000);
        let later = Timestamp::from_micros(3_000_000);
        assert_eq!(Start::Now.due(now), None);
        assert_eq!(Start::After(Duration::ZERO).due(now), None);
        assert_eq!(Start::After(Duration::from_secs(2)).due(now), Some(later));
        assert_eq!(Start::At(later).due(now), Some(later));
        assert_eq!(Start::At(now).due(now), None);
    }

    #[test]
    fn a_stored_job_is_checked_when_it_is_read_back() {
        let job = NewJob::new(Kind::new("mail").unwrap(), b"{\"a\":1}".to_vec());
        let json = serde_json::to_string(&job).unwrap();
        assert_eq!(serde_json::from_str::<NewJob>(&json).unwrap(), job);
        assert!(serde_json::from_str::<NewJob>(&json.replace("\"mail\"", "\"ma il\"")).is_err());
        assert!(serde_json::from_str::<NewJob>(&json.replace(":1}", ":}")).is_err());
    }
}
