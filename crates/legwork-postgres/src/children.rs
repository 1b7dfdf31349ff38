//! Continuations: what the end of a parent decides.
//!
//! Enqueue ties children to parents; every transition to a final state calls [`decide`] in its own
//! transaction. Cascades are a loop, never a recursion: a chain may be as long as the table.
//!
//! A parent may end in one transaction while its child is stored in another, and neither sees the
//! other. Nobody waits for that: the child is stored *unsettled*, and [`settle`] looks at its
//! parents again until every transaction that could have missed it is over.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::atomic::Ordering;
use std::time::Duration;

use legwork_core::inspect::History;
use legwork_core::storage::{NewJob, Start};
use legwork_core::{JobState, On, Timestamp};

use crate::bind::{At, get, instant_or_none, params};
use crate::change::Changes;
use crate::enqueue::home_of;
use crate::error::Result;
use crate::marker::{Home, Marker};
use crate::outcome::Ended;
use crate::statement::sql;
use crate::tx::Tx;

/// How many unsettled children one call looks at.
const SETTLE_MAX: i64 = 1_000;

/// A continuation that waits.
struct Waiting {
    open: i32,
    start: Start,
}

/// What is written when children are tied to their parents.
#[derive(Default)]
struct Ties {
    parents: Vec<i64>,
    children: Vec<i64>,
    conditions: Vec<&'static str>,
    open: Vec<bool>,
    places: Vec<i32>,
    waiting: Vec<i64>,
    waiting_for: Vec<i32>,
    delays: Vec<Option<i64>>,
    start_at: Vec<Option<At>>,
}

/// Ties fresh jobs to their parents; decides those at once whose parents have all ended.
pub(crate) async fn adopt(tx: &mut Tx, now: Timestamp, jobs: &[(&NewJob, i64)]) -> Result<()> {
    if jobs.is_empty() {
        return Ok(());
    }
    let parents: Vec<i64> =
        jobs.iter().flat_map(|(job, _)| job.parents.iter().map(|parent| parent.id.get())).collect();
    let mut ends = ends_of(tx, parents).await?;
    let mut ties = Ties::default();
    let mut changes = Changes::default();
    for (job, id) in jobs {
        let home = home_of(&tx.names, job)?;
        if let Some(refusal) = ties.tie(job, *id, &ends) {
            cancel(&mut changes, home, *id, refusal)?;
            ends.insert(*id, JobState::Cancelled);
        } else if ties.waiting.last() != Some(id) {
            start(&mut changes, home, *id, job.start, now)?;
        }
    }
    let Ties { parents, children, conditions, open, places, .. } = ties;
    let columns = params![parents, children, conditions, open, places];
    tx.send(sql!("enqueue_dependency"), columns).await?;
    if !ties.waiting.is_empty() {
        let columns = params![ties.waiting, ties.waiting_for, ties.delays, ties.start_at];
        tx.send(sql!("enqueue_waiting"), columns).await?;
    }
    // Nobody can wait for a job yet that this transaction stores, but those of the same batch.
    changes.send(tx).await
}

impl Ties {
    /// Ties one child; returns the parent whose end refuses it, if one does.
    fn tie(
        &mut self,
        job: &NewJob,
        id: i64,
        ends: &HashMap<i64, JobState>,
    ) -> Option<(i64, JobState)> {
        let begin = self.open.len();
        let mut seen = HashSet::new();
        let mut refusal = None;
        for (place, parent) in (0_i32..).zip(&job.parents) {
            if !seen.insert((parent.id, parent.on)) {
                continue;
            }
            let parent_id = parent.id.get();
            let ended = ends.get(&parent_id).copied();
            self.parents.push(parent_id);
            self.children.push(id);
            self.conditions.push(parent.on.as_str());
            self.open.push(ended.is_none());
            self.places.push(place);
            if let Some(state) = ended
                && parent.on.decide(state) == Some(false)
            {
                refusal = refusal.or(Some((parent_id, state)));
            }
        }
        if refusal.is_some() {
            self.open[begin..].fill(false);
            return refusal;
        }
        let open = self.open[begin..].iter().filter(|open| **open).count();
        if open > 0 {
            let (delay, start_at) = match job.start {
                Start::Now => (None, None),
                Start::After(delay) => (Some(micros(delay)), None),
                Start::At(at) => (None, Some(At(at))),
            };
            self.waiting.push(id);
            self.waiting_for.push(i32::try_from(open).unwrap_or(i32::MAX));
            self.delays.push(delay);
            self.start_at.push(start_at);
        }
        None
    }
}

