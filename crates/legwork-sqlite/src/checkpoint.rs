//! Copying the log into the database, off the way of the commits.
//!
//! The writer counts what it writes and signals; a thread with a connection of its own copies. Only
//! when the log has grown large does the writer copy the small rest itself, because the log can
//! start over only when it is copied whole. With an SQLite that has the checkpoint defect the
//! writer does it all.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use legwork_core::{Error, ErrorKind, Result};
use rusqlite::Connection;

use crate::connection::{may_checkpoint_apart, open_checkpointer};
use crate::query::sql;

/// How many pages are written between two copies: 32 MB. Each copy flushes the database, which the
/// commits of that moment feel; a page that was written often since is copied once.
const STEP_PAGES: u64 = 8_000;

/// From which size the log, in pages, is started over: 64 MB.
const RESTART_PAGES: i64 = 16_000;

/// How often a copy is repeated at once, so that the rest which the writer copies is small.
const PASSES: usize = 3;

/// When the writer itself copies all, where no other connection may: 16 MB.
const ALONE_PAGES: u64 = 4_000;

/// The writer's side of the checkpoints.
#[derive(Debug)]
pub(crate) struct Checkpoints {
    signal: Option<SyncSender<()>>,
    /// The size of the log in pages after the last copy, as long as the writer has not acted on it.
    log_pages: Arc<AtomicI64>,
    /// What was written since the last signal, estimated: no call tells the size of the log.
    written: u64,
}

impl Checkpoints {
    /// Starts the thread, where one is allowed.
    pub(crate) fn start(path: &Path) -> Result<Self> {
        let log_pages = Arc::new(AtomicI64::new(0));
        let mut signal = None;
        if may_checkpoint_apart() {
            let db = open_checkpointer(path)?;
            let (sender, receiver) = sync_channel(1);
            let pages = Arc::clone(&log_pages);
            std::thread::Builder::new()
                .name("legwork-checkpoint".to_owned())
                .spawn(move || run(&db, &receiver, &pages))
                .map_err(|error| {
                    let message = "no thread for the checkpoints";
                    Error::with_source(ErrorKind::Unavailable, message, error)
                })?;
            signal = Some(sender);
        } else {
            let version = rusqlite::version();
            tracing::warn!(
                version,
                "this SQLite can damage a database that several connections checkpoint; Legwork \
                 checkpoints on its one writing connection, and 3.51.3 or later is better"
            );
        }
        Ok(Self { signal, log_pages, written: 0 })
    }

    /// Counts a commit of `n` writes: about two pages for the commit and one for eight rows.
    pub(crate) fn wrote(&mut self, n: u64) {
        if n > 0 {
            self.written += 4 + n / 8;
        }
    }

    /// Does what is due, after a commit or in an idle moment.
    pub(crate) fn step(&mut self, db: &Connection) {
        match &self.signal {
            Some(signal) if self.written >= STEP_PAGES => {
                // A full channel means that a copy is about to begin: it takes this along.
                if signal.try_send(()).is_ok() {
                    self.written = 0;
                }
            }
            None if self.written >= ALONE_PAGES => {
                copy(db);
                self.written = 0;
            }
            Some(_) | None => {}
        }
        if self.log_pages.load(Ordering::Acquire) > RESTART_PAGES {
            self.log_pages.store(0, Ordering::Release);
            copy(db);
        }
    }
}

fn run(db: &Connection, receiver: &Receiver<()>, log_pages: &AtomicI64) {
    while receiver.recv().is_ok() {
        let mut size = copy(db);
        for _ in 1..PASSES {
            if size.is_some_and(|pages| pages > RESTART_PAGES) {
                size = copy(db);
            }
        }
        if let Some(pages) = size {
            log_pages.store(pages, Ordering::Release);
        }
    }
}

/// Copies what can be copied without waiting; returns the size of the log in pages.
fn copy(db: &Connection) -> Option<i64> {
    let copied: rusqlite::Result<i64> = db
        .prepare_cached(sql!("checkpoint"))
        .and_then(|mut statement| statement.query_row([], |row| row.get(1)));
    match copied {
        Ok(pages) => Some(pages),
        Err(error) => {
            // The log only grows on; the next copy takes it along.
            tracing::warn!(%error, "a checkpoint failed");
            None
        }
    }
}
