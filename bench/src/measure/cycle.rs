//! Explicit batches of a hundred through the storage: enqueue, claim, finish, with history.
//!
//! Goal S1. Each batch is two transactions: one enqueues it, one finishes the batch before and
//! claims the next. [`Cycle`] is also what each process of `processes` does.

use std::sync::Arc;
use std::time::Duration;

use anyhow::ensure;
use legwork_core::storage::{
    Claim, Exchange, Finish, Finished, Kinds, NewJob, ServerInfo, Verdict,
};
use legwork_core::{Incarnation, Job as _, Kind, QueueName, Store};
use legwork_sqlite::Synchronous;

use crate::lab::{Lab, Reading, Site};
use crate::machine::now;
use crate::options::Subject;
use crate::sample::Percentiles;
use crate::workload::Note;

/// With the default settings.
pub(crate) const FULL: &str = "full cycle, batches of 100";
/// With `synchronous=NORMAL`.
pub(crate) const NORMAL: &str = "full cycle, batches of 100, NORMAL";

/// How many jobs a batch has.
pub(crate) const BATCH: usize = 100;

pub(crate) async fn run(lab: &Lab) -> anyhow::Result<Vec<Reading>> {
    let mut readings = vec![measure(lab.site().await?, FULL).await?];
    if lab.subject() == Subject::Sqlite {
        let site = lab.sqlite_site(Synchronous::Normal).await?;
        readings.push(measure(site, NORMAL).await?);
    }
    Ok(readings)
}

async fn measure(site: Site<'_>, what: &'static str) -> anyhow::Result<Reading> {
    let lab = site.lab;
    let mut cycle = Cycle::begin(Arc::clone(&site.store)).await?;
    let stretch = lab.begin().await?;
    for _ in 0..lab.size.n_batches {
        cycle.enqueue().await?;
        cycle.exchange().await?;
    }
    cycle.drain().await?;
    let n = cycle.n_finished;
    let times = Percentiles::of(cycle.end().await?);
    let reading = stretch.end(what, n).await?.with_times(times);
    let expected = u64::from(lab.size.n_batches) * u64::try_from(BATCH)?;
    ensure!(n == expected, "{n} jobs were finished instead of {expected}");
    site.finish(n).await?;
    Ok(reading)
}

/// One server without an engine: it calls the storage as fast as it answers.
#[derive(Debug)]
pub(crate) struct Cycle {
    storage: Arc<dyn Store>,
    server: Incarnation,
    kinds: Kinds,
    /// Claimed, to be finished by the next exchange.
    held: Vec<Finish>,
    args: Vec<u8>,
    /// How long each call took.
    times: Vec<Duration>,
    pub(crate) n_finished: u64,
}

impl Cycle {
    pub(crate) async fn begin(storage: Arc<dyn Store>) -> anyhow::Result<Self> {
        let server = Incarnation::from_bits(fastrand::u128(..));
        let kind = Kind::new(Note::NAME)?;
        let info = ServerInfo {
            incarnation: server,
            name: format!("bench/{}", std::process::id()),
            workers: 1,
            queues: vec![QueueName::default()],
            kinds: vec![kind.clone()],
            version: env!("CARGO_PKG_VERSION").to_owned(),
        };
        storage.register(info).await?;
        let (held, times, args) = (Vec::new(), Vec::new(), Note::new(0).encode()?);
        Ok(Self { storage, server, kinds: Arc::new([kind]), held, args, times, n_finished: 0 })
    }

    /// Enqueues one batch.
    pub(crate) async fn enqueue(&mut self) -> anyhow::Result<()> {
        let job = NewJob::new(self.kinds[0].clone(), self.args.clone());
        let batch = vec![job; BATCH];
        let began = now();
        self.storage.enqueue(batch).await?;
        self.times.push(began.elapsed());
        Ok(())
    }

    /// Finishes what is held and claims up to a batch; returns how many jobs it finished or
    /// claimed.
    pub(crate) async fn exchange(&mut self) -> anyhow::Result<usize> {
        let claim = Claim {
            queues: vec![QueueName::default()],
            kinds: Arc::clone(&self.kinds),
            max: BATCH,
            suspects_max: 0,
        };
        let finish = std::mem::take(&mut self.held);
        let n_finish = finish.len();
        let began = now();
        let exchange = Exchange { server: self.server, finish, claim: Some(claim) };
        let exchanged = self.storage.exchange(exchange).await?;
        self.times.push(began.elapsed());
        let recorded = exchanged.finished.iter().all(|f| *f == Finished::Recorded);
        ensure!(recorded && exchanged.finished.len() == n_finish, "the end of a run was refused");
        self.n_finished += u64::try_from(n_finish)?;
        self.held.extend(exchanged.claimed.into_iter().map(|job| Finish {
            id: job.id,
            run: job.run,
            lease: job.lease,
            ran_for: Duration::ZERO,
            verdict: Verdict::Succeeded { result: None },
        }));
        Ok(n_finish + self.held.len())
    }

    /// Goes on until there is nothing left.
    pub(crate) async fn drain(&mut self) -> anyhow::Result<()> {
        while self.exchange().await? > 0 {}
        Ok(())
    }

    /// Ends the life of the server; returns how long each call took.
    pub(crate) async fn end(self) -> anyhow::Result<Vec<Duration>> {
        let left = self.storage.retire(self.server).await?;
        ensure!(left == 0, "{left} jobs were held at the end");
        Ok(self.times)
    }
}
