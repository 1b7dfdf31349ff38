//! Recording how runs ended, each under its fence.
//!
//! [`crate::exchange`] calls it. A run that its lease does not hold writes nothing. A succeeded
//! plain job costs one appended row; only what a batch really contains adds statements.

use legwork_core::inspect::History;
use legwork_core::limits::{INTERRUPTIONS_MAX, REASON_MAX_BYTES, clip};
use legwork_core::storage::exchange::RunErrorKind;
use legwork_core::storage::{Actor, FailReason, Finish, Finished, RunError, Verdict};
use legwork_core::{Incarnation, JobState};

use crate::children::{decide, micros};
use crate::enqueue::schedule;
use crate::error::Result;
use crate::lease::{self, Entry, Lease};
use crate::marker::Marker;
use crate::outcome::{Ended, Outcome, record, tell};
use crate::query::{find, sql};
use crate::ready;
use crate::write::Write;

/// A lease of the batch, and how many of its runs the batch ends.
struct Held {
    id: i64,
    lease: Option<Lease>,
    ended: i64,
}

/// Finishes runs of one server; one answer each, in order.
pub(crate) fn finish(
    w: &mut Write<'_>,
    server: Incarnation,
    batch: &[Finish],
) -> Result<Vec<Finished>> {
    if batch.is_empty() {
        return Ok(Vec::new());
    }
    let server = find(w.db, sql!("server_find"), [server.to_string()], |row| row.get(0))?;
    let Some(server) = server else {
        return Ok(vec![Finished::Lost; batch.len()]);
    };
    let mut leases: Vec<Held> = Vec::new();
    let mut parents = Vec::new();
    let mut answers = Vec::with_capacity(batch.len());
    for one in batch {
        let at = find_lease(w, &mut leases, one.lease.0, server)?;
        let held = &mut leases[at];
        let entry = held.lease.as_ref().and_then(|l| lease::holds(l, one.id.get(), one.run.0));
        let claimed_at = held.lease.as_ref().map(|l| l.claimed_at);
        let run = entry.map(|entry| Running { entry, server, claimed_at });
        let recorded = match run {
            Some(run) => end(w, &run, one, &mut parents)?,
            None => false,
        };
        if recorded {
            held.ended += 1;
        }
        let again = !recorded && was_recorded(w, server, one)?;
        answers.push(if recorded || again { Finished::Recorded } else { Finished::Lost });
    }
    for held in &mut leases {
        if let Some(lease) = &mut held.lease {
            lease::shrink(w, lease, held.ended)?;
        }
    }
    decide(w, parents)?;
    Ok(answers)
}

/// Returns the index of a lease, reading it on first use; it counts only if it is the server's.
fn find_lease(w: &Write<'_>, leases: &mut Vec<Held>, id: i64, server: i64) -> Result<usize> {
    if let Some(at) = leases.iter().rposition(|held| held.id == id) {
        return Ok(at);
    }
    let lease = lease::read(w.db, id)?.filter(|lease| lease.server == server);
    leases.push(Held { id, lease, ended: 0 });
    Ok(leases.len() - 1)
}

/// Tells whether the run was finished before with the same verdict by the same server.
fn was_recorded(w: &Write<'_>, server: i64, one: &Finish) -> Result<bool> {
    let key = (one.id.get(), one.run.0);
    let found = find(w.db, sql!("finish_recorded"), key, |row| {
        Ok((row.get::<_, i64>(0)?, row.get::<_, Option<i64>>(1)?))
    })?;
    let Some((code, Some(by))) = found else {
        return Ok(false);
    };
    let asked = match &one.verdict {
        Verdict::Succeeded { .. } => Ended::Succeeded,
        Verdict::Failed { .. } => Ended::Failed,
        Verdict::Cancelled { .. } => Ended::Cancelled,
        Verdict::Retry { .. } => Ended::Retried,
        Verdict::Snoozed { .. } => Ended::Snoozed,
        Verdict::Released { started: false } => Ended::Released,
        Verdict::Released { started: true } => Ended::Interrupted,
    };
    let same = Ended::from_code(code)? == asked;
    Ok(same && by == server)
}

/// A run that is held.
#[derive(Clone, Copy)]
pub(crate) struct Running {
    pub(crate) entry: Entry,
    pub(crate) server: i64,
    pub(crate) claimed_at: Option<i64>,
}

