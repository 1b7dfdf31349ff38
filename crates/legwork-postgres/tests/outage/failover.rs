//! The server dies and its standby takes its place: workers go on by themselves, and where the
//! standby was synchronous nothing that was acknowledged is lost.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use legwork_core::inspect::Inspect as _;
use legwork_core::storage::Storage as _;
use legwork_core::{ErrorKind, Job, State};
use legwork_jobs::Jobs;
use legwork_postgres::PostgresStorage;
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;
use tokio::time::{Instant, interval, timeout};

use crate::cluster::Cluster;
use crate::restart::kill;

/// How soon after the promotion everything works again.
const RECOVERY: Duration = Duration::from_secs(10);

/// How long jobs of a claim that the failover cut may take: servers give leases back that they were
/// not told of.
const WAIT_MAX: Duration = Duration::from_secs(50);

/// How many producers enqueue while the server dies, and how many jobs of each are acknowledged.
const PRODUCERS: u32 = 4;
const EACH: usize = 500;

/// How often each job has run.
type Runs = Arc<Mutex<HashMap<u32, u32>>>;

#[derive(Debug, Serialize, Deserialize)]
struct Work {
    n: u32,
}

impl Job for Work {
    const NAME: &'static str = "work";
}

async fn work(job: Work, State(runs): State<Runs>) {
    *runs.lock().unwrap().entry(job.n).or_default() += 1;
}

/// Makes a standby that streams from a primary.
fn follow(test: &str, primary: &Cluster) -> Option<Cluster> {
    Cluster::start(test, "", |standby| {
        let directory = PathBuf::from(standby.path(""));
        std::fs::remove_dir_all(&directory).unwrap();
        let data = directory.to_str().unwrap();
        let port = primary.port.to_string();
        let copy = ["-h", "127.0.0.1", "-p", &port, "-U", "postgres", "-D", data];
        let how = ["--write-recovery-conf", "--checkpoint=fast", "--no-sync", "--no-password"];
        standby.run("pg_basebackup", &[&copy[..], &how[..]].concat());
        let settings = std::fs::read_to_string(standby.path("postgresql.conf")).unwrap();
        let own = format!(
            "port = {}\nunix_socket_directories = '{data}'\nsynchronous_standby_names = ''\n",
            standby.port
        );
        standby.write("postgresql.conf", &(settings + &own));
    })
}

/// Enqueues until [`EACH`] jobs are acknowledged; a call that fails is followed by another job.
///
/// Returns what was acknowledged, and what was neither acknowledged nor refused.
async fn enqueue(jobs: Jobs, producer: u32) -> (Vec<u32>, Vec<u32>) {
    let (mut acknowledged, mut unknown) = (Vec::new(), Vec::new());
    for n in producer * 1_000_000.. {
        match jobs.enqueue(Work { n }).await {
            Ok(_) => acknowledged.push(n),
            Err(error) if error.kind() == ErrorKind::Unknown => unknown.push(n),
            Err(error) => assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}"),
        }
        if acknowledged.len() == EACH {
            break;
        }
    }
    (acknowledged, unknown)
}

async fn until(what: &str, limit: Duration, mut check: impl AsyncFnMut() -> bool) {
    let waiting = async {
        let mut looks = interval(Duration::from_millis(20));
        while !check().await {
            looks.tick().await;
        }
    };
    assert!(timeout(limit, waiting).await.is_ok(), "not within {limit:?}: {what}");
}

#[expect(clippy::print_stdout, reason = "a number for whoever runs the test by hand")]
fn report(line: &str) {
    println!("{line}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_promoted_standby_takes_over_and_nothing_acknowledged_is_lost() {
    let test = "a_promoted_standby_takes_over_and_nothing_acknowledged_is_lost";
    let settings = "synchronous_standby_names = '*'\n";
    let Some(primary) = Cluster::start(test, settings, |_| {}) else { return };
    let Some(standby) = follow(test, &primary) else { return };
    let (first, second) = (primary.port, standby.port);
    let alone = format!("postgres://postgres@127.0.0.1:{second}/postgres?pooled=false");
    let error = PostgresStorage::connect(&alone).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.to_string().contains("is a read-only standby"), "{error}");

    let url = format!("postgres://postgres@127.0.0.1:{first},127.0.0.1:{second}/postgres");
    let storage = PostgresStorage::connect(&url).await.unwrap();
    let jobs = Jobs::new(Arc::new(storage.clone()));
    let runs = Runs::default();
    let server = jobs.server().workers(4).handle(work).start(Arc::clone(&runs)).await.unwrap();
    let mut producing = JoinSet::new();
    for producer in 0..PRODUCERS {
        producing.spawn(enqueue(jobs.clone(), producer));
    }
    until("some run", WAIT_MAX, async || runs.lock().unwrap().len() >= EACH).await;
    kill(&primary);
    tokio::task::block_in_place(|| {
        standby.run("pg_ctl", &["promote", "--wait", "--silent"]);
    });
    let (promoted_at, before) = (Instant::now(), runs.lock().unwrap().len());
    until("work goes on", RECOVERY, async || runs.lock().unwrap().len() > before + 20).await;
    let recovered = promoted_at.elapsed();
    let (acknowledged, unknown): (Vec<_>, Vec<_>) = producing.join_all().await.into_iter().unzip();
    let acknowledged: Vec<u32> = acknowledged.into_iter().flatten().collect();
    let n_unknown = unknown.iter().flatten().count();
    until("all jobs run", WAIT_MAX, async || {
        let counts = storage.counts().await.unwrap();
        counts.enqueued.n == 0 && counts.processing.n == 0
    })
    .await;
    let lost: Vec<_> =
        acknowledged.iter().filter(|n| !runs.lock().unwrap().contains_key(n)).collect();
    assert!(lost.is_empty(), "{lost:?} are lost");
    let n_succeeded = storage.counts().await.unwrap().succeeded.n;
    assert!(
        (acknowledged.len()..=acknowledged.len() + n_unknown)
            .contains(&usize::try_from(n_succeeded).unwrap()),
        "{n_succeeded} ended well"
    );
    let twice = runs.lock().unwrap().values().filter(|n| **n > 1).count();
    report(&format!(
        "back {recovered:?} after the promotion; {n_succeeded} succeeded, {n_unknown} were of unknown \
         outcome, {twice} ran twice"
    ));
    assert!(server.stop().await.clean);
    storage.close().await.unwrap();
}
