//! The page of one job: what is written of it, and its history folded from runs and events.
//!
//! `Inspect::job` calls it. The happy path wrote one outcome per run; everything exceptional is an
//! event.

use legwork_core::inspect::{History, HistoryEntry, JobDetail, Relative};
use legwork_core::storage::JobOptions;
use legwork_core::{Error, JobId, JobState, Run, Timestamp};
use rusqlite::Connection;

use super::summary::{Standing, Summaries, duration};
use crate::children::condition_from;
use crate::enqueue::{FIRST_AWAITING, FIRST_SCHEDULED};
use crate::error::Result;
use crate::marker::{Home, Place, find_place, home_of};
use crate::outcome::Ended;
use crate::query::{find, list, sql};

/// How many runs, events and relatives are shown.
const SHOWN_MAX: i64 = 1_000;

/// What is written of a job.
struct Stored {
    home: Home,
    created_at: Timestamp,
    first_state: i64,
    args: Vec<u8>,
    options: JobOptions,
}

/// Reads everything about one job.
pub(super) fn job(db: &Connection, id: JobId) -> Result<Option<JobDetail>> {
    let number = id.get();
    let Some(stored) = find_stored(db, number)? else {
        return Ok(None);
    };
    let place = find_place(db, stored.home, number)?
        .ok_or_else(|| Error::corrupt(format!("job {id} is in no place")))?;
    let standing = Standing::of(db, number, &place)?;
    let mut summaries = Summaries::new(db);
    let Some(summary) = summaries.read(number, &standing)? else {
        return Ok(None);
    };
    let history = history(&summaries, number, &stored, &place)?;
    let result = find(db, sql!("results"), [number], |row| row.get(0))?;
    Ok(Some(JobDetail {
        summary,
        args: stored.args,
        options: stored.options,
        history,
        parents: relatives(db, sql!("inspect_parents"), number)?,
        children: relatives(db, sql!("inspect_children"), number)?,
        result,
    }))
}

fn find_stored(db: &Connection, id: i64) -> Result<Option<Stored>> {
    find(db, sql!("inspect_job"), [id], |row| {
        let options = row.get_ref(6)?.as_bytes_or_null()?;
        Ok(Stored {
            home: Home { queue: row.get(0)?, kind: row.get(1)?, priority: row.get(2)? },
            created_at: Timestamp::from_micros(row.get(3)?),
            first_state: row.get(4)?,
            args: row.get(5)?,
            // A damaged text is shown as no options: the page must open all the same.
            options: options
                .map(|json| serde_json::from_slice(json).unwrap_or_default())
                .unwrap_or_default(),
        })
    })
}

/// One entry with its place in the story: by run, then by what comes first within a run.
struct Placed {
    run: u32,
    rank: u8,
    entry: HistoryEntry,
}

const RANK_STORED: u8 = 0;
const RANK_BEFORE: u8 = 1;
const RANK_CLAIMED: u8 = 2;
const RANK_DURING: u8 = 3;
const RANK_ENDED: u8 = 4;

fn history(
    summaries: &Summaries<'_>,
    id: i64,
    stored: &Stored,
    place: &Place,
) -> Result<Vec<HistoryEntry>> {
    let state = match stored.first_state {
        FIRST_SCHEDULED => JobState::Scheduled,
        FIRST_AWAITING => JobState::Awaiting,
        _ => JobState::Enqueued,
    };
    let what = History::Enqueued { state };
    let entry = HistoryEntry { at: stored.created_at, run: None, what };
    let mut all = vec![Placed { run: 0, rank: RANK_STORED, entry }];
    runs(summaries, id, &mut all)?;
    events(summaries.db, id, &mut all)?;
    if let Place::Leased { lease, marker } = place
        && let Some(server) = summaries.server(Some(lease.server))?
    {
        let what = History::Claimed { server };
        all.push(placed(marker.run, RANK_CLAIMED, lease.claimed_at, what));
    }
    all.sort_by_key(|placed| (placed.run, placed.rank));
    part_from_runs(&mut all);
    Ok(all.into_iter().rev().map(|placed| placed.entry).collect())
}

