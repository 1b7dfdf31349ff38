//! The measurements, one file each.
//!
//! `rounds` runs them. Each opens storages of its own, checks their rows at the end, and returns a
//! [`Reading`] per line of the report.

pub(crate) mod apart;
pub(crate) mod cost;
pub(crate) mod cycle;
pub(crate) mod drain;
pub(crate) mod enqueue;
pub(crate) mod fleet;
pub(crate) mod live;
pub(crate) mod pickup;
pub(crate) mod processes;

use crate::lab::{Lab, Reading};
use crate::options::Subject;

/// The names for `--only`, in the order in which they run.
pub(crate) fn names(subject: Subject) -> &'static [&'static str] {
    match subject {
        Subject::Sqlite => &["enqueue", "drain", "cycle", "live", "processes", "pickup"],
        Subject::Postgres => &["enqueue", "drain", "cycle", "live", "processes", "pickup", "cost"],
    }
}

/// Runs the measurement of a name once.
///
/// # Errors
/// The storage refused something, or a count of rows is wrong.
pub(crate) async fn run(name: &str, lab: &Lab) -> anyhow::Result<Vec<Reading>> {
    match (name, lab.subject()) {
        ("enqueue", _) => enqueue::run(lab).await,
        ("drain", _) => drain::run(lab).await,
        ("cycle", _) => cycle::run(lab).await,
        ("live", _) => live::run(lab).await,
        ("processes", Subject::Sqlite) => processes::run(lab).await,
        ("processes", Subject::Postgres) => fleet::run(lab).await,
        ("pickup", Subject::Sqlite) => pickup::run(lab).await,
        ("pickup", Subject::Postgres) => apart::run(lab).await,
        ("cost", Subject::Postgres) => cost::run(lab).await,
        (other, _) => anyhow::bail!("there is no measurement {other:?}"),
    }
}
