//! Closing: what was accepted is kept, what comes later is refused as closed.

use legwork_core::{ErrorKind, JobState as S};

use super::Fixture;
use super::draft::{job, jobs};

cases! { ($) close __close_cases:
    refuses_every_later_call,
    keeps_what_was_accepted_before,
    leaves_the_other_handle_open,
}

async fn refuses_every_later_call(fx: &Fixture) {
    let server = fx.server().await;
    let id = fx.enqueue(job()).await;
    fx.store().close().await.unwrap();
    let store = fx.store();
    let kinds = [
        store.enqueue(vec![job()]).await.unwrap_err().kind(),
        store.allocate_ids(1).await.unwrap_err().kind(),
        store.heartbeat(server.incarnation()).await.unwrap_err().kind(),
        store.promote(1).await.unwrap_err().kind(),
        store.beats().await.unwrap_err().kind(),
        store.results(vec![id]).await.unwrap_err().kind(),
        store.counts().await.unwrap_err().kind(),
        store.job(id).await.unwrap_err().kind(),
    ];
    assert_eq!(kinds, [ErrorKind::Closed; 8]);
}

async fn keeps_what_was_accepted_before(fx: &Fixture) {
    if !fx.has(legwork_core::Capability::SeveralProcesses) {
        return;
    }
    fx.other_store().counts().await.unwrap();
    fx.enqueue_all(jobs(500)).await;
    fx.store().close().await.unwrap();
    assert_eq!(fx.other_store().counts().await.unwrap().of(S::Enqueued).n, 500);
    assert_eq!(fx.other_server().await.claim(1_000).await.len(), 500);
}

async fn leaves_the_other_handle_open(fx: &Fixture) {
    if !fx.has(legwork_core::Capability::SeveralProcesses) {
        return;
    }
    fx.other_store().close().await.unwrap();
    fx.enqueue(job()).await;
    assert_eq!(fx.count(S::Enqueued).await, 1);
}
