//! SQLite: files in a directory, and the count of their rows.
//!
//! `lab` calls it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, ensure};
use legwork_core::Store;
use legwork_sqlite::{SqliteStorage, Synchronous};
use rusqlite::{Connection, OpenFlags};
use tempfile::TempDir;

/// The directory in which files are made.
#[derive(Debug)]
pub(crate) struct Directory {
    pub(crate) path: PathBuf,
}

impl Directory {
    /// Takes the directory of this program where none was named: a real disk, which a directory for
    /// temporary files need not be.
    ///
    /// # Errors
    /// The program does not know where it lies.
    pub(crate) fn new(path: Option<PathBuf>) -> anyhow::Result<Self> {
        if let Some(path) = path {
            return Ok(Self { path });
        }
        let program = std::env::current_exe()?;
        let path = program.parent().context("this program lies in a directory")?.to_owned();
        Ok(Self { path })
    }

    /// Makes an empty directory, which goes when it is dropped.
    ///
    /// # Errors
    /// The directory cannot be written.
    pub(crate) fn temp_dir(&self) -> anyhow::Result<TempDir> {
        let made = tempfile::Builder::new().prefix("legwork-bench-").tempdir_in(&self.path);
        made.with_context(|| format!("no directory can be made in {}", self.path.display()))
    }
}

/// Returns the path of the file.
pub(crate) fn path_in(dir: &TempDir) -> PathBuf {
    dir.path().join("bench.db")
}

/// Opens a file, which is created if absent.
///
/// # Errors
/// The directory cannot be written.
pub(crate) async fn open(path: &Path, synchronous: Synchronous) -> anyhow::Result<Arc<dyn Store>> {
    let storage = SqliteStorage::options(path).synchronous(synchronous).open().await?;
    Ok(Arc::new(storage))
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
