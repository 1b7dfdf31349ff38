//! A server that is restarted, or killed with all its processes: what it acknowledged is there, and
//! work goes on by itself.

use std::collections::HashSet;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use legwork_core::JobId;
use legwork_core::storage::{Enqueued, Storage as _};
use legwork_postgres::PostgresStorage;
use tokio::time::Instant;

use crate::cluster::Cluster;
use crate::fixture::{Server, counts, heard_at_once, job, succeeded};

/// How soon after the server is back everything works again.
const RECOVERY: Duration = Duration::from_secs(10);

/// The writer of the log sleeps as long as it may: what no commit forced to the disk is not there
/// after a kill.
const SETTINGS: &str = "wal_writer_delay = '10s'\nwal_writer_flush_after = 0\n\
                        autovacuum = off\ncheckpoint_timeout = '1h'\n";

fn url(cluster: &Cluster) -> String {
    format!("postgres://postgres@127.0.0.1:{}/postgres", cluster.port)
}

/// Kills the server and all its processes, as a power cut would.
pub(crate) fn kill(cluster: &Cluster) {
    let file = PathBuf::from(cluster.path("postmaster.pid"));
    let postmaster = std::fs::read_to_string(&file).unwrap().lines().next().unwrap().to_owned();
    let children = Command::new("ps").args(["-o", "pid=", "--ppid", &postmaster]).output().unwrap();
    let children = String::from_utf8(children.stdout).unwrap();
    let all: Vec<&str> = std::iter::once(&*postmaster).chain(children.split_whitespace()).collect();
    // One that ended meanwhile cannot be killed.
    drop(Command::new("kill").arg("-KILL").args(&all).output().unwrap());
    let deadline = Instant::now() + RECOVERY;
    while all.iter().any(|process| is_alive(process)) {
        assert!(Instant::now() < deadline, "a process survives SIGKILL");
        std::thread::yield_now();
    }
    // A process that nobody has buried would keep another server from starting.
    std::fs::remove_file(&file).unwrap();
    let lock = cluster.path(&format!(".s.PGSQL.{}.lock", cluster.port));
    std::fs::remove_file(lock).unwrap();
}

fn is_alive(process: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat"));
    stat.is_ok_and(|stat| !stat.contains(") Z"))
}

/// Works while `strike` takes the server away and brings it back; nothing may be lost.
async fn survive(cluster: &Cluster, strike: impl FnOnce(&Cluster)) {
    let storage = PostgresStorage::connect(&url(cluster)).await.unwrap();
    let other = PostgresStorage::connect(&url(cluster)).await.unwrap();
    let server = Server::register(&storage).await;
    let mut acknowledged: Vec<JobId> = Vec::new();
    for n in 0..20 {
        let answers = storage.enqueue(vec![job(n), job(n)]).await.unwrap();
        acknowledged.extend(answers.iter().map(Enqueued::id));
    }
    let before = server.claim(10).await;
    let finished = before.iter().take(5).map(succeeded).collect();
    server.exchange(finished, 0).await.unwrap();
    strike(cluster);
    let back_at = Instant::now();
    let answers = storage.enqueue(vec![job(1)]).await.unwrap();
    acknowledged.push(answers[0].id());
    let held: u32 = server.beat().await.iter().map(|(_, n)| n).sum();
    let mut ended: HashSet<JobId> = before.iter().take(5).map(|job| job.id).collect();
    // A claim may be lost with the power; then its jobs are claimed again.
    let mut held: Vec<_> = before.into_iter().skip(5).filter(|_| held > 0).collect();
    while ended.len() < acknowledged.len() {
        let finish = held.iter().map(succeeded).collect();
        let exchanged = server.exchange(finish, 10).await.unwrap();
        ended.extend(held.iter().map(|job| job.id));
        held = exchanged.claimed;
        let all = ended.len() == acknowledged.len();
        assert!(
            all || !held.is_empty(),
            "{} of {} are lost",
            acknowledged.len() - ended.len(),
            acknowledged.len()
        );
    }
    assert!(back_at.elapsed() < RECOVERY, "it took {:?}", back_at.elapsed());
    assert_eq!(counts(&storage).await, [0, 0, 41], "each has ended well, once");
    heard_at_once(&storage, &other, back_at + RECOVERY).await;
}

#[tokio::test]
async fn work_goes_on_after_a_restart_of_the_server() {
    let test = "work_goes_on_after_a_restart_of_the_server";
    let Some(cluster) = Cluster::start(test, SETTINGS, |_| {}) else { return };
    survive(&cluster, |cluster| {
        cluster.run("pg_ctl", &["stop", "--mode=fast", "--wait", "--silent"]);
        cluster.start_again();
    })
    .await;
}

#[tokio::test]
async fn nothing_is_lost_when_the_server_and_all_its_processes_are_killed() {
    let test = "nothing_is_lost_when_the_server_and_all_its_processes_are_killed";
    let Some(cluster) = Cluster::start(test, SETTINGS, |_| {}) else { return };
    survive(&cluster, |cluster| {
        kill(cluster);
        cluster.start_again();
    })
    .await;
}

#[tokio::test]
async fn ids_that_were_handed_out_before_a_crash_are_not_handed_out_again() {
    let test = "ids_that_were_handed_out_before_a_crash_are_not_handed_out_again";
    let Some(cluster) = Cluster::start(test, SETTINGS, |_| {}) else { return };
    let storage = PostgresStorage::connect(&url(&cluster)).await.unwrap();
    let block = storage.allocate_ids(10).await.unwrap();
    kill(&cluster);
    cluster.start_again();
    let mut other = HashSet::new();
    for n in 0..2 {
        let id = storage.enqueue(vec![job(n)]).await.unwrap()[0].id();
        assert!(other.insert(id));
    }
    assert!(block.ids().all(|id| !other.contains(&id)), "{block:?} and {other:?}");
    let mut given = job(0);
    given.id = Some(block.first);
    assert!(storage.enqueue(vec![given]).await.unwrap()[0].is_new());
}
