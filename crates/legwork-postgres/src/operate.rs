//! What an operator does to a job or a queue.
//!
//! The client, the dashboard and the command line call it. Each answer tells the state at the time
//! of the transaction: what was found is taken only if it is still there, and looked for again if
//! it is not. Changes by the engine are elsewhere: [`crate::finish`], [`crate::rescue`].

use legwork_core::inspect::History;
use legwork_core::storage::{Cancelled, Deleted, Requeued};
use legwork_core::{Actor, Error, ErrorKind, JobId, JobState, QueueName};

use crate::bind::{get, params};
use crate::change::Changes;
use crate::children::decide;
use crate::error::{Failure, Result};
use crate::finish::cancel_reason;
use crate::lease;
use crate::marker::{Home, Marker, Place, locate};
use crate::prune::remove;
use crate::ready;
use crate::statement::sql;
use crate::tx::Tx;

fn json(actor: &Actor) -> Result<String> {
    serde_json::to_string(actor).map_err(|error| {
        let message = "the actor cannot be written as JSON";
        Error::with_source(ErrorKind::Invalid, message, error).into()
    })
}

/// Finds a job, while no other operator acts on it.
async fn locate_alone(tx: &mut Tx, id: i64) -> Result<Option<(Home, Option<Place>)>> {
    tx.send(sql!("job_lock"), params![id]).await?;
    locate(tx, id).await
}

/// Goes on if something was changed; otherwise what was read no longer holds.
fn unless_raced(n_changed: u64) -> Result<()> {
    if n_changed == 0 { Err(Failure::Raced) } else { Ok(()) }
}

/// Takes a job that has not started, or has ended, out of its place; returns its marker.
///
/// One that is in no place, which only damage explains, gets the run after its last.
async fn take_out(tx: &mut Tx, id: i64, place: Option<&Place>) -> Result<Marker> {
    match place {
        Some(Place::Waiting) => {
            unless_raced(tx.execute(sql!("waiting_remove"), params![vec![id]]).await?)?;
            tx.send(sql!("waiting_close"), params![vec![id]]).await?;
            Ok(Marker::fresh(id))
        }
        Some(Place::Due { marker, .. }) => {
            unless_raced(tx.execute(sql!("due_remove"), params![id, marker.run]).await?)?;
            Ok(*marker)
        }
        Some(Place::Ready { ticket }) => {
            ready::cut(tx, ticket, id).await?;
            Ok(ticket.marker(id))
        }
        Some(Place::Leased { marker, .. }) => Ok(*marker),
        Some(Place::Ended { run, failures, .. }) => {
            unless_raced(tx.execute(sql!("requeue"), params![id, *run]).await?)?;
            Ok(Marker { id, run: *run, failures: *failures, losses: 0 }.next())
        }
        None => {
            let row = tx.row(sql!("job_last_run"), params![id]).await?;
            let last: Option<i32> = row.map(|row| get(&row, 0)).transpose()?.flatten();
            let run = last.unwrap_or_default();
            Ok(Marker { id, run, failures: 0, losses: 0 }.next())
        }
    }
}

/// Cancels a job: at once where it has not started, by request where it is running.
pub(crate) async fn cancel(tx: &mut Tx, (id, actor): &(JobId, Actor)) -> Result<Cancelled> {
    let id = id.get();
    let Some((home, place)) = locate_alone(tx, id).await? else {
        return Ok(Cancelled::NotFound);
    };
    match &place {
        Some(Place::Ended { state, .. }) => return Ok(Cancelled::AlreadyFinal(*state)),
        Some(Place::Leased { lease, marker }) => {
            request_cancel(tx, lease.id, *marker, actor).await?;
            return Ok(Cancelled::Requested);
        }
        Some(Place::Waiting | Place::Due { .. } | Place::Ready { .. }) | None => {}
    }
    let marker = take_out(tx, id, place.as_ref()).await?;
    let mut changes = Changes::default();
    changes.cancel_before_start(home, marker);
    let what = History::Cancelled { reason: cancel_reason(actor), actor: Some(actor.clone()) };
    changes.tell(id, Some(marker.run), &what)?;
    decide(tx, changes).await?;
    Ok(Cancelled::BeforeStart)
}

