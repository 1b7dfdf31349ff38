//! Recurring jobs: declared by id, updated by generation, triggered and removed.
//!
//! The cases choose the instants themselves; no storage reads a cron expression. Their occurrences
//! are in `occurrence.rs`.

use legwork_core::inspect::RecurringView;
use legwork_core::storage::{
    Fired, Firing, Misfire, NewJob, Overlap, RecurringJob, RecurringSpec, Triggered, Upserted,
};
use legwork_core::{ErrorKind, JobState as S, RecurringId, Timestamp};

use super::Fixture;
use super::draft::{Draft as _, job, secs, succeeded};
use super::server::ids;

cases! { ($) recurring __recurring_cases:
    are_added_by_their_id,
    come_back_as_they_were_declared,
    are_unchanged_when_declared_again,
    are_updated_when_declared_otherwise,
    keep_their_marks_when_only_the_job_changes,
    start_over_from_now_when_the_schedule_changes,
    are_never_overwritten_by_an_older_generation,
    are_overwritten_by_a_newer_generation,
    are_refused_when_their_job_is_invalid,
    are_triggered_whatever_their_schedule_says,
    keep_their_schedule_when_triggered,
    are_gone_when_removed,
    leave_their_jobs_when_removed,
    show_the_state_of_their_latest_job,
    are_listed_by_id,
}

pub(super) fn recurring_id(text: &str) -> RecurringId {
    RecurringId::new(text).unwrap()
}

pub(super) fn spec(text: &str) -> RecurringSpec {
    RecurringSpec {
        id: recurring_id(text),
        cron: "0 3 * * *".to_owned(),
        time_zone: "Europe/Istanbul".to_owned(),
        job: job(),
        misfire: Misfire::RunOnce,
        overlap: Overlap::Allow,
        generation: 1,
    }
}

/// Declares a recurring job and returns it as it is stored.
pub(super) async fn declare(fx: &Fixture, spec: RecurringSpec) -> RecurringJob {
    let id = spec.id.clone();
    fx.store().upsert_recurring(spec).await.unwrap();
    stored(fx, id.as_str()).await
}

async fn upsert(fx: &Fixture, spec: RecurringSpec) -> Upserted {
    fx.store().upsert_recurring(spec).await.unwrap()
}

pub(super) async fn views(fx: &Fixture) -> Vec<RecurringView> {
    fx.store().recurring().await.unwrap()
}

pub(super) async fn stored(fx: &Fixture, text: &str) -> RecurringJob {
    let found = views(fx).await.into_iter().find(|view| view.job.spec.id == recurring_id(text));
    found.expect("it must be stored").job
}

/// Makes the firing of `occurrences` as a scheduler that saw `seen` does.
pub(super) fn firing(
    seen: &RecurringJob,
    occurrences: &[Timestamp],
    next_at: Option<Timestamp>,
) -> Firing {
    Firing {
        id: seen.spec.id.clone(),
        revision: seen.revision,
        occurrences: occurrences.to_vec(),
        last_at: occurrences.last().copied(),
        next_at,
    }
}

pub(super) async fn fire(fx: &Fixture, firing: Firing) -> Fired {
    fx.store().fire_recurring(firing).await.unwrap()
}

async fn are_added_by_their_id(fx: &Fixture) {
    assert_eq!(upsert(fx, spec("nightly")).await, Upserted::Added);
    assert_eq!(upsert(fx, spec("weekly")).await, Upserted::Added);
    assert_eq!(fx.counts().await.recurring.n, 2);
}

async fn come_back_as_they_were_declared(fx: &Fixture) {
    let mut declared = spec("nightly");
    declared.job = job().queue("mail").priority(3).args("{\"a\":\"\\u0000\"}");
    declared.job.options.max_attempts = Some(2);
    declared.misfire = Misfire::CatchUp(5);
    declared.generation = u32::MAX;
    let kept = declare(fx, declared.clone()).await;
    assert_eq!(kept.spec, declared);
    assert_eq!((kept.since, kept.last_at, kept.next_at), (fx.now(), None, None));
    assert_eq!(kept.last_job, None);
}

async fn are_unchanged_when_declared_again(fx: &Fixture) {
    let before = declare(fx, spec("nightly")).await;
    fx.advance(secs(60));
    assert_eq!(upsert(fx, spec("nightly")).await, Upserted::Unchanged);
    assert_eq!(stored(fx, "nightly").await, before);
}

async fn are_updated_when_declared_otherwise(fx: &Fixture) {
    let before = declare(fx, spec("nightly")).await;
    let changed = RecurringSpec { job: job().queue("mail"), ..spec("nightly") };
    assert_eq!(upsert(fx, changed.clone()).await, Upserted::Updated);
    let after = stored(fx, "nightly").await;
    assert_eq!(after.spec, changed);
    assert_ne!(after.revision, before.revision, "an update must stop a firing in flight");
    assert_eq!(fx.counts().await.recurring.n, 1);
}

async fn keep_their_marks_when_only_the_job_changes(fx: &Fixture) {
    let seen = declare(fx, spec("nightly")).await;
    let next_at = fx.now().after(secs(60));
    fire(fx, firing(&seen, &[fx.now()], Some(next_at))).await;
    let before = stored(fx, "nightly").await;
    fx.advance(secs(1));
    let after = declare(fx, RecurringSpec { job: job().queue("mail"), ..spec("nightly") }).await;
    assert_eq!((after.since, after.last_at), (before.since, before.last_at));
    assert_eq!((after.last_job, after.next_at), (before.last_job, Some(next_at)));
}

