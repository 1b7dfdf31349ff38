//! Recurring jobs: declared by id, and each occurrence enqueued once across all servers.
//!
//! The cases choose the instants themselves; no storage reads a cron expression.

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
    are_due_until_their_next_occurrence_is_known,
    are_due_when_their_next_occurrence_has_come,
    are_due_no_more_than_asked_for_and_earliest_first,
    tell_how_long_it_is_until_the_next_of_the_others,
    enqueue_one_job_per_occurrence,
    give_each_occurrence_its_instant,
    enqueue_an_occurrence_once,
    enqueue_an_occurrence_once_even_after_its_job_was_pruned,
    refuse_a_stale_revision,
    are_fired_by_one_of_two_schedulers,
    are_stale_for_a_scheduler_that_missed_an_update,
    may_skip_every_occurrence,
    are_not_due_after_their_schedule_has_ended,
    are_triggered_whatever_their_schedule_says,
    keep_their_schedule_when_triggered,
    are_gone_when_removed,
    leave_their_jobs_when_removed,
    show_the_state_of_their_latest_job,
    are_listed_by_id,
}

fn recurring_id(text: &str) -> RecurringId {
    RecurringId::new(text).unwrap()
}

fn spec(text: &str) -> RecurringSpec {
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
async fn declare(fx: &Fixture, spec: RecurringSpec) -> RecurringJob {
    let id = spec.id.clone();
    fx.store().upsert_recurring(spec).await.unwrap();
    stored(fx, id.as_str()).await
}

async fn upsert(fx: &Fixture, spec: RecurringSpec) -> Upserted {
    fx.store().upsert_recurring(spec).await.unwrap()
}

async fn views(fx: &Fixture) -> Vec<RecurringView> {
    fx.store().recurring().await.unwrap()
}

async fn stored(fx: &Fixture, text: &str) -> RecurringJob {
    let found = views(fx).await.into_iter().find(|view| view.job.spec.id == recurring_id(text));
    found.expect("it must be stored").job
}

/// Makes the firing of `occurrences` as a scheduler that saw `seen` does.
fn firing(seen: &RecurringJob, occurrences: &[Timestamp], next_at: Option<Timestamp>) -> Firing {
    Firing {
        id: seen.spec.id.clone(),
        revision: seen.revision,
        occurrences: occurrences.to_vec(),
        last_at: occurrences.last().copied(),
        next_at,
    }
}

async fn fire(fx: &Fixture, firing: Firing) -> Fired {
    fx.store().fire_recurring(firing).await.unwrap()
}

fn n_enqueued(fired: &Fired) -> usize {
    match fired {
        Fired::Enqueued(jobs) => jobs.len(),
        Fired::Stale => panic!("the firing must not be stale"),
    }
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

async fn are_due_until_their_next_occurrence_is_known(fx: &Fixture) {
    let declared = declare(fx, spec("nightly")).await;
    for _ in 0..2 {
        let due = fx.store().due_recurring(10).await.unwrap();
        assert_eq!((due.jobs, due.now, due.next_in), (vec![declared.clone()], fx.now(), None));
    }
    let next_at = fx.now().after(secs(60));
    assert_eq!(n_enqueued(&fire(fx, firing(&declared, &[], Some(next_at))).await), 0);
    let due = fx.store().due_recurring(10).await.unwrap();
    assert_eq!((due.jobs.len(), due.next_in), (0, Some(secs(60))));
}

async fn are_due_when_their_next_occurrence_has_come(fx: &Fixture) {
    let seen = declare(fx, spec("nightly")).await;
    let next_at = fx.now().after(secs(60));
    fire(fx, firing(&seen, &[], Some(next_at))).await;
    fx.advance(secs(59));
    assert!(fx.store().due_recurring(10).await.unwrap().jobs.is_empty());
    fx.advance(secs(1));
    let due = fx.store().due_recurring(10).await.unwrap();
    assert_eq!((due.jobs[0].next_at, due.now), (Some(next_at), next_at));
}

/// Declares three recurring jobs whose next occurrences are 10 s, 20 s and 30 s from now.
async fn declare_three(fx: &Fixture) {
    for (name, after) in [("c", 30), ("a", 10), ("b", 20)] {
        let seen = declare(fx, spec(name)).await;
        fire(fx, firing(&seen, &[], Some(fx.now().after(secs(after))))).await;
    }
}

async fn are_due_no_more_than_asked_for_and_earliest_first(fx: &Fixture) {
    declare_three(fx).await;
    fx.advance(secs(60));
    let due = fx.store().due_recurring(2).await.unwrap().jobs;
    let names: Vec<_> = due.iter().map(|due| due.spec.id.as_str()).collect();
    assert_eq!(names, ["a", "b"]);
}

async fn tell_how_long_it_is_until_the_next_of_the_others(fx: &Fixture) {
    declare_three(fx).await;
    assert_eq!(fx.store().due_recurring(9).await.unwrap().next_in, Some(secs(10)));
    fx.advance(secs(15));
    let due = fx.store().due_recurring(9).await.unwrap();
    assert_eq!((due.jobs.len(), due.next_in), (1, Some(secs(5))));
}

async fn enqueue_one_job_per_occurrence(fx: &Fixture) {
    let new = job().queue("mail").priority(-2).args("[3]");
    let seen = declare(fx, RecurringSpec { job: new, ..spec("nightly") }).await;
    let at = [fx.now().before(secs(60)), fx.now()];
    let next_at = fx.now().after(secs(60));
    let Fired::Enqueued(jobs) = fire(fx, firing(&seen, &at, Some(next_at))).await else {
        panic!("the revision is the latest");
    };
    assert_eq!(jobs.len(), 2);
    for id in &jobs {
        let detail = fx.detail(*id).await;
        assert_eq!((detail.summary.state, &*detail.args), (S::Enqueued, &b"[3]"[..]));
        assert_eq!((detail.summary.queue.as_str(), detail.summary.priority), ("mail", -2));
    }
    let after = stored(fx, "nightly").await;
    assert_eq!((after.last_at, after.next_at), (Some(at[1]), Some(next_at)));
    assert_eq!(after.last_job, Some(jobs[1]));
}

async fn give_each_occurrence_its_instant(fx: &Fixture) {
    let seen = declare(fx, spec("nightly")).await;
    let at = [fx.now().before(secs(120)), fx.now().before(secs(60))];
    fire(fx, firing(&seen, &at, None)).await;
    let claimed = fx.server().await.claim(5).await;
    let instants: Vec<_> = claimed.iter().map(|job| job.options.occurrence.clone()).collect();
    assert_eq!(instants, at.map(|at| Some((recurring_id("nightly"), at))));
}

async fn enqueue_an_occurrence_once(fx: &Fixture) {
    let seen = declare(fx, spec("nightly")).await;
    let [one, two, three] = [30, 20, 10].map(|n| fx.now().before(secs(n)));
    assert_eq!(n_enqueued(&fire(fx, firing(&seen, &[one, two], Some(three))).await), 2);
    let seen = stored(fx, "nightly").await;
    assert_eq!(n_enqueued(&fire(fx, firing(&seen, &[one, two, three], None)).await), 1);
    assert_eq!(fx.count(S::Enqueued).await, 3);
}

async fn enqueue_an_occurrence_once_even_after_its_job_was_pruned(fx: &Fixture) {
    let seen = declare(fx, spec("nightly")).await;
    let at = fx.now();
    fire(fx, firing(&seen, &[at], None)).await;
    fx.server().await.work_one(succeeded()).await;
    fx.advance(secs(40 * 24 * 3_600));
    assert_eq!(fx.prune_all().await, 1);
    let seen = stored(fx, "nightly").await;
    assert_eq!(n_enqueued(&fire(fx, firing(&seen, &[at], None)).await), 0);
    assert_eq!(fx.count(S::Enqueued).await, 0);
}

async fn refuse_a_stale_revision(fx: &Fixture) {
    let seen = declare(fx, spec("nightly")).await;
    let [one, two] = [20, 10].map(|n| fx.now().before(secs(n)));
    fire(fx, firing(&seen, &[one], Some(two))).await;
    let before = stored(fx, "nightly").await;
    assert_eq!(fire(fx, firing(&seen, &[two], None)).await, Fired::Stale);
    assert_eq!(stored(fx, "nightly").await, before);
    assert_eq!(fx.count(S::Enqueued).await, 1);
}

async fn are_fired_by_one_of_two_schedulers(fx: &Fixture) {
    for n in 0..10 {
        let seen = declare(fx, spec(&format!("n{n}"))).await;
        let at = fx.now();
        let (here, there) = tokio::join!(
            fx.store().fire_recurring(firing(&seen, &[at], None)),
            fx.other_store().fire_recurring(firing(&seen, &[at], None)),
        );
        let both = [here.unwrap(), there.unwrap()];
        assert_eq!(both.iter().filter(|fired| **fired == Fired::Stale).count(), 1, "{both:?}");
    }
    assert_eq!(fx.count(S::Enqueued).await, 10);
}

async fn are_stale_for_a_scheduler_that_missed_an_update(fx: &Fixture) {
    let seen = declare(fx, spec("nightly")).await;
    declare(fx, RecurringSpec { cron: "0 4 * * *".to_owned(), ..spec("nightly") }).await;
    assert_eq!(fire(fx, firing(&seen, &[fx.now()], None)).await, Fired::Stale);
    assert_eq!(fx.count(S::Enqueued).await, 0);
}

async fn may_skip_every_occurrence(fx: &Fixture) {
    let seen = declare(fx, spec("nightly")).await;
    let (last_at, next_at) = (Some(fx.now()), Some(fx.now().after(secs(60))));
    let skipping = Firing { last_at, ..firing(&seen, &[], next_at) };
    assert_eq!(n_enqueued(&fire(fx, skipping).await), 0);
    let after = stored(fx, "nightly").await;
    assert_eq!((after.last_at, after.next_at, after.last_job), (last_at, next_at, None));
}

async fn are_not_due_after_their_schedule_has_ended(fx: &Fixture) {
    let seen = declare(fx, spec("nightly")).await;
    fire(fx, firing(&seen, &[fx.now()], None)).await;
    fx.advance(secs(3_600));
    let due = fx.store().due_recurring(10).await.unwrap();
    assert_eq!((due.jobs.len(), due.next_in), (0, None));
    declare(fx, RecurringSpec { cron: "0 4 * * *".to_owned(), ..spec("nightly") }).await;
    assert_eq!(fx.store().due_recurring(10).await.unwrap().jobs.len(), 1, "a new schedule is due");
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
