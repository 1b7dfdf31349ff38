//! Heartbeats: what a server learns each time it says that it lives.
//!
//! Who is declared dead without them is in `rescue.rs`; the requests to cancel are in `cancel.rs`.

use std::collections::BTreeMap;

use legwork_core::LeaseId;
use legwork_core::storage::{Beat, Claim};

use super::Fixture;
use super::draft::{Draft as _, job, jobs, queue, released, secs};
use super::server::{Server, finish, wish};

cases! { ($) heartbeat __heartbeat_cases:
    tells_each_lease_with_the_number_of_its_jobs,
    forgets_a_lease_when_its_last_job_has_ended,
    tells_a_server_nothing_of_the_leases_of_others,
    tells_of_every_run_that_is_to_be_cancelled,
    shows_when_the_server_last_beat,
    tells_hundreds_of_leases_at_once,
}

async fn leases(server: &Server) -> BTreeMap<LeaseId, u32> {
    match server.beat().await {
        Beat::Live { leases, .. } => leases,
        Beat::Lost => panic!("the server must be live"),
    }
}

async fn tells_each_lease_with_the_number_of_its_jobs(fx: &Fixture) {
    fx.enqueue_all(jobs(5)).await;
    let server = fx.other_server().await;
    assert!(leases(&server).await.is_empty());
    let (three, two) = (server.claim(3).await, server.claim(2).await);
    let held = [(three[0].lease, 3), (two[0].lease, 2)];
    assert_eq!(leases(&server).await, BTreeMap::from(held));
    server.succeed(&three[2]).await;
    let held = [(three[0].lease, 2), (two[0].lease, 2)];
    assert_eq!(leases(&server).await, BTreeMap::from(held));
}

async fn forgets_a_lease_when_its_last_job_has_ended(fx: &Fixture) {
    fx.enqueue_all(jobs(2)).await;
    let server = fx.server().await;
    let claimed = server.claim(2).await;
    server.succeed(&claimed[0]).await;
    server.end(&claimed[1], released(false)).await;
    assert!(leases(&server).await.is_empty());
}

async fn tells_a_server_nothing_of_the_leases_of_others(fx: &Fixture) {
    fx.enqueue_all(jobs(2)).await;
    let (one, two) = (fx.server().await, fx.other_server().await);
    let (mine, theirs) = (one.claim_one().await, two.claim_one().await);
    assert_eq!(leases(&one).await, BTreeMap::from([(mine.lease, 1)]));
    assert_eq!(leases(&two).await, BTreeMap::from([(theirs.lease, 1)]));
}

async fn tells_of_every_run_that_is_to_be_cancelled(fx: &Fixture) {
    let all = fx.enqueue_all(vec![job(), job(), job().queue("mail"), job()]).await;
    let server = fx.server().await;
    server.claim(2).await;
    server.claim_as(Claim { queues: vec![queue("mail")], ..wish(1) }).await;
    for id in &all[1..] {
        fx.cancel(*id).await;
    }
    for _ in 0..2 {
        let mut wanted: Vec<_> = server.cancels().await.iter().map(|cancel| cancel.id).collect();
        wanted.sort_unstable();
        assert_eq!(wanted, all[1..3], "every beat tells it until the run has ended");
    }
}

async fn shows_when_the_server_last_beat(fx: &Fixture) {
    let server = fx.server().await;
    for _ in 0..3 {
        fx.advance(secs(10));
        server.beat().await;
        assert_eq!(fx.store().servers().await.unwrap()[0].beat_at, fx.now());
    }
}

async fn tells_hundreds_of_leases_at_once(fx: &Fixture) {
    fx.enqueue_all(jobs(1_000)).await;
    let server = fx.server().await;
    let mut claimed = Vec::new();
    for _ in 0..250 {
        claimed.extend(server.claim(4).await);
    }
    let held = leases(&server).await;
    assert_eq!((held.len(), held.values().sum::<u32>()), (250, 1_000));
    let batch = claimed.iter().map(|job| finish(job, released(true))).collect();
    server.exchange(batch, None).await;
    assert!(leases(&server).await.is_empty());
}
