//! Storing jobs: checks first, then one row per job and one ticket per hundred.
//!
//! [`check`] runs before anything is sent. Plain jobs are one statement, which is a transaction of
//! its own; whatever else a batch contains adds statements. The ids are taken before, so that a
//! call whose outcome is unknown is repeated and stores nothing twice.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, OnceLock};

use legwork_core::id::IdBlock;
use legwork_core::limits::{ENQUEUE_MAX_JOBS, check_job};
use legwork_core::storage::{NewJob, Start};
use legwork_core::{Capabilities, Enqueued, Error, ErrorKind, JobId, Kind, QueueName, Timestamp};

use crate::bind::{get, params};
use crate::change::Changes;
use crate::children;
use crate::error::{Failure, Result};
use crate::ground::Ground;
use crate::marker::{Home, Marker};
use crate::names::Names;
use crate::number::BLOCK;
use crate::statement::sql;
use crate::tx::Tx;

/// How many jobs a ticket stands for at most: a claim of four never waits behind more, and the cost
/// of a ticket is shared by enough.
pub(crate) const TICKET_MAX: i16 = 100;

/// The stored number of `enqueued` as the first state.
pub(crate) const FIRST_ENQUEUED: i16 = 0;
/// The stored number of `scheduled` as the first state.
pub(crate) const FIRST_SCHEDULED: i16 = 1;
/// The stored number of `awaiting` as the first state.
pub(crate) const FIRST_AWAITING: i16 = 2;

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

/// Gives numbers to the names of queues and kinds that have none.
pub(crate) async fn number_names(ground: &Ground, jobs: &[NewJob]) -> legwork_core::Result<()> {
    let unknown = |job: &&NewJob| {
        ground.names.known(&job.queue).is_none() || ground.names.known(&job.kind).is_none()
    };
    let unknown: Vec<_> = jobs.iter().filter(unknown).collect();
    if unknown.is_empty() {
        return Ok(());
    }
    let queues: HashSet<QueueName> = unknown.iter().map(|job| job.queue.clone()).collect();
    let kinds: HashSet<Kind> = unknown.iter().map(|job| job.kind.clone()).collect();
    ground.number_names(&queues.into_iter().collect::<Vec<_>>()).await?;
    ground.number_names(&kinds.into_iter().collect::<Vec<_>>()).await
}

/// One call of enqueue; its ids stay the same however often it is repeated.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) jobs: Vec<NewJob>,
    ids: OnceLock<Vec<i64>>,
}

impl Call {
    pub(crate) fn new(jobs: Vec<NewJob>) -> Self {
        Self { jobs, ids: OnceLock::new() }
    }

    async fn ids(&self, tx: &mut Tx) -> Result<&[i64]> {
        if let Some(ids) = self.ids.get() {
            return Ok(ids);
        }
        let ids = fresh_ids(tx, &self.jobs).await?;
        Ok(self.ids.get_or_init(|| ids))
    }
}

/// Returns an id for each job: its own, or a fresh one.
async fn fresh_ids(tx: &mut Tx, jobs: &[NewJob]) -> Result<Vec<i64>> {
    let n = jobs.iter().filter(|job| job.id.is_none()).count();
    let mut fresh = tx.take_numbers(n).await?.into_iter();
    Ok(jobs.iter().filter_map(|job| job.id.map(JobId::get).or_else(|| fresh.next())).collect())
}

/// Stores the jobs of a call that was checked.
pub(crate) async fn enqueue(tx: &mut Tx, call: &Call) -> Result<Vec<Enqueued>> {
    let ids = call.ids(tx).await?;
    let plain = !tx.careful && call.jobs.iter().all(is_plain);
    if !plain {
        return store_with(tx, &call.jobs, ids).await;
    }
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let names = Arc::clone(&tx.names);
    let columns = Columns::at(&names, &call.jobs, ids, None)?;
    let tickets = tickets(call.jobs.iter().zip(ids), &names)?;
    tx.alone(sql!("enqueue"), columns.with_tickets(tx, &tickets)).await?;
    tx.wake = true;
    ids.iter().map(|&id| Ok(Enqueued::New(JobId::new(id)?))).collect()
}

