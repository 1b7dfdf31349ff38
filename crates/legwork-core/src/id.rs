//! Identifiers that numbers stand for: jobs, runs, leases, server incarnations.
//!
//! The storage hands them out. Names that people choose are in [`crate::name`].

use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::{Error, Result};

/// Stands for "a job of any kind" in [`JobId`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Untyped {}

/// Identifies a job, and remembers the type of its arguments.
///
/// It is a positive `i64` that the storage handed out. `JobId` without a parameter is the id of a
/// job of any kind; [`untyped`](Self::untyped) makes it of a typed one.
pub struct JobId<J = Untyped> {
    raw: i64,
    job: PhantomData<fn() -> J>,
}

impl<J> JobId<J> {
    /// Makes an id of a number that a storage handed out.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) when `raw` is not positive.
    pub fn new(raw: i64) -> Result<Self> {
        if raw < 1 {
            return Err(Error::invalid(format!("job id {raw} is not positive")));
        }
        Ok(Self { raw, job: PhantomData })
    }

    /// Returns the number.
    pub fn get(self) -> i64 {
        self.raw
    }

    /// Forgets the type of the arguments.
    pub fn untyped(self) -> JobId {
        self.cast()
    }

    /// Says that the arguments are of type `K`, which nothing checks.
    pub fn cast<K>(self) -> JobId<K> {
        JobId { raw: self.raw, job: PhantomData }
    }
}

impl<J> Clone for JobId<J> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<J> Copy for JobId<J> {}
impl<J> PartialEq for JobId<J> {
    fn eq(&self, other: &Self) -> bool {
        self.raw == other.raw
    }
}
impl<J> Eq for JobId<J> {}
impl<J> PartialOrd for JobId<J> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl<J> Ord for JobId<J> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.raw.cmp(&other.raw)
    }
}
impl<J> Hash for JobId<J> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.raw.hash(state);
    }
}
impl<J> fmt::Debug for JobId<J> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JobId({})", self.raw)
    }
}
impl<J> fmt::Display for JobId<J> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.raw.fmt(f)
    }
}
impl<J> FromStr for JobId<J> {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let raw = text
            .parse()
            .map_err(|_| Error::invalid(format!("{text:?} is not a job id: a positive number")))?;
        Self::new(raw)
    }
}
impl<J> Serialize for JobId<J> {
    fn serialize<Z: Serializer>(&self, serializer: Z) -> Result<Z::Ok, Z::Error> {
        serializer.serialize_i64(self.raw)
    }
}
impl<'de, J> Deserialize<'de> for JobId<J> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(i64::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

/// A run of ids that one client may use: `first`, `first + 1`, … .
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IdBlock {
    /// The first id.
    pub first: JobId,
    /// How many ids there are.
    pub len: u32,
}

impl IdBlock {
    /// Returns the ids in order.
    pub fn ids(self) -> impl ExactSizeIterator<Item = JobId> {
        let first = self.first.raw;
        (0..self.len).map(move |n| JobId { raw: first + i64::from(n), job: PhantomData })
    }
}

/// Numbers one start of a job's handler: 1, 2, 3, … , and never goes back.
///
/// (job id, run) is the fence: what a run writes is refused once its lease is gone.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[serde(transparent)]
pub struct Run(pub u32);

impl Run {
    /// The first run of a job.
    pub const FIRST: Self = Self(1);

    /// Returns the run after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Identifies the lease under which a claimed batch runs.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[serde(transparent)]
pub struct LeaseId(pub i64);

/// Identifies one start of a server process: 128 random bits.
///
/// A process never knows the incarnation of an earlier start, so that it cannot write in its name.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Incarnation(u128);

impl Incarnation {
    /// Makes an incarnation of 128 bits that the caller drew at random.
    pub fn from_bits(bits: u128) -> Self {
        Self(bits)
    }

    /// Returns the 128 bits.
    pub fn bits(self) -> u128 {
        self.0
    }
}

impl fmt::Display for Incarnation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for Incarnation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Incarnation({self})")
    }
}

impl FromStr for Incarnation {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        if text.len() == 32
            && let Ok(bits) = u128::from_str_radix(text, 16)
        {
            return Ok(Self(bits));
        }
        Err(Error::invalid(format!("{text:?} is not a server incarnation: 32 hexadecimal digits")))
    }
}

impl Serialize for Incarnation {
    fn serialize<Z: Serializer>(&self, serializer: Z) -> Result<Z::Ok, Z::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Incarnation {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_id_is_a_positive_number_in_text_and_json() {
        let id: JobId = "17".parse().unwrap();
        assert_eq!((id.get(), id.to_string()), (17, "17".to_owned()));
        assert_eq!(serde_json::to_string(&id).unwrap(), "17");
        for text in ["0", "-1", "", "x", "9223372036854775808"] {
            assert!(text.parse::<JobId>().is_err(), "{text:?} must be refused");
        }
        assert!(serde_json::from_str::<JobId>("0").is_err());
    }

    #[test]
    fn an_incarnation_keeps_its_bits_through_text() {
        let incarnation = Incarnation::from_bits(0x0123_4567_89ab_cdef);
        let text = incarnation.to_string();
        assert_eq!(text, "00000000000000000123456789abcdef");
        assert_eq!(text.parse::<Incarnation>().unwrap(), incarnation);
        assert!("123".parse::<Incarnation>().is_err());
    }

    #[test]
    fn a_block_yields_its_ids_in_order() {
        let block = IdBlock { first: JobId::new(5).unwrap(), len: 3 };
        let ids: Vec<i64> = block.ids().map(JobId::get).collect();
        assert_eq!(ids, [5, 6, 7]);
    }
}
