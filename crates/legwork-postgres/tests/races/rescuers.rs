//! Servers that are declared dead while they claim and finish, and rescuers that meet.

use legwork_core::storage::{Finished, Storage as _};
use tokio::join;

use crate::arena::{Arena, Server, enqueue, finish, succeeded};

#[tokio::test]
async fn two_rescuers_give_each_job_of_a_dead_server_back_once() {
    let Some((arena, storage)) = Arena::open().await else { return };
    let other = arena.another().await;
    let (dead, live) = (Server::register(&storage).await, Server::register(&other).await);
    enqueue(&storage, 10).await;
    for _ in 0..5 {
        assert_eq!(dead.claim(2).await.len(), 2);
    }
    let stop = arena.hold("SELECT 1 FROM server FOR UPDATE").await;
    let let_go = async {
        arena.until_stopped(2).await;
        stop.let_go().await;
    };
    let (one, two, ()) = join!(dead.rescued_by(&storage), dead.rescued_by(&other), let_go);
    assert_eq!(one.servers.len() + two.servers.len(), 1, "one of them declares it dead");
    assert_eq!(one.enqueued + two.enqueued, 10);
    assert_eq!(live.claim(99).await.len(), 10);
    arena.close([&storage, &other]).await;
}

#[tokio::test]
async fn a_rescue_passes_over_a_batch_of_which_a_run_is_being_finished() {
    let Some((arena, storage)) = Arena::open().await else { return };
    let other = arena.another().await;
    let server = Server::register(&storage).await;
    let ids = enqueue(&storage, 3).await;
    let claimed = server.claim(9).await;
    let stop = arena.stop_outcome(ids[0], 1).await;
    let meanwhile = async {
        arena.until_stopped(1).await;
        let rescued = server.rescued_by(&other).await;
        assert_eq!((rescued.servers.len(), rescued.enqueued), (1, 0));
        stop.let_go().await;
    };
    let (finished, ()) = join!(server.finish(&claimed[0], succeeded()), meanwhile);
    assert_eq!(finished, Finished::Recorded);
    assert_eq!(server.rescued_by(&other).await.enqueued, 2);
    assert_eq!(arena.results(ids[0]).await, [1]);
    assert_eq!(server.finish(&claimed[1], succeeded()).await, Finished::Lost);
    assert_eq!(arena.results(ids[1]).await, [8]);
    arena.close([&storage, &other]).await;
}

#[tokio::test]
async fn a_finish_that_waits_for_the_rescue_of_its_lease_is_lost_and_writes_nothing() {
    let Some((arena, storage)) = Arena::open().await else { return };
    let other = arena.another().await;
    let server = Server::register(&storage).await;
    let ids = enqueue(&storage, 2).await;
    let claimed = server.claim(9).await;
    let stop = arena.stop_outcome(ids[0], 1).await;
    let meanwhile = async {
        arena.until_stopped(1).await;
        let let_go = async {
            arena.until_stopped(2).await;
            stop.let_go().await;
        };
        let verdicts = claimed.iter().map(|job| finish(job, succeeded())).collect();
        join!(server.exchange(verdicts, 0), let_go).0
    };
    let (rescued, exchanged) = join!(server.rescued_by(&other), meanwhile);
    assert_eq!((rescued.servers.len(), rescued.enqueued), (1, 2));
    assert_eq!(exchanged.finished, [Finished::Lost; 2]);
    for id in ids {
        assert_eq!(arena.results(id).await, [8], "only the loss is recorded");
    }
    assert_eq!(arena.number("SELECT count(*) FROM stat WHERE succeeded > 0").await, 0);
    arena.close([&storage, &other]).await;
}

#[tokio::test]
async fn what_a_server_claims_while_it_retires_is_given_back_by_a_rescuer() {
    let Some((arena, storage)) = Arena::open().await else { return };
    let other = arena.another().await;
    let (gone, live) = (Server::register(&storage).await, Server::register(&other).await);
    let ids = enqueue(&storage, 2).await;
    let stop = arena.stop_claims().await;
    let meanwhile = async {
        arena.until_stopped(1).await;
        assert_eq!(storage.retire(gone.incarnation).await.unwrap(), 0);
        stop.let_go().await;
    };
    let (claimed, ()) = join!(gone.claim(9), meanwhile);
    assert_eq!(gone.claim(9).await.len(), 0, "it has gone");
    let rescued = gone.rescued_by(&other).await;
    assert_eq!((rescued.servers.len(), rescued.enqueued), (0, 2));
    assert_eq!(live.claim(9).await.len(), 2);
    for (job, id) in claimed.iter().zip(ids) {
        assert_eq!(gone.finish(job, succeeded()).await, Finished::Lost);
        assert_eq!(arena.results(id).await, [8]);
    }
    arena.close([&storage, &other]).await;
}

#[tokio::test]
async fn a_run_that_a_waiting_claim_begins_has_not_begun_before_the_last_one_ended() {
    let Some((arena, storage)) = Arena::open().await else { return };
    let other = arena.another().await;
    let (dead, live) = (Server::register(&other).await, Server::register(&storage).await);
    enqueue(&storage, 1).await;
    assert_eq!(dead.claim(1).await.len(), 1);
    enqueue(&storage, 1).await;
    let stop = arena.hold("SELECT 1 FROM ready FOR UPDATE").await;
    let meanwhile = async {
        arena.until_stopped(1).await;
        assert_eq!(dead.rescued_by(&other).await.enqueued, 1);
        stop.let_go().await;
    };
    let (claimed, ()) = join!(live.claim(9), meanwhile);
    assert_eq!(claimed.len(), 2);
    let early = "SELECT count(*) FROM lease AS l JOIN outcome AS o ON o.ended_at > l.claimed_at";
    assert_eq!(arena.number(early).await, 0, "the history goes backwards");
    arena.close([&storage, &other]).await;
}
