//! A fresh storage for each measurement, what the work on it costs, and the count of rows at its
//! end.
//!
//! The measurements call it. A wrong count is an error, so that no figure is printed of work that
//! was not done. What differs between storages is in `lab/sqlite.rs` and `lab/postgres.rs`.

pub(crate) mod postgres;
pub(crate) mod sqlite;

use std::sync::Arc;
use std::time::Instant;

use anyhow::bail;
use legwork_core::Store;
use legwork_jobs::Jobs;
use legwork_sqlite::Synchronous;
use tempfile::TempDir;

use crate::machine::{self, Usage, now};
use crate::options::{Options, Size, Subject};
use crate::sample::{Percentiles, count, rate};

/// Where and how much is measured.
#[derive(Debug)]
pub(crate) struct Lab {
    pub(crate) ground: Ground,
    pub(crate) size: Size,
}

/// Where storages are made.
#[derive(Debug)]
pub(crate) enum Ground {
    Sqlite(sqlite::Directory),
    Postgres(Box<postgres::Server>),
}

/// What one line of the report says about one round.
#[derive(Debug, Clone, Default)]
pub(crate) struct Reading {
    /// What was measured: the same words in every round.
    pub(crate) what: &'static str,
    /// Jobs per second.
    pub(crate) rate: f64,
    /// How long each call took, or each job waited.
    pub(crate) times: Option<Percentiles>,
    /// CPU seconds of this program per job.
    pub(crate) cpu_secs: Option<f64>,
    /// CPU seconds of the server's processes per job.
    pub(crate) server_cpu_secs: Option<f64>,
    /// Bytes per job: sent to the disk by SQLite, of write-ahead log by a server.
    pub(crate) written: Option<f64>,
    /// Statements per job, those that only begin or end a transaction left out.
    pub(crate) statements: Option<f64>,
    /// Transactions per job.
    pub(crate) transactions: Option<f64>,
}

/// A storage of its own for one measurement; what it keeps goes with it.
#[derive(Debug)]
pub(crate) struct Site<'a> {
    pub(crate) lab: &'a Lab,
    place: Place,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) jobs: Jobs,
}

#[derive(Debug)]
enum Place {
    Directory(TempDir),
    Database(String),
}

impl Lab {
    /// Reaches the place where storages will be made.
    ///
    /// # Errors
    /// No server was named, or it does not answer.
    pub(crate) async fn open(options: &Options) -> anyhow::Result<Self> {
        let ground = match options.subject {
            Subject::Sqlite => Ground::Sqlite(sqlite::Directory::new(options.dir.clone())?),
            Subject::Postgres => {
                Ground::Postgres(Box::new(postgres::Server::reach(options).await?))
            }
        };
        Ok(Self { ground, size: options.size })
    }

    /// Tells which storage is measured.
    pub(crate) fn subject(&self) -> Subject {
        match self.ground {
            Ground::Sqlite(_) => Subject::Sqlite,
            Ground::Postgres(_) => Subject::Postgres,
        }
    }

    /// Opens an empty storage with its default settings.
    ///
    /// # Errors
    /// The directory cannot be written, or the server refuses.
    pub(crate) async fn site(&self) -> anyhow::Result<Site<'_>> {
        match &self.ground {
            Ground::Sqlite(_) => self.sqlite_site(Synchronous::Full).await,
            Ground::Postgres(server) => {
                let database = server.create_database().await?;
                let store = postgres::open(&server.address(&database)).await?;
                Ok(self.site_on(Place::Database(database), store))
            }
        }
    }

    /// Opens an empty storage on SQLite; apart from `synchronous` with its default settings.
    ///
    /// # Errors
    /// The directory cannot be written.
    pub(crate) async fn sqlite_site(&self, synchronous: Synchronous) -> anyhow::Result<Site<'_>> {
        let dir = self.sqlite()?.temp_dir()?;
        let store = sqlite::open(&sqlite::path_in(&dir), synchronous).await?;
        Ok(self.site_on(Place::Directory(dir), store))
    }

    fn site_on(&self, place: Place, store: Arc<dyn Store>) -> Site<'_> {
        let jobs = Jobs::new(Arc::clone(&store));
        Site { lab: self, place, store, jobs }
    }

    /// Returns the directory for files of SQLite.
    ///
    /// # Errors
    /// Another storage is measured.
    pub(crate) fn sqlite(&self) -> anyhow::Result<&sqlite::Directory> {
        match &self.ground {
            Ground::Sqlite(directory) => Ok(directory),
            Ground::Postgres(_) => bail!("this is measured on SQLite only"),
        }
    }

    /// Returns the server.
    ///
    /// # Errors
    /// Another storage is measured.
    pub(crate) fn postgres(&self) -> anyhow::Result<&postgres::Server> {
        match &self.ground {
            Ground::Postgres(server) => Ok(server),
            Ground::Sqlite(_) => bail!("this is measured on PostgreSQL only"),
        }
    }

    /// Begins to measure a stretch of work.
    ///
    /// # Errors
    /// The server does not answer.
    pub(crate) async fn begin(&self) -> anyhow::Result<Stretch<'_>> {
        let before = self.used().await?;
        Ok(Stretch { lab: self, before, began: now() })
    }

    /// Measures how long a page takes to become durable where the data lie, as far as it can be
    /// written there.
    pub(crate) async fn sync_time(&self) -> Option<Percentiles> {
        let dir = match &self.ground {
            Ground::Sqlite(directory) => directory.path.clone(),
            Ground::Postgres(server) => server.directory.clone()?,
        };
        tokio::task::spawn_blocking(move || machine::sync_time(&dir)).await.ok()?.ok()?
    }

    async fn used(&self) -> anyhow::Result<Used> {
        let client = Usage::now();
        Ok(match &self.ground {
            Ground::Sqlite(_) => Used { client, server: None, written: client.map(|u| u.written) },
            Ground::Postgres(server) => {
                let written = Some(server.wal_bytes().await?);
                Used { client, server: server.cpu_secs(), written }
            }
        })
    }

    /// Removes what failed measurements have left.
    pub(crate) async fn close(&self) {
        if let Ground::Postgres(server) = &self.ground {
            server.drop_databases().await;
        }
    }
}

