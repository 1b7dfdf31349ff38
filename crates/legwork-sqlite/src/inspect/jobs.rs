//! Lists of jobs by state, page by page.
//!
//! Each state has its own order and key: live ones in the order in which they will run, final ones
//! latest first. A page never scans more than a bound: with a rare filter it may be short, and its
//! key goes on.

use std::collections::VecDeque;

use legwork_core::inspect::{JobFilter, JobPage, PAGE_MAX, Page};
use legwork_core::{Error, JobState};
use rusqlite::Connection;

use super::summary::{Standing, Summaries};
use crate::error::Result;
use crate::lease;
use crate::marker::Home;
use crate::names::Names;
use crate::query::{find, sql};
use crate::ready::Ticket;

/// How many rows one page looks at, at most, when a filter passes most of them over.
const SCAN_MAX: usize = 20_000;

/// How many rows are read at a time.
const CHUNK: usize = 500;

/// A job at its place in a list.
struct Listed {
    key: Vec<i64>,
    id: i64,
    standing: Standing,
}

/// What is wanted of the rows of one state.
struct Wish<'a> {
    db: &'a Connection,
    filter: &'a JobFilter,
    queue: Option<i64>,
    kind: Option<i64>,
}

/// Lists one page.
pub(super) fn list(db: &Connection, filter: &JobFilter, page: &Page) -> Result<JobPage> {
    let len = page.len.clamp(1, PAGE_MAX);
    let mut names = Names::default();
    let (mut queue, mut kind) = (None, None);
    let empty = JobPage { jobs: Vec::new(), next: None };
    if let Some(name) = &filter.queue {
        queue = names.find_queue(db, name)?;
        if queue.is_none() {
            return Ok(empty);
        }
    }
    if let Some(name) = &filter.kind {
        kind = names.find_kind(db, name)?;
        if kind.is_none() {
            return Ok(empty);
        }
    }
    let wish = Wish { db, filter, queue, kind };
    let mut after = page.after.as_deref().map(decode).transpose()?;
    let mut summaries = Summaries::new(db);
    let mut jobs = Vec::with_capacity(len);
    let mut scanned = 0;
    loop {
        let chunk = wish.chunk(after.as_deref())?;
        let ended = chunk.len() < CHUNK;
        scanned += chunk.len();
        for listed in chunk {
            if jobs.len() == len {
                return Ok(JobPage { jobs, next: after.map(|key| encode(&key)) });
            }
            if wish.wants(&listed)?
                && let Some(summary) = summaries.read(listed.id, &listed.standing)?
            {
                jobs.push(summary);
            }
            after = Some(listed.key);
        }
        if ended {
            return Ok(JobPage { jobs, next: None });
        }
        if scanned >= SCAN_MAX {
            return Ok(JobPage { jobs, next: after.map(|key| encode(&key)) });
        }
    }
}

fn encode(key: &[i64]) -> String {
    let parts: Vec<String> = key.iter().map(i64::to_string).collect();
    parts.join("_")
}

fn decode(text: &str) -> Result<Vec<i64>> {
    let refused = || Error::invalid(format!("{text:?} is not the key of a page"));
    let key: std::result::Result<Vec<i64>, _> = text.split('_').map(str::parse).collect();
    let key = key.map_err(|_| refused())?;
    if key.len() > 4 {
        return Err(refused().into());
    }
    Ok(key)
}

/// Returns part `at` of a key.
fn part(key: Option<&[i64]>, at: usize, otherwise: i64) -> i64 {
    key.and_then(|key| key.get(at)).copied().unwrap_or(otherwise)
}

