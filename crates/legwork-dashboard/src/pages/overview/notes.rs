//! What needs an operator's attention, in one sentence each.
//!
//! The overview shows it first. It decides from what the storage counts; it reads nothing itself.

use askama::Template;
use askama::filters::HtmlSafe;
use legwork_core::Timestamp;
use legwork_core::inspect::{QueueView, ServerView};

use crate::pages::Sight;
use crate::pages::servers::Condition;
use crate::show::{self, When};

/// What needs attention; empty when nothing does.
#[derive(Template)]
#[template(path = "_notes.html")]
pub(super) struct Notes {
    notes: Vec<Note>,
}

impl HtmlSafe for Notes {}

#[derive(Debug, PartialEq, Eq)]
struct Note {
    /// `bad` or `warn`.
    class: &'static str,
    text: String,
    since: Option<When>,
    href: String,
}

impl Notes {
    pub(super) fn new(sight: &Sight, queues: &[QueueView], servers: &[ServerView]) -> Self {
        let mut notes = Vec::new();
        let mut note = |class, text: String, since: Option<Timestamp>, path: &str| {
            let href = format!("{}/{path}", sight.base);
            let since = since.map(|at| When::new(at, sight.now));
            notes.push(Note { class, text, since, href });
        };
        let of = |condition| {
            servers.iter().filter(move |server| Condition::of(server, sight.now) == condition)
        };
        if of(Condition::Live).next().is_none() {
            let text = "No server is live: jobs are accepted, but none will run.";
            note("bad", text.to_owned(), None, "servers");
        }
        for server in of(Condition::Silent) {
            let name = show::visible(&server.info.name);
            let jobs = jobs(server.processing);
            let text = format!("Server {name} is silent and holds {jobs}. Its last beat came");
            note("bad", text, Some(server.beat_at), "servers");
        }
        for queue in queues {
            let (name, n) = (&queue.name, show::count(queue.enqueued));
            let is_worked = of(Condition::Live).any(|server| server.info.queues.contains(name));
            if let Some((actor, since)) = &queue.paused {
                let who = show::visible(&actor.name);
                let why = actor.reason.as_deref().map(show::visible);
                let why = why.map(|why| format!(": {why}")).unwrap_or_default();
                let text = format!("Queue {name} is paused by {who}{why}");
                note("warn", text, Some(*since), "queues");
            } else if queue.enqueued.n > 0 && !is_worked && of(Condition::Live).next().is_some() {
                let text = format!("Queue {name} has {n} enqueued, but no live server works it.");
                note("warn", text, None, "queues");
            }
        }
        Self { notes }
    }
}

fn jobs(n: u64) -> String {
    if n == 1 { "1 job".to_owned() } else { format!("{} jobs", show::number(n)) }
}
