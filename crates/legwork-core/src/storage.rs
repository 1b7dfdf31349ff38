//! The contract of a storage: about a dozen operations, each one atomic transition over a batch.
//!
//! `legwork-jobs` calls it; `legwork-sqlite` and the others implement it; the conformance suite in
//! `legwork-testing` proves them alike. What the dashboard reads is apart, in [`crate::inspect`].
//!
//! # Layout
//! - [`enqueue`]: what a job is when it is given to a storage
//! - [`transaction`]: enqueueing within a transaction of the caller
//! - [`exchange`]: finishing runs and claiming jobs, in one transaction
//! - [`server`]: heartbeats, rescue
//! - [`recurring`]: recurring jobs and their occurrences
//! - [`operate`]: what an operator does to a job or a queue
//! - [`maintain`]: promotion and pruning
//! - [`capability`]: what a storage can do, as data
//! - [`wake`]: hints that there may be something to do
//!
//! # Rules for every method
//! - It is atomic: all of its effect or none. An error says which with [`Error::effect`]:
//!   rejected (nothing happened) or unknown.
//! - The storage's clock stamps and decides; no instant comes from a caller, except a due time that
//!   a user chose.
//! - Dropping the future does not undo a call that was already sent.
//! - Data that is read back is input: a damaged row is [`ErrorKind::Corrupt`] for that job, and
//!   never blocks its queue.
//!
//! [`Error::effect`]: crate::Error::effect
//! [`ErrorKind::Corrupt`]: crate::ErrorKind::Corrupt

pub mod capability;
pub mod enqueue;
pub mod exchange;
pub mod maintain;
pub mod operate;
pub mod recurring;
pub mod server;
pub mod transaction;
pub mod wake;

use std::fmt;
use std::sync::Arc;

pub use self::capability::{Capabilities, Capability};
pub use self::enqueue::{Enqueued, JobOptions, NewJob, On, Parent, Start};
pub use self::exchange::{
    Claim, ClaimedJob, Exchange, Exchanged, FailReason, Finish, Finished, RunError, Verdict,
};
pub use self::maintain::{Promoted, Pruned, Retention};
pub use self::operate::{Actor, Cancelled, Deleted, Requeued};
pub use self::recurring::{
    Due, Fired, Firing, Misfire, Overlap, RecurringJob, RecurringSpec, Triggered, Upserted,
};
pub use self::server::{
    Beat, CancelRequest, Rescue, Rescued, ServerBeat, ServerInfo, SilentServer,
};
pub use self::transaction::{EnqueueCall, Transaction};
pub use self::wake::{WakeSender, Wakes};

use crate::context::Progress;
use crate::error::Result;
use crate::future::BoxFuture;
use crate::id::{IdBlock, Incarnation, JobId, LeaseId, Run};
use crate::name::{Kind, QueueName, RecurringId};

