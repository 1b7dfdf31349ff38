//! Where the application of one test keeps everything: a directory, and a database of its own.

use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use legwork::Store;
use legwork::postgres::PostgresStorage;
use legwork::sqlite::SqliteStorage;
use tempfile::TempDir;
use tokio_postgres::NoTls;

/// Where tests find a PostgreSQL server, as a superuser.
const URL_VARIABLE: &str = "LEGWORK_POSTGRES_URL";

/// A directory for files and a database, both gone with the test.
#[derive(Debug)]
pub(crate) struct Place {
    directory: TempDir,
    /// The PostgreSQL database; an SQLite file in the directory without it.
    url: Option<String>,
    /// Where the database has to be dropped, and its name.
    made: Option<(String, String)>,
}

impl Place {
    /// Keeps everything in the directory.
    pub(crate) fn sqlite() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        Self { directory, url: None, made: None }
    }

    /// Keeps the database on the PostgreSQL server for tests; `None` when there is none.
    pub(crate) fn postgres() -> Option<Self> {
        let Ok(server) = std::env::var(URL_VARIABLE) else {
            skip(URL_VARIABLE);
            return None;
        };
        let mut place = Self::sqlite();
        let random = place.directory.path().file_name()?.to_str()?;
        let letters = random.chars().filter(char::is_ascii_alphanumeric);
        let name = format!("reports_{}_{}", std::process::id(), letters.collect::<String>());
        run(&server, &format!("CREATE DATABASE \"{name}\""));
        let bare = server.split('?').next()?;
        place.url = Some(format!("{}/{name}?pooled=false", bare.rsplit_once('/')?.0));
        place.made = Some((server, name));
        Some(place)
    }

    /// Keeps the database in one that is there.
    pub(crate) fn at(url: String) -> Self {
        let mut place = Self::sqlite();
        place.url = Some(url);
        place
    }

    /// Returns the directory of the files.
    pub(crate) fn data(&self) -> &Path {
        self.directory.path()
    }

    /// Returns the value of `DATABASE_URL`.
    pub(crate) fn database_url(&self) -> Option<&str> {
        self.url.as_deref()
    }

    /// Opens the storage of the jobs in this process, for as long as `look` takes.
    pub(crate) fn with_store<T>(&self, look: impl AsyncFnOnce(Arc<dyn Store>) -> T) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let store: Arc<dyn Store> = match &self.url {
                Some(url) => Arc::new(PostgresStorage::connect(url).await.unwrap()),
                None => Arc::new(SqliteStorage::open(self.data().join("app.db")).await.unwrap()),
            };
            let seen = look(Arc::clone(&store)).await;
            store.close().await.unwrap();
            seen
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Some((server, name)) = self.made.take() else { return };
        // A test that fails has said more than a database that stays.
        let dropped = std::thread::spawn(move || {
            run(&server, &format!("DROP DATABASE IF EXISTS \"{name}\" WITH (FORCE)"));
        });
        assert!(dropped.join().is_ok() || std::thread::panicking(), "the database was not dropped");
    }
}

/// Runs one statement on a server, without TLS.
pub(crate) fn run(server: &str, statement: &str) {
    try_run(server, statement).expect("the server does it");
}

/// Runs one statement, on a server that may not be there.
pub(crate) fn try_run(server: &str, statement: &str) -> Result<(), tokio_postgres::Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (client, connection) = tokio_postgres::connect(server, NoTls).await?;
        let mut tasks = tokio::task::JoinSet::new();
        tasks.spawn(connection);
        client.batch_execute(statement).await
    })
}

/// Records that the test of this thread is skipped.
pub(crate) fn skip(variable: &str) {
    let thread = std::thread::current();
    let line = format!("{}: {variable} is not set", thread.name().unwrap_or("a test"));
    println!("SKIPPED: {line}");
    if let Some(path) = std::env::var_os("LEGWORK_TEST_SKIPS") {
        let file = std::fs::OpenOptions::new().append(true).create(true).open(path);
        writeln!(file.expect("the file of skips"), "{line}").expect("the file of skips");
    }
}

/// Makes a test on SQLite and a test on PostgreSQL of each function.
macro_rules! on_both_databases {
    ($($test:ident,)+) => {
        mod sqlite {
            $(
                #[test]
                fn $test() {
                    super::$test(&crate::place::Place::sqlite());
                }
            )+
        }

        mod postgres {
            $(
                #[test]
                fn $test() {
                    let Some(place) = crate::place::Place::postgres() else { return };
                    super::$test(&place);
                }
            )+
        }
    };
}
pub(crate) use on_both_databases;
