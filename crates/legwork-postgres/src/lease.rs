//! Leases: one row per claimed batch, with what was claimed in its arrays.
//!
//! Claim writes them; finish, retire and rescue take jobs off, each with the row locked. What a
//! lease lists and what has an outcome is held no more.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use legwork_core::Timestamp;
use tokio_postgres::Row;

use crate::bind::{get, instant, params};
use crate::error::Result;
use crate::marker::{Home, Marker};
use crate::statement::{Sql, sql};
use crate::tx::Tx;

/// How many leases of its own a process remembers; of older ones it reads the row.
const GRANTED_MAX: usize = 4_096;

/// A claimed batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Lease {
    pub(crate) id: i64,
    pub(crate) server: i32,
    pub(crate) claimed_at: Timestamp,
    pub(crate) open: i32,
    pub(crate) entries: Vec<Entry>,
}

/// Jobs with consecutive ids that were claimed off one ticket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) home: Home,
    pub(crate) first: i64,
    pub(crate) n: i16,
    pub(crate) run: i32,
    pub(crate) failures: i32,
    pub(crate) losses: i32,
}

impl Entry {
    /// Returns what the entry says of one of its jobs.
    pub(crate) fn marker(&self, id: i64) -> Marker {
        Marker { id, run: self.run, failures: self.failures, losses: self.losses }
    }

    /// Tells whether the entry stands for the job.
    pub(crate) fn holds(&self, id: i64) -> bool {
        self.first <= id && id - self.first < i64::from(self.n)
    }

    /// Returns the ids.
    pub(crate) fn ids(&self) -> std::ops::Range<i64> {
        self.first..self.first + i64::from(self.n)
    }
}

/// A job that a lease holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) home: Home,
    pub(crate) marker: Marker,
}

impl Lease {
    /// Reads `id, server, claimed_at, open, firsts, ns, runs, failures, losses, queues, kinds,
    /// priorities`.
    ///
    /// Damaged arrays read as a lease without entries: what it held is lost to the server and found
    /// by nobody, and the queue goes on.
    pub(crate) fn read(row: &Row) -> Result<Self> {
        let id = get(row, 0)?;
        let entries = read_entries(row, 4).filter(|entries| entries.iter().all(is_sound));
        let entries = entries.unwrap_or_else(|| {
            tracing::error!(lease = id, "the jobs of a lease are damaged");
            Vec::new()
        });
        let (server, claimed_at, open) = (get(row, 1)?, instant(row, 2)?, get(row, 3)?);
        Ok(Self { id, server, claimed_at, open, entries })
    }

    /// Returns what the lease lists of a run, whether or not it has ended.
    pub(crate) fn lists(&self, id: i64, run: i32) -> Option<Held> {
        let entry = self.entries.iter().find(|entry| entry.holds(id) && entry.run == run)?;
        Some(Held { home: entry.home, marker: entry.marker(id) })
    }

    /// Returns everything that it lists.
    pub(crate) fn all(&self) -> impl Iterator<Item = Held> {
        self.entries
            .iter()
            .flat_map(|entry| entry.ids().map(move |id| (entry, id)))
            .map(|(entry, id)| Held { home: entry.home, marker: entry.marker(id) })
    }
}

fn is_sound(entry: &Entry) -> bool {
    entry.first > 0 && (1..=100).contains(&entry.n) && entry.run > 0
}

/// Reads the arrays that begin at column `at`; `None` where they do not fit each other.
fn read_entries(row: &Row, at: usize) -> Option<Vec<Entry>> {
    let firsts: Vec<i64> = row.try_get(at).ok()?;
    let ns: Vec<i16> = row.try_get(at + 1).ok()?;
    let numbers = |nth: usize| row.try_get::<_, Vec<i32>>(at + nth).ok();
    let (runs, failures, losses) = (numbers(2)?, numbers(3)?, numbers(4)?);
    let (queues, kinds) = (numbers(5)?, numbers(6)?);
    let priorities: Vec<i16> = row.try_get(at + 7).ok()?;
    let n = firsts.len();
    let lens = [runs.len(), failures.len(), losses.len(), queues.len(), kinds.len()];
    if ns.len() != n || priorities.len() != n || lens.iter().any(|len| *len != n) {
        return None;
    }
    let entry = |i: usize| Entry {
        home: Home { queue: queues[i], kind: kinds[i], priority: priorities[i] },
        first: firsts[i],
        n: ns[i],
        run: runs[i],
        failures: failures[i],
        losses: losses[i],
    };
    Some((0..n).map(entry).collect())
}

