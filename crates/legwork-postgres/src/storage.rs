//! [`PostgresStorage`]: the contract of a storage, method by method.
//!
//! Applications hold it as `Arc<dyn Storage>`. Every method hands its work to a line or to the
//! readers; what is done is in the file of the operation.

use std::sync::atomic::{AtomicBool, AtomicI64};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use legwork_core::id::IdBlock;
use legwork_core::storage::{
    Actor, Beat, Cancelled, Deleted, Due, Enqueued, Exchange, Exchanged, Fired, Firing, NewJob,
    Promoted, Pruned, RecurringSpec, Requeued, Rescue, Rescued, ServerBeat, ServerInfo, Storage,
    Triggered, Upserted, Wakes,
};
use legwork_core::{
    BoxFuture, CancellationToken, Capabilities, Capability, Error, ErrorKind, Incarnation, JobId,
    LeaseId, Progress, QueueName, RecurringId, Result, Retention, Run,
};
use tokio::time::timeout;
use tokio_util::task::TaskTracker;

use crate::dial::{Dialed, Dialer};
use crate::enqueue::Call;
use crate::ground::Ground;
use crate::lease::Granted;
use crate::line::{Body, Line, Wish};
use crate::listen;
use crate::number::Numbers;
use crate::options::PostgresOptions;
use crate::reader::Readers;
use crate::signal::Signals;
use crate::{enqueue, exchange, operate, progress, promote, prune, recurring, rescue, server};

/// How many results one call may ask for.
const RESULTS_MAX: usize = 10_000;

/// How long closing waits for calls that are under way.
const CLOSE_LIMIT: Duration = Duration::from_secs(10);

/// Keeps jobs in a PostgreSQL database: for many machines.
///
/// It is a handle and cheap to clone. The tables are in a schema of their own, `legwork` unless the
/// URL says otherwise (`?schema=jobs`), so that the application's tables may be beside them.
///
/// # Guarantees
/// What was acknowledged survives a crash of the server, as `synchronous_commit` of the database
/// says. An outage of any length costs calls that are made meanwhile
/// [`Unavailable`](ErrorKind::Unavailable) after 10 s, and nothing else: it connects again by
/// itself, to whichever server of the URL accepts writes.
///
/// # Examples
/// ```no_run
/// # async fn example() -> legwork_core::Result<()> {
/// use legwork_core::storage::{NewJob, Storage};
/// use legwork_core::Kind;
/// use legwork_postgres::PostgresStorage;
///
/// let storage = PostgresStorage::connect("postgres://app@127.0.0.1/app").await?;
/// let job = NewJob::new(Kind::new("mail.welcome")?, b"{\"user\":7}".to_vec());
/// let enqueued = storage.enqueue(vec![job]).await?;
/// assert!(enqueued[0].is_new());
/// storage.close().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct PostgresStorage {
    pub(crate) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) ground: Arc<Ground>,
    pub(crate) readers: Readers,
    enqueues: Arc<Line>,
    exchanges: Arc<Line>,
    beats: Arc<Line>,
    rest: Arc<Line>,
    /// Ends what runs in the background when the last handle is gone.
    closing: CancellationToken,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.closing.cancel();
    }
}

/// Returns what the storage can do; behind a transaction pooler nobody hears of others.
fn capabilities(pooled: bool) -> Capabilities {
    use Capability as C;
    let all = [
        C::TransactionalEnqueue,
        C::SeveralProcesses,
        C::SeveralMachines,
        C::Durable,
        C::PushWakeUps,
    ];
    let n = all.len() - usize::from(pooled);
    Capabilities::new("PostgreSQL", &all[..n])
}

/// Makes a [`Body`] of an operation.
macro_rules! body {
    ($($operation:tt)+) => {
        |tx, input| Box::pin($($operation)+(tx, input))
    };
}

impl PostgresStorage {
    /// Connects to the database that a URL names, and brings the schema up to date.
    ///
    /// # Errors
    /// [`Invalid`](ErrorKind::Invalid) for a URL that is not understood, saying what is; otherwise
    /// as [`PostgresOptions::connect`].
    pub async fn connect(url: &str) -> Result<Self> {
        Self::options(url)?.connect().await
    }

    /// Returns the options with which to connect to the database that a URL names.
    ///
    /// # Errors
    /// [`Invalid`](ErrorKind::Invalid) for a URL that is not understood, saying what is.
    pub fn options(url: &str) -> Result<PostgresOptions> {
        PostgresOptions::new(url)
    }

