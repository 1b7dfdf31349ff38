//! The command line, and how much is measured.
//!
//! `main` calls it. It never looks at the machine: that is `machine`.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};

use crate::measure;

pub(crate) const USAGE: &str = "\
usage: legwork-bench <sqlite|postgres> [options]

  --quick       small counts, about a quarter of a minute; on PostgreSQL one round
  --only NAME   one measurement: enqueue, drain, cycle, live, processes or pickup; on PostgreSQL
                also cost. yardsticks: nothing but these
  --dir DIR     sqlite: where the files are written; the default lies beside this program
  --url URL     postgres: the server, which must not be used by others meanwhile; the role must be
                allowed to create databases. `cargo xtask bench postgres` starts one of its own
  --degrade     postgres: instead of all that, a long run with a backlog of 1 million jobs and a
                history of 5 million, for two minutes of it under a forgotten transaction";

/// The name for `--only` that leaves out all measurements.
const YARDSTICKS: &str = "yardsticks";

/// What is to be done.
#[derive(Debug, PartialEq)]
pub(crate) enum Command {
    Help,
    Measure(Options),
    /// One process of the measurement `processes` on SQLite, started by it.
    CycleWorker {
        address: String,
        n_batches: u32,
    },
    /// A process that runs jobs for another one of this program.
    Worker(Worker),
}

/// What a process that runs jobs is told.
#[derive(Debug, PartialEq)]
pub(crate) struct Worker {
    pub(crate) address: String,
    pub(crate) workers: usize,
    /// How many jobs are timed, from the first one; none otherwise.
    pub(crate) n_timed: u64,
}

/// The storage that is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Subject {
    Sqlite,
    Postgres,
}

/// What is to be measured.
#[derive(Debug, PartialEq)]
pub(crate) struct Options {
    pub(crate) subject: Subject,
    pub(crate) only: Option<String>,
    pub(crate) dir: Option<PathBuf>,
    pub(crate) url: Option<String>,
    pub(crate) degrade: bool,
    pub(crate) size: Size,
}

/// How much is measured.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Size {
    pub(crate) n_rounds: usize,
    /// How long each yardstick runs.
    pub(crate) yardstick: Duration,
    /// How many jobs are enqueued one at a time by 64 callers; a quarter of it by 16.
    pub(crate) n_single: u64,
    /// How many jobs are enqueued in bulk.
    pub(crate) n_bulk: u64,
    /// How many explicit batches of 100.
    pub(crate) n_batches: u32,
    /// How long each rate of the pick-up measurement is kept up.
    pub(crate) pickup: Duration,
    pub(crate) degrade: Degrade,
}

/// How much is measured by `--degrade`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Degrade {
    /// How many jobs have ended before it becomes serious.
    pub(crate) history: u64,
    /// How many jobs wait all the time.
    pub(crate) backlog: u64,
    /// How long the rate is taken before a transaction is forgotten.
    pub(crate) free: Duration,
    /// How long the transaction is forgotten.
    pub(crate) pinned: Duration,
    /// The length of one window.
    pub(crate) window: Duration,
}

impl Degrade {
    const FULL: Self = Self {
        history: 5_000_000,
        backlog: 1_000_000,
        free: Duration::from_mins(1),
        pinned: Duration::from_mins(2),
        window: Duration::from_secs(10),
    };

    const QUICK: Self = Self {
        history: 200_000,
        backlog: 50_000,
        free: Duration::from_secs(6),
        pinned: Duration::from_secs(12),
        window: Duration::from_secs(2),
    };
}

impl Size {
    fn of(subject: Subject, quick: bool) -> Self {
        match (subject, quick) {
            (Subject::Sqlite, false) => Self {
                n_rounds: 3,
                yardstick: Duration::from_millis(600),
                n_single: 40_000,
                n_bulk: 100_000,
                n_batches: 600,
                pickup: Duration::from_secs(2),
                degrade: Degrade::FULL,
            },
            (Subject::Sqlite, true) => Self {
                n_rounds: 3,
                yardstick: Duration::from_millis(200),
                n_single: 8_000,
                n_bulk: 20_000,
                n_batches: 120,
                pickup: Duration::from_millis(600),
                degrade: Degrade::QUICK,
            },
            (Subject::Postgres, false) => Self {
                n_rounds: 3,
                yardstick: Duration::from_millis(1_500),
                n_single: 60_000,
                n_bulk: 200_000,
                n_batches: 1_000,
                pickup: Duration::from_secs(4),
                degrade: Degrade::FULL,
            },
            (Subject::Postgres, true) => Self {
                n_rounds: 1,
                yardstick: Duration::from_millis(600),
                n_single: 12_000,
                n_bulk: 40_000,
                n_batches: 200,
                pickup: Duration::from_millis(1_500),
                degrade: Degrade::QUICK,
            },
        }
    }
}

