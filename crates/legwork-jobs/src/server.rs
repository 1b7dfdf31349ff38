//! The server: what runs jobs in this process, from its builder to its orderly end.
//!
//! [`Jobs::server`](crate::Jobs::server) makes the builder. A server owns every loop and thread
//! that it starts; [`Server::stop`] ends them in phases, each with a deadline.
//!
//! | phase | what happens | until |
//! | --- | --- | --- |
//! | 1 stop claiming | nothing more is claimed; what has not started goes back | at once |
//! | 2 drain | running handlers may end and are recorded | the budget less the rest |
//! | 3 cancel | all tokens are cancelled, with the reason `Shutdown` | the cancel grace |
//! | 4 abort | handlers that still run are dropped | 0.5 s |
//! | 5 release | what the server still holds goes back, without spending an attempt | 2 s |

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use legwork_core::handler::Args;
use legwork_core::storage::{Retention, ServerInfo};
use legwork_core::{
    CancelReason, CancellationToken, Error, ErrorKind, Handler, Incarnation, IntoOutcome, Job,
    JobContext, QueueName, Result, Store,
};
use tokio::sync::Mutex;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout, timeout_at};

use crate::exchanger::{Exchanger, Wish};
use crate::executor::Executor;
use crate::heartbeat::{Fence, Heartbeat, LeaseTimes, draw_incarnation};
use crate::held::Held;
use crate::leases::Leases;
use crate::observer::{Observer, RunEvents};
use crate::progress::{self, ProgressSender};
use crate::registry::Registry;
use crate::rescuer::Rescuer;
use crate::{promoter, pruner, scheduler};

/// How long phase 5 may take, and what phase 4 needs before it.
const RELEASE_RESERVE: Duration = Duration::from_millis(2_500);

/// What the loops of one server share.
pub(crate) struct Shared {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) held: Arc<Held>,
    pub(crate) leases: Leases,
    pub(crate) fence: Fence,
    pub(crate) observer: Observer,
    incarnation: RwLock<Incarnation>,
}

impl Shared {
    /// Returns the incarnation the server lives as now.
    pub(crate) fn incarnation(&self) -> Incarnation {
        *self.incarnation.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set_incarnation(&self, incarnation: Incarnation) {
        *self.incarnation.write().unwrap_or_else(PoisonError::into_inner) = incarnation;
    }
}

/// Builds a server for an application state of type `S`.
///
/// A value that breaks a rule is remembered and returned by [`start`](Self::start).
#[must_use = "a server does nothing until it is started, or given to a host"]
pub struct ServerBuilder<S> {
    store: Arc<dyn Store>,
    registry: Result<Registry<S>>,
    options: Options,
}

#[derive(Debug, Clone)]
struct Options {
    name: Option<String>,
    workers: usize,
    queues: Result<Vec<QueueName>, String>,
    poll_interval: Duration,
    shutdown_timeout: Duration,
    cancel_grace: Duration,
    lease: Duration,
    retention: Retention,
}

impl<S: Clone + Send + Sync + 'static> ServerBuilder<S> {
    pub(crate) fn new(store: Arc<dyn Store>) -> Self {
        let options = Options {
            name: None,
            workers: 10,
            queues: Ok(vec![QueueName::default()]),
            poll_interval: Duration::from_secs(1),
            shutdown_timeout: Duration::from_secs(25),
            cancel_grace: Duration::from_secs(5),
            lease: Duration::from_secs(30),
            retention: Retention::default(),
        };
        Self { store, registry: Ok(Registry::new()), options }
    }

    /// Runs jobs of type `J` with `handler`: an `async fn(job: J, …extractors) -> impl
    /// IntoOutcome`.
    ///
    /// Jobs that were enqueued under one of the kind's aliases are run by it too.
    pub fn handle<J, H, M>(mut self, handler: H) -> Self
    where
        J: Job,
        H: Handler<Args<J>, S, JobContext, M, Output: IntoOutcome>,
        M: 'static,
    {
        self.registry = self.registry.and_then(|mut registry| {
            registry.add::<J, H, M>(handler)?;
            Ok(registry)
        });
        self
    }

