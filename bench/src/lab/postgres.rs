//! PostgreSQL: a database per measurement on one server, what the server has used, and the count
//! of the rows.
//!
//! `lab`, the yardsticks and `measure/cost.rs` call it. It never touches a database that it has not
//! made.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use legwork_core::Store;
use legwork_postgres::PostgresStorage;
use tokio::task::JoinSet;
use tokio_postgres::{Client, NoTls};

use crate::machine;
use crate::options::Options;

/// Where the server is found when the command line does not say it.
pub(crate) const URL_VARIABLE: &str = "LEGWORK_BENCH_POSTGRES_URL";

/// How long connections that were closed may take until they are gone.
const GONE_LIMIT: Duration = Duration::from_secs(30);

/// The settings that decide the figures.
const SETTINGS: [&str; 6] = [
    "fsync",
    "synchronous_commit",
    "full_page_writes",
    "shared_buffers",
    "max_wal_size",
    "checkpoint_timeout",
];

/// What is counted at the end of a measurement: what, the statement, and whether it is the number
/// of jobs or 0.
const COUNTS: [(&str, &str, bool); 6] = [
    ("jobs", "SELECT count(*) FROM legwork.job", true),
    ("outcomes", "SELECT count(*) FROM legwork.outcome", true),
    ("successes", "SELECT count(DISTINCT id) FROM legwork.outcome WHERE result = 1", true),
    ("claimable tickets", "SELECT count(*) FROM legwork.ready", false),
    ("scheduled jobs", "SELECT count(*) FROM legwork.due", false),
    ("leases", "SELECT count(*) FROM legwork.lease", false),
];

/// A connection and the task that drives it.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) client: Client,
    _connection: JoinSet<()>,
}

impl Session {
    /// Connects.
    ///
    /// # Errors
    /// The server does not answer, or refuses.
    pub(crate) async fn open(url: &str) -> anyhow::Result<Self> {
        let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
        let mut driver = JoinSet::new();
        driver.spawn(async move {
            // What goes wrong with a connection is what its calls return.
            drop(connection.await);
        });
        Ok(Self { client, _connection: driver })
    }
}

/// The server on which everything is measured.
#[derive(Debug)]
pub(crate) struct Server {
    url: String,
    admin: Session,
    /// The process whose children do the work, when it runs on this machine.
    postmaster: Option<u32>,
    /// Where the data lie, when they lie on this machine.
    pub(crate) directory: Option<PathBuf>,
    /// What `SELECT version()` says, and the settings that decide the figures.
    pub(crate) description: String,
    /// Whether statements can be counted.
    pub(crate) counts_statements: bool,
    n_databases: AtomicU64,
    /// What was made and is still there.
    databases: Mutex<Vec<String>>,
}

impl Server {
    /// Connects to the server of the command line, or of the environment.
    ///
    /// # Errors
    /// None was named, or it does not answer.
    pub(crate) async fn reach(options: &Options) -> anyhow::Result<Self> {
        let url = options.url.clone().or_else(|| std::env::var(URL_VARIABLE).ok());
        let url = url.context("name the server with --url, or run `cargo xtask bench postgres`")?;
        let admin = Session::open(&url).await.context("the server does not let us in")?;
        let postmaster = postmaster(&admin).await?;
        let directory = match postmaster {
            Some(_) => setting(&admin, "data_directory").await.ok().map(PathBuf::from),
            None => None,
        };
        let description = describe(&admin).await?;
        let extension = "CREATE EXTENSION IF NOT EXISTS pg_stat_statements";
        let counts_statements = admin.client.batch_execute(extension).await.is_ok()
            && admin.client.batch_execute("SELECT FROM pg_stat_statements LIMIT 1").await.is_ok();
        let (n_databases, databases) = (AtomicU64::new(0), Mutex::default());
        Ok(Self {
            url,
            admin,
            postmaster,
            directory,
            description,
            counts_statements,
            n_databases,
            databases,
        })
    }

    /// Returns the URL of one of the databases.
    pub(crate) fn address(&self, database: &str) -> String {
        with_database(&self.url, database)
    }

    /// Makes an empty database and returns its name.
    ///
    /// # Errors
    /// The server refuses.
    pub(crate) async fn create_database(&self) -> anyhow::Result<String> {
        let n = self.n_databases.fetch_add(1, Ordering::Relaxed);
        let name = format!("legwork_bench_{}_{n}", std::process::id());
        self.admin.client.batch_execute(&format!("CREATE DATABASE {name}")).await?;
        self.databases().push(name.clone());
        Ok(name)
    }

    /// Removes a database that was made here.
    ///
    /// # Errors
    /// The server refuses.
    pub(crate) async fn drop_database(&self, name: &str) -> anyhow::Result<()> {
        let sql = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
        self.admin.client.batch_execute(&sql).await?;
        self.databases().retain(|made| made != name);
        Ok(())
    }

    /// Removes all databases that were made here.
    pub(crate) async fn drop_databases(&self) {
        let left = self.databases().clone();
        for name in left {
            if let Err(error) = self.drop_database(&name).await {
                println!("legwork-bench: the database {name} is left behind: {error:#}");
            }
        }
    }

