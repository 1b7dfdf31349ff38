//! Works a task queue: takes items in order, runs some at once, drains at stop.
//!
//! The host runs it as a service. One item's panic or error never ends it.

use std::sync::{Arc, PoisonError};

use legwork_core::outcome::describe;
use legwork_core::{BoxError, CancellationToken};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tracing::Instrument;

use super::task::{CURRENT, Item};
use super::{Drain, TaskQueue};
use crate::background::Aborted;
use crate::context::ServiceContext;
use crate::erased::{Call, Service};
use crate::panic::caught;
use crate::status::RunRecord;

/// The workers of one queue, as a service.
pub(crate) struct QueueService {
    queue: TaskQueue,
}

impl QueueService {
    pub(crate) fn new(queue: TaskQueue) -> Self {
        Self { queue }
    }
}

impl Service for QueueService {
    fn runs(&self) -> bool {
        true
    }

    fn run(self: Arc<Self>, cx: ServiceContext) -> Option<Call> {
        Some(Box::pin(async move {
            let receiver = self.queue.inner.receiver.lock();
            let receiver = receiver.unwrap_or_else(PoisonError::into_inner).take();
            let Some(items) = receiver else {
                return Err("the task queue is worked by another service already".into());
            };
            let (workers, drain) = {
                let ledger = self.queue.ledger();
                (ledger.workers, ledger.drain)
            };
            let worker = Worker {
                queue: self.queue.clone(),
                cx,
                workers,
                drain,
                items,
                running: JoinSet::new(),
                tokens: CancellationToken::new(),
                stage: Stage::Working,
            };
            worker.run().await
        }))
    }
}

struct Worker {
    queue: TaskQueue,
    cx: ServiceContext,
    workers: usize,
    drain: Drain,
    items: mpsc::Receiver<Item>,
    running: JoinSet<()>,
    /// The parent of all items' tokens.
    tokens: CancellationToken,
    stage: Stage,
}

/// How far the stop has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Working,
    /// The host is stopping: no new items.
    Closed,
    /// It is this queue's turn to stop.
    Draining,
    /// Its time is over.
    Aborting,
}

enum Event {
    Item(Item),
    ItemEnded,
    Stage(Stage),
    /// No item is left, and none will come.
    Drained,
}

impl Worker {
    async fn run(mut self) -> Result<(), BoxError> {
        loop {
            match self.next().await {
                Event::Item(item) => self.start(item),
                Event::ItemEnded => {}
                Event::Stage(stage) => self.enter(stage),
                Event::Drained => break,
            }
        }
        // What is left was promised under `FinishAll` only: the time was over.
        let broken = self.drain == Drain::FinishAll && !self.queue.is_empty();
        if broken { Err(Aborted.into()) } else { Ok(()) }
    }

    /// Waits for the next event. Tokens, `join_next` and `recv` are cancel safe.
    async fn next(&mut self) -> Event {
        let takes = match (self.stage, self.drain) {
            (Stage::Working | Stage::Closed, _) | (Stage::Draining, Drain::FinishAll) => true,
            (Stage::Draining | Stage::Aborting, _) => false,
        };
        if !takes && self.running.is_empty() {
            return Event::Drained;
        }
        let has_room = self.running.len() < self.workers;
        let is_idle = self.running.is_empty();
        // `recv` answers `None` at once when nothing will come, and then the items that run are to
        // be waited for.
        let is_exhausted = self.items.is_closed() && self.items.is_empty();
        let receives = takes && has_room && (is_idle || !is_exhausted);
        tokio::select! {
            biased;
            () = self.cx.aborting().cancelled(), if self.stage < Stage::Aborting => {
                Event::Stage(Stage::Aborting)
            }
            () = self.cx.stopping().cancelled(), if self.stage < Stage::Draining => {
                Event::Stage(Stage::Draining)
            }
            () = self.cx.host_stopping().cancelled(), if self.stage < Stage::Closed => {
                Event::Stage(Stage::Closed)
            }
            Some(_) = self.running.join_next(), if !is_idle => Event::ItemEnded,
            item = self.items.recv(), if receives => {
                item.map_or(Event::Drained, Event::Item)
            }
        }
    }

    fn enter(&mut self, stage: Stage) {
        self.stage = stage;
        self.items.close();
        let cancels = stage == Stage::Aborting
            || (stage == Stage::Draining && self.drain == Drain::CancelRunning);
        if cancels {
            self.tokens.cancel();
        }
    }

    fn start(&mut self, item: Item) {
        let (queue, token) = (self.queue.clone(), self.tokens.child_token());
        let span = tracing::info_span!("task", name = &*item.name, id = item.id);
        self.running.spawn(run(queue, item, token, self.cx.clone()).instrument(span));
    }
}

/// Runs one item and records how it ended. When it is aborted instead, the ledger keeps it, and the
/// stopper reports it.
async fn run(queue: TaskQueue, item: Item, token: CancellationToken, cx: ServiceContext) {
    let (id, name) = (item.id, item.name.as_ref().to_owned());
    let started_at = cx.host().shared.clock.now();
    let began = Instant::now();
    queue.started(id);
    cx.record().changed();
    let inner = Arc::clone(&queue.inner);
    let result = CURRENT.scope(inner, caught(item.run(token))).await;
    let error = result.err().map(|error| describe(&*error));
    if let Some(error) = &error {
        tracing::error!(queue = cx.name(), task = name, error, "task failed");
    }
    queue.ended(id, RunRecord { name, started_at, took: began.elapsed(), error });
    cx.record().changed();
}
