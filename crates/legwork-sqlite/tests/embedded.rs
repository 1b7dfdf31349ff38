//! What only the embedded storage promises: its file, its transactions, its processes.
//!
//! What every storage promises is in `conformance.rs`; processes that are killed are in
//! `torture.rs`.

#![expect(clippy::unwrap_used, reason = "the helpers of tests are tests")]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use legwork_core::inspect::Inspect as _;
use legwork_core::storage::{
    Claim, ClaimedJob, EnqueueCall, Enqueued, Exchange, NewJob, ServerInfo, Storage as _,
    Transaction as _,
};
use legwork_core::{
    Clock, ErrorKind, Incarnation, JobId, JobState, Kind, QueueName, SystemClock, Timestamp,
};
use legwork_sqlite::SqliteStorage;
use legwork_sqlite::rusqlite::{self, Connection, TransactionBehavior};

fn place() -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("app.db");
    (directory, path)
}

fn job(n: usize) -> NewJob {
    NewJob::new(Kind::new("test.work").unwrap(), format!("{{\"n\":{n}}}").into_bytes())
}

fn server(bits: u128) -> ServerInfo {
    ServerInfo {
        incarnation: Incarnation::from_bits(bits),
        name: "test/1".to_owned(),
        workers: 1,
        queues: vec![QueueName::default()],
        kinds: vec![Kind::new("test.work").unwrap()],
        version: "0".to_owned(),
    }
}

async fn claim(storage: &SqliteStorage, bits: u128, max: usize) -> Vec<ClaimedJob> {
    let kinds = vec![Kind::new("test.work").unwrap()].into();
    let queues = vec![QueueName::default()];
    let exchange = Exchange {
        server: Incarnation::from_bits(bits),
        finish: Vec::new(),
        claim: Some(Claim { queues, kinds, max, suspects_max: 1 }),
    };
    storage.exchange(exchange).await.unwrap().claimed
}

fn begin(db: &mut Connection) -> rusqlite::Transaction<'_> {
    db.transaction_with_behavior(TransactionBehavior::Immediate).unwrap()
}

/// What `.tx(…)` of a client of `storage` gives to a transaction.
fn call(storage: &SqliteStorage, jobs: Vec<NewJob>) -> EnqueueCall<Vec<Enqueued>> {
    EnqueueCall::new(storage.location(), Ok(jobs), Ok)
}

/// Waits for `what`, at most as long as a slow machine needs.
async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(30), what).await.expect("it takes too long")
}

#[tokio::test]
async fn a_job_exists_if_and_only_if_the_transaction_commits() {
    let (_directory, path) = place();
    let storage = SqliteStorage::open(&path).await.unwrap();
    let mut db = storage.connect().unwrap();

    let tx = begin(&mut db);
    tx.execute_batch("CREATE TABLE own (n INTEGER)").unwrap();
    let kept = tx.enqueue(call(&storage, vec![job(1), job(2)])).unwrap();
    assert_eq!(storage.counts().await.unwrap().enqueued.n, 0, "nobody sees it before the commit");
    tx.commit().unwrap();

    let tx = begin(&mut db);
    let dropped = tx.enqueue(call(&storage, vec![job(3)])).unwrap();
    tx.rollback().unwrap();

    assert_eq!(storage.counts().await.unwrap().enqueued.n, 2);
    let last = storage.job(kept[1].id()).await.unwrap().unwrap();
    assert_eq!((last.args, last.summary.state), (b"{\"n\":2}".to_vec(), JobState::Enqueued));
    // The id that was rolled back was never given out.
    let next = storage.enqueue(vec![job(4)]).await.unwrap();
    assert_eq!(next[0].id(), dropped[0].id());
}

#[tokio::test]
async fn a_transaction_of_another_database_is_a_conflict() {
    let (_directory, path) = place();
    let storage = SqliteStorage::open(&path).await.unwrap();
    let mut memory = Connection::open_in_memory().unwrap();
    let other = path.with_file_name("other.db");
    let mut file = Connection::open(other).unwrap();
    for db in [&mut memory, &mut file] {
        let error = begin(db).enqueue(call(&storage, vec![job(1)])).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict);
    }
}

