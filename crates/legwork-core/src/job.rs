//! The contract of a job: its arguments, its wire name, its defaults.
//!
//! `#[derive(Job)]` implements it; producers and servers share nothing else. The handler is apart,
//! in [`crate::handler`].

use std::fmt;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{BoxError, Error, ErrorKind, Result};
use crate::retry::{MAX_ATTEMPTS_DEFAULT, RetryPolicy};

/// The queue of a job whose kind names none.
pub const QUEUE_DEFAULT: &str = "default";

/// The arguments of a job, with what is fixed for every job of its kind.
///
/// The derive needs `#[job(name = "…")]`; everything else has a default. What is given at
/// enqueueing wins over what is given here.
///
/// # Examples
/// Without the macro:
/// ```
/// use legwork_core::Job;
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize)]
/// struct SendWelcome { user_id: i64 }
///
/// impl Job for SendWelcome {
///     const NAME: &'static str = "mail.welcome";
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a job",
    label = "not the arguments of a job",
    note = "derive it: `#[derive(Serialize, Deserialize, Job)] #[job(name = \"…\")]`"
)]
pub trait Job: Serialize + DeserializeOwned + Send + 'static {
    /// The kind: its name on the wire, which must never change while jobs of it are stored.
    const NAME: &'static str;
    /// Former names. A server runs them too; they are never written.
    const ALIASES: &'static [&'static str] = &[];
    /// The version of the arguments' encoding, from 1.
    const VERSION: u16 = 1;
    /// The queue, `default` unless given.
    const QUEUE: &'static str = QUEUE_DEFAULT;
    /// The priority within the queue, 0 unless given; a lower number runs first.
    const PRIORITY: i16 = 0;
    /// How many runs may fail before the job is `failed`, at least 1; 20 unless given.
    const MAX_ATTEMPTS: u32 = MAX_ATTEMPTS_DEFAULT;
    /// How long one run may take; no limit unless given.
    const TIMEOUT: Option<Duration> = None;

    /// Returns when a failed run is tried again.
    fn retry_policy() -> RetryPolicy {
        RetryPolicy::default()
    }

    /// Writes the arguments as JSON.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] when serde refuses a value.
    fn encode(&self) -> Result<Vec<u8>> {
        serde_json::to_vec(self).map_err(|source| {
            let message = format!("the arguments of {:?} cannot be written as JSON", Self::NAME);
            Error::with_source(ErrorKind::Invalid, message, source)
        })
    }

    /// Reads the arguments of a stored job, of this or an earlier version.
    ///
    /// # Errors
    /// [`Undecodable`]: the job fails with that reason, its bytes stay, no attempt is spent.
    fn decode(args: RawArgs<'_>) -> Result<Self, Undecodable> {
        match args.version.cmp(&Self::VERSION) {
            std::cmp::Ordering::Equal => args.parse(),
            std::cmp::Ordering::Less => Self::upgrade(args),
            std::cmp::Ordering::Greater => Err(Undecodable::new(format!(
                "version {} of {:?} is newer than version {}, which this server knows",
                args.version,
                Self::NAME,
                Self::VERSION
            ))),
        }
    }

    /// Reads the arguments of an earlier version.
    ///
    /// # Errors
    /// [`Undecodable`], unless it is implemented.
    fn upgrade(args: RawArgs<'_>) -> Result<Self, Undecodable> {
        Err(Undecodable::new(format!(
            "version {} of {:?} is older than version {} and no upgrade is given",
            args.version,
            Self::NAME,
            Self::VERSION
        )))
    }
}

/// The arguments of a job as they are stored.
#[derive(Debug, Clone, Copy)]
pub struct RawArgs<'a> {
    /// The version they were written in.
    pub version: u16,
    /// The JSON text.
    pub json: &'a [u8],
}

impl RawArgs<'_> {
    /// Reads them as `T`.
    ///
    /// # Errors
    /// [`Undecodable`], naming the place in the text.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, Undecodable> {
        serde_json::from_slice(self.json).map_err(|source| Undecodable::new(source.to_string()))
    }
}

/// Says why stored arguments cannot be read.
#[derive(Debug)]
pub struct Undecodable {
    reason: String,
}

impl Undecodable {
    /// Makes it of a reason.
    pub fn new(reason: impl Into<String>) -> Self {
        Self { reason: reason.into() }
    }

    /// Makes it of the error of an upgrade.
    pub fn from_error(error: impl Into<BoxError>) -> Self {
        Self { reason: error.into().to_string() }
    }
}

impl fmt::Display for Undecodable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl std::error::Error for Undecodable {}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Report {
        month: u8,
    }

    impl Job for Report {
        const NAME: &'static str = "report";
        const VERSION: u16 = 2;

        fn upgrade(args: RawArgs<'_>) -> Result<Self, Undecodable> {
            Ok(Self { month: args.parse::<u8>()? })
        }
    }

    fn decode(version: u16, json: &str) -> Result<Report, String> {
        let args = RawArgs { version, json: json.as_bytes() };
        Report::decode(args).map_err(|error| error.to_string())
    }

    #[test]
    fn arguments_of_this_and_earlier_versions_are_read() {
        let report = Report { month: 6 };
        assert_eq!(report.encode().unwrap(), br#"{"month":6}"#);
        assert_eq!(decode(2, r#"{"month":6}"#), Ok(Report { month: 6 }));
        assert_eq!(decode(1, "6"), Ok(Report { month: 6 }));
    }

    #[test]
    fn arguments_that_cannot_be_read_say_why() {
        let newer = "version 3 of \"report\" is newer than version 2, which this server knows";
        assert_eq!(decode(3, "{}"), Err(newer.to_owned()));
        assert_eq!(decode(2, "{}"), Err("missing field `month` at line 1 column 2".to_owned()));
    }
}
