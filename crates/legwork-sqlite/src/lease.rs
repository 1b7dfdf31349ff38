//! Leases: one row per claimed batch, with what was claimed as a blob.
//!
//! Claim writes them; finish, retire and rescue take jobs off. What a lease lists and what has an
//! outcome is held no more. The blob is little-endian, one entry per ticket, not per job.

use rusqlite::{Connection, Row};

use crate::error::Result;
use crate::marker::{Home, Marker};
use crate::query::{exists, find, sql};
use crate::write::Write;

/// A claimed batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Lease {
    pub(crate) id: i64,
    pub(crate) server: i64,
    pub(crate) claimed_at: i64,
    pub(crate) open: i64,
    pub(crate) entries: Vec<Entry>,
}

/// Jobs with consecutive ids that were claimed off one ticket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) home: Home,
    pub(crate) first: i64,
    pub(crate) n: u32,
    pub(crate) run: u32,
    pub(crate) failures: u32,
    pub(crate) losses: u32,
}

/// The size of an entry: three numbers of 8 bytes, four of 4, one of 2.
const ENTRY_BYTES: usize = 42;

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

    fn write(&self, blob: &mut Vec<u8>) {
        blob.extend_from_slice(&self.first.to_le_bytes());
        blob.extend_from_slice(&self.home.queue.to_le_bytes());
        blob.extend_from_slice(&self.home.kind.to_le_bytes());
        blob.extend_from_slice(&self.n.to_le_bytes());
        blob.extend_from_slice(&self.run.to_le_bytes());
        blob.extend_from_slice(&self.failures.to_le_bytes());
        blob.extend_from_slice(&self.losses.to_le_bytes());
        blob.extend_from_slice(&self.home.priority.to_le_bytes());
    }

    fn read(mut bytes: &[u8]) -> Option<Self> {
        let entry = Self {
            first: i64::from_le_bytes(cut(&mut bytes)?),
            home: Home {
                queue: i64::from_le_bytes(cut(&mut bytes)?),
                kind: i64::from_le_bytes(cut(&mut bytes)?),
                priority: 0,
            },
            n: u32::from_le_bytes(cut(&mut bytes)?),
            run: u32::from_le_bytes(cut(&mut bytes)?),
            failures: u32::from_le_bytes(cut(&mut bytes)?),
            losses: u32::from_le_bytes(cut(&mut bytes)?),
        };
        let priority = i16::from_le_bytes(cut(&mut bytes)?);
        let end = entry.first.checked_add(i64::from(entry.n));
        let sound = entry.first > 0 && entry.n > 0 && entry.n <= 100 && end.is_some();
        sound.then_some(Self { home: Home { priority, ..entry.home }, ..entry })
    }
}

fn cut<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (head, tail) = bytes.split_first_chunk::<N>()?;
    *bytes = tail;
    Some(*head)
}

impl Lease {
    /// Reads `server, claimed_at, open, jobs`, which begin at column `at`.
    ///
    /// A damaged blob reads as a lease without entries: what it held is lost to the server and
    /// found by nobody, and the queue goes on.
    fn read(id: i64, row: &Row<'_>, at: usize) -> rusqlite::Result<Self> {
        let blob = row.get_ref(at + 3)?.as_blob().unwrap_or_default();
        let entries = decode(blob).unwrap_or_else(|| {
            tracing::error!(lease = id, "the jobs of a lease are damaged");
            Vec::new()
        });
        Ok(Self {
            id,
            server: row.get(at)?,
            claimed_at: row.get(at + 1)?,
            open: row.get(at + 2)?,
            entries,
        })
    }

    /// Returns the entry that holds a job, whether or not its run has ended.
    pub(crate) fn entry(&self, id: i64) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.holds(id))
    }

    /// Reads which of its jobs have no outcome yet.
    pub(crate) fn held(&self, db: &Connection) -> Result<Vec<(Home, Marker)>> {
        let mut held = Vec::new();
        for entry in &self.entries {
            for id in entry.ids() {
                if !has_ended(db, id, entry.run)? {
                    held.push((entry.home, entry.marker(id)));
                }
            }
        }
        Ok(held)
    }
}

fn decode(blob: &[u8]) -> Option<Vec<Entry>> {
    let chunks = blob.chunks_exact(ENTRY_BYTES);
    if !chunks.remainder().is_empty() {
        return None;
    }
    chunks.map(Entry::read).collect()
}

/// Tells whether a run has an outcome.
pub(crate) fn has_ended(db: &Connection, id: i64, run: u32) -> Result<bool> {
    exists(db, sql!("finish_recorded"), (id, run))
}

/// Writes the lease of a claim; returns its id.
pub(crate) fn grant(w: &mut Write<'_>, server: i64, entries: &[Entry]) -> Result<i64> {
    let id = w.take(1)?;
    let mut blob = Vec::with_capacity(entries.len() * ENTRY_BYTES);
    let mut open = 0_i64;
    for entry in entries {
        open += i64::from(entry.n);
        entry.write(&mut blob);
    }
    let now = w.now.as_micros();
    w.execute(sql!("claim_lease"), (id, server, now, open, blob))?;
    Ok(id)
}

