//! A small application with jobs of every kind, which tells what it does.
//!
//! The tests of the storages include it with `#[path]`: on each storage the same has to happen.

use legwork::host::{HostHandle, StopReason};
use legwork::prelude::*;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::timeout;

/// How long anything may take that ought to happen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Clone, FromRef)]
pub(crate) struct App {
    said: UnboundedSender<String>,
}

#[legwork::job(name = "count")]
pub(crate) async fn count(up_to: u64) -> Output<u64> {
    Output((1..=up_to).sum())
}

#[legwork::job(name = "tell", max_attempts = 2, retry(base = "1ms", cap = "1ms"))]
pub(crate) async fn tell(
    what: String,
    State(said): State<UnboundedSender<String>>,
    context: JobContext,
) -> Result<(), BoxError> {
    if what == "fails once" && !context.is_last_attempt() {
        return Err("as it was told".into());
    }
    let counted: Option<u64> = context.parent_output().await?;
    let text = counted.map_or(what.clone(), |counted| format!("{what} {counted}"));
    said.send(format!("{text}, attempt {}", context.attempt()))?;
    Ok(())
}

pub(crate) fn told(what: &str) -> Tell {
    Tell { what: what.to_owned() }
}

pub(crate) fn host(jobs: &Jobs) -> (legwork::host::HostBuilder<App>, UnboundedReceiver<String>) {
    let (said, heard) = unbounded_channel();
    let host = Host::builder(App { said })
        .jobs(jobs.server().handle(count).handle(tell))
        .handle_signals(false);
    (host, heard)
}

pub(crate) async fn next(heard: &mut UnboundedReceiver<String>) -> String {
    timeout(PATIENCE, heard.recv()).await.expect("it is said in time").expect("the host runs")
}

pub(crate) fn stop(handle: &HostHandle) {
    handle.stop(StopReason::requested("the test is over"));
}
