//! Continuations: what the end of a parent decides.
//!
//! Enqueue ties children to parents; every transition to a final state calls [`decide`] in its own
//! transaction. Cascades are a loop, never a recursion: a chain may be as long as the table.

use std::collections::VecDeque;
use std::time::Duration;

use legwork_core::inspect::History;
use legwork_core::storage::{NewJob, Start};
use legwork_core::{JobState, On, Timestamp};

use crate::enqueue::schedule;
use crate::error::Result;
use crate::marker::{Home, Marker, end_of, home_of};
use crate::outcome::{Ended, Outcome, record, tell};
use crate::query::{find, list, sql};
use crate::ready;
use crate::write::Write;

/// A continuation that waits.
struct Waiting {
    open: i64,
    start: Start,
}

/// Ties a fresh job to its parents; decides it at once when they have all ended.
pub(crate) fn adopt(w: &mut Write<'_>, home: Home, id: i64, job: &NewJob) -> Result<()> {
    let mut open = 0_i64;
    let mut refusal = None;
    for (place, parent) in (0_i64..).zip(&job.parents) {
        let ended = end_of(w.db, parent.id.get())?;
        let params = (parent.id.get(), id, parent.on.as_str(), ended.is_none(), place);
        if w.execute(sql!("enqueue_dependency"), params)? == 0 {
            continue;
        }
        match ended {
            None => open += 1,
            Some(state) if parent.on.decide(state) == Some(false) => {
                refusal = refusal.or(Some((parent.id.get(), state)));
            }
            Some(_) => {}
        }
    }
    if let Some((parent, state)) = refusal {
        w.execute(sql!("waiting_close"), [id])?;
        return cancel(w, home, id, parent, state);
    }
    if open == 0 {
        return start(w, home, id, job.start);
    }
    let (delay, start_at) = match job.start {
        Start::Now => (None, None),
        Start::After(delay) => (Some(micros(delay)), None),
        Start::At(at) => (None, Some(at.as_micros())),
    };
    w.execute(sql!("enqueue_waiting"), (id, open, delay, start_at))?;
    w.set_waiting();
    Ok(())
}

/// Returns a duration in microseconds, as it is stored.
pub(crate) fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

/// Decides the children of jobs that have just ended, and theirs.
pub(crate) fn decide(w: &mut Write<'_>, ended: Vec<(i64, JobState)>) -> Result<()> {
    if ended.is_empty() || !w.any_waiting()? {
        return Ok(());
    }
    let mut ended = VecDeque::from(ended);
    while let Some((parent, state)) = ended.pop_front() {
        let children = list(w.db, sql!("children"), [parent], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?))
        })?;
        if children.is_empty() {
            continue;
        }
        w.execute(sql!("children_close"), [parent])?;
        for (child, condition) in children {
            let wanted = condition_from(&condition).and_then(|on| on.decide(state));
            if decide_one(w, child, parent, state, wanted == Some(true))? {
                ended.push_back((child, JobState::Cancelled));
            }
        }
    }
    Ok(())
}

/// Tells one child how a parent ended; `true` when that cancelled it.
fn decide_one(
    w: &mut Write<'_>,
    child: i64,
    parent: i64,
    state: JobState,
    wanted: bool,
) -> Result<bool> {
    let Some(waiting) = find_waiting(w, child)? else {
        return Ok(false);
    };
    if wanted && waiting.open > 1 {
        w.execute(sql!("waiting_shrink"), (child, waiting.open - 1))?;
        return Ok(false);
    }
    w.execute(sql!("waiting_remove"), [child])?;
    let Some(home) = home_of(w.db, child)? else {
        tracing::error!(job = child, "a continuation is waiting but not stored");
        return Ok(false);
    };
    if wanted {
        start(w, home, child, waiting.start)?;
        return Ok(false);
    }
    w.execute(sql!("waiting_close"), [child])?;
    cancel(w, home, child, parent, state)?;
    Ok(true)
}

fn find_waiting(w: &Write<'_>, id: i64) -> Result<Option<Waiting>> {
    find(w.db, sql!("waiting_find"), [id], |row| {
        let delay: Option<i64> = row.get(1)?;
        let start_at: Option<i64> = row.get(2)?;
        let start = match (delay, start_at) {
            (Some(delay), _) => {
                Start::After(Duration::from_micros(u64::try_from(delay).unwrap_or(0)))
            }
            (None, Some(at)) => Start::At(Timestamp::from_micros(at)),
            (None, None) => Start::Now,
        };
        Ok(Waiting { open: row.get(0)?, start })
    })
}

/// Lets a continuation go: its parents have ended as it asked.
fn start(w: &mut Write<'_>, home: Home, id: i64, start: Start) -> Result<()> {
    tell(w, id, Some(1), &History::ParentsDone)?;
    let marker = Marker { id, run: 1, failures: 0, losses: 0 };
    match start.due(w.now) {
        None => ready::enter(w, home, marker),
        Some(at) => schedule(w, at.as_micros(), marker),
    }
}

/// Cancels a continuation whose parent ended otherwise.
fn cancel(w: &mut Write<'_>, home: Home, id: i64, parent: i64, state: JobState) -> Result<()> {
    let reason = format!("it waited for job {parent}, which is {state}");
    cancel_before_start(w, home, Marker { id, run: 1, failures: 0, losses: 0 })?;
    tell(w, id, Some(1), &History::Cancelled { reason, actor: None })
}

/// Records that a job is cancelled whose marker was taken from its place.
pub(crate) fn cancel_before_start(w: &mut Write<'_>, home: Home, marker: Marker) -> Result<()> {
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
    record(w, &outcome)?;
    w.count(home, Ended::Cancelled, None);
    Ok(())
}

/// Reads a stored condition; damage reads as one that no end fulfils.
pub(crate) fn condition_from(text: &str) -> Option<On> {
    [On::Success, On::Failure, On::Cancelled, On::AnyEnd].into_iter().find(|on| on.as_str() == text)
}
