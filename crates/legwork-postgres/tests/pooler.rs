//! The conformance suite through a pooler in transaction mode: `LEGWORK_PGBOUNCER_URL`.
//!
//! The pooler is in front of the server of `LEGWORK_POSTGRES_URL`, where each case has a schema of
//! its own. What breaks the pooler itself is in `outage.rs`.

#[path = "support/schema.rs"]
mod schema;

use std::sync::Arc;

use legwork_postgres::PostgresStorage;
use legwork_testing::TestClock;
use legwork_testing::conformance::Fixture;

use crate::schema::Schema;

const POOLER_VARIABLE: &str = "LEGWORK_PGBOUNCER_URL";

legwork_testing::conformance!(pooler, async || {
    let schema = Schema::create()?;
    let Ok(pooler) = std::env::var(POOLER_VARIABLE) else {
        schema::skip(POOLER_VARIABLE);
        return None;
    };
    let clock = TestClock::new();
    let parameters = schema.url();
    let (_, parameters) = parameters.split_once("schema=").expect("the URL names the schema");
    let parameters = parameters.replace("pooled=false", "pooled=true");
    let open = || {
        let url = format!("{pooler}?schema={parameters}");
        let options = PostgresStorage::options(&url).expect("a good URL");
        options.clock(Arc::new(clock.clone())).connect()
    };
    let first = open().await.expect("a fresh schema");
    let second = open().await.expect("the same schema");
    Some(Fixture::new(first, clock).second(second).guard(schema))
});
