//! The job server as a service of the host.
//!
//! It only joins `legwork-jobs` and `legwork-host`, which do not know each other: the server claims
//! from the start of the host until the host is asked to stop, and ends within its share of the
//! host's shutdown timeout.

use std::sync::PoisonError;
use std::time::Duration;

use legwork_core::{BoxError, Error, ErrorKind};
use legwork_host::{BackgroundService, HostBuilder, ServiceContext, StopContext};
use legwork_jobs::{Server, ServerBuilder};
use tokio::sync::OnceCell;

/// The name of the service, in logs, the status and on the dashboard.
const NAME: &str = "jobs";

/// What a server may take beyond its budget when the storage hangs.
const RESERVE: Duration = Duration::from_secs(1);

/// Runs job servers in a host.
pub trait HostJobs<S> {
    /// Adds a job server as the service `jobs`; its handlers take their state from the host's.
    ///
    /// Register it after the services that its handlers need, and before those that need it: it
    /// starts in registration order and stops in reverse. It claims no more jobs from the moment
    /// the host is asked to stop. Handlers then have its share of the host's shutdown timeout, and
    /// at most the server's own, to end; what has not ended goes back to its queue without spending
    /// an attempt, and a log line says how many.
    ///
    /// # Examples
    /// ```
    /// use legwork::prelude::*;
    /// # #[derive(Serialize, Deserialize, Job)] #[job(name = "greet")] struct Greet {}
    /// # async fn greet(_job: Greet) {}
    ///
    /// async fn run(jobs: Jobs) -> HostExit {
    ///     Host::builder(()).jobs(jobs.server().workers(32).handle(greet)).run().await
    /// }
    /// ```
    #[must_use = "a host does nothing until it is built and run"]
    fn jobs(self, server: ServerBuilder<S>) -> Self;

    /// Adds a job server as a service of another name, for a second one in the same host.
    #[must_use = "a host does nothing until it is built and run"]
    fn jobs_named(self, name: &str, server: ServerBuilder<S>) -> Self;
}

impl<S: Clone + Send + Sync + 'static> HostJobs<S> for HostBuilder<S> {
    fn jobs(self, server: ServerBuilder<S>) -> Self {
        self.jobs_named(NAME, server)
    }

    fn jobs_named(self, name: &str, server: ServerBuilder<S>) -> Self {
        let service = JobServer {
            unstarted: std::sync::Mutex::new(Some((server, self.state().clone()))),
            server: OnceCell::new(),
        };
        self.background_service(name, service)
    }
}

/// A server from its registration to its end.
struct JobServer<S> {
    /// Taken by the start.
    unstarted: std::sync::Mutex<Option<(ServerBuilder<S>, S)>>,
    server: OnceCell<Server>,
}

impl<S: Clone + Send + Sync + 'static> BackgroundService for JobServer<S> {
    async fn start(&self, _: &ServiceContext) -> Result<(), BoxError> {
        let unstarted = self.unstarted.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some((server, state)) = unstarted else {
            return Err(Error::new(ErrorKind::Internal, "the job server starts once").into());
        };
        let server = server.start(state).await?;
        let started = self.server.set(server);
        debug_assert!(started.is_ok(), "only this start sets the server");
        Ok(())
    }

    async fn run(&self, cx: ServiceContext) -> Result<(), BoxError> {
        // The host may go on serving for its drain delay; new jobs are for other processes by then.
        cx.host_stopping().cancelled().await;
        if let Some(server) = self.server.get() {
            server.stop_claiming();
        }
        cx.stopping().cancelled().await;
        Ok(())
    }

    async fn stop(&self, cx: &StopContext) -> Result<(), BoxError> {
        let Some(server) = self.server.get() else { return Ok(()) };
        let remaining = cx.remaining();
        let share = std::cmp::max(remaining.saturating_sub(RESERVE), remaining / 2);
        let budget = std::cmp::min(share, server.shutdown_timeout());
        let report = server.stop_within(budget).await;
        let (service, released) = (cx.name(), report.released);
        if report.clean {
            tracing::info!(service, released, "the job server has stopped");
        } else {
            tracing::warn!(service, released, "the job server had to interrupt its handlers");
        }
        Ok(())
    }
}