    /// Opens a session to the same database for the application's own tables.
    ///
    /// It is opened as Legwork's own are: where the URL says, on the server that accepts writes,
    /// with the same certificate checks; but without their settings. The future moves the session
    /// and has to be polled beside the client, in a task of its own; it is ready when the session
    /// has ended, or the client was dropped and everything is answered. Within a transaction of the
    /// client, enqueue jobs through [`Transaction`](legwork_core::storage::Transaction).
    ///
    /// # Errors
    /// [`Unavailable`](ErrorKind::Unavailable) when no server can be reached within 10 s that takes
    /// writes; [`Closed`](ErrorKind::Closed) after [`close`](Storage::close).
    ///
    /// # Cancel safety
    /// A connection that was half open is closed.
    pub async fn session(
        &self,
    ) -> Result<(tokio_postgres::Client, impl Future<Output = ()> + Send + use<>)> {
        let ground = &self.inner.ground;
        ground.check_open()?;
        let Dialed { client, mut connection } = ground.dialer.dial_bare().await?;
        let moving = async move {
            while let Some(message) = connection.next().await {
                if let Err(error) = message {
                    tracing::debug!(%error, "a session of the application ended");
                    return;
                }
            }
        };
        Ok((client, moving))
    }

    pub(crate) async fn start(options: PostgresOptions) -> Result<Self> {
        let PostgresOptions { address, clock, migrate } = options;
        let (location, schema) = (address.location(), Arc::from(address.schema()));
        let dialer = Dialer::new(address)?;
        let pooled = dialer.is_pooled().await?;
        let closing = CancellationToken::new();
        let ground = Arc::new(Ground {
            dialer,
            location,
            schema,
            capabilities: capabilities(pooled),
            clock,
            names: Arc::default(),
            installation: OnceLock::new(),
            numbers: Numbers::default(),
            servers: Mutex::default(),
            granted: Granted::default(),
            floors: Mutex::default(),
            settled_up_to: AtomicI64::new(0),
            signals: Signals::default(),
            tasks: TaskTracker::new(),
            closing: closing.clone(),
            pooled: AtomicBool::new(false),
        });
        if pooled {
            ground.set_pooled();
        }
        ground.open_schema(migrate).await?;
        let line = |purpose| Line::new(purpose, Arc::clone(&ground));
        let inner = Inner {
            readers: Readers::new(Arc::clone(&ground)),
            enqueues: line("enqueue"),
            exchanges: line("exchange"),
            beats: line("heartbeat"),
            rest: line("operate"),
            ground,
            closing,
        };
        listen::start(&inner.ground);
        let inner = Arc::new(inner);
        crate::transaction::remember(&inner.ground);
        Ok(Self { inner })
    }

    /// Does what an operator asked for, or a sweep.
    fn rest<I, O>(&self, wish: Wish, input: I, body: Body<I, O>) -> BoxFuture<'_, Result<O>>
    where
        I: Send + Sync + 'static,
        O: Send + 'static,
    {
        Box::pin(self.inner.rest.call(wish, input, body))
    }
}

/// Done twice it is done twice; it must reach the disk.
const ONCE: Wish = Wish { relaxed: false, repeatable: false };
/// Done twice it is done once; it must reach the disk.
const AGAIN: Wish = Wish { relaxed: false, repeatable: true };
/// Done twice it is done once; lost with the power it is done later.
const RELAXED: Wish = Wish { relaxed: true, repeatable: true };

impl Storage for PostgresStorage {
    fn capabilities(&self) -> &Capabilities {
        &self.inner.ground.capabilities
    }

    fn location(&self) -> &str {
        &self.inner.ground.location
    }

