//! The SQLite storage of Legwork: the embedded default.
//!
//! Applications open a [`SqliteStorage`] through the `legwork` crate; servers and dashboards see it
//! as `dyn Storage` and `dyn Inspect`. It must not know the server or another storage.
//!
//! # Layout
//! In reading order:
//! - `storage`, `options`: the handle, and how it is opened
//! - `writer`, `engine`, `operation`, `write`: the thread that owns the writing connection, the
//!   calls it groups into commits, and the transaction as an operation sees it
//! - `enqueue`, `transaction`, `ready`, `children`: storing jobs
//! - `exchange`, `finish`, `claim`, `lease`, `outcome`: working them
//! - `server`, `rescue`, `promote`, `prune`, `progress`, `recurring`, `operate`: everything else
//!   that changes a job
//! - `marker`: where a job is
//! - `inspect`, `reader`: what the dashboard reads
//! - `connection`, `checkpoint`, `mount`, `schema`, `names`, `stat`, `query`, `error`: the ground
//!
//! Every statement is a file in `sql/`, every step of the schema one in `migrations/`.

mod checkpoint;
mod children;
mod claim;
mod connection;
mod engine;
mod enqueue;
mod error;
mod exchange;
mod finish;
mod inspect;
mod lease;
mod marker;
mod mount;
mod names;
mod operate;
mod operation;
mod options;
mod outcome;
mod progress;
mod promote;
mod prune;
mod query;
mod reader;
mod ready;
mod recurring;
mod rescue;
mod schema;
mod server;
mod stat;
mod storage;
mod transaction;
mod write;
mod writer;

pub use rusqlite;

pub use self::options::{SqliteOptions, Synchronous};
pub use self::storage::SqliteStorage;
