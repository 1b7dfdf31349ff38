//! The history of a job: every transition is in it, latest first, and it folds to the state.

use std::time::Duration;

use legwork_core::inspect::{History, HistoryEntry};
use legwork_core::{JobState as S, Run};

use super::Fixture;
use super::draft::{
    Draft as _, cancelled, error, failed, job, released, retry, secs, snoozed, succeeded,
};

cases! { ($) history __history_cases:
    of_a_plain_job_tells_its_whole_life,
    is_ordered_latest_first,
    folds_to_the_state_of_the_job_after_every_step,
    tells_each_retry_with_its_error,
    tells_when_a_snoozed_job_is_due,
    tells_the_first_state_of_a_job,
    tells_why_a_run_cancelled_itself,
    tells_of_a_request_to_cancel,
    tells_when_the_parents_were_done,
}

const RAN_FOR: Duration = Duration::from_millis(250);

/// Returns the events, earliest first.
async fn events(fx: &Fixture, id: legwork_core::JobId) -> Vec<History> {
    let history = fx.detail(id).await.history;
    history.into_iter().rev().map(|entry| entry.what).collect()
}

async fn of_a_plain_job_tells_its_whole_life(fx: &Fixture) {
    let id = fx.enqueue(job()).await;
    let (t0, server) = (fx.now(), fx.server().await);
    fx.advance(secs(5));
    let claimed = server.claim_one().await;
    fx.advance(secs(5));
    server.succeed(&claimed).await;
    let claimed_by = History::Claimed { server: server.incarnation() };
    let entry = |after, run, what| HistoryEntry { at: t0.after(secs(after)), run, what };
    let expected = [
        entry(10, Some(Run::FIRST), History::Succeeded { ran_for: RAN_FOR }),
        entry(5, Some(Run::FIRST), claimed_by),
        entry(0, None, History::Enqueued { state: S::Enqueued }),
    ];
    assert_eq!(fx.detail(id).await.history, expected);
}

/// Returns the state that a history, earliest first, leads to; `due` tells that it was promoted.
fn fold(events: &[History], due: bool) -> S {
    events.iter().fold(S::Awaiting, |state, event| match event {
        History::Enqueued { state } => *state,
        History::Claimed { .. } => S::Processing,
        History::Succeeded { .. } => S::Succeeded,
        History::Failed { .. } => S::Failed,
        History::Cancelled { .. } => S::Cancelled,
        History::Retried { .. } | History::Snoozed { .. } if due => S::Enqueued,
        History::Retried { .. } | History::Snoozed { .. } => S::Scheduled,
        History::Released { .. }
        | History::Rescued { .. }
        | History::Requeued { .. }
        | History::ParentsDone => S::Enqueued,
        History::CancelRequested { .. } => state,
        other => panic!("a case must know {other:?}"),
    })
}

async fn is_ordered_latest_first(fx: &Fixture) {
    let id = fx.enqueue(job()).await;
    let server = fx.server().await;
    for verdict in [retry(secs(1)), released(true), snoozed(secs(1)), failed()] {
        server.work_one(verdict).await;
        fx.advance(secs(1));
        fx.promote().await;
    }
    let history = fx.detail(id).await.history;
    assert!(history.is_sorted_by(|later, earlier| later.at >= earlier.at), "{history:?}");
    let runs: Vec<_> = history.iter().filter_map(|entry| entry.run).collect();
    assert_eq!(runs, [4, 4, 3, 3, 2, 2, 1, 1].map(Run));
}

async fn folds_to_the_state_of_the_job_after_every_step(fx: &Fixture) {
    let id = fx.enqueue(job()).await;
    let server = fx.server().await;
    let verdicts = [
        (retry(secs(1)), S::Scheduled),
        (released(false), S::Enqueued),
        (snoozed(secs(1)), S::Scheduled),
        (released(true), S::Enqueued),
        (cancelled(), S::Cancelled),
        (failed(), S::Failed),
        (succeeded(), S::Succeeded),
    ];
    for (verdict, state) in verdicts {
        let claimed = server.claim_one().await;
        assert_eq!(fold(&events(fx, id).await, false), S::Processing);
        fx.advance(secs(1));
        server.end(&claimed, verdict).await;
        assert_eq!((fold(&events(fx, id).await, false), fx.state(id).await), (state, state));
        fx.advance(secs(1));
        fx.promote().await;
        if state.is_final() {
            fx.requeue(id).await;
        }
        assert_eq!(fold(&events(fx, id).await, true), S::Enqueued);
        fx.advance(secs(1));
    }
}

async fn tells_each_retry_with_its_error(fx: &Fixture) {
    use legwork_core::storage::Verdict;

    let id = fx.enqueue(job()).await;
    let server = fx.server().await;
    let mut due = Vec::new();
    for text in ["first \"quoted\"", "second\nline", "third ☠"] {
        let verdict = Verdict::Retry { after: secs(9), error: error(text) };
        server.work_one(verdict).await;
        due.push((error(text), fx.now().after(secs(9))));
        fx.advance(secs(9));
        fx.promote().await;
    }
    let mut told = Vec::new();
    for event in events(fx, id).await {
        if let History::Retried { error, due_at, ran_for: RAN_FOR } = event {
            told.push((error, due_at));
        }
    }
    assert_eq!(told, due);
}

async fn tells_when_a_snoozed_job_is_due(fx: &Fixture) {
    let id = fx.enqueue(job()).await;
    fx.server().await.work_one(snoozed(secs(77))).await;
    let due_at = fx.now().after(secs(77));
    assert_eq!(fx.detail(id).await.history[0].what, History::Snoozed { due_at });
}

async fn tells_the_first_state_of_a_job(fx: &Fixture) {
    let parent = fx.enqueue(job()).await;
    let later = fx.enqueue(job().after(secs(60))).await;
    let child = fx.enqueue(job().child_of(parent)).await;
    for (id, state) in [(parent, S::Enqueued), (later, S::Scheduled), (child, S::Awaiting)] {
        assert_eq!(events(fx, id).await, [History::Enqueued { state }]);
    }
}

async fn tells_why_a_run_cancelled_itself(fx: &Fixture) {
    let id = fx.enqueue(job()).await;
    fx.server().await.work_one(cancelled()).await;
    let expected = History::Cancelled { reason: "no longer needed".to_owned(), actor: None };
    assert_eq!(fx.detail(id).await.history[0].what, expected);
}

async fn tells_of_a_request_to_cancel(fx: &Fixture) {
    let id = fx.enqueue(job()).await;
    let server = fx.server().await;
    let claimed = server.claim_one().await;
    fx.advance(secs(1));
    fx.cancel(id).await;
    let actor = super::fixture::operator();
    assert_eq!(fx.detail(id).await.history[0].what, History::CancelRequested { actor });
    fx.advance(secs(1));
    server.succeed(&claimed).await;
    assert_eq!(fx.detail(id).await.history[0].what, History::Succeeded { ran_for: RAN_FOR });
}

async fn tells_when_the_parents_were_done(fx: &Fixture) {
    let parent = fx.enqueue(job()).await;
    let child = fx.enqueue(job().child_of(parent)).await;
    fx.advance(secs(30));
    fx.server().await.work_one(succeeded()).await;
    let history = fx.detail(child).await.history;
    assert_eq!((&history[0].what, history[0].at), (&History::ParentsDone, fx.now()));
}
