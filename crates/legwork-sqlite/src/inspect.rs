//! Looking into the storage: what the dashboard and the command line show.
//!
//! Each method is one bounded read on a reader thread. Nothing here changes anything; the actions
//! are in [`crate::operate`].
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

use crate::storage::SqliteStorage;

impl Inspect for SqliteStorage {
    fn now(&self) -> BoxFuture<'_, Result<Timestamp>> {
        Box::pin(std::future::ready(Ok(self.time())))
    }

    fn counts(&self) -> BoxFuture<'_, Result<Counts>> {
        self.read(overview::counts)
    }

    fn jobs(&self, filter: JobFilter, page: Page) -> BoxFuture<'_, Result<JobPage>> {
        self.read(move |db| jobs::list(db, &filter, &page))
    }

    fn job(&self, id: JobId) -> BoxFuture<'_, Result<Option<JobDetail>>> {
        self.read(move |db| detail::job(db, id))
    }

    fn recurring(&self) -> BoxFuture<'_, Result<Vec<RecurringView>>> {
        self.read(overview::recurring)
    }

    fn servers(&self) -> BoxFuture<'_, Result<Vec<ServerView>>> {
        let now = self.time();
        self.read(move |db| overview::servers(db, now))
    }

    fn queues(&self) -> BoxFuture<'_, Result<Vec<QueueView>>> {
        self.read(overview::queues)
    }

    fn throughput(&self, step: Duration, points: usize) -> BoxFuture<'_, Result<Vec<Throughput>>> {
        let now = self.time();
        self.read(move |db| overview::throughput(db, now, step, points))
    }
}
