//! What a driver sends for a batch of jobs, and what it gets back.
//!
//! The drivers beside it make an [`Order`], send [`Order::text`] with its three parameters, and
//! give the rows to [`Order::stored`]. What the JSON contains is told at the SQL function
//! `legwork.enqueue_all`, in `migrations/`.

use std::borrow::Cow;
use std::sync::Arc;
#[cfg(feature = "diesel-2")]
use std::time::Duration;

use legwork_core::storage::{NewJob, Start};
use legwork_core::{Enqueued, Error, ErrorKind, JobId, Result, Tag};
use serde::Serialize;

use super::{Open, find_open};
use crate::children::micros;
use crate::enqueue::{check, number_names, options_of};
use crate::ground::Ground;
use crate::statement::{in_schema, sql};

/// How long a driver that blocks waits for names to get numbers. It waits in vain on the only
/// thread of a runtime; the statement itself gives them numbers then.
#[cfg(feature = "diesel-2")]
const NAMES_LIMIT: Duration = Duration::from_millis(250);

/// A batch of jobs, ready to be sent.
pub(super) struct Order {
    ground: Arc<Ground>,
    open: Open,
    /// The first parameter: a UUID.
    pub(super) installation: String,
    /// The second parameter: JSON.
    pub(super) jobs: String,
    /// The third parameter: the time of tests, in microseconds since 1970.
    pub(super) at: Option<i64>,
}

/// A row of the answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) nth: i32,
    pub(super) id: i64,
    pub(super) is_new: bool,
    /// Why nothing was stored.
    pub(super) refusal: Option<String>,
    /// The number of the transaction, on the first row.
    pub(super) transaction: Option<String>,
}

#[derive(Serialize)]
struct Row<'j> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    queue: Option<&'j str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    queue_number: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<&'j str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kind_number: Option<i32>,
    priority: i16,
    args: &'j str,
    #[serde(skip_serializing_if = "Option::is_none")]
    options: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    delay: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    start_at: Option<i64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    parents: Vec<Tie>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tags: Vec<&'j str>,
}

#[derive(Serialize)]
struct Tie {
    id: i64,
    on: &'static str,
}

impl Order {
    /// Makes the order of a driver that is awaited.
    ///
    /// Names get their numbers outside of the transaction: whoever adds one within it keeps all
    /// others from using it until the commit.
    pub(super) async fn new(location: &str, jobs: &[NewJob]) -> Result<Self> {
        let (ground, open) = find_open(location)?;
        check(&ground.capabilities, jobs)?;
        if let Err(error) = number_names(&ground, jobs).await {
            tracing::debug!(%error, "names get their numbers within the transaction");
        }
        Self::build(ground, open, jobs)
    }

    /// Makes the order of a driver that blocks.
    #[cfg(feature = "diesel-2")]
    pub(super) fn new_blocking(location: &str, jobs: &[NewJob]) -> Result<Self> {
        let (ground, open) = find_open(location)?;
        check(&ground.capabilities, jobs)?;
        let is_known = |job: &NewJob| {
            ground.names.known(&job.queue).is_some() && ground.names.known(&job.kind).is_some()
        };
        if !jobs.iter().all(is_known) {
            let (sender, done) = std::sync::mpsc::sync_channel(1);
            let (ground, jobs) = (Arc::clone(&ground), jobs.to_vec());
            let tasks = ground.tasks.clone();
            let numbering = async move {
                let numbered = number_names(&ground, &jobs).await;
                if sender.send(numbered).is_err() {
                    tracing::debug!("names have numbers that nobody waited for");
                }
            };
            tasks.spawn_on(numbering, &open.runtime);
            match done.recv_timeout(NAMES_LIMIT) {
                Ok(Ok(())) => {}
                Ok(Err(error)) => {
                    tracing::debug!(%error, "names get their numbers within the transaction");
                }
                Err(_) => tracing::debug!("names get their numbers within the transaction"),
            }
        }
        Self::build(ground, open, jobs)
    }

    fn build(ground: Arc<Ground>, open: Open, jobs: &[NewJob]) -> Result<Self> {
        let rows: Vec<Row<'_>> = jobs.iter().map(|job| row(&ground, job)).collect::<Result<_>>()?;
        let jobs = serde_json::to_string(&rows).map_err(|error| {
            Error::with_source(ErrorKind::Internal, "jobs cannot be written as JSON", error)
        })?;
        let installation = ground.installation.get().cloned().ok_or_else(|| {
            Error::new(ErrorKind::Internal, "the storage does not know its installation")
        })?;
        let at = ground.clock.as_ref().map(|clock| clock.now().as_micros());
        Ok(Self { ground, open, installation, jobs, at })
    }

    /// Returns the statement.
    pub(super) fn text(&self) -> Cow<'static, str> {
        match in_schema(sql!("enqueue_all").0, &self.ground.schema) {
            Cow::Borrowed(_) => Cow::Borrowed(sql!("enqueue_all").0),
            Cow::Owned(text) => Cow::Owned(text),
        }
    }

    /// Tells what became of each job, and lets the storage look for the commit.
    pub(super) fn stored(self, answers: &[Answer]) -> Result<Vec<Enqueued>> {
        if let Some(refused) = answers.iter().find(|answer| answer.refusal.is_some()) {
            return Err(refusal(refused));
        }
        if let Some(number) = answers.iter().find_map(|answer| answer.transaction.clone()) {
            self.open.look.for_commit(&self.ground, &self.open.runtime, number);
        }
        answers
            .iter()
            .map(|answer| {
                let id = JobId::new(answer.id)?;
                Ok(if answer.is_new { Enqueued::New(id) } else { Enqueued::Existing(id) })
            })
            .collect()
    }
}

fn row<'j>(ground: &Ground, job: &'j NewJob) -> Result<Row<'j>> {
    let args = std::str::from_utf8(&job.args).map_err(|error| {
        Error::with_source(ErrorKind::Invalid, "the arguments are not JSON", error)
    })?;
    let (delay, start_at) = match job.start {
        Start::Now => (None, None),
        Start::After(delay) => (Some(micros(delay)), None),
        Start::At(at) => (None, Some(at.as_micros())),
    };
    let (queue_number, kind_number) =
        (ground.names.known(&job.queue), ground.names.known(&job.kind));
    let parents = job.parents.iter();
    Ok(Row {
        id: job.id.map(JobId::get),
        queue: queue_number.is_none().then_some(job.queue.as_str()),
        queue_number,
        kind: kind_number.is_none().then_some(job.kind.as_str()),
        kind_number,
        priority: job.priority,
        args,
        options: options_of(job)?,
        delay,
        start_at,
        parents: parents.map(|it| Tie { id: it.id.get(), on: it.on.as_str() }).collect(),
        tags: job.options.tags.iter().map(Tag::as_str).collect(),
    })
}

fn refusal(answer: &Answer) -> Error {
    let Answer { nth, id, .. } = answer;
    match answer.refusal.as_deref() {
        Some("installation") => {
            let message = "the transaction is of another database than the jobs";
            Error::new(ErrorKind::Conflict, message)
        }
        Some("id") => Error::invalid(format!("the id {id} was never handed out")),
        Some("parent") => {
            let message = format!("job {nth} of the batch: parent {id} does not exist");
            Error::new(ErrorKind::NotFound, message)
        }
        other => {
            let message = format!("the database refused the jobs: {}", other.unwrap_or_default());
            Error::new(ErrorKind::Internal, message)
        }
    }
}
