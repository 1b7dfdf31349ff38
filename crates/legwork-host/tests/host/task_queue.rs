//! The task queue: order, back-pressure, isolation, and what is left at stop.

use std::sync::Arc;
use std::time::Duration;

use legwork_core::BoxError;
use legwork_host::{
    Drain, Host, HostExit, HostStatus, QueueStatus, Refused, StopReason, TaskContext, TaskQueue,
};
use tokio::sync::{Notify, Semaphore};

use crate::journal::Journal;

fn done() -> StopReason {
    StopReason::requested("the test is over")
}

fn queue_of(status: &HostStatus) -> &QueueStatus {
    status.service("q").and_then(|service| service.queue.as_ref()).unwrap()
}

async fn started(queue: &TaskQueue) -> Host {
    let mut host = Host::builder(())
        .task_queue("q", queue)
        .shutdown_timeout(Duration::from_secs(10))
        .build()
        .unwrap();
    host.start().await.unwrap();
    host
}

/// Enqueues an item that notes its name.
async fn note(queue: &TaskQueue, journal: &Journal, name: &'static str) {
    let journal = journal.clone();
    let item = move |cx: TaskContext| async move { journal.note(cx.name()) };
    queue.enqueue(name, item).await.unwrap();
}

/// Enqueues an item that never ends by itself, and waits until it runs.
async fn block(queue: &TaskQueue, name: &'static str) {
    let running = Arc::new(Notify::new());
    let runs = Arc::clone(&running);
    let item = move |_: TaskContext| async move {
        runs.notify_one();
        std::future::pending::<()>().await;
    };
    queue.enqueue(name, item).await.unwrap();
    running.notified().await;
}

fn spill() {
    panic!("no ink");
}

fn dropped(exit: &HostExit) -> Vec<(&str, bool)> {
    exit.dropped().iter().map(|item| (item.name.as_str(), item.started)).collect()
}

#[tokio::test(start_paused = true)]
async fn items_run_in_order_and_one_that_breaks_does_not_stop_the_others() {
    let (queue, journal) = (TaskQueue::new(), Journal::default());
    let mut host = started(&queue).await;
    note(&queue, &journal, "first").await;
    queue.enqueue("failing", |_: TaskContext| async { Err("no paper") }).await.unwrap();
    queue.enqueue("panicking", |_: TaskContext| async { spill() }).await.unwrap();
    let in_the_closure = |_: TaskContext| -> std::future::Ready<()> { panic!("no pen") };
    queue.enqueue("panicking early", in_the_closure).await.unwrap();
    note(&queue, &journal, "last").await;
    let status = host.handle().wait_until(|status| queue_of(status).runs.len() == 5).await;
    assert_eq!(journal.lines(), ["first", "last"]);
    let status = queue_of(&status);
    assert_eq!((status.n_completed, status.n_failed, status.n_waiting), (2, 3, 0));
    let errors: Vec<&str> = status.runs.iter().filter_map(|run| run.error.as_deref()).collect();
    assert_eq!(errors, ["no paper", "panicked: no ink", "panicked: no pen"]);
    assert_eq!(host.stop(done()).await.code(), 0);
}

#[tokio::test(start_paused = true)]
async fn enqueue_waits_while_the_queue_is_full_and_dropping_it_enqueues_nothing() {
    let (queue, journal) = (TaskQueue::bounded(1), Journal::default());
    note(&queue, &journal, "first").await;
    let limit = Duration::from_mins(1);
    let given_up = tokio::time::timeout(limit, note(&queue, &journal, "second")).await;
    assert!(given_up.is_err(), "there is no place, and nobody works the queue yet");
    let waits = note(&queue, &journal, "third");
    let (mut host, ()) = tokio::join!(started(&queue), waits);
    host.handle().wait_until(|status| queue_of(status).n_completed == 2).await;
    assert_eq!(journal.lines(), ["first", "third"]);
    assert_eq!(host.stop(done()).await.code(), 0);
}

