//! Storing jobs: checks first, then one row per job and one ticket per hundred.
//!
//! [`check`] runs on the caller's thread, [`enqueue`] in a write transaction: the writer's, or the
//! caller's own (see [`crate::transaction`]). Nothing is written before everything has been
//! checked.

use std::collections::HashSet;

use legwork_core::id::IdBlock;
use legwork_core::limits::{ENQUEUE_MAX_JOBS, check_job};
use legwork_core::storage::{NewJob, Start};
use legwork_core::{Capabilities, Enqueued, Error, ErrorKind, JobId};

use crate::children;
use crate::error::Result;
use crate::marker::{Home, Marker};
use crate::query::{exists, sql};
use crate::ready;
use crate::write::Write;

/// Refuses jobs that no storage, or not this one, may take; names the first.
pub(crate) fn check(capabilities: &Capabilities, jobs: &[NewJob]) -> legwork_core::Result<()> {
    let n = jobs.len();
    if n > ENQUEUE_MAX_JOBS {
        let message = format!("{n} jobs in one call: at most {ENQUEUE_MAX_JOBS} are allowed");
        return Err(Error::new(ErrorKind::TooLarge, message));
    }
    for (index, job) in jobs.iter().enumerate() {
        check_job(job)
            .and_then(|()| capabilities.check(job))
            .map_err(|error| at_index(index, &error))?;
    }
    Ok(())
}

fn at_index(index: usize, error: &Error) -> Error {
    Error::new(error.kind(), format!("job {index} of the batch: {error}"))
}

/// Stores jobs that were checked.
pub(crate) fn enqueue(w: &mut Write<'_>, jobs: &[NewJob]) -> Result<Vec<Enqueued>> {
    check_parents(w, jobs)?;
    jobs.iter().map(|job| store(w, job)).collect()
}

/// Refuses a batch that names a parent which is neither stored nor earlier in the batch.
fn check_parents(w: &Write<'_>, jobs: &[NewJob]) -> Result<()> {
    if jobs.iter().all(|job| job.parents.is_empty()) {
        return Ok(());
    }
    let mut earlier = HashSet::new();
    for (index, job) in jobs.iter().enumerate() {
        // A job that exists is not stored again: its parents may have been pruned meanwhile.
        if let Some(id) = job.id.filter(|_| !job.parents.is_empty())
            && exists(w.db, sql!("job_exists"), [id.get()])?
        {
            continue;
        }
        for parent in &job.parents {
            let id = parent.id;
            if !earlier.contains(&id) && !exists(w.db, sql!("job_exists"), [id.get()])? {
                let error = Error::new(ErrorKind::NotFound, format!("parent {id} does not exist"));
                return Err(at_index(index, &error).into());
            }
        }
        earlier.extend(job.id);
    }
    Ok(())
}

/// Stores one job, unless its id exists.
pub(crate) fn store(w: &mut Write<'_>, job: &NewJob) -> Result<Enqueued> {
    let home = Home {
        queue: w.names.queue(w.db, &job.queue)?,
        kind: w.names.kind(w.db, &job.kind)?,
        priority: job.priority,
    };
    let id = match job.id {
        Some(id) => {
            w.pass(id.get())?;
            id
        }
        None => JobId::new(w.take(1)?)?,
    };
    if !insert(w, home, id.get(), job)? {
        return Ok(Enqueued::Existing(id));
    }
    for tag in &job.options.tags {
        w.execute(sql!("enqueue_tag"), (tag.as_str(), id.get()))?;
    }
    if job.parents.is_empty() {
        start_fresh(w, home, id.get(), job.start)?;
    } else {
        children::adopt(w, home, id.get(), job)?;
    }
    Ok(Enqueued::New(id))
}

fn insert(w: &mut Write<'_>, home: Home, id: i64, job: &NewJob) -> Result<bool> {
    let options = if job.options.is_plain() {
        None
    } else {
        Some(serde_json::to_string(&job.options).map_err(|error| {
            Error::with_source(ErrorKind::Invalid, "the options cannot be written as JSON", error)
        })?)
    };
    let first_state = match job.start.due(w.now) {
        _ if !job.parents.is_empty() => FIRST_AWAITING,
        Some(_) => FIRST_SCHEDULED,
        None => FIRST_ENQUEUED,
    };
    let now = w.now.as_micros();
    let Home { queue, kind, priority } = home;
    let params = (id, queue, kind, priority, now, first_state, job.args.as_slice(), options);
    Ok(w.execute(sql!("enqueue"), params)? == 1)
}

/// The stored number of `enqueued` as the first state.
pub(crate) const FIRST_ENQUEUED: i64 = 0;
/// The stored number of `scheduled` as the first state.
pub(crate) const FIRST_SCHEDULED: i64 = 1;
/// The stored number of `awaiting` as the first state.
pub(crate) const FIRST_AWAITING: i64 = 2;

fn start_fresh(w: &mut Write<'_>, home: Home, id: i64, start: Start) -> Result<()> {
    match start.due(w.now) {
        None => ready::add(w, home, id),
        Some(at) => schedule(w, at.as_micros(), Marker { id, run: 1, failures: 0, losses: 0 }),
    }
}

/// Lets a job wait for its due time.
pub(crate) fn schedule(w: &mut Write<'_>, run_at: i64, marker: Marker) -> Result<()> {
    let Marker { id, run, failures, losses } = marker;
    w.execute(sql!("due_add"), (run_at, id, run, failures, losses))?;
    w.wake = true;
    Ok(())
}

/// Hands out fresh ids.
pub(crate) fn allocate_ids(w: &mut Write<'_>, n: u32) -> Result<IdBlock> {
    let first = JobId::new(w.take(n)?)?;
    Ok(IdBlock { first, len: n })
}
