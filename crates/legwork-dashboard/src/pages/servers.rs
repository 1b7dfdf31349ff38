//! The servers: which are live, what they work, when they last beat.
//!
//! `live` asks for its fragments.

use std::time::Duration;

use askama::Template;
use askama::filters::HtmlSafe;
use axum::extract::Query;
use axum::response::Response;
use legwork_core::Timestamp;
use legwork_core::inspect::ServerView;

use super::{Pairs, Sight, html};
use crate::failure::Failure;
use crate::frame::{Frame, Section};
use crate::live::Fragment;
use crate::show::{self, When, visible};
use crate::visit::Visit;

/// After how long without a beat a server is shown as silent: the default life of its lease.
const SILENT_AFTER: Duration = Duration::from_secs(30);

#[derive(Template)]
#[template(path = "servers.html")]
struct ServersPage {
    frame: Frame,
    list: List,
}

#[derive(Template)]
#[template(path = "_servers_list.html")]
struct List {
    base: String,
    servers: Vec<Server>,
}

impl HtmlSafe for List {}

struct Server {
    id: String,
    name: String,
    condition: Condition,
    version: String,
    workers: u64,
    processing: u64,
    queues: Vec<String>,
    kinds: Vec<String>,
    started: When,
    beat: When,
    gone: Option<When>,
}

/// How a server is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Condition {
    /// It beats.
    Live,
    /// It has not beaten for longer than a lease lives; others will rescue its jobs.
    Silent,
    /// It stopped or was declared dead.
    Gone,
}

impl Condition {
    pub(crate) fn of(server: &ServerView, now: Timestamp) -> Self {
        match server.gone_at {
            Some(_) => Self::Gone,
            None if now.since(server.beat_at) > SILENT_AFTER => Self::Silent,
            None => Self::Live,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Silent => "silent",
            Self::Gone => "gone",
        }
    }
}

/// Answers `GET servers`.
pub(crate) async fn page(visit: Visit, Query(pairs): Query<Pairs>) -> Result<Response, Failure> {
    let sight = Sight::of(&visit).await?;
    let frame = Frame::new(&visit, "Servers", sight.nav(Section::Servers))
        .live("view=servers")
        .notice(&pairs);
    html(&ServersPage { frame, list: list(&sight).await? })
}

/// Makes the parts of the page that change.
pub(crate) async fn fragments(sight: &Sight) -> Result<Vec<Fragment>, Failure> {
    Ok(vec![Fragment::new("servers", &list(sight).await?)?])
}

async fn list(sight: &Sight) -> Result<List, Failure> {
    let servers = sight.store.servers().await?;
    let servers = servers.iter().map(|server| show_one(server, sight.now)).collect();
    Ok(List { base: sight.base.clone(), servers })
}

fn show_one(server: &ServerView, now: Timestamp) -> Server {
    let info = &server.info;
    Server {
        id: info.incarnation.to_string(),
        name: visible(&info.name),
        condition: Condition::of(server, now),
        version: visible(&info.version),
        workers: u64::from(info.workers),
        processing: server.processing,
        queues: info.queues.iter().map(ToString::to_string).collect(),
        kinds: info.kinds.iter().map(ToString::to_string).collect(),
        started: When::new(server.started_at, now),
        beat: When::new(server.beat_at, now),
        gone: server.gone_at.map(|at| When::new(at, now)),
    }
}

impl Server {
    fn busy(&self) -> String {
        format!("{} of {}", show::number(self.processing), show::number(self.workers))
    }

    /// Returns the largest value of the meter; never 0, which is no meter.
    fn most(&self) -> u64 {
        std::cmp::max(std::cmp::max(self.workers, self.processing), 1)
    }
}
