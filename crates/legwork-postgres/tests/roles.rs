//! `roles.sql`: what each role needs works for it, and what is not its business fails.
//!
//! The roles of a test have a prefix of their own, because roles belong to the whole server.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![expect(clippy::missing_assert_message, reason = "each comparison shows what it compares")]

#[path = "support/database.rs"]
mod database;

use std::process::Command;
use std::time::Duration;

use legwork_core::inspect::{Inspect as _, JobFilter, Page};
use legwork_core::storage::exchange::RunErrorKind;
use legwork_core::storage::{
    Beat, Cancelled, Claim, Deleted, Exchange, Exchanged, FailReason, Finish, Finished, Firing,
    Kinds, Misfire, NewJob, On, Overlap, Parent, RecurringSpec, Requeued, Rescue, Retention,
    RunError, ServerInfo, Start, Storage as _, Triggered, Verdict,
};
use legwork_core::{
    Actor, ErrorKind, Incarnation, JobId, JobState, Kind, QueueName, RecurringId, Tag,
};
use legwork_postgres::PostgresStorage;
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

use crate::database::{Database, connect};

const KIND: &str = "test.work";

/// A database with the schema and the roles.
struct Stage {
    database: Database,
    prefix: String,
    admin: Client,
    whole: PostgresStorage,
}

impl Stage {
    async fn set(name: &str) -> Option<Self> {
        let database = Database::create().await?;
        let prefix = format!("lw_{name}_{:08x}", fastrand::u32(..));
        apply(&database, &prefix);
        let whole = PostgresStorage::connect(&database.url()).await.unwrap();
        apply(&database, &prefix);
        let admin = database.client().await;
        for role in ["owner", "worker", "producer", "dashboard_ro", "dashboard_op"] {
            let login = format!("CREATE ROLE {prefix}_{role}_login LOGIN IN ROLE {prefix}_{role}");
            admin.batch_execute(&login).await.unwrap();
        }
        Some(Self { database, prefix, admin, whole })
    }

    fn url(&self, role: &str) -> String {
        let url = self.database.url();
        let (scheme, rest) = url.split_once("://").unwrap();
        let host = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
        format!("{scheme}://{}_{role}_login@{host}", self.prefix)
    }

    /// Connects the storage as one of the roles; whatever is to be migrated has been.
    async fn storage(&self, role: &str) -> PostgresStorage {
        PostgresStorage::connect(&self.url(role)).await.unwrap()
    }

    /// Makes sure that a role may not run any of some statements.
    async fn refuses(&self, role: &str, statements: &[&str]) {
        let client = connect(&self.url(role)).await;
        for statement in statements {
            let Err(error) = client.batch_execute(statement).await else {
                panic!("{role} may run: {statement}");
            };
            let code = error.code();
            assert_eq!(code, Some(&SqlState::INSUFFICIENT_PRIVILEGE), "{role}: {statement}");
        }
    }

    async fn state(&self, id: JobId) -> JobState {
        self.whole.job(id).await.unwrap().expect("the job is stored").summary.state
    }

    async fn clear(self) {
        let Self { prefix, admin, database, whole } = self;
        whole.close().await.unwrap();
        let all: Vec<String> = ["owner", "worker", "producer", "dashboard_ro", "dashboard_op"]
            .iter()
            .flat_map(|role| [format!("{prefix}_{role}_login"), format!("{prefix}_{role}")])
            .collect();
        let all = all.join(", ");
        admin
            .batch_execute(&format!("DROP OWNED BY {all} CASCADE; DROP ROLE {all}"))
            .await
            .unwrap();
        drop(database);
    }
}

/// Runs `roles.sql` as an operator does.
fn apply(database: &Database, prefix: &str) {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/roles.sql");
    let ended = Command::new("psql")
        .args([&database.url(), "-q", "-v", "ON_ERROR_STOP=1", "-f", file])
        .args(["-v", &format!("prefix={prefix}")])
        .output()
        .expect("psql comes with the server");
    let told = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success(), "{told}");
}

fn job() -> NewJob {
    NewJob::new(Kind::new(KIND).unwrap(), b"{\"secret\":1}".to_vec())
}

fn child_of(parent: JobId, on: On) -> NewJob {
    NewJob { parents: vec![Parent { id: parent, on }], ..job() }
}

async fn add(storage: &PostgresStorage, job: NewJob) -> JobId {
    storage.enqueue(vec![job]).await.unwrap()[0].id()
}

