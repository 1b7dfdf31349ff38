//! One transaction, as the operations see it.
//!
//! [`crate::line`] makes a [`Tx`] per call and commits it; the operations read and write through
//! it. BEGIN, what is only written, and COMMIT travel together with what is read: a transaction
//! costs as many round trips as it has answers to wait for.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use futures_util::stream::FuturesOrdered;
use futures_util::{FutureExt as _, StreamExt as _};
use legwork_core::{BoxFuture, Timestamp};
use tokio_postgres::Row;

use crate::bind::{At, Param, instant, params};
use crate::conn::Conn;
use crate::dial::LOCAL_SETTINGS;
use crate::error::Result;
use crate::ground::Ground;
use crate::names::Names;
use crate::statement::{Sql, sql};

/// A statement that is on its way, and whose answer nobody needs before the commit.
type Sent = BoxFuture<'static, Result<(), tokio_postgres::Error>>;

/// How a transaction begins that only looks.
const BEGIN_LOOK: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

/// What such a transaction is like: a list is a walk along its index and never a sort, and none
/// takes longer than 5 s.
const LOOK_SETTINGS: &str = "; SET LOCAL statement_timeout = '5s'; SET LOCAL enable_bitmapscan = off; \
                             SET LOCAL enable_sort = off";

/// What a transaction is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sort {
    /// It reaches the disk before it is acknowledged.
    Durable,
    /// Losing it with the power costs nothing.
    Relaxed,
    /// It only looks, at one moment.
    Look,
}

/// How far a transaction is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Fresh,
    Begun,
    /// The commit was sent, so that its outcome may be unknown.
    Committing,
}

/// A transaction.
pub(crate) struct Tx {
    conn: Arc<Conn>,
    /// What the connections of the storage share.
    pub(crate) ground: Arc<Ground>,
    /// The numbers of names.
    pub(crate) names: Arc<Names>,
    /// Whether nothing may be taken for granted: what was, turned out not to be so.
    pub(crate) careful: bool,
    /// Whether something became claimable or due, or a server must hear of something.
    pub(crate) wake: bool,
    sort: Sort,
    stage: Stage,
    sent: FuturesOrdered<Sent>,
    /// The first failure of what was sent, until it is told.
    failed: Option<tokio_postgres::Error>,
    now: Option<Timestamp>,
}

impl Tx {
    /// Makes a transaction, which begins with its first statement.
    pub(crate) fn new(conn: Arc<Conn>, ground: Arc<Ground>, relaxed: bool) -> Self {
        Self {
            conn,
            names: Arc::clone(&ground.names),
            ground,
            careful: false,
            wake: false,
            sort: if relaxed { Sort::Relaxed } else { Sort::Durable },
            stage: Stage::Fresh,
            sent: FuturesOrdered::new(),
            failed: None,
            now: None,
        }
    }

    /// Says that losing the transaction with the power costs nothing; before its first statement.
    pub(crate) fn relax(&mut self) {
        self.sort = Sort::Relaxed;
    }

    /// Says that it only looks, at one moment, and not for long; before its first statement.
    pub(crate) fn only_look(&mut self) {
        self.sort = Sort::Look;
    }

    /// Returns the time of tests for `coalesce($1, now())`; `None` stands for the server's.
    pub(crate) fn at(&self) -> Option<At> {
        self.ground.clock.as_ref().map(|clock| At(clock.now()))
    }

    /// Returns the storage's time: that of the transaction.
    pub(crate) async fn now(&mut self) -> Result<Timestamp> {
        if let Some(now) = self.now {
            return Ok(now);
        }
        let now = if let Some(clock) = &self.ground.clock {
            clock.now()
        } else {
            let rows = self.rows(sql!("now"), params![]).await?;
            let row = rows.first().ok_or_else(|| legwork_core::Error::corrupt("no time"))?;
            instant(row, 0)?
        };
        self.now = Some(now);
        Ok(now)
    }

    /// Reads rows.
    pub(crate) async fn rows(&mut self, sql: Sql, params: Vec<Param>) -> Result<Vec<Row>> {
        self.begin();
        let conn = Arc::clone(&self.conn);
        let rows = self.answered(conn.rows(sql, params)).await;
        // The answers come in order: those before are here too, and say more about a failure.
        self.settle().await?;
        Ok(rows?)
    }

    /// Reads at most one row.
    pub(crate) async fn row(&mut self, sql: Sql, params: Vec<Param>) -> Result<Option<Row>> {
        Ok(self.rows(sql, params).await?.into_iter().next())
    }

    /// Runs a statement and waits for how many rows it changed.
    pub(crate) async fn execute(&mut self, sql: Sql, params: Vec<Param>) -> Result<u64> {
        self.begin();
        let conn = Arc::clone(&self.conn);
        let n = self.answered(conn.execute(sql, params)).await;
        self.settle().await?;
        Ok(n?)
    }

    /// Sends a statement whose failure is the transaction's, without waiting for it.
    pub(crate) async fn send(&mut self, sql: Sql, params: Vec<Param>) -> Result<()> {
        self.begin();
        self.ready(sql, &params).await?;
        let conn = Arc::clone(&self.conn);
        self.push(Box::pin(async move { conn.execute(sql, params).await.map(drop) }));
        Ok(())
    }

