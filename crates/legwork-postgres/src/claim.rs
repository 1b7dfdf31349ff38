//! Claiming: taking tickets in their order and granting a lease on their jobs.
//!
//! [`crate::exchange`] calls it. One statement does it, over the lanes of the queues and kinds that
//! are asked for: kinds that nobody registered, and suspects that may not be taken, are never
//! looked at, so that they cannot make a claim slow. COMMIT travels with it; where a job turns out
//! to be expired or damaged the statement refuses, and the claim is repeated carefully.

use std::collections::HashSet;

use legwork_core::inspect::History;
use legwork_core::limits::CLAIM_MAX_JOBS;
use legwork_core::storage::{Claim, ClaimedJob, FailReason, JobOptions};
use legwork_core::{Incarnation, JobId, Kind, LeaseId, QueueName, Run, Timestamp};
use tokio::time::Instant;
use tokio_postgres::Row;

use crate::bind::{At, Param, count, get, instant, params};
use crate::change::Changes;
use crate::children::decide;
use crate::error::Result;
use crate::finish::{Ending, Running, fail};
use crate::floor::Lane;
use crate::lease::{self, Entry, Lease};
use crate::marker::{Home, Marker};
use crate::server::number_of;
use crate::statement::sql;
use crate::tx::Tx;

/// How often a claim waits for tickets that others have: each time one of them has ended.
const WAITS_MAX: u32 = 20;

/// What a claim wants, in numbers.
pub(crate) struct Wanted {
    server: i32,
    max: usize,
    suspects_max: usize,
    queues: Vec<(i32, QueueName)>,
    kinds: Vec<(i32, Kind)>,
}

impl Wanted {
    /// Looks up the numbers; `None` when there can be nothing.
    pub(crate) async fn new(
        tx: &mut Tx,
        server: Incarnation,
        claim: &Claim,
    ) -> Result<Option<Self>> {
        let max = std::cmp::min(claim.max, CLAIM_MAX_JOBS);
        if max == 0 {
            return Ok(None);
        }
        let Some(server) = number_of(tx, server).await? else {
            return Ok(None);
        };
        let names = std::sync::Arc::clone(&tx.names);
        names.look_up(tx, &claim.queues).await?;
        names.look_up(tx, &claim.kinds).await?;
        let mut seen = HashSet::new();
        let queues: Vec<_> = claim
            .queues
            .iter()
            .filter_map(|name| Some((names.known(name)?, name.clone())))
            .filter(|(number, _)| seen.insert(*number))
            .collect();
        let mut kinds: Vec<_> = claim
            .kinds
            .iter()
            .filter_map(|kind| Some((names.known(kind)?, kind.clone())))
            .collect();
        kinds.sort_unstable();
        kinds.dedup();
        if queues.is_empty() || kinds.is_empty() {
            return Ok(None);
        }
        let suspects_max = claim.suspects_max;
        Ok(Some(Self { server, max, suspects_max, queues, kinds }))
    }

    fn queue(&self, number: i32) -> Option<&QueueName> {
        self.queues.iter().find(|(known, _)| *known == number).map(|(_, name)| name)
    }

    fn kind(&self, number: i32) -> Option<&Kind> {
        let at = self.kinds.binary_search_by_key(&number, |(known, _)| *known).ok()?;
        Some(&self.kinds[at].1)
    }

    /// Returns the parameters of the claim, and how many tickets of a lane it looks at.
    fn params(&self, tx: &Tx) -> (Vec<Param>, i64) {
        let (mut lanes, tickets) = self.lanes(tx);
        let number = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
        lanes.extend(params![
            tickets,
            number(self.max),
            number(self.suspects_max),
            tx.at(),
            tx.careful,
        ]);
        (lanes, tickets)
    }

    /// Returns the server and its lanes, and how many tickets of a lane to look at.
    fn lanes(&self, tx: &Tx) -> (Vec<Param>, i64) {
        let mut floors = tx.ground.floors.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let now = Instant::now();
        let tickets = floors.tickets_for(self.max);
        let (mut places, mut queues, mut suspects) = (Vec::new(), Vec::new(), Vec::new());
        let (mut kinds, mut priorities) = (Vec::new(), Vec::new());
        let (mut seqs, mut last_priorities) = (Vec::new(), Vec::new());
        for (place, (queue, _)) in (0_i16..).zip(&self.queues) {
            for suspect in [false, true].into_iter().take(1 + usize::from(self.suspects_max > 0)) {
                for &(kind, _) in &self.kinds {
                    let lane = Lane { queue: *queue, suspect, kind };
                    for stretch in floors.stretches(lane, now) {
                        places.push(place);
                        queues.push(*queue);
                        suspects.push(suspect);
                        kinds.push(kind);
                        priorities.push(stretch.priority);
                        seqs.push(stretch.seq);
                        last_priorities.push(stretch.last_priority);
                    }
                }
            }
        }
        let lanes = params![
            self.server,
            places,
            queues,
            suspects,
            kinds,
            priorities,
            seqs,
            last_priorities,
        ];
        (lanes, tickets)
    }
}

