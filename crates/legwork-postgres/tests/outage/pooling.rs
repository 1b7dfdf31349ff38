//! A pooler in transaction mode, with fewer sessions than there are connections: everything works,
//! by polling, and nothing is left behind in the sessions that it shares.

use std::time::Duration;

use legwork_core::RecurringId;
use legwork_core::inspect::Inspect as _;
use legwork_core::storage::{
    Actor, Cancelled, Enqueued, Misfire, Overlap, RecurringSpec, Storage as _,
};
use legwork_postgres::PostgresStorage;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use tokio_postgres::{NoTls, SimpleQueryMessage};

use crate::fixture::{Server, counts, job, port_of, succeeded, with_port};
use crate::log::Log;
use crate::pooler::Pooler;
use crate::schema::Schema;

const HANDLES: u32 = 3;
const ROUNDS: u32 = 10;

/// How soon after the pooler is back everything works again.
const RECOVERY: Duration = Duration::from_secs(10);

/// A pooler of two sessions, and the URL of a fresh schema behind it.
fn behind_a_pooler(test: &str, parameter: &str) -> Option<(Pooler, String, Schema)> {
    let schema = Schema::create()?;
    let pooler = Pooler::start_with(test, &schema.url(), "transaction", 2)?;
    let url = with_port(&schema.url(), port_of(&pooler.url()));
    let url = url.replace("&pooled=false", parameter);
    Some((pooler, url, schema))
}

/// Does a bit of everything; returns how many jobs it has finished.
async fn work(storage: PostgresStorage, handle: u32) -> u32 {
    let server = Server::register(&storage).await;
    let mut n_finished = 0;
    for round in 0..ROUNDS {
        let mut tagged = job(round);
        tagged.options.tags = vec![legwork_core::Tag::new("tag").unwrap()];
        let answers = storage.enqueue(vec![job(round), tagged]).await.unwrap();
        assert!(answers.iter().all(Enqueued::is_new), "{answers:?}");
        let other = storage.enqueue(vec![job(round)]).await.unwrap()[0].id();
        let cancelled = storage.cancel(other, Actor::new("test")).await.unwrap();
        let claimed = server.claim(2).await;
        let finish = claimed.iter().map(succeeded).collect();
        n_finished +=
            u32::try_from(server.exchange(finish, 0).await.unwrap().finished.len()).unwrap();
        // Another handle may have claimed it meanwhile, and finished it.
        assert!(!matches!(cancelled, Cancelled::NotFound), "{cancelled:?}");
        server.beat().await;
        storage.counts().await.unwrap();
        storage.upsert_recurring(recurring(handle)).await.unwrap();
    }
    assert!(!storage.recurring().await.unwrap().is_empty(), "they are stored");
    n_finished
}

fn recurring(handle: u32) -> RecurringSpec {
    RecurringSpec {
        id: RecurringId::new(format!("every-{handle}")).unwrap(),
        cron: "0 3 * * *".to_owned(),
        time_zone: "UTC".to_owned(),
        job: job(0),
        misfire: Misfire::default(),
        overlap: Overlap::default(),
        generation: 1,
    }
}

/// Several handles work at once, until everything is done.
async fn work_together(url: &str) {
    let mut handles = JoinSet::new();
    for handle in 0..HANDLES {
        let storage = PostgresStorage::connect(url).await.unwrap();
        handles.spawn(work(storage, handle));
    }
    let n: u32 = handles.join_all().await.iter().sum();
    assert!(n >= HANDLES * ROUNDS, "{n} were finished");
}

/// Asks what the two shared sessions are set to.
async fn setting(url: &str, name: &str) -> Vec<String> {
    let bare = url.split('?').next().unwrap();
    let mut values = Vec::new();
    let (mut clients, mut connections) = (Vec::new(), JoinSet::new());
    for _ in 0..2 {
        let (client, connection) = tokio_postgres::connect(bare, NoTls).await.unwrap();
        connections.spawn(connection);
        let row = client.simple_query(&format!("BEGIN; SHOW {name}")).await.unwrap();
        let value = row.iter().find_map(|message| {
            let SimpleQueryMessage::Row(row) = message else { return None };
            row.get(0).map(str::to_owned)
        });
        values.push(value.unwrap());
        clients.push(client);
    }
    for client in clients {
        client.batch_execute("COMMIT").await.unwrap();
    }
    values
}

#[tokio::test]
async fn behind_a_pooler_everything_works_and_it_is_said_once() {
    let test = "behind_a_pooler_everything_works_and_it_is_said_once";
    let Some((_pooler, url, _schema)) = behind_a_pooler(test, "") else { return };
    let log = Log::start();
    work_together(&url).await;
    let warned = log.lines_with("WARN message=a pooler in transaction mode");
    assert_eq!(warned.len(), 3, "one per handle: {warned:?}");
    assert!(log.lines_with("prepared statement").is_empty());
    for (name, value) in [("synchronous_commit", "on"), ("enable_seqscan", "on")] {
        assert_eq!(setting(&url, name).await, [value; 2], "{name}");
    }
}

#[tokio::test]
async fn a_pooler_that_is_known_is_not_looked_for() {
    let test = "a_pooler_that_is_known_is_not_looked_for";
    let Some((_pooler, url, _schema)) = behind_a_pooler(test, "&pooled=true") else { return };
    let log = Log::start();
    work_together(&url).await;
    assert!(log.lines_with("prepared statement").is_empty());
}

#[tokio::test]
async fn a_pooler_that_nobody_told_of_is_noticed_and_costs_no_call() {
    let test = "a_pooler_that_nobody_told_of_is_noticed_and_costs_no_call";
    let Some((_pooler, url, _schema)) = behind_a_pooler(test, "&pooled=false") else { return };
    let log = Log::start();
    work_together(&url).await;
    assert!(!log.lines_with("WARN message=a pooler in transaction mode").is_empty());
}

#[tokio::test]
async fn a_restart_of_the_pooler_is_survived() {
    let test = "a_restart_of_the_pooler_is_survived";
    let Some((mut pooler, url, _schema)) = behind_a_pooler(test, "") else { return };
    let storage = PostgresStorage::connect(&url).await.unwrap();
    let server = Server::register(&storage).await;
    for n in 0..3 {
        storage.enqueue(vec![job(n), job(n)]).await.unwrap();
        let first = server.claim(1).await;
        pooler.restart();
        let back_at = Instant::now();
        let working = async {
            let finish = first.iter().map(succeeded).collect();
            let second = server.exchange(finish, 1).await.unwrap().claimed;
            storage.enqueue(vec![job(n)]).await.unwrap();
            let third = server.exchange(second.iter().map(succeeded).collect(), 1).await.unwrap();
            server.exchange(third.claimed.iter().map(succeeded).collect(), 0).await.unwrap();
            server.beat().await;
        };
        timeout(RECOVERY, working).await.expect("in time");
        assert!(back_at.elapsed() < RECOVERY);
        assert_eq!(counts(&storage).await, [0, 0, u64::from(n + 1) * 3]);
    }
}
