//! The command line, and how much is measured.
//!
//! `main` calls it. It never looks at the machine: that is `machine`.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};

use crate::measure;

pub(crate) const USAGE: &str = "\
usage: legwork-bench sqlite [options]

  --quick       small counts, about a quarter of a minute
  --only NAME   one measurement: enqueue, drain, cycle, live, processes or pickup
  --dir DIR     where the files are written; the default lies beside this program, in target/";

/// What is to be done.
#[derive(Debug, PartialEq)]
pub(crate) enum Command {
    Help,
    Sqlite(Options),
    /// One process of the measurement `processes`, started by it.
    CycleWorker {
        path: PathBuf,
        n_batches: u32,
    },
}

/// What is to be measured.
#[derive(Debug, PartialEq)]
pub(crate) struct Options {
    pub(crate) only: Option<String>,
    pub(crate) dir: Option<PathBuf>,
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
}

impl Size {
    pub(crate) const FULL: Self = Self {
        n_rounds: 3,
        yardstick: Duration::from_millis(600),
        n_single: 40_000,
        n_bulk: 100_000,
        n_batches: 600,
        pickup: Duration::from_secs(2),
    };

    pub(crate) const QUICK: Self = Self {
        n_rounds: 3,
        yardstick: Duration::from_millis(200),
        n_single: 8_000,
        n_bulk: 20_000,
        n_batches: 120,
        pickup: Duration::from_millis(600),
    };
}

/// Reads the command line.
///
/// # Errors
/// An option or a name is not known.
pub(crate) fn parse(args: &[String]) -> anyhow::Result<Command> {
    let mut args = args.iter().map(String::as_str);
    match args.next() {
        Some("sqlite") => sqlite(args).map(Command::Sqlite),
        Some("cycle-worker") => {
            let (path, n_batches) = (args.next(), args.next());
            let path = path.context("a cycle worker needs a path")?.into();
            let n_batches = n_batches.context("a cycle worker needs a number")?.parse()?;
            Ok(Command::CycleWorker { path, n_batches })
        }
        None | Some("help" | "--help" | "-h") => Ok(Command::Help),
        Some(other) => bail!("there is no storage {other:?}\n{USAGE}"),
    }
}

fn sqlite<'a>(mut args: impl Iterator<Item = &'a str>) -> anyhow::Result<Options> {
    let mut options = Options { only: None, dir: None, size: Size::FULL };
    while let Some(arg) = args.next() {
        match arg {
            "--quick" => options.size = Size::QUICK,
            "--dir" => options.dir = Some(args.next().context("--dir needs a directory")?.into()),
            "--only" => {
                let name = args.next().context("--only needs a name")?;
                let known = measure::NAMES.contains(&name);
                ensure!(known, "there is no measurement {name:?}\n{USAGE}");
                options.only = Some(name.to_owned());
            }
            other => bail!("there is no option {other:?}\n{USAGE}"),
        }
    }
    Ok(options)
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
            only: Some("drain".to_owned()),
            dir: Some(PathBuf::from("/srv")),
            size: Size::QUICK,
        };
        let read = parsed("sqlite --only drain --quick --dir /srv").unwrap();
        assert_eq!(read, Command::Sqlite(expected));
    }

    #[test]
    fn what_is_not_known_is_refused_with_the_usage() {
        for wrong in ["postgres", "sqlite --fast", "sqlite --only nothing", "sqlite --dir"] {
            let error = parsed(wrong).unwrap_err().to_string();
            assert!(error.contains("--dir needs") || error.contains("usage:"), "{wrong}: {error}");
        }
    }
}
