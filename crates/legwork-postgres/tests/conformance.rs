//! The conformance suite on the PostgreSQL storage, each case in a schema of its own.

#[path = "support/schema.rs"]
mod schema;

use std::sync::Arc;

use legwork_postgres::PostgresStorage;
use legwork_testing::TestClock;
use legwork_testing::conformance::Fixture;

use crate::schema::Schema;

legwork_testing::conformance!(postgres, async || {
    let schema = Schema::create()?;
    let clock = TestClock::new();
    let open = || {
        let options = PostgresStorage::options(&schema.url()).expect("a good URL");
        options.clock(Arc::new(clock.clone())).connect()
    };
    let first = open().await.expect("a fresh schema");
    let second = open().await.expect("the same schema");
    Some(Fixture::new(first, clock).second(second).guard(schema))
});
