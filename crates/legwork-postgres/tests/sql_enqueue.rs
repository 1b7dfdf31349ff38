//! `legwork.enqueue(…)`: what any client or trigger stores is what Rust would have stored.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "support/database.rs"]
mod database;

use std::time::Duration;

use futures_util::future::poll_fn;
use legwork_core::inspect::{Inspect as _, JobDetail, JobFilter, Page};
use legwork_core::storage::{Enqueued, NewJob, Start, Storage as _};
use legwork_core::{JobId, JobState, Kind, QueueName, Tag, Timestamp};
use legwork_postgres::PostgresStorage;
use tokio_postgres::error::SqlState;
use tokio_postgres::{AsyncMessage, Client, NoTls};

use crate::database::Database;

/// No wait is longer, unless something is wrong.
const WAIT_MAX: Duration = Duration::from_secs(20);

/// A database with the schema, and a client that knows nothing of Legwork.
async fn set_up() -> Option<(Database, PostgresStorage, Client)> {
    let database = Database::create().await?;
    let storage = PostgresStorage::connect(&database.url()).await.unwrap();
    let client = database.client().await;
    Some((database, storage, client))
}

async fn enqueue(client: &Client, call: &str) -> JobId {
    let row = client.query_one(&format!("SELECT legwork.enqueue({call})"), &[]).await.unwrap();
    JobId::new(row.get(0)).unwrap()
}

async fn detail(storage: &PostgresStorage, id: JobId) -> JobDetail {
    storage.job(id).await.unwrap().expect("the job is stored")
}

async fn n_jobs(client: &Client) -> i64 {
    client.query_one("SELECT count(*) FROM legwork.job", &[]).await.unwrap().get(0)
}

#[tokio::test]
async fn a_job_from_sql_is_read_as_one_from_rust() {
    let Some((_database, storage, client)) = set_up().await else { return };
    let due = Timestamp::from_micros(4_000_000_000_123_456);
    let mut job = NewJob::new(Kind::new("mail.welcome").unwrap(), b"{\"a\": [1.50]}".to_vec());
    job.queue = QueueName::new("mail").unwrap();
    job.priority = -7;
    job.start = Start::At(due);
    job.options.max_attempts = Some(3);
    job.options.timeout = Some(Duration::from_micros(90_500_001));
    job.options.expires_at = Some(Timestamp::from_micros(4_100_000_000_654_321));
    job.options.tags = ["b", "a", "b"].map(|tag| Tag::new(tag).unwrap()).to_vec();
    let plain = NewJob::new(Kind::new("mail.welcome").unwrap(), b"{}".to_vec());
    let from_rust = storage.enqueue(vec![job, plain]).await.unwrap();
    let from_sql = [
        enqueue(
            &client,
            "kind => 'mail.welcome', args => '{\"a\": [1.50]}', queue => 'mail', priority => -7, \
             run_at => '2096-10-02T07:06:40.123456Z', max_attempts => 3, \
             timeout => '1 minute 30.500001 s', expires_at => '2099-12-03T16:53:20.654321Z', \
             tags => array['b', 'a', 'b']",
        )
        .await,
        enqueue(&client, "'mail.welcome'").await,
    ];
    let rows = "SELECT queue, kind, priority, first_state, args, options FROM legwork.job \
                WHERE id = $1";
    let marker = "SELECT d.run_at::text, d.run, d.failures, d.losses, r.seq = r.first, r.queue, \
                  r.kind, r.priority, r.n, r.run, r.suspect, r.entered_at IS NULL, \
                  (SELECT array_agg(t.tag ORDER BY t.tag) FROM legwork.tag AS t WHERE t.id = j.id) \
                  FROM legwork.job AS j LEFT JOIN legwork.due AS d ON d.id = j.id \
                  LEFT JOIN legwork.ready AS r ON j.id BETWEEN r.first AND r.first + r.n - 1 \
                  WHERE j.id = $1";
    for (rust, sql) in from_rust.iter().map(Enqueued::id).zip(from_sql) {
        for query in [rows, marker] {
            let query = format!("SELECT to_json(x)::text FROM ({query}) AS x");
            let read = async |id: JobId| -> String {
                client.query_one(&query, &[&id.get()]).await.unwrap().get(0)
            };
            assert_eq!(read(sql).await, read(rust).await);
        }
        let (of_rust, of_sql) = (detail(&storage, rust).await, detail(&storage, sql).await);
        assert_eq!(of_sql.options, of_rust.options);
        assert_eq!(of_sql.args, of_rust.args);
        assert_eq!(of_sql.summary.state, of_rust.summary.state);
        let what = |detail: &JobDetail| {
            detail.history.iter().map(|entry| entry.what.clone()).collect::<Vec<_>>()
        };
        assert_eq!(what(&of_sql), what(&of_rust));
    }
    let scheduled = storage.jobs(JobFilter::state(JobState::Scheduled), Page::first(10)).await;
    assert_eq!(scheduled.unwrap().jobs.len(), 2);
}

