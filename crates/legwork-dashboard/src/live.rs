//! The changes of a page, as server-sent events.
//!
//! The script of a page asks `events` with what the page shows. Each second, while someone listens,
//! the fragments of that page are made anew from the storage, once for all who look at the same,
//! and those that changed are sent as one event: a JSON object from element id to HTML. A stream
//! ends when the storage is closed or the server stops: nobody may have to wait for it.

mod flight;

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use askama::Template;
use axum::extract::{Query, Request};
use axum::http::StatusCode;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream::{self, Stream};
use legwork_core::inspect::Counts;
use legwork_core::{CancellationToken, Error, ErrorKind, Store};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use self::flight::Flight;
use crate::failure::Failure;
use crate::pages::{self, Pairs, Sight, View};
use crate::visit::Visit;

/// How many pages are kept up to date at once; each holds a connection open.
const SEATS_MAX: usize = 64;

/// How often the storage is asked, at most.
const PERIOD: Duration = Duration::from_secs(1);

/// How often a comment is sent when nothing else is, so that proxies keep the connection.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// A part of a page that can change: the id of its element, and the element.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fragment {
    pub(crate) id: &'static str,
    pub(crate) html: String,
}

impl Fragment {
    /// Renders `template`, whose outermost element has this id.
    pub(crate) fn new(id: &'static str, template: &impl Template) -> Result<Self, askama::Error> {
        Ok(Self { id, html: template.render()? })
    }
}

/// The fragments of a page, or the kind of error for which there are none.
type Fragments = Result<Arc<[Fragment]>, ErrorKind>;

/// Makes each page's fragments at most once per [`PERIOD`], for all who listen.
pub(crate) struct Hub {
    store: Arc<dyn Store>,
    seats: Arc<Semaphore>,
    counts: Flight<Result<Counts, ErrorKind>>,
    /// At most one per seat: those that nobody listens to are dropped when one is added.
    pages: Mutex<HashMap<Key, Weak<Flight<Fragments>>>>,
}

/// What tells the fragments of two listeners apart.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    base: String,
    may_act: bool,
    view: View,
}

impl Hub {
    pub(crate) fn new(store: Arc<dyn Store>) -> Self {
        Self {
            store,
            seats: Arc::new(Semaphore::new(SEATS_MAX)),
            counts: Flight::new(PERIOD),
            pages: Mutex::default(),
        }
    }

    fn join(&self, key: &Key) -> Arc<Flight<Fragments>> {
        let mut pages = self.pages.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(flight) = pages.get(key).and_then(Weak::upgrade) {
            return flight;
        }
        pages.retain(|_, flight| flight.strong_count() > 0);
        let flight = Arc::new(Flight::new(PERIOD));
        pages.insert(key.clone(), Arc::downgrade(&flight));
        flight
    }

    async fn counts(&self) -> Result<Counts, ErrorKind> {
        let store = Arc::clone(&self.store);
        let read = async move { store.counts().await.map_err(|error| logged(&error)) };
        self.counts.get(|| Box::pin(read)).await
    }
}

/// Answers `GET events`.
pub(crate) async fn events(
    visit: Visit,
    Query(pairs): Query<Pairs>,
    request: Request,
) -> Result<Response, Failure> {
    let view = View::parse(&pairs)?;
    let Ok(seat) = Arc::clone(&visit.shared.hub.seats).try_acquire_owned() else {
        let detail = "Too many pages are kept up to date already; this one is not.";
        return Err(Failure::new(StatusCode::SERVICE_UNAVAILABLE, detail));
    };
    // A closed storage has nothing to tell: the browser must not come back for it.
    visit.store().now().await?;
    let of_server = request.extensions().get::<CancellationToken>().cloned();
    let listener = Listener::new(visit, view, seat, of_server);
    let keep_alive = KeepAlive::new().interval(HEARTBEAT);
    Ok(Sse::new(listener.stream()).keep_alive(keep_alive).into_response())
}

/// One open page.
struct Listener {
    visit: Visit,
    key: Key,
    flight: Arc<Flight<Fragments>>,
    sent: HashMap<&'static str, String>,
    in_trouble: bool,
    due: Instant,
    of_server: CancellationToken,
    _seat: OwnedSemaphorePermit,
}

impl Listener {
    fn new(
        visit: Visit,
        view: View,
        seat: OwnedSemaphorePermit,
        of_server: Option<CancellationToken>,
    ) -> Self {
        let key = Key { base: visit.look.base.clone(), may_act: visit.may_act(), view };
        let flight = visit.shared.hub.join(&key);
        Self {
            visit,
            key,
            flight,
            sent: HashMap::new(),
            in_trouble: false,
            due: Instant::now(),
            of_server: of_server.unwrap_or_default(),
            _seat: seat,
        }
    }

    fn stream(self) -> impl Stream<Item = Result<Event, Infallible>> {
        stream::unfold(self, async |mut listener| {
            let event = listener.next().await?;
            Some((Ok(event), listener))
        })
    }

    /// Waits for something to tell; `None` when there never will be.
    ///
    /// Both tokens and the timer are safe to drop, and a dropped wait for a flight leaves it to the
    /// others: see [`Flight`].
    async fn next(&mut self) -> Option<Event> {
        loop {
            let stopping = self.visit.shared.options.stopping.clone();
            let fragments = tokio::select! {
                biased;
                () = stopping.cancelled() => return None,
                () = self.of_server.cancelled() => return None,
                fragments = self.tick() => fragments,
            };
            self.due = Instant::now() + PERIOD;
            match fragments {
                Ok(fragments) => {
                    self.in_trouble = false;
                    if let Some(event) = self.changes(&fragments) {
                        return Some(event);
                    }
                }
                Err(ErrorKind::Closed) => return None,
                Err(_) if self.in_trouble => {}
                Err(kind) => {
                    self.in_trouble = true;
                    self.sent.clear();
                    let text = if kind == ErrorKind::NotFound {
                        "This is gone. The page shows what was."
                    } else {
                        "The storage does not answer. The page shows what was."
                    };
                    return Some(Event::default().event("trouble").data(text));
                }
            }
        }
    }

    async fn tick(&self) -> Fragments {
        tokio::time::sleep_until(self.due).await;
        let (shared, key) = (Arc::clone(&self.visit.shared), self.key.clone());
        let make = async move {
            let counts = shared.hub.counts().await?;
            let sight = Sight {
                now: shared.store.now().await.map_err(|error| logged(&error))?,
                counts,
                store: Arc::clone(&shared.store),
                base: key.base,
                may_act: key.may_act,
            };
            pages::fragments(&shared, &sight, &key.view).await
        };
        self.flight.get(|| Box::pin(make)).await
    }

    /// Returns an event of the fragments that differ from what was sent before, if any.
    fn changes(&mut self, fragments: &[Fragment]) -> Option<Event> {
        let mut changed = serde_json::Map::new();
        for Fragment { id, html } in fragments {
            if self.sent.get(id) != Some(html) {
                self.sent.insert(id, html.clone());
                changed.insert((*id).to_owned(), html.clone().into());
            }
        }
        if changed.is_empty() {
            return None;
        }
        let data = serde_json::Value::Object(changed).to_string();
        Some(Event::default().event("fragments").data(data))
    }
}

/// Logs an error that nobody is shown, and keeps its kind.
fn logged(error: &Error) -> ErrorKind {
    tracing::debug!(?error, "a live page cannot be read");
    error.kind()
}