fn server() -> ServerInfo {
    ServerInfo {
        incarnation: Incarnation::from_bits(fastrand::u128(..)),
        name: "roles".to_owned(),
        workers: 4,
        queues: vec![QueueName::default()],
        kinds: vec![Kind::new(KIND).unwrap()],
        version: "0.1.0".to_owned(),
    }
}

fn spec(id: &str) -> RecurringSpec {
    RecurringSpec {
        id: RecurringId::new(id).unwrap(),
        cron: "0 3 * * *".to_owned(),
        time_zone: "UTC".to_owned(),
        job: job(),
        misfire: Misfire::RunOnce,
        overlap: Overlap::Allow,
        generation: 0,
    }
}

async fn exchange(
    storage: &PostgresStorage,
    server: Incarnation,
    finish: Vec<Finish>,
    max: usize,
) -> Exchanged {
    let kinds: Kinds = [Kind::new(KIND).unwrap()].into();
    let claim = Claim { queues: vec![QueueName::default()], kinds, max, suspects_max: 1 };
    let claim = Some(claim).filter(|_| max > 0);
    storage.exchange(Exchange { server, finish, claim }).await.unwrap()
}

/// Claims one job and ends its run.
async fn work(storage: &PostgresStorage, server: Incarnation, verdict: Verdict) -> JobId {
    let claimed = exchange(storage, server, Vec::new(), 1).await.claimed.remove(0);
    let (id, run, lease) = (claimed.id, claimed.run, claimed.lease);
    let finish = Finish { id, run, lease, ran_for: Duration::from_millis(5), verdict };
    let ended = exchange(storage, server, vec![finish], 0).await;
    assert_eq!(ended.finished, [Finished::Recorded]);
    id
}

/// Does what every job server does.
async fn serve(storage: &PostgresStorage) {
    let info = server();
    let server = info.incarnation;
    storage.register(info).await.unwrap();
    assert!(matches!(storage.heartbeat(server).await.unwrap(), Beat::Live { .. }));
    let parent = add(storage, job()).await;
    add(storage, child_of(parent, On::Success)).await;
    work(storage, server, Verdict::Succeeded { result: Some(b"7".to_vec()) }).await;
    let error = RunError::new(RunErrorKind::Error, "no");
    let after = Duration::ZERO;
    work(storage, server, Verdict::Retry { after, error: error.clone() }).await;
    storage.promote(10).await.unwrap();
    let reason = FailReason::Discarded;
    work(storage, server, Verdict::Failed { reason, error }).await;
    add(storage, job()).await;
    let held = exchange(storage, server, Vec::new(), 1).await.claimed.remove(0);
    storage.release(server, vec![held.lease]).await.unwrap();
    exchange(storage, server, Vec::new(), 1).await;
    storage.beats().await.unwrap();
    storage.rescue(Rescue { silent: Vec::new(), max_jobs: 10, losses_max: 3 }).await.unwrap();
    storage.retire(server).await.unwrap();
    let none = Duration::ZERO;
    let retention = Retention { succeeded: none, failed: none, cancelled: none };
    assert_eq!(storage.prune(retention, 100).await.unwrap().jobs, 2);
    storage.upsert_recurring(spec("nightly")).await.unwrap();
    let due = storage.due_recurring(10).await.unwrap();
    let firing = Firing {
        id: RecurringId::new("nightly").unwrap(),
        revision: due.jobs[0].revision,
        occurrences: vec![due.now],
        last_at: Some(due.now),
        next_at: None,
    };
    storage.fire_recurring(firing).await.unwrap();
    storage.allocate_ids(5).await.unwrap();
}

