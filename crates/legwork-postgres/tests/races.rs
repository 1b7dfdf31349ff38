//! Operations that meet each other at the worst moment, one interleaving per test.
//!
//! A plain session of `races/arena.rs` makes the moment: it holds a row that the storage needs, or
//! the key of one that it is about to write, until everyone stands where the test wants them. After
//! each test `races/invariants.rs` looks at the tables.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "races/arena.rs"]
mod arena;
#[path = "races/children.rs"]
mod children;
#[path = "races/claims.rs"]
mod claims;
#[path = "races/invariants.rs"]
mod invariants;
#[path = "races/operators.rs"]
mod operators;
#[path = "races/rescuers.rs"]
mod rescuers;
#[path = "support/schema.rs"]
mod schema;
#[path = "races/sweeps.rs"]
mod sweeps;
