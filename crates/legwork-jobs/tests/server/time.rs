//! Delays and recurring jobs, by the storage's clock.

use std::time::Duration;

use legwork_core::storage::recurring::Upserted;
use legwork_core::{ErrorKind, JobState, State, Timestamp};
use legwork_jobs::observer::RunEventEnd;

use crate::fixture::{App, Work, client, client_with_clock, next_end, server, state, within};

#[tokio::test]
async fn a_delayed_job_waits_for_the_storages_clock() {
    let (jobs, clock) = client_with_clock();
    let server = server(&jobs).handle(|_: Work| async {}).start(App::default()).await.unwrap();
    let mut events = server.events();
    let delayed = jobs.enqueue(Work { n: 1 }).after(Duration::from_hours(24)).await.unwrap();
    let now = jobs.enqueue(Work { n: 2 }).await.unwrap();
    assert_eq!(next_end(&mut events, now).await, RunEventEnd::Succeeded);
    assert_eq!(state(&jobs, delayed).await, JobState::Scheduled);
    clock.advance(Duration::from_hours(24));
    assert_eq!(next_end(&mut events, delayed).await, RunEventEnd::Succeeded);
}

#[tokio::test]
async fn a_recurring_job_is_enqueued_at_each_occurrence() {
    let (jobs, clock) = client_with_clock();
    clock.set(Timestamp::MIN.after(Duration::from_secs(1_000_000_030)));
    let declare = || jobs.recurring("minutely", "* * * * *").job(Work { n: 1 });
    assert_eq!(declare().upsert().await.unwrap(), Upserted::Added);
    assert_eq!(declare().upsert().await.unwrap(), Upserted::Unchanged);
    let app = App::default();
    let handler = |_: Work, State(app): State<App>| async move { app.tell("ran") };
    let server = server(&jobs).handle(handler).start(app.clone()).await.unwrap();
    let mut events = server.events();
    for runs in 1..=3 {
        clock.advance(Duration::from_mins(1));
        within("an occurrence", events.next()).await.unwrap();
        assert_eq!(app.told().len(), runs);
    }
}

#[tokio::test]
async fn a_recurring_job_can_be_run_now_and_removed() {
    let jobs = client();
    jobs.recurring("nightly", "0 3 * * *").job(Work { n: 1 }).upsert().await.unwrap();
    let server = server(&jobs).handle(|_: Work| async {}).start(App::default()).await.unwrap();
    let mut events = server.events();
    let job = jobs.trigger_recurring("nightly").await.unwrap();
    assert_eq!(next_end(&mut events, job).await, RunEventEnd::Succeeded);
    assert!(jobs.remove_recurring("nightly").await.unwrap());
    let error = jobs.trigger_recurring("nightly").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn a_bad_declaration_names_the_recurring_job_and_the_mistake() {
    let jobs = client();
    let declare = |cron: &str| jobs.recurring("nightly", cron).job(Work { n: 1 });
    for (bad, kind) in [
        (declare("61 * * * *"), ErrorKind::Invalid),
        (declare("* * * * *").time_zone("Mars/Olympus"), ErrorKind::Invalid),
        (declare("* * * * *").queue("a b"), ErrorKind::Invalid),
        (jobs.recurring("nightly", "* * * * *"), ErrorKind::Invalid),
    ] {
        let error = bad.upsert().await.unwrap_err();
        assert_eq!(error.kind(), kind);
        assert_eq!(error.to_string(), "the recurring job \"nightly\" is refused");
    }
}
