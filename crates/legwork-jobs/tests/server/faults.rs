//! A storage that fails: nothing is lost, nothing is recorded twice, the server goes on.

use std::sync::Arc;
use std::time::Duration;

use legwork_core::{CancelReason, Effect, JobContext, JobState, State, Store};
use legwork_jobs::Jobs;
use legwork_jobs::observer::RunEventEnd;
use legwork_testing::{Fault, FaultStorage, MemoryStorage, Operation};
use tokio::sync::Semaphore;

use crate::fixture::{App, Work, detail, next_end, server, state, until, within};

fn client() -> (Jobs, FaultStorage) {
    let storage = FaultStorage::new(Arc::new(MemoryStorage::new()));
    (Jobs::new(Arc::new(storage.clone()) as Arc<dyn Store>), storage)
}

/// A handler that tells of each run and waits to be let go.
fn gated(
    gate: &Arc<Semaphore>,
) -> impl Fn(Work, State<App>, JobContext) -> futures_util::future::BoxFuture<'static, ()>
+ Clone
+ Send
+ Sync
+ 'static {
    let gate = Arc::clone(gate);
    move |_: Work, State(app): State<App>, context: JobContext| {
        let gate = Arc::clone(&gate);
        Box::pin(async move {
            app.tell(format!("run {}", context.run()));
            gate.acquire().await.unwrap().forget();
        })
    }
}

#[tokio::test]
async fn a_claim_whose_answer_got_lost_is_given_back_and_runs() {
    let (jobs, storage) = client();
    let app = App::default();
    let job = jobs.enqueue(Work { n: 1 }).await.unwrap();
    storage.next(Operation::Exchange, Fault::AnswerLost);
    let gate = Arc::new(Semaphore::new(9));
    let server = server(&jobs).lease(Duration::from_secs(1)).handle(gated(&gate));
    let server = server.start(app.clone()).await.unwrap();
    assert_eq!(next_end(&mut server.events(), job).await, RunEventEnd::Succeeded);
    assert_eq!(app.told(), ["run 2"]);
    assert_eq!(detail(&jobs, job).await.summary.failures, 0);
}

#[tokio::test]
async fn an_end_whose_answer_got_lost_is_recorded_once() {
    let (jobs, storage) = client();
    let (app, gate) = (App::default(), Arc::new(Semaphore::new(0)));
    let server = server(&jobs).handle(gated(&gate)).start(app.clone()).await.unwrap();
    let mut events = server.events();
    let job = jobs.enqueue(Work { n: 1 }).await.unwrap();
    until("a run", || async { !app.told().is_empty() }).await;
    storage.always(Operation::Exchange, Fault::AnswerLost);
    gate.add_permits(1);
    until("the effect", || async { state(&jobs, job).await == JobState::Succeeded }).await;
    storage.heal();
    assert_eq!(next_end(&mut events, job).await, RunEventEnd::Succeeded);
    assert_eq!(app.told(), ["run 1"]);
}

#[tokio::test]
async fn work_resumes_after_an_outage_and_nothing_is_lost() {
    let (jobs, storage) = client();
    let (app, gate) = (App::default(), Arc::new(Semaphore::new(0)));
    let server = server(&jobs).workers(2).handle(gated(&gate)).start(app.clone()).await.unwrap();
    let mut events = server.events();
    let ids = jobs.enqueue_all((0..4).map(|n| Work { n })).await.unwrap();
    until("two runs", || async { app.told().len() == 2 }).await;
    storage.break_down(Fault::Unavailable);
    let calls = storage.calls(Operation::Exchange);
    gate.add_permits(4);
    until("failed calls", || async { storage.calls(Operation::Exchange) >= calls + 2 }).await;
    let error = jobs.enqueue(Work { n: 9 }).await.unwrap_err();
    assert_eq!(error.effect(), Effect::None);
    storage.heal();
    for _ in &ids {
        let event = within("an end", events.next()).await.unwrap();
        assert_eq!(event.end, RunEventEnd::Succeeded);
    }
    assert_eq!(app.told(), ["run 1"; 4]);
}

#[tokio::test]
async fn a_server_that_cannot_confirm_its_lease_tells_its_runs() {
    let (jobs, storage) = client();
    let app = App::default();
    let handler = |_: Work, State(app): State<App>, context: JobContext| async move {
        app.tell("started");
        assert_eq!(context.cancelled().await, CancelReason::LeaseLost);
        app.tell("told");
    };
    let server = server(&jobs).lease(Duration::from_secs(1)).handle(handler);
    let server = server.start(app.clone()).await.unwrap();
    let job = jobs.enqueue(Work { n: 1 }).await.unwrap();
    until("a run", || async { !app.told().is_empty() }).await;
    storage.break_down(Fault::Unavailable);
    until("the self-fence", || async { app.told().len() == 2 }).await;
    storage.heal();
    // Nobody took the job meanwhile, so the storage still accepts its end.
    assert_eq!(next_end(&mut server.events(), job).await, RunEventEnd::Succeeded);
}

#[tokio::test]
async fn a_server_stops_in_time_while_the_storage_is_down() {
    let (jobs, storage) = client();
    let (app, gate) = (App::default(), Arc::new(Semaphore::new(0)));
    let server = server(&jobs).handle(gated(&gate)).start(app.clone()).await.unwrap();
    let job = jobs.enqueue(Work { n: 1 }).await.unwrap();
    until("a run", || async { !app.told().is_empty() }).await;
    storage.break_down(Fault::Unavailable);
    let report = within("the stop", server.stop_within(Duration::from_millis(600))).await;
    assert!(!report.clean);
    storage.heal();
    assert_eq!(detail(&jobs, job).await.summary.state, JobState::Processing);
}

#[tokio::test]
async fn an_enqueue_whose_answer_got_lost_is_unknown() {
    let (jobs, storage) = client();
    storage.next(Operation::Enqueue, Fault::AnswerLost);
    let error = jobs.enqueue(Work { n: 1 }).await.unwrap_err();
    assert_eq!(error.effect(), Effect::Unknown);
}
