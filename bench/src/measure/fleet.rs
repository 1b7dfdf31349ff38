//! Processes with 50 workers each empty one backlog: one of them, then two.
//!
//! The clock runs from the word that starts their servers to the last end of an orderly stop.

use crate::crew::Crew;
use crate::lab::{Lab, Reading};
use crate::measure::enqueue;
use crate::sample::count;
use crate::worker::read_done;
use crate::workload::WORKERS;

/// One process beside the one that enqueues.
pub(crate) const ONE: &str = "drain, 1 process of 50 workers";
/// Two of them.
pub(crate) const TWO: &str = "drain, 2 processes of 50 workers";

pub(crate) async fn run(lab: &Lab) -> anyhow::Result<Vec<Reading>> {
    Ok(vec![measure(lab, ONE, 1).await?, measure(lab, TWO, 2).await?])
}

async fn measure(lab: &Lab, what: &'static str, n_processes: usize) -> anyhow::Result<Reading> {
    let site = lab.site().await?;
    let n = lab.size.n_bulk;
    enqueue::bulk(&site, n).await?;
    let args = ["worker".to_owned(), site.address()?, WORKERS.to_string(), "0".to_owned()];
    let mut crew = Crew::start(n_processes, &args).await?;
    let stretch = lab.begin().await?;
    crew.tell("go").await?;
    crew.each("running").await?;
    crew.all_started(n).await?;
    crew.tell("stop").await?;
    crew.each("starts").await?;
    let reading = stretch.end(what, n).await?;
    let mut cpu_secs = Some(0.0);
    for line in crew.each("done").await? {
        let (cpu, _) = read_done(&line)?;
        cpu_secs = cpu_secs.zip(cpu).map(|(sum, cpu)| sum + cpu);
    }
    crew.end().await?;
    site.finish(n).await?;
    // What this process used is not what it took to run the jobs.
    Ok(Reading { cpu_secs: cpu_secs.map(|secs| secs / count(n)), ..reading })
}
