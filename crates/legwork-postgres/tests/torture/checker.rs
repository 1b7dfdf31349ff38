//! Holds the ledger against the storage, once everything is quiet.
//!
//! Each assertion is one of the verdicts of the reliability design: lost, ghost, unknown resolved
//! twice, never ran, double end, stale record, run reused, unexplained run, leftovers.

use std::collections::{BTreeMap, HashMap, HashSet};

use legwork_core::inspect::{History, HistoryEntry, Inspect as _, JobDetail};
use legwork_core::storage::FailReason;
use legwork_core::{Incarnation, JobId, JobState, Run, Timestamp};
use legwork_postgres::PostgresStorage;
use tokio::task::JoinSet;
use tokio_postgres::{Client, NoTls};

use crate::herd::Herd;
use crate::invariants;
use crate::ledger::{Fact, Ledger};
use crate::place::Place;
use crate::producer::{parent_of, repeats};
use crate::worker::{Work, fails_first};

/// Tables that only live jobs and live servers have rows in.
const LEFTOVERS: [&str; 5] = ["ready", "due", "waiting", "lease", "cancel"];

/// How many servers in a row a job may lose before it is quarantined.
const LOSSES_MAX: usize = 3;

/// What the ledger says.
#[derive(Default)]
struct Told {
    intended: BTreeMap<u64, i64>,
    stored: BTreeMap<u64, i64>,
    /// Place in the ledger by job and run.
    starts: HashMap<(i64, u32), usize>,
    ends: HashMap<(i64, u32), usize>,
    /// The last run that started, by job.
    last_start: HashMap<i64, u32>,
    /// Enqueues that were repeated and met the job they had stored.
    again: usize,
}

/// What happened, to be printed and to see that the torture was one.
#[derive(Debug, Default)]
struct Sums {
    jobs: usize,
    runs: usize,
    losses: usize,
    retries: usize,
    releases: usize,
    quarantined: usize,
    /// Handlers that started and did not end.
    cut_short: usize,
    /// Enqueues that were not acknowledged to a producer that does not repeat them.
    never_known: usize,
    /// Servers that were declared dead.
    dead: HashSet<Incarnation>,
}

/// Checks what the ledger alone can tell.
pub(crate) fn check_ledger(place: &Place) {
    drop(told(&Ledger::open(place).facts()));
}

pub(crate) fn check(place: &Place, herd: &Herd, requeued: Vec<JobId>) {
    let told = told(&Ledger::open(place).facts());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let by_key = runtime.block_on(check_tables(place));
    check_enqueues(&told, &by_key);
    let storage = runtime.block_on(PostgresStorage::connect(&place.url())).unwrap();
    let requeued: HashSet<JobId> = requeued.into_iter().collect();
    let mut sums = Sums { jobs: by_key.len(), ..Sums::default() };
    for (&key, &id) in &by_key {
        let id = JobId::new(id).unwrap();
        let detail = runtime.block_on(storage.job(id)).unwrap().expect("its row is there");
        check_job(key, &detail, &told, &mut sums);
        let quarantined = detail.history.iter().any(|entry| is_quarantine(&entry.what));
        assert_eq!(quarantined, requeued.contains(&id), "job {id}: only such jobs were requeued");
        if let Some(parent) = parent_of(key) {
            check_continuation(&told, by_key[&parent], id.get());
        }
    }
    for server in runtime.block_on(storage.servers()).unwrap() {
        assert!(server.gone_at.is_some(), "the server {} is still live", server.info.name);
    }
    let started = told.starts.keys().filter(|run| !told.ends.contains_key(run));
    sums.cut_short = started.count();
    let unknown = told.intended.keys().filter(|key| !told.stored.contains_key(key));
    sums.never_known = unknown.count();
    report(&sums, told.again, herd);
}

fn report(sums: &Sums, again: usize, herd: &Herd) {
    let Sums { jobs, runs, losses, retries, releases, quarantined, cut_short, never_known, dead } =
        sums;
    let (workers, producers) = (herd.worker_kills, herd.producer_kills);
    println!("{jobs} jobs, {runs} runs, {workers} workers and {producers} producers killed");
    println!("lost 0, ended twice 0, stale 0, run reused 0");
    println!(
        "{} servers declared dead, {cut_short} handlers cut short, {losses} runs lost",
        dead.len()
    );
    println!("{retries} retries, {releases} releases, {quarantined} quarantined and requeued");
    println!("{again} enqueues repeated that had been stored, {never_known} unknown not repeated");
    assert!(dead.len() <= workers as usize, "a live server was declared dead");
    assert!(*losses > 0 && *cut_short > 0, "no kill hit a server at work: the torture was none");
    assert!(again > 0, "no enqueue was repeated that had been carried out: the torture was none");
}

fn told(facts: &[Fact]) -> Told {
    let mut told = Told::default();
    for (at, fact) in facts.iter().enumerate() {
        match *fact {
            Fact::Intent { key, id } => {
                let before = told.intended.insert(key, id);
                assert!(before.is_none(), "key {key} was intended twice");
            }
            Fact::Stored { key, id } | Fact::Again { key, id } => {
                told.again += usize::from(matches!(fact, Fact::Again { .. }));
                let before = told.stored.insert(key, id);
                assert!(before.is_none_or(|before| before == id), "key {key} got two ids");
            }
            Fact::Start { id, run, .. } => {
                let before = told.starts.insert((id, run), at);
                assert!(before.is_none(), "run reused: job {id} started run {run} twice");
                let last = told.last_start.entry(id).or_default();
                *last = std::cmp::max(*last, run);
            }
            Fact::Done { id, run, .. } | Fact::Fail { id, run, .. } => {
                let before = told.ends.insert((id, run), at);
                assert!(before.is_none(), "job {id} ended run {run} twice");
            }
        }
    }
    told
}

