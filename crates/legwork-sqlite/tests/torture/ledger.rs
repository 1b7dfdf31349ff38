//! What everyone notes: one line per fact, in one file, in the order in which the facts happened.
//!
//! Each line is one `write(2)` to a file opened for appending: a process that is killed cannot lose
//! a line that it wrote, nor tear one of another's.
//!
//! | line | meaning |
//! | --- | --- |
//! | `intent KEY ID` | a producer is about to enqueue; id 0 where the storage gives it |
//! | `stored KEY ID` | the storage has acknowledged it |
//! | `again KEY ID` | the same, and the job had been stored by an earlier life of the producer |
//! | `start ID RUN KEY` | a handler has started |
//! | `done ID RUN KEY` | it is about to return `Ok` |
//! | `fail ID RUN KEY` | it is about to return an error |

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::path::PathBuf;
use std::sync::Arc;

use crate::place::Place;

#[derive(Debug, Clone)]
pub(crate) struct Ledger {
    file: Arc<File>,
    path: PathBuf,
}

/// One line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fact {
    Intent { key: u64, id: i64 },
    Stored { key: u64, id: i64 },
    Again { key: u64, id: i64 },
    Start { id: i64, run: u32, key: u64 },
    Done { id: i64, run: u32, key: u64 },
    Fail { id: i64, run: u32, key: u64 },
}

impl Ledger {
    pub(crate) fn open(place: &Place) -> Self {
        let path = place.ledger();
        let file = OpenOptions::new().create(true).append(true).open(&path).unwrap();
        Self { file: Arc::new(file), path }
    }

    pub(crate) fn note(&self, fact: Fact) {
        let line = match fact {
            Fact::Intent { key, id } => format!("intent {key} {id}\n"),
            Fact::Stored { key, id } => format!("stored {key} {id}\n"),
            Fact::Again { key, id } => format!("again {key} {id}\n"),
            Fact::Start { id, run, key } => format!("start {id} {run} {key}\n"),
            Fact::Done { id, run, key } => format!("done {id} {run} {key}\n"),
            Fact::Fail { id, run, key } => format!("fail {id} {run} {key}\n"),
        };
        let written = (&*self.file).write(line.as_bytes()).unwrap();
        assert_eq!(written, line.len(), "a line is one write");
    }

    pub(crate) fn facts(&self) -> Vec<Fact> {
        let mut text = String::new();
        File::open(&self.path).unwrap().read_to_string(&mut text).unwrap();
        text.lines().map(parsed).collect()
    }
}

fn parsed(line: &str) -> Fact {
    let words: Vec<&str> = line.split(' ').collect();
    let number = |at: usize| words[at].parse::<u64>().unwrap_or_else(|_| panic!("{line:?}"));
    let id = |at: usize| number(at).cast_signed();
    let run = |at: usize| u32::try_from(number(at)).unwrap();
    match words[0] {
        "intent" => Fact::Intent { key: number(1), id: id(2) },
        "stored" => Fact::Stored { key: number(1), id: id(2) },
        "again" => Fact::Again { key: number(1), id: id(2) },
        "start" => Fact::Start { id: id(1), run: run(2), key: number(3) },
        "done" => Fact::Done { id: id(1), run: run(2), key: number(3) },
        "fail" => Fact::Fail { id: id(1), run: run(2), key: number(3) },
        _ => panic!("{line:?} is no line of a ledger"),
    }
}
