//! The page of one job: what is written of it, and its history folded from runs and events.
//!
//! `Inspect::job` calls it. The happy path wrote one outcome per run; everything exceptional is an
//! event.

use std::collections::HashMap;

use legwork_core::inspect::{History, HistoryEntry, JobDetail, Relative};
use legwork_core::storage::JobOptions;
use legwork_core::{Error, Incarnation, JobId, JobState, Run, Timestamp};
use tokio_postgres::Row;

use super::summary::{self, Standing, duration, incarnation};
use crate::bind::{count, get, instant, instant_or_none, params};
use crate::children::condition_from;
use crate::enqueue::{FIRST_AWAITING, FIRST_SCHEDULED};
use crate::error::Result;
use crate::marker::locate;
use crate::outcome::Ended;
use crate::statement::sql;
use crate::tx::Tx;

/// What is written of a job.
struct Stored {
    created_at: Timestamp,
    first_state: JobState,
    args: String,
    options: JobOptions,
    result: Option<String>,
}

/// Reads everything about one job.
pub(super) async fn job(tx: &mut Tx, id: JobId) -> Result<Option<JobDetail>> {
    let number = id.get();
    let Some((_, place)) = locate(tx, number).await? else {
        return Ok(None);
    };
    let place = place.ok_or_else(|| Error::corrupt(format!("job {id} is in no place")))?;
    let standing = Standing::of(&place);
    let summary = summary::read(tx, &[(number, standing)]).await?.pop();
    let (Some(summary), Some(stored)) = (summary, find_stored(tx, number).await?) else {
        return Ok(None);
    };
    let mut story = Vec::new();
    runs(tx, number, &mut story).await?;
    events(tx, number, &mut story).await?;
    if let Some(server) = summary.server {
        story.push(placed(standing.run, RANK_CLAIMED, summary.at, History::Claimed { server }));
    }
    let (parents, children) = relatives(tx, number).await?;
    Ok(Some(JobDetail {
        summary,
        history: tell(&stored, story),
        args: stored.args.into_bytes(),
        options: stored.options,
        parents,
        children,
        result: stored.result.map(String::into_bytes),
    }))
}

async fn find_stored(tx: &mut Tx, id: i64) -> Result<Option<Stored>> {
    let Some(row) = tx.row(sql!("inspect_job"), params![id]).await? else {
        return Ok(None);
    };
    let options: Option<String> = get(&row, 3)?;
    Ok(Some(Stored {
        created_at: instant(&row, 0)?,
        first_state: match get(&row, 1)? {
            FIRST_SCHEDULED => JobState::Scheduled,
            FIRST_AWAITING => JobState::Awaiting,
            _ => JobState::Enqueued,
        },
        args: get(&row, 2)?,
        // A damaged text is shown as no options: the page must open all the same.
        options: options
            .map(|json| serde_json::from_str(&json).unwrap_or_default())
            .unwrap_or_default(),
        result: get(&row, 4)?,
    }))
}

/// One entry with its place in the story: by run, then by what comes first within a run.
struct Placed {
    run: i32,
    rank: u8,
    entry: HistoryEntry,
}

const RANK_STORED: u8 = 0;
const RANK_BEFORE: u8 = 1;
const RANK_CLAIMED: u8 = 2;
const RANK_DURING: u8 = 3;
const RANK_ENDED: u8 = 4;

fn placed(run: i32, rank: u8, at: Timestamp, what: History) -> Placed {
    Placed { run, rank, entry: HistoryEntry { at, run: Some(Run(count(run))), what } }
}

/// Puts the story in order, latest first.
fn tell(stored: &Stored, mut story: Vec<Placed>) -> Vec<HistoryEntry> {
    let what = History::Enqueued { state: stored.first_state };
    let entry = HistoryEntry { at: stored.created_at, run: None, what };
    story.push(Placed { run: 0, rank: RANK_STORED, entry });
    story.sort_by_key(|placed| (placed.run, placed.rank));
    part_from_runs(&mut story);
    story.into_iter().rev().map(|placed| placed.entry).collect()
}

