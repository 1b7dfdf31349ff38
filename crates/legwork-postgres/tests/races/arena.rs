//! A schema with the storage on one side and plain sessions on the other.
//!
//! Every race begins here. It must never wait by the clock: a call has come to the place where it
//! is wanted when the server says that it waits for a lock.

use std::time::Duration;

use legwork_core::storage::exchange::RunErrorKind;
use legwork_core::storage::{
    Actor, Claim, ClaimedJob, Exchange, Exchanged, FailReason, Finish, Finished, NewJob, Parent,
    Rescue, Rescued, RunError, ServerInfo, SilentServer, Storage as _, Verdict,
};
use legwork_core::{Incarnation, JobId, Kind, On, QueueName};
use legwork_postgres::PostgresStorage;
use tokio::task::JoinSet;
use tokio::time::{Instant, interval};
use tokio_postgres::{Client, NoTls};

use crate::invariants;
use crate::schema::Schema;

/// No wait is longer, unless something is wrong.
const WAIT_MAX: Duration = Duration::from_secs(9);

pub(crate) struct Arena {
    schema: Schema,
    name: String,
    /// A session that looks.
    pub(crate) sql: Client,
}

/// A transaction of a plain session, which ends when it is told to.
pub(crate) struct Held(Client);

impl Held {
    pub(crate) async fn commit(self) {
        self.0.batch_execute("COMMIT").await.unwrap();
    }

    pub(crate) async fn let_go(self) {
        self.0.batch_execute("ROLLBACK").await.unwrap();
    }
}

impl Arena {
    /// Makes a schema and opens the storage in it; `None` without a server.
    pub(crate) async fn open() -> Option<(Self, PostgresStorage)> {
        let schema = Schema::create()?;
        let url = schema.url();
        let (_, rest) = url.split_once("schema=").unwrap();
        let name = rest.split('&').next().unwrap().to_owned();
        let storage = PostgresStorage::connect(&format!("{url}&application_name={name}")).await;
        let storage = storage.unwrap();
        let sql = session(&name).await;
        Some((Self { schema, name, sql }, storage))
    }

    /// Opens another handle, as another process would.
    pub(crate) async fn another(&self) -> PostgresStorage {
        let url = format!("{}&application_name={}", self.schema.url(), self.name);
        PostgresStorage::connect(&url).await.unwrap()
    }

    /// Does something in a transaction that stays open.
    pub(crate) async fn hold(&self, statement: &str) -> Held {
        let client = session(&self.name).await;
        client.batch_execute(&format!("BEGIN; {statement}")).await.unwrap();
        Held(client)
    }

    /// Stops the next claim in its middle: its tickets are locked, and nothing is granted yet.
    pub(crate) async fn stop_claims(&self) -> Held {
        self.hold(
            "INSERT INTO lease
                (id, claimed_at, server, open, firsts, ns, runs, failures, losses, queues, kinds,
                priorities)
            SELECT last_value + is_called::int, now(), 0, 1, '{}', '{}', '{}', '{}', '{}', '{}',
                '{}', '{}'
            FROM lease_number",
        )
        .await
    }

    /// Stops whoever records the end of a run.
    pub(crate) async fn stop_outcome(&self, id: JobId, run: i32) -> Held {
        let columns = "outcome (id, ended_at, run, failures, result)";
        self.hold(&format!("INSERT INTO {columns} VALUES ({id}, now(), {run}, 0, 8)")).await
    }

    /// Waits until so many calls of the storage wait for a lock.
    pub(crate) async fn until_stopped(&self, n: i64) {
        let waiting = format!(
            "SELECT count(*) FROM pg_stat_activity
            WHERE application_name = '{}' AND wait_event_type = 'Lock'",
            self.name
        );
        let deadline = Instant::now() + WAIT_MAX;
        let mut looks = interval(Duration::from_millis(5));
        loop {
            let found = self.number(&waiting).await;
            if found == n {
                return;
            }
            assert!(Instant::now() < deadline, "{found} of {n} calls wait for a lock");
            looks.tick().await;
        }
    }

    /// Reads one number.
    pub(crate) async fn number(&self, question: &str) -> i64 {
        self.sql.query_one(question, &[]).await.unwrap().get(0)
    }

    /// Reads how the runs of a job ended.
    pub(crate) async fn results(&self, id: JobId) -> Vec<i16> {
        let question = "SELECT result FROM outcome WHERE id = $1 ORDER BY run";
        let rows = self.sql.query(question, &[&id.get()]).await.unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    }

