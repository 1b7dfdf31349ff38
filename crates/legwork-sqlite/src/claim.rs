//! Claiming: taking tickets in their order and granting a lease on their jobs.
//!
//! [`crate::exchange`] calls it. One cursor per registered kind walks the primary key of `ready`,
//! and the cursors are merged by (priority, sequence): kinds that nobody registered, and suspects
//! that may not be taken, are never looked at, so that they cannot make a claim slow.

use std::collections::{HashSet, VecDeque};

use legwork_core::inspect::History;
use legwork_core::limits::CLAIM_MAX_JOBS;
use legwork_core::storage::{Claim, ClaimedJob, FailReason, JobOptions};
use legwork_core::{Incarnation, JobId, JobState, Kind, LeaseId, QueueName, Run, Timestamp};
use rusqlite::Row;

use crate::children::{cancel_before_start, decide};
use crate::error::Result;
use crate::finish::{Ending, Running, fail};
use crate::lease::{self, Entry};
use crate::marker::{Home, Marker};
use crate::outcome::tell;
use crate::query::{exists, find, list, prepare, sql};
use crate::ready::{self, TICKET_MAX, Ticket};
use crate::write::Write;

/// How many tickets a cursor reads at a time; a claim rarely needs more of one kind.
const CURSOR_MAX: i64 = 32;

/// What a claim has gathered.
struct Batch<'a> {
    wish: &'a Claim,
    server: i64,
    wanted: usize,
    suspects: usize,
    /// Jobs that were taken but not handed out: expired, damaged or missing.
    n_passed: usize,
    jobs: Vec<ClaimedJob>,
    entries: Vec<Entry>,
    parents: Vec<(i64, JobState)>,
}

/// Claims jobs for a server; nothing when it is not live.
pub(crate) fn claim(
    w: &mut Write<'_>,
    server: Incarnation,
    wish: &Claim,
) -> Result<Vec<ClaimedJob>> {
    let wanted = std::cmp::min(wish.max, CLAIM_MAX_JOBS);
    if wanted == 0 || wish.queues.is_empty() {
        return Ok(Vec::new());
    }
    let kinds = known_kinds(w, wish)?;
    let server = find(w.db, sql!("server_live"), [server.to_string()], |row| row.get(0))?;
    let (Some(server), false) = (server, kinds.is_empty()) else {
        return Ok(Vec::new());
    };
    ready::flush(w)?;
    let mut batch = Batch {
        wish,
        server,
        wanted,
        suspects: wish.suspects_max,
        n_passed: 0,
        jobs: Vec::new(),
        entries: Vec::new(),
        parents: Vec::new(),
    };
    take_all(w, &mut batch, &kinds)?;
    decide(w, std::mem::take(&mut batch.parents))?;
    if batch.entries.is_empty() {
        return Ok(Vec::new());
    }
    let lease = LeaseId(lease::grant(w, server, &batch.entries)?);
    batch.jobs.iter_mut().for_each(|job| job.lease = lease);
    Ok(batch.jobs)
}

/// Returns the kinds of which a job was ever stored.
fn known_kinds(w: &mut Write<'_>, wish: &Claim) -> Result<Vec<(i64, Kind)>> {
    let mut known = Vec::with_capacity(wish.kinds.len());
    for kind in wish.kinds.iter() {
        if let Some(number) = w.names.find_kind(w.db, kind)? {
            known.push((number, kind.clone()));
        }
    }
    known.sort_unstable();
    known.dedup();
    Ok(known)
}

/// Takes from one queue after the other.
fn take_all(w: &mut Write<'_>, batch: &mut Batch<'_>, kinds: &[(i64, Kind)]) -> Result<()> {
    let mut seen = HashSet::new();
    for name in &batch.wish.queues {
        let Some(queue) = w.names.find_queue(w.db, name)? else {
            continue;
        };
        if !seen.insert(queue) || w.paused()?.contains(&queue) {
            continue;
        }
        take_queue(w, batch, (queue, name), kinds)?;
        if batch.is_full() {
            break;
        }
    }
    Ok(())
}

