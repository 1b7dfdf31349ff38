//! Numbers for the names of queues and kinds.
//!
//! Rows hold numbers; the operations ask here. A name is never removed, so that what is cached
//! stays true for every process. A name is added in a transaction of its own, so that a long one
//! of the user never keeps others from using it.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use legwork_core::{Error, ErrorKind, Kind, QueueName};
use tokio_postgres::Row;

use crate::bind::{get, params};
use crate::conn::Conn;
use crate::error::Result;
use crate::statement::{Sql, sql};
use crate::tx::Tx;

/// How many names of each sort are cached, before all are forgotten. There are dozens; the bound
/// guards against a client that makes up queues.
const CACHE_MAX: usize = 100_000;

/// The names of queues and kinds that are known.
#[derive(Debug, Default)]
pub(crate) struct Names {
    queues: Mutex<Book<QueueName>>,
    kinds: Mutex<Book<Kind>>,
    /// Held while names are added: whoever needs the same ones waits and finds them.
    adding: tokio::sync::Mutex<()>,
}

struct Book<N> {
    by_name: HashMap<N, i32>,
    by_number: HashMap<i32, N>,
}

impl<N> fmt::Debug for Book<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Book").field("n", &self.by_number.len()).finish_non_exhaustive()
    }
}

impl<N> Default for Book<N> {
    fn default() -> Self {
        Self { by_name: HashMap::new(), by_number: HashMap::new() }
    }
}

/// A sort of names.
pub(crate) trait Name: Clone + Eq + std::hash::Hash + AsRef<str> + Sized {
    /// Finds the numbers of names.
    const FIND: Sql;
    /// Gives numbers to names.
    const ADD: Sql;
    /// Finds the names of numbers.
    const NAME: Sql;
    /// What it is the name of.
    const WHAT: &'static str;

    /// Checks a name that was read back.
    fn parse(text: String) -> legwork_core::Result<Self>;

    #[doc(hidden)]
    fn with_book<T>(names: &Names, ask: impl FnOnce(&mut BookOf<'_, Self>) -> T) -> T;
}

/// A locked book.
pub(crate) struct BookOf<'b, N>(&'b mut Book<N>);

impl Name for QueueName {
    const FIND: Sql = sql!("queue_find");
    const ADD: Sql = sql!("queue_add");
    const NAME: Sql = sql!("queue_name");
    const WHAT: &'static str = "queue";

    fn parse(text: String) -> legwork_core::Result<Self> {
        Self::new(text)
    }

    fn with_book<T>(names: &Names, ask: impl FnOnce(&mut BookOf<'_, Self>) -> T) -> T {
        ask(&mut BookOf(&mut names.queues.lock().unwrap_or_else(PoisonError::into_inner)))
    }
}

impl Name for Kind {
    const FIND: Sql = sql!("kind_find");
    const ADD: Sql = sql!("kind_add");
    const NAME: Sql = sql!("kind_name");
    const WHAT: &'static str = "kind";

    fn parse(text: String) -> legwork_core::Result<Self> {
        Self::new(text)
    }

    fn with_book<T>(names: &Names, ask: impl FnOnce(&mut BookOf<'_, Self>) -> T) -> T {
        ask(&mut BookOf(&mut names.kinds.lock().unwrap_or_else(PoisonError::into_inner)))
    }
}

impl Names {
    /// Returns the number of a name that is cached.
    pub(crate) fn known<N: Name>(&self, name: &N) -> Option<i32> {
        N::with_book(self, |book| book.0.by_name.get(name).copied())
    }

    /// Waits for the turn to add names.
    pub(crate) async fn turn(&self) -> impl Drop + '_ {
        self.adding.lock().await
    }

    /// Returns the name of a number that is cached.
    pub(crate) fn known_name<N: Name>(&self, number: i32) -> Option<N> {
        N::with_book(self, |book| book.0.by_number.get(&number).cloned())
    }

    /// Remembers rows of `id, name`; names that are damaged are passed over.
    fn learn<N: Name>(&self, rows: &[Row]) -> Result<()> {
        for row in rows {
            let number: i32 = get(row, 0)?;
            let text: String = get(row, 1)?;
            match N::parse(text) {
                Ok(name) => N::with_book(self, |book| {
                    if book.0.by_name.len() >= CACHE_MAX {
                        book.0.by_name.clear();
                        book.0.by_number.clear();
                    }
                    book.0.by_number.insert(number, name.clone());
                    book.0.by_name.insert(name, number);
                }),
                Err(error) => {
                    tracing::error!(number, %error, "the name of a {} is damaged", N::WHAT);
                }
            }
        }
        Ok(())
    }

    #[cfg(test)]
    pub(crate) fn remember_for_test<N: Name>(&self, name: &N, number: i32) {
        N::with_book(self, |book| book.0.by_name.insert(name.clone(), number));
    }

    /// Looks up names that may have been added by others.
    pub(crate) async fn look_up<N: Name>(&self, tx: &mut Tx, names: &[N]) -> Result<()> {
        let unknown: Vec<String> = names
            .iter()
            .filter(|name| self.known(*name).is_none())
            .map(|name| name.as_ref().to_owned())
            .collect();
        if unknown.is_empty() {
            return Ok(());
        }
        let rows = tx.rows(N::FIND, params![unknown]).await?;
        self.learn::<N>(&rows)
    }

    /// Gives numbers to names that have none, outside of every transaction.
    pub(crate) async fn add<N: Name>(&self, conn: &Conn, names: &[N]) -> Result<()> {
        let texts: Vec<String> = names.iter().map(|name| name.as_ref().to_owned()).collect();
        if texts.is_empty() {
            return Ok(());
        }
        conn.execute(N::ADD, params![texts.clone()]).await?;
        let rows = conn.rows(N::FIND, params![texts]).await?;
        self.learn::<N>(&rows)
    }

    /// Returns the names of numbers, reading those that are not cached.
    pub(crate) async fn look_up_numbers<N: Name>(
        &self,
        tx: &mut Tx,
        numbers: impl IntoIterator<Item = i32>,
    ) -> Result<()> {
        let mut unknown: Vec<i32> =
            numbers.into_iter().filter(|&number| self.known_name::<N>(number).is_none()).collect();
        unknown.sort_unstable();
        unknown.dedup();
        if unknown.is_empty() {
            return Ok(());
        }
        let rows = tx.rows(N::NAME, params![unknown]).await?;
        self.learn::<N>(&rows)
    }

    /// Returns the name of a number; `Corrupt` when there is none.
    pub(crate) fn name_of<N: Name>(&self, number: i32) -> Result<N> {
        self.known_name(number).ok_or_else(|| {
            let message = format!("no {} has number {number}", N::WHAT);
            Error::new(ErrorKind::Corrupt, message).into()
        })
    }
}