/// Tells whether a job becomes claimable at once and touches no other table.
fn is_plain(job: &NewJob) -> bool {
    job.id.is_none()
        && job.parents.is_empty()
        && job.options.tags.is_empty()
        && job.start == Start::Now
}

/// Stores jobs in a transaction that does more, with fresh ids where they have none.
pub(crate) async fn store(tx: &mut Tx, jobs: &[NewJob]) -> Result<Vec<Enqueued>> {
    let ids = fresh_ids(tx, jobs).await?;
    store_with(tx, jobs, &ids).await
}

/// Stores jobs of any sort, each unless its id exists.
pub(crate) async fn store_with(tx: &mut Tx, jobs: &[NewJob], ids: &[i64]) -> Result<Vec<Enqueued>> {
    if jobs.is_empty() {
        return Ok(Vec::new());
    }
    let now = tx.now().await?;
    let names = Arc::clone(&tx.names);
    check_given(tx, jobs).await?;
    check_parents(tx, jobs).await?;
    let columns = Columns::at(&names, jobs, ids, Some(now))?;
    let stored = tx.rows(sql!("enqueue_unless_stored"), columns.alone(tx)).await?;
    let mut fresh: HashSet<i64> = HashSet::with_capacity(stored.len());
    for row in &stored {
        fresh.insert(get(row, 0)?);
    }
    let mut answers = Vec::with_capacity(ids.len());
    let mut new = Vec::with_capacity(ids.len());
    for (job, &id) in jobs.iter().zip(ids) {
        let is_new = fresh.remove(&id);
        if is_new {
            new.push((job, id));
        }
        let own = is_new || job.id.is_none();
        let id = JobId::new(id)?;
        // A fresh id that exists was stored by this very call, before its answer got lost.
        answers.push(if own { Enqueued::New(id) } else { Enqueued::Existing(id) });
    }
    place(tx, now, &names, &new).await?;
    Ok(answers)
}

/// Puts the markers of jobs that were just stored in their places.
async fn place(tx: &mut Tx, now: Timestamp, names: &Names, new: &[(&NewJob, i64)]) -> Result<()> {
    let ready = new.iter().filter(|(job, _)| first_state(job, Some(now)) == FIRST_ENQUEUED);
    let tickets = tickets(ready.map(|(job, id)| (*job, id)), names)?;
    if !tickets.is_empty() {
        tx.wake = true;
        let columns = ticket_columns(&tickets);
        tx.send(sql!("ready_add"), columns).await?;
    }
    let tags: Vec<(String, i64)> = new
        .iter()
        .flat_map(|(job, id)| job.options.tags.iter().map(|tag| (tag.as_str().to_owned(), *id)))
        .collect();
    if !tags.is_empty() {
        let (tags, ids): (Vec<_>, Vec<_>) = tags.into_iter().unzip();
        tx.send(sql!("enqueue_tag"), params![tags, ids]).await?;
    }
    let mut changes = Changes::default();
    for (job, id) in new.iter().filter(|(job, _)| job.parents.is_empty()) {
        if let Some(at) = job.start.due(now) {
            changes.schedule(at, Marker::fresh(*id));
        }
    }
    changes.send(tx).await?;
    let adopted: Vec<_> = new.iter().copied().filter(|(job, _)| !job.parents.is_empty()).collect();
    children::adopt(tx, now, &adopted).await
}

/// Refuses ids that were never handed out: the sequence would come to them later.
async fn check_given(tx: &mut Tx, jobs: &[NewJob]) -> Result<()> {
    let Some(highest) = jobs.iter().filter_map(|job| job.id).map(JobId::get).max() else {
        return Ok(());
    };
    let row = tx.row(sql!("number_last"), params![]).await?;
    let last: i64 = row.as_ref().map_or(Ok(0), |row| get(row, 0))?;
    if highest < last.saturating_add(BLOCK) {
        return Ok(());
    }
    let message = format!("the id {highest} was never handed out");
    Err(Error::invalid(message).into())
}