impl Wish<'_> {
    /// Tells whether the filter lets a job through.
    fn wants(&self, listed: &Listed) -> Result<bool> {
        if self.filter.retries_only && listed.standing.failures == 0 {
            return Ok(false);
        }
        if self.queue.is_none() && self.kind.is_none() {
            return Ok(true);
        }
        let home = crate::marker::home_of(self.db, listed.id)?;
        Ok(home.is_some_and(|home| self.wants_home(home)))
    }

    fn wants_home(&self, home: Home) -> bool {
        self.queue.is_none_or(|queue| queue == home.queue)
            && self.kind.is_none_or(|kind| kind == home.kind)
    }

    /// Reads the next rows of the state; fewer than [`CHUNK`] only at the end.
    fn chunk(&self, after: Option<&[i64]>) -> Result<Vec<Listed>> {
        match self.filter.state {
            JobState::Awaiting => self.awaiting(after),
            JobState::Scheduled => self.scheduled(after),
            JobState::Enqueued => self.enqueued(after),
            JobState::Processing => self.processing(after),
            JobState::Succeeded => self.ended(sql!("inspect_succeeded"), after),
            JobState::Failed => self.ended(sql!("inspect_failed"), after),
            JobState::Cancelled => self.ended(sql!("inspect_cancelled"), after),
        }
    }

    fn live(&self, at: Option<i64>, run: u32, failures: u32) -> Standing {
        Standing { state: self.filter.state, at, run, failures, server: None }
    }

    fn awaiting(&self, after: Option<&[i64]>) -> Result<Vec<Listed>> {
        let params = (part(after, 0, 0), limit());
        crate::query::list(self.db, sql!("inspect_awaiting"), params, |row| {
            let id = row.get(0)?;
            Ok(Listed { key: vec![id], id, standing: self.live(None, 1, 0) })
        })
    }

    fn scheduled(&self, after: Option<&[i64]>) -> Result<Vec<Listed>> {
        let statement = if self.filter.retries_only {
            sql!("inspect_retries")
        } else {
            sql!("inspect_scheduled")
        };
        let params = (part(after, 0, -1), part(after, 1, 0), limit());
        crate::query::list(self.db, statement, params, |row| {
            let (run_at, id): (i64, i64) = (row.get(0)?, row.get(1)?);
            let standing = self.live(Some(run_at), row.get(2)?, row.get(3)?);
            Ok(Listed { key: vec![run_at, id], id, standing })
        })
    }

    fn ended(&self, statement: &str, after: Option<&[i64]>) -> Result<Vec<Listed>> {
        let params = (part(after, 0, i64::MAX), part(after, 1, i64::MAX), limit());
        crate::query::list(self.db, statement, params, |row| {
            let (at, id): (i64, i64) = (row.get(0)?, row.get(1)?);
            let standing = self.live(Some(at), row.get(2)?, row.get(3)?);
            Ok(Listed { key: vec![at, id], id, standing })
        })
    }

    /// Reads what servers hold, in the order in which it was claimed. Leases are few.
    fn processing(&self, after: Option<&[i64]>) -> Result<Vec<Listed>> {
        let after = (part(after, 0, i64::MIN), part(after, 1, i64::MIN));
        let mut listed = Vec::new();
        for lease in lease::list(self.db, sql!("leases"), [])? {
            if lease.claimed_at < after.0 {
                continue;
            }
            for (_, marker) in lease.held(self.db)? {
                if (lease.claimed_at, marker.id) <= after {
                    continue;
                }
                let standing = Standing {
                    server: Some(lease.server),
                    ..self.live(Some(lease.claimed_at), marker.run, marker.failures)
                };
                let key = vec![lease.claimed_at, marker.id];
                listed.push(Listed { key, id: marker.id, standing });
            }
        }
        listed.sort_by(|a, b| a.key.cmp(&b.key));
        listed.truncate(CHUNK);
        Ok(listed)
    }

    /// Reads what can be claimed: the groups of each queue, merged by priority and sequence.
    fn enqueued(&self, after: Option<&[i64]>) -> Result<Vec<Listed>> {
        let from = after.map(|_| (part(after, 0, 0), part(after, 1, 0), part(after, 2, 0)));
        let mut groups = self.groups()?;
        let mut listed = Vec::new();
        for queue in self.by_name(&groups, from.map(|(last, ..)| last))? {
            let start = from.filter(|(last, ..)| queue == *last);
            let mut merged: Vec<&mut Group> =
                groups.iter_mut().filter(|group| group.queue == queue).collect();
            while listed.len() < CHUNK
                && let Some(ticket) = next_ticket(self.db, &mut merged, start)?
            {
                self.spread(&ticket, start, part(after, 3, 0), &mut listed);
            }
        }
        Ok(listed)
    }

    /// Returns the queues of the groups in the order of their names, from where the page before
    /// ended.
    fn by_name(&self, groups: &[Group], last: Option<i64>) -> Result<Vec<i64>> {
        let mut names = Names::default();
        let mut queues = Vec::new();
        for group in groups {
            queues.push((names.queue_name(self.db, group.queue)?, group.queue));
        }
        if let Some(last) = last {
            // The queue may be empty by now; its name still tells its place.
            let last = names
                .queue_name(self.db, last)
                .map_err(|_| Error::invalid("the key of the page names no queue"))?;
            queues.retain(|(name, _)| *name >= last);
        }
        queues.sort_unstable();
        queues.dedup();
        Ok(queues.into_iter().map(|(_, queue)| queue).collect())
    }

    /// Adds the jobs of a ticket, from where the page before ended.
    fn spread(
        &self,
        ticket: &Ticket,
        start: Option<(i64, i64, i64)>,
        last_id: i64,
        listed: &mut Vec<Listed>,
    ) {
        let Home { queue, priority, .. } = ticket.home;
        let priority = i64::from(priority);
        let end = ticket.first + ticket.n;
        for id in ticket.first..end {
            // A fresh ticket may have been cut since: its jobs keep their place by their ids.
            let seq = ticket.seq + (id - ticket.first);
            if listed.len() == CHUNK {
                return;
            }
            if let Some((_, at, from)) = start
                && ((priority, seq) < (at, from) || (priority, seq, id) == (at, from, last_id))
            {
                continue;
            }
            let standing = self.live(ticket.entered_at, ticket.run, ticket.failures);
            listed.push(Listed { key: vec![queue, priority, seq, id], id, standing });
        }
    }

    /// Finds the groups of tickets by walking over the first of each.
    fn groups(&self) -> Result<Vec<Group>> {
        let mut groups = Vec::new();
        let mut last = (i64::MIN, i64::MIN, i64::MIN);
        while let Some(next) = find(self.db, sql!("inspect_groups"), last, |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, row.get::<_, i64>(2)?))
        })? {
            last = next;
            let (queue, suspect, kind) = next;
            if self.wants_home(Home { queue, kind, priority: 0 }) {
                let buffer = VecDeque::new();
                groups.push(Group { queue, suspect, kind, buffer, after: None, done: false });
            }
        }
        Ok(groups)
    }
}