    /// Runs jobs of type `J` with a function that blocks or computes, on a thread for blocking
    /// work.
    ///
    /// It cannot be dropped half-way: look at the context's token now and then.
    pub fn handle_blocking<J, F, R>(mut self, function: F) -> Self
    where
        J: Job,
        F: Fn(J, S, JobContext) -> R + Send + Sync + 'static,
        R: IntoOutcome + 'static,
    {
        self.registry = self.registry.and_then(|mut registry| {
            registry.add_blocking::<J, F, R>(function)?;
            Ok(registry)
        });
        self
    }

    /// Sets how many jobs run at once, 1 to 10,000; 10 unless given.
    pub fn workers(mut self, workers: usize) -> Self {
        self.options.workers = workers;
        self
    }

    /// Sets the queues to claim from, the first one emptied first; `default` unless given.
    pub fn queues<Q: AsRef<str>>(mut self, queues: impl IntoIterator<Item = Q>) -> Self {
        let queues = queues.into_iter().map(QueueName::new).collect::<Result<Vec<_>>>();
        self.options.queues = queues.map_err(|error| error.to_string());
        self
    }

    /// Sets the name that people see; host and process id unless given.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.options.name = Some(name.into());
        self
    }

    /// Sets how often the storage is asked for work without a hint, 10 ms to 1 min; 1 s unless
    /// given.
    pub fn poll_interval(mut self, interval: Duration) -> Self {
        self.options.poll_interval = interval;
        self
    }

    /// Sets how long [`Server::stop`] takes at most when it is given no budget; 25 s unless given.
    pub fn shutdown_timeout(mut self, budget: Duration) -> Self {
        self.options.shutdown_timeout = budget;
        self
    }

    /// Sets how long a handler may go on after its token was cancelled; 5 s unless given.
    pub fn cancel_grace(mut self, grace: Duration) -> Self {
        self.options.cancel_grace = grace;
        self
    }

    /// Sets after how long without a heartbeat the server is dead, 1 s to 1 h; 30 s unless given.
    ///
    /// The server beats ten times in that time, on a thread of its own. When it dies, its jobs run
    /// again after this time and a third.
    pub fn lease(mut self, ttl: Duration) -> Self {
        self.options.lease = ttl;
        self
    }

    /// Sets how long jobs are kept after they have ended.
    pub fn retention(mut self, retention: Retention) -> Self {
        self.options.retention = retention;
        self
    }

    /// Registers the server with the storage and starts its loops.
    ///
    /// # Errors
    /// [`Invalid`](ErrorKind::Invalid) for an option outside its range, a kind with two handlers,
    /// or a server without handlers; the errors of the storage.
    pub async fn start(self, state: S) -> Result<Server> {
        let options = self.options;
        let (registry, queues) = (self.registry?, options.check()?);
        let kinds = registry.kinds();
        if kinds.is_empty() {
            return Err(Error::invalid("the server has no handlers: call `.handle(…)`"));
        }
        let incarnation = draw_incarnation()?;
        let info = ServerInfo {
            incarnation,
            name: options.name.clone().unwrap_or_else(default_name),
            workers: u32::try_from(options.workers).unwrap_or(u32::MAX),
            queues: queues.clone(),
            kinds: kinds.to_vec(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        };
        self.store.register(info.clone()).await?;
        let shared = Arc::new(Shared {
            store: self.store,
            held: Arc::default(),
            leases: Leases::default(),
            fence: Fence::default(),
            observer: Observer::new(),
            incarnation: RwLock::new(incarnation),
        });
        let poll_interval = options.poll_interval;
        let wish = Wish { queues, kinds, workers: options.workers, poll_interval };
        Server::start(shared, registry, state, Parts { wish, info, options })
    }
}

