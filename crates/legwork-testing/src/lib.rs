//! Memory storage, conformance suite and test clock of Legwork.
//!
//! Users run their jobs on [`MemoryStorage`] in tests; every storage is proved by the conformance
//! suite. No production build links this crate.
//!
//! # Layout
//! - `memory`: the contract of storages as an executable model
//! - `clock`: a clock that a test moves
//! - `fault`: a storage that fails when a test wants it to
//! - `context`: the context of a run, for calling a handler as a function
//! - `conformance`: what every storage is proved by, under the feature of that name

#[cfg(feature = "conformance")]
pub mod conformance;

mod clock;
mod context;
mod fault;
mod memory;

pub use self::clock::TestClock;
pub use self::context::{FakeContext, fake_context};
pub use self::fault::{Fault, FaultStorage, Gate, Operation};
pub use self::memory::MemoryStorage;