/// Refuses a batch that names a parent which is neither stored nor earlier in the batch.
async fn check_parents(tx: &mut Tx, jobs: &[NewJob]) -> Result<()> {
    let asked = jobs.iter().filter(|job| !job.parents.is_empty());
    let asked: Vec<i64> = asked
        .flat_map(|job| job.parents.iter().map(|parent| parent.id).chain(job.id))
        .map(JobId::get)
        .collect();
    if asked.is_empty() {
        return Ok(());
    }
    let rows = tx.rows(sql!("job_keep"), params![asked]).await?;
    let stored: HashSet<i64> = rows.iter().map(|row| get(row, 0)).collect::<Result<_>>()?;
    let mut earlier = HashSet::new();
    for (index, job) in jobs.iter().enumerate() {
        // A job that exists is not stored again: its parents may have been pruned meanwhile.
        if job.id.is_none_or(|id| !stored.contains(&id.get())) {
            for parent in &job.parents {
                let id = parent.id;
                if !earlier.contains(&id) && !stored.contains(&id.get()) {
                    let message = format!("parent {id} does not exist");
                    return Err(at_index(index, &Error::new(ErrorKind::NotFound, message)).into());
                }
            }
        }
        earlier.extend(job.id);
    }
    Ok(())
}

/// Returns the stored number of the state in which a job begins; without the time it begins now.
fn first_state(job: &NewJob, now: Option<Timestamp>) -> i16 {
    if !job.parents.is_empty() {
        return FIRST_AWAITING;
    }
    match now.and_then(|now| job.start.due(now)) {
        Some(_) => FIRST_SCHEDULED,
        None => FIRST_ENQUEUED,
    }
}

/// Returns where a job belongs; its names have numbers.
pub(crate) fn home_of(names: &Names, job: &NewJob) -> Result<Home> {
    let number = |known: Option<i32>| {
        // The cache is full of names that somebody made up, or a caller forgot to number them.
        known.ok_or_else(|| Error::new(ErrorKind::Unavailable, "too many queues and kinds"))
    };
    Ok(Home {
        queue: number(names.known(&job.queue))?,
        kind: number(names.known(&job.kind))?,
        priority: job.priority,
    })
}

/// The rows of `job`, column by column.
struct Columns {
    ids: Vec<i64>,
    queues: Vec<i32>,
    kinds: Vec<i32>,
    priorities: Vec<i16>,
    first_states: Vec<i16>,
    args: Vec<String>,
    options: Vec<Option<String>>,
}

impl Columns {
    fn at(names: &Names, jobs: &[NewJob], ids: &[i64], now: Option<Timestamp>) -> Result<Self> {
        let n = jobs.len();
        let mut columns = Self {
            ids: ids.to_vec(),
            queues: Vec::with_capacity(n),
            kinds: Vec::with_capacity(n),
            priorities: Vec::with_capacity(n),
            first_states: Vec::with_capacity(n),
            args: Vec::with_capacity(n),
            options: Vec::with_capacity(n),
        };
        for job in jobs {
            let home = home_of(names, job)?;
            columns.queues.push(home.queue);
            columns.kinds.push(home.kind);
            columns.priorities.push(home.priority);
            columns.first_states.push(first_state(job, now));
            let args = String::from_utf8(job.args.clone()).map_err(|error| {
                Error::with_source(ErrorKind::Invalid, "the arguments are not JSON", error)
            })?;
            columns.args.push(args);
            columns.options.push(options_of(job)?);
        }
        Ok(columns)
    }

    fn alone(self, tx: &Tx) -> Vec<crate::bind::Param> {
        params![
            tx.at(),
            self.ids,
            self.queues,
            self.kinds,
            self.priorities,
            self.first_states,
            self.args,
            self.options,
        ]
    }

    fn with_tickets(self, tx: &Tx, tickets: &[Fresh]) -> Vec<crate::bind::Param> {
        let mut columns = self.alone(tx);
        columns.extend(ticket_columns(tickets));
        columns
    }
}

/// Returns the options as they are stored; a plain job has none.
pub(crate) fn options_of(job: &NewJob) -> Result<Option<String>> {
    if job.options.is_plain() {
        return Ok(None);
    }
    let json = serde_json::to_string(&job.options).map_err(|error| {
        Error::with_source(ErrorKind::Invalid, "the options cannot be written as JSON", error)
    })?;
    Ok(Some(json))
}

