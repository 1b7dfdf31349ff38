//! [`SqliteStorage`]: the contract of a storage, method by method.
//!
//! Applications hold it as `Arc<dyn Storage>`. Every method hands its work to the writer thread or
//! to the readers; what is done is in the file of the operation.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use legwork_core::id::IdBlock;
use legwork_core::storage::{
    Actor, Beat, Cancelled, Deleted, Due, Enqueued, Exchange, Exchanged, Fired, Firing, NewJob,
    Promoted, Pruned, RecurringSpec, Requeued, Rescue, Rescued, ServerBeat, ServerInfo, Storage,
    Triggered, Upserted, Wakes,
};
use legwork_core::{
    BoxFuture, Capabilities, Capability, Clock, Error, ErrorKind, Incarnation, JobId, LeaseId,
    Progress, QueueName, RecurringId, Result, Retention, Run,
};

use crate::operation::{Body, Wish};
use crate::options::SqliteOptions;
use crate::progress::record_progress;
use crate::query::{find, sql};
use crate::reader::Readers;
use crate::schema::migrate;
use crate::writer::Writer;
use crate::{connection, enqueue, mount, operate, promote, prune, recurring, rescue, server};

/// How many results one call may ask for.
const RESULTS_MAX: usize = 10_000;

/// Keeps jobs in an SQLite file: the embedded default.
///
/// It is a handle and cheap to clone. Several processes on one machine may open the same file; the
/// application's own tables may live in it too, since all of Legwork's begin with `legwork_`.
///
/// # Guarantees
/// What was acknowledged survives a power loss (see [`Synchronous`](crate::Synchronous)). Calls
/// that arrive together share a commit.
///
/// # Examples
/// ```
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// # let directory = tempfile::tempdir().unwrap();
/// # let path = directory.path().join("app.db");
/// use legwork_core::storage::{NewJob, Storage};
/// use legwork_core::Kind;
/// use legwork_sqlite::SqliteStorage;
///
/// let storage = SqliteStorage::open(path).await?;
/// let job = NewJob::new(Kind::new("mail.welcome")?, b"{\"user\":7}".to_vec());
/// let enqueued = storage.enqueue(vec![job]).await?;
/// assert!(enqueued[0].is_new());
/// storage.close().await?;
/// # Ok::<(), legwork_core::Error>(()) }).unwrap();
/// ```
#[derive(Debug, Clone)]
pub struct SqliteStorage {
    inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    location: String,
    path: PathBuf,
    capabilities: Capabilities,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) writer: Writer,
    readers: Readers,
}

impl Inner {
    /// Returns the name of the place.
    pub(crate) fn location(&self) -> &str {
        &self.location
    }
}

/// Returns what the storage can do.
pub(crate) fn capabilities() -> Capabilities {
    use Capability as C;
    Capabilities::new("SQLite", &[C::TransactionalEnqueue, C::SeveralProcesses, C::Durable])
}

/// Names a database by its one true path.
pub(crate) fn location_of(path: &Path) -> String {
    format!("sqlite:{}", path.display())
}

impl SqliteStorage {
    /// Opens the database at `path`, creating it where there is none.
    ///
    /// # Errors
    /// As [`SqliteOptions::open`].
    pub async fn open(path: impl Into<PathBuf>) -> Result<Self> {
        Self::options(path).open().await
    }

    /// Returns the options with which to open the database at `path`.
    pub fn options(path: impl Into<PathBuf>) -> SqliteOptions {
        SqliteOptions::new(path.into())
    }

