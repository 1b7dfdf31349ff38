//! What an operator does: requeue and delete in every state, pause and resume.
//!
//! Cancelling has its own module, `cancel.rs`.

use legwork_core::inspect::History;
use legwork_core::storage::{Beat, Deleted, Finished, Requeued};
use legwork_core::{Actor, JobId, JobState as S, On, Run};

use super::Fixture;
use super::draft::{Draft as _, ending, job, jobs, queue, retry, secs, succeeded};
use super::server::{Server, ids};

cases! { ($) operate __operate_cases:
    requeues_a_job_from_every_final_state,
    requeues_a_scheduled_job_at_once,
    requeues_a_retry_with_all_its_attempts,
    refuses_to_requeue_a_job_that_will_run_anyway,
    requeues_nothing_that_does_not_exist,
    requeues_once_when_asked_twice,
    requeues_a_job_that_was_cancelled_before_it_started,
    keeps_the_history_of_a_requeued_job,
    forgets_the_result_of_a_requeued_job_when_it_fails,
    tells_who_requeued_a_job,
    deletes_a_job_in_every_state_but_processing,
    deletes_one_job_out_of_a_batch,
    deletes_a_job_whose_batch_is_still_being_worked,
    deletes_nothing_that_does_not_exist,
    tells_every_server_which_queues_are_paused,
    leaves_what_is_running_alone_when_a_queue_is_paused,
    replaces_the_reason_of_a_pause,
    tells_whether_a_queue_was_paused,
    pauses_a_queue_that_has_no_jobs_yet,
    keeps_accepting_jobs_for_a_paused_queue,
}

async fn requeues_a_job_from_every_final_state(fx: &Fixture) {
    let server = fx.server().await;
    for state in [S::Succeeded, S::Failed, S::Cancelled] {
        let id = fx.enqueue(job().args("[7]")).await;
        server.work_one(ending(state)).await;
        assert_eq!(fx.requeue(id).await, Requeued::Enqueued);
        assert_eq!((fx.state(id).await, fx.count(S::Enqueued).await), (S::Enqueued, 1));
        assert_eq!(fx.count(state).await, 0, "it has left {state}");
        let claimed = server.claim_one().await;
        assert_eq!((claimed.id, claimed.run, claimed.failures), (id, Run(2), 0));
        assert_eq!(claimed.args, b"[7]");
        server.succeed(&claimed).await;
        assert_eq!(fx.count(S::Succeeded).await, 1);
        fx.delete(id).await;
    }
}

async fn requeues_a_scheduled_job_at_once(fx: &Fixture) {
    let id = fx.enqueue(job().after(secs(3_600))).await;
    assert_eq!(fx.requeue(id).await, Requeued::Enqueued);
    assert_eq!((fx.state(id).await, fx.count(S::Scheduled).await), (S::Enqueued, 0));
    let server = fx.server().await;
    assert_eq!(server.work_one(succeeded()).await.run, Run::FIRST);
    fx.advance(secs(3_600));
    assert_eq!(fx.promote().await.jobs, 0);
    assert_eq!(fx.state(id).await, S::Succeeded);
}

async fn requeues_a_retry_with_all_its_attempts(fx: &Fixture) {
    let id = fx.enqueue(job()).await;
    let server = fx.server().await;
    server.work_one(retry(secs(60))).await;
    assert_eq!(fx.requeue(id).await, Requeued::Enqueued);
    let claimed = server.claim_one().await;
    assert_eq!((claimed.id, claimed.run, claimed.failures), (id, Run(2), 0));
    assert_eq!(fx.counts().await.retries.n, 0);
}

async fn refuses_to_requeue_a_job_that_will_run_anyway(fx: &Fixture) {
    let processing = fx.enqueue(job()).await;
    fx.server().await.claim_one().await;
    let enqueued = fx.enqueue(job()).await;
    let awaiting = fx.enqueue(job().child_of(enqueued)).await;
    for (id, state) in
        [(processing, S::Processing), (enqueued, S::Enqueued), (awaiting, S::Awaiting)]
    {
        let before = fx.detail(id).await;
        assert_eq!(fx.requeue(id).await, Requeued::Refused(state));
        assert_eq!(fx.detail(id).await, before, "nothing may be written");
    }
}