#[tokio::test]
async fn a_job_exists_if_and_only_if_the_transaction_commits() {
    let Some((_database, storage, mut client)) = set_up().await else { return };
    let tx = client.transaction().await.unwrap();
    let gone = tx.query_one("SELECT legwork.enqueue('k', tags => '{a}')", &[]).await.unwrap();
    tx.rollback().await.unwrap();
    assert_eq!(storage.job(JobId::new(gone.get(0)).unwrap()).await.unwrap(), None);
    let left: i64 = client
        .query_one(
            "SELECT (SELECT count(*) FROM legwork.ready) + (SELECT count(*) FROM legwork.tag)",
            &[],
        )
        .await
        .unwrap()
        .get(0);
    assert_eq!(left, 0);
    let tx = client.transaction().await.unwrap();
    let row = tx.query_one("SELECT legwork.enqueue('k')", &[]).await.unwrap();
    let kept = JobId::new(row.get(0)).unwrap();
    assert_eq!(storage.job(kept).await.unwrap(), None, "nobody sees it before the commit");
    tx.commit().await.unwrap();
    assert_eq!(detail(&storage, kept).await.summary.state, JobState::Enqueued);
}

#[tokio::test]
async fn a_trigger_enqueues_for_a_role_that_may_do_nothing_else() {
    let Some((_database, storage, client)) = set_up().await else { return };
    let role = format!("legwork_test_{}_{:08x}", std::process::id(), fastrand::u32(..));
    let set_up = format!(
        "CREATE TABLE orders (id int);
         CREATE FUNCTION told() RETURNS trigger LANGUAGE plpgsql AS $$
         BEGIN
             PERFORM legwork.enqueue('order.told', to_json(NEW), tags => array['order-' || NEW.id]);
             RETURN NULL;
         END $$;
         CREATE TRIGGER told AFTER INSERT ON orders FOR EACH ROW EXECUTE FUNCTION told();
         CREATE ROLE {role};
         GRANT INSERT ON orders TO {role};
         GRANT USAGE ON SCHEMA legwork TO {role};
         SET ROLE {role}"
    );
    client.batch_execute(&set_up).await.unwrap();
    let insert = "INSERT INTO orders VALUES (17), (18)";
    let refused = client.batch_execute(insert).await.unwrap_err();
    assert_eq!(refused.code(), Some(&SqlState::INSUFFICIENT_PRIVILEGE), "not for everyone");
    let grant = format!(
        "RESET ROLE; GRANT EXECUTE ON FUNCTION legwork.enqueue TO {role}; SET ROLE {role}; {insert}"
    );
    client.batch_execute(&grant).await.unwrap();
    for forbidden in [
        "SELECT args FROM legwork.job",
        "INSERT INTO legwork.kind (name) VALUES ('x')",
        "DELETE FROM legwork.ready",
        "SELECT nextval('legwork.number')",
    ] {
        let refused = client.batch_execute(forbidden).await.unwrap_err();
        assert_eq!(refused.code(), Some(&SqlState::INSUFFICIENT_PRIVILEGE), "{forbidden}");
    }
    let undo = format!("RESET ROLE; DROP OWNED BY {role}; DROP ROLE {role}");
    client.batch_execute(&undo).await.unwrap();
    let jobs = storage.jobs(JobFilter::state(JobState::Enqueued), Page::first(10)).await.unwrap();
    let mut args = Vec::new();
    for job in jobs.jobs {
        args.push(String::from_utf8(detail(&storage, job.id).await.args).unwrap());
    }
    assert_eq!(args, ["{\"id\":17}", "{\"id\":18}"]);
}

