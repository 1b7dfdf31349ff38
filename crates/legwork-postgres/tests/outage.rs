//! What goes wrong between a storage and its server: connections that are cut, silence, poolers,
//! crashes and failovers. Nothing is lost, nothing waits for ever, and work goes on by itself.
//!
//! `support/` holds the servers and the proxy that the cases break.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[expect(dead_code, reason = "the tests of dialling use the rest")]
#[path = "support/cluster.rs"]
mod cluster;
#[path = "outage/cut.rs"]
mod cut;
#[path = "outage/failover.rs"]
mod failover;
#[path = "outage/fixture.rs"]
mod fixture;
#[path = "outage/hints.rs"]
mod hints;
#[path = "outage/log.rs"]
mod log;
#[path = "support/pooler.rs"]
mod pooler;
#[path = "outage/pooling.rs"]
mod pooling;
#[path = "support/proxy.rs"]
mod proxy;
#[path = "outage/restart.rs"]
mod restart;
#[path = "support/schema.rs"]
mod schema;
#[path = "outage/silence.rs"]
mod silence;
