//! The builder that declares a recurring job.
//!
//! [`Jobs::recurring`](crate::Jobs::recurring) makes it; `scheduler` fires what it stored.

use legwork_core::cron::{Cron, Zone};
use legwork_core::storage::recurring::{Overlap, RecurringSpec, Upserted};
use legwork_core::storage::{NewJob, Start};
use legwork_core::{Error, Job, Misfire, QueueName, RecurringId, Result};

use crate::client::Jobs;
use crate::enqueue::new_job;

/// A recurring job that is being declared.
///
/// A value that breaks a rule is remembered and returned by [`upsert`](Self::upsert).
///
/// # Examples
/// ```
/// # use legwork_jobs::Jobs;
/// # use legwork_core::Job;
/// # use serde::{Deserialize, Serialize};
/// # #[derive(Serialize, Deserialize)] struct Cleanup {}
/// # impl Job for Cleanup { const NAME: &'static str = "cleanup"; }
/// # async fn declare(jobs: Jobs) -> legwork_core::Result<()> {
/// jobs.recurring("cleanup", "0 3 * * *")
///     .time_zone("Europe/Istanbul")
///     .job(Cleanup {})
///     .upsert()
///     .await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "a recurring job is declared by `.upsert().await`"]
pub struct Recurring {
    jobs: Jobs,
    id: String,
    cron: String,
    time_zone: String,
    misfire: Misfire,
    generation: u32,
    queue: Option<String>,
    job: Option<Result<NewJob>>,
}

impl Recurring {
    pub(crate) fn new(jobs: Jobs, id: &str, cron: &str) -> Self {
        Self {
            jobs,
            id: id.to_owned(),
            cron: cron.to_owned(),
            time_zone: "UTC".to_owned(),
            misfire: Misfire::default(),
            generation: 0,
            queue: None,
            job: None,
        }
    }

    /// Sets the IANA time zone in which the schedule is meant; UTC unless given.
    pub fn time_zone(mut self, zone: &str) -> Self {
        zone.clone_into(&mut self.time_zone);
        self
    }

    /// Sets what to do about occurrences that were missed while no server ran.
    ///
    /// [`Misfire::RunOnce`] unless given.
    pub fn misfire(mut self, misfire: Misfire) -> Self {
        self.misfire = misfire;
        self
    }

    /// Sets the generation, 0 unless given: a declaration never overwrites a higher one.
    ///
    /// Increase it when a deploy changes the schedule, so that an old process that restarts during
    /// the deploy does not change it back.
    pub fn generation(mut self, generation: u32) -> Self {
        self.generation = generation;
        self
    }

    /// Puts the jobs into another queue than their kind's.
    pub fn queue(mut self, queue: &str) -> Self {
        self.queue = Some(queue.to_owned());
        self
    }

    /// Sets the job that is enqueued at each occurrence.
    #[expect(clippy::needless_pass_by_value, reason = "the job is handed over")]
    pub fn job<J: Job>(mut self, job: J) -> Self {
        self.job = Some(new_job(&job, self.jobs.args_max_bytes()));
        self
    }

    /// Adds the recurring job, or updates the one with the same id.
    ///
    /// # Errors
    /// [`Invalid`](legwork_core::ErrorKind::Invalid) for a bad id, cron expression, time zone or
    /// queue, or without a job; the errors of the storage.
    ///
    /// # Cancel safety
    /// A future that is dropped before it was ready may have had its effect or not; repeating it is
    /// harmless.
    pub async fn upsert(self) -> Result<Upserted> {
        let id = RecurringId::new(&self.id)?;
        let in_context = |source: Error| {
            let message = format!("the recurring job {id:?} is refused");
            Error::with_source(source.kind(), message, source)
        };
        Cron::parse(&self.cron).map_err(in_context)?;
        Zone::new(&self.time_zone).map_err(in_context)?;
        let no_job = || Error::invalid("no job is given: call `.job(…)` first");
        let mut job = self.job.unwrap_or_else(|| Err(no_job())).map_err(in_context)?;
        if let Some(queue) = &self.queue {
            job.queue = QueueName::new(queue).map_err(in_context)?;
        }
        job.start = Start::Now;
        let spec = RecurringSpec {
            id,
            cron: self.cron,
            time_zone: self.time_zone,
            job,
            misfire: self.misfire,
            overlap: Overlap::default(),
            generation: self.generation,
        };
        self.jobs.store().upsert_recurring(spec).await
    }
}