impl Running {
    fn outcome(&self, ended: Ended, ending: Ending) -> Outcome {
        let Self { entry, server, claimed_at } = *self;
        let Ending { id, failures, ran_for, asked } = ending;
        let (run, server) = (entry.run, Some(server));
        Outcome { id, run, ended, server, claimed_at, ran_for, failures, asked }
    }
}

/// What is recorded of a run that ends, whatever becomes of its job.
#[derive(Clone, Copy)]
pub(crate) struct Ending {
    pub(crate) id: i64,
    pub(crate) failures: u32,
    pub(crate) ran_for: Option<i64>,
    pub(crate) asked: Option<Ended>,
}

impl Ending {
    /// Ends a run whose handler did not.
    pub(crate) fn new(id: i64, failures: u32) -> Self {
        Self { id, failures, ran_for: None, asked: None }
    }
}

/// Ends one run; `false` when it had ended before.
fn end(
    w: &mut Write<'_>,
    run: &Running,
    one: &Finish,
    parents: &mut Vec<(i64, JobState)>,
) -> Result<bool> {
    let id = one.id.get();
    if let Verdict::Released { started } = one.verdict {
        let give_back = if started { interrupt } else { release_one };
        return give_back(w, run, id, parents);
    }
    let (ended, failed) = match &one.verdict {
        Verdict::Succeeded { .. } => (Ended::Succeeded, false),
        Verdict::Retry { .. } => (Ended::Retried, true),
        Verdict::Failed { reason, .. } => (Ended::Failed, counts(*reason)),
        Verdict::Snoozed { .. } => (Ended::Snoozed, false),
        Verdict::Cancelled { .. } => (Ended::Cancelled, false),
        Verdict::Released { .. } => (Ended::Released, false),
    };
    let failures = run.entry.failures.saturating_add(u32::from(failed));
    let ran_for = Some(micros(one.ran_for));
    let ending = Ending { id, failures, ran_for, asked: None };
    if matches!(ended, Ended::Retried | Ended::Snoozed)
        && let Some(actor) = requested_by(w, run.server, id, run.entry.run)?
    {
        return cancel_instead(w, run, Ending { asked: Some(ended), ..ending }, actor, parents);
    }
    if !record(w, &run.outcome(ended, ending))? {
        return Ok(false);
    }
    w.count(run.entry.home, ended, ran_for);
    if let Some(state) = ended.state() {
        parents.push((id, state));
    }
    let next = Marker { failures, ..run.entry.marker(id) }.next();
    apply(w, run, one, next)?;
    Ok(true)
}

/// Tells whether a run that failed for good counts among the failures.
fn counts(reason: FailReason) -> bool {
    matches!(reason, FailReason::Exhausted | FailReason::Discarded)
}

/// Moves the marker on, and tells the history what the outcome does not hold.
fn apply(w: &mut Write<'_>, run: &Running, one: &Finish, next: Marker) -> Result<()> {
    let (id, number, ran_for) = (one.id.get(), Some(one.run.0), one.ran_for);
    match &one.verdict {
        Verdict::Succeeded { result: None } => Ok(()),
        Verdict::Succeeded { result: Some(json) } => {
            w.execute(sql!("finish_result"), (id, json.as_slice()))?;
            Ok(())
        }
        Verdict::Retry { after, error } => {
            let due_at = w.now.after(*after);
            schedule(w, due_at.as_micros(), Marker { losses: 0, ..next })?;
            let error = RunError::new(error.kind, &error.message);
            tell(w, id, number, &History::Retried { error, due_at, ran_for })
        }
        Verdict::Failed { reason, error } => {
            let error = RunError::new(error.kind, &error.message);
            tell(w, id, number, &History::Failed { reason: *reason, error, ran_for })
        }
        Verdict::Snoozed { delay } => {
            let due_at = w.now.after(*delay);
            schedule(w, due_at.as_micros(), Marker { losses: 0, ..next })?;
            tell(w, id, number, &History::Snoozed { due_at })
        }
        Verdict::Cancelled { reason } => {
            let reason = clip(reason, REASON_MAX_BYTES);
            let actor = requested_by(w, run.server, id, one.run.0)?;
            tell(w, id, number, &History::Cancelled { reason, actor })
        }
        Verdict::Released { .. } => ready::enter(w, run.entry.home, next),
    }
}

