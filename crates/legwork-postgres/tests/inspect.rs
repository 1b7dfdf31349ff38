//! Looking in: what the conformance suite cannot see. Jobs are put into their places by SQL.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "support/database.rs"]
mod database;

use legwork_core::inspect::{Inspect as _, JobFilter, JobPage, Page};
use legwork_core::{JobId, JobState as S, Kind};
use legwork_postgres::PostgresStorage;
use tokio_postgres::Client;

use crate::database::Database;

/// Makes a storage with two kinds and a session to fill its tables.
async fn filled(database: &Database, text: &str) -> (PostgresStorage, Client) {
    let storage = PostgresStorage::connect(&database.url()).await.unwrap();
    let client = database.client().await;
    let names = "INSERT INTO legwork.queue (name) VALUES ('default'); \
                 INSERT INTO legwork.kind (name) VALUES ('common'), ('rare');";
    client.batch_execute(names).await.unwrap();
    client.batch_execute(text).await.unwrap();
    (storage, client)
}

fn ids(page: &JobPage) -> Vec<i64> {
    page.jobs.iter().map(|job| job.id.get()).collect()
}

/// A job in each kind of place: 1 waits for its parents, 2 for its time, 3 to 5 share a ticket, 6
/// and 12 came in again, 7 is a suspect, 8 and 9 were claimed together and 9 has ended, 10 and 11
/// have ended too, 12 had failed before, 13 was interrupted and waits. 99 is no more; all are
/// parents of 100.
const PLACES: &str = "
    INSERT INTO legwork.job (id, created_at, queue, kind, priority, first_state, args)
    SELECT id, now(), 1, 1, 0, 0, '{}' FROM generate_series(1, 13) AS id
    UNION ALL SELECT 100, now(), 1, 1, 0, 2, '{}';
    INSERT INTO legwork.server (incarnation, beat, beat_at, started_at)
    VALUES (repeat('a', 32), 1, now(), now());
    INSERT INTO legwork.waiting (id, open, unsettled) VALUES (1, 1, NULL), (100, 1, NULL);
    INSERT INTO legwork.due (run_at, id, run, failures, losses)
    VALUES (now() + interval '1 hour', 2, 1, 0, 0), (now() + interval '2 hours', 13, 2, 1, 0);
    INSERT INTO legwork.ready
        (seq, first, queue, kind, run, failures, losses, priority, n, suspect, entered_at)
    VALUES (3, 3, 1, 1, 1, 0, 0, 0, 3, false, NULL), (1000, 6, 1, 1, 2, 1, 0, 0, 1, false, now()),
        (1001, 7, 1, 1, 3, 0, 2, 0, 1, true, now()), (1002, 12, 1, 2, 2, 0, 0, 0, 1, false, now());
    INSERT INTO legwork.lease
        (claimed_at, server, open, firsts, ns, runs, failures, losses, queues, kinds, priorities)
    VALUES (now(), 1, 1, '{8}', '{2}', '{1}', '{0}', '{0}', '{1}', '{1}', '{0}');
    INSERT INTO legwork.outcome (id, ended_at, run, failures, result)
    VALUES (9, now(), 1, 0, 1), (10, now(), 1, 1, 2), (11, now(), 1, 0, 3), (12, now(), 1, 1, -2),
        (13, now(), 1, 1, 7);
    INSERT INTO legwork.dependency (parent, child, condition, open, place)
    SELECT id, 100, 'any_end', true, id FROM generate_series(1, 13) AS id
    UNION ALL SELECT 99, 100, 'success', false, 14;";

const STATES: [S; 13] = [
    S::Awaiting,
    S::Scheduled,
    S::Enqueued,
    S::Enqueued,
    S::Enqueued,
    S::Enqueued,
    S::Enqueued,
    S::Processing,
    S::Succeeded,
    S::Failed,
    S::Cancelled,
    S::Enqueued,
    S::Scheduled,
];

