//! The first page: what needs attention, how many jobs are where, how much gets done.
//!
//! `live` asks for its fragments. What needs attention is decided in `notes`.

mod notes;

use std::collections::BTreeMap;

use askama::Template;
use askama::filters::HtmlSafe;
use axum::extract::Query;
use axum::response::Response;
use legwork_core::JobState;
use legwork_core::inspect::{JobFilter, JobSummary, Page, QueueView};

use self::notes::Notes;
use super::jobs::{Row, Servers, Tab};
use super::{Pairs, Sight, html};
use crate::chart::{Chart, Span};
use crate::failure::Failure;
use crate::frame::{Frame, Section};
use crate::live::Fragment;
use crate::show::{self, When};
use crate::visit::Visit;

/// Among how many of the latest failures the failing kinds are counted.
const FAILURES_LOOKED_AT: usize = 100;

/// How many entries each short list has.
const SHORT: usize = 6;

#[derive(Template)]
#[template(path = "overview.html")]
struct OverviewPage {
    frame: Frame,
    parts: Parts,
}

/// The parts of the page that change.
struct Parts {
    notes: Notes,
    tiles: Tiles,
    chart: Chart,
    failing: Failing,
    waiting: Waiting,
    running: Running,
}

/// The states, with counts.
#[derive(Template)]
#[template(path = "_tiles.html")]
struct Tiles {
    tiles: Vec<Tile>,
}

impl HtmlSafe for Tiles {}

struct Tile {
    href: String,
    name: &'static str,
    label: &'static str,
    count: String,
    is_zero: bool,
}

/// What failed last, and which kinds fail most.
#[derive(Template)]
#[template(path = "_failing.html")]
struct Failing {
    base: String,
    rows: Vec<Row>,
    kinds: Vec<FailingKind>,
    looked_at: usize,
}

impl HtmlSafe for Failing {}

struct FailingKind {
    kind: String,
    n: u64,
}

/// The queues whose first job has waited longest.
#[derive(Template)]
#[template(path = "_waiting.html")]
struct Waiting {
    base: String,
    queues: Vec<WaitingQueue>,
}

impl HtmlSafe for Waiting {}

struct WaitingQueue {
    name: String,
    enqueued: String,
    oldest: Option<When>,
    is_paused: bool,
}

/// What is running now.
#[derive(Template)]
#[template(path = "_running.html")]
struct Running {
    base: String,
    rows: Vec<Row>,
}

impl HtmlSafe for Running {}

/// Answers `GET /`.
pub(crate) async fn page(visit: Visit, Query(pairs): Query<Pairs>) -> Result<Response, Failure> {
    let span = span(&pairs)?;
    let sight = Sight::of(&visit).await?;
    let frame = Frame::new(&visit, "Overview", sight.nav(Section::Overview))
        .live(format!("view=overview&span={}", span.name()))
        .notice(&pairs);
    html(&OverviewPage { frame, parts: parts(&sight, span).await? })
}

/// Makes the parts of the page that change.
pub(crate) async fn fragments(sight: &Sight, span: Span) -> Result<Vec<Fragment>, Failure> {
    let parts = parts(sight, span).await?;
    Ok(vec![
        Fragment::new("notes", &parts.notes)?,
        Fragment::new("tiles", &parts.tiles)?,
        Fragment::new("chart", &parts.chart)?,
        Fragment::new("failing", &parts.failing)?,
        Fragment::new("waiting", &parts.waiting)?,
        Fragment::new("running", &parts.running)?,
    ])
}

/// Reads how far the chart looks back.
///
/// # Errors
/// 400 for a span that there is none of.
pub(crate) fn span(pairs: &Pairs) -> Result<Span, Failure> {
    Span::parse(pairs.get("span").unwrap_or_default())
        .ok_or_else(|| Failure::bad_request("The chart shows 1h or 24h."))
}

async fn parts(sight: &Sight, span: Span) -> Result<Parts, Failure> {
    let store = &sight.store;
    let (step, points) = span.steps();
    let points = store.throughput(step, points).await?;
    let queues = store.queues().await?;
    let servers = store.servers().await?;
    let failures = latest_failures(sight).await?;
    let processing = JobFilter::state(JobState::Processing);
    let running = store.jobs(processing, Page::first(SHORT)).await?.jobs;
    let names = Servers::new(&servers);
    Ok(Parts {
        notes: Notes::new(sight, &queues, &servers),
        tiles: tiles(sight),
        chart: Chart::new(&points, span, sight.home()),
        failing: failing(sight, &failures, &names),
        waiting: waiting(sight, queues),
        running: Running {
            base: sight.base.clone(),
            rows: running.iter().map(|job| Row::new(job, sight.now, &names)).collect(),
        },
    })
}

/// Returns the latest jobs that failed for good or will be tried again, latest first.
async fn latest_failures(sight: &Sight) -> Result<Vec<JobSummary>, Failure> {
    let page = Page::first(FAILURES_LOOKED_AT);
    let failed = JobFilter::state(JobState::Failed);
    let mut failures = sight.store.jobs(failed, page.clone()).await?.jobs;
    let retries = JobFilter { retries_only: true, ..JobFilter::state(JobState::Scheduled) };
    let retries = sight.store.jobs(retries, page).await?.jobs;
    failures.truncate(FAILURES_LOOKED_AT);
    failures.extend(retries);
    Ok(failures)
}

fn tiles(sight: &Sight) -> Tiles {
    let tile = |tab: Tab| {
        let count = tab.count(&sight.counts);
        Tile {
            href: format!("{}/{}", sight.base, tab.name()),
            name: tab.name(),
            label: tab.label(),
            count: show::count(count),
            is_zero: count.n == 0,
        }
    };
    Tiles { tiles: Tab::ALL.map(tile).into() }
}

fn failing(sight: &Sight, failures: &[JobSummary], names: &Servers) -> Failing {
    let mut counted: BTreeMap<&str, u64> = BTreeMap::new();
    for job in failures {
        *counted.entry(job.kind.as_str()).or_default() += 1;
    }
    let mut kinds: Vec<FailingKind> =
        counted.into_iter().map(|(kind, n)| FailingKind { kind: kind.to_owned(), n }).collect();
    kinds.sort_by_key(|kind| std::cmp::Reverse(kind.n));
    kinds.truncate(SHORT);
    let rows = failures.iter().filter(|job| job.state == JobState::Failed).take(SHORT);
    Failing {
        base: sight.base.clone(),
        rows: rows.map(|job| Row::new(job, sight.now, names)).collect(),
        kinds,
        looked_at: failures.len(),
    }
}

fn waiting(sight: &Sight, mut queues: Vec<QueueView>) -> Waiting {
    queues.retain(|queue| queue.enqueued.n > 0);
    queues.sort_by_key(|queue| queue.oldest_at);
    queues.truncate(SHORT);
    let queues = queues.into_iter().map(|queue| WaitingQueue {
        name: queue.name.to_string(),
        enqueued: show::count(queue.enqueued),
        oldest: queue.oldest_at.map(|at| When::new(at, sight.now)),
        is_paused: queue.paused.is_some(),
    });
    Waiting { base: sight.base.clone(), queues: queues.collect() }
}
