//! How long a job waits from the call that enqueues it to the start of its handler.
//!
//! One process, an idle server, a steady rate of single enqueues, each from a task of its own.

use anyhow::Context as _;

use crate::lab::{Lab, Reading};
use crate::sample::Percentiles;
use crate::workload::{App, WARM_UP, WORKERS, offer, server};

/// Two hundred jobs a second.
pub(crate) const SLOW: &str = "enqueue to start, 200 jobs/s";
/// A thousand jobs a second.
pub(crate) const FAST: &str = "enqueue to start, 1,000 jobs/s";

pub(crate) async fn run(lab: &Lab) -> anyhow::Result<Vec<Reading>> {
    let slow = at_rate(lab, SLOW, 200).await?;
    let fast = at_rate(lab, FAST, 1_000).await?;
    Ok(vec![slow, fast])
}

async fn at_rate(lab: &Lab, what: &'static str, per_sec: u32) -> anyhow::Result<Reading> {
    let n = WARM_UP + u64::try_from(lab.size.pickup.as_millis())? * u64::from(per_sec) / 1_000;
    let site = lab.site().await?;
    let app = App::timing(n);
    let server = server(&site.jobs, WORKERS).start(app.clone()).await?;
    let stretch = lab.begin().await?;
    let called_at = offer(&site.jobs, n, f64::from(per_sec)).await?;
    app.all_started().await?;
    let reading = stretch.end(what, n).await?;
    server.stop().await;
    let mut waits = Vec::new();
    for (number, called_at) in (0..n).zip(called_at) {
        let started_at = app.started_at(number).context("a job was not started")?;
        if number >= WARM_UP {
            waits.push(started_at.duration_since(called_at));
        }
    }
    site.finish(n).await?;
    Ok(reading.with_times(Percentiles::of(waits)))
}
