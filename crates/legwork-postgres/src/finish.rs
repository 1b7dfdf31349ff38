//! Recording how runs ended, each under its fence.
//!
//! [`crate::exchange`] calls it. What this process was granted it need not read: it writes at once,
//! and the statements refuse where a lease is gone, a run has ended, a cancel was requested or a
//! child waits. Then, and for whatever is rare, it is repeated carefully: with the leases locked
//! and everything read first. Both ways decide in [`end`].

use std::collections::{BTreeMap, BTreeSet, HashMap};

use legwork_core::inspect::History;
use legwork_core::limits::{INTERRUPTIONS_MAX, REASON_MAX_BYTES, clip};
use legwork_core::storage::exchange::RunErrorKind;
use legwork_core::storage::{Actor, FailReason, Finish, Finished, RunError, Verdict};
use legwork_core::{Incarnation, Timestamp};

use crate::bind::{get, params};
use crate::change::Changes;
use crate::children::{decide, micros};
use crate::error::Result;
use crate::lease::{self, Held, Lease};
use crate::marker::{Home, Marker};
use crate::outcome::{Ended, Outcome};
use crate::server::number_of;
use crate::statement::sql;
use crate::tx::Tx;

/// A run that is held.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Running {
    pub(crate) home: Home,
    pub(crate) marker: Marker,
    pub(crate) server: i32,
    pub(crate) claimed_at: Timestamp,
}

impl Running {
    pub(crate) fn new(held: Held, lease: &Lease) -> Self {
        let Held { home, marker } = held;
        Self { home, marker, server: lease.server, claimed_at: lease.claimed_at }
    }

    fn outcome(&self, ended: Ended, ending: Ending) -> Outcome {
        Outcome {
            id: self.marker.id,
            run: self.marker.run,
            ended,
            server: Some(self.server),
            claimed_at: Some(self.claimed_at),
            ran_for: ending.ran_for,
            failures: ending.failures,
            asked: ending.asked,
        }
    }
}

/// What is recorded of a run that ends, whatever becomes of its job.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ending {
    pub(crate) failures: i32,
    pub(crate) ran_for: Option<i64>,
    pub(crate) asked: Option<Ended>,
}

impl Ending {
    /// Ends a run whose handler did not.
    pub(crate) fn new(run: &Running) -> Self {
        Self { failures: run.marker.failures, ran_for: None, asked: None }
    }
}

/// What is known beside the leases.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    /// Who wants which runs cancelled.
    pub(crate) cancels: HashMap<(i64, i32), Actor>,
    /// How often jobs were interrupted since they were last requeued.
    pub(crate) interruptions: HashMap<i64, i64>,
}

impl Facts {
    fn requested_by(&self, marker: Marker) -> Option<&Actor> {
        self.cancels.get(&(marker.id, marker.run))
    }

    /// Reads what is to be known of the runs of a server.
    pub(crate) async fn read(tx: &mut Tx, server: i32, ids: &[i64]) -> Result<Self> {
        let mut facts = Self::default();
        let columns = params![server, ids.to_vec()];
        for row in &tx.rows(sql!("cancel_find"), columns).await? {
            let actor = serde_json::from_str(&get::<String>(row, 2)?);
            let actor = actor.unwrap_or_else(|_| Actor::new("unknown"));
            facts.cancels.insert((get(row, 0)?, get(row, 1)?), actor);
        }
        for row in &tx.rows(sql!("finish_interruptions"), params![ids.to_vec()]).await? {
            facts.interruptions.insert(get(row, 0)?, get(row, 1)?);
        }
        Ok(facts)
    }
}

/// Finishes runs of one server; one answer each, in order.
pub(crate) async fn finish(
    tx: &mut Tx,
    server: Incarnation,
    batch: &[Finish],
) -> Result<Vec<Finished>> {
    if batch.is_empty() {
        return Ok(Vec::new());
    }
    let Some(server) = number_of(tx, server).await? else {
        return Ok(vec![Finished::Lost; batch.len()]);
    };
    let granted = if tx.careful { None } else { granted(tx, server, batch) };
    match granted {
        Some(runs) => finish_granted(tx, server, batch, &runs).await,
        None => finish_carefully(tx, server, batch).await,
    }
}

