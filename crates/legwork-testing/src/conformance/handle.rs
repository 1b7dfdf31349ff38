//! Handles: two of them on one place are one storage.
//!
//! What becomes of one when the other is closed is in `close.rs`.

use legwork_core::{Capability, JobState as S};

use super::Fixture;
use super::draft::{job, jobs, succeeded};

cases! { ($) handle __handle_cases:
    is_migrated_again_without_an_effect,
    names_the_same_place_as_the_other,
    shares_its_jobs_with_the_other,
    tells_the_same_capabilities_as_the_other,
}

async fn is_migrated_again_without_an_effect(fx: &Fixture) {
    fx.enqueue_all(jobs(3)).await;
    let (here, there) = tokio::join!(fx.store().migrate(), fx.other_store().migrate());
    here.unwrap();
    there.unwrap();
    assert_eq!(fx.count(S::Enqueued).await, 3);
}

async fn names_the_same_place_as_the_other(fx: &Fixture) {
    assert!(!fx.store().location().is_empty());
    assert_eq!(fx.store().location(), fx.other_store().location());
}

async fn shares_its_jobs_with_the_other(fx: &Fixture) {
    let id = fx.enqueue(job()).await;
    fx.other_server().await.work_one(succeeded()).await;
    assert_eq!(fx.state(id).await, S::Succeeded);
    let again = fx.other_store().results(vec![id]).await.unwrap();
    assert_eq!(again, fx.store().results(vec![id]).await.unwrap());
}

async fn tells_the_same_capabilities_as_the_other(fx: &Fixture) {
    assert_eq!(fx.store().capabilities(), fx.other_store().capabilities());
    let machines = fx.has(Capability::SeveralMachines);
    assert!(!machines || fx.has(Capability::SeveralProcesses), "several machines are processes");
}
