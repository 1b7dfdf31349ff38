//! A database of its own for one test, made from `LEGWORK_POSTGRES_URL` and dropped at the end.
//!
//! Tests include it with `#[path]`. It needs the URL of a superuser; without it the test says that
//! it was skipped.

use std::io::Write as _;

use tokio_postgres::{Client, NoTls};

const URL_VARIABLE: &str = "LEGWORK_POSTGRES_URL";

/// Names the file that counts the tests which skipped themselves.
const SKIPS_VARIABLE: &str = "LEGWORK_TEST_SKIPS";

pub(crate) struct Database {
    server: String,
    name: String,
}

impl Database {
    /// Makes a fresh database in UTF-8; `None` without a server.
    pub(crate) async fn create() -> Option<Self> {
        Self::create_with("").await
    }

    /// Makes a fresh database with more words for `CREATE DATABASE`.
    pub(crate) async fn create_with(options: &str) -> Option<Self> {
        let Ok(server) = std::env::var(URL_VARIABLE) else {
            skip();
            return None;
        };
        let name = format!("legwork_test_{}_{:08x}", std::process::id(), fastrand::u32(..));
        let client = connect(&server).await;
        client.batch_execute(&format!("CREATE DATABASE {name} {options}")).await.unwrap();
        Some(Self { server, name })
    }

    /// Returns the URL of the database, without parameters.
    pub(crate) fn url(&self) -> String {
        let bare = self.server.split('?').next().unwrap();
        let (server, _) = bare.rsplit_once('/').unwrap();
        format!("{server}/{}", self.name)
    }

    /// Connects as the superuser, with a plain session.
    pub(crate) async fn client(&self) -> Client {
        connect(&self.url()).await
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let (server, name) = (self.server.clone(), self.name.clone());
        // The runtime of the test cannot be waited for from here.
        let dropped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(async move {
                let client = connect(&server).await;
                let statement = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
                client.batch_execute(&statement).await.unwrap();
            });
        });
        // A test that fails has said more than a database that stays.
        let is_dropped = dropped.join().is_ok() || std::thread::panicking();
        assert!(is_dropped, "the database {} was not dropped", self.name);
    }
}

/// Connects to a URL without TLS.
pub(crate) async fn connect(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(connection);
    // It ends with its client.
    tasks.detach_all();
    client
}

/// Says that the test was skipped, to people who run it by hand and to those who count.
fn skip() {
    let thread = std::thread::current();
    let line = format!("{}: {URL_VARIABLE} is not set", thread.name().unwrap_or("a test"));
    let mut out = std::io::stdout();
    writeln!(out, "SKIPPED: {line}").expect("standard output is open");
    if let Some(path) = std::env::var_os(SKIPS_VARIABLE) {
        let file = std::fs::OpenOptions::new().append(true).create(true).open(path);
        writeln!(file.expect("the file of skips"), "{line}").expect("the file of skips");
    }
}
