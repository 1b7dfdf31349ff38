//! The server and the client on the memory storage: what users see of runs, retries and stops.
//!
//! `server/fixture.rs` holds what the cases share. The storage's own rules are in the conformance
//! suite of `legwork-testing`.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "server/faults.rs"]
mod faults;
#[path = "server/fixture.rs"]
mod fixture;
#[path = "server/runs.rs"]
mod runs;
#[path = "server/steer.rs"]
mod steer;
#[path = "server/stops.rs"]
mod stops;
#[path = "server/time.rs"]
mod time;
#[path = "server/transaction.rs"]
mod transaction;
