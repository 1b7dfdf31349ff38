//! The history of a job as a timeline, latest first.
//!
//! The job's page shows it. Each entry tells how long after the one before it happened.

use std::time::Duration;

use askama::Template;
use askama::filters::HtmlSafe;
use legwork_core::inspect::{History, HistoryEntry};
use legwork_core::storage::{Actor, FailReason, RunError};
use legwork_core::{Incarnation, JobState, Run, Timestamp};

use crate::pages::Sight;
use crate::pages::jobs::Servers;
use crate::show::{self, When, visible};

/// How many entries are shown; a job may have been retried for months.
const ENTRIES_MAX: usize = 200;

/// What happened to a job.
#[derive(Template)]
#[template(path = "_timeline.html")]
pub(super) struct Timeline {
    base: String,
    entries: Vec<Entry>,
    n_hidden: usize,
}

impl HtmlSafe for Timeline {}

struct Entry {
    /// The state it led to, for the colour.
    class: &'static str,
    title: &'static str,
    at: When,
    after: Option<String>,
    run: Option<Run>,
    detail: Option<String>,
    server: Option<(String, String)>,
    error: Option<String>,
}

/// What one event says.
#[derive(Default)]
struct Told {
    class: &'static str,
    title: &'static str,
    detail: Option<String>,
    server: Option<Incarnation>,
    error: Option<String>,
}

impl Timeline {
    pub(super) fn new(sight: &Sight, history: &[HistoryEntry], servers: &Servers) -> Self {
        let before = history.iter().skip(1).map(|entry| Some(entry.at)).chain([None]);
        let entries = history.iter().zip(before).take(ENTRIES_MAX).map(|(entry, before)| {
            let told = tell(&entry.what, sight.now);
            let name = |server: Incarnation| (server.to_string(), servers.name(server));
            Entry {
                class: told.class,
                title: told.title,
                at: When::new(entry.at, sight.now),
                after: before.and_then(|before| after(entry.at, before)),
                run: entry.run,
                detail: told.detail,
                server: told.server.map(name),
                error: told.error,
            }
        });
        Self {
            base: sight.base.clone(),
            entries: entries.collect(),
            n_hidden: history.len().saturating_sub(ENTRIES_MAX),
        }
    }
}

/// Tells how long after the entry before it an entry came, unless it was at once.
fn after(at: Timestamp, before: Timestamp) -> Option<String> {
    let span = at.since(before);
    (span >= Duration::from_millis(1)).then(|| show::span(span))
}

fn tell(what: &History, now: Timestamp) -> Told {
    let told = |class, title| Told { class, title, ..Told::default() };
    let due = |at: Timestamp| format!("Due {} UTC", &absolute(at, now));
    match what {
        History::Enqueued { state } => {
            let detail = (*state != JobState::Enqueued).then(|| format!("As {state}"));
            Told { detail, ..told(state.as_str(), "Enqueued") }
        }
        History::Claimed { server } => {
            Told { server: Some(*server), ..told("processing", "Claimed") }
        }
        History::Succeeded { ran_for } => Told {
            detail: Some(format!("Ran for {}", show::span(*ran_for))),
            ..told("succeeded", "Succeeded")
        },
        History::Retried { error, due_at, ran_for } => Told {
            detail: Some(format!("Ran for {}. {}", show::span(*ran_for), due(*due_at))),
            error: Some(error_text(error)),
            ..told("retries", "Failed, will be tried again")
        },
        History::Failed { reason, error, ran_for } => Told {
            detail: Some(format!("{}. Ran for {}", because(*reason), show::span(*ran_for))),
            error: Some(error_text(error)),
            ..told("failed", "Failed")
        },
        History::Snoozed { due_at } => {
            Told { detail: Some(due(*due_at)), ..told("scheduled", "Snoozed") }
        }
        History::Released { started } => Told {
            detail: Some(if *started { "Interrupted".into() } else { "Had not started".into() }),
            ..told("enqueued", "Released")
        },
        History::Rescued { server } => {
            Told { server: Some(*server), ..told("enqueued", "Rescued from a dead server") }
        }
        History::Cancelled { reason, actor } => Told {
            detail: Some(cancelled_by(reason, actor.as_ref())),
            ..told("cancelled", "Cancelled")
        },
        History::CancelRequested { actor } => {
            Told { detail: Some(by(actor)), ..told("cancelled", "Cancel requested") }
        }
        History::Requeued { actor } => {
            Told { detail: Some(by(actor)), ..told("enqueued", "Requeued") }
        }
        History::ParentsDone => told("enqueued", "Parents done"),
        _ => told("awaiting", "Something this dashboard does not know"),
    }
}

fn absolute(at: Timestamp, now: Timestamp) -> String {
    When::new(at, now).absolute().trim_end_matches(" UTC").to_owned()
}

fn because(reason: FailReason) -> &'static str {
    match reason {
        FailReason::Exhausted => "All attempts are spent",
        FailReason::Discarded => "Discarded by its handler",
        FailReason::Undecodable => "Its arguments cannot be read",
        FailReason::Quarantined => "Quarantined: its processes died while running it",
        FailReason::Interrupted => "Interrupted too often",
        _ => "For good",
    }
}

fn error_text(error: &RunError) -> String {
    visible(&error.message)
}

fn by(actor: &Actor) -> String {
    match &actor.reason {
        Some(reason) => format!("By {}: {}", visible(&actor.name), visible(reason)),
        None => format!("By {}", visible(&actor.name)),
    }
}

fn cancelled_by(reason: &str, actor: Option<&Actor>) -> String {
    match actor {
        Some(actor) => by(actor),
        None => visible(reason),
    }
}