impl Options {
    fn check(&self) -> Result<Vec<QueueName>> {
        let range = |what: &str, value: Duration, min: Duration, max: Duration| {
            if (min..=max).contains(&value) {
                return Ok(());
            }
            let message = format!("{what} is {value:?}: it must be {min:?} to {max:?}");
            Err(Error::invalid(message))
        };
        if !(1..=10_000).contains(&self.workers) {
            let workers = self.workers;
            return Err(Error::invalid(format!("{workers} workers: there must be 1 to 10,000")));
        }
        let day = Duration::from_hours(24);
        range("the poll interval", self.poll_interval, Duration::from_millis(10), day / 1440)?;
        range("the lease", self.lease, Duration::from_secs(1), day / 24)?;
        range("the shutdown timeout", self.shutdown_timeout, Duration::ZERO, day)?;
        range("the cancel grace", self.cancel_grace, Duration::ZERO, day)?;
        let queues = self.queues.clone().map_err(Error::invalid)?;
        if queues.is_empty() {
            return Err(Error::invalid("the server has no queues"));
        }
        Ok(queues)
    }
}

/// Returns the host's name and the process id.
fn default_name() -> String {
    let host = std::env::var("HOSTNAME").ok().filter(|name| !name.is_empty());
    let host = host
        .or_else(|| std::fs::read_to_string("/proc/sys/kernel/hostname").ok())
        .unwrap_or_else(|| "localhost".to_owned());
    format!("{}/{}", host.trim(), std::process::id())
}

impl<S> fmt::Debug for ServerBuilder<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerBuilder")
            .field("registry", &self.registry)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

/// What a server is started with.
struct Parts {
    wish: Wish,
    info: ServerInfo,
    options: Options,
}

/// A server that runs jobs. Dropping it stops its loops without the orderly end: call
/// [`stop`](Self::stop).
pub struct Server {
    shared: Arc<Shared>,
    options: Options,
    stops: Stops,
    running: Mutex<Option<Running>>,
}

/// The tokens that end the loops, in the order of the phases.
#[derive(Debug, Default)]
struct Stops {
    claiming: CancellationToken,
    kill: CancellationToken,
    upkeep: CancellationToken,
    heartbeat: CancellationToken,
}

impl Drop for Stops {
    fn drop(&mut self) {
        for token in [&self.claiming, &self.kill, &self.upkeep, &self.heartbeat] {
            token.cancel();
        }
    }
}

/// The loops of a server that has not been stopped.
struct Running {
    exchanger: JoinSet<()>,
    upkeep: JoinSet<()>,
    heartbeat: std::thread::JoinHandle<()>,
}

/// How a server ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct StopReport {
    /// How many jobs were still held at the end and went back without spending an attempt.
    pub released: u64,
    /// Whether every handler had ended, and the storage took everything, within the budget.
    pub clean: bool,
}

