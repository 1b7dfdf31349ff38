//! Reports on uploaded CSV files: built by a durable job, mailed by its continuation.

mod chart;
mod page;
mod scan;
mod table;