    /// Looks at the tables once more and closes the storage.
    pub(crate) async fn close<const N: usize>(self, storages: [&PostgresStorage; N]) {
        invariants::check(&self.sql).await;
        for storage in storages {
            storage.close().await.unwrap();
        }
    }
}

/// Connects a plain session to the schema.
async fn session(name: &str) -> Client {
    let url = std::env::var("LEGWORK_POSTGRES_URL").unwrap();
    let (client, connection) = tokio_postgres::connect(&url, NoTls).await.unwrap();
    let mut tasks = JoinSet::new();
    tasks.spawn(connection);
    // It ends with its client.
    tasks.detach_all();
    // A test that fails lets go of what it holds, or the schema could not be dropped.
    let settings =
        format!("SET search_path = {name}; SET idle_in_transaction_session_timeout = '15s'");
    client.batch_execute(&settings).await.unwrap();
    client
}

/// A server of one handle.
pub(crate) struct Server<'s> {
    storage: &'s PostgresStorage,
    pub(crate) incarnation: Incarnation,
}

impl<'s> Server<'s> {
    pub(crate) async fn register(storage: &'s PostgresStorage) -> Self {
        let incarnation = Incarnation::from_bits(fastrand::u128(..));
        let info = ServerInfo {
            incarnation,
            name: "race".to_owned(),
            workers: 4,
            queues: vec![QueueName::default()],
            kinds: vec![kind()],
            version: "0.1.0".to_owned(),
        };
        storage.register(info).await.unwrap();
        Self { storage, incarnation }
    }

    pub(crate) async fn exchange(&self, finish: Vec<Finish>, max: usize) -> Exchanged {
        let claim = (max > 0).then(|| Claim {
            queues: vec![QueueName::default()],
            kinds: [kind()].into(),
            max,
            suspects_max: 1,
        });
        let exchange = Exchange { server: self.incarnation, finish, claim };
        self.storage.exchange(exchange).await.unwrap()
    }

    pub(crate) async fn claim(&self, max: usize) -> Vec<ClaimedJob> {
        self.exchange(Vec::new(), max).await.claimed
    }

    pub(crate) async fn finish(&self, job: &ClaimedJob, verdict: Verdict) -> Finished {
        self.exchange(vec![finish(job, verdict)], 0).await.finished[0]
    }

    /// Says that the server is dead, and gives back what it holds.
    pub(crate) async fn rescued_by(&self, storage: &PostgresStorage) -> Rescued {
        let silent = vec![SilentServer { server: self.incarnation, beat: self.beat().await }];
        storage.rescue(Rescue { silent, max_jobs: 1_000, losses_max: 3 }).await.unwrap()
    }

    async fn beat(&self) -> u64 {
        let beats = self.storage.beats().await.unwrap();
        let own = beats.iter().find(|beat| beat.server == self.incarnation);
        own.map_or(0, |beat| beat.beat)
    }
}

pub(crate) fn kind() -> Kind {
    Kind::new("race").unwrap()
}

pub(crate) fn job() -> NewJob {
    NewJob::new(kind(), b"{}".to_vec())
}

pub(crate) fn child_of(parents: &[JobId]) -> NewJob {
    let parents = parents.iter().map(|&id| Parent { id, on: On::Success }).collect();
    NewJob { parents, ..job() }
}

/// Enqueues `n` jobs as one batch.
pub(crate) async fn enqueue(storage: &PostgresStorage, n: usize) -> Vec<JobId> {
    let enqueued = storage.enqueue((0..n).map(|_| job()).collect()).await.unwrap();
    enqueued.iter().map(legwork_core::Enqueued::id).collect()
}

pub(crate) fn finish(job: &ClaimedJob, verdict: Verdict) -> Finish {
    let ran_for = Duration::from_millis(1);
    Finish { id: job.id, run: job.run, lease: job.lease, ran_for, verdict }
}

pub(crate) fn succeeded() -> Verdict {
    Verdict::Succeeded { result: None }
}

pub(crate) fn failed() -> Verdict {
    let error = RunError::new(RunErrorKind::Error, "it failed");
    Verdict::Failed { reason: FailReason::Exhausted, error }
}

/// Runs again in an hour.
pub(crate) fn retry() -> Verdict {
    let error = RunError::new(RunErrorKind::Error, "it failed");
    Verdict::Retry { after: Duration::from_hours(1), error }
}

pub(crate) fn actor() -> Actor {
    Actor::new("operator")
}
