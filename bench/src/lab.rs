//! A fresh storage for each measurement, and the count of rows at its end.
//!
//! The measurements call it. A wrong count is an error, so that no figure is printed of work that
//! was not done.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context as _, ensure};
use legwork_jobs::Jobs;
use legwork_sqlite::{SqliteStorage, Synchronous};
use rusqlite::{Connection, OpenFlags};
use tempfile::TempDir;

use crate::machine::{Usage, now};
use crate::options::Size;
use crate::sample::{Percentiles, count, rate};

/// Where and how much is measured.
#[derive(Debug)]
pub(crate) struct Lab {
    pub(crate) dir: PathBuf,
    pub(crate) size: Size,
}

/// What one line of the report says about one round.
#[derive(Debug, Clone)]
pub(crate) struct Reading {
    /// What was measured: the same words in every round.
    pub(crate) what: &'static str,
    /// Jobs per second.
    pub(crate) rate: f64,
    /// How long each call took, or each job waited.
    pub(crate) times: Option<Percentiles>,
    /// CPU seconds per job.
    pub(crate) cpu_secs: Option<f64>,
    /// Bytes sent to the disk per job.
    pub(crate) written: Option<f64>,
}

/// A storage of its own for one measurement; its files go when it is dropped.
#[derive(Debug)]
pub(crate) struct Site {
    dir: TempDir,
    pub(crate) storage: Arc<SqliteStorage>,
    pub(crate) jobs: Jobs,
}

impl Lab {
    /// Opens an empty storage; apart from `synchronous` with its default settings.
    ///
    /// # Errors
    /// The directory cannot be written.
    pub(crate) async fn site(&self, synchronous: Synchronous) -> anyhow::Result<Site> {
        let dir = self.temp_dir()?;
        let path = dir.path().join("bench.db");
        let options = SqliteStorage::options(path).synchronous(synchronous);
        let storage = Arc::new(options.open().await?);
        let jobs = Jobs::new(storage.clone());
        Ok(Site { dir, storage, jobs })
    }

    /// Makes an empty directory, which goes when it is dropped.
    ///
    /// # Errors
    /// The directory cannot be written.
    pub(crate) fn temp_dir(&self) -> anyhow::Result<TempDir> {
        let made = tempfile::Builder::new().prefix("legwork-bench-").tempdir_in(&self.dir);
        made.with_context(|| format!("no directory can be made in {}", self.dir.display()))
    }
}

impl Site {
    /// Returns the path of the file.
    pub(crate) fn path(&self) -> PathBuf {
        self.dir.path().join("bench.db")
    }

    /// Closes the storage and checks that it holds `n` jobs, all of which have succeeded once.
    ///
    /// # Errors
    /// A count is wrong.
    pub(crate) async fn finish(self, n: u64) -> anyhow::Result<()> {
        self.jobs.close().await?;
        all_succeeded(&self.path(), n)
    }
}

/// Checks that a file holds `n` jobs, all of which have succeeded once, and nothing else.
///
/// # Errors
/// A count is wrong.
pub(crate) fn all_succeeded(path: &Path, n: u64) -> anyhow::Result<()> {
    let db = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let counts = [
        ("jobs", "SELECT count(*) FROM legwork_job", n),
        ("outcomes", "SELECT count(*) FROM legwork_outcome", n),
        ("successes", "SELECT count(DISTINCT id) FROM legwork_outcome WHERE result = 1", n),
        ("claimable tickets", "SELECT count(*) FROM legwork_ready", 0),
        ("scheduled jobs", "SELECT count(*) FROM legwork_due", 0),
        ("leases", "SELECT count(*) FROM legwork_lease", 0),
    ];
    for (what, sql, expected) in counts {
        let found: i64 = db.query_row(sql, [], |row| row.get(0))?;
        ensure!(u64::try_from(found) == Ok(expected), "{found} {what} instead of {expected}");
    }
    Ok(())
}

/// Measures a stretch of work.
#[derive(Debug)]
pub(crate) struct Stretch {
    began: Instant,
    usage: Option<Usage>,
}

impl Stretch {
    /// Begins it.
    pub(crate) fn begin() -> Self {
        Self { usage: Usage::now(), began: now() }
    }

    /// Ends it, after `n` jobs.
    pub(crate) fn end(&self, what: &'static str, n: u64) -> Reading {
        let took = self.began.elapsed();
        let used = self.usage.zip(Usage::now());
        let cpu_secs = used.map(|(before, after)| (after.cpu_secs - before.cpu_secs) / count(n));
        let written = used.map(|(before, after)| count(after.written - before.written) / count(n));
        Reading { what, rate: rate(n, took), times: None, cpu_secs, written }
    }
}

impl Reading {
    /// Adds how long each call took, or each job waited.
    pub(crate) fn with_times(self, times: Option<Percentiles>) -> Self {
        Self { times, ..self }
    }
}