/// Takes the run off what belongs to none: what happened to a job before a server claimed it.
fn part_from_runs(all: &mut [Placed]) {
    let mut claimed = 0;
    for placed in all {
        match placed.rank {
            RANK_CLAIMED => claimed = placed.run,
            RANK_BEFORE => placed.entry.run = None,
            _ if claimed != placed.run => placed.entry.run = None,
            _ => {}
        }
    }
}

fn placed(run: u32, rank: u8, at: i64, what: History) -> Placed {
    let entry = HistoryEntry { at: Timestamp::from_micros(at), run: Some(Run(run)), what };
    Placed { run, rank, entry }
}

/// Adds what the outcomes tell: claims, and the ends that no event tells.
fn runs(summaries: &Summaries<'_>, id: i64, all: &mut Vec<Placed>) -> Result<()> {
    let rows = list(summaries.db, sql!("inspect_outcomes"), (id, SHOWN_MAX), |row| {
        let run: u32 = row.get(0)?;
        let server: Option<i64> = row.get(2)?;
        let claimed_at: Option<i64> = row.get(3)?;
        let (ran_for, ended_at): (Option<i64>, i64) = (row.get(4)?, row.get(5)?);
        Ok((run, row.get::<_, i64>(1)?, server, claimed_at, ran_for, ended_at))
    })?;
    for (run, code, server, claimed_at, ran_for, ended_at) in rows {
        let server = summaries.server(server)?;
        if let (Some(server), Some(at)) = (server, claimed_at) {
            all.push(placed(run, RANK_CLAIMED, at, History::Claimed { server }));
        }
        let what = match Ended::from_code(code)? {
            Ended::Succeeded => History::Succeeded { ran_for: duration(ran_for.unwrap_or(0)) },
            Ended::Released => History::Released { started: false },
            Ended::Interrupted => History::Released { started: true },
            Ended::Lost => match server {
                Some(server) => History::Rescued { server },
                None => continue,
            },
            Ended::Failed | Ended::Cancelled | Ended::Retried | Ended::Snoozed => continue,
        };
        all.push(placed(run, RANK_ENDED, ended_at, what));
    }
    Ok(())
}

fn events(db: &Connection, id: i64, all: &mut Vec<Placed>) -> Result<()> {
    let rows = list(db, sql!("inspect_events"), (id, SHOWN_MAX), |row| {
        Ok((row.get::<_, Option<u32>>(0)?, row.get::<_, i64>(1)?, row.get::<_, String>(2)?))
    })?;
    for (run, at, json) in rows.into_iter().rev() {
        let Ok(what) = serde_json::from_str::<History>(&json) else {
            tracing::warn!(job = id, "an event of a newer version or a damaged one is not shown");
            continue;
        };
        #[expect(clippy::wildcard_enum_match_arm, reason = "all others end a run")]
        let rank = match &what {
            History::Requeued { .. } | History::ParentsDone => RANK_BEFORE,
            History::CancelRequested { .. } => RANK_DURING,
            _ => RANK_ENDED,
        };
        all.push(placed(run.unwrap_or(0), rank, at, what));
    }
    Ok(())
}

fn relatives(db: &Connection, statement: &str, id: i64) -> Result<Vec<Relative>> {
    let rows = list(db, statement, (id, SHOWN_MAX), |row| {
        Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?))
    })?;
    let mut relatives = Vec::with_capacity(rows.len());
    for (id, condition) in rows {
        let on = condition_from(&condition).unwrap_or_default();
        relatives.push(Relative { id: JobId::new(id)?, on, state: state_of(db, id)? });
    }
    Ok(relatives)
}

/// Reads the state of a job; `None` when there is none any more.
pub(super) fn state_of(db: &Connection, id: i64) -> Result<Option<JobState>> {
    match home_of(db, id)? {
        Some(home) => Ok(find_place(db, home, id)?.map(|place| place.state())),
        None => Ok(None),
    }
}
