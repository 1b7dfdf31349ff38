//! The page that is printed.
//!
//! `rounds` calls it. It shows medians of the rounds and rounds numbers; it measures nothing.

use std::time::Duration;

use crate::goals::{self, Goal, Unit, Verdict};
use crate::lab::{Ground, Lab, Reading};
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
    let (n_rounds, cores) = (lab.size.n_rounds, machine::cores());
    match &lab.ground {
        Ground::Sqlite(directory) => {
            println!("legwork-bench sqlite{only}: median of {n_rounds} interleaved rounds");
            let (dir, kind) = (&directory.path, machine::file_system(&directory.path));
            println!("{cores} cores, SQLite {}, {kind} at {}", rusqlite::version(), dir.display());
            in_memory(&kind, "--dir");
            println!(
                "settings: the defaults, synchronous=FULL and history kept, unless a line says \
                 NORMAL"
            );
        }
        Ground::Postgres(server) => {
            println!("legwork-bench postgres{only}: median of {n_rounds} interleaved rounds");
            match &server.directory {
                Some(dir) => {
                    let kind = machine::file_system(dir);
                    println!("{cores} cores for client and server, {kind} at {}", dir.display());
                    in_memory(&kind, "TMPDIR");
                }
                None => println!("{cores} cores for the client, a server on another machine"),
            }
            println!("{}", server.description);
            println!("client: the defaults of `Jobs::connect(url)`, 50 workers, history kept");
        }
    }
}

fn in_memory(kind: &str, choose: &str) {
    if kind == "tmpfs" {
        println!("NOTE: this directory lies in memory; choose one on a disk with {choose}");
    }
}

/// Prints that a round is over.
pub(crate) fn progress(round: usize, took: Duration) {
    println!("  round {round} took {:.1} s", took.as_secs_f64());
}

/// Prints everything.
pub(crate) fn print(lab: &Lab, rounds: &[Round]) {
    table("yardsticks", "rows/s", lab, &gathered(rounds, |round| &round.yardsticks));
    sync_times(rounds);
    let lines = gathered(rounds, |round| &round.readings);
    if !lines.is_empty() {
        table("measured", "jobs/s", lab, &lines);
        println!("  per job: CPU, disk, WAL, statements; ms: per call, or from enqueue to start");
        goals(goals::of(lab.subject()), |goal| goal.measured(rounds));
    }
    memory(lab);
}

/// Prints what memory was used.
pub(crate) fn memory(lab: &Lab) {
    let text = |bytes: Option<u64>| bytes.map_or_else(|| "-".to_owned(), megabytes);
    println!("\npeak memory of this process: {}", text(machine::peak_rss()));
    if let Ground::Postgres(server) = &lab.ground {
        println!("memory of the server at the end: {}", text(server.memory()));
    }
    println!("rows were counted after every measurement");
}

/// Returns the readings of all rounds, line by line.
fn gathered(rounds: &[Round], of: fn(&Round) -> &Vec<Reading>) -> Vec<Vec<&Reading>> {
    let lines = rounds.first().map(of).into_iter().flatten();
    let line = |what| rounds.iter().filter_map(|round| round.reading(what)).collect();
    lines.map(|reading| line(reading.what)).collect()
}

/// One column of a table: its title, its decimals, and where its figures come from.
struct Column {
    title: &'static str,
    decimals: usize,
    of: fn(&Reading) -> Option<f64>,
}

fn columns(rate: &'static str, lab: &Lab) -> Vec<Column> {
    let written = match lab.ground {
        Ground::Sqlite(_) => "disk B",
        Ground::Postgres(_) => "WAL B",
    };
    let column = |title, decimals, of| Column { title, decimals, of };
    vec![
        column(rate, 0, |r| Some(r.rate)),
        column("p50 ms", 2, |r| Some(millis(r.times?.p50))),
        column("p95 ms", 2, |r| Some(millis(r.times?.p95))),
        column("p99 ms", 2, |r| Some(millis(r.times?.p99))),
        column("max ms", 2, |r| Some(millis(r.times?.max))),
        column("CPU us", 1, |r| Some(r.cpu_secs? * 1e6)),
        column("server", 1, |r| Some(r.server_cpu_secs? * 1e6)),
        column(written, 0, |r| r.written),
        column("stmts", 4, |r| r.statements),
        column("commits", 4, |r| r.transactions),
    ]
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// Prints a table of medians without the columns that nobody fills.
fn table(title: &str, rate: &'static str, lab: &Lab, lines: &[Vec<&Reading>]) {
    let figure = |column: &Column, line: &[&Reading]| {
        median(line.iter().filter_map(|reading| (column.of)(reading)).collect())
    };
    let mut columns = columns(rate, lab);
    columns.retain(|column| lines.iter().any(|line| figure(column, line).is_some()));
    print!("\n{title:<44}");
    for column in &columns {
        print!(" {:>7}", column.title);
    }
    println!();
    for line in lines {
        print!("  {:<42}", line.first().map_or("", |reading| reading.what));
        for column in &columns {
            let text = match (figure(column, line), column.decimals) {
                (None, _) => "-".to_owned(),
                (Some(value), 0) => thousands(value),
                (Some(value), decimals) => format!("{value:.decimals$}"),
            };
            print!(" {text:>7}");
        }
        println!();
    }
}

fn sync_times(rounds: &[Round]) {
    let sync = |point: fn(&Percentiles) -> Duration| {
        let times = rounds.iter().filter_map(|round| round.sync_time.as_ref());
        median(times.map(|times| point(times).as_secs_f64() * 1e6).collect())
    };
    let Some((p50, p99)) = sync(|t| t.p50).zip(sync(|t| t.p99)) else { return };
    println!("  fdatasync of one page: p50 {p50:.0} us, p99 {p99:.0} us");
    if p99 > SLOW_SYNC_MICROS {
        println!("  NOTE: the disk is slow or busy; whatever waits for a commit waits for it too");
    }
}

/// Prints the goals that were measured.
pub(crate) fn goals(goals: &[Goal], measured: impl Fn(&Goal) -> Option<f64>) {
    println!("\n{:<53} {:>8} {:>8} {:>9}  verdict", "goals", "stretch", "accept", "measured");
    for goal in goals {
        let Some(measured) = measured(goal) else { continue };
        let figure = |value: f64| match goal.unit {
            Unit::Ratio | Unit::Times if goal.accept < 0.06 => format!("{value:.4}"),
            Unit::Ratio | Unit::Times => format!("{value:.2}"),
            Unit::Millis => format!("{value:.2} ms"),
            Unit::Micros => format!("{value:.1} us"),
            Unit::Bytes => format!("{value:.0} B"),
        };
        let verdict = match goal.judge(measured) {
            Verdict::Stretch => "stretch",
            Verdict::Accept => "accept",
            Verdict::Missed => "MISSED",
        };
        let (id, what, accept) = (goal.id, goal.what, figure(goal.accept));
        let stretch = goal.stretch.map_or_else(|| "-".to_owned(), figure);
        let measured = figure(measured);
        println!("  {id:<7} {what:<43} {stretch:>8} {accept:>8} {measured:>9}  {verdict}");
    }
}

fn megabytes(bytes: u64) -> String {
    format!("{:.0} MB", count(bytes) / 1e6)
}

/// Writes a number without fraction, with a comma between thousands.
pub(crate) fn thousands(value: f64) -> String {
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
