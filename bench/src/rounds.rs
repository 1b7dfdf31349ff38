//! Interleaves yardsticks and measurements, several rounds of all of them.
//!
//! `main` calls it. A ratio is only ever taken within one round, so that a disk that is slower for
//! a minute is slower for both of its sides.

use anyhow::Context as _;

use crate::lab::{Lab, Reading};
use crate::machine;
use crate::measure;
use crate::options::Options;
use crate::report;
use crate::sample::Percentiles;
use crate::yardstick;

/// What one round has measured.
#[derive(Debug)]
pub(crate) struct Round {
    pub(crate) yardsticks: Vec<Reading>,
    pub(crate) sync_time: Option<Percentiles>,
    pub(crate) readings: Vec<Reading>,
}

impl Round {
    /// Returns the reading of a line or of a yardstick, if it was measured.
    pub(crate) fn reading(&self, what: &str) -> Option<&Reading> {
        self.readings.iter().chain(&self.yardsticks).find(|reading| reading.what == what)
    }
}

/// Measures and prints.
///
/// # Errors
/// The storage refused something, or a count of rows is wrong.
pub(crate) async fn run(options: &Options) -> anyhow::Result<()> {
    let lab = Lab::open(options).await?;
    report::head(&lab, options);
    let measured = measure_all(&lab, options).await;
    lab.close().await;
    report::print(&lab, &measured?);
    Ok(())
}

async fn measure_all(lab: &Lab, options: &Options) -> anyhow::Result<Vec<Round>> {
    let mut rounds = Vec::new();
    for n in 1..=lab.size.n_rounds {
        let began = machine::now();
        rounds.push(round(lab, options).await.with_context(|| format!("in round {n}"))?);
        report::progress(n, began.elapsed());
    }
    Ok(rounds)
}

async fn round(lab: &Lab, options: &Options) -> anyhow::Result<Round> {
    let sync_time = lab.sync_time().await;
    let before = yardstick::measure(lab).await.context("in the yardsticks")?;
    let mut readings = Vec::new();
    for &name in measure::names(options.subject) {
        if options.only.as_deref().is_none_or(|only| only == name) {
            readings.extend(measure::run(name, lab).await.with_context(|| format!("in {name}"))?);
        }
    }
    // The yardsticks lie on both sides of what they measure.
    let after = yardstick::measure(lab).await.context("in the yardsticks")?;
    Ok(Round { yardsticks: yardstick::mean(&before, &after), sync_time, readings })
}