async fn requeues_nothing_that_does_not_exist(fx: &Fixture) {
    let unused = fx.allocate(1).await[0];
    assert_eq!(fx.requeue(unused).await, Requeued::NotFound);
    assert_eq!(fx.count(S::Enqueued).await, 0);
}

async fn requeues_once_when_asked_twice(fx: &Fixture) {
    let id = fx.enqueue(job()).await;
    let server = fx.server().await;
    server.work_one(succeeded()).await;
    assert_eq!(fx.requeue(id).await, Requeued::Enqueued);
    assert_eq!(fx.requeue(id).await, Requeued::Refused(S::Enqueued));
    assert_eq!(server.claim(5).await.len(), 1);
}

async fn requeues_a_job_that_was_cancelled_before_it_started(fx: &Fixture) {
    let id = fx.enqueue(job()).await;
    fx.cancel(id).await;
    assert_eq!(fx.requeue(id).await, Requeued::Enqueued);
    let server = fx.server().await;
    assert_eq!(server.work_one(succeeded()).await.id, id);
    assert_eq!(fx.state(id).await, S::Succeeded);
    assert_eq!(fx.count(S::Cancelled).await, 0);
}

async fn keeps_the_history_of_a_requeued_job(fx: &Fixture) {
    let id = fx.enqueue(job()).await;
    let server = fx.server().await;
    server.work_one(ending(S::Failed)).await;
    let before = fx.detail(id).await.history;
    fx.advance(secs(1));
    fx.requeue(id).await;
    let after = fx.detail(id).await.history;
    assert_eq!(after[1..], before[..]);
}

async fn forgets_the_result_of_a_requeued_job_when_it_fails(fx: &Fixture) {
    let id = fx.enqueue(job()).await;
    let server = fx.server().await;
    server.work_one(super::draft::result("\"old\"")).await;
    fx.requeue(id).await;
    server.work_one(ending(S::Failed)).await;
    assert_eq!(fx.result(id).await, None, "a failed job has no result");
}

async fn tells_who_requeued_a_job(fx: &Fixture) {
    let id = fx.enqueue(job()).await;
    fx.server().await.work_one(ending(S::Failed)).await;
    fx.advance(secs(1));
    let actor = Actor::new("grace").because("the disk is back");
    fx.store().requeue(id, actor.clone()).await.unwrap();
    let history = fx.detail(id).await.history;
    assert_eq!(history[0].what, History::Requeued { actor });
    assert_eq!(history[0].at, fx.now());
}

/// Makes one job in each state; gives the server that holds the processing one.
async fn one_in_each_state(fx: &Fixture) -> (Vec<(JobId, S)>, Server) {
    let server = fx.server().await;
    let mut all = Vec::new();
    for state in [S::Succeeded, S::Failed, S::Cancelled] {
        all.push((fx.enqueue(job()).await, state));
        server.work_one(ending(state)).await;
    }
    let processing = fx.enqueue(job()).await;
    server.claim_one().await;
    let batch = vec![job(), job().after(secs(9)), job().child_on(processing, On::AnyEnd)];
    let rest = fx.enqueue_all(batch).await;
    all.push((processing, S::Processing));
    all.extend(rest.into_iter().zip([S::Enqueued, S::Scheduled, S::Awaiting]));
    (all, server)
}

async fn deletes_a_job_in_every_state_but_processing(fx: &Fixture) {
    let (all, server) = one_in_each_state(fx).await;
    for (id, state) in all {
        assert_eq!(fx.state(id).await, state);
        if state == S::Processing {
            assert_eq!(fx.delete(id).await, Deleted::Refused(S::Processing));
            continue;
        }
        assert_eq!(fx.delete(id).await, Deleted::Removed, "{state}");
        assert!(fx.find(id).await.is_none());
        assert_eq!(fx.count(state).await, 0);
        assert_eq!(fx.delete(id).await, Deleted::NotFound);
    }
    fx.advance(secs(9));
    assert_eq!(fx.promote().await.jobs, 0);
    assert!(server.claim(10).await.is_empty());
}