/// What a claim has gathered.
#[derive(Default)]
struct Batch {
    lease: Option<Lease>,
    jobs: Vec<ClaimedJob>,
    refused: Vec<(Entry, i64, Refusal)>,
    /// How many jobs of the tickets are not stored.
    n_missing: usize,
}

/// Why a job is not handed out.
enum Refusal {
    Expired(Timestamp),
    Damaged(String),
}

/// Claims jobs, and ends the transaction.
///
/// When the tickets of a lane turn out to be smaller than they were of late, it goes on in a
/// further transaction; when others have all of them, it waits for what they leave.
pub(crate) async fn claim(tx: &mut Tx, wanted: Wanted) -> Result<Vec<ClaimedJob>> {
    let mut jobs = Vec::new();
    let mut left = wanted;
    let mut n_waits = 0;
    loop {
        let (claimed, go_on) = match claim_once(tx, &left).await {
            Ok(claimed) => claimed,
            // What was claimed before is committed and must reach the server.
            Err(failure) if !jobs.is_empty() => {
                tracing::debug!(?failure, "a further claim failed");
                tx.roll_back().await?;
                return Ok(jobs);
            }
            Err(failure) => return Err(failure),
        };
        left.max = left.max.saturating_sub(claimed.len());
        let suspects = claimed.iter().filter(|job| job.is_suspect()).count();
        left.suspects_max = left.suspects_max.saturating_sub(suspects);
        let others_have_them = claimed.is_empty() && go_on;
        jobs.extend(claimed);
        if !go_on || left.max == 0 {
            return Ok(jobs);
        }
        if others_have_them {
            if !jobs.is_empty() || n_waits == WAITS_MAX {
                return Ok(jobs);
            }
            n_waits += 1;
        }
        tx.begin_again();
        if others_have_them {
            // What they leave stands in fresh tickets, which only the next statement sees.
            tx.rows(sql!("claim_wait"), left.lanes(tx).0).await?;
        }
    }
}

/// Claims once; tells too whether there may be more.
async fn claim_once(tx: &mut Tx, wanted: &Wanted) -> Result<(Vec<ClaimedJob>, bool)> {
    let (params, tickets) = wanted.params(tx);
    let rows = if tx.careful {
        tx.rows(sql!("claim"), params).await?
    } else {
        tx.rows_and_commit(sql!("claim"), params).await?
    };
    if let [row] = &*rows
        && get::<Option<i64>>(row, 7)?.is_none()
    {
        tx.commit().await?;
        return Ok((Vec::new(), true));
    }
    let batch = read(tx, wanted, &rows)?;
    refuse(tx, wanted, &batch).await?;
    tx.commit().await?;
    if let Some(mut lease) = batch.lease {
        lease.open = i32::try_from(batch.jobs.len()).unwrap_or(i32::MAX);
        tx.ground.granted.add(lease);
    }
    Ok((batch.jobs, may_be_more(&rows, tickets)))
}

/// Tells whether some lane had as many tickets as were looked at.
fn may_be_more(rows: &[Row], tickets: i64) -> bool {
    i64::try_from(rows.len()).is_ok_and(|n| n >= tickets)
}

/// Reads a row per ticket: `place, queue, kind, priority, run, failures, losses, lease, claimed_at,
/// seq, first, n, taken`, and of its jobs `ids, created_at, args, options`.
fn read(tx: &Tx, wanted: &Wanted, rows: &[Row]) -> Result<Batch> {
    let mut batch = Batch::default();
    let mut floors = tx.ground.floors.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let now = Instant::now();
    for row in rows {
        let home = Home { queue: get(row, 1)?, kind: get(row, 2)?, priority: get(row, 3)? };
        let entry = Entry {
            home,
            first: get(row, 10)?,
            n: get(row, 12)?,
            run: get(row, 4)?,
            failures: get(row, 5)?,
            losses: get(row, 6)?,
        };
        let (id, claimed_at) = (get(row, 7)?, instant(row, 8)?);
        let lease = batch.lease.get_or_insert_with(|| Lease {
            id,
            server: wanted.server,
            claimed_at,
            open: 0,
            entries: Vec::new(),
        });
        lease.open += i32::from(entry.n);
        lease.entries.push(entry);
        let suspect = count(entry.losses) >= legwork_core::limits::SUSPECT_LOSSES;
        let lane = Lane { queue: home.queue, suspect, kind: home.kind };
        floors.claimed(lane, (home.priority, get(row, 9)?), get(row, 11)?, now);
        read_jobs(wanted, &mut batch, &entry, (id, claimed_at), row)?;
    }
    Ok(batch)
}