    pub(crate) async fn start(options: SqliteOptions) -> Result<Self> {
        let path = connection::resolve(&options.path)?;
        if !options.network
            && let Some(name) = mount::network_type(&path)
        {
            let message = format!(
                "{} lies on {name}: SQLite's locks may not hold on a network file system",
                path.display()
            );
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
        let clock = options.clock;
        let writer = Writer::start(path.clone(), options.synchronous, Arc::clone(&clock)).await?;
        if options.migrate {
            writer.call((), |w, ()| migrate(w), DURABLE).await?;
        }
        let readers = Readers::start(&path)?;
        let location = location_of(&path);
        let capabilities = capabilities();
        let inner = Arc::new(Inner { location, path, capabilities, clock, writer, readers });
        crate::transaction::remember(&inner);
        Ok(Self { inner })
    }

    /// Opens a connection to the same file for the application's own tables.
    ///
    /// It waits for locks, uses the log that Legwork uses, and reaches the disk with each commit.
    /// Begin transactions that write with
    /// `transaction_with_behavior(TransactionBehavior::Immediate)`: one that reads first and writes
    /// later fails when another has written in between. Keep them short, since an SQLite file has
    /// one writer at a time. Within one, enqueue jobs through
    /// [`Transaction`](legwork_core::storage::Transaction).
    ///
    /// # Errors
    /// [`Unavailable`](ErrorKind::Unavailable) when the file cannot be opened.
    pub fn connect(&self) -> Result<rusqlite::Connection> {
        connection::open_for_user(&self.inner.path)
    }

    /// Returns the path of the file, without links.
    pub fn path(&self) -> &Path {
        &self.inner.path
    }

    fn write<I, O>(&self, input: I, body: Body<I, O>, wish: Wish) -> BoxFuture<'_, Result<O>>
    where
        I: Send + 'static,
        O: Send + 'static,
    {
        Box::pin(self.inner.writer.call(input, body, wish))
    }

    /// Reads beside the writer.
    pub(crate) fn read<T: Send + 'static>(
        &self,
        body: impl FnOnce(&rusqlite::Connection) -> crate::error::Result<T> + Send + 'static,
    ) -> BoxFuture<'_, Result<T>> {
        Box::pin(self.inner.readers.read(body))
    }

    /// Returns the storage's time.
    pub(crate) fn time(&self) -> legwork_core::Timestamp {
        self.inner.clock.now()
    }
}

const DURABLE: Wish = Wish { weight: 1, relaxed: false };
const RELAXED: Wish = Wish { weight: 1, relaxed: true };

impl Storage for SqliteStorage {
    fn capabilities(&self) -> &Capabilities {
        &self.inner.capabilities
    }

    fn location(&self) -> &str {
        &self.inner.location
    }