/// Leaves a request for the server of a run, unless the run has ended since it was found.
///
/// Whoever ends the run locks its lease first and reads the request then: it is either seen or
/// never made.
async fn request_cancel(tx: &mut Tx, lease: i64, marker: Marker, actor: &Actor) -> Result<()> {
    let Marker { id, run, .. } = marker;
    let locked = lease::list(tx, sql!("lease_lock"), params![lease]).await?;
    let Some(lease) = locked.first().filter(|lease| lease.lists(id, run).is_some()) else {
        return Err(Failure::Raced);
    };
    if !lease::ended(tx, &[(id, run)]).await?.is_empty() {
        return Err(Failure::Raced);
    }
    let request = params![lease.server, id, run, json(actor)?];
    tx.send(sql!("cancel_request"), request).await?;
    let mut changes = Changes::default();
    changes.tell(id, Some(run), &History::CancelRequested { actor: actor.clone() })?;
    changes.send(tx).await?;
    tx.wake = true;
    Ok(())
}

/// Makes a final or scheduled job claimable now, with all its attempts again.
pub(crate) async fn requeue(tx: &mut Tx, (id, actor): &(JobId, Actor)) -> Result<Requeued> {
    let id = id.get();
    let Some((home, place)) = locate_alone(tx, id).await? else {
        return Ok(Requeued::NotFound);
    };
    match &place {
        Some(Place::Ended { .. } | Place::Due { .. }) | None => {}
        Some(place @ (Place::Waiting | Place::Ready { .. } | Place::Leased { .. })) => {
            return Ok(Requeued::Refused(place.state()));
        }
    }
    let marker = take_out(tx, id, place.as_ref()).await?;
    tx.send(sql!("result_remove"), params![vec![id]]).await?;
    let mut changes = Changes::default();
    changes.tell(id, Some(marker.run), &History::Requeued { actor: actor.clone() })?;
    changes.enter(home, Marker { failures: 0, losses: 0, ..marker });
    changes.send(tx).await?;
    tx.wake = true;
    Ok(Requeued::Enqueued)
}

/// Removes a job that is not processing and that no other awaits.
pub(crate) async fn delete(tx: &mut Tx, (id, actor): &(JobId, Actor)) -> Result<Deleted> {
    let id = id.get();
    tx.send(sql!("delete_lock"), params![id]).await?;
    let Some((_, place)) = locate(tx, id).await? else {
        return Ok(Deleted::NotFound);
    };
    if let Some(place) = &place
        && (place.state() == JobState::Processing || is_awaited(tx, id).await?)
    {
        return Ok(Deleted::Refused(place.state()));
    }
    lease::forget(tx, &[id]).await?;
    take_out(tx, id, place.as_ref()).await?;
    remove(tx, vec![id]).await?;
    let (name, reason) = (&actor.name, &actor.reason);
    tracing::info!(job = id, actor = name, ?reason, "a job was deleted");
    Ok(Deleted::Removed)
}

async fn is_awaited(tx: &mut Tx, id: i64) -> Result<bool> {
    Ok(tx.row(sql!("awaited"), params![id]).await?.is_some())
}

/// Stops claims from a queue, whose name has a number; a repeat replaces the reason.
pub(crate) async fn pause(tx: &mut Tx, (queue, actor): &(QueueName, Actor)) -> Result<()> {
    let values = params![tx.at(), queue.as_str().to_owned(), json(actor)?];
    if tx.execute(sql!("pause"), values).await? == 0 {
        let message = format!("the queue {queue} was not given a number");
        return Err(Error::new(ErrorKind::Internal, message).into());
    }
    tx.wake = true;
    Ok(())
}

/// Allows claims from a queue again; `false` when it was not paused.
pub(crate) async fn resume(tx: &mut Tx, (queue, actor): &(QueueName, Actor)) -> Result<bool> {
    let name = queue.as_str().to_owned();
    let resumed = tx.execute(sql!("resume"), params![name]).await? == 1;
    if resumed {
        tx.wake = true;
        tracing::info!(%queue, actor = actor.name, "a queue was resumed");
    }
    Ok(resumed)
}
