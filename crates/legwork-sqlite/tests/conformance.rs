//! The conformance suite on the SQLite storage.

use std::sync::Arc;

use legwork_sqlite::SqliteStorage;
use legwork_testing::TestClock;
use legwork_testing::conformance::Fixture;

legwork_testing::conformance!(sqlite, async || {
    let clock = TestClock::new();
    let directory = tempfile::tempdir().expect("a temporary directory");
    let open = || {
        SqliteStorage::options(directory.path().join("jobs.db"))
            .clock(Arc::new(clock.clone()))
            .open()
    };
    let first = open().await.expect("a fresh database");
    let second = open().await.expect("the same database");
    Fixture::new(first, clock).second(second).guard(directory)
});
