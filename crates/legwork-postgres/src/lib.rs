//! The PostgreSQL storage of Legwork: for many machines.
//!
//! Applications open a [`PostgresStorage`] through the `legwork` crate; servers and dashboards see
//! it as `dyn Storage` and `dyn Inspect`. It must not know the server or another storage.
//!
//! # Layout
//! In reading order:
//! - `storage`, `options`: the handle, and how it is opened
//! - `address`, `tls`, `dial`: from a URL to a session
//! - `line`, `conn`, `tx`: a connection with its queue of calls, and the transaction as an
//!   operation sees it; `ground` is what they share
//! - `enqueue`, `number`, `transaction`, `ready`, `children`: storing jobs
//! - `exchange`, `finish`, `claim`, `floor`, `lease`, `outcome`, `change`: working them
//! - `server`, `rescue`, `promote`, `prune`, `progress`, `recurring`, `operate`: everything else
//!   that changes a job
//! - `marker`: where a job is
//! - `inspect`, `reader`: what the dashboard reads
//! - `signal`, `listen`: hints within the process and between processes
//! - `schema`, `names`, `statement`, `bind`, `error`: the ground
//!
//! Every statement is a file in `sql/`, every step of the schema one in `migrations/`.

mod address;
mod bind;
mod change;
mod children;
mod claim;
mod conn;
mod dial;
mod enqueue;
mod error;
mod exchange;
mod finish;
mod floor;
mod ground;
mod inspect;
mod lease;
mod line;
mod listen;
mod marker;
mod names;
mod number;
mod operate;
mod options;
mod outcome;
mod progress;
mod promote;
mod prune;
mod reader;
mod ready;
mod recurring;
mod rescue;
mod schema;
mod server;
mod signal;
mod statement;
mod storage;
mod tls;
mod transaction;
mod tx;

pub use self::options::PostgresOptions;
pub use self::storage::PostgresStorage;
#[cfg(feature = "deadpool-0_14")]
pub use self::transaction::DeadpoolPostgres;
#[cfg(feature = "diesel-async-0_9")]
pub use self::transaction::DieselAsync;
#[cfg(feature = "sqlx-0_8")]
pub use self::transaction::Sqlx08;
#[cfg(feature = "sqlx-0_9")]
pub use self::transaction::Sqlx09;
pub use self::transaction::TokioPostgres;
#[cfg(feature = "diesel-2")]
pub use self::transaction::{Diesel, DieselTx};