/// A ticket of jobs that have never run: consecutive ids of one home.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Fresh {
    home: Home,
    first: i64,
    n: i16,
}

/// Makes tickets of jobs that are claimable at once.
fn tickets<'j>(
    jobs: impl Iterator<Item = (&'j NewJob, &'j i64)>,
    names: &Names,
) -> Result<Vec<Fresh>> {
    let mut tickets: Vec<Fresh> = Vec::new();
    // Jobs of different homes may alternate in one batch: each home has its open ticket.
    let mut open: HashMap<Home, usize> = HashMap::new();
    for (job, &id) in jobs {
        let home = home_of(names, job)?;
        if let Some(&at) = open.get(&home) {
            let ticket = &mut tickets[at];
            if ticket.first + i64::from(ticket.n) == id && ticket.n < TICKET_MAX {
                ticket.n += 1;
                continue;
            }
        }
        open.insert(home, tickets.len());
        tickets.push(Fresh { home, first: id, n: 1 });
    }
    Ok(tickets)
}

fn ticket_columns(tickets: &[Fresh]) -> Vec<crate::bind::Param> {
    params![
        tickets.iter().map(|t| t.first).collect::<Vec<_>>(),
        tickets.iter().map(|t| t.home.queue).collect::<Vec<_>>(),
        tickets.iter().map(|t| t.home.kind).collect::<Vec<_>>(),
        tickets.iter().map(|t| t.home.priority).collect::<Vec<_>>(),
        tickets.iter().map(|t| t.n).collect::<Vec<_>>(),
    ]
}

/// How many numbers in a row one call may ask for.
const ALLOCATE_MAX: u32 = 1_000_000;

/// How often blocks that did not follow each other are asked for again.
const ALLOCATE_TRIES: u32 = 20;

/// Hands out fresh ids in a row.
pub(crate) async fn allocate_ids(tx: &mut Tx, n: &u32) -> Result<IdBlock> {
    if *n > ALLOCATE_MAX {
        let message = format!("{n} ids in one call: at most {ALLOCATE_MAX} are allowed");
        return Err(Error::new(ErrorKind::TooLarge, message).into());
    }
    let blocks = std::cmp::max(1, (i64::from(*n) + BLOCK - 1) / BLOCK);
    tx.send(sql!("number_keep"), params![]).await?;
    for _ in 0..ALLOCATE_TRIES {
        let rows = tx.rows(sql!("number"), params![blocks]).await?;
        let firsts: Vec<i64> = rows.iter().map(|row| get(row, 0)).collect::<Result<_>>()?;
        if let Some(&first) = firsts.first()
            && firsts.windows(2).all(|pair| pair[1] - pair[0] == BLOCK)
        {
            tx.ground.numbers.forget();
            return Ok(IdBlock { first: JobId::new(first)?, len: *n });
        }
    }
    Err(Failure::Raced)
}

#[cfg(test)]
mod tests {
    use legwork_core::{Kind, QueueName};

    use super::*;

    #[test]
    fn a_ticket_stands_for_consecutive_ids_of_one_home() {
        let names = Names::default();
        names.remember_for_test(&QueueName::default(), 1);
        names.remember_for_test(&Kind::new("a").unwrap(), 1);
        names.remember_for_test(&Kind::new("b").unwrap(), 2);
        let job = |kind: &str| NewJob::new(Kind::new(kind).unwrap(), b"{}".to_vec());
        let (a, b) = (job("a"), job("b"));
        let of = |jobs: &[(&NewJob, i64)]| {
            let tickets = tickets(jobs.iter().map(|(job, id)| (*job, id)), &names).unwrap();
            tickets.iter().map(|t| (t.home.kind, t.first, t.n)).collect::<Vec<_>>()
        };
        assert_eq!(of(&[(&a, 1), (&a, 2), (&a, 4), (&b, 5)]), [(1, 1, 2), (1, 4, 1), (2, 5, 1)]);
        let many: Vec<_> = (1..=150).map(|id| (&a, id)).collect();
        assert_eq!(of(&many), [(1, 1, 100), (1, 101, 50)]);
    }
}