/// Reads leases with a statement that yields what [`Lease::read`] wants.
pub(crate) async fn list(
    tx: &mut Tx,
    sql: Sql,
    params: Vec<crate::bind::Param>,
) -> Result<Vec<Lease>> {
    tx.rows(sql, params).await?.iter().map(Lease::read).collect()
}

/// Returns which of the runs have an outcome.
pub(crate) async fn ended(tx: &mut Tx, runs: &[(i64, i32)]) -> Result<HashSet<(i64, i32)>> {
    if runs.is_empty() {
        return Ok(HashSet::new());
    }
    let (ids, numbers): (Vec<_>, Vec<_>) = runs.iter().copied().unzip();
    let rows = tx.rows(sql!("finish_recorded"), params![ids, numbers]).await?;
    rows.iter().map(|row| Ok((get(row, 0)?, get(row, 1)?))).collect()
}

/// Returns what each of some locked leases still holds, in the order in which it was claimed.
pub(crate) async fn held(tx: &mut Tx, leases: &[Lease]) -> Result<Vec<Vec<Held>>> {
    let runs: Vec<_> =
        leases.iter().flat_map(Lease::all).map(|held| (held.marker.id, held.marker.run)).collect();
    let ended = ended(tx, &runs).await?;
    let still = |held: &Held| !ended.contains(&(held.marker.id, held.marker.run));
    Ok(leases.iter().map(|lease| lease.all().filter(still).collect()).collect())
}

/// Takes `n` ended runs off a locked lease, and removes it with its last.
pub(crate) async fn shrink(tx: &mut Tx, lease: &Lease, n: usize) -> Result<()> {
    let n = i32::try_from(n).unwrap_or(i32::MAX);
    if n == 0 {
        return Ok(());
    }
    if lease.open > n {
        tx.send(sql!("lease_shrink"), params![lease.id, lease.open - n]).await
    } else {
        tx.send(sql!("lease_remove"), params![lease.id]).await
    }
}

/// Strikes jobs that are removed from the leases that list them still.
///
/// Their runs have ended, others of their batch have not. Without its outcome such a run would be
/// held again: finished twice, or given back as a job that is no more.
pub(crate) async fn forget(tx: &mut Tx, ids: &[i64]) -> Result<()> {
    if ids.is_empty() {
        return Ok(());
    }
    let listing = list(tx, sql!("leases_listing"), params![ids.to_vec()]).await?;
    for lease in listing {
        let left = without(&lease.entries, ids);
        let columns = params![
            lease.id,
            left.iter().map(|e| e.first).collect::<Vec<_>>(),
            left.iter().map(|e| e.n).collect::<Vec<_>>(),
            left.iter().map(|e| e.run).collect::<Vec<_>>(),
            left.iter().map(|e| e.failures).collect::<Vec<_>>(),
            left.iter().map(|e| e.losses).collect::<Vec<_>>(),
            left.iter().map(|e| e.home.queue).collect::<Vec<_>>(),
            left.iter().map(|e| e.home.kind).collect::<Vec<_>>(),
            left.iter().map(|e| e.home.priority).collect::<Vec<_>>(),
        ];
        // What this process remembers of it may list what is struck.
        tx.ground.granted.remove(lease.id);
        tx.send(sql!("lease_forget"), columns).await?;
    }
    Ok(())
}

