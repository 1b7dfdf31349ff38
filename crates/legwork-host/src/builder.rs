//! Builds a host: registers services, sets their options, and checks everything at once.
//!
//! Applications call [`crate::Host::builder`]. Nothing runs before [`HostBuilder::build`] has found
//! no problem; what a service does is none of its business.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use legwork_core::handler::NoArgs;
use legwork_core::{Clock, Error, Handler, Result, SystemClock};
use tokio::sync::watch;

use crate::background::HandlerService;
use crate::context::ServiceContext;
use crate::erased::{Background, Hosted, Service};
use crate::exit::HostExit;
use crate::handle::{HostHandle, Settings, Shared, Tokens};
use crate::host::{Entry, Host, ServiceOptions};
use crate::policy::Policy;
use crate::queue::{QueueService, TaskQueue};
use crate::record::{NewRecord, ServiceRecord};
use crate::schedule::Schedule;
use crate::service::{BackgroundService, HostedService, ServiceOutput};
use crate::status::ServiceKind;
use crate::timer::{TimerRecord, TimerService};

/// How long a stop may take unless told otherwise.
pub const SHUTDOWN_TIMEOUT_DEFAULT: Duration = Duration::from_secs(30);

/// Registers the services of a host, in the order in which they start.
///
/// Methods such as [`policy`](Self::policy) are about the service registered just before them.
///
/// # Examples
/// ```
/// use std::time::Duration;
/// use legwork_core::State;
/// use legwork_host::{Host, Policy, Schedule, ServiceContext, TaskQueue};
///
/// #[derive(Clone)]
/// struct App { greeting: String }
///
/// async fn poll(State(app): State<App>, cx: ServiceContext) -> Result<(), std::io::Error> {
///     while cx.sleep(Duration::from_secs(10)).await {
///         tracing::info!("{}", app.greeting);
///     }
///     Ok(())
/// }
/// async fn refresh(State(app): State<App>) {}
///
/// let queue = TaskQueue::new();
/// let host = Host::builder(App { greeting: "hello".into() })
///     .task_queue("notifications", &queue)
///     .background("orders", poll).policy(Policy::StopHost)
///     .timer("cache", Schedule::every(Duration::from_secs(60)).immediately(), refresh)
///     .gates_readiness()
///     .shutdown_timeout(Duration::from_secs(10))
///     .build()?;
/// # Ok::<(), legwork_core::Error>(())
/// ```
#[must_use = "a host does nothing until it is built and run"]
pub struct HostBuilder<S> {
    state: S,
    registered: Vec<Registered>,
    problems: Vec<String>,
    settings: Settings,
    clock: Arc<dyn Clock>,
    handles_signals: bool,
    #[cfg(feature = "http")]
    has_health_routes: bool,
}

/// One service before the host is built.
pub(crate) struct Registered {
    name: Arc<str>,
    kind: ServiceKind,
    service: Arc<dyn Service>,
    options: ServiceOptions,
    timer: Option<Arc<TimerRecord>>,
    queue: Option<TaskQueue>,
}

