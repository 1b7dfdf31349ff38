//! One job: what it is, where it stands, what happened to it, and what can be done.
//!
//! `live` asks for its fragments. The history is told by `timeline`, the reasons of a job that does
//! not run by `waiting`.

mod facts;
mod timeline;
mod waiting;

use askama::Template;
use askama::filters::HtmlSafe;
use axum::extract::{Path, Query};
use axum::response::{IntoResponse, Redirect, Response};
use legwork_core::inspect::{History, JobDetail, Relative};
use legwork_core::{JobId, JobState, Kind};

use self::facts::{Fact, Value};
use self::timeline::Timeline;
use self::waiting::why_not_running;
use super::jobs::{Action, Bar, Servers};
use super::{Pairs, Sight, back, can_cancel, can_delete, can_requeue, html};
use crate::failure::Failure;
use crate::frame::{Frame, Section};
use crate::json::Json;
use crate::live::Fragment;
use crate::notice::Done;
use crate::router::Shared;
use crate::show::{StateBadge, visible};
use crate::visit::Visit;

#[derive(Template)]
#[template(path = "job.html")]
struct JobPage {
    frame: Frame,
    parts: Parts,
    args: Option<Json>,
}

/// The parts of the page that change.
struct Parts {
    head: Head,
    now: Now,
    timeline: Timeline,
    relatives: Relatives,
}

/// Which job, in which state, and the buttons.
#[derive(Template)]
#[template(path = "_job_head.html")]
struct Head {
    base: String,
    id: i64,
    kind: String,
    state: StateBadge,
    actions: Vec<(&'static str, &'static str)>,
}

impl HtmlSafe for Head {}

/// How it stands: facts, progress, the error, the result.
#[derive(Template)]
#[template(path = "_job_now.html")]
struct Now {
    facts: Vec<Fact>,
    why: Vec<String>,
    progress: Option<Bar>,
    error: Option<String>,
    has_result: bool,
    result: Option<Json>,
}

impl HtmlSafe for Now {}

/// The jobs it waits for, and those that wait for it.
#[derive(Template)]
#[template(path = "_relatives.html")]
struct Relatives {
    base: String,
    groups: Vec<(&'static str, Vec<Relation>)>,
}

impl HtmlSafe for Relatives {}

struct Relation {
    id: i64,
    on: &'static str,
    state: Option<StateBadge>,
}

/// Answers `GET {id}`.
pub(crate) async fn page(
    visit: Visit,
    Path(captures): Path<Pairs>,
    Query(pairs): Query<Pairs>,
) -> Result<Response, Failure> {
    let id = captures.capture("id");
    let id: JobId = id.parse().map_err(|_| Failure::not_found("There is no such page."))?;
    let sight = Sight::of(&visit).await?;
    let job = read(&sight, id).await?;
    let args = shown(&visit.shared, &job.summary.kind, &job.args);
    let title = format!("Job {id}");
    let frame = Frame::new(&visit, &title, sight.nav(Section::Jobs))
        .live(format!("view=job&id={id}"))
        .notice(&pairs);
    let parts = parts(&visit.shared, &sight, job).await?;
    html(&JobPage { frame, parts, args })
}

/// Makes the parts of the page that change.
pub(crate) async fn fragments(
    shared: &Shared,
    sight: &Sight,
    id: JobId,
) -> Result<Vec<Fragment>, Failure> {
    let job = read(sight, id).await?;
    let parts = parts(shared, sight, job).await?;
    Ok(vec![
        Fragment::new("head", &parts.head)?,
        Fragment::new("now", &parts.now)?,
        Fragment::new("timeline", &parts.timeline)?,
        Fragment::new("relatives", &parts.relatives)?,
    ])
}

/// Answers `GET find?id=`: the field in the head of every page.
pub(crate) async fn find(visit: Visit, Query(pairs): Query<Pairs>) -> Result<Response, Failure> {
    let text = pairs.get("id").unwrap_or_default();
    let id: JobId = text.strip_prefix('#').unwrap_or(text).parse()?;
    Ok(Redirect::to(&format!("{}/{id}", visit.look.base)).into_response())
}

/// Answers `POST {id}/{action}`.
pub(crate) async fn act(visit: Visit, Path(captures): Path<Pairs>) -> Result<Response, Failure> {
    let action = Action::parse(captures.capture("action"))?;
    let id: JobId = captures.capture("id").parse()?;
    let notice = action.apply(&visit, id).await?;
    let is_gone = notice.done == Done::Deleted && notice.n_done > 0;
    let path = if is_gone { String::new() } else { format!("/{id}") };
    Ok(back(&visit, &path, "", notice))
}

async fn read(sight: &Sight, id: JobId) -> Result<JobDetail, Failure> {
    let job = sight.store.job(id).await?;
    job.ok_or_else(|| {
        Failure::not_found(format!("There is no job {id}: it was pruned or deleted, or never was."))
    })
}

async fn parts(shared: &Shared, sight: &Sight, job: JobDetail) -> Result<Parts, Failure> {
    let servers = Servers::of(sight).await?;
    let summary = &job.summary;
    let result = job.result.as_deref();
    Ok(Parts {
        head: Head {
            base: sight.base.clone(),
            id: summary.id.get(),
            kind: summary.kind.to_string(),
            state: summary.state.into(),
            actions: if sight.may_act { actions(summary.state) } else { Vec::new() },
        },
        now: Now {
            facts: facts::facts(sight, &job, &servers),
            why: why_not_running(sight, &job).await?,
            progress: summary.progress.as_ref().map(Bar::new),
            error: latest_error(&job),
            has_result: result.is_some(),
            result: result.and_then(|json| shown(shared, &summary.kind, json)),
        },
        timeline: Timeline::new(sight, &job.history, &servers),
        relatives: relatives(sight, &job),
    })
}

fn shown(shared: &Shared, kind: &Kind, json: &[u8]) -> Option<Json> {
    shared.options.shown(kind, json).map(|json| Json::new(&json))
}

fn actions(state: JobState) -> Vec<(&'static str, &'static str)> {
    let all = [
        ("requeue", "Requeue", can_requeue(state)),
        ("cancel", "Cancel", can_cancel(state)),
        ("delete", "Delete", can_delete(state)),
    ];
    all.into_iter().filter(|action| action.2).map(|action| (action.0, action.1)).collect()
}

/// Returns the whole latest error of a job that has not succeeded since.
fn latest_error(job: &JobDetail) -> Option<String> {
    if job.summary.state == JobState::Succeeded {
        return None;
    }
    let latest = job.history.iter().find_map(|entry| {
        if let History::Failed { error, .. } | History::Retried { error, .. } = &entry.what {
            Some(&error.message)
        } else {
            None
        }
    });
    latest.or(job.summary.error.as_ref()).map(|text| visible(text))
}

fn relatives(sight: &Sight, job: &JobDetail) -> Relatives {
    let relation = |relative: &Relative| Relation {
        id: relative.id.get(),
        on: match relative.on {
            legwork_core::On::Success => "on success",
            legwork_core::On::Failure => "on failure",
            legwork_core::On::Cancelled => "when cancelled",
            legwork_core::On::AnyEnd => "on any end",
        },
        state: relative.state.map(StateBadge::from),
    };
    let group = |title, all: &[Relative]| (title, all.iter().map(relation).collect::<Vec<_>>());
    let mut groups = vec![group("Continues", &job.parents), group("Continued by", &job.children)];
    groups.retain(|(_, all)| !all.is_empty());
    Relatives { base: sight.base.clone(), groups }
}
