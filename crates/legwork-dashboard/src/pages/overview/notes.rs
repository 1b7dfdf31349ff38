//! What needs an operator's attention, in one sentence each.
//!
//! The overview shows it first. It decides from what the storage counts; it reads nothing itself.

use askama::Template;
use askama::filters::HtmlSafe;
use legwork_core::inspect::{QueueView, ServerView};

use crate::pages::Sight;
use crate::pages::servers::Condition;
use crate::show;

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
    href: String,
}

impl Notes {
    pub(super) fn new(sight: &Sight, queues: &[QueueView], servers: &[ServerView]) -> Self {
        let mut notes = Vec::new();
        let mut note = |class, text: String, path: &str| {
            let href = format!("{}/{path}", sight.base);
            notes.push(Note { class, text, href });
        };
        let of = |condition| {
            servers.iter().filter(move |server| Condition::of(server, sight.now) == condition)
        };
        if of(Condition::Live).next().is_none() {
            let text = "No server is live: jobs are accepted, but none will run.";
            note("bad", text.to_owned(), "servers");
        }
        for server in of(Condition::Silent) {
            let name = show::visible(&server.info.name);
            let age = show::span(sight.now.since(server.beat_at));
            let jobs = jobs(server.processing);
            let text = format!("Server {name} has been silent for {age}. It holds {jobs}.");
            note("bad", text, "servers");
        }
        for queue in queues {
            let (name, n) = (&queue.name, show::count(queue.enqueued));
            let is_worked = of(Condition::Live).any(|server| server.info.queues.contains(name));
            if let Some((actor, since)) = &queue.paused {
                let who = show::visible(&actor.name);
                let age = show::span(sight.now.since(*since));
                let why = actor.reason.as_deref().map(show::visible);
                let why = why.map(|why| format!(": {why}")).unwrap_or_default();
                let text = format!("Queue {name} was paused by {who} {age} ago{why}");
                note("warn", text, "queues");
            } else if queue.enqueued.n > 0 && !is_worked && of(Condition::Live).next().is_some() {
                let text = format!("Queue {name} holds {n} jobs, but no live server works it.");
                note("warn", text, "queues");
            }
        }
        Self { notes }
    }
}

fn jobs(n: u64) -> String {
    if n == 1 { "1 job".to_owned() } else { format!("{} jobs", show::number(n)) }
}