    fn migrate(&self) -> BoxFuture<'_, Result<()>> {
        self.write((), |w, ()| migrate(w), DURABLE)
    }

    fn allocate_ids(&self, n: u32) -> BoxFuture<'_, Result<IdBlock>> {
        self.write(n, |w, n| enqueue::allocate_ids(w, *n), DURABLE)
    }

    fn enqueue(&self, jobs: Vec<NewJob>) -> BoxFuture<'_, Result<Vec<Enqueued>>> {
        Box::pin(async move {
            enqueue::check(&self.inner.capabilities, &jobs)?;
            let wish = Wish { weight: jobs.len(), relaxed: false };
            self.inner.writer.call(jobs, |w, jobs| enqueue::enqueue(w, jobs), wish).await
        })
    }

    fn register(&self, server: ServerInfo) -> BoxFuture<'_, Result<()>> {
        self.write(server, server::register, DURABLE)
    }

    fn heartbeat(&self, server: Incarnation) -> BoxFuture<'_, Result<Beat>> {
        self.write(server, server::heartbeat, RELAXED)
    }

    fn exchange(&self, exchange: Exchange) -> BoxFuture<'_, Result<Exchanged>> {
        let claimed = exchange.claim.as_ref().map_or(0, |claim| claim.max);
        let weight = exchange.finish.len() + claimed;
        let relaxed = exchange.finish.is_empty();
        self.write(exchange, crate::exchange::exchange, Wish { weight, relaxed })
    }

    fn release(&self, server: Incarnation, leases: Vec<LeaseId>) -> BoxFuture<'_, Result<u64>> {
        self.write((server, leases), rescue::release, DURABLE)
    }

    fn retire(&self, server: Incarnation) -> BoxFuture<'_, Result<u64>> {
        self.write(server, rescue::retire, DURABLE)
    }

    fn beats(&self) -> BoxFuture<'_, Result<Vec<ServerBeat>>> {
        self.write((), |w, ()| server::beats(w), RELAXED)
    }

    fn rescue(&self, rescue: Rescue) -> BoxFuture<'_, Result<Rescued>> {
        let wish = Wish { weight: rescue.max_jobs, relaxed: false };
        self.write(rescue, rescue::rescue, wish)
    }

    fn promote(&self, max: usize) -> BoxFuture<'_, Result<Promoted>> {
        self.write(max, |w, max| promote::promote(w, *max), Wish { weight: max, relaxed: true })
    }

    fn prune(&self, retention: Retention, max: usize) -> BoxFuture<'_, Result<Pruned>> {
        self.write((retention, max), prune::prune, Wish { weight: max, relaxed: false })
    }

    fn upsert_recurring(&self, spec: RecurringSpec) -> BoxFuture<'_, Result<Upserted>> {
        Box::pin(async move {
            recurring::check(&self.inner.capabilities, &spec)?;
            self.inner.writer.call(spec, recurring::upsert, DURABLE).await
        })
    }

    fn remove_recurring(&self, id: RecurringId) -> BoxFuture<'_, Result<bool>> {
        self.write(id, recurring::remove, DURABLE)
    }

    fn trigger_recurring(&self, id: RecurringId, actor: Actor) -> BoxFuture<'_, Result<Triggered>> {
        self.write((id, actor), recurring::trigger, DURABLE)
    }

    fn due_recurring(&self, max: usize) -> BoxFuture<'_, Result<Due>> {
        self.write(max, |w, max| recurring::due(w, *max), RELAXED)
    }

    fn fire_recurring(&self, firing: Firing) -> BoxFuture<'_, Result<Fired>> {
        let wish = Wish { weight: firing.occurrences.len(), relaxed: false };
        self.write(firing, recurring::fire, wish)
    }

    fn cancel(&self, id: JobId, actor: Actor) -> BoxFuture<'_, Result<Cancelled>> {
        self.write((id, actor), operate::cancel, DURABLE)
    }

    fn requeue(&self, id: JobId, actor: Actor) -> BoxFuture<'_, Result<Requeued>> {
        self.write((id, actor), operate::requeue, DURABLE)
    }

    fn delete(&self, id: JobId, actor: Actor) -> BoxFuture<'_, Result<Deleted>> {
        self.write((id, actor), operate::delete, DURABLE)
    }

    fn pause(&self, queue: QueueName, actor: Actor) -> BoxFuture<'_, Result<()>> {
        self.write((queue, actor), operate::pause, DURABLE)
    }

    fn resume(&self, queue: QueueName, actor: Actor) -> BoxFuture<'_, Result<bool>> {
        self.write((queue, actor), operate::resume, DURABLE)
    }

    fn record_progress(
        &self,
        progress: Vec<(JobId, Run, LeaseId, Progress)>,
    ) -> BoxFuture<'_, Result<()>> {
        let wish = Wish { weight: progress.len(), relaxed: true };
        self.write(progress, |w, progress| record_progress(w, progress), wish)
    }

    fn results(&self, ids: Vec<JobId>) -> BoxFuture<'_, Result<Vec<Option<Vec<u8>>>>> {
        if ids.len() > RESULTS_MAX {
            let message = format!("{} results in one call: at most {RESULTS_MAX}", ids.len());
            return Box::pin(std::future::ready(Err(Error::new(ErrorKind::TooLarge, message))));
        }
        self.read(move |db| {
            ids.iter().map(|id| find(db, sql!("results"), [id.get()], |row| row.get(0))).collect()
        })
    }

    fn watch(&self) -> Wakes {
        self.inner.writer.watch();
        self.inner.writer.signals.wake.subscribe()
    }

    fn close(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            self.inner.readers.close();
            self.inner.writer.close().await
        })
    }
}
