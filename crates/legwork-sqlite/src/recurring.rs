//! Recurring jobs: their specs, their high-water marks and their occurrences.
//!
//! The scheduler of every server calls it; it computes the instants, since no storage reads cron.
//! Three things keep an occurrence single: the revision, the high-water mark and the key of
//! `occurrence`.

use std::time::Duration;

use legwork_core::limits::check_job;
use legwork_core::storage::{
    Due, Fired, Firing, NewJob, RecurringJob, RecurringSpec, Start, Triggered, Upserted,
};
use legwork_core::{Actor, Capabilities, Error, ErrorKind, JobId, RecurringId, Timestamp};
use rusqlite::Row;

use crate::enqueue::store;
use crate::error::Result;
use crate::query::{exists, find, list, sql};
use crate::write::Write;

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
    generation: u32,
    since: i64,
    last_at: Option<i64>,
    next_at: Option<i64>,
    ended: bool,
    last_job: Option<i64>,
    revision: i64,
}

fn find_stored(w: &Write<'_>, id: &RecurringId) -> Result<Option<Stored>> {
    find(w.db, sql!("upsert_recurring_find"), [id.as_str()], |row| {
        Ok(Stored {
            spec: serde_json::from_str(&row.get::<_, String>(0)?).ok(),
            generation: row.get(1)?,
            since: row.get(2)?,
            last_at: row.get(3)?,
            next_at: row.get(4)?,
            ended: row.get(5)?,
            last_job: row.get(6)?,
            revision: row.get(7)?,
        })
    })
}

fn damaged(id: &RecurringId) -> Error {
    Error::corrupt(format!("the spec of the recurring job {id} is damaged"))
}

/// Adds or updates a recurring job.
pub(crate) fn upsert(w: &mut Write<'_>, spec: &RecurringSpec) -> Result<Upserted> {
    let now = w.now.as_micros();
    let (stored, answer) = match find_stored(w, &spec.id)? {
        None => {
            let fresh = Stored {
                spec: None,
                generation: spec.generation,
                since: now,
                last_at: None,
                next_at: None,
                ended: false,
                last_job: None,
                revision: 0,
            };
            (fresh, Upserted::Added)
        }
        Some(stored) if spec.generation < stored.generation => return Ok(Upserted::Older),
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
    let Stored { since, last_at, next_at, ended, last_job, revision, .. } = stored;
    let params = (
        spec.id.as_str(),
        json,
        spec.generation,
        since,
        last_at,
        next_at,
        ended,
        last_job,
        revision + 1,
    );
    w.execute(sql!("upsert_recurring"), params)?;
    w.wake = true;
    Ok(answer)
}

/// Removes a recurring job; its occurrences stay, as do the jobs.
pub(crate) fn remove(w: &mut Write<'_>, id: &RecurringId) -> Result<bool> {
    Ok(w.execute(sql!("remove_recurring"), [id.as_str()])? == 1)
}

/// Enqueues a recurring job once, now.
pub(crate) fn trigger(w: &mut Write<'_>, (id, actor): &(RecurringId, Actor)) -> Result<Triggered> {
    let Some(stored) = find_stored(w, id)? else {
        return Ok(Triggered::NotFound);
    };
    let spec = stored.spec.ok_or_else(|| damaged(id))?;
    let job = enqueue_occurrence(w, &spec.job, id, w.now)?;
    w.execute(sql!("trigger_recurring"), (id.as_str(), job.get()))?;
    tracing::info!(recurring = %id, actor = actor.name, "a recurring job was triggered");
    Ok(Triggered::Enqueued(job))
}

fn enqueue_occurrence(
    w: &mut Write<'_>,
    job: &NewJob,
    id: &RecurringId,
    at: Timestamp,
) -> Result<JobId> {
    let mut job = job.clone();
    job.options.occurrence = Some((id.clone(), at));
    Ok(store(w, &job)?.id())
}

fn read_job(row: &Row<'_>) -> rusqlite::Result<Option<RecurringJob>> {
    let Ok(spec) = serde_json::from_str(&row.get::<_, String>(0)?) else {
        return Ok(None);
    };
    let at = |column: usize| -> rusqlite::Result<Option<Timestamp>> {
        Ok(row.get::<_, Option<i64>>(column)?.map(Timestamp::from_micros))
    };
    let last_job = row.get::<_, Option<i64>>(4)?.and_then(|id| JobId::new(id).ok());
    Ok(Some(RecurringJob {
        spec,
        since: Timestamp::from_micros(row.get(1)?),
        last_at: at(2)?,
        next_at: at(3)?,
        last_job,
        revision: row.get::<_, i64>(5)?.unsigned_abs(),
    }))
}

/// Reads a recurring job that a statement of this crate lists; a damaged one is passed over.
pub(crate) fn read_jobs(
    db: &rusqlite::Connection,
    sql: &str,
    params: impl rusqlite::Params,
) -> Result<Vec<RecurringJob>> {
    let all = list(db, sql, params, read_job)?;
    let n = all.len();
    let sound: Vec<_> = all.into_iter().flatten().collect();
    if sound.len() < n {
        tracing::error!(n = n - sound.len(), "the specs of recurring jobs are damaged");
    }
    Ok(sound)
}

/// Lists recurring jobs that are due or whose next occurrence is not known.
pub(crate) fn due(w: &mut Write<'_>, max: usize) -> Result<Due> {
    let now = w.now.as_micros();
    let limit = i64::try_from(max).unwrap_or(i64::MAX);
    let jobs = read_jobs(w.db, sql!("due_recurring"), (now, limit))?;
    let next: Option<i64> = find(w.db, sql!("due_recurring_next"), [now], |row| row.get(0))?;
    let next_in: Option<Duration> = next.map(|at| Timestamp::from_micros(at).since(w.now));
    Ok(Due { jobs, now: w.now, next_in })
}

/// Enqueues occurrences and moves the high-water mark.
pub(crate) fn fire(w: &mut Write<'_>, firing: &Firing) -> Result<Fired> {
    let id = &firing.id;
    let Some(stored) = find_stored(w, id)? else {
        return Ok(Fired::Stale);
    };
    if stored.revision.unsigned_abs() != firing.revision {
        return Ok(Fired::Stale);
    }
    let spec = stored.spec.ok_or_else(|| damaged(id))?;
    let mut jobs = Vec::with_capacity(firing.occurrences.len());
    for &at in &firing.occurrences {
        let key = (id.as_str(), at.as_micros());
        if exists(w.db, sql!("fire_recurring_occurrence"), key)? {
            continue;
        }
        let job = enqueue_occurrence(w, &spec.job, id, at)?;
        w.execute(sql!("fire_recurring_add"), (key.0, key.1, job.get()))?;
        jobs.push(job);
    }
    let kept = w.now.before(OCCURRENCES_KEPT).as_micros();
    w.execute(sql!("fire_recurring_forget"), (id.as_str(), kept))?;
    let params = (
        id.as_str(),
        std::cmp::max(stored.last_at, firing.last_at.map(Timestamp::as_micros)),
        firing.next_at.map(Timestamp::as_micros),
        jobs.last().map(|job| job.get()),
    );
    w.execute(sql!("fire_recurring"), params)?;
    Ok(Fired::Enqueued(jobs))
}