/// Walks the tickets of one kind in their order.
struct Cursor<'a> {
    kind: &'a (i64, Kind),
    suspect: bool,
    buffer: VecDeque<Ticket>,
    after: (i64, i64),
    done: bool,
}

impl Cursor<'_> {
    /// Returns the place of its next ticket in the order of the queue.
    fn head(&mut self, w: &Write<'_>, queue: i64, limit: i64) -> Result<Option<(i16, i64)>> {
        if self.buffer.is_empty() && !self.done {
            let (priority, seq) = self.after;
            let params = (queue, self.suspect, self.kind.0, priority, seq, limit);
            let kind = self.kind.0;
            let page = list(w.db, sql!("claim_ready"), params, |row| {
                let home = Home { queue, kind, priority: row.get(0)? };
                Ticket::read(home, row, 1)
            })?;
            self.done = i64::try_from(page.len()).is_ok_and(|n| n < limit);
            if let Some(last) = page.last() {
                self.after = (i64::from(last.home.priority), last.seq);
            }
            self.buffer = page.into();
        }
        Ok(self.buffer.front().map(|ticket| (ticket.home.priority, ticket.seq)))
    }
}

/// Takes from one queue, in the order of priority and sequence over all kinds.
fn take_queue(
    w: &mut Write<'_>,
    batch: &mut Batch<'_>,
    (queue, name): (i64, &QueueName),
    kinds: &[(i64, Kind)],
) -> Result<()> {
    let suspects = batch.suspects > 0 && exists(w.db, sql!("claim_suspects"), [queue])?;
    let mut cursors: Vec<Cursor<'_>> = Vec::new();
    for suspect in [false, true].into_iter().take(1 + usize::from(suspects)) {
        cursors.extend(kinds.iter().map(|kind| Cursor {
            kind,
            suspect,
            buffer: VecDeque::new(),
            after: (i64::MIN, i64::MIN),
            done: false,
        }));
    }
    while !batch.is_full() {
        if batch.suspects == 0 {
            cursors.retain(|cursor| !cursor.suspect);
        }
        let limit = std::cmp::min(i64::try_from(batch.left()).unwrap_or(CURSOR_MAX), CURSOR_MAX);
        let mut next: Option<((i16, i64), usize)> = None;
        for (at, cursor) in cursors.iter_mut().enumerate() {
            if let Some(head) = cursor.head(w, queue, limit)?
                && next.is_none_or(|(best, _)| head < best)
            {
                next = Some((head, at));
            }
        }
        let Some((_, at)) = next else {
            break;
        };
        let Some(ticket) = cursors[at].buffer.pop_front() else {
            break;
        };
        let kind = &cursors[at].kind.1;
        take_ticket(w, batch, &ticket, (name, kind))?;
    }
    Ok(())
}

/// Takes as many jobs of a ticket as are wanted, and reads them.
fn take_ticket(
    w: &mut Write<'_>,
    batch: &mut Batch<'_>,
    ticket: &Ticket,
    names: (&QueueName, &Kind),
) -> Result<()> {
    let n = std::cmp::min(ticket.n, i64::try_from(batch.left()).unwrap_or(TICKET_MAX));
    ready::take(w, ticket, n)?;
    if ticket.is_suspect() {
        batch.suspects -= 1;
    }
    let end = ticket.first + n;
    let mut next = ticket.first;
    // The rows are read before anything else is written: refused jobs write outcomes.
    let mut refused = Vec::new();
    {
        let db = w.db;
        let mut statement = prepare(db, sql!("claim_jobs"))?;
        let mut rows = statement.query((ticket.first, end - 1))?;
        while let Some(row) = rows.next()? {
            let id: i64 = row.get(0)?;
            batch.note_missing(next..id);
            next = id + 1;
            match read_job(w.now, row) {
                Ok(found) => batch.add(ticket, id, found, names)?,
                Err(why) => refused.push((id, why)),
            }
        }
    }
    batch.note_missing(next..end);
    for (id, why) in refused {
        batch.n_passed += 1;
        refuse(w, batch, ticket, id, &why)?;
    }
    Ok(())
}