/// Reads the jobs of a ticket.
fn read_jobs(
    wanted: &Wanted,
    batch: &mut Batch,
    entry: &Entry,
    (lease, claimed_at): (i64, Timestamp),
    row: &Row,
) -> Result<()> {
    let ids: Vec<i64> = get::<Option<_>>(row, 13)?.unwrap_or_default();
    let created_at: Vec<At> = get::<Option<_>>(row, 14)?.unwrap_or_default();
    let args: Vec<&str> = get::<Option<_>>(row, 15)?.unwrap_or_default();
    let options: Option<Vec<Option<&str>>> = get(row, 16)?;
    batch.n_missing += usize::try_from(entry.n).unwrap_or_default().saturating_sub(ids.len());
    for (nth, ((id, created_at), args)) in ids.into_iter().zip(created_at).zip(args).enumerate() {
        let options = options.as_ref().and_then(|options| options.get(nth).copied().flatten());
        match read_options(claimed_at, options) {
            Ok(options) => {
                let found =
                    Found { created_at: created_at.0, args: args.as_bytes().to_vec(), options };
                batch.jobs.push(handed_out(wanted, lease, entry, id, found)?);
            }
            Err(why) => batch.refused.push((*entry, id, why)),
        }
    }
    Ok(())
}

/// What is read of a job.
struct Found {
    created_at: Timestamp,
    args: Vec<u8>,
    options: JobOptions,
}

fn read_options(now: Timestamp, json: Option<&str>) -> Result<JobOptions, Refusal> {
    let options: JobOptions = match json {
        None => JobOptions::default(),
        Some(json) => serde_json::from_str(json).map_err(|error| {
            Refusal::Damaged(format!("the stored options are damaged: {error}"))
        })?,
    };
    match options.expires_at {
        Some(at) if at <= now => Err(Refusal::Expired(at)),
        Some(_) | None => Ok(options),
    }
}

fn handed_out(
    wanted: &Wanted,
    lease: i64,
    entry: &Entry,
    id: i64,
    found: Found,
) -> Result<ClaimedJob> {
    let unknown = || legwork_core::Error::corrupt("a claimed job is of no kind that was asked for");
    let Home { queue, kind, .. } = entry.home;
    Ok(ClaimedJob {
        id: JobId::new(id)?,
        run: Run(count(entry.run)),
        lease: LeaseId(lease),
        kind: wanted.kind(kind).ok_or_else(unknown)?.clone(),
        queue: wanted.queue(queue).ok_or_else(unknown)?.clone(),
        args: found.args,
        options: found.options,
        failures: count(entry.failures),
        losses: count(entry.losses),
        created_at: found.created_at,
    })
}

/// Ends the jobs that are not handed out, in the transaction of the claim.
async fn refuse(tx: &mut Tx, wanted: &Wanted, batch: &Batch) -> Result<()> {
    let Some(lease) = &batch.lease else {
        return Ok(());
    };
    if batch.n_missing > 0 {
        tracing::error!(lease = lease.id, n = batch.n_missing, "claimable jobs are not stored");
    }
    let n_off = batch.refused.len() + batch.n_missing;
    if n_off == 0 {
        return Ok(());
    }
    let mut changes = Changes::default();
    for (entry, id, why) in &batch.refused {
        let marker: Marker = entry.marker(*id);
        match why {
            Refusal::Expired(at) => {
                changes.cancel_before_start(entry.home, marker);
                let reason = format!("it expired at {at}, before it could start");
                let what = History::Cancelled { reason, actor: None };
                changes.tell(*id, Some(marker.run), &what)?;
            }
            Refusal::Damaged(message) => {
                tracing::error!(job = id, message, "a damaged job was discarded");
                let (server, claimed_at) = (wanted.server, lease.claimed_at);
                let run = Running { home: entry.home, marker, server, claimed_at };
                let ending = Ending::new(&run);
                fail(&mut changes, &run, ending, (FailReason::Undecodable, message))?;
            }
        }
    }
    lease::shrink(tx, lease, n_off).await?;
    decide(tx, changes).await
}