/// Returns a duration in microseconds, as it is stored.
pub(crate) fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

/// Reads how jobs ended; those that are live are missing.
async fn ends_of(tx: &mut Tx, ids: Vec<i64>) -> Result<HashMap<i64, JobState>> {
    let rows = tx.rows(sql!("job_end"), params![ids]).await?;
    let mut ends = HashMap::with_capacity(rows.len());
    for row in &rows {
        if let Some(state) = Ended::from_code(get(row, 1)?)?.state() {
            ends.insert(get(row, 0)?, state);
        }
    }
    Ok(ends)
}

/// Sends `changes`, decides the children of the jobs that ended in it, and theirs.
pub(crate) async fn decide(tx: &mut Tx, mut changes: Changes) -> Result<()> {
    loop {
        let ended: HashMap<i64, JobState> =
            std::mem::take(&mut changes.ended).into_iter().collect();
        changes.send(tx).await?;
        if ended.is_empty() {
            return Ok(());
        }
        let parents: Vec<i64> = ended.keys().copied().collect();
        let rows = tx.rows(sql!("children"), params![parents.clone()]).await?;
        if rows.is_empty() {
            return Ok(());
        }
        let mut verdicts: BTreeMap<i64, Vec<Decided>> = BTreeMap::new();
        for row in &rows {
            let (parent, child): (i64, i64) = (get(row, 0)?, get(row, 1)?);
            let Some(&state) = ended.get(&parent) else {
                continue;
            };
            let condition = condition_from(&get::<String>(row, 2)?);
            let wanted = condition.and_then(|on| on.decide(state)) == Some(true);
            verdicts.entry(child).or_default().push(Decided { parent, state, wanted });
        }
        // Waiting before dependency: the order that everyone keeps.
        decide_all(tx, &mut changes, &verdicts).await?;
        tx.send(sql!("children_close"), params![parents]).await?;
    }
}

/// How one parent ended, as a child sees it.
struct Decided {
    parent: i64,
    state: JobState,
    wanted: bool,
}

/// Tells children how their parents ended.
async fn decide_all(
    tx: &mut Tx,
    changes: &mut Changes,
    verdicts: &BTreeMap<i64, Vec<Decided>>,
) -> Result<()> {
    let now = tx.now().await?;
    let children: Vec<i64> = verdicts.keys().copied().collect();
    let waiting = lock_waiting(tx, children.clone()).await?;
    let homes = homes_of(tx, children).await?;
    let (mut gone, mut cancelled) = (Vec::new(), Vec::new());
    let (mut shrunk, mut shrunk_to) = (Vec::new(), Vec::new());
    for (&child, decided) in verdicts {
        let Some(Waiting { open, start: begin }) = waiting.get(&child) else {
            continue;
        };
        let n = i32::try_from(decided.len()).unwrap_or(i32::MAX);
        let refusal = decided.iter().find(|decided| !decided.wanted);
        if refusal.is_none() && *open > n {
            shrunk.push(child);
            shrunk_to.push(open - n);
            continue;
        }
        gone.push(child);
        let Some(&home) = homes.get(&child) else {
            tracing::error!(job = child, "a continuation is waiting but not stored");
            continue;
        };
        if let Some(Decided { parent, state, .. }) = refusal {
            cancelled.push(child);
            cancel(changes, home, child, (*parent, *state))?;
        } else {
            start(changes, home, child, *begin, now)?;
        }
    }
    if !shrunk.is_empty() {
        tx.send(sql!("waiting_shrink"), params![shrunk, shrunk_to]).await?;
    }
    if !gone.is_empty() {
        tx.send(sql!("waiting_remove"), params![gone]).await?;
    }
    if !cancelled.is_empty() {
        tx.send(sql!("waiting_close"), params![cancelled]).await?;
    }
    Ok(())
}