/// Returns the runs of a batch when this process was granted all of them and each is of the common
/// sort.
fn granted(tx: &Tx, server: i32, batch: &[Finish]) -> Option<Vec<Running>> {
    let mut runs = Vec::with_capacity(batch.len());
    for one in batch {
        if matches!(one.verdict, Verdict::Released { .. }) {
            return None;
        }
        let run = i32::try_from(one.run.0).ok()?;
        let (held, lease) = tx.ground.granted.end(one.lease.0, one.id.get(), run)?;
        if lease.server != server {
            return None;
        }
        runs.push(Running::new(held, &lease));
    }
    Some(runs)
}

/// Finishes runs of which everything is known; refused when that turns out to be wrong.
async fn finish_granted(
    tx: &mut Tx,
    server: i32,
    batch: &[Finish],
    runs: &[Running],
) -> Result<Vec<Finished>> {
    let now = if batch.iter().any(|one| is_later(&one.verdict)) {
        tx.now().await?
    } else {
        Timestamp::MIN
    };
    let mut per_lease: BTreeMap<i64, i32> = BTreeMap::new();
    for one in batch {
        *per_lease.entry(one.lease.0).or_default() += 1;
    }
    let (leases, counts): (Vec<i64>, Vec<i32>) = per_lease.into_iter().unzip();
    tx.send(sql!("finish_leases"), params![server, leases, counts]).await?;
    let mut changes = Changes::default();
    let facts = Facts::default();
    for (one, run) in batch.iter().zip(runs) {
        end(&mut changes, run, one, &facts, now)?;
    }
    let ended: Vec<i64> = changes.ended.drain(..).map(|(id, _)| id).collect();
    let again: Vec<i64> =
        batch.iter().filter(|one| is_later(&one.verdict)).map(|one| one.id.get()).collect();
    changes.send(tx).await?;
    tx.send(sql!("finish_check"), params![server, ended, again]).await?;
    Ok(vec![Finished::Recorded; batch.len()])
}

/// Tells whether the job would run again later.
fn is_later(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::Retry { .. } | Verdict::Snoozed { .. })
}

/// Finishes runs after reading everything about them.
async fn finish_carefully(tx: &mut Tx, server: i32, batch: &[Finish]) -> Result<Vec<Finished>> {
    let now = tx.now().await?;
    let ids: BTreeSet<i64> = batch.iter().map(|one| one.lease.0).collect();
    let locked =
        lease::list(tx, sql!("leases_lock"), params![server, ids.into_iter().collect::<Vec<_>>()])
            .await?;
    let leases: HashMap<i64, Lease> = locked.into_iter().map(|lease| (lease.id, lease)).collect();
    let mut recorded = read_recorded(tx, batch).await?;
    let jobs: Vec<i64> = batch.iter().map(|one| one.id.get()).collect();
    let facts = Facts::read(tx, server, &jobs).await?;
    let mut changes = Changes::default();
    let mut n_ended: HashMap<i64, usize> = HashMap::new();
    let mut answers = Vec::with_capacity(batch.len());
    for one in batch {
        let Ok(run) = i32::try_from(one.run.0) else {
            answers.push(Finished::Lost);
            continue;
        };
        let key = (one.id.get(), run);
        let lease = leases.get(&one.lease.0);
        let held = lease.and_then(|lease| Some((lease, lease.lists(key.0, key.1)?)));
        if let Some((asked, by)) = recorded.get(&key) {
            let again = *by == Some(server) && *asked == asked_of(&one.verdict);
            answers.push(if again { Finished::Recorded } else { Finished::Lost });
        } else if let Some((lease, held)) = held {
            end(&mut changes, &Running::new(held, lease), one, &facts, now)?;
            *n_ended.entry(lease.id).or_default() += 1;
            recorded.insert(key, (asked_of(&one.verdict), Some(server)));
            answers.push(Finished::Recorded);
        } else {
            answers.push(Finished::Lost);
        }
    }
    for (id, n) in n_ended {
        if let Some(lease) = leases.get(&id) {
            lease::shrink(tx, lease, n).await?;
        }
    }
    decide(tx, changes).await?;
    Ok(answers)
}

