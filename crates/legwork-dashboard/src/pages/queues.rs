//! The queues: how deep, how old, paused by whom and why.
//!
//! `live` asks for its fragments.

use askama::Template;
use askama::filters::HtmlSafe;
use axum::extract::{Form, Path, Query};
use axum::response::Response;
use legwork_core::QueueName;
use legwork_core::inspect::QueueView;

use super::{Pairs, Sight, back, html};
use crate::failure::Failure;
use crate::frame::{Frame, Section};
use crate::live::Fragment;
use crate::notice::{Done, Notice};
use crate::show::{self, When, visible};
use crate::visit::Visit;

#[derive(Template)]
#[template(path = "queues.html")]
struct QueuesPage {
    frame: Frame,
    table: Table,
}

#[derive(Template)]
#[template(path = "_queues_table.html")]
struct Table {
    base: String,
    rows: Vec<Row>,
    may_act: bool,
}

impl HtmlSafe for Table {}

struct Row {
    name: String,
    enqueued: String,
    oldest: Option<When>,
    paused: Option<Pause>,
}

struct Pause {
    actor: String,
    reason: Option<String>,
    since: When,
}

/// Answers `GET queues`.
pub(crate) async fn page(visit: Visit, Query(pairs): Query<Pairs>) -> Result<Response, Failure> {
    let sight = Sight::of(&visit).await?;
    let frame =
        Frame::new(&visit, "Queues", sight.nav(Section::Queues)).live("view=queues").notice(&pairs);
    html(&QueuesPage { frame, table: table(&sight).await? })
}

/// Makes the parts of the page that change.
pub(crate) async fn fragments(sight: &Sight) -> Result<Vec<Fragment>, Failure> {
    Ok(vec![Fragment::new("queues", &table(sight).await?)?])
}

/// Answers `POST queues/{name}/pause`.
pub(crate) async fn pause(
    visit: Visit,
    Path(captures): Path<Pairs>,
    Form(pairs): Form<Pairs>,
) -> Result<Response, Failure> {
    let queue = QueueName::new(captures.capture("name"))?;
    let actor = match pairs.get("reason") {
        Some(reason) => visit.actor()?.because(reason),
        None => visit.actor()?,
    };
    visit.store().pause(queue, actor).await?;
    Ok(back(&visit, "/queues", "", Notice::one(Done::Paused)))
}

/// Answers `POST queues/{name}/resume`.
pub(crate) async fn resume(visit: Visit, Path(captures): Path<Pairs>) -> Result<Response, Failure> {
    let was_paused =
        visit.store().resume(QueueName::new(captures.capture("name"))?, visit.actor()?).await?;
    let notice =
        if was_paused { Notice::one(Done::Resumed) } else { Notice::refused(Done::Resumed) };
    Ok(back(&visit, "/queues", "", notice))
}

async fn table(sight: &Sight) -> Result<Table, Failure> {
    let rows = sight.store.queues().await?.iter().map(|queue| row(sight, queue)).collect();
    Ok(Table { base: sight.base.clone(), rows, may_act: sight.may_act })
}

fn row(sight: &Sight, queue: &QueueView) -> Row {
    Row {
        name: queue.name.to_string(),
        enqueued: show::count(queue.enqueued),
        oldest: queue.oldest_at.map(|at| When::new(at, sight.now)),
        paused: queue.paused.as_ref().map(|(actor, since)| Pause {
            actor: visible(&actor.name),
            reason: actor.reason.as_deref().map(visible),
            since: When::new(*since, sight.now),
        }),
    }
}