/// Takes the run off what belongs to none: what happened to a job before a server claimed it.
fn part_from_runs(story: &mut [Placed]) {
    let mut claimed = 0;
    for placed in story {
        match placed.rank {
            RANK_CLAIMED => claimed = placed.run,
            RANK_BEFORE => placed.entry.run = None,
            _ if claimed != placed.run => placed.entry.run = None,
            _ => {}
        }
    }
}

/// Adds what the outcomes tell: claims, and the ends that no event tells.
async fn runs(tx: &mut Tx, id: i64, story: &mut Vec<Placed>) -> Result<()> {
    for row in tx.rows(sql!("inspect_outcomes"), params![id]).await? {
        let run = get(&row, 0)?;
        let server = incarnation(&row, 2)?;
        if let (Some(server), Some(at)) = (server, instant_or_none(&row, 3)?) {
            story.push(placed(run, RANK_CLAIMED, at, History::Claimed { server }));
        }
        if let Some(what) = end(&row, server)? {
            story.push(placed(run, RANK_ENDED, instant(&row, 5)?, what));
        }
    }
    Ok(())
}

fn end(row: &Row, server: Option<Incarnation>) -> Result<Option<History>> {
    let ran_for: Option<i64> = get(row, 4)?;
    Ok(match Ended::from_code(get(row, 1)?)? {
        Ended::Succeeded => Some(History::Succeeded { ran_for: duration(ran_for.unwrap_or(0)) }),
        Ended::Released => Some(History::Released { started: false }),
        Ended::Interrupted => Some(History::Released { started: true }),
        Ended::Lost => server.map(|server| History::Rescued { server }),
        Ended::Failed | Ended::Cancelled | Ended::Retried | Ended::Snoozed => None,
    })
}

async fn events(tx: &mut Tx, id: i64, story: &mut Vec<Placed>) -> Result<()> {
    for row in tx.rows(sql!("inspect_events"), params![id]).await?.iter().rev() {
        let run: Option<i32> = get(row, 0)?;
        let Ok(what) = serde_json::from_str::<History>(&get::<String>(row, 2)?) else {
            tracing::warn!(job = id, "an event of a newer version or a damaged one is not shown");
            continue;
        };
        #[expect(clippy::wildcard_enum_match_arm, reason = "all others end a run")]
        let rank = match &what {
            History::Requeued { .. } | History::ParentsDone => RANK_BEFORE,
            History::CancelRequested { .. } => RANK_DURING,
            _ => RANK_ENDED,
        };
        story.push(placed(run.unwrap_or(0), rank, instant(row, 1)?, what));
    }
    Ok(())
}

/// Reads the parents and the children of a job.
async fn relatives(tx: &mut Tx, id: i64) -> Result<(Vec<Relative>, Vec<Relative>)> {
    let parents = tx.rows(sql!("inspect_parents"), params![id]).await?;
    let children = tx.rows(sql!("inspect_children"), params![id]).await?;
    let ids = parents.iter().chain(&children).map(|row| get(row, 0)).collect::<Result<_>>()?;
    let states = states(tx, ids).await?;
    let relative = |row| {
        let id: i64 = get(row, 0)?;
        let on = condition_from(&get::<String>(row, 1)?).unwrap_or_default();
        Ok(Relative { id: JobId::new(id)?, on, state: states.get(&id).copied() })
    };
    let parents = parents.iter().map(relative).collect::<Result<_>>()?;
    Ok((parents, children.iter().map(relative).collect::<Result<_>>()?))
}

/// Reads the states of jobs; those that are no more have none.
pub(super) async fn states(tx: &mut Tx, ids: Vec<i64>) -> Result<HashMap<i64, JobState>> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let rows = tx.rows(sql!("inspect_states"), params![ids]).await?;
    rows.iter().map(|row| Ok((get(row, 0)?, get::<String>(row, 1)?.parse()?))).collect()
}
