//! What the same server or disk does at its best, the measure that all ratios refer to.
//!
//! `rounds` runs them on both sides of the measurements, in the same minute and place. They use the
//! settings of the storage and nothing else of it.

pub(crate) mod hangfire;
pub(crate) mod postgres;
pub(crate) mod sqlite;

use crate::lab::{Ground, Lab, Reading};

/// Measures all of them.
///
/// # Errors
/// The directory cannot be written, or the server refuses.
pub(crate) async fn measure(lab: &Lab) -> anyhow::Result<Vec<Reading>> {
    match &lab.ground {
        Ground::Sqlite(directory) => sqlite::measure(directory, lab.size.yardstick),
        Ground::Postgres(server) => postgres::measure(lab, server).await,
    }
}

/// Returns what lies between the yardsticks before and after.
pub(crate) fn mean(before: &[Reading], after: &[Reading]) -> Vec<Reading> {
    before.iter().zip(after).map(|(a, b)| a.mean(b)).collect()
}