/// How runs were recorded before: as what, and by which server.
type Recorded = HashMap<(i64, i32), (Ended, Option<i32>)>;

async fn read_recorded(tx: &mut Tx, batch: &[Finish]) -> Result<Recorded> {
    let (ids, runs): (Vec<i64>, Vec<i32>) =
        batch.iter().filter_map(|one| Some((one.id.get(), i32::try_from(one.run.0).ok()?))).unzip();
    let rows = tx.rows(sql!("finish_recorded"), params![ids, runs]).await?;
    let mut recorded = HashMap::with_capacity(rows.len());
    for row in &rows {
        let key = (get(row, 0)?, get(row, 1)?);
        recorded.insert(key, (Ended::from_code(get(row, 2)?)?, get(row, 3)?));
    }
    Ok(recorded)
}

fn asked_of(verdict: &Verdict) -> Ended {
    match verdict {
        Verdict::Succeeded { .. } => Ended::Succeeded,
        Verdict::Failed { .. } => Ended::Failed,
        Verdict::Cancelled { .. } => Ended::Cancelled,
        Verdict::Retry { .. } => Ended::Retried,
        Verdict::Snoozed { .. } => Ended::Snoozed,
        Verdict::Released { started: false } => Ended::Released,
        Verdict::Released { started: true } => Ended::Interrupted,
    }
}

/// Ends one run that is held and has not ended; `now` matters where the job runs again later.
fn end(
    changes: &mut Changes,
    run: &Running,
    one: &Finish,
    facts: &Facts,
    now: Timestamp,
) -> Result<()> {
    if let Verdict::Released { started } = one.verdict {
        let give_back = if started { interrupt } else { release_one };
        return give_back(changes, run, facts).map(drop);
    }
    let failed = match &one.verdict {
        Verdict::Retry { .. } => true,
        Verdict::Failed { reason, .. } => counts(*reason),
        Verdict::Succeeded { .. }
        | Verdict::Snoozed { .. }
        | Verdict::Cancelled { .. }
        | Verdict::Released { .. } => false,
    };
    let ended = asked_of(&one.verdict);
    let failures = run.marker.failures.saturating_add(i32::from(failed));
    let ending = Ending { failures, ran_for: Some(micros(one.ran_for)), asked: None };
    if is_later(&one.verdict)
        && let Some(actor) = facts.requested_by(run.marker)
    {
        return cancel_instead(changes, run, Ending { asked: Some(ended), ..ending }, actor);
    }
    changes.record(run.home, run.outcome(ended, ending));
    let next = Marker { failures, losses: 0, ..run.marker }.next();
    let (id, number) = (run.marker.id, Some(run.marker.run));
    match &one.verdict {
        Verdict::Succeeded { result: None } | Verdict::Released { .. } => Ok(()),
        Verdict::Succeeded { result: Some(json) } => {
            changes.keep_result(id, String::from_utf8_lossy(json).into_owned());
            Ok(())
        }
        Verdict::Retry { after, error } => {
            let due_at = now.after(*after);
            changes.schedule(due_at, next);
            let error = RunError::new(error.kind, &error.message);
            changes.tell(id, number, &History::Retried { error, due_at, ran_for: one.ran_for })
        }
        Verdict::Failed { reason, error } => {
            let (reason, error) = (*reason, RunError::new(error.kind, &error.message));
            changes.tell(id, number, &History::Failed { reason, error, ran_for: one.ran_for })
        }
        Verdict::Snoozed { delay } => {
            let due_at = now.after(*delay);
            changes.schedule(due_at, next);
            changes.tell(id, number, &History::Snoozed { due_at })
        }
        Verdict::Cancelled { reason } => {
            let reason = clip(reason, REASON_MAX_BYTES);
            let actor = facts.requested_by(run.marker).cloned();
            changes.tell(id, number, &History::Cancelled { reason, actor })
        }
    }
}

/// Tells whether a run that failed for good counts among the failures.
fn counts(reason: FailReason) -> bool {
    matches!(reason, FailReason::Exhausted | FailReason::Discarded)
}

