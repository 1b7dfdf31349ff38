//! Vocabulary, decisions and contracts of Legwork. Pure: no runtime, no I/O.
//!
//! Applications use the `legwork` crate, which re-exports what they need. Storages, servers and
//! dashboards build on this one.
//!
//! # Layout
//! In reading order:
//! - [`job`]: the contract of a job, [`Job`]
//! - [`handler`], [`extract`], [`scope`], [`context`]: plain `async fn`s as handlers
//! - [`outcome`], [`retry`]: what a handler answers, and when a failed run is tried again
//! - [`state`]: the life of a job as one pure function
//! - [`cron`]: when a recurring job is due
//! - [`storage`], [`inspect`]: what a storage does, and what can be read from it
//! - [`id`], [`name`], [`limits`], [`time`], [`error`], [`future`]: the small words

pub mod context;
pub mod cron;
pub mod error;
pub mod extract;
pub mod future;
pub mod handler;
pub mod id;
pub mod inspect;
pub mod job;
pub mod limits;
pub mod name;
pub mod outcome;
pub mod retry;
pub mod scope;
pub mod state;
pub mod storage;
pub mod time;

pub use tokio_util::sync::CancellationToken;

pub use self::context::{CancelReason, JobContext, Progress};
pub use self::error::{BoxError, Effect, Error, ErrorKind, Result};
pub use self::extract::{FromRef, FromScope, RunContext, State};
pub use self::future::BoxFuture;
pub use self::handler::Handler;
pub use self::id::{Incarnation, JobId, LeaseId, Run};
pub use self::inspect::Inspect;
pub use self::job::{Job, RawArgs, Undecodable};
pub use self::name::{Kind, QueueName, RecurringId, Tag};
pub use self::outcome::{IntoOutcome, Outcome, Output, Retry};
pub use self::retry::RetryPolicy;
pub use self::scope::{RunEnd, Scope, Scoped, ScopedService};
pub use self::state::JobState;
pub use self::storage::{
    Actor, Capabilities, Capability, Enqueued, Misfire, On, Retention, Storage, Store,
};
pub use self::time::{Clock, SystemClock, Timestamp};
