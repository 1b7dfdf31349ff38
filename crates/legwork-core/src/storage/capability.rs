//! What a storage can do, as data.
//!
//! The client asks before it sends; the dashboard hides what cannot be done. No method answers "not
//! implemented": what a storage lacks is refused here, before anything is stored.

use std::fmt;

use crate::error::{Error, ErrorKind, Result};
use crate::storage::NewJob;

/// Something that not every storage can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Capability {
    /// Jobs can be enqueued in the caller's own transaction.
    TransactionalEnqueue,
    /// Several processes can work on the same jobs.
    SeveralProcesses,
    /// Servers on several machines can work on the same jobs.
    SeveralMachines,
    /// A change by another process reaches a watcher without a poll.
    PushWakeUps,
    /// What was acknowledged survives a power loss.
    Durable,
    /// Jobs can be enqueued under a unique key.
    UniqueKeys,
    /// Jobs can be held back by a limit per key.
    Limits,
    /// Jobs can be grouped in batches.
    Batches,
}

impl Capability {
    fn mask(self) -> u32 {
        match self {
            Self::TransactionalEnqueue => 1 << 0,
            Self::SeveralProcesses => 1 << 1,
            Self::SeveralMachines => 1 << 2,
            Self::PushWakeUps => 1 << 3,
            Self::Durable => 1 << 4,
            Self::UniqueKeys => 1 << 5,
            Self::Limits => 1 << 6,
            Self::Batches => 1 << 7,
        }
    }
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TransactionalEnqueue => "enqueueing in the caller's transaction",
            Self::SeveralProcesses => "several processes",
            Self::SeveralMachines => "several machines",
            Self::PushWakeUps => "push wake-ups",
            Self::Durable => "durability",
            Self::UniqueKeys => "unique keys",
            Self::Limits => "limits per key",
            Self::Batches => "batches",
        })
    }
}

/// The capabilities of one storage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capabilities {
    storage: &'static str,
    mask: u32,
}

impl Capabilities {
    /// Makes the set of a storage that is called `storage` in messages.
    pub fn new(storage: &'static str, all: &[Capability]) -> Self {
        Self { storage, mask: all.iter().fold(0, |mask, one| mask | one.mask()) }
    }

    /// Tells whether the storage has `capability`.
    pub fn has(&self, capability: Capability) -> bool {
        self.mask & capability.mask() != 0
    }

    /// Refuses what the storage lacks.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`], naming the storage and the capability.
    pub fn require(&self, capability: Capability) -> Result<()> {
        if self.has(capability) {
            return Ok(());
        }
        let message = format!("{} does not support {capability}", self.storage);
        Err(Error::new(ErrorKind::Unsupported, message))
    }

    /// Refuses a job that asks for what the storage lacks.
    ///
    /// # Errors
    /// As [`require`](Self::require).
    pub fn check(&self, job: &NewJob) -> Result<()> {
        let options = &job.options;
        if options.unique_key.is_some() {
            self.require(Capability::UniqueKeys)?;
        }
        if options.limit_key.is_some() {
            self.require(Capability::Limits)?;
        }
        if options.batch.is_some() {
            self.require(Capability::Batches)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_storage_lacks_is_refused_by_name() {
        let set = Capabilities::new("memory", &[Capability::SeveralProcesses, Capability::Batches]);
        assert!(set.has(Capability::Batches) && !set.has(Capability::Limits));
        let error = set.require(Capability::Limits).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert_eq!(error.to_string(), "memory does not support limits per key");
    }
}
