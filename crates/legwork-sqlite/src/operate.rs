//! What an operator does to a job or a queue.
//!
//! The client, the dashboard and the command line call it. Each answer tells the state at the time
//! of the transaction. Changes by the engine are elsewhere: [`crate::finish`], [`crate::rescue`].

use legwork_core::inspect::History;
use legwork_core::storage::{Cancelled, Deleted, Requeued};
use legwork_core::{Actor, Error, ErrorKind, JobId, JobState, QueueName};

use crate::children::{cancel_before_start, decide};
use crate::error::Result;
use crate::finish::cancel_reason;
use crate::lease;
use crate::marker::{Home, Marker, Place, find_place, home_of};
use crate::outcome::tell;
use crate::prune::remove;
use crate::query::{exists, find, sql};
use crate::ready;
use crate::write::Write;

fn json(actor: &Actor) -> Result<String> {
    serde_json::to_string(actor).map_err(|error| {
        let message = "the actor cannot be written as JSON";
        Error::with_source(ErrorKind::Invalid, message, error).into()
    })
}

/// Finds where a job belongs and is.
fn locate(w: &mut Write<'_>, id: i64) -> Result<Option<(Home, Option<Place>)>> {
    ready::flush(w)?;
    match home_of(w.db, id)? {
        Some(home) => Ok(Some((home, find_place(w.db, home, id)?))),
        None => Ok(None),
    }
}

/// Takes a job that has not started out of its place; returns its marker.
///
/// One that is in no place, which only damage explains, gets the run after its last.
fn take_out(w: &mut Write<'_>, id: i64, place: Option<&Place>) -> Result<Marker> {
    match place {
        Some(Place::Waiting) => {
            w.execute(sql!("waiting_remove"), [id])?;
            w.execute(sql!("waiting_close"), [id])?;
            Ok(Marker { id, run: 1, failures: 0, losses: 0 })
        }
        Some(Place::Due { run_at, marker }) => {
            w.execute(sql!("due_remove"), (run_at, id))?;
            Ok(*marker)
        }
        Some(Place::Ready { ticket }) => {
            ready::cut(w, ticket, id)?;
            let (run, failures, losses) = (ticket.run, ticket.failures, ticket.losses);
            Ok(Marker { id, run, failures, losses })
        }
        Some(Place::Leased { marker, .. }) => Ok(*marker),
        Some(Place::Ended { run, failures, .. }) => {
            Ok(Marker { id, run: *run, failures: *failures, losses: 0 }.next())
        }
        None => {
            let last: Option<u32> = find(w.db, sql!("job_last_run"), [id], |row| row.get(0))?;
            Ok(Marker { id, run: last.unwrap_or_default(), failures: 0, losses: 0 }.next())
        }
    }
}

/// Cancels a job: at once where it has not started, by request where it is running.
pub(crate) fn cancel(w: &mut Write<'_>, (id, actor): &(JobId, Actor)) -> Result<Cancelled> {
    let id = id.get();
    let Some((home, place)) = locate(w, id)? else {
        return Ok(Cancelled::NotFound);
    };
    match &place {
        Some(Place::Ended { state, .. }) => return Ok(Cancelled::AlreadyFinal(*state)),
        Some(Place::Leased { lease, marker }) => {
            let request = (lease.server, id, marker.run, json(actor)?);
            w.execute(sql!("cancel_request"), request)?;
            w.wake = true;
            let what = History::CancelRequested { actor: actor.clone() };
            tell(w, id, Some(marker.run), &what)?;
            return Ok(Cancelled::Requested);
        }
        Some(Place::Waiting | Place::Due { .. } | Place::Ready { .. }) | None => {}
    }
    let marker = take_out(w, id, place.as_ref())?;
    cancel_before_start(w, home, marker)?;
    let reason = cancel_reason(actor);
    let what = History::Cancelled { reason, actor: Some(actor.clone()) };
    tell(w, id, Some(marker.run), &what)?;
    decide(w, vec![(id, JobState::Cancelled)])?;
    Ok(Cancelled::BeforeStart)
}

/// Makes a final or scheduled job claimable now, with all its attempts again.
pub(crate) fn requeue(w: &mut Write<'_>, (id, actor): &(JobId, Actor)) -> Result<Requeued> {
    let id = id.get();
    let Some((home, place)) = locate(w, id)? else {
        return Ok(Requeued::NotFound);
    };
    match &place {
        Some(Place::Ended { run, .. }) => {
            w.execute(sql!("requeue"), (id, *run))?;
            w.execute(sql!("result_remove"), [id])?;
        }
        Some(Place::Due { .. }) | None => {}
        Some(place @ (Place::Waiting | Place::Ready { .. } | Place::Leased { .. })) => {
            return Ok(Requeued::Refused(place.state()));
        }
    }
    let marker = take_out(w, id, place.as_ref())?;
    tell(w, id, Some(marker.run), &History::Requeued { actor: actor.clone() })?;
    ready::enter(w, home, Marker { failures: 0, losses: 0, ..marker })?;
    Ok(Requeued::Enqueued)
}

/// Removes a job that is not processing and that no other awaits.
pub(crate) fn delete(w: &mut Write<'_>, (id, actor): &(JobId, Actor)) -> Result<Deleted> {
    let id = id.get();
    let Some((_, place)) = locate(w, id)? else {
        return Ok(Deleted::NotFound);
    };
    if let Some(place) = &place
        && (place.state() == JobState::Processing || exists(w.db, sql!("awaited"), [id])?)
    {
        return Ok(Deleted::Refused(place.state()));
    }
    take_out(w, id, place.as_ref())?;
    remove(w, id)?;
    lease::forget(w, &[id])?;
    let (name, reason) = (&actor.name, &actor.reason);
    tracing::info!(job = id, actor = name, ?reason, "a job was deleted");
    Ok(Deleted::Removed)
}

/// Stops claims from a queue; a repeat replaces the reason.
pub(crate) fn pause(w: &mut Write<'_>, (queue, actor): &(QueueName, Actor)) -> Result<()> {
    let actor = json(actor)?;
    let queue = w.names.queue(w.db, queue)?;
    w.execute(sql!("pause"), (queue, w.now.as_micros(), actor))?;
    w.pauses_changed();
    w.wake = true;
    Ok(())
}

/// Allows claims from a queue again; `false` when it was not paused.
pub(crate) fn resume(w: &mut Write<'_>, (queue, actor): &(QueueName, Actor)) -> Result<bool> {
    let Some(number) = w.names.find_queue(w.db, queue)? else {
        return Ok(false);
    };
    let resumed = w.execute(sql!("resume"), [number])? == 1;
    if resumed {
        w.pauses_changed();
        w.wake = true;
        tracing::info!(%queue, actor = actor.name, "a queue was resumed");
    }
    Ok(resumed)
}
