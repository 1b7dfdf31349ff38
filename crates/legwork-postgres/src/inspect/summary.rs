//! What a list shows of jobs: read for a whole page at once.
//!
//! The lists of [`super::jobs`] and the page of one job call it with what the places of the markers
//! tell. A damaged row yields no line.

use std::time::Duration;

use legwork_core::inspect::{History, JobSummary};
use legwork_core::{Incarnation, JobId, JobState, Kind, Progress, QueueName, Run, Timestamp};
use tokio_postgres::Row;

use crate::bind::{count, get, instant, params};
use crate::error::Result;
use crate::marker::Place;
use crate::statement::sql;
use crate::tx::Tx;

/// How much of an error a list shows, in bytes.
const ERROR_MAX_BYTES: usize = 200;

/// What the place of a job tells about it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Standing {
    pub(super) state: JobState,
    /// `None` stands for the time it was stored.
    pub(super) at: Option<Timestamp>,
    pub(super) run: i32,
    pub(super) failures: i32,
    /// The server of a processing job.
    pub(super) server: Option<i32>,
}

impl Standing {
    /// Reads what the place tells.
    pub(super) fn of(place: &Place) -> Self {
        let live =
            |at, run, failures| Self { state: place.state(), at, run, failures, server: None };
        match place {
            Place::Waiting => live(None, 1, 0),
            Place::Due { run_at, marker } => live(Some(*run_at), marker.run, marker.failures),
            Place::Ready { ticket } => live(ticket.entered_at, ticket.run, ticket.failures),
            Place::Leased { lease, marker } => Self {
                server: Some(lease.server),
                ..live(Some(lease.claimed_at), marker.run, marker.failures)
            },
            Place::Ended { run, failures, at, .. } => live(Some(*at), *run, *failures),
        }
    }

    /// Returns the run that is in progress.
    fn running(&self) -> Option<i32> {
        (self.state == JobState::Processing).then_some(self.run)
    }
}

/// Reads the lines of jobs, in the order given; jobs that are no more are passed over.
pub(super) async fn read(tx: &mut Tx, jobs: &[(i64, Standing)]) -> Result<Vec<JobSummary>> {
    if jobs.is_empty() {
        return Ok(Vec::new());
    }
    let columns = params![
        jobs.iter().map(|(id, _)| *id).collect::<Vec<_>>(),
        jobs.iter().map(|(_, standing)| standing.running()).collect::<Vec<_>>(),
        jobs.iter().map(|(_, standing)| standing.server).collect::<Vec<_>>(),
    ];
    let rows = tx.rows(sql!("inspect_summaries"), columns).await?;
    look_up_names(tx, &rows).await?;
    let mut summaries = Vec::with_capacity(rows.len());
    for row in &rows {
        let nth: i64 = get(row, 0)?;
        let job = usize::try_from(nth - 1).ok().and_then(|nth| jobs.get(nth));
        if let Some((id, standing)) = job {
            summaries.push(summary(tx, *id, standing, row)?);
        }
    }
    Ok(summaries)
}

async fn look_up_names(tx: &mut Tx, rows: &[Row]) -> Result<()> {
    let queues: Vec<i32> = rows.iter().map(|row| get(row, 1)).collect::<Result<_>>()?;
    let kinds: Vec<i32> = rows.iter().map(|row| get(row, 2)).collect::<Result<_>>()?;
    let names = std::sync::Arc::clone(&tx.names);
    names.look_up_numbers::<QueueName>(tx, queues).await?;
    names.look_up_numbers::<Kind>(tx, kinds).await
}

fn summary(tx: &Tx, id: i64, standing: &Standing, row: &Row) -> Result<JobSummary> {
    let created_at = instant(row, 4)?;
    let ended_before = standing.run > 1 || standing.state.is_final();
    let ran_for: Option<i64> = get(row, 6)?;
    Ok(JobSummary {
        id: JobId::new(id)?,
        queue: tx.names.name_of(get(row, 1)?)?,
        kind: tx.names.name_of(get(row, 2)?)?,
        priority: get(row, 3)?,
        state: standing.state,
        created_at,
        at: standing.at.unwrap_or(created_at),
        run: Run(count(standing.run)),
        failures: count(standing.failures),
        server: incarnation(row, 5)?,
        ran_for: ran_for.filter(|_| ended_before).map(duration),
        error: get::<Option<String>>(row, 9)?.and_then(|json| error_in(&json)),
        progress: progress(row, 7)?,
    })
}

/// Reads the name of a server; what is damaged is shown as none.
pub(super) fn incarnation(row: &Row, column: usize) -> Result<Option<Incarnation>> {
    let text: Option<String> = get(row, column)?;
    Ok(text.and_then(|text| text.parse().ok()))
}

fn progress(row: &Row, at: usize) -> Result<Option<Progress>> {
    let (share, message): (Option<f32>, Option<String>) = (get(row, at)?, get(row, at + 1)?);
    Ok(share.zip(message).map(|(share, message)| Progress { share, message }))
}

/// Returns the beginning of the error that an event tells.
fn error_in(json: &str) -> Option<String> {
    let what = serde_json::from_str(json).ok()?;
    let (History::Retried { error, .. } | History::Failed { error, .. }) = what else {
        return None;
    };
    let end = error.message.floor_char_boundary(ERROR_MAX_BYTES);
    Some(error.message[..end].to_owned())
}

/// Reads a stored duration.
pub(super) fn duration(micros: i64) -> Duration {
    Duration::from_micros(u64::try_from(micros).unwrap_or(0))
}
