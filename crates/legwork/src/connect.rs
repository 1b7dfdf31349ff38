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
    /// | `postgres://app:secret@db.example/app` | a PostgreSQL database; feature `postgres` |
    /// | `…?schema=jobs` | its tables are in this schema; `legwork` unless given |
    /// | `…?sslmode=verify-full` | how far the server must prove who it is; see below |
    /// | `…?pooled=true` | a pooler in transaction mode is in front; found out unless given |
    /// | `memory://` | a storage that is gone with the process; feature `testing` |
    ///
    /// `postgresql://` is the same as `postgres://`. Its parameters are those of PostgreSQL's own
    /// URLs, and the three of the table, which are joined with `&`. Without `sslmode` a server on
    /// another machine must have a certificate of its name from an authority that this machine
    /// trusts (`verify-full`), and one on this machine is spoken to in clear text (`disable`);
    /// `prefer`, `require` and `verify-ca` are in between. Several servers may be named, with
    /// commas between them: the one that accepts writes is used, and looked for again after a
    /// failover. `pooled` is `true`, `false` or `auto`.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) for a URL that is not understood, saying what is;
    /// [`Unsupported`](crate::ErrorKind::Unsupported) for a storage that this build does not have;
    /// the errors of the storage. No error repeats the URL, which may hold a password.
    ///
    /// # Cancel safety
    /// A future that is dropped may have created the file, or some of the tables.
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
            Location::Postgres => open_postgres(url).await?,
            Location::Memory => open_memory()?,
        };
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

#[cfg(feature = "postgres")]
async fn open_postgres(url: &str) -> Result<Arc<dyn Store>> {
    Ok(Arc::new(legwork_postgres::PostgresStorage::connect(url).await?))
}

#[cfg(not(feature = "postgres"))]
fn open_postgres(_: &str) -> std::future::Ready<Result<Arc<dyn Store>>> {
    std::future::ready(Err(missing("postgres")))
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

#[cfg(not(all(feature = "sqlite", feature = "postgres", feature = "testing")))]
fn missing(feature: &str) -> legwork_core::Error {
    let message = format!("this storage needs the feature {feature:?} of the crate legwork");
    legwork_core::Error::new(legwork_core::ErrorKind::Unsupported, message)
}
