//! The page that is printed.
//!
//! `rounds` calls it. It shows medians of the rounds and rounds numbers; it measures nothing.

use std::time::Duration;

use crate::goals::{GOALS, Unit, Verdict};
use crate::lab::{Lab, Reading};
use crate::machine;
use crate::options::Options;
use crate::rounds::Round;
use crate::sample::{Percentiles, count, median};

/// A disk that now and then takes longer for a page leaves no room for a pick-up within 4 ms: that
/// waits for the commit in flight, then for its own.
const SLOW_SYNC_MICROS: f64 = 1_000.0;

/// Prints what is known before anything is measured.
pub(crate) fn head(lab: &Lab, options: &Options) {
    let only = options.only.as_deref().map(|only| format!(", only {only}")).unwrap_or_default();
    let n_rounds = lab.size.n_rounds;
    let (cores, kind) = (machine::cores(), machine::file_system(&lab.dir));
    println!("legwork-bench sqlite{only}: median of {n_rounds} interleaved rounds");
    println!("{cores} cores, SQLite {}, {kind} at {}", rusqlite::version(), lab.dir.display());
    if kind == "tmpfs" {
        println!("NOTE: this directory lies in memory; choose one on a disk with --dir");
    }
    println!(
        "settings: the defaults, synchronous=FULL and history kept, unless a line says NORMAL"
    );
}

/// Prints that a round is over.
pub(crate) fn progress(round: usize, took: Duration) {
    println!("  round {round} took {:.1} s", took.as_secs_f64());
}

/// Prints everything.
pub(crate) fn print(rounds: &[Round]) {
    yardsticks(rounds);
    readings(rounds);
    goals(rounds);
    let rss = machine::peak_rss().map_or_else(|| "-".to_owned(), megabytes);
    println!("\npeak memory of this process: {rss}; rows were counted after every measurement");
}

fn yardsticks(rounds: &[Round]) {
    let of = |value: fn(&Round) -> Option<f64>| {
        let values = rounds.iter().filter_map(value).collect();
        median(values).map_or_else(|| "-".to_owned(), thousands)
    };
    println!("\nyardsticks: plain inserts        FULL rows/s   NORMAL rows/s");
    let (full, normal) =
        (of(|r| Some(r.yardsticks.one_full)), of(|r| Some(r.yardsticks.one_normal)));
    println!("  raw(1), 1 row a transaction    {full:>11}   {normal:>13}");
    let (full, normal) =
        (of(|r| Some(r.yardsticks.hundred_full)), of(|r| Some(r.yardsticks.hundred_normal)));
    println!("  raw(100), 100 rows             {full:>11}   {normal:>13}");
    let sync = |point: fn(&Percentiles) -> Duration| {
        let times = rounds.iter().filter_map(|round| round.sync_time.as_ref());
        median(times.map(|times| point(times).as_secs_f64() * 1e6).collect()).unwrap_or_default()
    };
    let (p50, p99) = (sync(|t| t.p50), sync(|t| t.p99));
    println!("  fdatasync of one page: p50 {p50:.0} us, p99 {p99:.0} us");
    if p99 > SLOW_SYNC_MICROS {
        println!("  NOTE: the disk is slow or busy; whatever waits for a commit waits for it too");
    }
}

fn readings(rounds: &[Round]) {
    println!(
        "\n{:<42} {:>8} {:>7} {:>7} {:>7} {:>7} {:>7} {:>7}",
        "measured", "jobs/s", "p50 ms", "p95 ms", "p99 ms", "max ms", "CPU us", "disk B"
    );
    let Some(first) = rounds.first() else { return };
    for Reading { what, .. } in &first.readings {
        let all: Vec<&Reading> = rounds.iter().filter_map(|round| round.reading(what)).collect();
        let of = |value: &dyn Fn(&Reading) -> Option<f64>| {
            median(all.iter().filter_map(|reading| value(reading)).collect())
        };
        let time = |point: fn(&Percentiles) -> Duration| {
            of(&|r| r.times.as_ref().map(|times| point(times).as_secs_f64() * 1e3))
                .map_or_else(|| "-".to_owned(), |millis| format!("{millis:.2}"))
        };
        let number = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), thousands);
        println!(
            "  {:<40} {:>8} {:>7} {:>7} {:>7} {:>7} {:>7} {:>7}",
            what,
            number(of(&|r| Some(r.rate))),
            time(|t| t.p50),
            time(|t| t.p95),
            time(|t| t.p99),
            time(|t| t.max),
            number(of(&|r| r.cpu_secs.map(|secs| secs * 1e6))),
            number(of(&|r| r.written)),
        );
    }
    println!("  CPU and disk are per job; ms are per call, or from enqueue to start");
}

fn goals(rounds: &[Round]) {
    println!("\n{:<50} {:>8} {:>8} {:>9}  verdict", "goals", "goal", "accept", "measured");
    for goal in &GOALS {
        let Some(measured) = goal.measured(rounds) else { continue };
        let figure = |value: f64| match goal.unit {
            Unit::Ratio => format!("{value:.2}"),
            Unit::Millis => format!("{value:.2} ms"),
        };
        let verdict = match goal.judge(measured) {
            Verdict::Met => "met",
            Verdict::Accepted => "accepted",
            Verdict::Missed => "MISSED",
        };
        let (id, what) = (goal.id, goal.what);
        let (aim, accept, measured) = (figure(goal.aim), figure(goal.accept), figure(measured));
        println!("  {id:<7} {what:<40} {aim:>8} {accept:>8} {measured:>9}  {verdict}");
    }
}

fn megabytes(bytes: u64) -> String {
    format!("{:.0} MB", count(bytes) / 1e6)
}

/// Writes a number without fraction, with a comma between thousands.
fn thousands(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (at, digit) in digits.char_indices() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_set_apart() {
        assert_eq!(thousands(0.4), "0");
        assert_eq!(thousands(999.0), "999");
        assert_eq!(thousands(1_000.2), "1,000");
        assert_eq!(thousands(1_234_567.0), "1,234,567");
    }
}