/// Keeps jobs and moves them through their states.
pub trait Storage: Send + Sync + fmt::Debug + 'static {
    /// Tells what the storage can do.
    fn capabilities(&self) -> &Capabilities;

    /// Names the storage and the place it keeps its data, without secrets: `sqlite:/srv/app.db`.
    ///
    /// Two handles with the same location share their jobs.
    fn location(&self) -> &str;

    /// Brings the schema up to date; does nothing where it is.
    ///
    /// # Errors
    /// [`Incompatible`](crate::ErrorKind::Incompatible) when the schema is newer than this version
    /// can serve, naming both versions.
    fn migrate(&self) -> BoxFuture<'_, Result<()>>;

    /// Hands out `n` fresh ids, greater than all before, for jobs that must be known before they
    /// are enqueued.
    fn allocate_ids(&self, n: u32) -> BoxFuture<'_, Result<IdBlock>>;

    /// Stores jobs: all of them, or none. At most
    /// [`ENQUEUE_MAX_JOBS`](crate::limits::ENQUEUE_MAX_JOBS).
    ///
    /// The answer has one entry per job, in order. A job without an id gets a fresh one, in the
    /// order of the batch. A job whose id exists already is not stored again:
    /// [`Enqueued::Existing`], which makes repeating a call with an unknown outcome safe.
    ///
    /// A job with parents is `awaiting` until they end; parents that have ended are decided at once
    /// (see [`On`]). A parent may stand earlier in the same batch.
    ///
    /// # Errors
    /// What [`limits::check_job`](crate::limits::check_job) and
    /// [`Capabilities::check`] refuse; [`NotFound`](crate::ErrorKind::NotFound) for a parent that
    /// does not exist (any more), naming it. The message names the index of the job in the batch.
    fn enqueue(&self, jobs: Vec<NewJob>) -> BoxFuture<'_, Result<Vec<Enqueued>>>;

    /// Registers a server that is starting; it is live from now on.
    ///
    /// # Errors
    /// [`Conflict`](crate::ErrorKind::Conflict) when the incarnation was ever registered.
    fn register(&self, server: ServerInfo) -> BoxFuture<'_, Result<()>>;

    /// Moves the beat of a server on, and tells it what it must know.
    ///
    /// [`Beat::Lost`] when it was declared dead or retired: every run it holds is lost.
    fn heartbeat(&self, server: Incarnation) -> BoxFuture<'_, Result<Beat>>;

    /// Finishes runs and claims jobs, in one transaction and one round trip; either half may be
    /// empty.
    ///
    /// Runs are finished before jobs are claimed. Each is fenced: [`Finished::Lost`] when its lease
    /// is gone or no longer holds it, and nothing was written for it. A run that was finished
    /// before with the same verdict by the same server is [`Finished::Recorded`] again. Children
    /// are decided in the same transaction.
    ///
    /// Claims follow the order (queue in the order asked for, priority, sequence); kinds that are
    /// not asked for and paused queues are passed over; at most [`Claim::max`] jobs, at most
    /// [`Claim::suspects_max`] of them suspects. A server that is not live claims nothing.
    fn exchange(&self, exchange: Exchange) -> BoxFuture<'_, Result<Exchanged>>;

    /// Gives back every unfinished job of some leases of a server: claims whose answer got lost, so
    /// that the server does not know the jobs.
    ///
    /// It is [`Verdict::Released`] with `started: false` for each. Leases that are not the server's
    /// are passed over. Returns how many jobs went back. Repeating it does nothing.
    fn release(&self, server: Incarnation, leases: Vec<LeaseId>) -> BoxFuture<'_, Result<u64>>;

    /// Gives back everything a server holds and ends its life; for a server that stops.
    ///
    /// It is [`Verdict::Released`] with `started: true` for each job, so that it counts as an
    /// interruption and spends no attempt. They go back in the order in which they were claimed.
    /// Returns how many went back. Repeating it does nothing.
    fn retire(&self, server: Incarnation) -> BoxFuture<'_, Result<u64>>;

    /// Returns the beat counters of all live servers, for the rescuer to watch.
    fn beats(&self) -> BoxFuture<'_, Result<Vec<ServerBeat>>>;

    /// Declares silent servers dead, each guarded by the very beat that was seen, and makes the
    /// jobs of dead servers claimable again, at most [`Rescue::max_jobs`].
    ///
    /// A job that was lost by [`Rescue::losses_max`] servers in a row is `failed` as quarantined
    /// instead. No attempt is spent. Jobs go back in the order in which they were claimed.
    fn rescue(&self, rescue: Rescue) -> BoxFuture<'_, Result<Rescued>>;

    /// Makes up to `max` due jobs claimable, in the order of their due times, and tells how long it
    /// is until the next is due.
    fn promote(&self, max: usize) -> BoxFuture<'_, Result<Promoted>>;

    /// Removes up to `max` jobs that have been final for longer than `retention` keeps them, with
    /// everything that belongs to them; never a parent of a job that is still awaiting.
    ///
    /// It also removes servers that have been gone for a day.
    fn prune(&self, retention: Retention, max: usize) -> BoxFuture<'_, Result<Pruned>>;

    /// Adds or updates a recurring job by its id; its history of occurrences is kept.
    ///
    /// A spec with a lower generation than the stored one changes nothing.
    fn upsert_recurring(&self, spec: RecurringSpec) -> BoxFuture<'_, Result<Upserted>>;

    /// Removes a recurring job; jobs that it enqueued stay. `false` when there is none.
    fn remove_recurring(&self, id: RecurringId) -> BoxFuture<'_, Result<bool>>;

    /// Enqueues a recurring job once, now, whatever its schedule says.
    fn trigger_recurring(&self, id: RecurringId, actor: Actor) -> BoxFuture<'_, Result<Triggered>>;

    /// Returns up to `max` recurring jobs whose next occurrence is due or not yet known, and how
    /// long it is until the next of the others.
    fn due_recurring(&self, max: usize) -> BoxFuture<'_, Result<Due>>;

    /// Enqueues the occurrences of a recurring job and moves its high-water mark, guarded by what
    /// the caller saw: each occurrence is enqueued exactly once across all servers.
    fn fire_recurring(&self, firing: Firing) -> BoxFuture<'_, Result<Fired>>;

    /// Cancels a job: at once where it has not started, by request where it is running.
    ///
    /// Once a cancel was requested, no other run starts: the job ends as the verdict of this run
    /// says, and where it would be enqueued or scheduled again (retry, snooze, release, rescue) it
    /// is `cancelled` instead.
    fn cancel(&self, id: JobId, actor: Actor) -> BoxFuture<'_, Result<Cancelled>>;

    /// Makes a final or scheduled job claimable now, with all its attempts again.
    fn requeue(&self, id: JobId, actor: Actor) -> BoxFuture<'_, Result<Requeued>>;

    /// Removes a job that is not processing, with everything that belongs to it.
    ///
    /// A job that others await is not removed.
    fn delete(&self, id: JobId, actor: Actor) -> BoxFuture<'_, Result<Deleted>>;

    /// Stops claims from a queue; what is running goes on. Repeating it replaces the reason.
    fn pause(&self, queue: QueueName, actor: Actor) -> BoxFuture<'_, Result<()>>;

    /// Allows claims from a queue again. `false` when it was not paused.
    fn resume(&self, queue: QueueName, actor: Actor) -> BoxFuture<'_, Result<bool>>;

    /// Writes the progress of runs, each fenced by its lease; runs that are lost are passed over.
    fn record_progress(
        &self,
        progress: Vec<(JobId, Run, LeaseId, Progress)>,
    ) -> BoxFuture<'_, Result<()>>;

    /// Reads the results of jobs as JSON, in the order asked for; `None` where there is none.
    fn results(&self, ids: Vec<JobId>) -> BoxFuture<'_, Result<Vec<Option<Vec<u8>>>>>;

    /// Returns a receiver of hints that there may be something to claim, promote or obey.
    ///
    /// A hint may be missed or come for nothing: callers poll too.
    fn watch(&self) -> Wakes;

    /// Finishes what was accepted, then closes the storage. Later calls are
    /// [`Closed`](crate::ErrorKind::Closed).
    fn close(&self) -> BoxFuture<'_, Result<()>>;
}

/// A storage that can also be looked into: what every shipped storage is.
pub trait Store: Storage + crate::inspect::Inspect {}

impl<T: Storage + crate::inspect::Inspect> Store for T {}

/// A set of kinds that a server has registered, shared and cheap to clone.
pub type Kinds = Arc<[Kind]>;
