//! What surrounds every page: head, navigation, notice, live stream.
//!
//! Each page's view struct holds a [`Frame`]; the templates extend `_frame.html`.

use askama::Template;
use askama::filters::HtmlSafe;
use legwork_core::inspect::Counts;

use crate::assets;
use crate::live::Fragment;
use crate::notice::Notice;
use crate::pages::Pairs;
use crate::router::Shared;
use crate::show;
use crate::visit::{Look, Visit};

/// Which entry of the navigation a page belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Section {
    Overview,
    Jobs,
    Recurring,
    Queues,
    Servers,
}

/// Head, navigation and foot of a page.
pub(crate) struct Frame {
    pub(crate) title: String,
    pub(crate) name: String,
    pub(crate) back: Option<String>,
    pub(crate) base: String,
    pub(crate) home: String,
    pub(crate) theme: &'static str,
    pub(crate) assets: &'static assets::Names,
    pub(crate) nav: Nav,
    /// What to ask `events` for; `None` for a page that does not change.
    pub(crate) live: Option<String>,
    pub(crate) notice: Option<Notice>,
    pub(crate) may_act: bool,
    pub(crate) location: String,
    pub(crate) version: &'static str,
}

impl Frame {
    /// Makes the frame of a page.
    pub(crate) fn new(visit: &Visit, title: &str, nav: Nav) -> Self {
        let mut frame = Self::bare(&visit.shared, &visit.look, title, nav);
        frame.may_act = visit.may_act();
        visit.store().location().clone_into(&mut frame.location);
        frame
    }

    /// Makes a frame that shows nothing of the storage, for those who were not admitted.
    pub(crate) fn bare(shared: &Shared, look: &Look, title: &str, nav: Nav) -> Self {
        Self {
            title: title.to_owned(),
            name: shared.options.title.clone(),
            back: shared.options.back.clone(),
            base: look.base.clone(),
            home: look.home().to_owned(),
            theme: look.theme,
            assets: &assets::NAMES,
            nav,
            live: None,
            notice: None,
            may_act: true,
            location: String::new(),
            version: env!("CARGO_PKG_VERSION"),
        }
    }

    /// Keeps the page up to date with what `events?{query}` sends.
    pub(crate) fn live(mut self, query: impl Into<String>) -> Self {
        self.live = Some(query.into());
        self
    }

    /// Shows what the action did that led here.
    pub(crate) fn notice(mut self, pairs: &Pairs) -> Self {
        self.notice = pairs.get("done").and_then(Notice::parse);
        self
    }
}

/// The navigation, with counts.
#[derive(Template, Default)]
#[template(path = "_nav.html")]
pub(crate) struct Nav {
    items: Vec<Item>,
}

impl HtmlSafe for Nav {}

struct Item {
    href: String,
    text: &'static str,
    badge: String,
    class: &'static str,
    is_current: bool,
}

impl Nav {
    pub(crate) fn new(base: &str, current: Section, counts: &Counts) -> Self {
        let home = if base.is_empty() { "/" } else { base };
        let item = |section, path: &str, text, badge, class| Item {
            href: if path.is_empty() { home.to_owned() } else { format!("{base}/{path}") },
            text,
            badge,
            class,
            is_current: section == current,
        };
        let (jobs_badge, jobs_class) = if counts.failed.n > 0 {
            (format!("{} failed", show::count(counts.failed)), "bad")
        } else {
            (show::count(counts.enqueued), "")
        };
        let servers_class = if counts.servers.n == 0 { "bad" } else { "" };
        let jobs_path = if counts.failed.n > 0 { "failed" } else { "enqueued" };
        let items = vec![
            item(Section::Overview, "", "Overview", String::new(), ""),
            item(Section::Jobs, jobs_path, "Jobs", jobs_badge, jobs_class),
            item(Section::Recurring, "recurring", "Recurring", show::count(counts.recurring), ""),
            item(Section::Queues, "queues", "Queues", String::new(), ""),
            item(
                Section::Servers,
                "servers",
                "Servers",
                show::count(counts.servers),
                servers_class,
            ),
        ];
        Self { items }
    }

    pub(crate) fn fragment(&self) -> Result<Fragment, askama::Error> {
        Fragment::new("nav", self)
    }
}