/// What is read of a job.
struct Found {
    created_at: Timestamp,
    args: Vec<u8>,
    options: JobOptions,
}

/// Why a job is not handed out.
enum Refusal {
    Expired(Timestamp),
    Damaged(String),
}

fn read_job(now: Timestamp, row: &Row<'_>) -> Result<Found, Refusal> {
    let damaged = |what: &str, error: &dyn std::fmt::Display| {
        Refusal::Damaged(format!("the stored {what} are damaged: {error}"))
    };
    let options = row.get_ref(3).map_err(|error| damaged("options", &error))?;
    let options = match options.as_bytes_or_null() {
        Ok(None) => JobOptions::default(),
        Ok(Some(json)) => {
            serde_json::from_slice(json).map_err(|error| damaged("options", &error))?
        }
        Err(error) => return Err(damaged("options", &error)),
    };
    if let Some(at) = options.expires_at
        && at <= now
    {
        return Err(Refusal::Expired(at));
    }
    let created_at = row.get(1).map_err(|error| damaged("instants", &error))?;
    let args = row.get(2).map_err(|error| damaged("arguments", &error))?;
    Ok(Found { created_at: Timestamp::from_micros(created_at), args, options })
}

/// Ends a job that is not handed out.
fn refuse(
    w: &mut Write<'_>,
    batch: &mut Batch<'_>,
    ticket: &Ticket,
    id: i64,
    why: &Refusal,
) -> Result<()> {
    let Ticket { home, run, failures, losses, .. } = *ticket;
    match why {
        Refusal::Expired(at) => {
            cancel_before_start(w, home, Marker { id, run, failures, losses })?;
            batch.parents.push((id, JobState::Cancelled));
            let reason = format!("it expired at {at}, before it could start");
            tell(w, id, Some(run), &History::Cancelled { reason, actor: None })
        }
        Refusal::Damaged(message) => {
            tracing::error!(job = id, message, "a damaged job was discarded");
            let entry = Entry { home, first: id, n: 1, run, failures, losses };
            let claimed_at = Some(w.now.as_micros());
            let run = Running { entry, server: batch.server, claimed_at };
            let why = (FailReason::Undecodable, message.as_str());
            fail(w, &run, Ending::new(id, failures), why, &mut batch.parents)?;
            Ok(())
        }
    }
}

impl Batch<'_> {
    fn left(&self) -> usize {
        self.wanted - self.jobs.len()
    }

    /// Tells whether the claim has what it wanted, or has passed over so much that it must stop
    /// here to stay short; the next claim goes on.
    fn is_full(&self) -> bool {
        self.left() == 0 || self.n_passed >= CLAIM_MAX_JOBS
    }

    fn note_missing(&mut self, ids: std::ops::Range<i64>) {
        for id in ids {
            self.n_passed += 1;
            tracing::error!(job = id, "a claimable job is not stored; its ticket was removed");
        }
    }

    fn add(
        &mut self,
        ticket: &Ticket,
        id: i64,
        found: Found,
        (queue, kind): (&QueueName, &Kind),
    ) -> Result<()> {
        let Ticket { home, run, failures, losses, .. } = *ticket;
        self.jobs.push(ClaimedJob {
            id: JobId::new(id)?,
            run: Run(run),
            lease: LeaseId(0),
            kind: kind.clone(),
            queue: queue.clone(),
            args: found.args,
            options: found.options,
            failures,
            losses,
            created_at: found.created_at,
        });
        if let Some(last) = self.entries.last_mut()
            && last.ids().end == id
            && i64::from(last.n) < TICKET_MAX
            && (last.home, last.run, last.failures, last.losses) == (home, run, failures, losses)
        {
            last.n += 1;
        } else {
            self.entries.push(Entry { home, first: id, n: 1, run, failures, losses });
        }
        Ok(())
    }
}