    /// Runs a statement that is a transaction of its own: the only one of the call.
    pub(crate) async fn alone(&mut self, sql: Sql, params: Vec<Param>) -> Result<u64> {
        self.conn.ready(sql, &params).await?;
        self.stage = Stage::Committing;
        Ok(self.conn.execute(sql, params).await?)
    }

    /// Takes fresh numbers, which stay taken whatever becomes of the transaction.
    pub(crate) async fn take_numbers(&mut self, n: usize) -> Result<Vec<i64>> {
        let (ground, conn) = (Arc::clone(&self.ground), Arc::clone(&self.conn));
        self.answered(ground.numbers.take(&conn, n)).await
    }

    /// Sends a statement, and COMMIT right behind it, and returns its rows once both are done.
    ///
    /// It is the last statement of the transaction.
    pub(crate) async fn rows_and_commit(
        &mut self,
        sql: Sql,
        params: Vec<Param>,
    ) -> Result<Vec<Row>> {
        self.begin();
        self.ready(sql, &params).await?;
        let conn = Arc::clone(&self.conn);
        let mut rows = Box::pin(async move { conn.rows(sql, params).await });
        let early = (&mut rows).now_or_never();
        self.send_commit();
        let rows = match early {
            Some(rows) => rows,
            None => self.answered(rows).await,
        };
        self.settle().await?;
        Ok(rows?)
    }

    /// Prepares a statement. In a transaction that what was sent before has made fail, this fails
    /// for nothing of its own: the first failure is the one to tell.
    async fn ready(&mut self, sql: Sql, params: &[Param]) -> Result<()> {
        let conn = Arc::clone(&self.conn);
        match self.answered(conn.ready(sql, params)).await {
            Ok(()) => Ok(()),
            Err(error) => {
                self.settle().await?;
                Err(error.into())
            }
        }
    }

    fn begin(&mut self) {
        if self.stage != Stage::Fresh {
            return;
        }
        self.stage = Stage::Begun;
        let looks = self.sort == Sort::Look;
        let mut text = String::from(if looks { BEGIN_LOOK } else { "BEGIN" });
        if self.sort == Sort::Relaxed {
            text.push_str("; SET LOCAL synchronous_commit = off");
        }
        if self.conn.pooled {
            text.push_str("; ");
            text.push_str(LOCAL_SETTINGS);
        }
        if looks {
            text.push_str(LOOK_SETTINGS);
        }
        let conn = Arc::clone(&self.conn);
        self.push(Box::pin(async move { conn.client.batch_execute(&text).await }));
    }

    fn send_commit(&mut self) {
        self.stage = Stage::Committing;
        let conn = Arc::clone(&self.conn);
        self.push(Box::pin(async move { conn.client.batch_execute("COMMIT").await }));
    }

    /// Sends a request by polling it once; its answer is awaited later.
    fn push(&mut self, mut request: Sent) {
        match (&mut request).now_or_never() {
            Some(answer) => self.sent.push_back(Box::pin(std::future::ready(answer))),
            None => self.sent.push_back(request),
        }
    }

    /// Waits for an answer, and takes those that come before it.
    ///
    /// The driver keeps two parts of an answer that nobody takes, and reads no further until they
    /// are taken: an answer that came in three parts would hold up all those behind it.
    async fn answered<T>(&mut self, request: impl Future<Output = T>) -> T {
        let mut request = pin!(request);
        poll_fn(|cx| {
            while let Poll::Ready(Some(answer)) = self.sent.poll_next_unpin(cx) {
                self.note(answer);
            }
            request.as_mut().poll(cx)
        })
        .await
    }

    fn note(&mut self, answer: Result<(), tokio_postgres::Error>) {
        if let Err(error) = answer
            && self.failed.is_none()
        {
            self.failed = Some(error);
        }
    }

    /// Waits for the answers to what was sent; the first failure is the transaction's.
    async fn settle(&mut self) -> Result<()> {
        while let Some(answer) = self.sent.next().await {
            self.note(answer);
        }
        match self.failed.take() {
            Some(error) => Err(error.into()),
            None => Ok(()),
        }
    }

    /// Makes a further transaction of this one, which was committed; losing it costs nothing.
    pub(crate) fn begin_again(&mut self) {
        self.stage = Stage::Fresh;
        self.sort = Sort::Relaxed;
        self.now = None;
    }

    /// Tells whether the commit was sent, so that its outcome may be unknown.
    pub(crate) fn is_committing(&self) -> bool {
        self.stage == Stage::Committing
    }

    /// Ends the transaction; does nothing where it never began or was committed.
    pub(crate) async fn commit(&mut self) -> Result<()> {
        if self.stage != Stage::Begun {
            return Ok(());
        }
        // COMMIT ends a failed transaction without saying so: what was sent has to have succeeded.
        self.send_commit();
        self.settle().await
    }

    /// Undoes the transaction.
    pub(crate) async fn roll_back(&mut self) -> Result<(), tokio_postgres::Error> {
        self.sent.clear();
        self.failed = None;
        if self.stage == Stage::Fresh {
            return Ok(());
        }
        self.conn.client.batch_execute("ROLLBACK").await
    }
}
