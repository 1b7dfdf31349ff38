//! Recurring jobs: their specs, their high-water marks and their occurrences.
//!
//! The scheduler of every server calls it; it computes the instants, since no storage reads cron.
//! Four things keep an occurrence single: the lock on the recurring job, its revision, its
//! high-water mark and the key of `occurrence`.

use std::collections::HashSet;
use std::time::Duration;

use legwork_core::limits::check_job;
use legwork_core::storage::{
    Due, Fired, Firing, NewJob, RecurringJob, RecurringSpec, Start, Triggered, Upserted,
};
use legwork_core::{Actor, Capabilities, Error, ErrorKind, JobId, RecurringId, Timestamp};
use tokio_postgres::Row;

use crate::bind::{At, Param, get, instant, instant_or_none, params};
use crate::enqueue::store;
use crate::error::{Failure, Result};
use crate::statement::{Sql, sql};
use crate::tx::Tx;

/// How long an occurrence is remembered by its key, whatever becomes of its job. Older ones are
/// guarded by the high-water mark alone.
const OCCURRENCES_KEPT: Duration = Duration::from_hours(100 * 24);

/// Refuses a spec that could not be enqueued.
pub(crate) fn check(capabilities: &Capabilities, spec: &RecurringSpec) -> legwork_core::Result<()> {
    let job = &spec.job;
    if job.id.is_some() || !job.parents.is_empty() || job.start != Start::Now {
        let message = "the job of a recurring job has no id, no parents and starts at once";
        return Err(Error::invalid(message));
    }
    check_job(job)?;
    capabilities.check(job)
}

/// What is stored of a recurring job.
struct Stored {
    spec: Option<RecurringSpec>,
    generation: i64,
    since: Timestamp,
    last_at: Option<Timestamp>,
    next_at: Option<Timestamp>,
    ended: bool,
    last_job: Option<i64>,
    revision: i64,
}

/// Locks and reads a recurring job.
async fn find_stored(tx: &mut Tx, id: &RecurringId) -> Result<Option<Stored>> {
    let key = params![id.as_str().to_owned()];
    let Some(row) = tx.row(sql!("upsert_recurring_find"), key).await? else {
        return Ok(None);
    };
    Ok(Some(Stored {
        spec: serde_json::from_str(get(&row, 0)?).ok(),
        generation: get(&row, 1)?,
        since: instant(&row, 2)?,
        last_at: instant_or_none(&row, 3)?,
        next_at: instant_or_none(&row, 4)?,
        ended: get(&row, 5)?,
        last_job: get(&row, 6)?,
        revision: get(&row, 7)?,
    }))
}

fn damaged(id: &RecurringId) -> Error {
    Error::corrupt(format!("the spec of the recurring job {id} is damaged"))
}

/// Adds or updates a recurring job.
pub(crate) async fn upsert(tx: &mut Tx, spec: &RecurringSpec) -> Result<Upserted> {
    let generation = i64::from(spec.generation);
    let now = tx.now().await?;
    let (stored, answer) = match find_stored(tx, &spec.id).await? {
        None => {
            let fresh = Stored {
                spec: None,
                generation,
                since: now,
                last_at: None,
                next_at: None,
                ended: false,
                last_job: None,
                revision: 0,
            };
            (fresh, Upserted::Added)
        }
        Some(stored) if generation < stored.generation => return Ok(Upserted::Older),
        Some(stored) if stored.spec.as_ref() == Some(spec) => return Ok(Upserted::Unchanged),
        Some(stored) => {
            let same_schedule = stored
                .spec
                .as_ref()
                .is_some_and(|old| old.cron == spec.cron && old.time_zone == spec.time_zone);
            let kept = if same_schedule {
                stored
            } else {
                Stored { since: now, next_at: None, ended: false, ..stored }
            };
            (kept, Upserted::Updated)
        }
    };
    let json = serde_json::to_string(spec).map_err(|error| {
        Error::with_source(ErrorKind::Invalid, "the spec cannot be written as JSON", error)
    })?;
    let values = params![
        spec.id.as_str().to_owned(),
        json,
        generation,
        At(stored.since),
        stored.last_at.map(At),
        stored.next_at.map(At),
        stored.ended,
        stored.last_job,
        stored.revision.saturating_add(1),
    ];
    // Nobody can lock what is not there yet: who adds it second looks again.
    if tx.execute(sql!("upsert_recurring"), values).await? == 0 {
        return Err(Failure::Raced);
    }
    tx.wake = true;
    Ok(answer)
}

/// Removes a recurring job; its occurrences stay, as do the jobs.
pub(crate) async fn remove(tx: &mut Tx, id: &RecurringId) -> Result<bool> {
    Ok(tx.execute(sql!("remove_recurring"), params![id.as_str().to_owned()]).await? == 1)
}

/// Enqueues a recurring job once, now.
pub(crate) async fn trigger(tx: &mut Tx, (id, actor): &(RecurringId, Actor)) -> Result<Triggered> {
    let Some(stored) = find_stored(tx, id).await? else {
        return Ok(Triggered::NotFound);
    };
    let spec = stored.spec.ok_or_else(|| damaged(id))?;
    let now = tx.now().await?;
    let jobs = enqueue_occurrences(tx, &spec.job, id, &[now]).await?;
    let Some(&job) = jobs.first() else {
        return Err(Error::new(ErrorKind::Internal, "a job was given no id").into());
    };
    let values = params![id.as_str().to_owned(), job.get()];
    tx.send(sql!("trigger_recurring"), values).await?;
    tracing::info!(recurring = %id, actor = actor.name, "a recurring job was triggered");
    Ok(Triggered::Enqueued(job))
}

