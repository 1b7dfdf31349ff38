//! The leases that this process knows of, to find those that it holds without knowing.
//!
//! A claim whose answer got lost leaves jobs with a live server that will never run them. The
//! exchanger notes what it claimed and recorded; the heartbeat compares that with what the storage
//! says and gives strays back.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use legwork_core::LeaseId;

#[derive(Debug, Default)]
pub(crate) struct Leases {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    /// How many jobs of each lease have been claimed and not recorded.
    open: HashMap<LeaseId, usize>,
    claims_begun: u64,
    claims_ended: u64,
    /// The leases that were unknown at the last beat, with how many claims had begun when each was
    /// first seen.
    unknown: HashMap<LeaseId, u64>,
}

impl Leases {
    /// Notes that a claim is on its way.
    pub(crate) fn claim_begins(&self) {
        self.lock().claims_begun += 1;
    }

    /// Notes the leases of a claim that was answered, one per job; none when it failed.
    pub(crate) fn claim_ended(&self, leases: impl Iterator<Item = LeaseId>) {
        let mut inner = self.lock();
        inner.claims_ended += 1;
        for lease in leases {
            *inner.open.entry(lease).or_default() += 1;
        }
    }

    /// Notes that the end of a job was recorded, or no longer matters.
    pub(crate) fn job_ended(&self, lease: LeaseId) {
        let mut inner = self.lock();
        if let Some(open) = inner.open.get_mut(&lease) {
            *open -= 1;
            if *open == 0 {
                inner.open.remove(&lease);
            }
        }
    }

    /// Returns the leases among `held`, which the storage reports, that no job here belongs to.
    ///
    /// A lease counts only when it was unknown at the beat before too, and when the claim that was
    /// on its way then has been answered: its answer would have named it.
    pub(crate) fn strays(&self, held: impl Iterator<Item = LeaseId>) -> Vec<LeaseId> {
        let mut inner = self.lock();
        let before = std::mem::take(&mut inner.unknown);
        let mut strays = Vec::new();
        for lease in held {
            if inner.open.contains_key(&lease) {
                continue;
            }
            match before.get(&lease) {
                Some(begun) if inner.claims_ended >= *begun => strays.push(lease),
                Some(&begun) => {
                    inner.unknown.insert(lease, begun);
                }
                None => {
                    let begun = inner.claims_begun;
                    inner.unknown.insert(lease, begun);
                }
            }
        }
        strays
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEASE: LeaseId = LeaseId(7);

    fn strays(leases: &Leases) -> usize {
        leases.strays([LEASE].into_iter()).len()
    }

    #[test]
    fn a_lease_with_open_jobs_is_no_stray() {
        let leases = Leases::default();
        leases.claim_begins();
        leases.claim_ended([LEASE, LEASE].into_iter());
        leases.job_ended(LEASE);
        assert_eq!([strays(&leases), strays(&leases)], [0, 0]);
    }

    #[test]
    fn a_lease_whose_claim_failed_is_a_stray_at_the_second_beat() {
        let leases = Leases::default();
        leases.claim_begins();
        leases.claim_ended(std::iter::empty());
        assert_eq!([strays(&leases), strays(&leases), strays(&leases)], [0, 1, 0]);
    }

    #[test]
    fn a_lease_whose_claim_is_still_on_its_way_is_no_stray() {
        let leases = Leases::default();
        leases.claim_begins();
        assert_eq!([strays(&leases), strays(&leases)], [0, 0]);
        leases.claim_ended([LEASE].into_iter());
        assert_eq!(strays(&leases), 0);
    }
}
