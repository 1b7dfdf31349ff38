//! Background work for Rust applications: everything that must go on after the request was
//! answered.
//!
//! Hosted services, timers, an in-memory task queue and durable jobs live in one process, run plain
//! `async fn`s, and stop in order. This is a whole program:
//!
//! ```no_run
#![doc = include_str!("../../../examples/hello/src/main.rs")]
//! ```
//!
//! | kind of work | survives a restart | declared as |
//! | --- | --- | --- |
//! | hosted service, loop | no | [`HostedService`](host::HostedService), `.background(…)` |
//! | timer of this process | no | `.timer(…)` |
//! | task on the in-memory queue | no | [`TaskQueue`](host::TaskQueue) |
//! | job: durable, retried, visible | **yes** | `#[derive(Job)]` and a handler, [`Jobs::enqueue`] |
//!
//! # Features
//! `sqlite`, `dashboard`, `http` and `macros` are on by default.
//! - `sqlite`: jobs in an SQLite file, `Jobs::connect("sqlite://app.db")`
//! - `postgres`: jobs in a PostgreSQL database, `Jobs::connect("postgres://app@db.example/app")`
//! - `deadpool-0_14`, `sqlx-0_8`, `sqlx-0_9`, `diesel-2`, `diesel-async-0_9`: transactions of these
//!   drivers take jobs with `.tx(…)`, as those of tokio-postgres always do
//! - `dashboard`: the dashboard as an axum router, `jobs.dashboard(Access::local_only())`
//! - `http`: an HTTP service with health endpoints in the host, `.http(addr, router)`
//! - `macros`: `#[derive(Job)]`, `#[legwork::main]` and the others
//! - `testing`: `Jobs::connect("memory://")` and the tools for testing handlers and jobs
//!
//! # Layout
//! - [`prelude`]: what most programs import
//! - [`Connect`], [`HostJobs`], [`Dashboard`]: where the parts meet
//! - [`host`], [`sqlite`], [`postgres`], [`dashboard`], [`testing`]: the crates of these names
//! - everything at the top: jobs, from `legwork-jobs`, and the vocabulary, from `legwork-core`

mod connect;
#[cfg(feature = "dashboard")]
mod dashboard_router;
#[cfg(all(doctest, feature = "sqlite"))]
mod guide;
mod job_server;
mod location;
pub mod prelude;

pub use legwork_core::*;
#[cfg(feature = "dashboard")]
pub use legwork_dashboard as dashboard;
pub use legwork_host as host;
pub use legwork_jobs::{
    Enqueue, EnqueueAll, Jobs, Recurring, RunEvent, RunEvents, Server, ServerBuilder, StopReport,
};
/// # Examples
/// ```
/// use legwork::prelude::*;
/// # #[derive(Clone)] struct Mailer;
/// # impl Mailer { async fn welcome(&self, _: i64) -> Result<(), BoxError> { Ok(()) } }
/// # #[derive(Clone, FromRef)] struct App { mailer: Mailer }
///
/// #[legwork::job(name = "mail.welcome", queue = "mail")]
/// async fn send_welcome(user_id: i64, State(mailer): State<Mailer>) -> Result<(), BoxError> {
///     mailer.welcome(user_id).await
/// }
///
/// async fn sign_up(jobs: &Jobs) -> legwork::Result<legwork::ServerBuilder<App>> {
///     jobs.enqueue(SendWelcome { user_id: 7 }).await?;
///     Ok(jobs.server().handle(send_welcome))
/// }
/// ```
#[cfg(feature = "macros")]
pub use legwork_macros::job;
/// # Examples
/// ```
/// use legwork::host::StopReason;
/// use legwork::prelude::*;
///
/// #[legwork::main]
/// async fn main() -> legwork::Result<HostExit> {
///     let host = Host::builder(()).build()?;
///     host.handle().stop(StopReason::requested("there is nothing to do"));
///     Ok(host.run().await)
/// }
/// ```
#[cfg(feature = "macros")]
pub use legwork_macros::main;
#[cfg(feature = "macros")]
pub use legwork_macros::{FromRef, Job, debug_handler};
#[cfg(feature = "postgres")]
pub use legwork_postgres as postgres;
#[cfg(feature = "sqlite")]
pub use legwork_sqlite as sqlite;
#[cfg(feature = "testing")]
pub use legwork_testing as testing;

pub use self::connect::Connect;
#[cfg(feature = "dashboard")]
pub use self::dashboard_router::Dashboard;
pub use self::job_server::HostJobs;

/// What the code of the macros needs besides what is public.
#[doc(hidden)]
pub mod __private {
    pub use serde;
}
