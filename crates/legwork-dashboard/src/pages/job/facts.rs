//! The short facts of a job: queue, times, attempts, limits.
//!
//! The job's page lists them. A fact that only says the default is left out.

use legwork_core::inspect::JobDetail;
use legwork_core::{JobState, Run, Timestamp};

use crate::pages::Sight;
use crate::pages::jobs::Servers;
use crate::show::{self, When, visible};

/// One fact.
pub(super) struct Fact {
    pub(super) name: &'static str,
    pub(super) value: Value,
}

/// What a fact says.
pub(super) enum Value {
    Text(String),
    Code(String),
    Link { href: String, text: String },
    When(When),
    Tags(Vec<String>),
}

/// Lists the facts of a job.
pub(super) fn facts(sight: &Sight, job: &JobDetail, servers: &Servers) -> Vec<Fact> {
    let (summary, options) = (&job.summary, &job.options);
    let mut facts = Vec::new();
    let mut add = |name, value| facts.push(Fact { name, value });
    let when = |at: Timestamp| Value::When(When::new(at, sight.now));

    let queue = summary.queue.to_string();
    let href = format!("{}/{}?queue={queue}", sight.base, summary.state);
    add("Queue", Value::Link { href, text: queue });
    if summary.priority != 0 {
        add("Priority", Value::Text(format!("{} (lower runs first)", summary.priority)));
    }
    add("Enqueued", when(summary.created_at));
    if let Some(name) = time_name(summary.state) {
        add(name, when(summary.at));
    }
    if let Some(server) = summary.server {
        let href = format!("{}/servers#s-{server}", sight.base);
        add("Server", Value::Link { href, text: servers.name(server) });
    }
    if let Some((name, n_runs)) = runs(summary.state, summary.run) {
        add(name, Value::Text(n_runs.to_string()));
    }
    add("Failures", Value::Text(failures(summary.failures, options.max_attempts)));
    if let Some(ran_for) = summary.ran_for {
        add("Last run took", Value::Text(show::span(ran_for)));
    }
    if let Some(timeout) = options.timeout {
        add("Timeout", Value::Text(show::span(timeout)));
    }
    if let Some(at) = options.expires_at {
        add("Expires", when(at));
    }
    if let Some((id, at)) = &options.occurrence {
        let text = format!("{id}, for {}", When::new(*at, sight.now).absolute());
        add("Occurrence of", Value::Link { href: format!("{}/recurring", sight.base), text });
    }
    if let Some(key) = &options.unique_key {
        add("Unique key", Value::Code(visible(key)));
    }
    if let Some(key) = &options.limit_key {
        add("Limit key", Value::Code(visible(key)));
    }
    if !options.tags.is_empty() {
        add("Tags", Value::Tags(options.tags.iter().map(ToString::to_string).collect()));
    }
    if let Some(version) = options.args_version {
        add("Version of the arguments", Value::Text(version.to_string()));
    }
    if let Some(trace) = &options.traceparent {
        add("Trace", Value::Code(visible(trace)));
    }
    facts
}

fn failures(n: u32, max: Option<u32>) -> String {
    match max {
        Some(max) => format!("{n} of {max} attempts"),
        None => n.to_string(),
    }
}

/// Counts the runs of a job in `state`: one that waits carries the number of its next run. A job
/// that was cancelled may have been in its last run or not; its history tells.
fn runs(state: JobState, run: Run) -> Option<(&'static str, u32)> {
    match state {
        JobState::Awaiting | JobState::Scheduled | JobState::Enqueued => {
            Some(("Runs so far", run.0.saturating_sub(1)))
        }
        JobState::Processing | JobState::Succeeded | JobState::Failed => Some(("Run", run.0)),
        JobState::Cancelled => None,
    }
}

/// Names the instant of a job in `state` where it is not when it was enqueued.
fn time_name(state: JobState) -> Option<&'static str> {
    match state {
        JobState::Awaiting | JobState::Enqueued => None,
        JobState::Scheduled => Some("Due"),
        JobState::Processing => Some("Started"),
        JobState::Succeeded | JobState::Failed => Some("Ended"),
        JobState::Cancelled => Some("Cancelled"),
    }
}