/// Returns the entries without some jobs; an entry is parted around each.
fn without(entries: &[Entry], ids: &[i64]) -> Vec<Entry> {
    let mut left = entries.to_vec();
    for &id in ids {
        let Some(at) = left.iter().position(|entry| entry.holds(id)) else {
            continue;
        };
        let Entry { first, n, .. } = left[at];
        let parts = [(first, id), (id + 1, first + i64::from(n))];
        let parts = parts.into_iter().filter(|(from, to)| from < to).map(|(from, to)| Entry {
            first: from,
            n: i16::try_from(to - from).expect("a part is no longer than its entry"),
            ..left[at]
        });
        let parts: Vec<_> = parts.collect();
        left.splice(at..=at, parts);
    }
    left
}

/// The leases that this process was granted: what they list never grows, so that a finish need not
/// read it.
#[derive(Debug, Default)]
pub(crate) struct Granted {
    leases: Mutex<BTreeMap<i64, Remembered>>,
}

#[derive(Debug)]
struct Remembered {
    lease: Arc<Lease>,
    /// What this process has ended, or tried to.
    ended: HashSet<(i64, i32)>,
}

impl Granted {
    pub(crate) fn add(&self, lease: Lease) {
        let mut leases = self.leases.lock().unwrap_or_else(PoisonError::into_inner);
        let remembered = Remembered { lease: Arc::new(lease), ended: HashSet::new() };
        leases.insert(remembered.lease.id, remembered);
        if leases.len() > GRANTED_MAX {
            leases.pop_first();
        }
    }

    /// Returns a run that a lease was granted for, the first time; from then on, and for what is
    /// not remembered, the tables are to be asked. Its outcome may be pruned by then.
    pub(crate) fn end(&self, lease: i64, id: i64, run: i32) -> Option<(Held, Arc<Lease>)> {
        let mut leases = self.leases.lock().unwrap_or_else(PoisonError::into_inner);
        let Remembered { lease: granted, ended } = leases.get_mut(&lease)?;
        let held = granted.lists(id, run)?;
        if !ended.insert((id, run)) {
            return None;
        }
        let granted = Arc::clone(granted);
        if i32::try_from(ended.len()).is_ok_and(|n| n >= granted.open) {
            leases.remove(&lease);
        }
        Some((held, granted))
    }

    /// Forgets a lease: it has ended, or what is remembered of it may no longer hold.
    pub(crate) fn remove(&self, id: i64) {
        self.leases.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_known_once_and_a_lease_is_forgotten_with_its_last() {
        let home = Home { queue: 1, kind: 2, priority: 0 };
        let entry = Entry { home, first: 10, n: 2, run: 1, failures: 0, losses: 0 };
        let claimed_at = Timestamp::MIN;
        let granted = Granted::default();
        granted.add(Lease { id: 7, server: 3, claimed_at, open: 2, entries: vec![entry] });
        assert!(granted.end(7, 12, 1).is_none() && granted.end(7, 10, 2).is_none());
        assert!(granted.end(7, 10, 1).is_some());
        assert!(granted.end(7, 10, 1).is_none(), "the tables are asked the second time");
        assert!(granted.end(7, 11, 1).is_some());
        assert!(granted.leases.lock().unwrap().is_empty(), "all its runs have ended");
    }

    #[test]
    fn an_entry_is_parted_around_the_jobs_that_are_struck() {
        let home = Home { queue: 1, kind: 2, priority: -7 };
        let of = |first, n| Entry { home, first, n, run: 3, failures: 2, losses: 1 };
        let entries = [of(1, 5), of(10, 1), of(20, 3)];
        let check = |ids: &[i64], left: &[Entry]| assert_eq!(without(&entries, ids), left);
        check(&[6, 9, 100], &entries);
        check(&[3], &[of(1, 2), of(4, 2), of(10, 1), of(20, 3)]);
        check(&[1, 5, 10], &[of(2, 3), of(20, 3)]);
        check(&[22, 20, 21], &[of(1, 5), of(10, 1)]);
    }
}