impl Server {
    fn start<S: Clone + Send + Sync + 'static>(
        shared: Arc<Shared>,
        registry: Registry<S>,
        state: S,
        parts: Parts,
    ) -> Result<Self> {
        let Parts { wish, info, options } = parts;
        let stops = Stops::default();
        let times = LeaseTimes::new(options.lease);
        let heartbeat =
            Heartbeat::start(Arc::clone(&shared), times, info, stops.heartbeat.clone())?;
        let progress = ProgressSender::default();
        let executor = Arc::new(Executor {
            registry,
            state,
            store: Arc::clone(&shared.store),
            held: Arc::clone(&shared.held),
            progress: progress.clone(),
            cancel_grace: options.cancel_grace,
            kill: stops.kill.clone(),
        });
        let mut upkeep = JoinSet::new();
        let (store, poll) = (&shared.store, options.poll_interval);
        let stop = &stops.upkeep;
        upkeep.spawn(promoter::run(Arc::clone(store), poll, stop.clone()));
        upkeep.spawn(scheduler::run(Arc::clone(store), poll, stop.clone()));
        upkeep.spawn(pruner::run(Arc::clone(store), options.retention, stop.clone()));
        upkeep.spawn(Rescuer::new(Arc::clone(store), options.lease).run(stop.clone()));
        upkeep.spawn(progress::run(Arc::clone(store), progress, stop.clone()));
        let mut exchanger = JoinSet::new();
        exchanger
            .spawn(Exchanger::new(Arc::clone(&shared), executor, wish).run(stops.claiming.clone()));
        let running = Mutex::new(Some(Running { exchanger, upkeep, heartbeat }));
        Ok(Self { shared, options, stops, running })
    }

    /// Returns the incarnation under which the server is registered now.
    pub fn incarnation(&self) -> Incarnation {
        self.shared.incarnation()
    }

    /// Subscribes to the ends of runs, from now on.
    pub fn events(&self) -> RunEvents {
        self.shared.observer.subscribe()
    }

    /// Returns how long [`stop`](Self::stop) takes at most.
    pub fn shutdown_timeout(&self) -> Duration {
        self.options.shutdown_timeout
    }

    /// Stops claiming, at once: phase 1 of the end. [`stop`](Self::stop) does the rest.
    pub fn stop_claiming(&self) {
        self.stops.claiming.cancel();
    }

    /// Ends the server within its shutdown timeout; see the table of the module.
    ///
    /// Every job that has not ended goes back to its queue without spending an attempt. Callers
    /// that come later wait for the same end.
    ///
    /// # Cancel safety
    /// A stop that is dropped half-way can be called again.
    pub async fn stop(&self) -> StopReport {
        self.stop_within(self.options.shutdown_timeout).await
    }

    /// Ends the server within `budget`, plus at most a second where the storage hangs.
    ///
    /// # Cancel safety
    /// As [`stop`](Self::stop).
    pub async fn stop_within(&self, budget: Duration) -> StopReport {
        let deadline = Instant::now() + budget;
        self.stop_claiming();
        let mut running = self.running.lock().await;
        let Some(Running { exchanger, upkeep, .. }) = running.as_mut() else {
            return StopReport { released: 0, clean: true };
        };
        let drained = self.end_runs(exchanger, deadline).await;
        self.stops.upkeep.cancel();
        if timeout(Duration::from_secs(1), join_all(upkeep)).await.is_err() {
            upkeep.abort_all();
        }
        let retire = self.shared.store.retire(self.incarnation());
        let wait_until = std::cmp::max(deadline, Instant::now() + Duration::from_millis(500));
        let report = match timeout_at(wait_until, retire).await {
            Ok(Ok(released)) => StopReport { released, clean: drained },
            Ok(Err(error)) => self.not_released(&error),
            Err(_) => self.not_released(&Error::new(ErrorKind::Unavailable, "no answer in time")),
        };
        self.stops.heartbeat.cancel();
        if let Some(Running { heartbeat, .. }) = running.take() {
            // It ends within one call to the storage; nothing depends on when.
            drop(heartbeat);
        }
        report
    }

    /// Phases 2 to 4. Tells whether every run ended and was recorded.
    async fn end_runs(&self, exchanger: &mut JoinSet<()>, deadline: Instant) -> bool {
        let rest = self.options.cancel_grace + RELEASE_RESERVE;
        let now = Instant::now();
        let budget = deadline.duration_since(now);
        // A budget that is too short for all phases is shared: a third each to drain and to cancel.
        let drain = budget.checked_sub(rest).unwrap_or(budget / 3);
        if timeout_at(now + drain, join_all(exchanger)).await.is_ok() {
            return true;
        }
        self.shared.held.cancel_all(CancelReason::Shutdown);
        let reserve = std::cmp::min(RELEASE_RESERVE, budget / 3);
        if timeout_at(deadline - reserve, join_all(exchanger)).await.is_ok() {
            return true;
        }
        self.stops.kill.cancel();
        let wait = std::cmp::min(Duration::from_secs(1), reserve);
        if timeout(wait, join_all(exchanger)).await.is_ok() {
            return true;
        }
        exchanger.abort_all();
        false
    }

    fn not_released(&self, error: &Error) -> StopReport {
        let error = legwork_core::outcome::describe(error);
        let server = self.incarnation();
        tracing::error!(%server, error, "jobs could not be handed back; they return when the lease ends");
        StopReport { released: 0, clean: false }
    }
}

async fn join_all(tasks: &mut JoinSet<()>) {
    while let Some(joined) = tasks.join_next().await {
        if let Err(error) = joined {
            tracing::error!(%error, "a loop of the server ended early");
        }
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("incarnation", &self.incarnation()).finish_non_exhaustive()
    }
}