async fn start_over_from_now_when_the_schedule_changes(fx: &Fixture) {
    for (n, changed) in [
        RecurringSpec { cron: "0 4 * * *".to_owned(), ..spec("n0") },
        RecurringSpec { time_zone: "UTC".to_owned(), ..spec("n1") },
    ]
    .into_iter()
    .enumerate()
    {
        let seen = declare(fx, spec(&format!("n{n}"))).await;
        let at = fx.now();
        fire(fx, firing(&seen, &[at], Some(at.after(secs(60))))).await;
        fx.advance(secs(5));
        let after = declare(fx, changed).await;
        assert_eq!((after.since, after.next_at), (fx.now(), None));
        assert_eq!(after.last_at, Some(at), "its history is kept");
    }
}

async fn are_never_overwritten_by_an_older_generation(fx: &Fixture) {
    let newer = RecurringSpec { generation: 7, ..spec("nightly") };
    let before = declare(fx, newer).await;
    let older = RecurringSpec { generation: 6, cron: "* * * * *".to_owned(), ..spec("nightly") };
    assert_eq!(upsert(fx, older).await, Upserted::Older);
    assert_eq!(stored(fx, "nightly").await, before);
}

async fn are_overwritten_by_a_newer_generation(fx: &Fixture) {
    declare(fx, spec("nightly")).await;
    let newer = RecurringSpec { generation: 2, ..spec("nightly") };
    assert_eq!(upsert(fx, newer).await, Upserted::Updated);
    assert_eq!(upsert(fx, spec("nightly")).await, Upserted::Older);
    assert_eq!(stored(fx, "nightly").await.spec.generation, 2);
}

async fn are_refused_when_their_job_is_invalid(fx: &Fixture) {
    let id = fx.allocate(1).await[0];
    let bad: [NewJob; 3] =
        [job().args("nonsense"), job().options(|o| o.max_attempts = Some(0)), job().id(id)];
    for job in bad {
        let refused = fx.store().upsert_recurring(RecurringSpec { job, ..spec("nightly") }).await;
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::Invalid);
    }
    assert_eq!(fx.counts().await.recurring.n, 0);
}

async fn trigger(fx: &Fixture, text: &str) -> Triggered {
    let actor = super::fixture::operator();
    fx.store().trigger_recurring(recurring_id(text), actor).await.unwrap()
}

async fn are_triggered_whatever_their_schedule_says(fx: &Fixture) {
    declare(fx, RecurringSpec { job: job().args("[4]"), ..spec("nightly") }).await;
    let Triggered::Enqueued(id) = trigger(fx, "nightly").await else {
        panic!("it is there");
    };
    let claimed = fx.server().await.claim_one().await;
    assert_eq!((claimed.id, &*claimed.args), (id, &b"[4]"[..]));
    assert_eq!(stored(fx, "nightly").await.last_job, Some(id));
    assert_eq!(trigger(fx, "weekly").await, Triggered::NotFound);
}

async fn keep_their_schedule_when_triggered(fx: &Fixture) {
    let seen = declare(fx, spec("nightly")).await;
    let next_at = fx.now().after(secs(60));
    fire(fx, firing(&seen, &[fx.now()], Some(next_at))).await;
    let before = stored(fx, "nightly").await;
    fx.advance(secs(5));
    trigger(fx, "nightly").await;
    trigger(fx, "nightly").await;
    let after = stored(fx, "nightly").await;
    assert_eq!((after.last_at, after.next_at), (before.last_at, before.next_at));
    assert_eq!(ids(&fx.server().await.claim(5).await).len(), 3);
}

async fn are_gone_when_removed(fx: &Fixture) {
    let seen = declare(fx, spec("nightly")).await;
    assert!(fx.store().remove_recurring(recurring_id("nightly")).await.unwrap());
    assert!(!fx.store().remove_recurring(recurring_id("nightly")).await.unwrap());
    assert!(views(fx).await.is_empty());
    assert!(fx.store().due_recurring(10).await.unwrap().jobs.is_empty());
    assert_eq!(fire(fx, firing(&seen, &[fx.now()], None)).await, Fired::Stale);
    assert_eq!(fx.count(S::Enqueued).await, 0);
}

async fn leave_their_jobs_when_removed(fx: &Fixture) {
    let seen = declare(fx, spec("nightly")).await;
    fire(fx, firing(&seen, &[fx.now()], None)).await;
    fx.store().remove_recurring(recurring_id("nightly")).await.unwrap();
    fx.server().await.work_one(succeeded()).await;
    assert_eq!(fx.count(S::Succeeded).await, 1);
    assert_eq!(upsert(fx, spec("nightly")).await, Upserted::Added);
}

async fn show_the_state_of_their_latest_job(fx: &Fixture) {
    let seen = declare(fx, spec("nightly")).await;
    assert_eq!(views(fx).await[0].last_state, None);
    fire(fx, firing(&seen, &[fx.now()], None)).await;
    assert_eq!(views(fx).await[0].last_state, Some(S::Enqueued));
    fx.server().await.work_one(succeeded()).await;
    assert_eq!(views(fx).await[0].last_state, Some(S::Succeeded));
    fx.prune_all().await;
    assert_eq!(views(fx).await[0].last_state, None);
}

async fn are_listed_by_id(fx: &Fixture) {
    for name in ["m", "B", "z", "a"] {
        declare(fx, spec(name)).await;
    }
    let listed = views(fx).await;
    let names: Vec<_> = listed.iter().map(|view| view.job.spec.id.as_str()).collect();
    assert_eq!(names, ["B", "a", "m", "z"]);
}