#[tokio::test]
async fn wrong_values_are_refused_with_the_rule_and_store_nothing() {
    let Some((_database, _storage, client)) = set_up().await else { return };
    let cases = [
        ("null", "kind is null: a name has 1 to 128 characters"),
        ("''", "kind is empty: a name has 1 to 128 characters"),
        ("repeat('x', 129)", "kind has 129 bytes: at most 128 are allowed"),
        ("'a b'", "kind \"a b\": only A-Z a-z 0-9 _ . - are allowed"),
        ("E'ab\\n'", "kind \"ab\n\": only A-Z a-z 0-9 _ . - are allowed"),
        ("'ü'", "kind \"ü\": only A-Z a-z 0-9 _ . - are allowed"),
        ("'k', queue => '{x}'", "queue name \"{x}\": only A-Z a-z 0-9 _ . - are allowed"),
        ("'k', null", "the arguments are null: give a JSON value, such as {}"),
        (
            "'k', to_json(repeat('x', 16777215))",
            "the arguments have 16777217 bytes of JSON: at most 16777216 are allowed",
        ),
        (
            "'k', (repeat('[{\"[\":', 64) || '[\"]]\\\"\"]' || repeat('}]', 64))::json",
            "the arguments nest 129 deep: at most 127 are allowed",
        ),
        ("'k', priority => 32768", "the priority is 32768: -32768 to 32767 are allowed"),
        (
            "'k', run_at => now(), after => '1 s'",
            "run_at and after are both given: a job has one due time",
        ),
        ("'k', run_at => 'infinity'", "run_at lies outside the years 1970 to 9999"),
        ("'k', run_at => '1969-12-31Z'", "run_at lies outside the years 1970 to 9999"),
        ("'k', after => '-1 s'", "the delay is negative"),
        ("'k', after => '36500 days 1 s'", "the delay is over 36500 days"),
        ("'k', max_attempts => 0", "max_attempts is 0: a job runs at least once"),
        ("'k', timeout => '0'", "the timeout is not more than zero: no run could end in time"),
        ("'k', timeout => '36501 days'", "the timeout is over 36500 days"),
        ("'k', expires_at => '-infinity'", "expires_at lies outside the years 1970 to 9999"),
        ("'k', tags => array_fill('a'::text, array[17])", "17 tags: at most 16 are allowed"),
        ("'k', tags => array['a', null]", "tag is null: a name has 1 to 128 characters"),
        ("'k', tags => array['a\"b']", "tag \"a\"b\": only A-Z a-z 0-9 _ . - are allowed"),
    ];
    for (call, says) in cases {
        let error = client.query(&format!("SELECT legwork.enqueue({call})"), &[]).await;
        let error = error.expect_err(says);
        let error = error.as_db_error().unwrap_or_else(|| panic!("{call}: {error}"));
        assert_eq!((error.code(), error.message()), (&SqlState::INVALID_PARAMETER_VALUE, says));
    }
    assert_eq!(n_jobs(&client).await, 0);
}

#[tokio::test]
async fn values_at_their_limits_are_stored() {
    let Some((_database, storage, client)) = set_up().await else { return };
    for call in [
        "repeat('x', 128)",
        "'k', (repeat('[', 127) || repeat(']', 127))::json",
        // Brackets in strings, side by side, and escaped quotes do not nest.
        "'k', ('[' || repeat('[],{\"[{\\\"[\": [1e5]},', 200) || 'null]')::json",
        "'k', to_json(repeat('x', 16777214))",
        "'k', priority => -32768, max_attempts => 2147483647, timeout => '1 microsecond'",
        "'k', after => '36500 days', timeout => '36500 days'",
        "'k', run_at => '9999-12-30T22:00:00Z', expires_at => '1970-01-01Z'",
        "'k', tags => '{}', queue => null, priority => null, wake => null",
    ] {
        let id = enqueue(&client, call).await;
        assert_eq!(detail(&storage, id).await.summary.id, id, "{call}");
    }
}

