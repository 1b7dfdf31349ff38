//! Interleaves yardsticks and measurements, several rounds of all of them.
//!
//! `main` calls it. A ratio is only ever taken within one round, so that a disk that is slower for
//! a minute is slower for both of its sides.

use std::path::PathBuf;

use anyhow::Context as _;

use crate::lab::{Lab, Reading};
use crate::machine;
use crate::measure;
use crate::options::Options;
use crate::report;
use crate::sample::Percentiles;
use crate::yardstick::{self, Yardsticks};

/// What one round has measured.
#[derive(Debug)]
pub(crate) struct Round {
    pub(crate) yardsticks: Yardsticks,
    pub(crate) sync_time: Option<Percentiles>,
    pub(crate) readings: Vec<Reading>,
}

impl Round {
    /// Returns the reading of a line, if it was measured.
    pub(crate) fn reading(&self, what: &str) -> Option<&Reading> {
        self.readings.iter().find(|reading| reading.what == what)
    }
}

/// Measures and prints.
///
/// # Errors
/// The storage refused something, or a count of rows is wrong.
pub(crate) async fn run(options: &Options) -> anyhow::Result<()> {
    let dir = options.dir.clone().map_or_else(default_dir, Ok)?;
    let lab = Lab { dir, size: options.size };
    report::head(&lab, options);
    let mut rounds = Vec::new();
    for n in 1..=lab.size.n_rounds {
        let began = machine::now();
        rounds.push(round(&lab, options).await.with_context(|| format!("in round {n}"))?);
        report::progress(n, began.elapsed());
    }
    report::print(&rounds);
    Ok(())
}

async fn round(lab: &Lab, options: &Options) -> anyhow::Result<Round> {
    let sync_time = machine::sync_time(&lab.dir)?;
    let before = yardstick::measure(lab)?;
    let mut readings = Vec::new();
    for name in measure::NAMES {
        if options.only.as_deref().is_none_or(|only| only == name) {
            readings.extend(measure::run(name, lab).await.with_context(|| format!("in {name}"))?);
        }
    }
    // The yardsticks lie on both sides of what they measure.
    let yardsticks = before.mean(yardstick::measure(lab)?);
    Ok(Round { yardsticks, sync_time, readings })
}

/// Returns the build directory: a real disk, which a directory for temporary files need not be.
fn default_dir() -> anyhow::Result<PathBuf> {
    let program = std::env::current_exe()?;
    Ok(program.parent().context("this program lies in a directory")?.to_owned())
}
