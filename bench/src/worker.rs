//! The process that runs jobs for another one of this program: `fleet`, `apart`.
//!
//! It says `ready`, hears `go`, says `running`, tells now and then how many jobs it has started,
//! hears `stop`, and says `starts` and `done`.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use legwork_core::{Job, State};
use legwork_jobs::{Jobs, Server};
use serde::{Deserialize, Serialize};
use tokio::time::{MissedTickBehavior, interval};

use crate::crew::Orders;
use crate::machine::{Usage, wall_micros};
use crate::options::Worker;
use crate::workload::{App, server};
use crate::{lab, machine};

/// How often it tells how many jobs it has started.
const TELL_EVERY: Duration = Duration::from_millis(5);

/// A job that nobody enqueues: for a server that is woken for nothing.
#[derive(Debug, Serialize, Deserialize)]
struct Other {}

impl Job for Other {
    const NAME: &'static str = "bench.other";
}

async fn other(_: Other, _: State<App>) {}

/// What the process does. With 0 workers it listens, and runs nothing of what is enqueued.
///
/// # Errors
/// The storage refused something, or whoever started this process is gone.
pub(crate) async fn work(told: &Worker) -> anyhow::Result<()> {
    let jobs = Jobs::new(lab::open(&told.address).await?);
    let app = App::timing(told.n_timed);
    let mut orders = Orders::new();
    println!("ready");
    orders.wait_for("go").await?;
    let before = Usage::now();
    let server = match told.workers {
        0 => jobs.server().workers(1).handle(other).start(app.clone()).await?,
        workers => server(&jobs, workers).start(app.clone()).await?,
    };
    println!("running");
    tell_until_stop(&app, &mut orders).await?;
    stop(&server).await?;
    let used = before.zip(Usage::now()).map(|(b, a)| a.cpu_secs - b.cpu_secs);
    let starts = (0..told.n_timed).map(|n| {
        let at = app.started_at(n).with_context(|| format!("job {n} was not started here"))?;
        Ok(wall_micros(at).to_string())
    });
    let starts = starts.collect::<anyhow::Result<Vec<String>>>()?;
    println!("starts {}", starts.join(" "));
    jobs.close().await?;
    let memory = machine::peak_rss().unwrap_or_default();
    println!("done {} {memory}", used.unwrap_or(f64::NAN));
    Ok(())
}

async fn tell_until_stop(app: &App, orders: &mut Orders) -> anyhow::Result<()> {
    let mut ticks = interval(TELL_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut stop, mut told) = (Box::pin(orders.wait_for("stop")), 0);
    loop {
        tokio::select! {
            // Both are cancel safe: a tick that is not taken comes again, the line is pinned.
            heard = &mut stop => return heard,
            _ = ticks.tick() => {
                let n = app.n_started();
                if n > told {
                    println!("started {n}");
                    told = n;
                }
            }
        }
    }
}

async fn stop(server: &Server) -> anyhow::Result<()> {
    let report = server.stop().await;
    ensure!(report.clean && report.released == 0, "the server did not end in order: {report:?}");
    Ok(())
}

/// What `done` said: CPU seconds and the peak of the memory in bytes.
///
/// # Errors
/// It is not that.
pub(crate) fn read_done(line: &str) -> anyhow::Result<(Option<f64>, u64)> {
    let (cpu, memory) = line.split_once(' ').context("two numbers")?;
    let cpu: f64 = cpu.parse()?;
    Ok((cpu.is_finite().then_some(cpu), memory.parse()?))
}
