//! A time zone of the IANA database, and the stretches of time in which its offset is constant.
//!
//! The search in `next` walks the stretches. Rules come from the system's zone files, or from the
//! copy that is built in where there are none.

use std::fmt;

use jiff::tz::{Offset, TimeZone};
use jiff::{SignedDuration, Timestamp};

use crate::error::{Error, ErrorKind, Result};

/// A time zone, such as `Europe/Istanbul`.
#[derive(Clone, PartialEq, Eq)]
pub struct Zone {
    zone: TimeZone,
    name: Box<str>,
}

impl Zone {
    /// Finds a zone by its IANA name, in any case.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] when there is none of this name.
    pub fn new(name: impl AsRef<str>) -> Result<Self> {
        let name = name.as_ref();
        if name.eq_ignore_ascii_case("UTC") {
            return Ok(Self::utc());
        }
        let refused = || {
            let name = crate::limits::clip(name, 100);
            format!("{name:?} is not a time zone: expected an IANA name such as Europe/Istanbul")
        };
        let zone = TimeZone::get(name)
            .map_err(|source| Error::with_source(ErrorKind::Invalid, refused(), source))?;
        match zone.iana_name() {
            Some(known) if !zone.is_unknown() => {
                let name = known.into();
                Ok(Self { zone, name })
            }
            Some(_) | None => Err(Error::invalid(refused())),
        }
    }

    /// Returns Coordinated Universal Time.
    pub fn utc() -> Self {
        Self { zone: TimeZone::UTC, name: "UTC".into() }
    }

    /// Returns the IANA name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the stretch that `at` lies in.
    pub(super) fn stretch(&self, at: Timestamp) -> Stretch {
        let offset = self.zone.to_offset(at);
        let second = SignedDuration::from_secs(1);
        // Transitions before an instant are strictly before it, so ask from a second later.
        let change = at
            .checked_add(second)
            .ok()
            .and_then(|later| self.zone.preceding(later).next())
            .map(|transition| transition.timestamp());
        let start = change.map(|at| {
            let before = at.checked_sub(second).map_or(offset, |at| self.zone.to_offset(at));
            Start { at, before }
        });
        let end = self.zone.following(at).next().map(|transition| transition.timestamp());
        Stretch { start, offset, end }
    }
}

/// A stretch of time in which the offset of a zone is constant.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stretch {
    /// The change of offset that it starts with, if there ever was one.
    pub(super) start: Option<Start>,
    pub(super) offset: Offset,
    /// The next change, which is no part of it.
    pub(super) end: Option<Timestamp>,
}

/// The start of a stretch.
#[derive(Debug, Clone, Copy)]
pub(super) struct Start {
    pub(super) at: Timestamp,
    /// The offset until then. It may be the same: a zone can change its abbreviation only.
    pub(super) before: Offset,
}

impl Default for Zone {
    fn default() -> Self {
        Self::utc()
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.name)
    }
}

impl fmt::Debug for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &*self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_are_found_by_name_in_any_case() {
        for (given, name) in [
            ("Europe/Istanbul", "Europe/Istanbul"),
            ("america/new_york", "America/New_York"),
            ("utc", "UTC"),
        ] {
            assert_eq!(Zone::new(given).unwrap().name(), name);
        }
        assert_eq!(Zone::default(), Zone::utc());
    }

    #[test]
    fn other_names_are_refused() {
        for name in ["", "Europe/Atlantis", "Etc/Unknown", "+03:00", "../etc/passwd", "Europe"] {
            let error = Zone::new(name).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid, "{name}");
            let message = format!(
                "{name:?} is not a time zone: expected an IANA name such as Europe/Istanbul"
            );
            assert_eq!(error.to_string(), message);
        }
    }

    #[test]
    fn a_stretch_starts_and_ends_with_a_change_of_offset() {
        let london = Zone::new("Europe/London").unwrap();
        let spring: Timestamp = "2026-03-29T01:00:00Z".parse().unwrap();
        let autumn: Timestamp = "2026-10-25T01:00:00Z".parse().unwrap();
        let summer = london.stretch(spring);
        let start = summer.start.unwrap();
        assert_eq!((start.at, summer.end), (spring, Some(autumn)));
        assert_eq!((start.before.seconds(), summer.offset.seconds()), (0, 3600));
        let winter = london.stretch(spring.checked_sub(SignedDuration::from_secs(1)).unwrap());
        assert_eq!((winter.offset.seconds(), winter.end), (0, Some(spring)));
    }
}
