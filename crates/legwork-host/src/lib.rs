//! The generic host of Legwork: services that start and stop with the application.
//!
//! Background loops, timers, an in-memory task queue and an HTTP service live in one [`Host`],
//! which starts them in order, restarts what fails, reports what it sees, and always stops. It is
//! useful without durable jobs and knows nothing of them; applications usually use the `legwork`
//! crate.
//!
//! # Layout
//! In reading order:
//! - [`HostBuilder`] (`builder`), [`Host`] (`host`), [`HostHandle`] (`handle`)
//! - [`HostedService`], [`BackgroundService`] (`service`), [`ServiceContext`], [`StopContext`]
//!   (`context`); `erased` is what the host keeps of them, `background` makes handlers services
//! - `starter`, `supervisor` with [`Policy`] (`policy`), `stopper` with `budget` and `settle`
//! - [`Schedule`] (`schedule`), `timer`; [`TaskQueue`] (`queue`); `http`, `health`
//! - [`HostStatus`] (`status`, kept in `record`), [`HostExit`] (`exit`)
//! - [`block_on`] (`runtime`), [`Signal`] (`signal`), `panic`

mod background;
mod budget;
mod builder;
mod context;
mod erased;
mod exit;
mod handle;
#[cfg(feature = "http")]
mod health;
mod host;
#[cfg(feature = "http")]
mod http;
mod panic;
mod policy;
mod queue;
mod record;
mod runtime;
mod schedule;
mod service;
mod settle;
mod signal;
mod starter;
mod status;
mod stopper;
mod supervisor;
mod timer;

pub use self::builder::{HostBuilder, SHUTDOWN_TIMEOUT_DEFAULT};
pub use self::context::{ServiceContext, StopContext};
pub use self::exit::{DroppedItem, HostExit, ServiceExit, StopReason};
pub use self::handle::HostHandle;
pub use self::host::Host;
pub use self::policy::{Policy, Restart};
pub use self::queue::{CAPACITY_DEFAULT, Drain, EnqueueError, Refused, TaskContext, TaskQueue};
pub use self::runtime::{MainOutput, block_on};
pub use self::schedule::Schedule;
pub use self::service::{BackgroundService, HostedService, ServiceOutput};
pub use self::signal::Signal;
pub use self::status::{
    HostPhase, HostStatus, QueueStatus, RUNS_MAX, RunRecord, ServiceKind, ServiceState,
    ServiceStatus, TimerStatus,
};