impl Site<'_> {
    /// Returns where another process finds the storage; [`open`] reads it.
    pub(crate) fn address(&self) -> anyhow::Result<String> {
        Ok(match &self.place {
            Place::Directory(dir) => format!("sqlite:{}", sqlite::path_in(dir).display()),
            Place::Database(name) => self.lab.postgres()?.address(name),
        })
    }

    /// Closes the storage and opens it again, with connections that see what was set meanwhile.
    ///
    /// # Errors
    /// The server refuses, or a connection was not closed.
    pub(crate) async fn reopened(self) -> anyhow::Result<Self> {
        self.jobs.close().await?;
        self.lab.postgres()?.all_gone(self.database()?).await?;
        let store = open(&self.address()?).await?;
        Ok(self.lab.site_on(self.place, store))
    }

    /// Returns the name of the database.
    ///
    /// # Errors
    /// It is a file.
    pub(crate) fn database(&self) -> anyhow::Result<&str> {
        match &self.place {
            Place::Database(name) => Ok(name),
            Place::Directory(_) => bail!("this is measured on PostgreSQL only"),
        }
    }

    /// Closes the storage and checks that it holds `n` jobs, all of which have succeeded once, and
    /// nothing else.
    ///
    /// # Errors
    /// A count is wrong.
    pub(crate) async fn finish(self, n: u64) -> anyhow::Result<()> {
        self.jobs.close().await?;
        match &self.place {
            Place::Directory(dir) => sqlite::all_succeeded(&sqlite::path_in(dir), n),
            Place::Database(name) => {
                let server = self.lab.postgres()?;
                server.all_succeeded(name, n).await?;
                server.drop_database(name).await
            }
        }
    }
}

/// Opens the storage that another process has made, with its default settings.
///
/// # Errors
/// It is not there.
pub(crate) async fn open(address: &str) -> anyhow::Result<Arc<dyn Store>> {
    match address.strip_prefix("sqlite:") {
        Some(path) => sqlite::open(path.as_ref(), Synchronous::Full).await,
        None => postgres::open(address).await,
    }
}

/// What had been used at a moment.
#[derive(Debug, Clone, Copy)]
struct Used {
    client: Option<Usage>,
    /// CPU seconds of the server's processes.
    server: Option<f64>,
    written: Option<u64>,
}

/// Measures a stretch of work.
#[derive(Debug)]
pub(crate) struct Stretch<'a> {
    lab: &'a Lab,
    before: Used,
    began: Instant,
}

impl Stretch<'_> {
    /// Ends it, after `n` jobs.
    ///
    /// # Errors
    /// The server does not answer.
    pub(crate) async fn end(&self, what: &'static str, n: u64) -> anyhow::Result<Reading> {
        let took = self.began.elapsed();
        let (before, after) = (self.before, self.lab.used().await?);
        let cpu =
            before.client.zip(after.client).map(|(b, a)| (a.cpu_secs - b.cpu_secs) / count(n));
        let server = before.server.zip(after.server).map(|(b, a)| (a - b) / count(n));
        let written = before.written.zip(after.written);
        Ok(Reading {
            what,
            rate: rate(n, took),
            cpu_secs: cpu,
            server_cpu_secs: server,
            written: written.map(|(b, a)| count(a.saturating_sub(b)) / count(n)),
            ..Reading::default()
        })
    }
}

impl Reading {
    /// Adds how long each call took, or each job waited.
    pub(crate) fn with_times(self, times: Option<Percentiles>) -> Self {
        Self { times, ..self }
    }

    /// Returns what lies between this reading and one of the same name.
    pub(crate) fn mean(&self, other: &Self) -> Self {
        let of = |value: fn(&Self) -> Option<f64>| {
            value(self).zip(value(other)).map(|(a, b)| f64::midpoint(a, b))
        };
        Self {
            what: self.what,
            rate: f64::midpoint(self.rate, other.rate),
            times: self.times.zip(other.times).map(|(a, b)| a.mean(b)),
            cpu_secs: of(|r| r.cpu_secs),
            server_cpu_secs: of(|r| r.server_cpu_secs),
            written: of(|r| r.written),
            statements: of(|r| r.statements),
            transactions: of(|r| r.transactions),
        }
    }
}