    fn migrate(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            self.inner.ground.check_open()?;
            self.inner.ground.open_schema(true).await
        })
    }

    fn allocate_ids(&self, n: u32) -> BoxFuture<'_, Result<IdBlock>> {
        Box::pin(self.inner.enqueues.call(AGAIN, n, body!(enqueue::allocate_ids)))
    }

    fn enqueue(&self, jobs: Vec<NewJob>) -> BoxFuture<'_, Result<Vec<Enqueued>>> {
        Box::pin(async move {
            let ground = &self.inner.ground;
            ground.check_open()?;
            enqueue::check(&ground.capabilities, &jobs)?;
            enqueue::number_names(ground, &jobs).await?;
            self.inner.enqueues.call(AGAIN, Call::new(jobs), body!(enqueue::enqueue)).await
        })
    }

    fn register(&self, server: ServerInfo) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            self.inner.ground.check_open()?;
            self.inner.ground.number_names(&server.kinds).await?;
            self.inner.rest.call(ONCE, server, body!(server::register)).await
        })
    }

    fn heartbeat(&self, server: Incarnation) -> BoxFuture<'_, Result<Beat>> {
        Box::pin(self.inner.beats.call(RELAXED, server, body!(server::heartbeat)))
    }

    fn exchange(&self, exchange: Exchange) -> BoxFuture<'_, Result<Exchanged>> {
        Box::pin(async move {
            let leases: Vec<i64> = exchange.finish.iter().map(|one| one.lease.0).collect();
            let body: Body<_, _> = body!(exchange::exchange);
            let exchanged = self.inner.exchanges.call(AGAIN, exchange, body).await;
            if exchanged.is_err() {
                // What is remembered of them may no longer hold: their rows are read next time.
                for id in leases {
                    self.inner.ground.granted.remove(id);
                }
            }
            exchanged
        })
    }

    fn release(&self, server: Incarnation, leases: Vec<LeaseId>) -> BoxFuture<'_, Result<u64>> {
        self.rest(AGAIN, (server, leases), body!(rescue::release))
    }

    fn retire(&self, server: Incarnation) -> BoxFuture<'_, Result<u64>> {
        self.rest(AGAIN, server, body!(rescue::retire))
    }

    fn beats(&self) -> BoxFuture<'_, Result<Vec<ServerBeat>>> {
        Box::pin(self.inner.beats.call(RELAXED, (), body!(server::beats)))
    }

    fn rescue(&self, rescue: Rescue) -> BoxFuture<'_, Result<Rescued>> {
        self.rest(AGAIN, rescue, body!(rescue::rescue))
    }

    fn promote(&self, max: usize) -> BoxFuture<'_, Result<Promoted>> {
        self.rest(RELAXED, max, body!(promote::promote))
    }

    fn prune(&self, retention: Retention, max: usize) -> BoxFuture<'_, Result<Pruned>> {
        self.rest(AGAIN, (retention, max), body!(prune::prune))
    }

    fn upsert_recurring(&self, spec: RecurringSpec) -> BoxFuture<'_, Result<Upserted>> {
        Box::pin(async move {
            let ground = &self.inner.ground;
            ground.check_open()?;
            recurring::check(&ground.capabilities, &spec)?;
            enqueue::number_names(ground, std::slice::from_ref(&spec.job)).await?;
            self.inner.rest.call(ONCE, spec, body!(recurring::upsert)).await
        })
    }

    fn remove_recurring(&self, id: RecurringId) -> BoxFuture<'_, Result<bool>> {
        self.rest(ONCE, id, body!(recurring::remove))
    }

    fn trigger_recurring(&self, id: RecurringId, actor: Actor) -> BoxFuture<'_, Result<Triggered>> {
        self.rest(ONCE, (id, actor), body!(recurring::trigger))
    }

    fn due_recurring(&self, max: usize) -> BoxFuture<'_, Result<Due>> {
        self.rest(RELAXED, max, body!(recurring::due))
    }

    fn fire_recurring(&self, firing: Firing) -> BoxFuture<'_, Result<Fired>> {
        self.rest(ONCE, firing, body!(recurring::fire))
    }

    fn cancel(&self, id: JobId, actor: Actor) -> BoxFuture<'_, Result<Cancelled>> {
        self.rest(ONCE, (id, actor), body!(operate::cancel))
    }

    fn requeue(&self, id: JobId, actor: Actor) -> BoxFuture<'_, Result<Requeued>> {
        self.rest(ONCE, (id, actor), body!(operate::requeue))
    }

    fn delete(&self, id: JobId, actor: Actor) -> BoxFuture<'_, Result<Deleted>> {
        self.rest(ONCE, (id, actor), body!(operate::delete))
    }

    fn pause(&self, queue: QueueName, actor: Actor) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            self.inner.ground.check_open()?;
            self.inner.ground.number_names(std::slice::from_ref(&queue)).await?;
            self.inner.rest.call(AGAIN, (queue, actor), body!(operate::pause)).await
        })
    }

    fn resume(&self, queue: QueueName, actor: Actor) -> BoxFuture<'_, Result<bool>> {
        self.rest(ONCE, (queue, actor), body!(operate::resume))
    }

    fn record_progress(
        &self,
        progress: Vec<(JobId, Run, LeaseId, Progress)>,
    ) -> BoxFuture<'_, Result<()>> {
        self.rest(RELAXED, progress, body!(progress::record_progress))
    }

    fn results(&self, ids: Vec<JobId>) -> BoxFuture<'_, Result<Vec<Option<Vec<u8>>>>> {
        if ids.len() > RESULTS_MAX {
            let message = format!("{} results in one call: at most {RESULTS_MAX}", ids.len());
            return Box::pin(std::future::ready(Err(Error::new(ErrorKind::TooLarge, message))));
        }
        self.rest(RELAXED, ids, body!(progress::results))
    }

    fn watch(&self) -> Wakes {
        self.inner.ground.signals.subscribe()
    }

    fn close(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            let ground = &self.inner.ground;
            ground.closing.cancel();
            for line in
                [&self.inner.enqueues, &self.inner.exchanges, &self.inner.beats, &self.inner.rest]
            {
                line.close(CLOSE_LIMIT).await;
            }
            self.inner.readers.close().await;
            ground.tasks.close();
            if timeout(CLOSE_LIMIT, ground.tasks.wait()).await.is_err() {
                tracing::warn!("connections to the database did not end");
            }
            Ok(())
        })
    }
}
