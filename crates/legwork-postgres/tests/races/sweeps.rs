//! Promoters, pruners and schedulers of several processes at once: each record is made once.

use std::time::Duration;

use legwork_core::RecurringId;
use legwork_core::storage::{
    Fired, Firing, Misfire, NewJob, Overlap, RecurringSpec, Retention, Start, Storage as _,
};
use tokio::join;

use crate::arena::{Arena, Server, enqueue, finish, job, succeeded};

#[tokio::test]
async fn two_promoters_promote_each_job_once_and_neither_waits_for_the_other() {
    let Some((arena, storage)) = Arena::open().await else { return };
    let other = arena.another().await;
    let due = |_| NewJob { start: Start::After(Duration::from_micros(1)), ..job() };
    storage.enqueue((0..100).map(due).collect()).await.unwrap();
    assert_eq!(arena.number("SELECT count(*) FROM due").await, 100);
    // Another promoter has some of them.
    let stop = arena.hold("SELECT 1 FROM due ORDER BY run_at, id LIMIT 20 FOR UPDATE").await;
    let (one, two) = join!(storage.promote(50), other.promote(50));
    assert_eq!(one.unwrap().jobs + two.unwrap().jobs, 80);
    stop.let_go().await;
    let (one, two) = join!(storage.promote(50), other.promote(50));
    assert_eq!(one.unwrap().jobs + two.unwrap().jobs, 20);
    assert_eq!(arena.number("SELECT count(DISTINCT first) FROM ready").await, 100);
    arena.close([&storage, &other]).await;
}

#[tokio::test]
async fn of_two_pruners_one_works_and_the_other_goes() {
    let Some((arena, storage)) = Arena::open().await else { return };
    let other = arena.another().await;
    let server = Server::register(&storage).await;
    enqueue(&storage, 10).await;
    let claimed = server.claim(10).await;
    let verdicts = claimed.iter().map(|job| finish(job, succeeded())).collect();
    server.exchange(verdicts, 0).await;
    let zero = Duration::ZERO;
    let retention = Retention { succeeded: zero, failed: zero, cancelled: zero };
    let stop = arena.hold("SELECT 1 FROM outcome FOR UPDATE").await;
    let meanwhile = async {
        arena.until_stopped(1).await;
        let pruned = other.prune(retention, 100).await.unwrap();
        assert_eq!((pruned.jobs, pruned.more), (0, false));
        stop.let_go().await;
    };
    let (pruned, ()) = join!(storage.prune(retention, 100), meanwhile);
    assert_eq!(pruned.unwrap().jobs, 10);
    assert_eq!(other.prune(retention, 100).await.unwrap().jobs, 0);
    assert_eq!(arena.number("SELECT count(*) FROM job").await, 0);
    arena.close([&storage, &other]).await;
}

#[tokio::test]
async fn an_occurrence_that_two_schedulers_fire_is_one_job() {
    let Some((arena, storage)) = Arena::open().await else { return };
    let other = arena.another().await;
    let id = RecurringId::new("hourly").unwrap();
    let spec = RecurringSpec {
        id: id.clone(),
        cron: "0 * * * *".to_owned(),
        time_zone: "UTC".to_owned(),
        job: job(),
        misfire: Misfire::default(),
        overlap: Overlap::default(),
        generation: 0,
    };
    storage.upsert_recurring(spec).await.unwrap();
    let found = storage.due_recurring(9).await.unwrap();
    let hour = Duration::from_hours(1);
    let (last, next) = (found.now, found.now.after(hour));
    let firing = Firing {
        id,
        revision: found.jobs[0].revision,
        occurrences: vec![last],
        last_at: Some(last),
        next_at: Some(next),
    };
    let stop = arena.hold("SELECT 1 FROM recurring FOR UPDATE").await;
    let let_go = async {
        arena.until_stopped(2).await;
        stop.let_go().await;
    };
    let fired = (storage.fire_recurring(firing.clone()), other.fire_recurring(firing.clone()));
    let (one, two, ()) = join!(fired.0, fired.1, let_go);
    let fired = [one.unwrap(), two.unwrap()];
    assert!(fired.contains(&Fired::Stale), "{fired:?}");
    let n_jobs = |fired: &Fired| if let Fired::Enqueued(jobs) = fired { jobs.len() } else { 0 };
    assert_eq!(fired.iter().map(n_jobs).sum::<usize>(), 1);
    // One that learned the new revision and still fires the old occurrence.
    let again = Firing { revision: firing.revision + 1, ..firing };
    assert_eq!(other.fire_recurring(again).await.unwrap(), Fired::Enqueued(vec![]));
    assert_eq!(arena.number("SELECT count(*) FROM job").await, 1);
    assert_eq!(arena.number("SELECT count(*) FROM occurrence").await, 1);
    let server = Server::register(&other).await;
    assert_eq!(server.claim(9).await.len(), 1);
    arena.close([&storage, &other]).await;
}
