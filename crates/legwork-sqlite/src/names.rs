//! Numbers for the names of queues and kinds.
//!
//! Rows hold numbers; the operations ask here. A name is never removed, so that what is cached
//! stays true for every process. What a transaction adds is cached only after its commit.

use std::collections::HashMap;

use legwork_core::{Error, Kind, QueueName};
use rusqlite::Connection;

use crate::error::Result;
use crate::query::{find, sql};

/// How many names of each sort are cached. There are dozens; the bound guards against a client that
/// makes up queues.
const CACHE_MAX: usize = 10_000;

/// The names of queues and kinds that are known.
#[derive(Debug, Default)]
pub(crate) struct Names {
    queues: Book<QueueName>,
    kinds: Book<Kind>,
}

#[derive(Debug)]
struct Book<N> {
    by_name: HashMap<N, i64>,
    by_number: HashMap<i64, N>,
    fresh: Vec<(N, i64)>,
}

impl<N> Default for Book<N> {
    fn default() -> Self {
        Self { by_name: HashMap::new(), by_number: HashMap::new(), fresh: Vec::new() }
    }
}

/// The statements of one sort of name.
struct Statements {
    find: &'static str,
    add: &'static str,
    name: &'static str,
}

const QUEUE: Statements =
    Statements { find: sql!("queue_find"), add: sql!("queue_add"), name: sql!("queue_name") };
const KIND: Statements =
    Statements { find: sql!("kind_find"), add: sql!("kind_add"), name: sql!("kind_name") };

impl Names {
    /// Returns the number of a queue, giving it one if it has none.
    pub(crate) fn queue(&mut self, db: &Connection, name: &QueueName) -> Result<i64> {
        self.queues.number(db, &QUEUE, name)
    }

    /// Returns the number of a kind, giving it one if it has none.
    pub(crate) fn kind(&mut self, db: &Connection, name: &Kind) -> Result<i64> {
        self.kinds.number(db, &KIND, name)
    }

    /// Returns the number of a queue if it has one.
    pub(crate) fn find_queue(&mut self, db: &Connection, name: &QueueName) -> Result<Option<i64>> {
        self.queues.find(db, &QUEUE, name)
    }

    /// Returns the number of a kind if it has one.
    pub(crate) fn find_kind(&mut self, db: &Connection, name: &Kind) -> Result<Option<i64>> {
        self.kinds.find(db, &KIND, name)
    }

    /// Returns the name of a queue; `Corrupt` when there is none of this number.
    pub(crate) fn queue_name(&mut self, db: &Connection, number: i64) -> Result<QueueName> {
        self.queues.name(db, &QUEUE, number, QueueName::new)
    }

    /// Returns the name of a kind; `Corrupt` when there is none of this number.
    pub(crate) fn kind_name(&mut self, db: &Connection, number: i64) -> Result<Kind> {
        self.kinds.name(db, &KIND, number, Kind::new)
    }

    /// Keeps what the transaction learned.
    pub(crate) fn committed(&mut self) {
        self.queues.committed();
        self.kinds.committed();
    }

    /// Forgets what the transaction learned.
    pub(crate) fn rolled_back(&mut self) {
        self.queues.fresh.clear();
        self.kinds.fresh.clear();
    }
}

impl<N: Clone + Eq + std::hash::Hash + AsRef<str>> Book<N> {
    fn number(&mut self, db: &Connection, statements: &Statements, name: &N) -> Result<i64> {
        if let Some(number) = self.find(db, statements, name)? {
            return Ok(number);
        }
        db.prepare_cached(statements.add)?.execute([name.as_ref()])?;
        let number = db.last_insert_rowid();
        self.fresh.push((name.clone(), number));
        Ok(number)
    }

    fn find(&mut self, db: &Connection, statements: &Statements, name: &N) -> Result<Option<i64>> {
        if let Some(number) = self.by_name.get(name) {
            return Ok(Some(*number));
        }
        let number = find(db, statements.find, [name.as_ref()], |row| row.get(0))?;
        if let Some(number) = number {
            self.fresh.push((name.clone(), number));
        }
        Ok(number)
    }

    fn name(
        &mut self,
        db: &Connection,
        statements: &Statements,
        number: i64,
        make: impl FnOnce(String) -> legwork_core::Result<N>,
    ) -> Result<N> {
        if let Some(name) = self.by_number.get(&number) {
            return Ok(name.clone());
        }
        let text: Option<String> = find(db, statements.name, [number], |row| row.get(0))?;
        let text = text.ok_or_else(|| Error::corrupt(format!("no name has number {number}")))?;
        let name = make(text).map_err(|error| {
            let message = format!("the name of number {number} is damaged");
            Error::with_source(legwork_core::ErrorKind::Corrupt, message, error)
        })?;
        self.fresh.push((name.clone(), number));
        Ok(name)
    }

    fn committed(&mut self) {
        for (name, number) in self.fresh.drain(..) {
            if self.by_name.len() < CACHE_MAX {
                self.by_number.insert(number, name.clone());
                self.by_name.insert(name, number);
            }
        }
    }
}
