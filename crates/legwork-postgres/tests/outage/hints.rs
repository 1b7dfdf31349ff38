//! Hints that are lost, refused or sent by strangers: they only cost time, and little of it.

use std::time::Duration;

use legwork_core::storage::{Enqueued, Storage as _};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use tokio_postgres::{Client, NoTls};

use crate::fixture::{Fixture, Server, heard_at_once, job};

/// How soon hints come again.
const RECOVERY: Duration = Duration::from_secs(10);

/// Connects to the server directly, for as long as the connection is kept.
async fn client(fx: &Fixture) -> (Client, JoinSet<Result<(), tokio_postgres::Error>>) {
    let mut connections = JoinSet::new();
    let (client, connection) = tokio_postgres::connect(&fx.server_url(), NoTls).await.unwrap();
    connections.spawn(connection);
    (client, connections)
}

/// Ends the connections that listen or tell; returns how many.
async fn terminate(client: &Client, fx: &Fixture) -> i64 {
    let statement = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
                     WHERE pid <> pg_backend_pid() AND query LIKE '%\"legwork:' || $1 || '\"%'";
    client.query_one(statement, &[&fx.schema()]).await.unwrap().get(0)
}

#[tokio::test]
async fn hints_come_again_after_their_connections_were_killed() {
    let Some(fx) = Fixture::create().await else { return };
    let (client, _connection) = client(&fx).await;
    heard_at_once(&fx.storage, &fx.direct, Instant::now() + RECOVERY).await;
    assert!(terminate(&client, &fx).await >= 2, "a listener and a teller");
    heard_at_once(&fx.storage, &fx.direct, Instant::now() + RECOVERY).await;
}

#[tokio::test]
async fn enqueueing_does_not_depend_on_telling() {
    let Some(fx) = Fixture::create().await else { return };
    let (client, _connection) = client(&fx).await;
    let before = fx.proxy.n_taken();
    for n in 0..40 {
        terminate(&client, &fx).await;
        assert!(fx.storage.enqueue(vec![job(n)]).await.unwrap().iter().all(Enqueued::is_new));
    }
    let n_dials = fx.proxy.n_taken() - before;
    assert!(n_dials < 90, "{n_dials} attempts, of a listener and a teller that end 40 times");
    assert_eq!(Server::register(&fx.storage).await.claim(40).await.len(), 40);
    heard_at_once(&fx.storage, &fx.direct, Instant::now() + RECOVERY).await;
}

#[tokio::test]
async fn a_channel_that_strangers_flood_does_no_harm() {
    let Some(fx) = Fixture::create().await else { return };
    let (client, _connection) = client(&fx).await;
    let server = Server::register(&fx.storage).await;
    let channel = format!("legwork:{}", fx.schema());
    let statement = "SELECT count(pg_notify($1, n || repeat('x', 7000))) \
                     FROM generate_series(1, 10000) AS n";
    let flooding = async { client.query_one(statement, &[&channel]).await };
    let working = async {
        for n in 0..20 {
            fx.storage.enqueue(vec![job(n)]).await.unwrap();
            assert_eq!(server.claim(1).await.len(), 1);
        }
    };
    let (flooded, worked) = tokio::join!(flooding, timeout(RECOVERY, working));
    flooded.unwrap();
    worked.expect("in time");
    heard_at_once(&fx.storage, &fx.direct, Instant::now() + RECOVERY).await;
}
