//! Many servers and clients at once: nothing lost, nothing twice, nothing left over.
//!
//! The cases run on threads and on both handles; each proves a count, not a speed.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use legwork_core::JobId;
use legwork_core::JobState as S;
use legwork_core::storage::{Cancelled, ClaimedJob, Enqueued, Finished, Store, Verdict};
use tokio::task::JoinSet;

use super::Fixture;
use super::draft::{Draft as _, failed, job, jobs, released, retry, succeeded};
use super::server::{Server, done, finish, wish};

cases! { ($) concurrency __concurrency_cases:
    of_servers_runs_each_job_to_exactly_one_end,
    of_clients_loses_no_job_and_repeats_no_id,
    of_clients_and_servers_loses_nothing,
    of_rescue_and_finish_lets_exactly_one_of_them_win,
    of_cancel_and_claim_lets_exactly_one_of_them_win,
    of_finishing_parents_lets_a_child_go_once,
    of_promoters_and_servers_runs_each_delayed_job_once,
}

const N_SERVERS: usize = 6;

/// Registers servers, every other one on the second handle.
async fn servers(fx: &Fixture) -> Vec<Server> {
    let mut servers = Vec::new();
    for n in 0..N_SERVERS {
        servers.push(if n % 2 == 0 { fx.server().await } else { fx.other_server().await });
    }
    servers
}

/// Works jobs until `n_left` is down to zero; returns the jobs that it ended, in the order of ends.
async fn work(
    server: Server,
    n_left: Arc<AtomicUsize>,
    decide: fn(&ClaimedJob) -> Verdict,
) -> Vec<JobId> {
    let (mut ended, mut held): (Vec<JobId>, Vec<ClaimedJob>) = (Vec::new(), Vec::new());
    while n_left.load(Ordering::Acquire) > 0 || !held.is_empty() {
        let verdicts: Vec<_> = held.iter().map(decide).collect();
        let batch =
            held.iter().zip(&verdicts).map(|(job, verdict)| finish(job, verdict.clone())).collect();
        let answer = server.exchange(batch, Some(wish(7))).await;
        for ((job, verdict), finished) in held.iter().zip(verdicts).zip(answer.finished) {
            assert_eq!(finished, Finished::Recorded, "nobody took job {} away", job.id);
            if matches!(verdict, Verdict::Succeeded { .. } | Verdict::Failed { .. }) {
                ended.push(job.id);
                n_left.fetch_sub(1, Ordering::AcqRel);
            }
        }
        held = answer.claimed;
        tokio::task::yield_now().await;
    }
    ended
}

async fn join_all<T: 'static>(mut tasks: JoinSet<T>) -> Vec<T> {
    let mut all = Vec::new();
    while let Some(done) = tasks.join_next().await {
        all.push(done.unwrap());
    }
    all
}

/// Succeeds or fails by the id; gives every job back once, and lets some retry, before that.
fn mixed(job: &ClaimedJob) -> Verdict {
    match (job.run.0, job.id.get() % 3) {
        (1, _) => released(true),
        (2, 0) => retry(std::time::Duration::ZERO),
        (_, 1) => failed(),
        _ => succeeded(),
    }
}

async fn of_servers_runs_each_job_to_exactly_one_end(fx: &Fixture) {
    let all = fx.enqueue_all(jobs(600)).await;
    let n_left = Arc::new(AtomicUsize::new(all.len()));
    let mut tasks = JoinSet::new();
    for server in servers(fx).await {
        tasks.spawn(work(server, n_left.clone(), mixed));
    }
    let (store, promoting) = (fx.other_store().clone(), n_left.clone());
    tasks.spawn(async move {
        while promoting.load(Ordering::Acquire) > 0 {
            store.promote(100).await.unwrap();
            tokio::task::yield_now().await;
        }
        Vec::new()
    });
    let mut ended = join_all(tasks).await.concat();
    ended.sort_unstable();
    assert_eq!(ended, all, "each job ends exactly once");
    let n_failed = all.iter().filter(|id| id.get() % 3 == 1).count();
    let counts = fx.counts().await;
    assert_eq!(counts.failed.n, u64::try_from(n_failed).unwrap());
    assert_eq!(counts.succeeded.n + counts.failed.n, 600);
    let live = [S::Awaiting, S::Scheduled, S::Enqueued, S::Processing];
    assert_eq!(live.map(|state| counts.of(state).n), [0; 4], "every marker is gone");
}

/// Enqueues `n` batches of three and returns the ids.
async fn produce(store: Arc<dyn Store>, n: usize) -> Vec<JobId> {
    let mut ids = Vec::new();
    for _ in 0..n {
        let answers = store.enqueue(jobs(3)).await.unwrap();
        assert!(answers.iter().all(Enqueued::is_new));
        ids.extend(answers.iter().map(Enqueued::id));
    }
    ids
}