    fn databases(&self) -> std::sync::MutexGuard<'_, Vec<String>> {
        self.databases.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Checks that a database holds `n` jobs, all of which have succeeded once, and nothing else.
    ///
    /// # Errors
    /// A count is wrong.
    pub(crate) async fn all_succeeded(&self, database: &str, n: u64) -> anyhow::Result<()> {
        let session = Session::open(&self.address(database)).await?;
        for (what, sql, all) in COUNTS {
            let found: i64 = session.client.query_one(sql, &[]).await?.get(0);
            let expected = if all { n } else { 0 };
            ensure!(u64::try_from(found) == Ok(expected), "{found} {what} instead of {expected}");
        }
        Ok(())
    }

    /// Waits until nobody is connected to a database, so that its counters are complete: a server
    /// process adds what it has counted when it ends.
    ///
    /// # Errors
    /// Somebody stays.
    pub(crate) async fn all_gone(&self, database: &str) -> anyhow::Result<()> {
        let sql = "SELECT count(*) FROM pg_stat_activity WHERE datname = $1";
        let look = async {
            while self.admin.client.query_one(sql, &[&database]).await?.get::<_, i64>(0) > 0 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            anyhow::Ok(())
        };
        tokio::time::timeout(GONE_LIMIT, look).await.context("a connection was not closed")?
    }

    /// Returns how many transactions have ended in a database.
    ///
    /// # Errors
    /// The server does not answer.
    pub(crate) async fn transactions(&self, database: &str) -> anyhow::Result<u64> {
        let sql = "SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = $1";
        let n: i64 = self.admin.client.query_one(sql, &[&database]).await?.get(0);
        Ok(u64::try_from(n)?)
    }

    /// Begins to count the statements of a database, for connections that are opened from now on.
    ///
    /// # Errors
    /// The server refuses.
    pub(crate) async fn count_statements(&self, database: &str) -> anyhow::Result<()> {
        let sql = format!("ALTER DATABASE {database} SET pg_stat_statements.track = 'top'");
        self.admin.client.batch_execute(&sql).await?;
        Ok(())
    }

    /// Returns how many statements a database has run, without those that only begin or end a
    /// transaction.
    ///
    /// # Errors
    /// The server does not answer.
    pub(crate) async fn statements(&self, database: &str) -> anyhow::Result<u64> {
        let sql = "SELECT coalesce(sum(calls), 0)::int8 FROM pg_stat_statements s
             JOIN pg_database d ON d.oid = s.dbid
             WHERE d.datname = $1 AND query !~* '^\\s*(begin|start transaction|commit|rollback)'";
        let n: i64 = self.admin.client.query_one(sql, &[&database]).await?.get(0);
        Ok(u64::try_from(n)?)
    }

    /// Returns how many bytes of write-ahead log have been written, ever.
    ///
    /// # Errors
    /// The server does not answer.
    pub(crate) async fn wal_bytes(&self) -> anyhow::Result<u64> {
        let sql = "SELECT (pg_current_wal_insert_lsn() - '0/0')::int8";
        let n: i64 = self.admin.client.query_one(sql, &[]).await?.get(0);
        Ok(u64::try_from(n)?)
    }

    /// Returns the CPU seconds that the server's processes have used, ever.
    pub(crate) fn cpu_secs(&self) -> Option<f64> {
        machine::family_cpu_secs(self.postmaster?)
    }

    /// Returns the memory of the server's processes in bytes, shared pages counted once.
    pub(crate) fn memory(&self) -> Option<u64> {
        machine::family_memory(self.postmaster?)
    }
}

/// Opens the storage in a database, with what a user gets from `Jobs::connect(url)`.
///
/// # Errors
/// The server refuses.
pub(crate) async fn open(address: &str) -> anyhow::Result<Arc<dyn Store>> {
    Ok(Arc::new(PostgresStorage::options(address)?.connect().await?))
}

/// Returns the parent of the process that serves `session`, if it runs on this machine.
async fn postmaster(session: &Session) -> anyhow::Result<Option<u32>> {
    let pid: i32 = session.client.query_one("SELECT pg_backend_pid()", &[]).await?.get(0);
    Ok(u32::try_from(pid).ok().and_then(|pid| machine::parent_of(pid, "postgres")))
}

async fn setting(session: &Session, name: &str) -> anyhow::Result<String> {
    let row = session.client.query_one("SELECT current_setting($1)", &[&name]).await?;
    Ok(row.get(0))
}

async fn describe(session: &Session) -> anyhow::Result<String> {
    let mut parts = vec![format!("PostgreSQL {}:", setting(session, "server_version").await?)];
    for name in SETTINGS {
        parts.push(format!("{name}={}", setting(session, name).await?));
    }
    Ok(parts.join(" "))
}

/// Names another database in a URL.
fn with_database(url: &str, database: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("postgres", url));
    let (before, query) = match rest.split_once('?') {
        Some((before, query)) => (before, format!("?{query}")),
        None => (rest, String::new()),
    };
    let authority = before.split_once('/').map_or(before, |(authority, _)| authority);
    format!("{scheme}://{authority}/{database}{query}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_database_is_named_in_a_url() {
        for (url, expected) in [
            ("postgres://me:pw@h:1/db", "postgres://me:pw@h:1/x"),
            ("postgres://h", "postgres://h/x"),
            ("postgresql://h/db?a=/b", "postgresql://h/x?a=/b"),
        ] {
            assert_eq!(with_database(url, "x"), expected);
        }
    }
}
