//! Client and job server of Legwork.
//!
//! Applications use it through the `legwork` crate. It knows no storage: everything goes through
//! [`legwork_core::Store`].
//!
//! # Layout
//! The way of one job, in reading order:
//! - [`client`]: [`Jobs`], the handle that everything starts from
//! - [`enqueue`], [`recurring`]: the builders of one job and of a recurring job
//! - `flusher`: lets calls that come at the same time share a commit
//! - [`server`]: [`Server`], which owns the loops below and their shutdown
//! - `registry`: the handlers by kind
//! - `exchanger`: finishes runs and claims jobs, in one call to the storage
//! - `executor`: runs one job under its timeout and token
//! - `decide`: what becomes of a job after a run, as a pure function
//! - `held`, `leases`: the runs and leases of this process
//! - `heartbeat`: keeps the leases, on a thread of its own
//! - `promoter`, `rescuer`, `pruner`, `scheduler`, `progress`: the other loops
//! - `instrumented`: the span and slow log around every call to the storage
//! - [`observer`]: what happened, after the commit

pub mod client;
mod decide;
pub mod enqueue;
mod exchanger;
mod executor;
mod flusher;
mod heartbeat;
mod held;
mod instrumented;
mod leases;
pub mod observer;
mod pace;
mod progress;
mod promoter;
mod pruner;
pub mod recurring;
mod registry;
mod rescuer;
mod scheduler;
pub mod server;

pub use self::client::Jobs;
pub use self::enqueue::{Enqueue, EnqueueAll};
pub use self::observer::{RunEvent, RunEvents};
pub use self::recurring::Recurring;
pub use self::server::{Server, ServerBuilder, StopReport};