#[tokio::test]
async fn a_due_time_that_has_passed_means_at_once() {
    let Some((_database, storage, client)) = set_up().await else { return };
    for (call, state) in [
        ("'k', run_at => now() - interval '1 s'", JobState::Enqueued),
        ("'k', run_at => now()", JobState::Enqueued),
        ("'k', after => '0'", JobState::Enqueued),
        ("'k', after => '1 h'", JobState::Scheduled),
    ] {
        let id = enqueue(&client, call).await;
        assert_eq!(detail(&storage, id).await.summary.state, state, "{call}");
    }
}

#[tokio::test]
async fn objects_of_the_caller_with_the_same_names_are_never_used() {
    let Some((_database, storage, client)) = set_up().await else { return };
    let trap = "CREATE SCHEMA trap; SET search_path = trap, legwork, public;
                CREATE FUNCTION trap.nextval(text) RETURNS int8 LANGUAGE sql AS 'SELECT -1::int8';
                CREATE FUNCTION trap.check_name(text, text) RETURNS void LANGUAGE sql AS '';
                CREATE FUNCTION trap.now() RETURNS timestamptz LANGUAGE sql
                    AS $$SELECT 'epoch'::timestamptz$$;
                CREATE TEMPORARY TABLE job (id int8)";
    client.batch_execute(trap).await.unwrap();
    let id = enqueue(&client, "'k', after => '1 h'").await;
    assert_eq!(detail(&storage, id).await.summary.state, JobState::Scheduled);
}

#[tokio::test]
async fn callers_that_add_the_same_name_at_once_all_find_it() {
    let Some((database, storage, _client)) = set_up().await else { return };
    let mut clients = Vec::new();
    for _ in 0..8 {
        clients.push(database.client().await);
    }
    let calls = clients.iter().map(|client| enqueue(client, "'fresh', queue => 'fresh'"));
    for id in futures_util::future::join_all(calls).await {
        assert_eq!(detail(&storage, id).await.summary.kind.as_str(), "fresh");
    }
    let n: i64 =
        clients[0].query_one("SELECT count(*) FROM legwork.kind", &[]).await.unwrap().get(0);
    assert_eq!(n, 1);
}

#[tokio::test]
async fn only_wake_tells_others_and_one_transaction_at_a_time_does() {
    let Some((database, _storage, client)) = set_up().await else { return };
    let (listener, mut connection) = tokio_postgres::connect(&database.url(), NoTls).await.unwrap();
    let (sender, mut heard) = tokio::sync::mpsc::unbounded_channel();
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(async move {
        while let Some(Ok(message)) = poll_fn(|cx| connection.poll_message(cx)).await {
            if let AsyncMessage::Notification(notification) = message
                && sender.send(notification.channel().to_owned()).is_err()
            {
                return;
            }
        }
    });
    listener.batch_execute("LISTEN \"legwork:legwork\"; LISTEN mark").await.unwrap();
    let other = database.client().await;
    client.batch_execute("SELECT legwork.enqueue('k')").await.unwrap();
    client.batch_execute("SELECT legwork.enqueue('k', wake => true)").await.unwrap();
    // While one is about to tell, another does not wait for it.
    client.batch_execute("BEGIN; SELECT legwork.enqueue('k', wake => true)").await.unwrap();
    other.batch_execute("SELECT legwork.enqueue('k', wake => true)").await.unwrap();
    client.batch_execute("COMMIT; NOTIFY mark").await.unwrap();
    let mut channels = Vec::new();
    while channels.last().is_none_or(|last| last != "mark") {
        channels.push(tokio::time::timeout(WAIT_MAX, heard.recv()).await.unwrap().unwrap());
    }
    assert_eq!(channels, ["legwork:legwork", "legwork:legwork", "mark"]);
}