#[tokio::test]
async fn a_job_has_the_same_state_on_its_page_in_its_list_and_beside_its_child() {
    let Some(database) = Database::create().await else { return };
    let (storage, _client) = filled(&database, PLACES).await;
    let child = storage.job(JobId::new(100).unwrap()).await.unwrap().unwrap();
    assert_eq!(child.parents.len(), 14);
    let states: Vec<_> = child.parents[..13].iter().map(|parent| parent.state).collect();
    assert_eq!(states, STATES.map(Some));
    assert_eq!(child.parents[13].state, None, "it is no more");
    for (parent, state) in child.parents.iter().zip(STATES) {
        let detail = storage.job(parent.id).await.unwrap().unwrap();
        assert_eq!(detail.summary.state, state, "{}", parent.id);
        assert_eq!(detail.children[0].state, Some(S::Awaiting));
    }
    let lists: [(S, &[i64]); 7] = [
        (S::Awaiting, &[1, 100]),
        (S::Scheduled, &[2, 13]),
        (S::Enqueued, &[3, 4, 5, 6, 7, 12]),
        (S::Processing, &[8]),
        (S::Succeeded, &[9]),
        (S::Failed, &[10]),
        (S::Cancelled, &[11]),
    ];
    let counts = storage.counts().await.unwrap();
    for (state, expected) in lists {
        let page = storage.jobs(JobFilter::state(state), Page::first(20)).await.unwrap();
        assert_eq!(ids(&page), expected, "{state}");
        assert_eq!(counts.of(state).n, expected.len() as u64, "{state}");
        for job in page.jobs {
            let detail = storage.job(job.id).await.unwrap().unwrap();
            assert_eq!(detail.summary, job, "a page and a list show the same");
        }
    }
}

#[tokio::test]
async fn lists_only_what_has_failed_before_where_that_is_asked_for() {
    let Some(database) = Database::create().await else { return };
    let (storage, _client) = filled(&database, PLACES).await;
    for (state, expected) in [(S::Scheduled, [13]), (S::Enqueued, [6]), (S::Failed, [10])] {
        let filter = JobFilter { retries_only: true, ..JobFilter::state(state) };
        let page = storage.jobs(filter, Page::first(1)).await.unwrap();
        assert_eq!(ids(&page), expected, "{state}");
    }
}

#[tokio::test]
async fn a_page_of_a_rare_kind_looks_at_so_many_jobs_and_then_goes_on() {
    let Some(database) = Database::create().await else { return };
    let text = "
        INSERT INTO legwork.job (id, created_at, queue, kind, priority, first_state, args)
        SELECT n, now(), 1, CASE WHEN n IN (1, 30000) THEN 2 ELSE 1 END, 0, 0, '{}'
        FROM generate_series(1, 30000) AS n;
        INSERT INTO legwork.outcome (id, ended_at, run, failures, result)
        SELECT id, created_at + id * interval '1 ms', 1, 0, 1 FROM legwork.job;";
    let (storage, _client) = filled(&database, text).await;
    let kind = Some(Kind::new("rare").unwrap());
    let filter = JobFilter { kind, ..JobFilter::state(S::Succeeded) };
    let first = storage.jobs(filter.clone(), Page::first(50)).await.unwrap();
    assert_eq!(ids(&first), [30_000]);
    let rest = Page { after: first.next, len: 50 };
    assert!(rest.after.is_some(), "20,000 are looked at and no more");
    let second = storage.jobs(filter, rest).await.unwrap();
    assert_eq!((ids(&second), second.next), (vec![1], None));
}

#[tokio::test]
async fn many_reads_share_four_connections() {
    let Some(database) = Database::create().await else { return };
    let (storage, client) = filled(&database, PLACES).await;
    let reads = (0..40).map(|_| storage.counts());
    for counts in futures_util::future::join_all(reads).await {
        assert_eq!(counts.unwrap().enqueued.n, 6);
    }
    let text = "SELECT count(*) FROM pg_stat_activity \
                WHERE datname = current_database() AND application_name = 'legwork reads'";
    let n: i64 = client.query_one(text, &[]).await.unwrap().get(0);
    assert!((2..=4).contains(&n), "{n} connections");
}

#[tokio::test]
async fn a_read_that_must_wait_for_a_table_gives_up_and_the_next_is_answered() {
    let Some(database) = Database::create().await else { return };
    let (storage, client) = filled(&database, PLACES).await;
    client.batch_execute("BEGIN; LOCK TABLE legwork.lease").await.unwrap();
    let error = storage.counts().await.unwrap_err();
    assert!(error.is_transient(), "{error:?}");
    client.batch_execute("ROLLBACK").await.unwrap();
    assert_eq!(storage.counts().await.unwrap().processing.n, 1);
}
