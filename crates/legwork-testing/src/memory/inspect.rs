//! Looking into the model: the reads of the dashboard, all by walking over everything.

use std::time::Duration;

use legwork_core::inspect::{
    Count, Counts, HistoryEntry, JobDetail, JobFilter, JobPage, JobSummary, PAGE_MAX, POINTS_MAX,
    Page, QueueView, RecurringView, Relative, ServerView, Throughput,
};
use legwork_core::{Error, JobId, JobState, On, QueueName, Result, Timestamp};

use super::model::{MICROS_PER_MINUTE, Model, Place, Record, Server, Tally};
use super::prune::GONE_KEPT;

/// How much of an error a list shows, in bytes.
const ERROR_SHOWN_BYTES: usize = 200;

/// Where a job stands in the list of its state; lists are in ascending order.
type ListKey = (String, i64, i64);

impl Model {
    pub(super) fn counts(&self) -> Counts {
        let count = |wanted: &dyn Fn(&Record) -> bool| {
            Count::exact(self.jobs.values().filter(|record| wanted(record)).count() as u64)
        };
        let state = |state| count(&|record| record.state() == state);
        let is_retry =
            |record: &Record| record.state() == JobState::Scheduled && record.failures > 0;
        let live = self.servers.values().filter(|server| server.gone_at.is_none());
        Counts {
            awaiting: state(JobState::Awaiting),
            scheduled: state(JobState::Scheduled),
            retries: count(&is_retry),
            enqueued: state(JobState::Enqueued),
            processing: state(JobState::Processing),
            succeeded: state(JobState::Succeeded),
            failed: state(JobState::Failed),
            cancelled: state(JobState::Cancelled),
            recurring: Count::exact(self.recurring.len() as u64),
            servers: Count::exact(live.count() as u64),
        }
    }

    pub(super) fn jobs(&self, filter: &JobFilter, page: &Page) -> Result<JobPage> {
        let after = page.after.as_deref().map(read_cursor).transpose()?;
        let len = page.len.clamp(1, PAGE_MAX);
        let mut found: Vec<_> = self
            .jobs
            .iter()
            .filter(|(_, record)| matches(filter, record))
            .map(|(&id, record)| (list_key(id, record), id))
            .filter(|(key, _)| after.as_ref().is_none_or(|after| key > after))
            .collect();
        found.sort_unstable();
        let more = found.len() > len;
        found.truncate(len);
        let next = found.last().filter(|_| more).map(|(key, _)| write_cursor(key));
        Ok(JobPage { jobs: found.iter().map(|&(_, id)| self.summary(id)).collect(), next })
    }

    pub(super) fn job(&self, id: JobId) -> Option<JobDetail> {
        let record = self.jobs.get(&id)?;
        let relative = |(id, on): (JobId, On)| Relative {
            id,
            on,
            state: self.jobs.get(&id).map(Record::state),
        };
        let parents = record.parents.iter().map(|d| (d.parent.id, d.parent.on));
        let history: Vec<HistoryEntry> = record.history.iter().rev().cloned().collect();
        Some(JobDetail {
            summary: self.summary(id),
            args: record.job.args.clone(),
            options: record.job.options.clone(),
            history,
            parents: parents.map(relative).collect(),
            children: record.children.iter().copied().map(relative).collect(),
            result: record.result.clone(),
        })
    }

    fn summary(&self, id: JobId) -> JobSummary {
        let record = &self.jobs[&id];
        let (at, server) = match record.place {
            Place::Awaiting => (record.created_at, None),
            Place::Due { at } | Place::Ready { since: at, .. } | Place::Final { at, .. } => {
                (at, None)
            }
            Place::Leased { lease, since } => (since, Some(self.leases[&lease].server)),
        };
        JobSummary {
            id,
            kind: record.job.kind.clone(),
            queue: record.job.queue.clone(),
            priority: record.job.priority,
            state: record.state(),
            created_at: record.created_at,
            at,
            run: record.run,
            failures: record.failures,
            server,
            ran_for: record.ran_for,
            error: record.error.as_ref().map(|error| {
                error.message[..error.message.floor_char_boundary(ERROR_SHOWN_BYTES)].to_owned()
            }),
            progress: server.and(record.progress.clone()),
        }
    }