/// Reads who asked for the cancel of a run, if someone did.
pub(crate) fn requested_by(w: &Write<'_>, server: i64, id: i64, run: u32) -> Result<Option<Actor>> {
    let json: Option<String> =
        find(w.db, sql!("cancel_find"), (server, id, run), |row| row.get(0))?;
    Ok(json.map(|json| serde_json::from_str(&json).unwrap_or_else(|_| Actor::new("unknown"))))
}

/// Ends a run whose job would run again, although someone wants it cancelled; `false` when it had
/// ended before.
pub(crate) fn cancel_instead(
    w: &mut Write<'_>,
    run: &Running,
    ending: Ending,
    actor: Actor,
    parents: &mut Vec<(i64, JobState)>,
) -> Result<bool> {
    if !record(w, &run.outcome(Ended::Cancelled, ending))? {
        return Ok(false);
    }
    let id = ending.id;
    w.count(run.entry.home, Ended::Cancelled, ending.ran_for);
    parents.push((id, JobState::Cancelled));
    let reason = cancel_reason(&actor);
    tell(w, id, Some(run.entry.run), &History::Cancelled { reason, actor: Some(actor) })?;
    Ok(true)
}

/// Says why someone's job was cancelled.
pub(crate) fn cancel_reason(actor: &Actor) -> String {
    actor.reason.clone().unwrap_or_else(|| format!("cancelled by {}", actor.name))
}

/// Gives back a run whose handler had started; `false` when it had ended before.
///
/// The job is failed when that has happened too often.
pub(crate) fn interrupt(
    w: &mut Write<'_>,
    run: &Running,
    id: i64,
    parents: &mut Vec<(i64, JobState)>,
) -> Result<bool> {
    let ending = Ending::new(id, run.entry.failures);
    let otherwise = Ending { asked: Some(Ended::Interrupted), ..ending };
    if let Some(actor) = requested_by(w, run.server, id, run.entry.run)? {
        return cancel_instead(w, run, otherwise, actor, parents);
    }
    let n: i64 =
        find(w.db, sql!("finish_interruptions"), [id], |row| row.get(0))?.unwrap_or_default();
    if n >= i64::from(INTERRUPTIONS_MAX) {
        let message = format!("it was interrupted {} times", n + 1);
        return fail(w, run, otherwise, (FailReason::Interrupted, &message), parents);
    }
    give_back(w, run, ending, Ended::Interrupted)
}

/// Gives back a run whose handler had not started; `false` when it had ended before.
pub(crate) fn release_one(
    w: &mut Write<'_>,
    run: &Running,
    id: i64,
    parents: &mut Vec<(i64, JobState)>,
) -> Result<bool> {
    let ending = Ending::new(id, run.entry.failures);
    if let Some(actor) = requested_by(w, run.server, id, run.entry.run)? {
        let otherwise = Ending { asked: Some(Ended::Released), ..ending };
        return cancel_instead(w, run, otherwise, actor, parents);
    }
    give_back(w, run, ending, Ended::Released)
}

/// Makes the job of a run claimable again, under the next run number; `false` when the run had
/// ended before.
fn give_back(w: &mut Write<'_>, run: &Running, ending: Ending, ended: Ended) -> Result<bool> {
    if !record(w, &run.outcome(ended, ending))? {
        return Ok(false);
    }
    ready::enter(w, run.entry.home, run.entry.marker(ending.id).next())?;
    Ok(true)
}

/// Fails a job whose run did not end by itself; `false` when it had.
pub(crate) fn fail(
    w: &mut Write<'_>,
    run: &Running,
    ending: Ending,
    (reason, message): (FailReason, &str),
    parents: &mut Vec<(i64, JobState)>,
) -> Result<bool> {
    if !record(w, &run.outcome(Ended::Failed, ending))? {
        return Ok(false);
    }
    let id = ending.id;
    w.count(run.entry.home, Ended::Failed, None);
    parents.push((id, JobState::Failed));
    #[expect(clippy::wildcard_enum_match_arm, reason = "reasons may be added")]
    let kind = match reason {
        FailReason::Undecodable => RunErrorKind::Undecodable,
        FailReason::Quarantined => RunErrorKind::Lost,
        _ => RunErrorKind::Error,
    };
    let error = RunError::new(kind, message);
    let ran_for = std::time::Duration::ZERO;
    tell(w, id, Some(run.entry.run), &History::Failed { reason, error, ran_for }).map(|()| true)
}
