//! How a database is opened.
//!
//! [`SqliteStorage::options`](crate::SqliteStorage::options) starts here; the defaults are right
//! for almost everyone.

use std::path::PathBuf;
use std::sync::Arc;

use legwork_core::{Clock, Result, SystemClock};

use crate::SqliteStorage;

/// When what was acknowledged is on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Synchronous {
    /// Before it is acknowledged: it survives a power loss. Calls that arrive together share the
    /// cost of reaching the disk.
    #[default]
    Full,
    /// Soon after: it survives the death of the process; a power loss may undo the last moments.
    Normal,
}

impl Synchronous {
    pub(crate) fn pragma(self) -> &'static str {
        match self {
            Self::Full => "PRAGMA synchronous = FULL",
            Self::Normal => "PRAGMA synchronous = NORMAL",
        }
    }
}

/// Builds a [`SqliteStorage`].
///
/// # Examples
/// ```
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// # let directory = tempfile::tempdir().unwrap();
/// # let path = directory.path().join("app.db");
/// use legwork_sqlite::{SqliteStorage, Synchronous};
///
/// let storage = SqliteStorage::options(path).synchronous(Synchronous::Normal).open().await?;
/// # drop(storage);
/// # Ok::<(), legwork_core::Error>(()) }).unwrap();
/// ```
#[derive(Debug, Clone)]
#[must_use = "nothing is opened before `open`"]
pub struct SqliteOptions {
    pub(crate) path: PathBuf,
    pub(crate) synchronous: Synchronous,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) network: bool,
    pub(crate) migrate: bool,
}

impl SqliteOptions {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self {
            path,
            synchronous: Synchronous::Full,
            clock: Arc::new(SystemClock),
            network: false,
            migrate: true,
        }
    }

    /// Sets when what was acknowledged is on the disk; [`Synchronous::Full`] unless given.
    pub fn synchronous(self, synchronous: Synchronous) -> Self {
        Self { synchronous, ..self }
    }

    /// Sets the storage's clock, for tests; the system's unless given.
    pub fn clock(self, clock: Arc<dyn Clock>) -> Self {
        Self { clock, ..self }
    }

    /// Allows a network file system, on which SQLite's locks may not hold; refused unless given.
    ///
    /// Two machines that use the file at once will damage it.
    pub fn allow_network_file_system(self) -> Self {
        Self { network: true, ..self }
    }

    /// Leaves the schema as it is; without it, [`open`](Self::open) brings it up to date.
    pub fn without_migration(self) -> Self {
        Self { migrate: false, ..self }
    }

    /// Opens the database, creating it where there is none.
    ///
    /// # Errors
    /// [`Unavailable`](legwork_core::ErrorKind::Unavailable) when the file cannot be opened,
    /// [`Corrupt`](legwork_core::ErrorKind::Corrupt) when it is no database,
    /// [`Unsupported`](legwork_core::ErrorKind::Unsupported) on a network file system,
    /// [`Incompatible`](legwork_core::ErrorKind::Incompatible) when its schema is newer than this
    /// version can serve.
    pub async fn open(self) -> Result<SqliteStorage> {
        SqliteStorage::start(self).await
    }
}
