//! Continuations that are stored while their parents end, and parents that go meanwhile.

use legwork_core::storage::{Deleted, Finished, Retention, Storage as _};
use legwork_core::{ErrorKind, JobId};
use legwork_postgres::PostgresStorage;
use tokio::join;

use crate::arena::{Arena, Server, actor, child_of, enqueue, failed, finish, succeeded};

/// Stores a continuation of a job in a transaction of a plain session, as a driver does.
fn store_child(parent: JobId) -> String {
    format!(
        "SELECT * FROM enqueue_all((SELECT id FROM installation),
            '[{{\"kind\": \"race\", \"queue\": \"default\", \"args\": \"{{}}\", \"parents\":
            [{{\"id\": {parent}, \"on\": \"success\"}}]}}]')"
    )
}

async fn promote(storage: &PostgresStorage) {
    storage.promote(100).await.unwrap();
}

#[tokio::test]
async fn a_child_whose_transaction_began_before_its_parent_ended_starts_once() {
    let Some((arena, storage)) = Arena::open().await else { return };
    let server = Server::register(&storage).await;
    let parent = enqueue(&storage, 1).await[0];
    let claimed = server.claim(1).await;
    let child = arena.hold(&store_child(parent)).await;
    assert_eq!(server.finish(&claimed[0], succeeded()).await, Finished::Recorded);
    promote(&storage).await;
    child.commit().await;
    assert_eq!(server.claim(9).await.len(), 0, "nobody has seen that its parent has ended");
    promote(&storage).await;
    let started = server.claim(9).await;
    assert_eq!(started.len(), 1);
    promote(&storage).await;
    assert_eq!(server.claim(9).await.len(), 0, "it starts once");
    assert_eq!(server.finish(&started[0], succeeded()).await, Finished::Recorded);
    assert_eq!(arena.number("SELECT count(*) FROM waiting").await, 0);
    arena.close([&storage]).await;
}

#[tokio::test]
async fn a_child_that_is_stored_while_the_end_of_its_parent_is_not_committed_starts_once() {
    let Some((arena, storage)) = Arena::open().await else { return };
    let other = arena.another().await;
    let server = Server::register(&storage).await;
    let parent = enqueue(&storage, 1).await[0];
    let claimed = server.claim(1).await;
    enqueue(&storage, 1).await;
    // The end is written and its children were looked for, but the claim behind it stands.
    let stop = arena.stop_claims().await;
    let meanwhile = async {
        arena.until_stopped(1).await;
        other.enqueue(vec![child_of(&[parent])]).await.unwrap();
        for _ in 0..3 {
            promote(&other).await;
        }
        let unsettled = "SELECT count(*) FROM waiting WHERE unsettled IS NOT NULL";
        assert_eq!(arena.number(unsettled).await, 1, "the parent may still end unseen");
        stop.let_go().await;
    };
    let (exchanged, ()) =
        join!(server.exchange(vec![finish(&claimed[0], succeeded())], 1), meanwhile);
    assert_eq!(exchanged.finished, [Finished::Recorded]);
    assert_eq!(exchanged.claimed.len(), 1);
    assert_eq!(arena.number("SELECT count(*) FROM waiting").await, 1, "it was missed");
    promote(&other).await;
    assert_eq!(server.claim(9).await.len(), 1);
    promote(&other).await;
    assert_eq!(server.claim(9).await.len(), 0, "it starts once");
    arena.close([&storage, &other]).await;
}

#[tokio::test]
async fn a_child_is_settled_only_when_every_older_transaction_is_over() {
    let Some((arena, storage)) = Arena::open().await else { return };
    let server = Server::register(&storage).await;
    let parent = enqueue(&storage, 1).await[0];
    let claimed = server.claim(1).await;
    let foreign = arena.hold("SELECT pg_current_xact_id()").await;
    storage.enqueue(vec![child_of(&[parent])]).await.unwrap();
    for _ in 0..3 {
        promote(&storage).await;
    }
    let unsettled = "SELECT count(*) FROM waiting WHERE unsettled IS NOT NULL";
    assert_eq!(arena.number(unsettled).await, 1, "a transaction that is older goes on");
    foreign.commit().await;
    settle(&arena, &storage, unsettled).await;
    // Settled or not, it starts with the end of its parent.
    assert_eq!(server.finish(&claimed[0], succeeded()).await, Finished::Recorded);
    assert_eq!(server.claim(9).await.len(), 1);
    arena.close([&storage]).await;
}

/// Promotes until nothing is unsettled; other tests have transactions too.
async fn settle(arena: &Arena, storage: &PostgresStorage, unsettled: &str) {
    for _ in 0..2_000 {
        promote(storage).await;
        if arena.number(unsettled).await == 0 {
            return;
        }
    }
    panic!("it is still unsettled");
}

#[tokio::test]
async fn a_child_starts_although_a_foreign_transaction_goes_on() {
    let Some((arena, storage)) = Arena::open().await else { return };
    let server = Server::register(&storage).await;
    let parent = enqueue(&storage, 1).await[0];
    let claimed = server.claim(1).await;
    let foreign = arena.hold("SELECT pg_current_xact_id()").await;
    let child = arena.hold(&store_child(parent)).await;
    assert_eq!(server.finish(&claimed[0], succeeded()).await, Finished::Recorded);
    child.commit().await;
    promote(&storage).await;
    assert_eq!(server.claim(9).await.len(), 1);
    foreign.commit().await;
    arena.close([&storage]).await;
}

#[tokio::test]
async fn a_parent_is_not_deleted_while_its_child_is_being_stored() {
    let Some((arena, storage)) = Arena::open().await else { return };
    let server = Server::register(&storage).await;
    let parent = enqueue(&storage, 1).await[0];
    let child = arena.hold(&store_child(parent)).await;
    let commit = async {
        arena.until_stopped(1).await;
        child.commit().await;
    };
    let (deleted, ()) = join!(storage.delete(parent, actor()), commit);
    assert_eq!(deleted.unwrap(), Deleted::Refused(legwork_core::JobState::Enqueued));
    let claimed = server.claim(9).await;
    assert_eq!(server.finish(&claimed[0], succeeded()).await, Finished::Recorded);
    assert_eq!(server.claim(9).await.len(), 1, "the child starts");
    arena.close([&storage]).await;
}

#[tokio::test]
async fn a_child_of_a_job_that_is_being_deleted_is_refused() {
    let Some((arena, storage)) = Arena::open().await else { return };
    let other = arena.another().await;
    let parent = enqueue(&storage, 1).await[0];
    // The delete has the parent, and waits for its ticket.
    let stop = arena.hold("SELECT 1 FROM ready FOR UPDATE").await;
    let meanwhile = async {
        arena.until_stopped(1).await;
        let let_go = async {
            arena.until_stopped(2).await;
            stop.let_go().await;
        };
        join!(other.enqueue(vec![child_of(&[parent])]), let_go).0
    };
    let (deleted, enqueued) = join!(storage.delete(parent, actor()), meanwhile);
    assert_eq!(deleted.unwrap(), Deleted::Removed);
    assert_eq!(enqueued.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(arena.number("SELECT count(*) FROM job").await, 0);
    arena.close([&storage, &other]).await;
}

const AT_ONCE: Retention = Retention {
    succeeded: std::time::Duration::ZERO,
    failed: std::time::Duration::ZERO,
    cancelled: std::time::Duration::ZERO,
};

#[tokio::test]
async fn a_parent_is_not_pruned_while_its_child_is_being_stored() {
    let Some((arena, storage)) = Arena::open().await else { return };
    let other = arena.another().await;
    let server = Server::register(&storage).await;
    let parent = enqueue(&storage, 1).await[0];
    let claimed = server.claim(1).await;
    assert_eq!(server.finish(&claimed[0], succeeded()).await, Finished::Recorded);
    let id = storage.allocate_ids(1).await.unwrap().first;
    let columns = "job (id, created_at, queue, kind, priority, first_state, args)";
    let stop =
        arena.hold(&format!("INSERT INTO {columns} VALUES ({id}, now(), 1, 1, 0, 0, '')")).await;
    let meanwhile = async {
        arena.until_stopped(1).await;
        let pruned = other.prune(AT_ONCE, 10).await.unwrap();
        assert_eq!((pruned.jobs, pruned.more), (0, false), "it is left to a later call");
        stop.let_go().await;
    };
    let mut child = child_of(&[parent]);
    child.id = Some(id);
    let (enqueued, ()) = join!(storage.enqueue(vec![child]), meanwhile);
    assert!(enqueued.unwrap()[0].is_new());
    assert_eq!(server.claim(9).await.len(), 1, "its parent had succeeded");
    assert_eq!(other.prune(AT_ONCE, 10).await.unwrap().jobs, 1);
    arena.close([&storage, &other]).await;
}

#[tokio::test]
async fn a_child_of_a_job_that_is_being_pruned_is_refused() {
    let Some((arena, storage)) = Arena::open().await else { return };
    let other = arena.another().await;
    let server = Server::register(&storage).await;
    let parent = enqueue(&storage, 1).await[0];
    let claimed = server.claim(1).await;
    assert_eq!(server.finish(&claimed[0], succeeded()).await, Finished::Recorded);
    let stop = arena.hold("SELECT 1 FROM outcome FOR UPDATE").await;
    let meanwhile = async {
        arena.until_stopped(1).await;
        let let_go = async {
            arena.until_stopped(2).await;
            stop.let_go().await;
        };
        join!(other.enqueue(vec![child_of(&[parent])]), let_go).0
    };
    let (pruned, enqueued) = join!(storage.prune(AT_ONCE, 10), meanwhile);
    assert_eq!(pruned.unwrap().jobs, 1);
    assert_eq!(enqueued.unwrap_err().kind(), ErrorKind::NotFound);
    arena.close([&storage, &other]).await;
}

/// `x` waits for `first` and `z`, `y` for `second` and `x`, `z` for `second`. The end of `first`
/// locks `x` and then `y`, that of `second` locks `y` and then `x`.
#[tokio::test]
async fn two_ends_that_decide_the_same_children_in_opposite_order_both_come_through() {
    let Some((arena, storage)) = Arena::open().await else { return };
    let other = arena.another().await;
    let (one, two) = (Server::register(&storage).await, Server::register(&other).await);
    let parents = enqueue(&storage, 2).await;
    let (first, second) = (one.claim(1).await.remove(0), two.claim(1).await.remove(0));
    assert_eq!([first.id, second.id], *parents);
    let ids: Vec<JobId> = storage.allocate_ids(3).await.unwrap().ids().collect();
    let [x, y, z] = *ids else { panic!("three ids") };
    let mut children =
        [child_of(&[second.id]), child_of(&[first.id, z]), child_of(&[second.id, x])];
    for (child, id) in children.iter_mut().zip([z, x, y]) {
        child.id = Some(id);
    }
    storage.enqueue(children.to_vec()).await.unwrap();
    let (stop_x, stop_y) = (arena.stop_outcome(x, 1).await, arena.stop_outcome(y, 1).await);
    let let_go = async {
        arena.until_stopped(2).await;
        stop_x.let_go().await;
        stop_y.let_go().await;
    };
    let ends = (one.finish(&first, failed()), two.finish(&second, failed()));
    let (ended_one, ended_two, ()) = join!(ends.0, ends.1, let_go);
    assert_eq!([ended_one, ended_two], [Finished::Recorded; 2]);
    for child in ids {
        assert_eq!(arena.results(child).await, [3], "job {child} is cancelled once");
    }
    assert_eq!(one.claim(9).await.len(), 0);
    arena.close([&storage, &other]).await;
}
