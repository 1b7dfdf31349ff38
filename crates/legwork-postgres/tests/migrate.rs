//! Many processes bring one schema up to date, and some are killed while they do.
//!
//! The test starts this very program again for each process; `LEGWORK_MIGRATE_URL` tells it that it
//! is one, and where to connect.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "support/database.rs"]
mod database;

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use legwork_core::storage::Storage as _;
use legwork_core::{ErrorKind, Kind, storage::NewJob};
use legwork_postgres::PostgresStorage;
use tokio::time::{Instant, interval};
use tokio_postgres::Client;

use crate::database::Database;

/// Tells a process where to connect.
const URL: &str = "LEGWORK_MIGRATE_URL";

/// The test that such a process runs.
const ENTRY: &str = "a_process_of_the_test_connects";

const PROCESSES: usize = 20;

/// How many processes are killed, each at another statement of a migration.
const KILLS: i64 = 12;

/// No wait is longer, unless something is wrong.
const WAIT_MAX: Duration = Duration::from_secs(50);

/// A process that connects and ends; killed when it is dropped before.
struct Process(Child);

impl Process {
    fn start(url: &str) -> Self {
        let child = Command::new(std::env::current_exe().unwrap())
            .args([ENTRY, "--exact", "--nocapture", "--test-threads=1"])
            .env(URL, url)
            .stdout(Stdio::null())
            .spawn();
        Self(child.unwrap())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // A process that has ended cannot be killed, and need not be.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// Not a test of its own: the processes begin here. Without a URL there is nothing to do.
#[tokio::test]
async fn a_process_of_the_test_connects() {
    let Ok(url) = std::env::var(URL) else { return };
    let storage = PostgresStorage::connect(&url).await.unwrap();
    storage.close().await.unwrap();
}

/// Asks until the answer is `true`.
async fn until(what: &str, client: &Client, question: &str) {
    let deadline = Instant::now() + WAIT_MAX;
    let mut looks = interval(Duration::from_millis(10));
    while !client.query_one(question, &[]).await.unwrap().get::<_, bool>(0) {
        assert!(Instant::now() < deadline, "not within {WAIT_MAX:?}: {what}");
        looks.tick().await;
    }
}

/// Sums up a schema: its columns, constraints, indexes and functions, and the applied versions.
async fn digest(client: &Client, schema: &str) -> (String, i64, i64) {
    let statement = format!(
        "SELECT md5(string_agg(o.text, ';' ORDER BY o.text COLLATE \"C\")),
            (SELECT count(*) FROM {schema}.migration),
            (SELECT count(DISTINCT version) FROM {schema}.migration)
        FROM (
            SELECT replace(a.text, '{schema}', 'x') FROM (
            SELECT concat_ws(' ', table_name, column_name, data_type, is_nullable, column_default)
            FROM information_schema.columns WHERE table_schema = '{schema}'
            UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = '{schema}'
            UNION ALL SELECT conrelid::regclass || pg_get_constraintdef(oid) FROM pg_constraint
            WHERE connamespace = '{schema}'::regnamespace
            UNION ALL SELECT pg_get_functiondef(oid) FROM pg_proc
            WHERE pronamespace = '{schema}'::regnamespace
        ) AS a (text)
        ) AS o (text)"
    );
    let row = client.query_one(&statement, &[]).await.unwrap();
    (row.get(0), row.get(1), row.get(2))
}

#[tokio::test]
async fn of_twenty_processes_that_start_at_once_one_migrates_and_all_connect() {
    let Some(database) = Database::create().await else { return };
    let client = database.client().await;
    // While the test holds the lock, nobody gets ahead of the others.
    let lock = "hashtextextended('legwork migrate legwork', 0)";
    client.batch_execute(&format!("SELECT pg_advisory_lock({lock})")).await.unwrap();
    let mut processes: Vec<_> = (0..PROCESSES).map(|_| Process::start(&database.url())).collect();
    let all_wait = format!(
        "SELECT count(*) = {PROCESSES} FROM pg_locks AS l JOIN pg_database AS d \
         ON d.oid = l.database WHERE d.datname = current_database() AND NOT l.granted"
    );
    until("all processes wait for the lock", &client, &all_wait).await;
    client.batch_execute(&format!("SELECT pg_advisory_unlock({lock})")).await.unwrap();
    for process in &mut processes {
        assert!(process.0.wait().unwrap().success());
    }
    let (together, n_rows, n_versions) = digest(&client, "legwork").await;
    assert_eq!(n_rows, n_versions, "each step is remembered once");
    let alone = Database::create().await.unwrap();
    PostgresStorage::connect(&alone.url()).await.unwrap();
    let (expected, n_expected, _) = digest(&alone.client().await, "legwork").await;
    assert_eq!((together, n_rows), (expected, n_expected));
}

#[tokio::test]
async fn processes_killed_in_the_middle_leave_nothing_half_done() {
    let Some(database) = Database::create().await else { return };
    let client = database.client().await;
    // Lets a process stop before the statement whose number the test chose.
    let stop = "CREATE SEQUENCE public.n_statements;
                CREATE TABLE public.stop AS SELECT 0::int8 AS at;
                CREATE FUNCTION public.stop() RETURNS event_trigger LANGUAGE plpgsql AS $$
                BEGIN
                    IF nextval('public.n_statements') = (SELECT at FROM public.stop) THEN
                        PERFORM pg_advisory_xact_lock_shared(42);
                    END IF;
                END $$;
                CREATE EVENT TRIGGER stop ON ddl_command_start EXECUTE FUNCTION public.stop();
                SELECT pg_advisory_lock(42)";
    client.batch_execute(stop).await.unwrap();
    let expected = PostgresStorage::connect(&format!("{}?schema=lw_whole", database.url())).await;
    expected.unwrap().close().await.unwrap();
    let expected = digest(&client, "lw_whole").await;
    let n_statements: i64 =
        client.query_one("SELECT last_value FROM public.n_statements", &[]).await.unwrap().get(0);
    assert!(n_statements > KILLS, "the migration has {n_statements} statements");
    for n in 0..KILLS {
        let (schema, stopped_at) = (format!("lw_k{n}"), 1 + n * n_statements / KILLS);
        let url = format!("{}?schema={schema}", database.url());
        let set = format!(
            "UPDATE public.stop SET at = {stopped_at};
             SELECT setval('public.n_statements', 1, false)"
        );
        client.batch_execute(&set).await.unwrap();
        let process = Process::start(&url);
        let waits = "SELECT EXISTS (SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT \
                     granted AND mode = 'ShareLock' AND objid = 42)";
        until("the process has come to the statement", &client, waits).await;
        drop(process);
        let found = "SELECT to_regclass($1 || '.migration') IS NOT NULL";
        if client.query_one(found, &[&schema]).await.unwrap().get(0) {
            let (_, n_done, _) = digest(&client, &schema).await;
            assert!(n_done < expected.1, "a step was remembered before it was done");
        }
        // The server goes on with what it was told, and then finds nobody who commits.
        client
            .batch_execute("UPDATE public.stop SET at = 0; SELECT pg_advisory_unlock(42)")
            .await
            .unwrap();
        let storage = PostgresStorage::connect(&url).await.unwrap();
        client.batch_execute("SELECT pg_advisory_lock(42)").await.unwrap();
        assert_eq!(digest(&client, &schema).await, expected, "killed at {stopped_at}");
        storage.close().await.unwrap();
    }
}

#[tokio::test]
async fn two_schemas_in_one_database_know_nothing_of_each_other() {
    let Some(database) = Database::create().await else { return };
    let one = PostgresStorage::connect(&format!("{}?schema=lw_one", database.url())).await.unwrap();
    let two = PostgresStorage::connect(&format!("{}?schema=lw_two", database.url())).await.unwrap();
    let job = NewJob::new(Kind::new("k").unwrap(), b"{}".to_vec());
    one.enqueue(vec![job]).await.unwrap();
    let client = database.client().await;
    client.batch_execute("SELECT lw_two.enqueue('k'), lw_two.enqueue('k')").await.unwrap();
    for (schema, n_expected) in [("lw_one", 1), ("lw_two", 2)] {
        let count = format!("SELECT count(*) FROM {schema}.job");
        let n: i64 = client.query_one(&count, &[]).await.unwrap().get(0);
        assert_eq!(n, n_expected, "{schema}");
    }
    let digests = (digest(&client, "lw_one").await, digest(&client, "lw_two").await);
    assert_eq!(digests.0, digests.1, "the name is put in everywhere");
    assert_ne!(one.location(), two.location());
    let none = "SELECT count(*) FROM pg_namespace WHERE nspname = 'legwork'";
    assert_eq!(client.query_one(none, &[]).await.unwrap().get::<_, i64>(0), 0);
    two.close().await.unwrap();
    one.close().await.unwrap();
}

#[tokio::test]
async fn without_migration_a_missing_schema_is_refused_and_a_present_one_served() {
    let Some(database) = Database::create().await else { return };
    let connect =
        || PostgresStorage::options(&database.url()).unwrap().without_migration().connect();
    let error = connect().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Incompatible);
    let says = "there is no schema legwork, this version of Legwork needs version";
    assert!(error.to_string().starts_with(says), "{error}");
    let client = database.client().await;
    let exists = "SELECT count(*) FROM pg_namespace WHERE nspname = 'legwork'";
    assert_eq!(client.query_one(exists, &[]).await.unwrap().get::<_, i64>(0), 0);
    PostgresStorage::connect(&database.url()).await.unwrap().close().await.unwrap();
    let storage = connect().await.unwrap();
    storage.migrate().await.unwrap();
    storage.close().await.unwrap();
}
