//! What a storage URL says: which storage, where, with which settings.
//!
//! `connect` opens what it names. A URL may hold a password, so no error repeats it: messages name
//! the scheme, the parameter and the rule.

use std::path::PathBuf;

use legwork_core::{Error, ErrorKind, Result};

/// The URLs that are understood, for messages.
const SUPPORTED: &str = "expected sqlite://app.db (relative to the working directory), \
                         sqlite:///srv/app.db, postgres://user@host/database, or memory:// in tests";

/// A storage URL that was understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Location {
    /// `sqlite://path?synchronous=full`
    Sqlite {
        path: PathBuf,
        /// Whether a commit waits for the disk only at checkpoints: `synchronous=normal`.
        normal: bool,
    },
    /// `postgres://…`, which the storage reads by itself; not kept, since it may hold a password
    Postgres,
    /// `memory://`
    Memory,
}

impl Location {
    /// Reads a storage URL.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] for one that is not understood, [`ErrorKind::Unsupported`] for one of
    /// a storage that this build does not have.
    pub(crate) fn parse(url: &str) -> Result<Self> {
        let Some((scheme, rest)) = url.split_once("://") else {
            return Err(Error::invalid(format!("the storage URL has no scheme: {SUPPORTED}")));
        };
        match scheme {
            "sqlite" => Self::sqlite(rest),
            "postgres" | "postgresql" => Ok(Self::Postgres),
            "memory" if rest.is_empty() => Ok(Self::Memory),
            "memory" => Err(Error::invalid("memory:// has nothing behind it")),
            "redis" | "rediss" => Err(Error::new(
                ErrorKind::Unsupported,
                format!("this version of Legwork has no storage for {scheme}://: {SUPPORTED}"),
            )),
            _ if is_scheme(scheme) => {
                Err(Error::invalid(format!("{scheme}:// is no storage: {SUPPORTED}")))
            }
            _ => Err(Error::invalid(format!("the storage URL is not understood: {SUPPORTED}"))),
        }
    }

    fn sqlite(rest: &str) -> Result<Self> {
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let path = decode(path)?;
        if path.is_empty() {
            return Err(Error::invalid(format!("sqlite:// names no file: {SUPPORTED}")));
        }
        if path == ":memory:" {
            let rule = "a job in an SQLite memory database would not survive the process: name a \
                        file, or use memory:// in tests";
            return Err(Error::invalid(rule));
        }
        let mut normal = None;
        for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
            let (key, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            if key != "synchronous" {
                let key = legwork_core::limits::clip(key, 50);
                return Err(Error::invalid(format!(
                    "sqlite:// has no parameter {key:?}: expected synchronous=full or \
                     synchronous=normal"
                )));
            }
            let value = match value {
                "full" => false,
                "normal" => true,
                _ => return Err(Error::invalid("synchronous is full (the default) or normal")),
            };
            if normal.replace(value).is_some() {
                return Err(Error::invalid("synchronous is given twice"));
            }
        }
        Ok(Self::Sqlite { path: PathBuf::from(path), normal: normal.unwrap_or(false) })
    }
}

fn is_scheme(text: &str) -> bool {
    let known = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.len() <= 20
        && text.chars().all(known)
}

/// Replaces `%41` by `A`, so that a path may have `?` and `%` in it.
fn decode(text: &str) -> Result<String> {
    let refused = || Error::invalid("the path of the storage URL has a bad escape: `%` is `%25`");
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let (digits, after) = rest.split_at_checked(2).ok_or_else(refused)?;
        let digit = |at: usize| char::from(digits[at]).to_digit(16);
        let (Some(high), Some(low)) = (digit(0), digit(1)) else { return Err(refused()) };
        bytes.push(u8::try_from(high * 16 + low).map_err(|_| refused())?);
        rest = after;
    }
    String::from_utf8(bytes).map_err(|_| refused())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sqlite(path: &str, normal: bool) -> Location {
        Location::Sqlite { path: PathBuf::from(path), normal }
    }

    #[test]
    fn urls_name_a_storage_a_place_and_its_settings() {
        for (url, location) in [
            ("sqlite://app.db", sqlite("app.db", false)),
            ("sqlite:///srv/app.db", sqlite("/srv/app.db", false)),
            ("sqlite://data/app.db?synchronous=normal", sqlite("data/app.db", true)),
            ("sqlite://app.db?synchronous=full", sqlite("app.db", false)),
            ("sqlite://app.db?", sqlite("app.db", false)),
            ("sqlite://odd%3F%25%20name.db", sqlite("odd?% name.db", false)),
            ("postgres://me:s3cret@db.example/app?schema=jobs", Location::Postgres),
            ("postgresql:///app?host=/run/postgresql", Location::Postgres),
            ("memory://", Location::Memory),
        ] {
            assert_eq!(Location::parse(url).unwrap(), location, "{url}");
        }
    }

    #[test]
    fn other_urls_are_refused_with_what_is_supported() {
        let cases = [
            ("app.db", format!("the storage URL has no scheme: {SUPPORTED}")),
            ("", format!("the storage URL has no scheme: {SUPPORTED}")),
            ("mysql://localhost", format!("mysql:// is no storage: {SUPPORTED}")),
            ("sqlite://", format!("sqlite:// names no file: {SUPPORTED}")),
            ("sqlite://?synchronous=full", format!("sqlite:// names no file: {SUPPORTED}")),
            ("memory://x", "memory:// has nothing behind it".to_owned()),
            (
                "sqlite://a.db?cache=shared",
                "sqlite:// has no parameter \"cache\": expected synchronous=full or \
                 synchronous=normal"
                    .to_owned(),
            ),
            (
                "sqlite://a.db?synchronous=off",
                "synchronous is full (the default) or normal".to_owned(),
            ),
            (
                "sqlite://a.db?synchronous=full&synchronous=full",
                "synchronous is given twice".to_owned(),
            ),
            (
                "sqlite://a%zz.db",
                "the path of the storage URL has a bad escape: `%` is `%25`".to_owned(),
            ),
            (
                "sqlite://:memory:",
                "a job in an SQLite memory database would not survive the process: name a file, \
                 or use memory:// in tests"
                    .to_owned(),
            ),
        ];
        for (url, message) in cases {
            let error = Location::parse(url).unwrap_err();
            assert_eq!((error.kind(), error.to_string()), (ErrorKind::Invalid, message), "{url}");
        }
    }

    #[test]
    fn no_error_repeats_a_password() {
        for url in [
            "redis://me:s3cret@localhost",
            "mysql://me:s3cret@localhost/app",
            "me:s3cret@localhost/app",
            "s3cret me://x",
            "memory://s3cret",
            "sqlite://app.db?key=s3cret",
            "sqlite://s3cret%",
        ] {
            let error = Location::parse(url).unwrap_err();
            assert!(!format!("{error:?}").contains("s3cret"), "{error:?}");
        }
    }

    #[test]
    fn a_storage_that_is_yet_to_come_is_unsupported() {
        let error = Location::parse("redis://localhost").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
    }
}