async fn lock_waiting(tx: &mut Tx, children: Vec<i64>) -> Result<HashMap<i64, Waiting>> {
    let rows = tx.rows(sql!("waiting_lock"), params![children]).await?;
    let mut waiting = HashMap::with_capacity(rows.len());
    for row in &rows {
        let delay: Option<i64> = get(row, 2)?;
        let start = match (delay, instant_or_none(row, 3)?) {
            (Some(delay), _) => {
                Start::After(Duration::from_micros(u64::try_from(delay).unwrap_or(0)))
            }
            (None, Some(at)) => Start::At(at),
            (None, None) => Start::Now,
        };
        waiting.insert(get(row, 0)?, Waiting { open: get(row, 1)?, start });
    }
    Ok(waiting)
}

/// Reads where jobs belong.
pub(crate) async fn homes_of(tx: &mut Tx, ids: Vec<i64>) -> Result<HashMap<i64, Home>> {
    let rows = tx.rows(sql!("job_home"), params![ids]).await?;
    let home = |row| {
        let home = Home { queue: get(row, 1)?, kind: get(row, 2)?, priority: get(row, 3)? };
        Ok((get(row, 0)?, home))
    };
    rows.iter().map(home).collect()
}

/// Lets a continuation go: its parents have ended as it asked.
fn start(changes: &mut Changes, home: Home, id: i64, start: Start, now: Timestamp) -> Result<()> {
    changes.tell(id, Some(1), &History::ParentsDone)?;
    match start.due(now) {
        None => changes.enter(home, Marker::fresh(id)),
        Some(at) => changes.schedule(at, Marker::fresh(id)),
    }
    Ok(())
}

/// Cancels a continuation whose parent ended otherwise.
fn cancel(
    changes: &mut Changes,
    home: Home,
    id: i64,
    (parent, state): (i64, JobState),
) -> Result<()> {
    let reason = format!("it waited for job {parent}, which is {state}");
    changes.cancel_before_start(home, Marker::fresh(id));
    changes.tell(id, Some(1), &History::Cancelled { reason, actor: None })
}

/// Decides children whose parents ended at the very moment when they were stored.
pub(crate) async fn settle(tx: &mut Tx) -> Result<()> {
    let after = tx.ground.settled_up_to.load(Ordering::Relaxed);
    let rows = tx.rows(sql!("waiting_unsettled"), params![after, SETTLE_MAX]).await?;
    let mut children: Vec<i64> = Vec::with_capacity(rows.len());
    let (mut marked, mut settled) = (Vec::new(), Vec::new());
    for row in &rows {
        let id: i64 = get(row, 0)?;
        children.push(id);
        if get(row, 1)? {
            marked.push(id);
        } else if get(row, 2)? {
            settled.push(id);
        }
    }
    let is_last = rows.len() < usize::try_from(SETTLE_MAX).unwrap_or(usize::MAX);
    let next = children.last().copied().filter(|_| !is_last).unwrap_or(0);
    tx.ground.settled_up_to.store(next, Ordering::Relaxed);
    if children.is_empty() {
        return Ok(());
    }
    let mut changes = Changes::default();
    for row in &tx.rows(sql!("waiting_decided"), params![children]).await? {
        if let Some(state) = Ended::from_code(get(row, 1)?)?.state() {
            changes.ended.push((get(row, 0)?, state));
        }
    }
    tx.send(sql!("waiting_settle"), params![marked, settled]).await?;
    decide(tx, changes).await
}

/// Reads a stored condition; damage reads as one that no end fulfils.
pub(crate) fn condition_from(text: &str) -> Option<On> {
    [On::Success, On::Failure, On::Cancelled, On::AnyEnd].into_iter().find(|on| on.as_str() == text)
}