/// Enqueues a job for each instant; its names were given numbers when the spec was stored.
async fn enqueue_occurrences(
    tx: &mut Tx,
    job: &NewJob,
    id: &RecurringId,
    at: &[Timestamp],
) -> Result<Vec<JobId>> {
    let names = std::sync::Arc::clone(&tx.names);
    names.look_up(tx, std::slice::from_ref(&job.queue)).await?;
    names.look_up(tx, std::slice::from_ref(&job.kind)).await?;
    let occurrence = |&at: &Timestamp| {
        let mut job = job.clone();
        job.options.occurrence = Some((id.clone(), at));
        job
    };
    let jobs: Vec<NewJob> = at.iter().map(occurrence).collect();
    Ok(store(tx, &jobs).await?.iter().map(legwork_core::Enqueued::id).collect())
}

/// Reads `spec, since, last_at, next_at, last_job, revision`; `None` for a damaged spec.
fn read_job(row: &Row) -> Result<Option<RecurringJob>> {
    let Ok(spec) = serde_json::from_str(get(row, 0)?) else {
        return Ok(None);
    };
    Ok(Some(RecurringJob {
        spec,
        since: instant(row, 1)?,
        last_at: instant_or_none(row, 2)?,
        next_at: instant_or_none(row, 3)?,
        last_job: get::<Option<i64>>(row, 4)?.and_then(|id| JobId::new(id).ok()),
        revision: get::<i64>(row, 5)?.unsigned_abs(),
    }))
}

/// Reads recurring jobs that a statement of this crate lists; a damaged one is passed over.
pub(crate) async fn read_jobs(
    tx: &mut Tx,
    sql: Sql,
    params: Vec<Param>,
) -> Result<Vec<RecurringJob>> {
    let rows = tx.rows(sql, params).await?;
    let mut sound = Vec::with_capacity(rows.len());
    for row in &rows {
        sound.extend(read_job(row)?);
    }
    if sound.len() < rows.len() {
        tracing::error!(n = rows.len() - sound.len(), "the specs of recurring jobs are damaged");
    }
    Ok(sound)
}

/// Lists recurring jobs that are due or whose next occurrence is not known.
pub(crate) async fn due(tx: &mut Tx, max: &usize) -> Result<Due> {
    let now = tx.now().await?;
    let limit = i64::try_from(*max).unwrap_or(i64::MAX);
    let jobs = read_jobs(tx, sql!("due_recurring"), params![At(now), limit]).await?;
    let next = tx.row(sql!("due_recurring_next"), params![At(now)]).await?;
    let next = next.map(|row| instant(&row, 0)).transpose()?;
    Ok(Due { jobs, now, next_in: next.map(|at| at.since(now)) })
}

/// Enqueues occurrences and moves the high-water mark.
pub(crate) async fn fire(tx: &mut Tx, firing: &Firing) -> Result<Fired> {
    let id = &firing.id;
    let Some(stored) = find_stored(tx, id).await? else {
        return Ok(Fired::Stale);
    };
    if stored.revision.unsigned_abs() != firing.revision {
        return Ok(Fired::Stale);
    }
    let spec = stored.spec.ok_or_else(|| damaged(id))?;
    let fresh = not_enqueued(tx, id, &firing.occurrences).await?;
    let jobs = enqueue_occurrences(tx, &spec.job, id, &fresh).await?;
    let name = id.as_str().to_owned();
    if !jobs.is_empty() {
        let at: Vec<At> = fresh.into_iter().map(At).collect();
        let ids: Vec<i64> = jobs.iter().map(|job| job.get()).collect();
        tx.send(sql!("fire_recurring_add"), params![name.clone(), at, ids]).await?;
    }
    let kept = At(tx.now().await?.before(OCCURRENCES_KEPT));
    tx.send(sql!("fire_recurring_forget"), params![name.clone(), kept]).await?;
    let values = params![
        name,
        std::cmp::max(stored.last_at, firing.last_at).map(At),
        firing.next_at.map(At),
        jobs.last().map(|job| job.get()),
    ];
    tx.send(sql!("fire_recurring"), values).await?;
    Ok(Fired::Enqueued(jobs))
}

/// Returns the occurrences that were not enqueued before, each once, in the order given.
async fn not_enqueued(
    tx: &mut Tx,
    id: &RecurringId,
    occurrences: &[Timestamp],
) -> Result<Vec<Timestamp>> {
    if occurrences.is_empty() {
        return Ok(Vec::new());
    }
    let at: Vec<At> = occurrences.iter().copied().map(At).collect();
    let key = params![id.as_str().to_owned(), at];
    let rows = tx.rows(sql!("fire_recurring_occurrence"), key).await?;
    let mut seen: HashSet<Timestamp> =
        rows.iter().map(|row| instant(row, 0)).collect::<Result<_>>()?;
    Ok(occurrences.iter().copied().filter(|&at| seen.insert(at)).collect())
}
