//! How a database is opened.
//!
//! [`PostgresStorage::options`](crate::PostgresStorage::options) starts here; the defaults are
//! right for almost everyone.

use std::sync::Arc;

use legwork_core::{Clock, Result};

use crate::PostgresStorage;
use crate::address::Address;

/// Builds a [`PostgresStorage`].
///
/// # Examples
/// ```no_run
/// # async fn open() -> legwork_core::Result<()> {
/// use legwork_postgres::PostgresStorage;
///
/// let url = "postgres://app@db.example/app?sslmode=verify-full&schema=jobs";
/// let storage = PostgresStorage::options(url)?.without_migration().connect().await?;
/// # drop(storage);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[must_use = "nothing is opened before `connect`"]
pub struct PostgresOptions {
    pub(crate) address: Address,
    pub(crate) clock: Option<Arc<dyn Clock>>,
    pub(crate) migrate: bool,
}

impl PostgresOptions {
    pub(crate) fn new(url: &str) -> Result<Self> {
        Ok(Self { address: Address::parse(url)?, clock: None, migrate: true })
    }

    /// Sets the storage's clock, for tests; the server's unless given.
    pub fn clock(self, clock: Arc<dyn Clock>) -> Self {
        Self { clock: Some(clock), ..self }
    }

    /// Leaves the schema as it is; without it, [`connect`](Self::connect) brings it up to date.
    ///
    /// For a role that may not create tables. A schema that is missing or too old is an error then.
    pub fn without_migration(self) -> Self {
        Self { migrate: false, ..self }
    }

    /// Connects to the database.
    ///
    /// # Errors
    /// [`Unavailable`](legwork_core::ErrorKind::Unavailable) when no server can be reached within
    /// 10 s that takes writes; [`Unsupported`](legwork_core::ErrorKind::Unsupported) for a server
    /// that is too old, or a database that is not in UTF-8;
    /// [`Incompatible`](legwork_core::ErrorKind::Incompatible) when its schema is newer than this
    /// version can serve, or older and may not be migrated.
    pub async fn connect(self) -> Result<PostgresStorage> {
        PostgresStorage::start(self).await
    }
}
