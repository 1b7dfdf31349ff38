//! A process that runs jobs until its standard input ends.
//!
//! What a job does follows from its key alone: how long it takes, and whether its first attempt
//! fails.

use std::io::Read as _;
use std::sync::Arc;
use std::time::Duration;

use legwork_core::{Job, JobContext, RetryPolicy, State};
use legwork_jobs::Jobs;
use legwork_postgres::PostgresStorage;
use serde::{Deserialize, Serialize};
use tokio::time::timeout;

use crate::ledger::{Fact, Ledger};
use crate::place::Place;

/// How many jobs a process runs at once.
const WORKERS: usize = 4;

/// Short, so that the jobs of a dead server come back during the torture, and long enough that a
/// live one is never taken for dead on a busy machine.
const LEASE: Duration = Duration::from_secs(5);

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Work {
    pub(crate) key: u64,
}

impl Job for Work {
    const NAME: &'static str = "torture.work";
    const MAX_ATTEMPTS: u32 = 2;

    fn retry_policy() -> RetryPolicy {
        RetryPolicy::fixed(Duration::from_millis(5)).unwrap()
    }
}

/// Tells whether the first attempt of a job fails.
pub(crate) fn fails_first(key: u64) -> bool {
    key % 10 == 3
}

async fn handle(
    work: Work,
    context: JobContext,
    State(ledger): State<Ledger>,
) -> Result<(), &'static str> {
    let (id, run, key) = (context.job_id().get(), context.run().0, work.key);
    ledger.note(Fact::Start { id, run, key });
    // 0 to 150 ms of work that ends early when the run is to end.
    let length = Duration::from_millis(key * 7 % 151);
    if timeout(length, context.token().cancelled()).await.is_ok() {
        return Err("the run was to end early");
    }
    if fails_first(key) && context.attempt() == 1 {
        ledger.note(Fact::Fail { id, run, key });
        return Err("the first attempt fails");
    }
    ledger.note(Fact::Done { id, run, key });
    Ok(())
}

pub(crate) async fn work(place: &Place, slot: u32) {
    let storage = PostgresStorage::connect(&place.url()).await.unwrap();
    let jobs = Jobs::new(Arc::new(storage));
    let server = jobs
        .server()
        .name(format!("worker-{slot}"))
        .workers(WORKERS)
        .poll_interval(Duration::from_millis(100))
        .lease(LEASE)
        .handle(handle);
    let server = server.start(Ledger::open(place)).await.unwrap();
    println!("\n@ready");
    let input = tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new()));
    input.await.unwrap().unwrap();
    let report = server.stop().await;
    assert!(report.clean, "the server did not end in order: {report:?}");
    jobs.close().await.unwrap();
}
