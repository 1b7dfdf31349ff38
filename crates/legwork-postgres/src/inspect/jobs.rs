//! Lists of jobs by state, page by page.
//!
//! Each state has its own order and key: live ones in the order in which they will run, final ones
//! latest first. A page never looks at more rows than a bound: with a rare filter it may be short,
//! and its key goes on.

use std::collections::HashMap;
use std::sync::Arc;

use legwork_core::inspect::{JobFilter, JobPage, PAGE_MAX, Page};
use legwork_core::{Error, JobState, QueueName, Timestamp};
use tokio_postgres::Row;

use super::summary::{self, Standing};
use crate::bind::{At, get, instant, instant_or_none, params};
use crate::error::Result;
use crate::names::Name;
use crate::statement::{Sql, sql};
use crate::tx::Tx;

/// How many rows one page looks at, at most, when a filter passes most of them over.
const SCAN_MAX: usize = 20_000;

/// How many rows are read at a time where a filter passes some over.
const CHUNK: usize = 500;

/// A job at its place in a list.
struct Listed {
    key: Vec<i64>,
    id: i64,
    standing: Standing,
    /// Queue and kind, where the row tells them.
    home: Option<(i32, i32)>,
}

/// What is wanted of the rows of one state.
struct Wish<'a> {
    filter: &'a JobFilter,
    queue: Option<i32>,
    kind: Option<i32>,
}

/// Lists one page.
pub(super) async fn list(tx: &mut Tx, filter: &JobFilter, page: &Page) -> Result<JobPage> {
    let len = page.len.clamp(1, PAGE_MAX);
    let mut after = page.after.as_deref().map(decode).transpose()?;
    let Some(wish) = Wish::new(tx, filter).await? else {
        return Ok(JobPage { jobs: Vec::new(), next: None });
    };
    let mut jobs = Vec::with_capacity(len);
    let mut scanned = 0;
    let next = 'page: loop {
        let limit = if wish.is_narrow() { CHUNK } else { len - jobs.len() + 1 };
        let chunk = wish.chunk(tx, after.as_deref(), limit).await?;
        let ended = chunk.len() < limit;
        scanned += chunk.len();
        let homes = wish.homes(tx, &chunk).await?;
        for listed in chunk {
            if jobs.len() == len {
                break 'page after;
            }
            if wish.wants(&listed, &homes) {
                jobs.push((listed.id, listed.standing));
            }
            after = Some(listed.key);
        }
        if ended {
            break None;
        }
        if scanned >= SCAN_MAX {
            break after;
        }
    };
    let jobs = summary::read(tx, &jobs).await?;
    Ok(JobPage { jobs, next: next.map(|key| encode(&key)) })
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

/// Returns the instant with which a key begins; what lies before 1970 stands for the beginning.
fn instant_part(key: Option<&[i64]>, otherwise: i64) -> At {
    let micros = part(key, 0, otherwise);
    At(Timestamp::from_micros(if micros < 0 { i64::MIN } else { micros }))
}

