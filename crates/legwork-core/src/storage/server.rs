//! Servers: their heartbeats, and the rescue of what a dead one held.
//!
//! The heartbeat thread and the rescuer of `legwork-jobs` call it. No wall clock takes part: a
//! server is silent when its counter does not move by the *rescuer's* monotonic clock.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::id::{Incarnation, JobId, LeaseId, Run};
use crate::name::{Kind, QueueName};
use crate::storage::Actor;

/// What a server tells about itself when it starts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ServerInfo {
    /// The incarnation, drawn at random for this start.
    pub incarnation: Incarnation,
    /// A name for people: the host and process, such as `web-1/4711`.
    pub name: String,
    /// How many jobs it runs at once.
    pub workers: u32,
    /// The queues it claims from, in order.
    pub queues: Vec<QueueName>,
    /// The kinds it has registered.
    pub kinds: Vec<Kind>,
    /// The version of Legwork.
    pub version: String,
}

/// What a heartbeat learns.
#[derive(Debug, Clone, PartialEq)]
pub enum Beat {
    /// The server is live.
    Live {
        /// Runs it holds that are to be cancelled.
        cancels: Vec<CancelRequest>,
        /// Queues that are paused.
        paused: Vec<QueueName>,
        /// The leases it holds, to find claims whose answer got lost.
        leases: BTreeMap<LeaseId, u32>,
    },
    /// The server was declared dead: every run it holds is lost.
    Lost,
}

/// A run that someone wants cancelled.
#[derive(Debug, Clone, PartialEq)]
pub struct CancelRequest {
    /// The job.
    pub id: JobId,
    /// The run.
    pub run: Run,
    /// Who, and why.
    pub actor: Actor,
}

/// The beat counter of a live server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServerBeat {
    /// The server.
    pub server: Incarnation,
    /// How often it has beaten.
    pub beat: u64,
    /// Whether the storage knows that its process is gone: the machine restarted since, or the
    /// operating system let go of its lock. Such a server need not be waited for.
    pub gone: bool,
}

/// A server whose beat did not move for longer than its lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SilentServer {
    /// The server.
    pub server: Incarnation,
    /// The beat at which it stood still.
    pub beat: u64,
}

/// What a rescuer wants done.
#[derive(Debug, Clone)]
pub struct Rescue {
    /// The servers it saw silent.
    pub silent: Vec<SilentServer>,
    /// How many jobs at most.
    pub max_jobs: usize,
    /// How many servers in a row a job may lose before it is quarantined; 3 by default.
    pub losses_max: u32,
}

/// What a rescue did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rescued {
    /// The servers it declared dead.
    pub servers: Vec<Incarnation>,
    /// The jobs that can be claimed again.
    pub enqueued: u64,
    /// The jobs that it quarantined.
    pub quarantined: u64,
    /// Whether dead servers still hold jobs: call again.
    pub more: bool,
}
