//! A connection that ends in the middle of a commit: what was done is done once, and said so.

use legwork_core::storage::{Enqueued, Finished, Storage as _};
use legwork_core::{JobId, Run};

use crate::fixture::{Fixture, Server, counts, job, n_counted, succeeded};
use crate::proxy::When::{self, BeforeClient, BeforeServer};

/// What the client says when it enqueues [`CUT_JOB`], and nowhere else.
const CUT_ARGS: &str = "77007700";
const CUT_JOB: u32 = 77_007_700;

/// A commit by itself, with the length of its message; hints are told in a text that ends with one.
const COMMIT: &str = "\x0bCOMMIT\0";

#[tokio::test]
async fn an_enqueue_that_is_cut_is_stored_once_and_new() {
    let Some(fx) = Fixture::create().await else { return };
    let mut ids: Vec<JobId> = Vec::new();
    for when in [BeforeServer, BeforeClient] {
        fx.proxy.set_trap(CUT_ARGS, when);
        let answers = fx.storage.enqueue(vec![job(CUT_JOB), job(1)]).await.unwrap();
        assert!(fx.proxy.was_sprung());
        assert!(answers.iter().all(Enqueued::is_new), "{when:?}: {answers:?}");
        ids.extend(answers.iter().map(Enqueued::id));
    }
    assert_eq!(counts(&fx.direct).await, [4, 0, 0]);
    let claimed = Server::register(&fx.direct).await.claim(10).await;
    assert_eq!(claimed.iter().map(|job| job.id).collect::<Vec<_>>(), ids, "each in its turn");
}

#[tokio::test]
async fn an_enqueue_of_several_statements_that_is_cut_is_stored_once_and_new() {
    let Some(fx) = Fixture::create().await else { return };
    for (when, n) in [(BeforeServer, 1), (BeforeClient, 2)] {
        let mut tagged = job(1);
        tagged.options.tags = vec![legwork_core::Tag::new("tag").unwrap()];
        fx.proxy.set_trap(COMMIT, when);
        let answers = fx.storage.enqueue(vec![tagged]).await.unwrap();
        assert!(fx.proxy.was_sprung());
        assert!(answers[0].is_new(), "{when:?}: {answers:?}");
        assert_eq!(counts(&fx.direct).await, [n, 0, 0], "{when:?}");
    }
}

#[tokio::test]
async fn a_finish_whose_answer_is_lost_is_recorded_once() {
    for when in [BeforeServer, BeforeClient] {
        let Some(fx) = Fixture::create().await else { return };
        finish_and_cut(&fx, when).await;
    }
}

async fn finish_and_cut(fx: &Fixture, when: When) {
    let server = Server::register(&fx.storage).await;
    fx.storage.enqueue(vec![job(1), job(2), job(3)]).await.unwrap();
    let claimed = server.claim(3).await;
    let lease = claimed[0].lease;
    assert_eq!(server.beat().await, [(lease.0, 3)], "all are held");
    let finish = vec![succeeded(&claimed[0]), succeeded(&claimed[1])];
    fx.proxy.set_trap(COMMIT, when);
    let exchanged = server.exchange(finish.clone(), 0).await.unwrap();
    assert!(fx.proxy.was_sprung(), "the commit was cut");
    assert_eq!(exchanged.finished, [Finished::Recorded; 2], "{when:?}");
    assert_eq!(counts(&fx.direct).await, [0, 1, 2], "{when:?}");
    assert_eq!(n_counted(&fx.direct).await, 2, "{when:?}");
    assert_eq!(server.beat().await, [(lease.0, 1)], "{when:?}: the third is held");
    // The one that is left ends the lease.
    let exchanged = server.exchange(vec![succeeded(&claimed[2])], 0).await.unwrap();
    assert_eq!(exchanged.finished, [Finished::Recorded], "it is held");
    assert_eq!(server.beat().await, [], "nothing is left of the lease");
    let exchanged = server.exchange(finish, 0).await.unwrap();
    assert_eq!(exchanged.finished, [Finished::Recorded; 2], "as it was");
    assert_eq!(n_counted(&fx.direct).await, 3, "each once");
}

#[tokio::test]
async fn a_claim_whose_answer_is_lost_shows_in_the_beat_and_is_given_back() {
    let Some(fx) = Fixture::create().await else { return };
    let server = Server::register(&fx.storage).await;
    let jobs = (0..20).map(job).collect();
    fx.storage.enqueue(jobs).await.unwrap();
    fx.proxy.set_trap(COMMIT, BeforeClient);
    let claimed = server.claim(4).await;
    assert!(fx.proxy.was_sprung());
    assert_eq!(claimed.len(), 4, "the claim is repeated");
    let stray: Vec<_> =
        server.beat().await.into_iter().filter(|(id, _)| *id != claimed[0].lease.0).collect();
    assert_eq!(stray.len(), 1, "the lease that nobody was told of");
    assert_eq!(stray[0].1, 4);
    let stray = vec![legwork_core::LeaseId(stray[0].0)];
    assert_eq!(fx.storage.release(server.incarnation(), stray).await.unwrap(), 4);
    assert_eq!(counts(&fx.direct).await, [16, 4, 0]);
    let again = server.claim(16).await;
    assert_eq!(again.len(), 16);
    let released = again.iter().filter(|job| job.run == Run(2)).count();
    assert_eq!(released, 4, "under the next run");
    assert!(again.iter().all(|job| job.failures == 0 && job.losses == 0));
}

#[tokio::test]
async fn a_claim_that_the_server_never_saw_leaves_nothing() {
    let Some(fx) = Fixture::create().await else { return };
    let server = Server::register(&fx.storage).await;
    fx.storage.enqueue(vec![job(1), job(2)]).await.unwrap();
    fx.proxy.set_trap(COMMIT, BeforeServer);
    let claimed = server.claim(2).await;
    assert!(fx.proxy.was_sprung());
    assert_eq!(server.beat().await, [(claimed[0].lease.0, 2)]);
}

#[tokio::test]
async fn a_finish_and_a_claim_in_one_commit_whose_answer_is_lost() {
    let Some(fx) = Fixture::create().await else { return };
    let server = Server::register(&fx.storage).await;
    fx.storage.enqueue((0..3).map(job).collect()).await.unwrap();
    let first = server.claim(1).await;
    fx.proxy.set_trap(COMMIT, BeforeClient);
    let exchanged = server.exchange(vec![succeeded(&first[0])], 1).await.unwrap();
    assert!(fx.proxy.was_sprung());
    assert_eq!(exchanged.finished, [Finished::Recorded]);
    assert_eq!(n_counted(&fx.direct).await, 1);
    assert_eq!(exchanged.claimed.len(), 1);
    assert_ne!(exchanged.claimed[0].id, first[0].id);
    assert_eq!(server.beat().await.len(), 2, "what was claimed, and a stray lease");
}

#[tokio::test]
async fn what_may_not_be_done_twice_is_of_unknown_outcome_when_it_is_cut() {
    let Some(fx) = Fixture::create().await else { return };
    let id = fx.storage.enqueue(vec![job(1)]).await.unwrap()[0].id();
    fx.proxy.set_trap(COMMIT, BeforeClient);
    let actor = legwork_core::storage::Actor::new("test");
    let error = fx.storage.cancel(id, actor).await.unwrap_err();
    assert!(fx.proxy.was_sprung());
    assert_eq!(error.kind(), legwork_core::ErrorKind::Unknown);
    assert_eq!(counts(&fx.direct).await, [0, 0, 0]);
}