    pub(super) fn recurring_views(&self) -> Vec<RecurringView> {
        let view = |job: &legwork_core::storage::RecurringJob| RecurringView {
            job: job.clone(),
            last_state: job.last_job.and_then(|id| self.jobs.get(&id)).map(Record::state),
        };
        self.recurring.values().map(|recurring| view(&recurring.job)).collect()
    }

    pub(super) fn server_views(&self) -> Vec<ServerView> {
        let is_recent = |at: Timestamp| self.now.since(at) <= GONE_KEPT;
        let mut views: Vec<_> = self
            .servers
            .values()
            .filter(|server| server.gone_at.is_none_or(is_recent))
            .map(|server| self.server_view(server))
            .collect();
        views.sort_by_key(|view| (view.gone_at.is_some(), view.started_at));
        views
    }

    fn server_view(&self, server: &Server) -> ServerView {
        let incarnation = server.info.incarnation;
        ServerView {
            info: server.info.clone(),
            started_at: server.started_at,
            beat_at: server.beat_at,
            gone_at: server.gone_at,
            processing: self.held_in(|_, lease| lease.server == incarnation).len() as u64,
        }
    }

    pub(super) fn queue_views(&self) -> Vec<QueueView> {
        let names: std::collections::BTreeSet<_> =
            self.queues.iter().chain(self.paused.keys()).collect();
        names.into_iter().map(|name| self.queue_view(name)).collect()
    }

    fn queue_view(&self, name: &QueueName) -> QueueView {
        let ready = self.ready.iter().filter(|((queue, ..), _)| queue == name);
        let ready: Vec<_> = ready.map(|(_, id)| self.jobs[id].created_at).collect();
        QueueView {
            name: name.clone(),
            enqueued: Count::exact(ready.len() as u64),
            oldest_at: ready.into_iter().reduce(std::cmp::min),
            paused: self.paused.get(name).cloned(),
        }
    }

    pub(super) fn throughput(&self, step: Duration, points: usize) -> Vec<Throughput> {
        let step = i64::try_from(step.as_secs().div_ceil(60)).unwrap_or(i64::MAX);
        let step = step.clamp(1, MINUTES_MAX);
        let points = i64::try_from(std::cmp::min(points, POINTS_MAX)).unwrap_or(0);
        let last = self.now.as_micros() / MICROS_PER_MINUTE / step;
        (last - points + 1..=last).map(|nth| self.throughput_of(nth * step, step)).collect()
    }

    fn throughput_of(&self, first: i64, step: i64) -> Throughput {
        let sum =
            self.minutes.range(first..first + step).fold(Tally::default(), |sum, (_, tally)| {
                Tally {
                    succeeded: sum.succeeded + tally.succeeded,
                    failed: sum.failed + tally.failed,
                    retried: sum.retried + tally.retried,
                }
            });
        let Tally { succeeded, failed, retried } = sum;
        let at = Timestamp::from_micros(first.saturating_mul(MICROS_PER_MINUTE));
        Throughput { at, succeeded, failed, retried }
    }
}

/// The longest step of a series: a century in minutes.
const MINUTES_MAX: i64 = 100 * 365 * 24 * 60;

fn matches(filter: &JobFilter, record: &Record) -> bool {
    let JobFilter { state, retries_only, queue, kind } = filter;
    record.state() == *state
        && (!retries_only || record.failures > 0)
        && queue.as_ref().is_none_or(|queue| *queue == record.job.queue)
        && kind.as_ref().is_none_or(|kind| *kind == record.job.kind)
}

fn list_key(id: JobId, record: &Record) -> ListKey {
    let id = id.get();
    match record.place {
        Place::Awaiting => (String::new(), id, 0),
        Place::Due { at } | Place::Leased { since: at, .. } => (String::new(), at.as_micros(), id),
        Place::Ready { seq, .. } => {
            (record.job.queue.as_str().to_owned(), i64::from(record.job.priority), seq)
        }
        Place::Final { at, .. } => (String::new(), -at.as_micros(), -id),
    }
}

/// Joins a key with a character that no name holds and no URL escapes.
fn write_cursor((queue, first, second): &ListKey) -> String {
    format!("{queue}~{first}~{second}")
}

fn read_cursor(cursor: &str) -> Result<ListKey> {
    let read = || {
        let mut parts = cursor.split('~');
        let queue = parts.next()?.to_owned();
        let key = (queue, parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        parts.next().is_none().then_some(key)
    };
    read().ok_or_else(|| Error::invalid("the page to start after was not given by this list"))
}
