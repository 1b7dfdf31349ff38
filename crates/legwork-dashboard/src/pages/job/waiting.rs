//! Why a job is not running.
//!
//! The job's page says it of jobs that have not started. It looks at the parents, the due time, the
//! pause of the queue and the live servers.

use legwork_core::JobState;
use legwork_core::inspect::JobDetail;

use crate::failure::Failure;
use crate::pages::Sight;
use crate::pages::servers::Condition;
use crate::show;

/// Returns the reasons, in sentences; none for a job that runs or has ended.
pub(super) async fn why_not_running(
    sight: &Sight,
    job: &JobDetail,
) -> Result<Vec<String>, Failure> {
    let summary = &job.summary;
    match summary.state {
        JobState::Awaiting => Ok(vec![open_parents(job)]),
        JobState::Scheduled => {
            let wait = show::span(summary.at.since(sight.now));
            let again =
                if summary.failures > 0 { "It failed and is tried again" } else { "It is due" };
            Ok(vec![format!("{again} in {wait}.")])
        }
        JobState::Enqueued => of_queue(sight, job).await,
        JobState::Processing | JobState::Succeeded | JobState::Failed | JobState::Cancelled => {
            Ok(Vec::new())
        }
    }
}

fn open_parents(job: &JobDetail) -> String {
    let is_open = |state: Option<JobState>| state.is_some_and(|state| !state.is_final());
    let open: Vec<String> = job
        .parents
        .iter()
        .filter(|parent| is_open(parent.state))
        .map(|parent| parent.id.to_string())
        .collect();
    match open.as_slice() {
        [] => "Its parents have ended; it is about to be decided.".to_owned(),
        [one] => format!("It waits for job {one} to end."),
        [first, rest @ ..] => {
            format!("It waits for job {first} and {} more to end.", rest.len())
        }
    }
}

async fn of_queue(sight: &Sight, job: &JobDetail) -> Result<Vec<String>, Failure> {
    let (queue, kind) = (&job.summary.queue, &job.summary.kind);
    let mut reasons = Vec::new();
    let queues = sight.store.queues().await?;
    if queues.iter().any(|one| one.name == *queue && one.paused.is_some()) {
        reasons.push(format!("Queue {queue} is paused."));
    }
    let servers = sight.store.servers().await?;
    let live: Vec<_> = servers
        .iter()
        .filter(|server| Condition::of(server, sight.now) == Condition::Live)
        .map(|server| &server.info)
        .collect();
    if live.is_empty() {
        reasons.push("No server is live.".to_owned());
    } else if !live.iter().any(|info| info.queues.contains(queue)) {
        reasons.push(format!("No live server works queue {queue}."));
    } else if !live.iter().any(|info| info.queues.contains(queue) && info.kinds.contains(kind)) {
        reasons.push(format!("No live server that works queue {queue} has a handler for {kind}."));
    }
    if reasons.is_empty() {
        reasons.push("It will run as soon as a worker is free and its turn comes.".to_owned());
    }
    Ok(reasons)
}
