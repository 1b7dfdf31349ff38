//! Looking into the storage: what the dashboard and the command line show.
//!
//! Each method is one bounded read on a connection for reading. Nothing here changes anything; the
//! actions are in [`crate::operate`].
//!
//! - `summary`: one line of a list
//! - `jobs`: the lists by state
//! - `detail`: the page of one job
//! - `overview`: counts, queues, servers, recurring jobs, throughput

mod detail;
mod jobs;
mod overview;
mod summary;

use std::time::Duration;

use legwork_core::inspect::{
    Counts, Inspect, JobDetail, JobFilter, JobPage, Page, QueueView, RecurringView, ServerView,
    Throughput,
};
use legwork_core::{BoxFuture, JobId, Result, Timestamp};

use crate::storage::PostgresStorage;

impl Inspect for PostgresStorage {
    fn now(&self) -> BoxFuture<'_, Result<Timestamp>> {
        Box::pin(self.inner.readers.read((), |tx, ()| Box::pin(tx.now())))
    }

    fn counts(&self) -> BoxFuture<'_, Result<Counts>> {
        Box::pin(self.inner.readers.read((), |tx, ()| Box::pin(overview::counts(tx))))
    }

    fn jobs(&self, filter: JobFilter, page: Page) -> BoxFuture<'_, Result<JobPage>> {
        let read = self
            .inner
            .readers
            .read((filter, page), |tx, (filter, page)| Box::pin(jobs::list(tx, filter, page)));
        Box::pin(read)
    }

    fn job(&self, id: JobId) -> BoxFuture<'_, Result<Option<JobDetail>>> {
        Box::pin(self.inner.readers.read(id, |tx, id| Box::pin(detail::job(tx, *id))))
    }

    fn recurring(&self) -> BoxFuture<'_, Result<Vec<RecurringView>>> {
        Box::pin(self.inner.readers.read((), |tx, ()| Box::pin(overview::recurring(tx))))
    }

    fn servers(&self) -> BoxFuture<'_, Result<Vec<ServerView>>> {
        Box::pin(self.inner.readers.read((), |tx, ()| Box::pin(overview::servers(tx))))
    }

    fn queues(&self) -> BoxFuture<'_, Result<Vec<QueueView>>> {
        Box::pin(self.inner.readers.read((), |tx, ()| Box::pin(overview::queues(tx))))
    }

    fn throughput(&self, step: Duration, points: usize) -> BoxFuture<'_, Result<Vec<Throughput>>> {
        let read = self.inner.readers.read((step, points), |tx, (step, points)| {
            Box::pin(overview::throughput(tx, *step, *points))
        });
        Box::pin(read)
    }
}
