//! How long a job waits from the call that enqueues it to the start of its handler.
//!
//! One process, an idle server, a steady rate of single enqueues, each from a task of its own.

use std::time::Duration;

use anyhow::Context as _;
use legwork_sqlite::Synchronous;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

use crate::lab::{Lab, Reading, Stretch};
use crate::machine::now;
use crate::sample::Percentiles;
use crate::workload::{App, Note, server};

/// Two hundred jobs a second.
pub(crate) const SLOW: &str = "enqueue to start, 200 jobs/s";
/// A thousand jobs a second.
pub(crate) const FAST: &str = "enqueue to start, 1,000 jobs/s";

/// How many jobs are run first and not counted.
const WARM_UP: u64 = 20;

pub(crate) async fn run(lab: &Lab) -> anyhow::Result<Vec<Reading>> {
    let slow = at_rate(lab, SLOW, 200).await?;
    let fast = at_rate(lab, FAST, 1_000).await?;
    Ok(vec![slow, fast])
}

async fn at_rate(lab: &Lab, what: &'static str, per_sec: u32) -> anyhow::Result<Reading> {
    let n = WARM_UP + u64::try_from(lab.size.pickup.as_millis())? * u64::from(per_sec) / 1_000;
    let site = lab.site(Synchronous::Full).await?;
    let app = App::timing(n);
    let server = server(&site.jobs).start(app.clone()).await?;
    let mut ticks = interval(Duration::from_secs(1) / per_sec);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut callers = JoinSet::new();
    let stretch = Stretch::begin();
    for number in 0..n {
        ticks.tick().await;
        let jobs = site.jobs.clone();
        callers.spawn(async move {
            let called_at = now();
            jobs.enqueue(Note::new(number)).await.map(|_| (number, called_at))
        });
    }
    let called = callers.join_all().await;
    app.all_started().await?;
    let reading = stretch.end(what, n);
    server.stop().await;
    let mut waits = Vec::new();
    for called in called {
        let (number, called_at) = called?;
        let started_at = app.started_at(number).context("a job was not started")?;
        if number >= WARM_UP {
            waits.push(started_at.duration_since(called_at));
        }
    }
    site.finish(n).await?;
    Ok(reading.with_times(Percentiles::of(waits)))
}
