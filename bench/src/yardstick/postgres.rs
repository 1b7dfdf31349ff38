//! Plain statements on tables of their own, through connections whose plans are pinned.
//!
//! The tables hold what any job queue with a history must write: a row per job, with an index, and
//! a row per outcome. The rows that were written are counted at the end.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use anyhow::ensure;
use bytes::BytesMut;
use legwork_core::{Clock as _, Job as _, SystemClock};
use tokio::task::JoinSet;
use tokio_postgres::binary_copy::BinaryCopyInWriter;
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};
use tokio_postgres::{Client, Statement};

use crate::lab::postgres::{Server, Session};
use crate::lab::{Lab, Reading};
use crate::machine::now;
use crate::sample::Percentiles;
use crate::workload::Note;
use crate::yardstick::hangfire;

/// `Y_commit` with one connection; its p50 is the latency of a commit.
pub(crate) const COMMIT_1: &str = "Y_commit: insert and commit, 1 conn.";
/// `Y_commit` with 32 connections.
pub(crate) const COMMIT_32: &str = "Y_commit: insert and commit, 32 conn.";
/// `Y_ins`.
pub(crate) const INSERT: &str = "Y_ins: 500 rows from arrays, 2 conn.";
/// `Y_copy`.
pub(crate) const COPY: &str = "Y_copy: 500 rows by COPY, 2 conn.";
/// `Y_floor`: what a full cycle with history must write at least.
pub(crate) const FLOOR: &str = "Y_floor: 500 jobs, 500 outcomes, 2 conn.";
/// `Y_cyc`: a queue without history.
pub(crate) const CYCLE: &str = "Y_cyc: insert 500, delete 500, 2 conn.";
/// A job in ten statements, as Hangfire has it.
pub(crate) const HANG: &str = "hang: 10 statements a job, 16 conn.";

/// Rows per transaction.
const BATCH: usize = 500;

/// What keeps plans from depending on the statistics of a table that was empty a moment ago.
const PINS: &str = "SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off;
    SET enable_hashjoin = off; SET enable_mergejoin = off; SET jit = off";

const TABLES: &str = "
    DROP TABLE IF EXISTS y_job, y_outcome;
    CREATE TABLE y_job (
        id int8 PRIMARY KEY, queue int2 NOT NULL, priority int2 NOT NULL,
        created_at timestamptz NOT NULL, kind text NOT NULL, args jsonb NOT NULL
    );
    CREATE TABLE y_outcome (
        id int8 NOT NULL, attempt int2 NOT NULL, state int2 NOT NULL, server int4 NOT NULL,
        started timestamptz NOT NULL, finished timestamptz NOT NULL, error text,
        PRIMARY KEY (id, attempt)
    )";

const INSERT_ONE: &str = "INSERT INTO y_job (id, queue, priority, created_at, kind, args)
    VALUES ($1, 1, 0, now(), 'bench.note', $2::text::jsonb)";

const INSERT_MANY: &str = "INSERT INTO y_job (id, queue, priority, created_at, kind, args)
    SELECT $1 + n - 1, 1, 0, now(), 'bench.note', args::jsonb
    FROM unnest($2::text[]) WITH ORDINALITY AS u (args, n)";

const INSERT_OUTCOMES: &str = "
    INSERT INTO y_outcome (id, attempt, state, server, started, finished)
    SELECT id, 1, 2, 1, to_timestamp(started / 1e6), now()
    FROM unnest($1::int8[], $2::int8[]) AS u (id, started)";

const DELETE: &str = "DELETE FROM y_job WHERE id = ANY($1)";

const COPY_IN: &str = "COPY y_job (id, queue, priority, created_at, kind, args)
    FROM STDIN (FORMAT binary)";

/// What a connection does again and again.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Step {
    Commit,
    Insert,
    Copy,
    Floor,
    Cycle,
    Hang,
}

