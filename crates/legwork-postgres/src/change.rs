//! What a transaction is going to write.
//!
//! Operations read, decide in memory, gather what follows here, and send it at once: one statement
//! per place, with an array per column. Nothing is decided here.

use legwork_core::inspect::History;
use legwork_core::limits::SUSPECT_LOSSES;
use legwork_core::{Error, ErrorKind, JobState, Timestamp};

use crate::bind::{At, params, stored};
use crate::error::Result;
use crate::marker::{Home, Marker};
use crate::outcome::{Ended, Outcome};
use crate::statement::sql;
use crate::tx::Tx;

/// What a transaction is going to write.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    outcomes: Vec<Outcome>,
    entered: Vec<(Home, Marker)>,
    due: Vec<(Timestamp, Marker)>,
    events: Vec<Event>,
    results: Vec<(i64, String)>,
    sums: Vec<Sum>,
    /// Jobs that came to their end, in this transaction; their children are to be decided.
    pub(crate) ended: Vec<(i64, JobState)>,
}

#[derive(Debug)]
struct Event {
    id: i64,
    run: Option<i32>,
    what: String,
}

/// What goes into the sums of the minute, of one queue and kind.
#[derive(Debug, Clone, Copy, Default)]
struct Sum {
    queue: i32,
    kind: i32,
    succeeded: i32,
    failed: i32,
    retried: i32,
    cancelled: i32,
    ran_for: i64,
}

/// Adds the end of a run to the sums; what is neither an end nor a retry does not count.
fn add_up(sums: &mut Vec<Sum>, home: Home, ended: Ended, ran_for: Option<i64>) {
    if matches!(ended, Ended::Snoozed | Ended::Released | Ended::Interrupted | Ended::Lost) {
        return;
    }
    let Home { queue, kind, .. } = home;
    let found = sums.iter().position(|sum| sum.queue == queue && sum.kind == kind);
    let at = found.unwrap_or_else(|| {
        sums.push(Sum { queue, kind, ..Sum::default() });
        sums.len() - 1
    });
    let sum = &mut sums[at];
    match ended {
        Ended::Succeeded => sum.succeeded += 1,
        Ended::Failed => sum.failed += 1,
        Ended::Retried => sum.retried += 1,
        Ended::Cancelled => sum.cancelled += 1,
        Ended::Snoozed | Ended::Released | Ended::Interrupted | Ended::Lost => {}
    }
    sum.ran_for = sum.ran_for.saturating_add(ran_for.unwrap_or_default());
}

impl Changes {
    /// Records the end of a run, adds it to the sums, and notes a job that came to its end.
    pub(crate) fn record(&mut self, home: Home, outcome: Outcome) {
        self.outcomes.push(outcome);
        add_up(&mut self.sums, home, outcome.ended, outcome.ran_for);
        if let Some(state) = outcome.ended.state() {
            self.ended.push((outcome.id, state));
        }
    }

    /// Records that a job is cancelled which has not started, and whose marker was taken out.
    pub(crate) fn cancel_before_start(&mut self, home: Home, marker: Marker) {
        let outcome = Outcome {
            id: marker.id,
            run: marker.run,
            ended: Ended::Cancelled,
            server: None,
            claimed_at: None,
            ran_for: None,
            failures: marker.failures,
            asked: None,
        };
        self.record(home, outcome);
    }

    /// Makes a job claimable again, behind all others of its priority.
    pub(crate) fn enter(&mut self, home: Home, marker: Marker) {
        self.entered.push((home, marker));
    }

    /// Lets a job wait for its due time.
    pub(crate) fn schedule(&mut self, run_at: Timestamp, marker: Marker) {
        self.due.push((run_at, marker));
    }

    /// Keeps the result of a job.
    pub(crate) fn keep_result(&mut self, id: i64, json: String) {
        self.results.push((id, json));
    }

    /// Adds to the history of a job.
    pub(crate) fn tell(&mut self, id: i64, run: Option<i32>, what: &History) -> Result<()> {
        let what = serde_json::to_string(what).map_err(|error| {
            Error::with_source(ErrorKind::Internal, "an event cannot be written as JSON", error)
        })?;
        self.events.push(Event { id, run, what });
        Ok(())
    }

    /// Sends everything, in as many statements as there are places; `ended` is left to the caller.
    pub(crate) async fn send(&mut self, tx: &mut Tx) -> Result<()> {
        tx.wake |= !self.entered.is_empty() || !self.due.is_empty();
        let now = tx.at();
        send_outcomes(tx, now, std::mem::take(&mut self.outcomes)).await?;
        send_entered(tx, now, std::mem::take(&mut self.entered)).await?;
        send_due(tx, std::mem::take(&mut self.due)).await?;
        send_events(tx, now, std::mem::take(&mut self.events)).await?;
        send_results(tx, std::mem::take(&mut self.results)).await?;
        send_sums(tx, now, std::mem::take(&mut self.sums)).await
    }
}

