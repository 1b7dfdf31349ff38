//! The jobs of one state: tabs, filter, a page of the list, and actions on what is ticked.
//!
//! `live` asks for its fragments; a job in the list links to [`super::job`].

mod bulk;
mod listing;
mod row;

use askama::Template;
use askama::filters::HtmlSafe;
use axum::extract::Query;
use axum::response::Response;
use legwork_core::JobState;
use legwork_core::inspect::Page;

pub(crate) use self::bulk::{Action, bulk};
pub(crate) use self::listing::{Listing, Tab};
use self::row::Extra;
pub(crate) use self::row::{Bar, Row, Servers};
use super::{Pairs, Sight, can_cancel, can_delete, can_requeue, html};
use crate::failure::Failure;
use crate::frame::{Frame, Section};
use crate::live::Fragment;
use crate::show;
use crate::visit::Visit;

/// The choices of how many jobs a page shows.
const LENGTHS: [usize; 4] = [20, 50, 100, 200];

#[derive(Template)]
#[template(path = "jobs.html")]
struct JobsPage {
    frame: Frame,
    tabs: Tabs,
    table: Table,
    about: &'static str,
    queue: String,
    kind: String,
    lengths: Vec<Length>,
    queues: Vec<String>,
}

struct Length {
    n: usize,
    is_chosen: bool,
}

/// The states, with counts.
#[derive(Template)]
#[template(path = "_tabs.html")]
struct Tabs {
    tabs: Vec<TabLink>,
}

impl HtmlSafe for Tabs {}

struct TabLink {
    href: String,
    name: &'static str,
    label: &'static str,
    count: String,
    is_current: bool,
}

/// A page of the list.
#[derive(Template)]
#[template(path = "_jobs_table.html")]
struct Table {
    base: String,
    tab: Tab,
    hidden: Vec<(&'static str, String)>,
    rows: Vec<Row>,
    first: Option<String>,
    next: Option<String>,
    is_filtered: bool,
    may_act: bool,
}

impl HtmlSafe for Table {}

impl Table {
    fn actions(&self) -> Vec<(&'static str, &'static str)> {
        let state = self.tab.state();
        let all = [
            ("requeue", "Requeue", can_requeue(state)),
            ("cancel", "Cancel", can_cancel(state)),
            ("delete", "Delete", can_delete(state)),
        ];
        all.into_iter().filter(|action| action.2).map(|action| (action.0, action.1)).collect()
    }

    fn empty_text(&self) -> &'static str {
        if self.is_filtered { "No job matches this filter." } else { self.tab.empty_text() }
    }
}

/// Answers `GET {tab}`.
pub(crate) async fn page(
    tab: Tab,
    visit: Visit,
    Query(pairs): Query<Pairs>,
) -> Result<Response, Failure> {
    let listing = Listing::parse(tab, &pairs)?;
    let sight = Sight::of(&visit).await?;
    let queues = sight.store.queues().await?;
    let frame = Frame::new(&visit, tab.label(), sight.nav(Section::Jobs))
        .live(format!("view={}&{}", tab.name(), listing.query(listing.after.as_deref())))
        .notice(&pairs);
    html(&JobsPage {
        frame,
        tabs: tabs(&sight, tab),
        table: table(&sight, &listing).await?,
        about: tab.about(),
        queue: listing.queue.as_ref().map(ToString::to_string).unwrap_or_default(),
        kind: listing.kind.as_ref().map(ToString::to_string).unwrap_or_default(),
        lengths: LENGTHS.map(|n| Length { n, is_chosen: n == listing.len }).into(),
        queues: queues.iter().map(|queue| queue.name.to_string()).collect(),
    })
}

/// Makes the parts of the page that change.
pub(crate) async fn fragments(sight: &Sight, listing: &Listing) -> Result<Vec<Fragment>, Failure> {
    let table = table(sight, listing).await?;
    Ok(vec![Fragment::new("tabs", &tabs(sight, listing.tab))?, Fragment::new("jobs", &table)?])
}

fn tabs(sight: &Sight, current: Tab) -> Tabs {
    let link = |tab: Tab| TabLink {
        href: format!("{}/{}", sight.base, tab.name()),
        name: tab.name(),
        label: tab.label(),
        count: show::count(tab.count(&sight.counts)),
        is_current: tab == current,
    };
    Tabs { tabs: Tab::ALL.map(link).into() }
}

async fn table(sight: &Sight, listing: &Listing) -> Result<Table, Failure> {
    let page = Page { after: listing.after.clone(), len: listing.len };
    let found = sight.store.jobs(listing.filter(), page).await?;
    let servers = if listing.tab.state() == JobState::Processing {
        Servers::of(sight).await?
    } else {
        Servers::default()
    };
    let path = format!("{}/{}", sight.base, listing.tab.name());
    let link = |after: Option<&str>| format!("{path}?{}", listing.query(after));
    Ok(Table {
        base: sight.base.clone(),
        tab: listing.tab,
        hidden: listing.fields(),
        rows: found.jobs.iter().map(|job| Row::new(job, sight.now, &servers)).collect(),
        first: listing.after.is_some().then(|| link(None)),
        next: found.next.as_deref().map(|after| link(Some(after))),
        is_filtered: listing.queue.is_some() || listing.kind.is_some(),
        may_act: sight.may_act,
    })
}