/// Does what an operator may do to jobs, queues and recurring jobs.
async fn operate(storage: &PostgresStorage, stage: &Stage) {
    let actor = || Actor::new("somebody");
    let tagged = {
        let mut job = job();
        job.options.tags = vec![Tag::new("a").unwrap()];
        job
    };
    let parent = add(&stage.whole, tagged).await;
    let child = add(&stage.whole, child_of(parent, On::Cancelled)).await;
    let gone = add(&stage.whole, child_of(parent, On::Success)).await;
    assert_eq!(storage.cancel(parent, actor()).await.unwrap(), Cancelled::BeforeStart);
    assert_eq!(stage.state(child).await, JobState::Enqueued);
    assert_eq!(stage.state(gone).await, JobState::Cancelled);
    assert_eq!(storage.requeue(parent, actor()).await.unwrap(), Requeued::Enqueued);
    assert_eq!(storage.delete(child, actor()).await.unwrap(), Deleted::Removed);
    let later = NewJob { start: Start::After(Duration::from_mins(1)), ..job() };
    let later = add(&stage.whole, later).await;
    assert_eq!(storage.requeue(later, actor()).await.unwrap(), Requeued::Enqueued);
    let info = server();
    let server = info.incarnation;
    stage.whole.register(info).await.unwrap();
    let held = exchange(&stage.whole, server, Vec::new(), 1).await.claimed.remove(0);
    assert_eq!(storage.cancel(held.id, actor()).await.unwrap(), Cancelled::Requested);
    let failed = work(&stage.whole, server, Verdict::Succeeded { result: Some(b"7".into()) }).await;
    assert_eq!(storage.requeue(failed, actor()).await.unwrap(), Requeued::Enqueued);
    assert_eq!(storage.delete(failed, actor()).await.unwrap(), Deleted::Removed);
    storage.pause(QueueName::new("fresh").unwrap(), actor()).await.unwrap();
    assert!(storage.resume(QueueName::new("fresh").unwrap(), actor()).await.unwrap());
    let id = || RecurringId::new("weekly").unwrap();
    storage.upsert_recurring(spec("weekly")).await.unwrap();
    let triggered = storage.trigger_recurring(id(), actor()).await.unwrap();
    assert!(matches!(triggered, Triggered::Enqueued(_)));
    assert!(storage.remove_recurring(id()).await.unwrap());
}

/// Opens every page of a dashboard.
async fn look(storage: &PostgresStorage, stage: &Stage) {
    let id = add(&stage.whole, job()).await;
    storage.counts().await.unwrap();
    for state in [
        JobState::Awaiting,
        JobState::Scheduled,
        JobState::Enqueued,
        JobState::Processing,
        JobState::Succeeded,
        JobState::Failed,
        JobState::Cancelled,
    ] {
        storage.jobs(JobFilter::state(state), Page::first(10)).await.unwrap();
    }
    assert!(storage.job(id).await.unwrap().is_some());
    storage.recurring().await.unwrap();
    storage.servers().await.unwrap();
    storage.queues().await.unwrap();
    storage.throughput(Duration::from_mins(1), 10).await.unwrap();
}

#[tokio::test]
async fn a_worker_serves_and_operates_and_cannot_change_what_is_written_once() {
    let Some(stage) = Stage::set("worker").await else { return };
    let storage = stage.storage("worker").await;
    serve(&storage).await;
    operate(&storage, &stage).await;
    look(&storage, &stage).await;
    let refused = [
        "UPDATE legwork.job SET args = '{}'",
        "UPDATE legwork.kind SET name = 'x'",
        "DELETE FROM legwork.server",
        "DELETE FROM legwork.migration",
        "UPDATE legwork.installation SET id = gen_random_uuid()",
        "ALTER TABLE legwork.job ADD x int",
        "CREATE TABLE legwork.x (x int)",
        "DROP TABLE legwork.job",
        "TRUNCATE legwork.job",
        "SELECT setval('legwork.number', 1)",
        "CREATE SCHEMA x",
    ];
    stage.refuses("worker", &refused).await;
    storage.close().await.unwrap();
    stage.clear().await;
}