async fn of_clients_loses_no_job_and_repeats_no_id(fx: &Fixture) {
    let mut tasks = JoinSet::new();
    for n in 0..8 {
        let store = if n % 2 == 0 { fx.store() } else { fx.other_store() };
        tasks.spawn(produce(store.clone(), 20));
    }
    let all = join_all(tasks).await.concat();
    assert_eq!(all.iter().collect::<HashSet<_>>().len(), 480);
    assert_eq!(fx.count(S::Enqueued).await, 480);
    assert_eq!(fx.server().await.claim(1_000).await.len(), 480);
}

async fn of_clients_and_servers_loses_nothing(fx: &Fixture) {
    let n_left = Arc::new(AtomicUsize::new(300));
    let (mut clients, mut tasks) = (JoinSet::new(), JoinSet::new());
    for server in servers(fx).await {
        tasks.spawn(work(server, n_left.clone(), |_| succeeded()));
    }
    for n in 0..4 {
        let store = if n % 2 == 0 { fx.store() } else { fx.other_store() };
        clients.spawn(produce(store.clone(), 25));
    }
    let (mut enqueued, mut ended) =
        (join_all(clients).await.concat(), join_all(tasks).await.concat());
    enqueued.sort_unstable();
    ended.sort_unstable();
    assert_eq!(ended, enqueued);
    assert_eq!((fx.count(S::Succeeded).await, fx.count(S::Enqueued).await), (300, 0));
}

async fn of_rescue_and_finish_lets_exactly_one_of_them_win(fx: &Fixture) {
    for n in 0..20 {
        let id = fx.enqueue(job().queue("mail")).await;
        let server = if n % 2 == 0 { fx.server().await } else { fx.other_server().await };
        let mail =
            legwork_core::storage::Claim { queues: vec![super::draft::queue("mail")], ..wish(1) };
        let claimed = server.claim_as(mail).await.remove(0);
        let (finished, rescued) =
            tokio::join!(server.finish(&claimed, succeeded()), fx.kill(&server));
        match finished {
            Finished::Recorded => {
                assert_eq!((rescued.enqueued, fx.state(id).await), (0, S::Succeeded));
            }
            Finished::Lost => assert_eq!((rescued.enqueued, fx.state(id).await), (1, S::Enqueued)),
        }
        fx.delete(id).await;
    }
}

async fn of_cancel_and_claim_lets_exactly_one_of_them_win(fx: &Fixture) {
    let (one, two) = (fx.server().await, fx.other_server().await);
    for n in 0..20 {
        let id = fx.enqueue(job()).await;
        let server = if n % 2 == 0 { &one } else { &two };
        let (cancelled, claimed) = tokio::join!(fx.cancel(id), server.claim(1));
        match cancelled {
            Cancelled::BeforeStart => {
                assert!(claimed.is_empty());
                assert_eq!(fx.state(id).await, S::Cancelled);
            }
            Cancelled::Requested => server.succeed(&claimed[0]).await,
            Cancelled::AlreadyFinal(_) | Cancelled::NotFound => panic!("the job was live"),
        }
    }
}

async fn of_finishing_parents_lets_a_child_go_once(fx: &Fixture) {
    let parents = fx.enqueue_all(jobs(N_SERVERS * 5)).await;
    let child = fx.enqueue(parents.iter().fold(job(), |job, &id| job.child_of(id))).await;
    let mut tasks = JoinSet::new();
    for server in servers(fx).await {
        tasks.spawn(async move {
            for job in server.claim(5).await {
                server.exchange(vec![done(&job)], None).await;
            }
        });
    }
    join_all(tasks).await;
    assert_eq!((fx.count(S::Awaiting).await, fx.count(S::Enqueued).await), (0, 1));
    assert_eq!(super::server::ids(&fx.server().await.claim(5).await), [child]);
}

async fn of_promoters_and_servers_runs_each_delayed_job_once(fx: &Fixture) {
    let second = std::time::Duration::from_secs(1);
    let batch = jobs(300).into_iter().map(|job| job.after(second)).collect();
    let all = fx.enqueue_all(batch).await;
    fx.advance(second);
    let n_left = Arc::new(AtomicUsize::new(all.len()));
    let (mut promoters, mut tasks) = (JoinSet::new(), JoinSet::new());
    for store in [fx.store().clone(), fx.other_store().clone()] {
        promoters.spawn(async move {
            let mut n_jobs = 0;
            while let promoted = store.promote(13).await.unwrap()
                && promoted.jobs > 0
            {
                n_jobs += promoted.jobs;
            }
            n_jobs
        });
    }
    for server in servers(fx).await {
        tasks.spawn(work(server, n_left.clone(), |_| succeeded()));
    }
    assert_eq!(join_all(promoters).await.iter().sum::<u64>(), 300);
    let mut ended = join_all(tasks).await.concat();
    ended.sort_unstable();
    assert_eq!(ended, all);
}