async fn send_outcomes(tx: &mut Tx, now: Option<At>, outcomes: Vec<Outcome>) -> Result<()> {
    if outcomes.is_empty() {
        return Ok(());
    }
    let column = params![
        now,
        outcomes.iter().map(|o| o.id).collect::<Vec<_>>(),
        outcomes.iter().map(|o| o.claimed_at.map(At)).collect::<Vec<_>>(),
        outcomes.iter().map(|o| o.ran_for).collect::<Vec<_>>(),
        outcomes.iter().map(|o| o.run).collect::<Vec<_>>(),
        outcomes.iter().map(|o| o.server).collect::<Vec<_>>(),
        outcomes.iter().map(|o| o.failures).collect::<Vec<_>>(),
        outcomes.iter().map(|o| o.ended.code()).collect::<Vec<_>>(),
        outcomes.iter().map(|o| o.asked.map_or(0, Ended::code)).collect::<Vec<_>>(),
    ];
    tx.send(sql!("outcome"), column).await
}

async fn send_entered(tx: &mut Tx, now: Option<At>, entered: Vec<(Home, Marker)>) -> Result<()> {
    if entered.is_empty() {
        return Ok(());
    }
    let suspect = stored(SUSPECT_LOSSES);
    let columns = params![
        now,
        entered.iter().map(|(_, m)| m.id).collect::<Vec<_>>(),
        entered.iter().map(|(h, _)| h.queue).collect::<Vec<_>>(),
        entered.iter().map(|(h, _)| h.kind).collect::<Vec<_>>(),
        entered.iter().map(|(_, m)| m.run).collect::<Vec<_>>(),
        entered.iter().map(|(_, m)| m.failures).collect::<Vec<_>>(),
        entered.iter().map(|(_, m)| m.losses).collect::<Vec<_>>(),
        entered.iter().map(|(h, _)| h.priority).collect::<Vec<_>>(),
        entered.iter().map(|(_, m)| m.losses >= suspect).collect::<Vec<_>>(),
    ];
    tx.ground.numbers.forget();
    tx.send(sql!("ready_enter"), columns).await
}

async fn send_due(tx: &mut Tx, due: Vec<(Timestamp, Marker)>) -> Result<()> {
    if due.is_empty() {
        return Ok(());
    }
    let columns = params![
        due.iter().map(|(at, _)| At(*at)).collect::<Vec<_>>(),
        due.iter().map(|(_, m)| m.id).collect::<Vec<_>>(),
        due.iter().map(|(_, m)| m.run).collect::<Vec<_>>(),
        due.iter().map(|(_, m)| m.failures).collect::<Vec<_>>(),
        due.iter().map(|(_, m)| m.losses).collect::<Vec<_>>(),
    ];
    tx.send(sql!("due_add"), columns).await
}

async fn send_events(tx: &mut Tx, now: Option<At>, events: Vec<Event>) -> Result<()> {
    if events.is_empty() {
        return Ok(());
    }
    let columns = params![
        now,
        events.iter().map(|e| e.id).collect::<Vec<_>>(),
        events.iter().map(|e| e.run).collect::<Vec<_>>(),
        events.into_iter().map(|e| e.what).collect::<Vec<_>>(),
    ];
    tx.send(sql!("event"), columns).await
}

async fn send_results(tx: &mut Tx, results: Vec<(i64, String)>) -> Result<()> {
    if results.is_empty() {
        return Ok(());
    }
    let (ids, json): (Vec<_>, Vec<_>) = results.into_iter().unzip();
    tx.send(sql!("finish_result"), params![ids, json]).await
}

async fn send_sums(tx: &mut Tx, now: Option<At>, sums: Vec<Sum>) -> Result<()> {
    if sums.is_empty() {
        return Ok(());
    }
    let columns = params![
        now,
        sums.iter().map(|s| s.queue).collect::<Vec<_>>(),
        sums.iter().map(|s| s.kind).collect::<Vec<_>>(),
        sums.iter().map(|s| s.succeeded).collect::<Vec<_>>(),
        sums.iter().map(|s| s.failed).collect::<Vec<_>>(),
        sums.iter().map(|s| s.retried).collect::<Vec<_>>(),
        sums.iter().map(|s| s.cancelled).collect::<Vec<_>>(),
        sums.iter().map(|s| s.ran_for).collect::<Vec<_>>(),
    ];
    tx.send(sql!("stat"), columns).await
}