async fn deletes_one_job_out_of_a_batch(fx: &Fixture) {
    let all = fx.enqueue_all(jobs(3)).await;
    assert_eq!(fx.delete(all[1]).await, Deleted::Removed);
    assert_eq!(fx.count(S::Enqueued).await, 2);
    assert_eq!(ids(&fx.server().await.claim(3).await), [all[0], all[2]]);
}

async fn deletes_a_job_whose_batch_is_still_being_worked(fx: &Fixture) {
    let all = fx.enqueue_all(jobs(4)).await;
    let server = fx.server().await;
    let claimed = server.claim(4).await;
    server.succeed(&claimed[1]).await;
    server.succeed(&claimed[2]).await;
    assert_eq!(fx.delete(all[1]).await, Deleted::Removed);
    assert_eq!(server.finish(&claimed[1], succeeded()).await, Finished::Lost);
    server.succeed(&claimed[0]).await;
    assert_eq!(fx.delete(all[2]).await, Deleted::Removed);
    assert_eq!(server.retire().await, 1, "only the job that is still there goes back");
    assert_eq!(ids(&fx.server().await.claim(9).await), [all[3]]);
    assert!(fx.find(all[1]).await.is_none() && fx.find(all[2]).await.is_none());
}

async fn deletes_nothing_that_does_not_exist(fx: &Fixture) {
    let unused = fx.allocate(1).await[0];
    assert_eq!(fx.delete(unused).await, Deleted::NotFound);
}

async fn paused_at(server: &Server) -> Vec<String> {
    match server.beat().await {
        Beat::Live { paused, .. } => paused.iter().map(ToString::to_string).collect(),
        Beat::Lost => panic!("the server must be live"),
    }
}

async fn tells_every_server_which_queues_are_paused(fx: &Fixture) {
    let (one, two) = (fx.server().await, fx.other_server().await);
    assert!(paused_at(&one).await.is_empty());
    fx.pause("mail").await;
    fx.pause("default").await;
    for server in [&one, &two] {
        let mut paused = paused_at(server).await;
        paused.sort_unstable();
        assert_eq!(paused, ["default", "mail"]);
    }
    fx.resume("mail").await;
    assert_eq!(paused_at(&two).await, ["default"]);
}

async fn leaves_what_is_running_alone_when_a_queue_is_paused(fx: &Fixture) {
    let id = fx.enqueue(job()).await;
    let server = fx.server().await;
    let claimed = server.claim_one().await;
    fx.pause("default").await;
    assert!(server.cancels().await.is_empty());
    server.succeed(&claimed).await;
    assert_eq!(fx.state(id).await, S::Succeeded);
}

async fn replaces_the_reason_of_a_pause(fx: &Fixture) {
    fx.enqueue(job().queue("mail")).await;
    for reason in ["provider down", "provider still down"] {
        let actor = Actor::new("ada").because(reason);
        fx.store().pause(queue("mail"), actor.clone()).await.unwrap();
        let queues = fx.store().queues().await.unwrap();
        let mail = queues.iter().find(|one| one.name == queue("mail")).unwrap();
        assert_eq!(mail.paused.as_ref().map(|(by, _)| by), Some(&actor));
    }
    assert!(fx.resume("mail").await);
    let queues = fx.store().queues().await.unwrap();
    assert!(queues.iter().all(|one| one.paused.is_none()), "{queues:?}");
}

async fn tells_whether_a_queue_was_paused(fx: &Fixture) {
    assert!(!fx.resume("mail").await);
    fx.pause("mail").await;
    assert!(!fx.resume("default").await);
    assert!(fx.resume("mail").await);
    assert!(!fx.resume("mail").await);
}

async fn pauses_a_queue_that_has_no_jobs_yet(fx: &Fixture) {
    fx.pause("default").await;
    fx.enqueue(job()).await;
    assert!(fx.server().await.claim(1).await.is_empty());
}

async fn keeps_accepting_jobs_for_a_paused_queue(fx: &Fixture) {
    fx.pause("default").await;
    let now = fx.enqueue(job()).await;
    let later = fx.enqueue(job().after(secs(5))).await;
    fx.advance(secs(5));
    assert_eq!(fx.promote().await.jobs, 1);
    fx.resume("default").await;
    assert_eq!(ids(&fx.server().await.claim(5).await), [now, later]);
}