#[tokio::test]
async fn a_job_in_a_transaction_is_checked_like_any_other() {
    let (_directory, path) = place();
    let storage = SqliteStorage::open(&path).await.unwrap();
    let mut db = storage.connect().unwrap();
    let tx = begin(&mut db);
    let bad = NewJob { args: b"{".to_vec(), ..job(1) };
    let error = tx.enqueue(call(&storage, vec![job(0), bad])).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(error.to_string().starts_with("job 1 of the batch: "), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn watchers_hear_of_a_commit_by_another_connection() {
    let (_directory, path) = place();
    let storage = SqliteStorage::open(&path).await.unwrap();
    let other = SqliteStorage::open(&path).await.unwrap();
    let mut wakes = storage.watch();
    other.enqueue(vec![job(1)]).await.unwrap();
    soon(wakes.next()).await;

    storage.register(server(1)).await.unwrap();
    assert_eq!(claim(&storage, 1, 5).await.len(), 1);
    let mut db = storage.connect().unwrap();
    let mut wakes = storage.watch();
    let tx = begin(&mut db);
    tx.enqueue(call(&storage, vec![job(2)])).unwrap();
    tx.commit().unwrap();
    soon(wakes.next()).await;
    soon(async {
        while claim(&storage, 1, 5).await.is_empty() {
            wakes.next().await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_server_whose_process_let_go_of_its_lock_is_gone_at_once() {
    let (_directory, path) = place();
    let watcher = SqliteStorage::open(&path).await.unwrap();
    let dying = SqliteStorage::open(&path).await.unwrap();
    dying.register(server(1)).await.unwrap();
    watcher.register(server(2)).await.unwrap();
    let gone = async || {
        let beats = watcher.beats().await.unwrap();
        beats.into_iter().filter(|beat| beat.gone).map(|beat| beat.server).collect::<Vec<_>>()
    };
    assert_eq!(gone().await, []);
    dying.close().await.unwrap();
    assert_eq!(gone().await, [Incarnation::from_bits(1)]);
    watcher.retire(Incarnation::from_bits(1)).await.unwrap();
    assert_eq!(gone().await, []);
}

fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn files_are_readable_by_their_owner_only() {
    let (directory, path) = place();
    let storage = SqliteStorage::open(&path).await.unwrap();
    storage.register(server(1)).await.unwrap();
    let mut n = 0;
    for entry in std::fs::read_dir(directory.path()).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_file() {
            assert_eq!(mode(&entry.path()), 0o600, "{entry:?}");
            n += 1;
        }
    }
    assert!(n >= 3, "the database, its log and its lock, not {n}");
}

#[tokio::test]
async fn what_is_no_database_is_refused_and_left_alone() {
    let (_directory, path) = place();
    let text = "this is a text about something else entirely ".repeat(200);
    std::fs::write(&path, &text).unwrap();
    let error = SqliteStorage::open(&path).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error:?}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
    let error = SqliteStorage::open(":memory:").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
}

#[tokio::test]
async fn a_schema_of_a_newer_legwork_is_refused_with_both_versions() {
    let (_directory, path) = place();
    let storage = SqliteStorage::open(&path).await.unwrap();
    let newer = "INSERT INTO legwork_migration VALUES (90, '0090_later', ?1, 0)";
    let db = storage.connect().unwrap();
    db.execute(newer, [false]).unwrap();
    drop(SqliteStorage::open(&path).await.expect("it can still be served"));
    db.execute("UPDATE legwork_migration SET breaking = 1 WHERE version = 90", []).unwrap();
    let error = SqliteStorage::open(&path).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Incompatible);
    let text = error.to_string();
    assert!(text.contains("version 90") && text.contains("version 1:"), "{text}");
}

#[tokio::test]
async fn a_damaged_row_fails_its_job_and_never_blocks_the_queue() {
    let (_directory, path) = place();
    let storage = SqliteStorage::open(&path).await.unwrap();
    storage.register(server(1)).await.unwrap();
    let jobs = storage.enqueue((1..=5).map(job).collect()).await.unwrap();
    let ids: Vec<JobId> = jobs.iter().map(Enqueued::id).collect();
    let db = storage.connect().unwrap();
    db.execute("UPDATE legwork_job SET options = '{damaged' WHERE id = ?1", [ids[1].get()])
        .unwrap();
    db.execute("DELETE FROM legwork_job WHERE id = ?1", [ids[2].get()]).unwrap();
    db.execute("UPDATE legwork_job SET args = x'ff' WHERE id = ?1", [ids[3].get()]).unwrap();

    let claimed: Vec<JobId> = claim(&storage, 1, 10).await.iter().map(|job| job.id).collect();
    // Bytes that are no JSON are handed out as they are: decoding them fails that job alone.
    assert_eq!(claimed, [ids[0], ids[3], ids[4]]);
    let damaged = storage.job(ids[1]).await.unwrap().unwrap();
    assert_eq!(damaged.summary.state, JobState::Failed);
    assert!(storage.job(ids[2]).await.unwrap().is_none());
    assert!(claim(&storage, 1, 10).await.is_empty());

    db.execute("UPDATE legwork_lease SET jobs = x'00'", []).unwrap();
    assert_eq!(storage.retire(Incarnation::from_bits(1)).await.unwrap(), 0);
    storage.enqueue(vec![job(6)]).await.unwrap();
    storage.register(server(2)).await.unwrap();
    assert_eq!(claim(&storage, 2, 10).await.len(), 1);
}

/// Counts how often the time is read: once per transaction.
#[derive(Debug, Default)]
struct Counting(AtomicUsize);

impl Clock for Counting {
    fn now(&self) -> Timestamp {
        self.0.fetch_add(1, Ordering::Relaxed);
        SystemClock.now()
    }

    fn monotonic(&self) -> std::time::Instant {
        SystemClock.monotonic()
    }
}

#[tokio::test]
async fn callers_that_come_together_share_commits() {
    let (_directory, path) = place();
    let clock = Arc::new(Counting::default());
    let storage = SqliteStorage::options(&path).clock(clock.clone()).open().await.unwrap();
    let before = clock.0.load(Ordering::Relaxed);
    let mut set = tokio::task::JoinSet::new();
    for n in 0..500 {
        let storage = storage.clone();
        set.spawn(async move { storage.enqueue(vec![job(n)]).await.unwrap()[0].id() });
    }
    let mut ids = set.join_all().await;
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 500);
    let commits = clock.0.load(Ordering::Relaxed) - before;
    assert!(commits < 250, "{commits} commits for 500 calls");
}

#[tokio::test]
async fn one_call_that_is_refused_does_not_take_others_with_it() {
    let (_directory, path) = place();
    let storage = SqliteStorage::open(&path).await.unwrap();
    let orphan = NewJob {
        parents: vec![legwork_core::storage::Parent {
            id: JobId::new(999).unwrap(),
            on: legwork_core::On::Success,
        }],
        ..job(2)
    };
    let (good, bad, fine) = tokio::join!(
        storage.enqueue(vec![job(1)]),
        storage.enqueue(vec![orphan]),
        storage.enqueue(vec![job(3)])
    );
    assert!(good.unwrap()[0].is_new() && fine.unwrap()[0].is_new());
    assert_eq!(bad.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(storage.counts().await.unwrap().enqueued.n, 2);
}
