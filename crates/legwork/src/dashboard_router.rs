//! The dashboard of a client's storage, ready to be nested into an application's router.
//!
//! It only joins `legwork-jobs` and `legwork-dashboard`, which do not know each other.

use std::sync::Arc;

use legwork_dashboard::Access;
use legwork_jobs::Jobs;

/// Makes the dashboard of [`Jobs`].
pub trait Dashboard {
    /// Returns the dashboard as a router, to be nested at any path.
    ///
    /// `access` decides who may see it and act; [`Access::local_only`] lets only this machine in.
    /// Serve it with [`HostBuilder::http`](crate::host::HostBuilder::http), or with connect info.
    ///
    /// # Examples
    /// ```
    /// use legwork::prelude::*;
    ///
    /// fn router(jobs: &Jobs) -> axum::Router {
    ///     axum::Router::new().nest("/jobs", jobs.dashboard(Access::local_only()))
    /// }
    /// ```
    fn dashboard(&self, access: Access) -> axum::Router;
}

impl Dashboard for Jobs {
    fn dashboard(&self, access: Access) -> axum::Router {
        legwork_dashboard::router(Arc::clone(self.store()), access)
    }
}
