//! What an operator does to a job at the moment when a server claims it or ends its run.

use legwork_core::storage::{Beat, Cancelled, Deleted, Finished, Requeued, Storage as _};
use legwork_core::{JobId, JobState as S};
use legwork_postgres::PostgresStorage;
use tokio::join;

use crate::arena::{Arena, Server, actor, enqueue, finish, retry, succeeded};

/// Stops whoever asks a server to cancel a job.
async fn stop_request(arena: &Arena, id: JobId) -> crate::arena::Held {
    arena.hold(&format!("INSERT INTO cancel VALUES (1, {id}, 9, '')")).await
}

async fn cancel(storage: &PostgresStorage, id: JobId) -> Cancelled {
    storage.cancel(id, actor()).await.unwrap()
}

/// Counts what could run again.
async fn n_live(arena: &Arena) -> i64 {
    arena.number("SELECT (SELECT count(*) FROM ready) + (SELECT count(*) FROM due)").await
}

#[tokio::test]
async fn a_cancel_that_meets_the_claim_of_its_job_becomes_a_request() {
    let Some((arena, storage)) = Arena::open().await else { return };
    let other = arena.another().await;
    let server = Server::register(&storage).await;
    let id = enqueue(&storage, 3).await[1];
    let stop = arena.stop_claims().await;
    let meanwhile = async {
        arena.until_stopped(1).await;
        let let_go = async {
            arena.until_stopped(2).await;
            stop.let_go().await;
        };
        join!(cancel(&other, id), let_go).0
    };
    let (claimed, cancelled) = join!(server.claim(9), meanwhile);
    assert_eq!((claimed.len(), cancelled), (3, Cancelled::Requested));
    let Beat::Live { cancels, .. } = storage.heartbeat(server.incarnation).await.unwrap() else {
        panic!("the server is live")
    };
    assert_eq!(cancels.len(), 1);
    assert_eq!(cancels[0].id, id);
    let verdicts = claimed.iter().map(|job| finish(job, retry())).collect();
    assert_eq!(server.exchange(verdicts, 0).await.finished, [Finished::Recorded; 3]);
    assert_eq!(arena.results(id).await, [3]);
    assert_eq!(n_live(&arena).await, 2, "the others are retried");
    arena.close([&storage, &other]).await;
}

#[tokio::test]
async fn a_claim_that_meets_the_cancel_of_a_job_gets_the_others_of_its_ticket() {
    let Some((arena, storage)) = Arena::open().await else { return };
    let other = arena.another().await;
    let server = Server::register(&storage).await;
    let ids = enqueue(&storage, 3).await;
    let stop = arena.stop_outcome(ids[1], 1).await;
    let meanwhile = async {
        arena.until_stopped(1).await;
        let let_go = async {
            arena.until_stopped(2).await;
            stop.let_go().await;
        };
        join!(server.claim(9), let_go).0
    };
    let (cancelled, claimed) = join!(cancel(&other, ids[1]), meanwhile);
    assert_eq!(cancelled, Cancelled::BeforeStart);
    let claimed: Vec<JobId> = claimed.iter().map(|job| job.id).collect();
    assert_eq!(claimed, [ids[0], ids[2]]);
    arena.close([&storage, &other]).await;
}

#[tokio::test]
async fn a_cancel_that_comes_before_the_retry_is_recorded_wins() {
    let Some((arena, storage)) = Arena::open().await else { return };
    let other = arena.another().await;
    let server = Server::register(&storage).await;
    let ids = enqueue(&storage, 2).await;
    let claimed = server.claim(9).await;
    let stop = stop_request(&arena, ids[0]).await;
    let meanwhile = async {
        arena.until_stopped(1).await;
        let let_go = async {
            arena.until_stopped(2).await;
            stop.let_go().await;
        };
        join!(server.finish(&claimed[0], retry()), let_go).0
    };
    let (cancelled, finished) = join!(cancel(&other, ids[0]), meanwhile);
    assert_eq!((cancelled, finished), (Cancelled::Requested, Finished::Recorded));
    assert_eq!(arena.results(ids[0]).await, [3]);
    assert_eq!(n_live(&arena).await, 0, "it never runs again");
    arena.close([&storage, &other]).await;
}

#[tokio::test]
async fn a_cancel_that_comes_while_the_retry_is_recorded_ends_the_job() {
    let Some((arena, storage)) = Arena::open().await else { return };
    let other = arena.another().await;
    let server = Server::register(&storage).await;
    let ids = enqueue(&storage, 2).await;
    let claimed = server.claim(9).await;
    // One finish leaves the lease, the other ends it.
    for (job, id) in claimed.iter().zip(ids) {
        let stop = arena.stop_outcome(id, 1).await;
        let meanwhile = async {
            arena.until_stopped(1).await;
            let let_go = async {
                arena.until_stopped(2).await;
                stop.let_go().await;
            };
            join!(cancel(&other, id), let_go).0
        };
        let (finished, cancelled) = join!(server.finish(job, retry()), meanwhile);
        assert_eq!((finished, cancelled), (Finished::Recorded, Cancelled::BeforeStart));
        assert_eq!(arena.results(id).await, [4, 3]);
    }
    assert_eq!(n_live(&arena).await, 0, "they never run again");
    arena.close([&storage, &other]).await;
}