/// Returns a bound for a statement.
fn bound(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

async fn number_of<N: Name + Sync>(tx: &mut Tx, name: &N) -> Result<Option<i32>> {
    let names = Arc::clone(&tx.names);
    names.look_up(tx, std::slice::from_ref(name)).await?;
    Ok(names.known(name))
}

impl<'a> Wish<'a> {
    /// Reads the filter; `None` when it names what does not exist.
    async fn new(tx: &mut Tx, filter: &'a JobFilter) -> Result<Option<Self>> {
        let (mut queue, mut kind) = (None, None);
        if let Some(name) = &filter.queue {
            queue = number_of(tx, name).await?;
        }
        if let Some(name) = &filter.kind {
            kind = number_of(tx, name).await?;
        }
        let exists =
            queue.is_some() == filter.queue.is_some() && kind.is_some() == filter.kind.is_some();
        Ok(exists.then_some(Self { filter, queue, kind }))
    }

    /// Tells whether the rows that are read may be passed over.
    fn is_narrow(&self) -> bool {
        let by_home = self.queue.is_some() || self.kind.is_some();
        by_home && self.filter.state != JobState::Enqueued || self.filter.retries_only
    }

    /// Reads where jobs belong whose rows do not tell, if the filter asks for it.
    async fn homes(&self, tx: &mut Tx, chunk: &[Listed]) -> Result<HashMap<i64, (i32, i32)>> {
        if self.queue.is_none() && self.kind.is_none() {
            return Ok(HashMap::new());
        }
        let unknown = chunk.iter().filter(|listed| listed.home.is_none());
        let unknown: Vec<i64> = unknown.map(|listed| listed.id).collect();
        if unknown.is_empty() {
            return Ok(HashMap::new());
        }
        let rows = tx.rows(sql!("inspect_homes"), params![unknown]).await?;
        rows.iter().map(|row| Ok((get(row, 0)?, (get(row, 1)?, get(row, 2)?)))).collect()
    }

    /// Tells whether the filter lets a job through.
    fn wants(&self, listed: &Listed, homes: &HashMap<i64, (i32, i32)>) -> bool {
        if self.filter.retries_only && listed.standing.failures == 0 {
            return false;
        }
        if self.queue.is_none() && self.kind.is_none() {
            return true;
        }
        let home = listed.home.or_else(|| homes.get(&listed.id).copied());
        home.is_some_and(|(queue, kind)| {
            self.queue.is_none_or(|wanted| wanted == queue)
                && self.kind.is_none_or(|wanted| wanted == kind)
        })
    }

    /// Reads the next rows of the state; fewer than `limit` only at the end.
    async fn chunk(&self, tx: &mut Tx, after: Option<&[i64]>, limit: usize) -> Result<Vec<Listed>> {
        match self.filter.state {
            JobState::Awaiting => self.awaiting(tx, after, limit).await,
            JobState::Scheduled => {
                let retries = self.filter.retries_only;
                let sql = if retries { sql!("inspect_retries") } else { sql!("inspect_scheduled") };
                self.timed(tx, sql, (instant_part(after, i64::MIN), part(after, 1, 0)), limit).await
            }
            JobState::Enqueued => self.enqueued(tx, after, limit).await,
            JobState::Processing => self.processing(tx, after, limit).await,
            JobState::Succeeded => self.ended(tx, sql!("inspect_succeeded"), after, limit).await,
            JobState::Failed => self.ended(tx, sql!("inspect_failed"), after, limit).await,
            JobState::Cancelled => self.ended(tx, sql!("inspect_cancelled"), after, limit).await,
        }
    }

    fn live(&self, at: Option<Timestamp>, run: i32, failures: i32) -> Standing {
        Standing { state: self.filter.state, at, run, failures, server: None }
    }

    async fn awaiting(
        &self,
        tx: &mut Tx,
        after: Option<&[i64]>,
        limit: usize,
    ) -> Result<Vec<Listed>> {
        let params = params![part(after, 0, 0), bound(limit)];
        let rows = tx.rows(sql!("inspect_awaiting"), params).await?;
        let listed = |row| {
            let id = get(row, 0)?;
            Ok(Listed { key: vec![id], id, standing: self.live(None, 1, 0), home: None })
        };
        rows.iter().map(listed).collect()
    }

    async fn ended(
        &self,
        tx: &mut Tx,
        sql: Sql,
        after: Option<&[i64]>,
        limit: usize,
    ) -> Result<Vec<Listed>> {
        let after = (instant_part(after, i64::MAX), part(after, 1, i64::MAX));
        self.timed(tx, sql, after, limit).await
    }

    /// Reads rows of instant, id, run and failures.
    async fn timed(
        &self,
        tx: &mut Tx,
        sql: Sql,
        (at, id): (At, i64),
        limit: usize,
    ) -> Result<Vec<Listed>> {
        let rows = tx.rows(sql, params![at, id, bound(limit)]).await?;
        let listed = |row| {
            let (at, id) = (instant(row, 0)?, get(row, 1)?);
            let standing = self.live(Some(at), get(row, 2)?, get(row, 3)?);
            Ok(Listed { key: vec![at.as_micros(), id], id, standing, home: None })
        };
        rows.iter().map(listed).collect()
    }

    /// Reads what servers hold, in the order in which it was claimed.
    async fn processing(
        &self,
        tx: &mut Tx,
        after: Option<&[i64]>,
        limit: usize,
    ) -> Result<Vec<Listed>> {
        let params = params![instant_part(after, i64::MIN), part(after, 1, 0), bound(limit)];
        let rows = tx.rows(sql!("inspect_processing"), params).await?;
        let listed = |row: &Row| {
            let (at, id) = (instant(row, 0)?, get(row, 1)?);
            let server = Some(get(row, 4)?);
            let standing = Standing { server, ..self.live(Some(at), get(row, 2)?, get(row, 3)?) };
            let home = Some((get(row, 5)?, get(row, 6)?));
            Ok(Listed { key: vec![at.as_micros(), id], id, standing, home })
        };
        rows.iter().map(listed).collect()
    }

    /// Reads what can be claimed: queue by queue, the tickets of all kinds merged.
    async fn enqueued(
        &self,
        tx: &mut Tx,
        after: Option<&[i64]>,
        limit: usize,
    ) -> Result<Vec<Listed>> {
        let from = after.map(Start::read).transpose()?;
        let (mut name, mut queue, mut priority, mut seq) = (String::new(), 0, 0, 0);
        if let Some(from) = &from {
            // The queue may be empty by now; its name still tells its place.
            name = from.name(tx).await?;
            (queue, priority, seq) = (from.queue, from.priority, from.seq);
        }
        let (of_queue, of_kind) = (self.queue.unwrap_or(0), self.kind.unwrap_or(0));
        // The ticket in which the page before ended may have nothing left.
        let params =
            params![name, queue, priority, seq, of_queue, of_kind, bound(limit).saturating_add(1)];
        let rows = tx.rows(sql!("inspect_enqueued"), params).await?;
        let mut listed = Vec::with_capacity(limit);
        for row in &rows {
            self.spread(row, from.as_ref(), &mut listed)?;
            if listed.len() >= limit {
                listed.truncate(limit);
                break;
            }
        }
        Ok(listed)
    }

    /// Adds the jobs of a ticket, from where the page before ended.
    fn spread(&self, row: &Row, from: Option<&Start>, listed: &mut Vec<Listed>) -> Result<()> {
        let (queue, kind): (i32, i32) = (get(row, 0)?, get(row, 1)?);
        let priority: i16 = get(row, 2)?;
        let (first_seq, first, n): (i64, i64, i16) = (get(row, 3)?, get(row, 4)?, get(row, 5)?);
        let standing = self.live(instant_or_none(row, 8)?, get(row, 6)?, get(row, 7)?);
        for nth in 0..i64::from(n) {
            // A fresh ticket may have been cut since: its jobs keep their place by their ids.
            let (seq, id) = (first_seq + nth, first + nth);
            if from.is_some_and(|from| from.is_past(queue, (priority, seq), id)) {
                continue;
            }
            let key = vec![i64::from(queue), i64::from(priority), seq, id];
            listed.push(Listed { key, id, standing, home: Some((queue, kind)) });
        }
        Ok(())
    }
}

/// Where the page before ended, in the list of what can be claimed.
struct Start {
    queue: i32,
    priority: i16,
    seq: i64,
    id: i64,
}

impl Start {
    fn read(key: &[i64]) -> Result<Self> {
        let key = Some(key);
        let queue = i32::try_from(part(key, 0, 0)).map_err(|_| unknown_queue())?;
        let priority = i16::try_from(part(key, 1, 0));
        let priority = priority.map_err(|_| Error::invalid("the key of the page has no place"))?;
        let seq = part(key, 2, 0).clamp(0, i64::MAX);
        Ok(Self { queue, priority, seq, id: part(key, 3, 0) })
    }

    async fn name(&self, tx: &mut Tx) -> Result<String> {
        let names = Arc::clone(&tx.names);
        names.look_up_numbers::<QueueName>(tx, [self.queue]).await?;
        let name = names.known_name::<QueueName>(self.queue).ok_or_else(unknown_queue)?;
        Ok(name.as_str().to_owned())
    }

    fn is_past(&self, queue: i32, place: (i16, i64), id: i64) -> bool {
        let last = (self.priority, self.seq);
        queue == self.queue && (place < last || place == last && id == self.id)
    }
}

fn unknown_queue() -> Error {
    Error::invalid("the key of the page names no queue")
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

    #[test]
    fn a_page_goes_on_behind_the_last_job_of_the_page_before() {
        let from = Start::read(&[7, -2, 100, 100]).unwrap();
        for (queue, place, id, past) in [
            (7, (-2, 99), 99, true),
            (7, (-2, 100), 100, true),
            (7, (-2, 101), 101, false),
            (7, (-3, 500), 500, true),
            (7, (-1, 5), 5, false),
            (8, (-2, 5), 5, false),
        ] {
            assert_eq!(from.is_past(queue, place, id), past, "{queue} {place:?} {id}");
        }
        assert!(Start::read(&[1, i64::MAX]).is_err() && Start::read(&[i64::MAX]).is_err());
    }
}
