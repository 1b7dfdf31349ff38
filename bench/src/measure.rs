//! The measurements, one file each.
//!
//! `rounds` runs them. Each opens storages of its own, checks their rows at the end, and returns a
//! [`Reading`] per line of the report.

pub(crate) mod cycle;
pub(crate) mod drain;
pub(crate) mod enqueue;
pub(crate) mod live;
pub(crate) mod pickup;
pub(crate) mod processes;

use crate::lab::{Lab, Reading};

/// The names for `--only`, in the order in which they run.
pub(crate) const NAMES: [&str; 6] = ["enqueue", "drain", "cycle", "live", "processes", "pickup"];

/// Runs the measurement of a name once.
///
/// # Errors
/// The storage refused something, or a count of rows is wrong.
pub(crate) async fn run(name: &str, lab: &Lab) -> anyhow::Result<Vec<Reading>> {
    match name {
        "enqueue" => enqueue::run(lab).await,
        "drain" => drain::run(lab).await,
        "cycle" => cycle::run(lab).await,
        "live" => live::run(lab).await,
        "processes" => processes::run(lab).await,
        "pickup" => pickup::run(lab).await,
        other => anyhow::bail!("there is no measurement {other:?}"),
    }
}