fn limit() -> i64 {
    i64::try_from(CHUNK).unwrap_or(i64::MAX)
}

/// The tickets of one queue and kind, suspects apart.
struct Group {
    queue: i64,
    suspect: i64,
    kind: i64,
    buffer: VecDeque<Ticket>,
    after: Option<(i64, i64)>,
    done: bool,
}

impl Group {
    fn head(
        &mut self,
        db: &Connection,
        start: Option<(i64, i64, i64)>,
    ) -> Result<Option<(i16, i64)>> {
        if self.buffer.is_empty() && !self.done {
            // The ticket in which the page before ended begins at most 100 numbers earlier.
            let first = start.map_or((i64::MIN, i64::MIN), |(_, priority, seq)| {
                (priority, seq.saturating_sub(100))
            });
            let (priority, seq) = self.after.unwrap_or(first);
            let (queue, kind) = (self.queue, self.kind);
            let params = (queue, self.suspect, kind, priority, seq, 100);
            let page = crate::query::list(db, sql!("claim_ready"), params, |row| {
                Ticket::read(Home { queue, kind, priority: row.get(0)? }, row, 1)
            })?;
            self.done = page.len() < 100;
            self.after = page.last().map(|last| (i64::from(last.home.priority), last.seq));
            self.buffer = page.into();
        }
        Ok(self.buffer.front().map(|ticket| (ticket.home.priority, ticket.seq)))
    }
}

fn next_ticket(
    db: &Connection,
    groups: &mut [&mut Group],
    start: Option<(i64, i64, i64)>,
) -> Result<Option<Ticket>> {
    let mut best: Option<((i16, i64), usize)> = None;
    for (at, group) in groups.iter_mut().enumerate() {
        if let Some(head) = group.head(db, start)?
            && best.is_none_or(|(lowest, _)| head < lowest)
        {
            best = Some((head, at));
        }
    }
    Ok(best.and_then(|(_, at)| groups[at].buffer.pop_front()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_of_a_page_is_read_back_and_a_bad_one_is_refused() {
        assert_eq!(decode(&encode(&[3, -1, i64::MAX])).unwrap(), [3, -1, i64::MAX]);
        for bad in ["", "x", "1__2", "1_2_3_4_5", "1;DROP"] {
            assert!(decode(bad).is_err(), "{bad:?}");
        }
    }
}