/// Looks at the tables, and reads which job has which key.
async fn check_tables(place: &Place) -> BTreeMap<u64, i64> {
    let (url, schema) = place.database();
    let (client, connection) = tokio_postgres::connect(&url, NoTls).await.unwrap();
    let mut tasks = JoinSet::new();
    tasks.spawn(connection);
    client.batch_execute(&format!("SET search_path = {schema}")).await.unwrap();
    invariants::check(&client).await;
    for table in LEFTOVERS {
        let count = client.query_one(&format!("SELECT count(*) FROM {table}"), &[]).await.unwrap();
        assert_eq!(count.get::<_, i64>(0), 0, "{table} has rows although no job is live");
    }
    jobs_by_key(&client).await
}

/// Reads every job's key from its arguments.
async fn jobs_by_key(client: &Client) -> BTreeMap<u64, i64> {
    let mut by_key = BTreeMap::new();
    for row in client.query("SELECT id, args FROM job", &[]).await.unwrap() {
        let (id, args): (i64, &str) = (row.get(0), row.get(1));
        let Work { key } = serde_json::from_str(args).unwrap();
        let before = by_key.insert(key, id);
        assert!(before.is_none(), "key {key} has the jobs {before:?} and {id}");
    }
    by_key
}

fn check_enqueues(told: &Told, by_key: &BTreeMap<u64, i64>) {
    for (key, id) in &told.stored {
        assert_eq!(by_key.get(key), Some(id), "lost: key {key} was acknowledged as job {id}");
    }
    for key in by_key.keys() {
        assert!(told.intended.contains_key(key), "ghost: nobody intended key {key}");
    }
    for (key, id) in told.intended.iter().filter(|(key, _)| repeats(**key)) {
        assert_eq!(told.stored.get(key), Some(id), "key {key} was not resolved by its repetition");
    }
}

fn check_job(key: u64, detail: &JobDetail, told: &Told, sums: &mut Sums) {
    let (id, last) = (detail.summary.id, detail.summary.run);
    assert_eq!(detail.summary.state, JobState::Succeeded, "lost: job {id} of key {key}");
    // How each run ended, and how often that was recorded.
    let mut ends: BTreeMap<Run, Vec<&HistoryEntry>> = BTreeMap::new();
    let mut claims: BTreeMap<Run, Timestamp> = BTreeMap::new();
    let mut losses_in_a_row = 0;
    for entry in detail.history.iter().rev() {
        match &entry.what {
            History::Rescued { server } => {
                sums.losses += 1;
                losses_in_a_row += 1;
                sums.dead.insert(*server);
            }
            History::Retried { .. } => {
                sums.retries += 1;
                losses_in_a_row = 0;
            }
            History::Released { .. } => sums.releases += 1,
            History::Succeeded { .. } => {}
            History::Claimed { .. } => {
                claims.insert(entry.run.expect("a claim begins a run"), entry.at);
                continue;
            }
            History::Enqueued { .. } | History::Requeued { .. } | History::ParentsDone => continue,
            other @ (History::Failed { .. }
            | History::Snoozed { .. }
            | History::Cancelled { .. }
            | History::CancelRequested { .. }
            | _) => {
                assert!(is_quarantine(other), "job {id} of key {key}: {other:?} cannot happen");
                assert!(losses_in_a_row + 1 >= LOSSES_MAX, "job {id} lost {losses_in_a_row} only");
                sums.quarantined += 1;
            }
        }
        let run = entry.run.unwrap_or_else(|| panic!("job {id}: no run of {:?}", entry.what));
        ends.entry(run).or_default().push(entry);
    }
    sums.runs += ends.len();
    let all: Vec<Run> = (1..=last.0).map(Run).collect();
    assert!(ends.keys().copied().eq(all), "job {id}: a run has no recorded end: {ends:?}");
    for (run, ends) in &ends {
        assert_eq!(ends.len(), 1, "stale or double end of run {run} of job {id}: {ends:?}");
        let succeeded = matches!(ends[0].what, History::Succeeded { .. });
        assert_eq!(succeeded, *run == last, "job {id}: {ends:?} of run {run}, the last is {last}");
        let next_claim = claims.get(&run.next()).copied().unwrap_or(Timestamp::MAX);
        assert!(ends[0].at <= next_claim, "stale: job {id} run {run} ended after the next began");
    }
    let count = |counted: fn(&History) -> bool| {
        detail.history.iter().filter(|entry| counted(&entry.what)).count()
    };
    let retries = count(|what| matches!(what, History::Retried { .. }));
    // A requeue gives all attempts again, of which the first fails again.
    let retries_max = usize::from(fails_first(key)) * (1 + count(is_quarantine));
    let expected = std::cmp::min(1, retries_max)..=retries_max;
    assert!(expected.contains(&retries), "{retries} retries of job {id} of key {key}");
    let success = (id.get(), last.0);
    assert!(told.starts.contains_key(&success), "job {id} succeeded and never ran");
    assert!(told.ends.contains_key(&success), "job {id} succeeded before its handler ended");
    assert_eq!(told.last_start.get(&id.get()), Some(&last.0), "job {id} ran after it succeeded");
}

fn is_quarantine(what: &History) -> bool {
    matches!(what, History::Failed { reason: FailReason::Quarantined, .. })
}

/// A continuation starts after its parent's handler has ended well.
fn check_continuation(told: &Told, parent: i64, child: i64) {
    let parent_end = told.ends[&(parent, told.last_start[&parent])];
    let runs = told.starts.iter().filter(|((id, _), _)| *id == child);
    let first_start = runs.map(|(_, at)| *at).min().expect("the child ran");
    assert!(first_start > parent_end, "job {child} started before its parent {parent} had ended");
}
