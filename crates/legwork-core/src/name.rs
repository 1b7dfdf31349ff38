//! Validated names: queues, kinds, recurring jobs, tags.
//!
//! Every entry point (client, server, dashboard, storage rows that are read back) goes through
//! [`check`], so that the same text is accepted or refused everywhere. Identifiers that numbers
//! stand for are in [`crate::id`].

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::{Error, Result};

/// The longest name in bytes. A name fits one index entry of every storage.
pub const NAME_MAX_BYTES: usize = 128;

/// Checks `text` against the rule for names: 1–128 characters of `A–Z a–z 0–9 _ . -`.
///
/// # Errors
/// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid), naming `what`, the text and the rule.
pub fn check(what: &str, text: &str) -> Result<()> {
    if text.is_empty() {
        return Err(Error::invalid(format!("{what} is empty: a name has 1 to 128 characters")));
    }
    if text.len() > NAME_MAX_BYTES {
        let len = text.len();
        return Err(Error::invalid(format!("{what} has {len} bytes: at most 128 are allowed")));
    }
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    match text.char_indices().find(|&(_, c)| !allowed(c)) {
        None => Ok(()),
        Some((at, c)) => Err(Error::invalid(format!(
            "{what} {text:?} has {c:?} at byte {at}: only A–Z a–z 0–9 _ . - are allowed"
        ))),
    }
}

macro_rules! name {
    ($(#[$doc:meta])* $type:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $type(Arc<str>);

        impl $type {
            /// Checks `text` and makes a name of it.
            ///
            /// # Errors
            /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) unless `text` is 1–128 characters
            /// of `A–Z a–z 0–9 _ . -`.
            pub fn new(text: impl AsRef<str>) -> Result<Self> {
                let text = text.as_ref();
                check($what, text)?;
                Ok(Self(Arc::from(text)))
            }

            /// Returns the name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", &*self.0)
            }
        }

        impl AsRef<str> for $type {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl std::borrow::Borrow<str> for $type {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl std::str::FromStr for $type {
            type Err = Error;

            fn from_str(text: &str) -> Result<Self> {
                Self::new(text)
            }
        }

        impl Serialize for $type {
            fn serialize<Z: Serializer>(&self, serializer: Z) -> Result<Z::Ok, Z::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                Self::new(text).map_err(serde::de::Error::custom)
            }
        }
    };
}

name! {
    /// Names a queue, such as `mail`.
    QueueName, "queue name"
}
name! {
    /// Names a kind of job on the wire, such as `mail.welcome`.
    Kind, "kind"
}
name! {
    /// Names a recurring job, such as `cleanup`.
    RecurringId, "recurring job id"
}
name! {
    /// Labels a job for searching, such as `customer-17`.
    Tag, "tag"
}

impl Default for QueueName {
    /// Returns the queue of a job whose kind names none: `default`.
    fn default() -> Self {
        Self::new(crate::job::QUEUE_DEFAULT).expect("the default is a valid name")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_the_allowed_characters_are_accepted_up_to_128_bytes() {
        for text in ["a", "mail.welcome", "A-Z_0.9", &"x".repeat(128)] {
            assert_eq!(QueueName::new(text).unwrap().as_str(), text);
        }
    }

    #[test]
    fn bad_names_are_refused_with_the_rule() {
        let cases = [
            ("", "queue name is empty: a name has 1 to 128 characters"),
            ("a b", "queue name \"a b\" has ' ' at byte 1: only A–Z a–z 0–9 _ . - are allowed"),
            (
                "'; DROP TABLE",
                "queue name \"'; DROP TABLE\" has '\\'' at byte 0: only A–Z a–z 0–9 _ . - are allowed",
            ),
            ("{x}", "queue name \"{x}\" has '{' at byte 0: only A–Z a–z 0–9 _ . - are allowed"),
            ("ü", "queue name \"ü\" has 'ü' at byte 0: only A–Z a–z 0–9 _ . - are allowed"),
        ];
        for (text, message) in cases {
            assert_eq!(QueueName::new(text).unwrap_err().to_string(), message);
        }
        let long = "x".repeat(129);
        let message = "kind has 129 bytes: at most 128 are allowed";
        assert_eq!(Kind::new(long).unwrap_err().to_string(), message);
    }

    #[test]
    fn a_bad_name_in_stored_data_is_refused_too() {
        assert!(serde_json::from_str::<Kind>("\"mail.welcome\"").is_ok());
        assert!(serde_json::from_str::<Kind>("\"mail welcome\"").is_err());
    }
}
