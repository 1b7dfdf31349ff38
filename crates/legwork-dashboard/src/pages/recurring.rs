//! The recurring jobs: when each runs, how it went last time, run now, remove.
//!
//! `live` asks for its fragments. The schedule itself is computed by servers; this page only reads
//! what they stored.

use askama::Template;
use askama::filters::HtmlSafe;
use axum::extract::{Path, Query};
use axum::response::Response;
use legwork_core::cron::Cron;
use legwork_core::inspect::RecurringView;
use legwork_core::storage::Triggered;
use legwork_core::{JobId, RecurringId};

use super::{Pairs, Sight, back, html};
use crate::failure::Failure;
use crate::frame::{Frame, Section};
use crate::live::Fragment;
use crate::notice::{Done, Notice};
use crate::show::{StateBadge, When, visible};
use crate::visit::Visit;

#[derive(Template)]
#[template(path = "recurring.html")]
struct RecurringPage {
    frame: Frame,
    table: Table,
}

#[derive(Template)]
#[template(path = "_recurring_table.html")]
struct Table {
    base: String,
    rows: Vec<Row>,
    may_act: bool,
}

impl HtmlSafe for Table {}

struct Row {
    id: String,
    cron: String,
    description: Option<String>,
    zone: String,
    kind: String,
    queue: String,
    next: Option<When>,
    last: Option<When>,
    last_job: Option<i64>,
    last_state: Option<StateBadge>,
}

/// Answers `GET recurring`.
pub(crate) async fn page(visit: Visit, Query(pairs): Query<Pairs>) -> Result<Response, Failure> {
    let sight = Sight::of(&visit).await?;
    let frame = Frame::new(&visit, "Recurring", sight.nav(Section::Recurring))
        .live("view=recurring")
        .notice(&pairs);
    html(&RecurringPage { frame, table: table(&sight).await? })
}

/// Makes the parts of the page that change.
pub(crate) async fn fragments(sight: &Sight) -> Result<Vec<Fragment>, Failure> {
    Ok(vec![Fragment::new("recurring", &table(sight).await?)?])
}

/// Answers `POST recurring/{id}/trigger`.
pub(crate) async fn trigger(
    visit: Visit,
    Path(captures): Path<Pairs>,
) -> Result<Response, Failure> {
    let id = RecurringId::new(captures.capture("id"))?;
    match visit.store().trigger_recurring(id, visit.actor()?).await? {
        Triggered::Enqueued(_) => Ok(back(&visit, "/recurring", "", Notice::one(Done::Triggered))),
        Triggered::NotFound => Err(gone()),
    }
}

/// Answers `POST recurring/{id}/remove`.
pub(crate) async fn remove(visit: Visit, Path(captures): Path<Pairs>) -> Result<Response, Failure> {
    visit.actor()?;
    if visit.store().remove_recurring(RecurringId::new(captures.capture("id"))?).await? {
        Ok(back(&visit, "/recurring", "", Notice::one(Done::Removed)))
    } else {
        Err(gone())
    }
}

fn gone() -> Failure {
    Failure::not_found("There is no such recurring job (any more).")
}

async fn table(sight: &Sight) -> Result<Table, Failure> {
    let all = sight.store.recurring().await?;
    let rows = all.iter().map(|recurring| row(sight, recurring)).collect();
    Ok(Table { base: sight.base.clone(), rows, may_act: sight.may_act })
}

fn row(sight: &Sight, RecurringView { job, last_state }: &RecurringView) -> Row {
    let spec = &job.spec;
    Row {
        id: spec.id.to_string(),
        cron: visible(&spec.cron),
        description: Cron::parse(&spec.cron).ok().map(|cron| cron.description()),
        zone: visible(&spec.time_zone),
        kind: spec.job.kind.to_string(),
        queue: spec.job.queue.to_string(),
        next: job.next_at.map(|at| When::new(at, sight.now)),
        last: job.last_at.map(|at| When::new(at, sight.now)),
        last_job: job.last_job.map(JobId::get),
        last_state: last_state.map(StateBadge::from),
    }
}