/// Takes `n` ended runs off a lease, and removes it with its last.
pub(crate) fn shrink(w: &mut Write<'_>, lease: &mut Lease, n: i64) -> Result<()> {
    if n == 0 {
        return Ok(());
    }
    lease.open -= n;
    if lease.open > 0 {
        w.execute(sql!("lease_shrink"), (lease.id, lease.open))?;
    } else {
        w.execute(sql!("lease_remove"), [lease.id])?;
    }
    Ok(())
}

/// Strikes jobs that are removed from the leases that list them still.
///
/// Their runs have ended, others of their batch have not. Without its outcome such a run would be
/// held again: finished twice, or given back as a job that is no more.
pub(crate) fn forget(w: &mut Write<'_>, ids: &[i64]) -> Result<()> {
    if ids.is_empty() {
        return Ok(());
    }
    for lease in list(w.db, sql!("leases"), [])? {
        let left = without(&lease.entries, ids);
        if left != lease.entries {
            let mut blob = Vec::with_capacity(left.len() * ENTRY_BYTES);
            for entry in &left {
                entry.write(&mut blob);
            }
            w.execute(sql!("lease_forget"), (lease.id, blob))?;
        }
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
            n: u32::try_from(to - from).expect("a part is no longer than its entry"),
            ..left[at]
        });
        let parts: Vec<_> = parts.collect();
        left.splice(at..=at, parts);
    }
    left
}

/// Reads a lease.
pub(crate) fn read(db: &Connection, id: i64) -> Result<Option<Lease>> {
    find(db, sql!("lease"), [id], |row| Lease::read(id, row, 0))
}

/// Reads all leases that a statement lists with their ids first; `server` where it does not.
pub(crate) fn list(
    db: &Connection,
    sql: &str,
    params: impl rusqlite::Params,
) -> Result<Vec<Lease>> {
    crate::query::list(db, sql, params, |row| Lease::read(row.get(0)?, row, 1))
}

/// Finds the lease that holds a job. Leases are few: one per batch that is being worked.
pub(crate) fn find_holder(db: &Connection, id: i64) -> Result<Option<(Lease, Marker)>> {
    let mut statement = crate::query::prepare(db, sql!("leases"))?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let lease = Lease::read(row.get(0)?, row, 1)?;
        if let Some(entry) = lease.entry(id).copied()
            && !has_ended(db, id, entry.run)?
        {
            return Ok(Some((lease, entry.marker(id))));
        }
    }
    Ok(None)
}

/// Checks what a server says it holds: the fence of everything a run writes.
pub(crate) fn holds(lease: &Lease, id: i64, run: u32) -> Option<Entry> {
    lease.entries.iter().find(|entry| entry.holds(id) && entry.run == run).copied()
}

/// Ends a lease that nothing can be read of any more.
pub(crate) fn drop_damaged(w: &mut Write<'_>, lease: &Lease) -> Result<()> {
    tracing::error!(lease = lease.id, open = lease.open, "a lease is damaged and was removed");
    w.execute(sql!("lease_remove"), [lease.id])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry() -> Entry {
        Entry {
            home: Home { queue: 1, kind: i64::MAX, priority: -7 },
            first: 1 << 40,
            n: 100,
            run: 3,
            failures: 2,
            losses: 1,
        }
    }

    #[test]
    fn entries_survive_the_blob() {
        let mut blob = Vec::new();
        let entries = [entry(), Entry { first: 5, n: 1, ..entry() }];
        for entry in &entries {
            entry.write(&mut blob);
        }
        assert_eq!(blob.len(), 2 * ENTRY_BYTES);
        assert_eq!(decode(&blob).unwrap(), entries);
    }

    #[test]
    fn an_entry_is_parted_around_the_jobs_that_are_struck() {
        let of = |first, n| Entry { first, n, ..entry() };
        let entries = [of(1, 5), of(10, 1), of(20, 3)];
        let check = |ids: &[i64], left: &[Entry]| assert_eq!(without(&entries, ids), left);
        check(&[6, 9, 100], &entries);
        check(&[3], &[of(1, 2), of(4, 2), of(10, 1), of(20, 3)]);
        check(&[1, 5, 10], &[of(2, 3), of(20, 3)]);
        check(&[22, 20, 21], &[of(1, 5), of(10, 1)]);
    }

    #[test]
    fn a_damaged_blob_is_refused() {
        let mut blob = Vec::new();
        entry().write(&mut blob);
        assert!(decode(&blob[1..]).is_none());
        for damaged in
            [Entry { n: 0, ..entry() }, Entry { n: 101, ..entry() }, Entry { first: 0, ..entry() }]
        {
            let mut blob = Vec::new();
            damaged.write(&mut blob);
            assert!(decode(&blob).is_none(), "{damaged:?}");
        }
    }
}