#[tokio::test]
async fn a_producer_enqueues_every_sort_of_job_and_cannot_read_or_work_any() {
    let Some(stage) = Stage::set("producer").await else { return };
    let storage = stage.storage("producer").await;
    let ended = add(&stage.whole, job()).await;
    stage.whole.cancel(ended, Actor::new("somebody")).await.unwrap();
    let plain = add(&storage, NewJob { queue: QueueName::new("fresh").unwrap(), ..job() }).await;
    let mut tagged = job();
    tagged.options.tags = vec![Tag::new("a").unwrap()];
    add(&storage, tagged).await;
    let later = NewJob { start: Start::After(Duration::from_mins(1)), ..job() };
    let later = add(&storage, later).await;
    let waits = add(&storage, child_of(plain, On::Success)).await;
    let goes_on = add(&storage, child_of(ended, On::Cancelled)).await;
    let is_cancelled = add(&storage, child_of(ended, On::Success)).await;
    let block = storage.allocate_ids(2).await.unwrap();
    let given = NewJob { id: block.ids().next(), ..job() };
    assert!(storage.enqueue(vec![given.clone()]).await.unwrap()[0].is_new());
    assert!(!storage.enqueue(vec![given]).await.unwrap()[0].is_new());
    for (id, state) in [
        (plain, JobState::Enqueued),
        (later, JobState::Scheduled),
        (waits, JobState::Awaiting),
        (goes_on, JobState::Enqueued),
        (is_cancelled, JobState::Cancelled),
    ] {
        assert_eq!(stage.state(id).await, state);
    }
    let refused = [
        "SELECT args FROM legwork.job",
        "SELECT * FROM legwork.job",
        "SELECT json FROM legwork.result",
        "SELECT what FROM legwork.event",
        "UPDATE legwork.job SET args = '{}'",
        "DELETE FROM legwork.job",
        "DELETE FROM legwork.ready",
        "INSERT INTO legwork.lease DEFAULT VALUES",
        "INSERT INTO legwork.server DEFAULT VALUES",
        "INSERT INTO legwork.recurring DEFAULT VALUES",
        "INSERT INTO legwork.pause DEFAULT VALUES",
        "CREATE TABLE legwork.x (x int)",
    ];
    stage.refuses("producer", &refused).await;
    let error = storage.cancel(plain, Actor::new("x")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    storage.close().await.unwrap();
    stage.clear().await;
}

#[tokio::test]
async fn a_dashboard_that_only_shows_changes_nothing() {
    let Some(stage) = Stage::set("ro").await else { return };
    let storage = stage.storage("dashboard_ro").await;
    look(&storage, &stage).await;
    let refused = [
        "INSERT INTO legwork.queue (name) VALUES ('x')",
        "DELETE FROM legwork.ready",
        "UPDATE legwork.job SET id = id",
        "SELECT nextval('legwork.number')",
        "SELECT legwork.enqueue('k')",
        "CREATE TABLE legwork.x (x int)",
    ];
    stage.refuses("dashboard_ro", &refused).await;
    let id = add(&stage.whole, job()).await;
    let error = storage.cancel(id, Actor::new("x")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert_eq!(stage.state(id).await, JobState::Enqueued);
    storage.close().await.unwrap();
    stage.clear().await;
}

#[tokio::test]
async fn a_dashboard_operator_operates_and_cannot_work_jobs() {
    let Some(stage) = Stage::set("op").await else { return };
    let storage = stage.storage("dashboard_op").await;
    look(&storage, &stage).await;
    operate(&storage, &stage).await;
    let refused = [
        "UPDATE legwork.job SET args = '{}'",
        "INSERT INTO legwork.lease DEFAULT VALUES",
        "DELETE FROM legwork.lease",
        "INSERT INTO legwork.server DEFAULT VALUES",
        "UPDATE legwork.server SET gone_at = now()",
        "DELETE FROM legwork.cancel",
        "INSERT INTO legwork.result DEFAULT VALUES",
        "UPDATE legwork.event SET what = ''",
        "CREATE TABLE legwork.x (x int)",
    ];
    stage.refuses("dashboard_op", &refused).await;
    assert!(storage.register(server()).await.is_err());
    storage.close().await.unwrap();
    stage.clear().await;
}

#[tokio::test]
async fn the_owner_migrates_and_the_function_runs_with_its_rights() {
    let Some(stage) = Stage::set("owner").await else { return };
    let owners = "SELECT string_agg(DISTINCT o.owner, ' ') FROM (
            SELECT relowner::regrole::text FROM pg_class
            WHERE relnamespace = 'legwork'::regnamespace
            UNION ALL SELECT proowner::regrole::text FROM pg_proc
            WHERE pronamespace = 'legwork'::regnamespace
            UNION ALL SELECT nspowner::regrole::text FROM pg_namespace WHERE nspname = 'legwork'
        ) AS o (owner)";
    let owner: String = stage.admin.query_one(owners, &[]).await.unwrap().get(0);
    assert_eq!(owner, format!("{}_owner", stage.prefix));
    let again = "DROP SCHEMA legwork CASCADE";
    stage.admin.batch_execute(again).await.unwrap();
    apply(&stage.database, &stage.prefix);
    let storage = stage.storage("owner").await;
    storage.migrate().await.unwrap();
    stage.refuses("owner", &["CREATE SCHEMA x", "CREATE ROLE x"]).await;
    apply(&stage.database, &stage.prefix);
    let client = connect(&stage.url("producer")).await;
    client.batch_execute("SELECT legwork.enqueue('k', wake => true)").await.unwrap();
    assert_eq!(storage.counts().await.unwrap().enqueued.n, 1);
    storage.close().await.unwrap();
    stage.clear().await;
}