/// Ends a run whose job would run again, although someone wants it cancelled.
pub(crate) fn cancel_instead(
    changes: &mut Changes,
    run: &Running,
    ending: Ending,
    actor: &Actor,
) -> Result<()> {
    changes.record(run.home, run.outcome(Ended::Cancelled, ending));
    let what = History::Cancelled { reason: cancel_reason(actor), actor: Some(actor.clone()) };
    changes.tell(run.marker.id, Some(run.marker.run), &what)
}

/// Says why someone's job was cancelled.
pub(crate) fn cancel_reason(actor: &Actor) -> String {
    actor.reason.clone().unwrap_or_else(|| format!("cancelled by {}", actor.name))
}

/// Gives back a run whose handler had started; `false` when its job does not run again.
///
/// The job is failed when that has happened too often.
pub(crate) fn interrupt(changes: &mut Changes, run: &Running, facts: &Facts) -> Result<bool> {
    let ending = Ending { asked: Some(Ended::Interrupted), ..Ending::new(run) };
    if let Some(actor) = facts.requested_by(run.marker) {
        cancel_instead(changes, run, ending, actor)?;
        return Ok(false);
    }
    let n = facts.interruptions.get(&run.marker.id).copied().unwrap_or_default();
    if n >= i64::from(INTERRUPTIONS_MAX) {
        let message = format!("it was interrupted {} times", n + 1);
        fail(changes, run, ending, (FailReason::Interrupted, &message))?;
        return Ok(false);
    }
    give_back(changes, run, Ended::Interrupted);
    Ok(true)
}

/// Gives back a run whose handler had not started; `false` when its job does not run again.
pub(crate) fn release_one(changes: &mut Changes, run: &Running, facts: &Facts) -> Result<bool> {
    if let Some(actor) = facts.requested_by(run.marker) {
        let ending = Ending { asked: Some(Ended::Released), ..Ending::new(run) };
        cancel_instead(changes, run, ending, actor)?;
        return Ok(false);
    }
    give_back(changes, run, Ended::Released);
    Ok(true)
}

/// Makes the job of a run claimable again, under the next run number.
fn give_back(changes: &mut Changes, run: &Running, ended: Ended) {
    changes.record(run.home, run.outcome(ended, Ending::new(run)));
    changes.enter(run.home, run.marker.next());
}

/// What becomes of a job whose server died.
pub(crate) enum Loss {
    Enqueued,
    Quarantined,
    /// Someone wanted that.
    Cancelled,
}

/// Ends a run whose server died.
pub(crate) fn lose(
    changes: &mut Changes,
    run: &Running,
    facts: &Facts,
    losses_max: u32,
) -> Result<Loss> {
    let otherwise = Ending { asked: Some(Ended::Lost), ..Ending::new(run) };
    if let Some(actor) = facts.requested_by(run.marker) {
        cancel_instead(changes, run, otherwise, actor)?;
        return Ok(Loss::Cancelled);
    }
    let losses = run.marker.losses.saturating_add(1);
    if crate::bind::count(losses) >= losses_max {
        let message = format!("{losses} servers in a row died while running it");
        fail(changes, run, otherwise, (FailReason::Quarantined, &message))?;
        return Ok(Loss::Quarantined);
    }
    changes.record(run.home, run.outcome(Ended::Lost, Ending::new(run)));
    changes.enter(run.home, Marker { losses, ..run.marker }.next());
    Ok(Loss::Enqueued)
}

/// Fails a job whose run did not end by itself.
pub(crate) fn fail(
    changes: &mut Changes,
    run: &Running,
    ending: Ending,
    (reason, message): (FailReason, &str),
) -> Result<()> {
    changes.record(run.home, run.outcome(Ended::Failed, ending));
    #[expect(clippy::wildcard_enum_match_arm, reason = "reasons may be added")]
    let kind = match reason {
        FailReason::Undecodable => RunErrorKind::Undecodable,
        FailReason::Quarantined => RunErrorKind::Lost,
        _ => RunErrorKind::Error,
    };
    let error = RunError::new(kind, message);
    let ran_for = std::time::Duration::ZERO;
    let what = History::Failed { reason, error, ran_for };
    changes.tell(run.marker.id, Some(run.marker.run), &what)
}
