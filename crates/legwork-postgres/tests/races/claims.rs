//! Claims that meet claims, and tickets that are committed out of order.

use std::collections::HashSet;
use std::time::Duration;

use legwork_core::storage::{Claim, ClaimedJob, Enqueued, Exchange, NewJob, Storage as _};
use legwork_core::{JobId, QueueName};
use legwork_postgres::PostgresStorage;
use tokio::join;
use tokio::time::Instant;

use crate::arena::{Arena, Server, actor, enqueue, job, kind};

/// Stores jobs in tickets of one to ninety, 1,000 in all.
async fn enqueue_tickets(storage: &PostgresStorage) {
    let mut left = 1_000;
    for n in [1, 7, 90, 2, 33].into_iter().cycle() {
        let n = std::cmp::min(n, left);
        enqueue(storage, n).await;
        left -= n;
        if left == 0 {
            return;
        }
    }
}

/// Claims until nothing is left.
async fn claim_all(server: &Server<'_>, sizes: [usize; 3]) -> Vec<JobId> {
    let mut ids = Vec::new();
    for max in sizes.into_iter().cycle() {
        let claimed: Vec<JobId> = server.claim(max).await.iter().map(|job| job.id).collect();
        if claimed.is_empty() {
            return ids;
        }
        assert!(claimed.is_sorted(), "a claim gets them in order");
        ids.extend(claimed);
    }
    ids
}

#[tokio::test]
async fn four_processes_claim_a_thousand_jobs_each_once_and_in_order() {
    let Some((arena, one)) = Arena::open().await else { return };
    let (two, three, four) = (arena.another().await, arena.another().await, arena.another().await);
    enqueue_tickets(&one).await;
    let a = Server::register(&one).await;
    let b = Server::register(&two).await;
    let c = Server::register(&three).await;
    let d = Server::register(&four).await;
    let (a, b, c, d) = join!(
        claim_all(&a, [1, 50, 3]),
        claim_all(&b, [4, 4, 4]),
        claim_all(&c, [100, 7, 20]),
        claim_all(&d, [11, 2, 64]),
    );
    let mut seen = HashSet::new();
    for ids in [&a, &b, &c, &d] {
        assert!(ids.iter().all(|id| seen.insert(*id)), "each job goes to one process");
    }
    assert_eq!(seen.len(), 1_000, "a claim comes back empty only when nothing is left");
    arena.close([&one, &two, &three, &four]).await;
}

#[tokio::test]
async fn a_claim_that_finds_all_tickets_taken_waits_for_what_is_left_of_them() {
    let Some((arena, storage)) = Arena::open().await else { return };
    let other = arena.another().await;
    let (one, two) = (Server::register(&storage).await, Server::register(&other).await);
    enqueue(&storage, 10).await;
    let stop = arena.stop_claims().await;
    let meanwhile = async {
        arena.until_stopped(1).await;
        let let_go = async {
            arena.until_stopped(2).await;
            stop.let_go().await;
        };
        join!(two.claim(4), let_go).0
    };
    let (first, second) = join!(one.claim(4), meanwhile);
    assert_eq!((first.len(), second.len()), (4, 4));
    arena.close([&storage, &other]).await;
}

#[tokio::test]
async fn a_claim_that_had_to_wait_goes_on_with_the_next_tickets() {
    let Some((arena, storage)) = Arena::open().await else { return };
    let server = Server::register(&storage).await;
    // Large tickets make it look at few.
    for _ in 0..30 {
        enqueue(&storage, 100).await;
        assert_eq!(server.claim(100).await.len(), 100);
    }
    for _ in 0..40 {
        enqueue(&storage, 1).await;
    }
    let stop = arena.hold("SELECT 1 FROM ready FOR UPDATE").await;
    let let_go = async {
        arena.until_stopped(1).await;
        stop.let_go().await;
    };
    let (claimed, ()) = join!(server.claim(40), let_go);
    assert_eq!(claimed.len(), 40);
    arena.close([&storage]).await;
}