const ALL: [(&str, Step, i64); 7] = [
    (COMMIT_1, Step::Commit, 1),
    (COMMIT_32, Step::Commit, 32),
    (INSERT, Step::Insert, 2),
    (COPY, Step::Copy, 2),
    (FLOOR, Step::Floor, 2),
    (CYCLE, Step::Cycle, 2),
    (HANG, Step::Hang, 16),
];

/// Measures all of them.
///
/// # Errors
/// The server refuses, or a count of rows is wrong.
pub(crate) async fn measure(lab: &Lab, server: &Server) -> anyhow::Result<Vec<Reading>> {
    let database = server.create_database().await?;
    let address = server.address(&database);
    let mut readings = Vec::new();
    for (what, step, connections) in ALL {
        readings.push(race(lab, &address, what, (step, connections)).await?);
    }
    server.drop_database(&database).await?;
    Ok(readings)
}

/// Lets some connections repeat a step for a while; returns what they did together.
async fn race(
    lab: &Lab,
    address: &str,
    what: &'static str,
    (step, connections): (Step, i64),
) -> anyhow::Result<Reading> {
    let session = Session::open(address).await?;
    session.client.batch_execute(TABLES).await?;
    session.client.batch_execute(hangfire::TABLES).await?;
    let next = Arc::new(AtomicI64::new(1));
    let mut hands = Vec::new();
    for _ in 0..connections {
        hands.push(Hand::new(address, Arc::clone(&next)).await?);
    }
    let stretch = lab.begin().await?;
    let until = now() + lab.size.yardstick;
    let mut tasks: JoinSet<anyhow::Result<(u64, Vec<Duration>)>> =
        hands.into_iter().map(|hand| hand.work(step, until)).collect();
    let (mut n, mut times) = (0, Vec::new());
    while let Some(joined) = tasks.join_next().await {
        let (done, mut took) = joined??;
        n += done;
        times.append(&mut took);
    }
    let reading = stretch.end(what, n).await?.with_times(Percentiles::of(times));
    count(&session.client, step, n).await?;
    Ok(reading)
}

/// Checks that `n` jobs left the rows that they must leave.
async fn count(client: &Client, step: Step, n: u64) -> anyhow::Result<()> {
    let tables: &[(&str, u64)] = match step {
        Step::Commit | Step::Insert | Step::Copy => &[("y_job", n), ("y_outcome", 0)],
        Step::Floor => &[("y_job", n), ("y_outcome", n)],
        Step::Cycle => &[("y_job", 0)],
        Step::Hang => &[("hang_job", n), ("hang_state", 3 * n), ("hang_queue", 0)],
    };
    for (table, expected) in tables {
        let row = client.query_one(&format!("SELECT count(*) FROM {table}"), &[]).await?;
        let found: i64 = row.get(0);
        ensure!(u64::try_from(found) == Ok(*expected), "{found} rows in {table}, not {expected}");
    }
    Ok(())
}

/// One connection with its statements.
struct Hand {
    session: Session,
    /// The next id that nobody has.
    next: Arc<AtomicI64>,
    args: Vec<String>,
    insert_one: Statement,
    insert_many: Statement,
    insert_returning: Statement,
    insert_outcomes: Statement,
    delete: Statement,
    hang: hangfire::Statements,
}

impl Hand {
    async fn new(address: &str, next: Arc<AtomicI64>) -> anyhow::Result<Self> {
        let session = Session::open(address).await?;
        let client = &session.client;
        client.batch_execute(PINS).await?;
        let notes = (0..BATCH).map(|n| Note::new(u64::try_from(n)?).encode().map_err(Into::into));
        let notes = notes.collect::<anyhow::Result<Vec<Vec<u8>>>>()?;
        Ok(Self {
            args: notes.into_iter().map(String::from_utf8).collect::<Result<_, _>>()?,
            insert_one: client.prepare(INSERT_ONE).await?,
            insert_many: client.prepare(INSERT_MANY).await?,
            insert_returning: client.prepare(&format!("{INSERT_MANY} RETURNING id")).await?,
            insert_outcomes: client.prepare(INSERT_OUTCOMES).await?,
            delete: client.prepare(DELETE).await?,
            hang: hangfire::Statements::new(client).await?,
            session,
            next,
        })
    }