#[tokio::test]
async fn a_cancel_and_a_success_agree_on_who_came_first() {
    let Some((arena, storage)) = Arena::open().await else { return };
    let other = arena.another().await;
    let server = Server::register(&storage).await;
    let ids = enqueue(&storage, 3).await;
    let claimed = server.claim(9).await;
    let stop = stop_request(&arena, ids[0]).await;
    let meanwhile = async {
        arena.until_stopped(1).await;
        let let_go = async {
            arena.until_stopped(2).await;
            stop.let_go().await;
        };
        join!(server.finish(&claimed[0], succeeded()), let_go).0
    };
    let (cancelled, finished) = join!(cancel(&other, ids[0]), meanwhile);
    assert_eq!((cancelled, finished), (Cancelled::Requested, Finished::Recorded));

    let stop = arena.stop_outcome(ids[1], 1).await;
    let meanwhile = async {
        arena.until_stopped(1).await;
        let let_go = async {
            arena.until_stopped(2).await;
            stop.let_go().await;
        };
        join!(cancel(&other, ids[1]), let_go).0
    };
    let (finished, cancelled) = join!(server.finish(&claimed[1], succeeded()), meanwhile);
    assert_eq!(finished, Finished::Recorded);
    assert_eq!(cancelled, Cancelled::AlreadyFinal(S::Succeeded));
    for id in &ids[..2] {
        assert_eq!(arena.results(*id).await, [1]);
    }
    arena.close([&storage, &other]).await;
}

#[tokio::test]
async fn a_job_that_two_operators_requeue_comes_in_once() {
    let Some((arena, storage)) = Arena::open().await else { return };
    let other = arena.another().await;
    let server = Server::register(&storage).await;
    let id = enqueue(&storage, 1).await[0];
    let claimed = server.claim(1).await;
    assert_eq!(server.finish(&claimed[0], succeeded()).await, Finished::Recorded);
    let stop = arena.hold("SELECT 1 FROM job FOR UPDATE").await;
    let let_go = async {
        arena.until_stopped(2).await;
        stop.let_go().await;
    };
    let (one, two, ()) = join!(storage.requeue(id, actor()), other.requeue(id, actor()), let_go);
    let mut answers = [one.unwrap(), two.unwrap()];
    answers.sort_by_key(|answer| *answer != Requeued::Enqueued);
    assert_eq!(answers, [Requeued::Enqueued, Requeued::Refused(S::Enqueued)]);
    assert_eq!(arena.results(id).await, [-1]);
    assert_eq!(server.claim(9).await.len(), 1);
    arena.close([&storage, &other]).await;
}

#[tokio::test]
async fn a_job_is_not_deleted_before_the_end_of_its_run_is_committed() {
    let Some((arena, storage)) = Arena::open().await else { return };
    let other = arena.another().await;
    let server = Server::register(&storage).await;
    let ids = enqueue(&storage, 2).await;
    let claimed = server.claim(9).await;
    let stop = arena.stop_outcome(ids[0], 1).await;
    let meanwhile = async {
        arena.until_stopped(1).await;
        let deleted = other.delete(ids[0], actor()).await.unwrap();
        assert_eq!(deleted, Deleted::Refused(S::Processing));
        stop.let_go().await;
    };
    let (finished, ()) = join!(server.finish(&claimed[0], succeeded()), meanwhile);
    assert_eq!(finished, Finished::Recorded);
    // The rest of its batch runs on.
    let stop = arena.hold("SELECT 1 FROM lease FOR UPDATE").await;
    let meanwhile = async {
        arena.until_stopped(1).await;
        let let_go = async {
            arena.until_stopped(2).await;
            stop.let_go().await;
        };
        join!(server.finish(&claimed[1], succeeded()), let_go).0
    };
    let (deleted, finished) = join!(other.delete(ids[0], actor()), meanwhile);
    assert_eq!((deleted.unwrap(), finished), (Deleted::Removed, Finished::Recorded));
    assert_eq!(arena.number("SELECT count(*) FROM lease").await, 0);
    arena.close([&storage, &other]).await;
}

#[tokio::test]
async fn a_run_that_is_finished_twice_does_not_come_back_after_its_job_was_deleted() {
    let Some((arena, storage)) = Arena::open().await else { return };
    let other = arena.another().await;
    let server = Server::register(&storage).await;
    let ids = enqueue(&storage, 2).await;
    let claimed = server.claim(9).await;
    assert_eq!(server.finish(&claimed[0], succeeded()).await, Finished::Recorded);
    assert_eq!(other.delete(ids[0], actor()).await.unwrap(), Deleted::Removed);
    assert_eq!(server.finish(&claimed[0], succeeded()).await, Finished::Lost);
    assert_eq!(server.finish(&claimed[1], succeeded()).await, Finished::Recorded);
    arena.close([&storage, &other]).await;
}
