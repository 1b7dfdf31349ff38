//! What most programs import: `use legwork::prelude::*`.
//!
//! Everything here has its place elsewhere in this crate, in `serde` or in `std`; nothing lives
//! here alone.

pub use std::time::Duration;

#[cfg(feature = "dashboard")]
pub use legwork_dashboard::Access;
pub use legwork_host::{
    BackgroundService, Host, HostExit, HostedService, Schedule, ServiceContext, StopContext,
    TaskContext, TaskQueue,
};
pub use serde::{Deserialize, Serialize};

#[cfg(feature = "dashboard")]
pub use crate::Dashboard;
pub use crate::{
    BoxError, CancellationToken, Connect, FromRef, HostJobs, Job, JobContext, JobId, Jobs, Misfire,
    On, Outcome, Output, Retry, RetryPolicy, RunEnd, Scoped, ScopedService, State,
};
