//! A schema of its own for one test, in the database of `LEGWORK_POSTGRES_URL`; dropped at the end.
//!
//! Tests include it with `#[path]`. It is cheaper than a database of its own. Without a server the
//! test says that it was skipped.

use std::io::Write as _;
use std::sync::atomic::{AtomicU32, Ordering};

const URL_VARIABLE: &str = "LEGWORK_POSTGRES_URL";

/// Names the file that counts the tests which skipped themselves.
const SKIPS_VARIABLE: &str = "LEGWORK_TEST_SKIPS";

static NEXT: AtomicU32 = AtomicU32::new(1);

pub(crate) struct Schema {
    server: String,
    name: String,
}

impl Schema {
    /// Names a fresh schema, which the storage creates; `None` without a server.
    pub(crate) fn create() -> Option<Self> {
        let Ok(server) = std::env::var(URL_VARIABLE) else {
            skip(URL_VARIABLE);
            return None;
        };
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        Some(Self { server, name: format!("t{}_{n}", std::process::id()) })
    }

    /// Returns the URL that leads to it.
    pub(crate) fn url(&self) -> String {
        let mark = if self.server.contains('?') { '&' } else { '?' };
        format!("{}{mark}schema={}&pooled=false", self.server, self.name)
    }
}

impl Drop for Schema {
    fn drop(&mut self) {
        let (server, name) = (self.server.clone(), self.name.clone());
        // The runtime of the test cannot be waited for from here.
        let dropped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(async move {
                let connected = tokio_postgres::connect(&server, tokio_postgres::NoTls).await;
                let (client, connection) = connected.expect("a session");
                let statement = format!("DROP SCHEMA IF EXISTS \"{name}\" CASCADE");
                let dropping = async move { client.batch_execute(&statement).await };
                let (dropped, _) = tokio::join!(dropping, connection);
                dropped.expect("the schema is dropped");
            });
        });
        // A test that fails has said more than a schema that stays.
        let is_dropped = dropped.join().is_ok() || std::thread::panicking();
        assert!(is_dropped, "the schema {} was not dropped", self.name);
    }
}

/// Says that a test does nothing without a variable of the environment.
#[expect(clippy::print_stdout, reason = "people who run a test by hand see why it did nothing")]
pub(crate) fn skip(variable: &str) {
    let thread = std::thread::current();
    let line = format!("{}: {variable} is not set", thread.name().unwrap_or("a test"));
    println!("SKIPPED: {line}");
    if let Some(path) = std::env::var_os(SKIPS_VARIABLE) {
        let file = std::fs::OpenOptions::new().append(true).create(true).open(path);
        writeln!(file.expect("the file of skips"), "{line}").expect("the file of skips");
    }
}