    /// Repeats a step; returns how many jobs that made, and how long each repetition took.
    async fn work(self, step: Step, until: Instant) -> anyhow::Result<(u64, Vec<Duration>)> {
        let (mut n, mut times) = (0, Vec::new());
        loop {
            let began = now();
            if began >= until {
                return Ok((n, times));
            }
            n += self.once(step).await?;
            times.push(began.elapsed());
        }
    }

    async fn once(&self, step: Step) -> anyhow::Result<u64> {
        let client = &self.session.client;
        match step {
            Step::Commit => {
                let id = self.take(1)?;
                return Ok(client.execute(&self.insert_one, &[&id, &self.args[0]]).await?);
            }
            Step::Hang => return self.hang.once(client, &self.args[0]).await,
            Step::Insert => {
                let first = self.take(BATCH)?;
                client.execute(&self.insert_many, &[&first, &self.args]).await?;
            }
            Step::Copy => self.copy(self.take(BATCH)?).await?,
            Step::Floor => self.floor(self.take(BATCH)?).await?,
            Step::Cycle => {
                let first = self.take(BATCH)?;
                let rows = client.query(&self.insert_returning, &[&first, &self.args]).await?;
                let ids: Vec<i64> = rows.iter().map(|row| row.get(0)).collect();
                client.execute(&self.delete, &[&ids]).await?;
            }
        }
        Ok(u64::try_from(BATCH)?)
    }

    fn take(&self, n: usize) -> anyhow::Result<i64> {
        Ok(self.next.fetch_add(i64::try_from(n)?, Ordering::Relaxed))
    }

    /// Writes the jobs and their outcomes in one transaction and one round trip.
    async fn floor(&self, first: i64) -> anyhow::Result<()> {
        let client = &self.session.client;
        let ids: Vec<i64> = (first..).take(BATCH).collect();
        let started = vec![SystemClock.now().as_micros(); BATCH];
        let jobs: [&(dyn ToSql + Sync); 2] = [&first, &self.args];
        let outcomes: [&(dyn ToSql + Sync); 2] = [&ids, &started];
        // Futures that are polled in turn are sent in turn: the server sees one stream.
        tokio::try_join!(
            biased;
            client.batch_execute("BEGIN"),
            client.execute(&self.insert_many, &jobs),
            client.execute(&self.insert_outcomes, &outcomes),
            client.batch_execute("COMMIT"),
        )?;
        Ok(())
    }

    async fn copy(&self, first: i64) -> anyhow::Result<()> {
        let sink = self.session.client.copy_in(COPY_IN).await?;
        let types =
            [Type::INT8, Type::INT2, Type::INT2, Type::TIMESTAMPTZ, Type::TEXT, Type::JSONB];
        let mut writer = std::pin::pin!(BinaryCopyInWriter::new(sink, &types));
        let created_at = std::time::SystemTime::from(SystemClock.now());
        for (id, args) in (first..).zip(&self.args) {
            let row: [&(dyn ToSql + Sync); 6] =
                [&id, &1_i16, &0_i16, &created_at, &"bench.note", &Jsonb(args)];
            writer.as_mut().write(&row).await?;
        }
        writer.finish().await?;
        Ok(())
    }
}

/// JSON text as the binary format of `jsonb`.
#[derive(Debug)]
struct Jsonb<'a>(&'a str);

impl ToSql for Jsonb<'_> {
    fn to_sql(
        &self,
        _: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        out.extend_from_slice(&[1]);
        out.extend_from_slice(self.0.as_bytes());
        Ok(IsNull::No)
    }

    fn accepts(kind: &Type) -> bool {
        *kind == Type::JSONB
    }

    to_sql_checked!();
}