#[tokio::test]
async fn pauses_and_the_bound_on_suspects_hold_for_claims_that_meet() {
    let Some((arena, storage)) = Arena::open().await else { return };
    let other = arena.another().await;
    enqueue(&storage, 4).await;
    // Two servers die with them.
    for _ in 0..2 {
        let dead = Server::register(&storage).await;
        assert_eq!(dead.exchange(vec![], 9).await.claimed.len(), 4);
        assert_eq!(dead.rescued_by(&other).await.enqueued, 4);
    }
    enqueue(&storage, 20).await;
    let (one, two) = (Server::register(&storage).await, Server::register(&other).await);
    storage.pause(QueueName::default(), actor()).await.unwrap();
    let (a, b) = join!(one.claim(9), two.claim(9));
    assert_eq!((a.len(), b.len()), (0, 0), "the queue is paused");
    storage.resume(QueueName::default(), actor()).await.unwrap();
    let (a, b) = join!(one.claim(99), two.claim(99));
    let n_suspects = |jobs: &[ClaimedJob]| jobs.iter().filter(|job| job.is_suspect()).count();
    assert!(n_suspects(&a) <= 1 && n_suspects(&b) <= 1, "{a:?} {b:?}");
    let n_sound = a.len() + b.len() - n_suspects(&a) - n_suspects(&b);
    assert_eq!(n_sound, 20);
    arena.close([&storage, &other]).await;
}

/// Makes the storage move its floors: claims jobs that are enqueued meanwhile, for so long.
async fn work_for(storage: &PostgresStorage, server: &Server<'_>, length: Duration) {
    let end = Instant::now() + length;
    while Instant::now() < end {
        enqueue(storage, 1).await;
        assert_eq!(server.claim(1).await.len(), 1, "it was enqueued before");
    }
}

#[tokio::test]
async fn a_ticket_that_is_committed_late_is_claimed_within_about_a_second() {
    let Some((arena, storage)) = Arena::open().await else { return };
    let server = Server::register(&storage).await;
    enqueue(&storage, 1).await;
    assert_eq!(server.claim(1).await.len(), 1);
    let late = arena.hold("SELECT enqueue('race', '{\"late\": true}')").await;
    work_for(&storage, &server, Duration::from_secs(3)).await;
    late.commit().await;
    let committed_at = Instant::now();
    loop {
        enqueue(&storage, 1).await;
        let claimed = server.claim(1).await;
        if claimed[0].args != b"{}" {
            break;
        }
        let waited = committed_at.elapsed();
        assert!(waited < Duration::from_secs(3), "it is overlooked for {waited:?}");
    }
    arena.close([&storage]).await;
}

#[tokio::test]
async fn a_higher_priority_that_appears_later_is_claimed_first() {
    let Some((arena, storage)) = Arena::open().await else { return };
    let server = Server::register(&storage).await;
    work_for(&storage, &server, Duration::from_millis(700)).await;
    let jobs = [0, 5, -5].map(|priority| NewJob { priority, ..job() });
    let ids: Vec<JobId> =
        storage.enqueue(jobs.to_vec()).await.unwrap().iter().map(Enqueued::id).collect();
    let mut claimed = Vec::new();
    for _ in 0..3 {
        claimed.push(server.claim(1).await[0].id);
    }
    assert_eq!(claimed, [ids[2], ids[0], ids[1]]);
    arena.close([&storage]).await;
}

#[tokio::test]
async fn a_server_that_shares_its_handle_with_a_busy_one_finds_what_is_committed_late() {
    let Some((arena, storage)) = Arena::open().await else { return };
    let (server, busy) = (Server::register(&storage).await, Server::register(&storage).await);
    enqueue(&storage, 1).await;
    assert_eq!(server.claim(1).await.len(), 1);
    let late = arena.hold("SELECT enqueue('race', '{\"late\": true}')").await;
    work_for(&storage, &server, Duration::from_millis(700)).await;
    late.commit().await;
    let committed_at = Instant::now();
    let other_queue = Claim {
        queues: vec![QueueName::new("other").unwrap()],
        kinds: [kind()].into(),
        max: 1,
        suspects_max: 0,
    };
    storage.enqueue(vec![NewJob { queue: other_queue.queues[0].clone(), ..job() }]).await.unwrap();
    while server.claim(1).await.is_empty() {
        let waited = committed_at.elapsed();
        assert!(waited < Duration::from_secs(3), "it is overlooked for {waited:?}");
        // The busy one comes ten times as often.
        for _ in 0..10 {
            let claim = Some(other_queue.clone());
            let exchange = Exchange { server: busy.incarnation, finish: vec![], claim };
            storage.exchange(exchange).await.unwrap();
        }
    }
    arena.close([&storage]).await;
}