#[tokio::test(start_paused = true)]
async fn try_enqueue_gives_the_item_back_with_the_reason() {
    let (queue, journal) = (TaskQueue::bounded(1), Journal::default());
    note(&queue, &journal, "first").await;
    let noted = journal.clone();
    let item = move |_: TaskContext| async move { noted.note("second") };
    let error = queue.try_enqueue("second", item).unwrap_err();
    assert_eq!(error.refused(), Refused::Full);
    assert_eq!(error.to_string(), "the task queue refused \"second\": it is full");
    let item = error.into_item();

    let mut host = started(&queue).await;
    host.handle().wait_until(|status| queue_of(status).n_completed == 1).await;
    queue.try_enqueue("second", item).unwrap();
    assert_eq!(host.stop(done()).await.code(), 0);
    assert_eq!(journal.lines(), ["first", "second"], "the item that was given back is whole");
    let error = queue.enqueue("third", |_: TaskContext| async {}).await.unwrap_err();
    assert_eq!(error.refused(), Refused::Closed);
    let boxed: BoxError = error.into();
    assert_eq!(boxed.to_string(), "the task queue refused \"third\": the host is stopping");
}

#[tokio::test(start_paused = true)]
async fn an_item_that_would_wait_for_itself_is_told_so() {
    let (queue, other) = (TaskQueue::bounded(1), TaskQueue::bounded(1));
    let journal = Journal::default();
    let mut host = Host::builder(()).task_queue("q", &queue).build().unwrap();
    host.start().await.unwrap();
    let (inner, noted) = (queue.clone(), journal.clone());
    let outer = move |_: TaskContext| async move {
        inner.enqueue("fits", |_: TaskContext| async {}).await.unwrap();
        let error = inner.enqueue("does not fit", |_: TaskContext| async {}).await.unwrap_err();
        noted.note(format!("{:?}", error.refused()));
        other.try_enqueue("elsewhere", |_: TaskContext| async {}).unwrap();
        let error = other.try_enqueue("elsewhere", |_: TaskContext| async {}).unwrap_err();
        noted.note(format!("{:?}", error.refused()));
    };
    queue.enqueue("outer", outer).await.unwrap();
    host.handle().wait_until(|status| queue_of(status).n_completed == 2).await;
    assert_eq!(journal.lines(), ["WouldDeadlock", "Full"]);
    assert_eq!(host.stop(done()).await.code(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_waiting_enqueue_is_refused_when_the_host_stops() {
    let queue = TaskQueue::bounded(1).drain(Drain::FinishRunning);
    let mut host = started(&queue).await;
    block(&queue, "blocking").await;
    queue.enqueue("waiting", |_: TaskContext| async {}).await.unwrap();
    let late = queue.enqueue("late", |_: TaskContext| async {});
    let (refused, exit) = tokio::join!(late, host.stop(done()));
    assert_eq!(refused.unwrap_err().refused(), Refused::Closed);
    assert_eq!(dropped(&exit), [("blocking", true), ("waiting", false)]);
}

#[tokio::test(start_paused = true)]
async fn as_many_items_run_at_once_as_there_are_workers() {
    let queue = TaskQueue::new().workers(3);
    let mut host = started(&queue).await;
    let gate = Arc::new(Semaphore::new(0));
    for _ in 0..5 {
        let gate = Arc::clone(&gate);
        let item = move |_: TaskContext| async move { gate.acquire().await.unwrap().forget() };
        queue.enqueue("item", item).await.unwrap();
    }
    let status = host.handle().wait_until(|status| queue_of(status).running.len() == 3).await;
    assert_eq!(queue_of(&status).n_waiting, 2);
    gate.add_permits(1);
    let status = host.handle().wait_until(|status| queue_of(status).n_waiting == 1).await;
    assert_eq!(queue_of(&status).running.len(), 3);
    gate.add_permits(4);
    assert_eq!(host.stop(done()).await.code(), 0);
    assert_eq!(queue.status().n_completed, 5);
}

#[tokio::test(start_paused = true)]
async fn finish_all_runs_everything_that_was_accepted() {
    let (queue, journal) = (TaskQueue::new(), Journal::default());
    let mut host = started(&queue).await;
    for name in ["a", "b", "c"] {
        let journal = journal.clone();
        let item = move |cx: TaskContext| async move {
            journal.note(format!(
                "{} goes on: {}",
                cx.name(),
                cx.sleep(Duration::from_secs(2)).await
            ));
        };
        queue.enqueue(name, item).await.unwrap();
    }
    let exit = host.stop(done()).await;
    assert_eq!(journal.lines(), ["a goes on: true", "b goes on: true", "c goes on: true"]);
    assert_eq!((exit.code(), exit.took()), (0, Duration::from_secs(6)));
    assert!(exit.dropped().is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_cannot_finish_by_the_deadline_is_named_and_the_code_is_124() {
    let queue = TaskQueue::new();
    let mut host = started(&queue).await;
    block(&queue, "endless").await;
    queue.enqueue("behind it", |_: TaskContext| async {}).await.unwrap();
    let exit = host.stop(done()).await;
    assert_eq!(dropped(&exit), [("endless", true), ("behind it", false)]);
    assert_eq!((exit.code(), exit.took()), (124, Duration::from_secs(10)));
    let text = exit.to_string();
    assert!(text.contains("dropped: endless of task queue q was aborted"), "{text}");
    assert!(text.contains("dropped: behind it of task queue q never ran"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn items_hear_that_their_time_is_over() {
    let (queue, journal) = (TaskQueue::new(), Journal::default());
    let mut host = started(&queue).await;
    let noted = journal.clone();
    let item = move |cx: TaskContext| async move {
        cx.token().cancelled().await;
        noted.note("gave up");
    };
    queue.enqueue("listening", item).await.unwrap();
    let exit = host.stop(done()).await;
    assert_eq!(journal.lines(), ["gave up"]);
    assert_eq!(exit.took(), Duration::from_secs(9), "a second before the deadline");
    assert!(exit.dropped().is_empty());
    assert_eq!(exit.code(), 0);
}

#[tokio::test(start_paused = true)]
async fn finish_running_drops_what_has_not_started_by_name() {
    let (queue, journal) = (TaskQueue::new().drain(Drain::FinishRunning), Journal::default());
    let mut host = started(&queue).await;
    let noted = journal.clone();
    let running = move |cx: TaskContext| async move {
        cx.sleep(Duration::from_secs(3)).await;
        noted.note("finished");
    };
    queue.enqueue("running", running).await.unwrap();
    host.handle().wait_until(|status| queue_of(status).running.len() == 1).await;
    note(&queue, &journal, "waiting").await;
    let exit = host.stop(done()).await;
    assert_eq!(journal.lines(), ["finished"]);
    assert_eq!(dropped(&exit), [("waiting", false)]);
    assert_eq!(exit.code(), 0, "it was the application's choice");
}

#[tokio::test(start_paused = true)]
async fn cancel_running_cancels_at_once() {
    let (queue, journal) = (TaskQueue::new().drain(Drain::CancelRunning), Journal::default());
    let mut host = started(&queue).await;
    let noted = journal.clone();
    let running = move |cx: TaskContext| async move {
        noted.note(format!("goes on: {}", cx.sleep(Duration::from_secs(3)).await));
    };
    queue.enqueue("running", running).await.unwrap();
    host.handle().wait_until(|status| queue_of(status).running.len() == 1).await;
    let exit = host.stop(done()).await;
    assert_eq!(journal.lines(), ["goes on: false"]);
    assert_eq!((exit.code(), exit.took()), (0, Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn items_of_a_queue_that_never_started_are_named_too() {
    let (queue, journal) = (TaskQueue::new(), Journal::default());
    let mut host = Host::builder(())
        .service("broken", journal.failing("start"))
        .task_queue("q", &queue)
        .build()
        .unwrap();
    queue.enqueue("early", |_: TaskContext| async {}).await.unwrap();
    let exit = host.start().await.unwrap_err();
    assert_eq!(dropped(&exit), [("early", false)]);
    let late = queue.enqueue("late", |_: TaskContext| async {}).await;
    assert_eq!(late.unwrap_err().refused(), Refused::Closed);
}
