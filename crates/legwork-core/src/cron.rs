//! When a recurring job or a timer is due: cron expressions in a time zone.
//!
//! The scheduler of `legwork-jobs` and the timers of `legwork-host` ask [`Cron::next`]; storages
//! keep the text only. Nothing here reads a clock. What is done about occurrences that were missed
//! is in [`crate::storage::Misfire`].
//!
//! # Layout
//! - `parse`: from text to sets of values
//! - `next`: the search for the next instant
//! - `zone`: time zones and their changes of offset
//! - `describe`: the sentence for people

mod describe;
mod next;
#[cfg(test)]
mod oracle;
mod parse;
mod zone;

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Result};
use crate::time::Timestamp;

pub use self::zone::Zone;

/// The longest cron expression in bytes.
pub const CRON_MAX_BYTES: usize = 1024;

/// A calendar rule: `minute hour day-of-month month day-of-week`.
///
/// A field is a list of values, ranges and steps: `*`, `5`, `1,15`, `9-17`, `22-2` (which wraps),
/// `*/15`, `10-50/5`, `5/15` (from 5 to the end of the field). Months and days of the week have
/// English names, `JAN`–`DEC` and `SUN`–`SAT`, in any case; Sunday is 0 and 7. `?` is `*` in the
/// two day fields. `@yearly`, `@annually`, `@monthly`, `@weekly`, `@daily`, `@midnight`, `@hourly`
/// and `@every_minute` stand for what they say.
///
/// When both day fields are restricted (neither starts with `*` or `?`), a day matches if either
/// does; otherwise both must.
///
/// # Clock changes
/// The rule is meant in the local time of a [`Zone`].
/// - What falls into a skipped hour is due once, at the first instant after the gap.
/// - In a repeated hour, a rule with fixed minutes and hours is due once, in the first pass; a rule
///   with `*`, a range or a step in its minute or hour field is due in both passes.
///
/// # Examples
/// ```
/// use legwork_core::cron::{Cron, Zone};
/// use legwork_core::Timestamp;
///
/// let nightly = Cron::parse("0 3 * * *")?;
/// let istanbul = Zone::new("Europe/Istanbul")?;
/// let next = nightly.next(Timestamp::MIN, &istanbul);
/// assert_eq!(next.map(|at| at.to_string()).as_deref(), Some("1970-01-01T01:00:00.000Z"));
/// assert_eq!(nightly.description(), "at 03:00 every day");
/// # Ok::<(), legwork_core::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Cron {
    text: Box<str>,
    fields: Fields,
}

/// The five fields, each as the set of its values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Fields {
    minute: Field,
    hour: Field,
    day_of_month: Field,
    month: Field,
    /// Sunday is 0.
    day_of_week: Field,
}

/// One field: bit `n` of `bits` is set when the value `n` matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Field {
    bits: u64,
    /// Starts with `*` or `?`: does not restrict the day by itself.
    star: bool,
    /// Has single values only: no `*`, range or step.
    fixed: bool,
}

impl Cron {
    /// Reads an expression of at most [`CRON_MAX_BYTES`].
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid), naming the field, the column in the text
    /// and what was expected; also for an expression that never fires, such as `0 0 30 2 *`.
    /// [`ErrorKind::TooLarge`](crate::ErrorKind::TooLarge) for a longer text.
    pub fn parse(text: &str) -> Result<Self> {
        let fields = parse::fields(text)?;
        if !next::fires(&fields) {
            let message = format!("the cron expression {:?} never fires", text.trim());
            return Err(Error::invalid(message));
        }
        Ok(Self { text: text.trim().into(), fields })
    }

    /// Returns the first instant after `after` at which the rule is due in `zone`.
    ///
    /// It is strictly later than `after`, and `None` only at the end of the calendar, the year
    /// 9999.
    pub fn next(&self, after: Timestamp, zone: &Zone) -> Option<Timestamp> {
        next::next(&self.fields, after, zone)
    }

    /// Says in English when the rule is due: `at 03:00 every day`.
    pub fn description(&self) -> String {
        describe::describe(&self.fields)
    }

    /// Returns the expression as it was given, without white space around it.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl Fields {
    /// Tells whether the local times of a day are listed one by one, so that each is meant once.
    fn is_fixed(&self) -> bool {
        self.minute.fixed && self.hour.fixed
    }
}

impl Field {
    fn has(self, value: u32) -> bool {
        self.bits >> value & 1 == 1
    }

    /// Returns the least value that is at least `from`.
    fn first_from(self, from: u32) -> Option<u32> {
        let rest = self.bits.checked_shr(from)?;
        (rest != 0).then(|| from + rest.trailing_zeros())
    }

    /// Yields the values in ascending order.
    fn values(self) -> impl Iterator<Item = u32> {
        (0..u64::BITS).filter(move |&value| self.has(value))
    }
}

impl fmt::Display for Cron {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

impl fmt::Debug for Cron {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &*self.text)
    }
}

impl FromStr for Cron {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::parse(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expression_prints_as_it_was_given() {
        let cron: Cron = " 0 9-17 * * mon-fri\t".parse().unwrap();
        assert_eq!(cron.to_string(), "0 9-17 * * mon-fri");
        assert_eq!(Cron::parse(cron.as_str()).unwrap(), cron);
    }

    #[test]
    fn expressions_that_never_fire_are_refused() {
        for text in ["0 0 30 2 *", "0 0 31 4,6,9,11 *", "0 0 31 feb ?"] {
            let message = format!("the cron expression {text:?} never fires");
            assert_eq!(Cron::parse(text).unwrap_err().to_string(), message);
        }
        for text in ["0 0 30 2 1", "0 0 29 2 *", "0 0 29 2 */7"] {
            assert!(Cron::parse(text).is_ok(), "{text}");
        }
    }
}
