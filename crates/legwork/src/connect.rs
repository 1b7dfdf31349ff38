//! Opening a storage by its URL: `Jobs::connect("sqlite://app.db")`.
//!
//! It is a trait because only this crate knows all storages. What a URL may say is in `location`.

use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;

use legwork_core::{Result, Store};
use legwork_jobs::Jobs;

use crate::location::Location;

/// Connects [`Jobs`] to the storage that a URL names.
pub trait Connect: Sized {
    /// Opens the storage, brings its schema up to date, and makes a client of it.
    ///
    /// | URL | storage |
    /// | --- | --- |
    /// | `sqlite://app.db` | an SQLite file, created if absent; a relative path |
    /// | `sqlite:///srv/app.db` | an absolute path; `?`, `%` in it are `%3F`, `%25` |
    /// | `sqlite://app.db?synchronous=normal` | a power failure may take the latest commits |
    /// | `memory://` | a storage that is gone with the process; feature `testing` |
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) for a URL that is not understood, saying what is;
    /// [`Unsupported`](crate::ErrorKind::Unsupported) for a storage that this build does not have;
    /// the errors of the storage. No error repeats the URL, which may hold a password.
    ///
    /// # Cancel safety
    /// A future that is dropped may have created the file.
    ///
    /// # Examples
    /// ```no_run
    /// use legwork::prelude::*;
    ///
    /// # async fn open() -> legwork::Result<()> {
    /// let jobs = Jobs::connect("sqlite://app.db").await?;
    /// # Ok(())
    /// # }
    /// ```
    fn connect(url: &str) -> impl Future<Output = Result<Self>> + Send;
}

impl Connect for Jobs {
    async fn connect(url: &str) -> Result<Self> {
        let store = match Location::parse(url)? {
            Location::Sqlite { path, normal } => open_sqlite(path, normal).await?,
            Location::Memory => open_memory()?,
        };
        store.migrate().await?;
        tracing::info!(storage = store.location(), "storage is open");
        Ok(Self::new(store))
    }
}

#[cfg(feature = "sqlite")]
async fn open_sqlite(path: PathBuf, normal: bool) -> Result<Arc<dyn Store>> {
    use legwork_sqlite::{SqliteStorage, Synchronous};
    let synchronous = if normal { Synchronous::Normal } else { Synchronous::Full };
    let storage = SqliteStorage::options(path).synchronous(synchronous).open().await?;
    Ok(Arc::new(storage))
}

#[cfg(not(feature = "sqlite"))]
fn open_sqlite(_: PathBuf, _: bool) -> std::future::Ready<Result<Arc<dyn Store>>> {
    std::future::ready(Err(missing("sqlite")))
}

#[cfg(feature = "testing")]
#[expect(clippy::unnecessary_wraps, reason = "without the feature it fails")]
fn open_memory() -> Result<Arc<dyn Store>> {
    Ok(Arc::new(legwork_testing::MemoryStorage::new()))
}

#[cfg(not(feature = "testing"))]
fn open_memory() -> Result<Arc<dyn Store>> {
    Err(missing("testing"))
}

#[cfg(not(all(feature = "sqlite", feature = "testing")))]
fn missing(feature: &str) -> legwork_core::Error {
    let message = format!("this storage needs the feature {feature:?} of the crate legwork");
    legwork_core::Error::new(legwork_core::ErrorKind::Unsupported, message)
}