impl<S: Clone + Send + Sync + 'static> HostBuilder<S> {
    pub(crate) fn new(state: S) -> Self {
        let settings = Settings {
            shutdown_timeout: SHUTDOWN_TIMEOUT_DEFAULT,
            drain_delay: Duration::ZERO,
            exit_when_completed: false,
        };
        Self {
            state,
            registered: Vec::new(),
            problems: Vec::new(),
            settings,
            clock: Arc::new(SystemClock),
            handles_signals: true,
            #[cfg(feature = "http")]
            has_health_routes: true,
        }
    }

    /// Returns the state that handlers take their arguments from.
    pub fn state(&self) -> &S {
        &self.state
    }

    /// Adds a service that starts and stops with the host.
    pub fn service(self, name: &str, service: impl HostedService) -> Self {
        self.register(name, ServiceKind::Hosted, Arc::new(Hosted(service)))
    }

    /// Adds a service that is one long-running loop.
    pub fn background_service(self, name: &str, service: impl BackgroundService) -> Self {
        self.register(name, ServiceKind::Background, Arc::new(Background(service)))
    }

    /// Adds an `async fn` with extractors as a long-running loop.
    ///
    /// Its arguments may be `State<T>`, `Scoped<T>`, `CancellationToken` and [`ServiceContext`]; it
    /// returns `()` or `Result<(), E>`. What `Scoped` opened is closed when the function ends.
    pub fn background<H, M>(self, name: &str, handler: H) -> Self
    where
        H: Handler<NoArgs, S, ServiceContext, M, Output: ServiceOutput>,
        M: Send + Sync + 'static,
    {
        let service = HandlerService::new(handler, self.state.clone());
        self.register(name, ServiceKind::Background, Arc::new(service))
    }

    /// Adds an `async fn` with extractors that runs by the clock.
    ///
    /// A run never overlaps the one before it: ticks that are missed meanwhile are skipped and
    /// counted. An error or panic is logged and counted, and the next tick comes as usual.
    pub fn timer<H, M>(mut self, name: &str, schedule: Schedule, handler: H) -> Self
    where
        H: Handler<NoArgs, S, ServiceContext, M, Output: ServiceOutput>,
        M: Send + Sync + 'static,
    {
        self.problems.extend(schedule.problems().map(|rule| format!("timer {name:?}: {rule}")));
        let record = Arc::new(TimerRecord::default());
        let service = TimerService::new(handler, self.state.clone(), schedule, Arc::clone(&record));
        let mut this = self.register(name, ServiceKind::Timer, Arc::new(service));
        if let Some(last) = this.registered.last_mut() {
            last.timer = Some(record);
        }
        this
    }

    /// Adds the workers of an in-memory task queue.
    pub fn task_queue(mut self, name: &str, queue: &TaskQueue) -> Self {
        self.problems.extend(queue.problems().map(|rule| format!("task queue {name:?}: {rule}")));
        let service = QueueService::new(queue.clone());
        let mut this = self.register(name, ServiceKind::TaskQueue, Arc::new(service));
        if let Some(last) = this.registered.last_mut() {
            last.queue = Some(queue.clone());
        }
        this
    }

    /// Serves `router` over HTTP on `addr`, such as `127.0.0.1:8080`; port 0 takes any free port.
    ///
    /// Wherever it is registered, it starts after all other services and stops before them. At stop
    /// it accepts no connections any more, and requests in flight may finish within its budget;
    /// event streams (`text/event-stream`) are ended at once. `/livez`, `/readyz` and `/healthz`
    /// are served too, before the routes of `router`, unless
    /// [`without_health_routes`](Self::without_health_routes) is called. Requests carry
    /// `ConnectInfo<SocketAddr>`.
    #[cfg(feature = "http")]
    pub fn http(mut self, addr: &str, router: axum::Router) -> Self {
        self.problems.extend(crate::http::problem(addr));
        let service = crate::http::HttpService::new(addr.to_owned(), router);
        self.register("http", ServiceKind::Http, Arc::new(service))
    }

    /// Leaves `/livez`, `/readyz` and `/healthz` to the application's own router.
    ///
    /// It can nest or merge [`HostHandle::health_router`] wherever it likes.
    #[cfg(feature = "http")]
    pub fn without_health_routes(mut self) -> Self {
        self.has_health_routes = false;
        self
    }

    /// Sets what happens when the loop of the service just registered fails.
    pub fn policy(self, policy: Policy) -> Self {
        self.configure("policy", |options| options.policy = policy)
    }

    /// Makes the host wait with the end of its start until the service just registered is ready.
    ///
    /// Meanwhile `/readyz` answers 503. A background service is ready when it calls
    /// [`ServiceContext::ready`], a timer after its first run that succeeds. A background service
    /// that fails before it is ready fails the start.
    pub fn gates_readiness(self) -> Self {
        self.configure("gates_readiness", |options| options.gated = true)
    }

    /// Bounds the start of the service just registered. Unbounded by default.
    ///
    /// When it is exceeded, the start has failed.
    pub fn start_timeout(mut self, d: Duration) -> Self {
        self.check_duration("start_timeout", d);
        self.configure("start_timeout", |options| options.start_timeout = Some(d))
    }

    /// Bounds the stop of the service just registered.
    ///
    /// By default it may take all the time that the services stopping after it do not need: the
    /// rest of the shutdown timeout less 0.5 s for each of them.
    pub fn stop_budget(mut self, d: Duration) -> Self {
        self.check_duration("stop_budget", d);
        self.configure("stop_budget", |options| options.stop_budget = Some(d))
    }

    /// Sets how long the stop of all services together may take. Default 30 s.
    ///
    /// What still runs then is aborted, and the exit code is 124.
    pub fn shutdown_timeout(mut self, d: Duration) -> Self {
        self.check_duration("shutdown_timeout", d);
        self.settings.shutdown_timeout = d;
        self
    }

    /// Sets how long the host goes on serving after it was asked to stop. Default 0.
    ///
    /// It is not ready any more, so that load balancers notice. The shutdown timeout begins after
    /// it; a Kubernetes grace period has to cover both, and two seconds.
    pub fn drain_delay(mut self, d: Duration) -> Self {
        self.settings.drain_delay = d;
        self
    }

    /// Stops the host when every background service has returned by itself.
    pub fn exit_when_completed(mut self) -> Self {
        self.settings.exit_when_completed = true;
        self
    }

    /// Sets whether [`Host::run`] obeys signals. It does by default; tests turn it off.
    pub fn handle_signals(mut self, yes: bool) -> Self {
        self.handles_signals = yes;
        self
    }

    /// Sets the clock that cron schedules and times in the status are read from.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Checks everything and makes the host.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`](legwork_core::ErrorKind::Invalid) naming all problems at once: bad or
    /// repeated names, zero durations, bad schedules and addresses.
    pub fn build(mut self) -> Result<Host> {
        self.check_names();
        if !self.problems.is_empty() {
            let message = format!("the host cannot be built: {}", self.problems.join("; "));
            return Err(Error::invalid(message));
        }
        // A stable sort: everything else keeps the order of registration.
        self.registered.sort_by_key(|registered| registered.kind == ServiceKind::Http);
        let (tokens, changes) = (Tokens::default(), watch::Sender::new(0));
        let entries: Vec<Entry> = self
            .registered
            .into_iter()
            .map(|registered| registered.into_entry(&tokens, &self.clock, &changes))
            .collect();
        let records = entries.iter().map(|entry| Arc::clone(&entry.record)).collect();
        let mut shared = Shared::new(self.clock, self.settings, changes, tokens);
        shared.services = records;
        #[cfg(feature = "http")]
        {
            shared.has_health_routes = self.has_health_routes;
        }
        Ok(Host::new(HostHandle::new(shared), entries, self.handles_signals))
    }

    /// Builds the host and runs it; see [`Host::run`]. A host that cannot be built exits with
    /// code 78.
    pub async fn run(self) -> HostExit {
        match self.build() {
            Ok(host) => host.run().await,
            Err(error) => {
                tracing::error!(%error, "host cannot be built");
                HostExit::invalid(&error)
            }
        }
    }

    /// Builds the host and runs it; see [`Host::run_blocking`]. A host that cannot be built exits
    /// with code 78.
    pub fn run_blocking(self) -> ! {
        match self.build() {
            Ok(host) => host.run_blocking(),
            Err(error) => {
                let exit = HostExit::invalid(&error);
                exit.print();
                crate::runtime::exit_now(exit.code())
            }
        }
    }

    fn register(mut self, name: &str, kind: ServiceKind, service: Arc<dyn Service>) -> Self {
        let (name, options) = (Arc::from(name), ServiceOptions::default());
        self.registered.push(Registered { name, kind, service, options, timer: None, queue: None });
        self
    }

    fn configure(mut self, method: &str, set: impl FnOnce(&mut ServiceOptions)) -> Self {
        match self.registered.last_mut() {
            Some(registered) => set(&mut registered.options),
            None => self.problems.push(format!("{method} was called before any service")),
        }
        self
    }

    fn check_duration(&mut self, what: &str, d: Duration) {
        if d.is_zero() {
            self.problems.push(format!("{what} is zero"));
        }
    }

    fn check_names(&mut self) {
        let mut seen = HashSet::new();
        let mut queues: Vec<&TaskQueue> = Vec::new();
        for Registered { name, kind, options, queue, .. } in &self.registered {
            if let Err(error) = legwork_core::name::check("service name", name) {
                self.problems.push(error.to_string());
            }
            if !seen.insert(name.to_ascii_lowercase()) {
                self.problems.push(format!("two services are named {name:?}"));
            }
            if options.gated && matches!(kind, ServiceKind::TaskQueue | ServiceKind::Http) {
                self.problems.push(format!("{name:?} cannot gate the readiness: it never says so"));
            }
            if let Some(queue) = queue {
                if queues.iter().any(|other| other.is_same(queue)) {
                    self.problems.push(format!("{name:?} works a task queue for the second time"));
                }
                queues.push(queue);
            }
            if let Policy::Restart(restart) = &options.policy {
                self.problems.extend(restart.problems().map(|rule| format!("{name:?}: {rule}")));
            }
        }
    }
}

impl Registered {
    fn into_entry(
        self,
        tokens: &Tokens,
        clock: &Arc<dyn Clock>,
        changes: &watch::Sender<u64>,
    ) -> Entry {
        let new = NewRecord {
            name: self.name,
            kind: self.kind,
            gated: self.options.gated,
            timer: self.timer,
            queue: self.queue,
        };
        let parents = (&tokens.stop_all, &tokens.abort_all);
        Entry {
            record: Arc::new(ServiceRecord::new(new, parents, Arc::clone(clock), changes.clone())),
            service: self.service,
            options: self.options,
            run: None,
            has_started: false,
            stop_took: Duration::ZERO,
        }
    }
}

impl<S> fmt::Debug for HostBuilder<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.registered.iter().map(|registered| &*registered.name).collect();
        f.debug_struct("HostBuilder").field("services", &names).finish_non_exhaustive()
    }
}