/// Reads the command line.
///
/// # Errors
/// An option or a name is not known.
pub(crate) fn parse(args: &[String]) -> anyhow::Result<Command> {
    let mut args = args.iter().map(String::as_str);
    match args.next() {
        Some("sqlite") => measure(Subject::Sqlite, args).map(Command::Measure),
        Some("postgres") => measure(Subject::Postgres, args).map(Command::Measure),
        Some("cycle-worker") => {
            let (address, n_batches) = (args.next(), args.next());
            let address = address.context("a cycle worker needs an address")?.to_owned();
            let n_batches = n_batches.context("a cycle worker needs a number")?.parse()?;
            Ok(Command::CycleWorker { address, n_batches })
        }
        Some("worker") => {
            let mut next = || args.next().context("a worker needs an address and two numbers");
            let address = next()?.to_owned();
            let (workers, n_timed) = (next()?.parse()?, next()?.parse()?);
            Ok(Command::Worker(Worker { address, workers, n_timed }))
        }
        None | Some("help" | "--help" | "-h") => Ok(Command::Help),
        Some(other) => bail!("there is no storage {other:?}\n{USAGE}"),
    }
}

fn measure<'a>(
    subject: Subject,
    mut args: impl Iterator<Item = &'a str>,
) -> anyhow::Result<Options> {
    let (mut only, mut dir, mut url) = (None, None, None);
    let (mut quick, mut degrade) = (false, false);
    while let Some(arg) = args.next() {
        match (arg, subject) {
            ("--quick", _) => quick = true,
            ("--dir", Subject::Sqlite) => {
                dir = Some(args.next().context("--dir needs a directory")?.into());
            }
            ("--url", Subject::Postgres) => {
                url = Some(args.next().context("--url needs a URL")?.to_owned());
            }
            ("--degrade", Subject::Postgres) => degrade = true,
            ("--only", _) => {
                let name = args.next().context("--only needs a name")?;
                let known = name == YARDSTICKS || measure::names(subject).contains(&name);
                ensure!(known, "there is no measurement {name:?}\n{USAGE}");
                only = Some(name.to_owned());
            }
            (other, _) => bail!("there is no option {other:?}\n{USAGE}"),
        }
    }
    Ok(Options { subject, only, dir, url, degrade, size: Size::of(subject, quick) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(args: &str) -> anyhow::Result<Command> {
        let args: Vec<String> = args.split_whitespace().map(str::to_owned).collect();
        parse(&args)
    }

    #[test]
    fn options_are_read_in_any_order() {
        let expected = Options {
            subject: Subject::Sqlite,
            only: Some("drain".to_owned()),
            dir: Some(PathBuf::from("/srv")),
            url: None,
            degrade: false,
            size: Size::of(Subject::Sqlite, true),
        };
        let read = parsed("sqlite --only drain --quick --dir /srv").unwrap();
        assert_eq!(read, Command::Measure(expected));
        let expected = Options {
            subject: Subject::Postgres,
            only: None,
            dir: None,
            url: Some("postgres://h/db".to_owned()),
            degrade: true,
            size: Size::of(Subject::Postgres, false),
        };
        let read = parsed("postgres --degrade --url postgres://h/db").unwrap();
        assert_eq!(read, Command::Measure(expected));
    }

    #[test]
    fn what_is_not_known_is_refused_with_the_usage() {
        for wrong in [
            "oracle",
            "sqlite --fast",
            "sqlite --only nothing",
            "sqlite --only cost",
            "sqlite --dir",
            "sqlite --url postgres://h",
            "postgres --dir /srv",
        ] {
            let error = parsed(wrong).unwrap_err().to_string();
            assert!(error.contains("--dir needs") || error.contains("usage:"), "{wrong}: {error}");
        }
    }
}
