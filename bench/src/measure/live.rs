//! Callers enqueue, each awaiting its own jobs, while a server runs them.
//!
//! What shared commits make of calls that would each cost a commit of their own.

use std::time::Duration;

use anyhow::ensure;
use legwork_sqlite::Synchronous;

use crate::lab::{Lab, Reading, Site};
use crate::options::Subject;
use crate::sample::Percentiles;
use crate::workload::{App, WORKERS, enqueue_in_calls, enqueue_singly, server};

/// With the default settings.
pub(crate) const FULL: &str = "enqueue and run, 64 callers";
/// With `synchronous=NORMAL`.
pub(crate) const NORMAL: &str = "enqueue and run, 64 callers, NORMAL";
/// With so many callers that each flush is large.
pub(crate) const MANY: &str = "enqueue and run, 512 callers";
/// With calls that bring fifty jobs each.
pub(crate) const FIFTY: &str = "enqueue and run, 64 callers x 50 jobs";

/// Who enqueues, and how much at a time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    pub(crate) callers: usize,
    pub(crate) per_call: u64,
}

pub(crate) const LOAD_64: Load = Load { callers: 64, per_call: 1 };
pub(crate) const LOAD_512: Load = Load { callers: 512, per_call: 1 };
pub(crate) const LOAD_64_X_50: Load = Load { callers: 64, per_call: 50 };

pub(crate) async fn run(lab: &Lab) -> anyhow::Result<Vec<Reading>> {
    let n = lab.size.n_single;
    let mut readings = vec![live(lab.site().await?, FULL, LOAD_64, n).await?];
    match lab.subject() {
        Subject::Sqlite => {
            let site = lab.sqlite_site(Synchronous::Normal).await?;
            readings.push(live(site, NORMAL, LOAD_64, n).await?);
        }
        Subject::Postgres => {
            let n = lab.size.n_bulk;
            readings.push(live(lab.site().await?, MANY, LOAD_512, n).await?);
            readings.push(live(lab.site().await?, FIFTY, LOAD_64_X_50, n).await?);
        }
    }
    Ok(readings)
}

async fn live(site: Site<'_>, what: &'static str, load: Load, n: u64) -> anyhow::Result<Reading> {
    let (lab, app) = (site.lab, App::expecting(n));
    let server = server(&site.jobs, WORKERS).start(app.clone()).await?;
    let stretch = lab.begin().await?;
    let times = load.enqueue(&site, n).await?;
    app.all_started().await?;
    let report = server.stop().await;
    let reading = stretch.end(what, n).await?.with_times(Percentiles::of(times));
    ensure!(report.clean && report.released == 0, "the server did not end in order: {report:?}");
    site.finish(n).await?;
    Ok(reading)
}

impl Load {
    /// Enqueues `n` jobs; returns how long each call took.
    pub(crate) async fn enqueue(self, site: &Site<'_>, n: u64) -> anyhow::Result<Vec<Duration>> {
        match self.per_call {
            1 => enqueue_singly(&site.jobs, self.callers, n).await,
            per_call => enqueue_in_calls(&site.jobs, (self.callers, per_call), n).await,
        }
    }
}
