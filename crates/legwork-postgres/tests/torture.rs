//! Processes of several machines work on one database and are killed at random: nothing is lost,
//! nothing ends twice.
//!
//! The test starts this very program again for each process; `LEGWORK_TORTURE_ROLE` tells it that
//! it is one. Everyone notes what he does in one ledger; at the end `torture/checker.rs` holds the
//! ledger against the storage. `LEGWORK_TORTURE_SEED` repeats the choices of a run, though not the
//! scheduling of its processes; `LEGWORK_TORTURE_KILLS` makes it longer. The ledger and the herd
//! are those of SQLite's torture.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![expect(clippy::print_stdout, reason = "the processes talk through their standard output")]

#[path = "torture/checker.rs"]
mod checker;
#[path = "../../legwork-sqlite/tests/torture/herd.rs"]
mod herd;
#[path = "races/invariants.rs"]
mod invariants;
#[path = "../../legwork-sqlite/tests/torture/ledger.rs"]
mod ledger;
#[path = "torture/place.rs"]
mod place;
#[path = "torture/producer.rs"]
mod producer;
#[path = "support/schema.rs"]
mod schema;
#[path = "torture/worker.rs"]
mod worker;

use std::time::Duration;

use legwork_core::inspect::{Inspect as _, JobFilter, Page};
use legwork_core::storage::Storage as _;
use legwork_core::{Actor, JobId, JobState};
use legwork_postgres::PostgresStorage;

use crate::herd::{Herd, Role};
use crate::place::Place;

const WORKERS: u32 = 4;
const PRODUCERS: u32 = 3;

/// How many processes are killed: for some ten seconds.
const KILLS: u32 = 36;

/// How many jobs each producer adds from one kill to the next.
const STEP: u64 = 16;

/// How long the producers may take to add the rest after the last kill, and then the workers.
const SETTLE_MAX: Duration = Duration::from_mins(1);

#[test]
fn processes_killed_at_random_lose_no_job_and_finish_none_twice() {
    let Some(place) = Place::new() else { return };
    let seed = number("LEGWORK_TORTURE_SEED").unwrap_or_else(|| fastrand::u64(..));
    println!("LEGWORK_TORTURE_SEED={seed}");
    let kills = number("LEGWORK_TORTURE_KILLS").unwrap_or(KILLS);
    let mut herd = Herd::new(&place);
    for slot in 0..PRODUCERS {
        herd.start(Role::Producer(slot));
    }
    for slot in 0..WORKERS {
        herd.start(Role::Worker(slot));
    }
    herd.until("every process is ready", Herd::all_ready);
    kill_at_random(&mut herd, &mut fastrand::Rng::with_seed(seed), kills);
    let total = STEP * u64::from(kills);
    herd.tell_until(total);
    let has_all = herd.comes_to(SETTLE_MAX, |herd| herd.all_reached(total));
    assert!(has_all, "not every producer has added its jobs after {SETTLE_MAX:?}");
    let requeued = settle(&place, &mut herd);
    herd.stop();
    checker::check(&place, &herd, requeued);
}

fn number<N: std::str::FromStr>(variable: &str) -> Option<N> {
    std::env::var(variable).ok().and_then(|number| number.parse().ok())
}

/// Kills and restarts one process after the other while jobs keep coming.
fn kill_at_random(herd: &mut Herd, random: &mut fastrand::Rng, kills: u32) {
    for n in 1..=kills {
        let victim = random.u32(..WORKERS + PRODUCERS);
        if let Some(slot) = victim.checked_sub(WORKERS) {
            // Aimed at the middle of its enqueues, which take some ten milliseconds.
            let victim = Role::Producer(slot);
            herd.listen(Duration::from_millis(random.u64(100..300)));
            herd.tell_one_until(slot, STEP * u64::from(n));
            herd.listen(Duration::from_millis(random.u64(..30)));
            herd.kill(victim);
            herd.start(victim);
            herd.tell_until(STEP * u64::from(n));
        } else {
            herd.tell_until(STEP * u64::from(n));
            herd.listen(Duration::from_millis(random.u64(100..400)));
            herd.kill(Role::Worker(victim));
            herd.start(Role::Worker(victim));
        }
    }
}

/// Waits until no job is on its way and no dead server is taken for a live one; returns the jobs
/// that had to be requeued.
///
/// A job that lost three servers in a row is quarantined, as it should be: kills are not told from
/// jobs that kill. The checker makes sure that it did lose three; here it gets another chance.
fn settle(place: &Place, herd: &mut Herd) -> Vec<JobId> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let storage = runtime.block_on(PostgresStorage::connect(&place.url())).unwrap();
    let mut requeued = Vec::new();
    let settled = |_: &mut Herd| {
        let counts = runtime.block_on(storage.counts()).unwrap();
        if counts.failed.n > 0 {
            let failed = JobFilter::state(JobState::Failed);
            let page = runtime.block_on(storage.jobs(failed, Page::first(200))).unwrap();
            for job in page.jobs {
                let actor = Actor::new("torture");
                runtime.block_on(storage.requeue(job.id, actor)).unwrap();
                requeued.push(job.id);
            }
            return false;
        }
        let live = [counts.awaiting, counts.scheduled, counts.enqueued, counts.processing];
        let servers = runtime.block_on(storage.servers()).unwrap();
        let n_live = servers.iter().filter(|server| server.gone_at.is_none()).count();
        n_live <= WORKERS as usize && live.iter().all(|count| count.n == 0)
    };
    if !herd.comes_to(SETTLE_MAX, settled) {
        checker::check_ledger(place);
        let counts = runtime.block_on(storage.counts()).unwrap();
        panic!("lost: not everything has ended after {SETTLE_MAX:?}: {counts:?}");
    }
    runtime.block_on(storage.close()).unwrap();
    requeued
}

/// Not a test of its own: the processes of the torture begin here. Without a role there is nothing
/// to do.
#[test]
fn a_process_of_the_torture_plays_its_role() {
    let Some(role) = Role::of_this_process() else { return };
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let place = Place::of_this_process();
    match role {
        Role::Worker(slot) => runtime.block_on(worker::work(&place, slot)),
        Role::Producer(slot) => runtime.block_on(producer::produce(&place, slot)),
    }
}
