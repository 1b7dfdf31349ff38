//! Occurrences of recurring jobs: each enqueued once across all servers.
//!
//! The cases choose the instants themselves, as a scheduler does with `legwork_core::cron`. How
//! recurring jobs are declared is in `recurring.rs`.

use legwork_core::JobState as S;
use legwork_core::storage::{Fired, Firing, RecurringSpec};

use super::Fixture;
use super::draft::{Draft as _, job, secs, succeeded};
use super::recurring::{declare, fire, firing, recurring_id, spec, stored};

cases! { ($) occurrence __occurrence_cases:
    are_due_until_the_next_is_known,
    are_due_when_their_instant_has_come,
    are_due_no_more_than_asked_for_and_earliest_first,
    tell_how_long_it_is_until_the_next_of_the_others,
    enqueue_one_job_each,
    give_their_job_the_nominal_instant,
    are_enqueued_once,
    are_enqueued_once_even_after_their_job_was_pruned,
    of_a_stale_revision_are_refused,
    are_fired_by_one_of_two_schedulers,
    of_a_schedule_that_was_changed_meanwhile_are_refused,
    may_all_be_skipped,
    are_not_due_after_the_schedule_has_ended,
}

fn n_enqueued(fired: &Fired) -> usize {
    match fired {
        Fired::Enqueued(jobs) => jobs.len(),
        Fired::Stale => panic!("the firing must not be stale"),
    }
}

async fn are_due_until_the_next_is_known(fx: &Fixture) {
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

async fn are_due_when_their_instant_has_come(fx: &Fixture) {
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

async fn enqueue_one_job_each(fx: &Fixture) {
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

async fn give_their_job_the_nominal_instant(fx: &Fixture) {
    let seen = declare(fx, spec("nightly")).await;
    let at = [fx.now().before(secs(120)), fx.now().before(secs(60))];
    fire(fx, firing(&seen, &at, None)).await;
    let claimed = fx.server().await.claim(5).await;
    let instants: Vec<_> = claimed.iter().map(|job| job.options.occurrence.clone()).collect();
    assert_eq!(instants, at.map(|at| Some((recurring_id("nightly"), at))));
}

async fn are_enqueued_once(fx: &Fixture) {
    let seen = declare(fx, spec("nightly")).await;
    let [one, two, three] = [30, 20, 10].map(|n| fx.now().before(secs(n)));
    assert_eq!(n_enqueued(&fire(fx, firing(&seen, &[one, two], Some(three))).await), 2);
    let seen = stored(fx, "nightly").await;
    assert_eq!(n_enqueued(&fire(fx, firing(&seen, &[one, two, three], None)).await), 1);
    assert_eq!(fx.count(S::Enqueued).await, 3);
}

async fn are_enqueued_once_even_after_their_job_was_pruned(fx: &Fixture) {
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

async fn of_a_stale_revision_are_refused(fx: &Fixture) {
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

async fn of_a_schedule_that_was_changed_meanwhile_are_refused(fx: &Fixture) {
    let seen = declare(fx, spec("nightly")).await;
    declare(fx, RecurringSpec { cron: "0 4 * * *".to_owned(), ..spec("nightly") }).await;
    assert_eq!(fire(fx, firing(&seen, &[fx.now()], None)).await, Fired::Stale);
    assert_eq!(fx.count(S::Enqueued).await, 0);
}

async fn may_all_be_skipped(fx: &Fixture) {
    let seen = declare(fx, spec("nightly")).await;
    let (last_at, next_at) = (Some(fx.now()), Some(fx.now().after(secs(60))));
    let skipping = Firing { last_at, ..firing(&seen, &[], next_at) };
    assert_eq!(n_enqueued(&fire(fx, skipping).await), 0);
    let after = stored(fx, "nightly").await;
    assert_eq!((after.last_at, after.next_at, after.last_job), (last_at, next_at, None));
}

async fn are_not_due_after_the_schedule_has_ended(fx: &Fixture) {
    let seen = declare(fx, spec("nightly")).await;
    fire(fx, firing(&seen, &[fx.now()], None)).await;
    fx.advance(secs(3_600));
    let due = fx.store().due_recurring(10).await.unwrap();
    assert_eq!((due.jobs.len(), due.next_in), (0, None));
    declare(fx, RecurringSpec { cron: "0 4 * * *".to_owned(), ..spec("nightly") }).await;
    assert_eq!(fx.store().due_recurring(10).await.unwrap().jobs.len(), 1, "a new schedule is due");
}
