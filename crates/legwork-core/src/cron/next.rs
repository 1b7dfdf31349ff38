//! The search for the next instant at which a rule is due.
//!
//! [`Cron::next`](super::Cron::next) calls it. It walks the stretches of constant offset of a zone,
//! and inside each the months and days of the calendar, never minute by minute.

use jiff::civil::{Date, DateTime};
use jiff::{SignedDuration, Timestamp as Instant};

use super::Fields;
use super::zone::{Start, Stretch, Zone};
use crate::time::Timestamp;

/// How many months one search looks at. The calendar repeats itself after 400 years.
const MONTHS_MAX: u32 = 400 * 12 + 1;

/// Tells whether any day of the calendar matches.
pub(super) fn fires(fields: &Fields) -> bool {
    next_day(fields, Date::constant(2000, 1, 1)).is_some()
}

/// Returns the first instant after `after` at which the rule is due.
pub(super) fn next(fields: &Fields, after: Timestamp, zone: &Zone) -> Option<Timestamp> {
    // Occurrences lie at whole seconds: start at the first one that is later.
    let mut earliest = Instant::from_second(after.to_jiff().as_second() + 1).ok()?;
    let mut search = Search { fields, known: None };
    loop {
        let stretch = zone.stretch(earliest);
        match search.within(&stretch, earliest) {
            Found::At(at) => return timestamp(at),
            Found::Later => earliest = stretch.end?,
            Found::Never => return None,
        }
    }
}

fn timestamp(at: Instant) -> Option<Timestamp> {
    let micros = at.as_microsecond();
    (micros <= Timestamp::MAX.as_micros()).then(|| Timestamp::from_micros(micros))
}

/// Searches local times, and remembers what it found: a rule that is due in years is looked up
/// once, not once per change of offset until then.
struct Search<'a> {
    fields: &'a Fields,
    /// Nothing matches from the first to the second, which does.
    known: Option<(DateTime, DateTime)>,
}

enum Found {
    At(Instant),
    /// Not within this stretch.
    Later,
    /// Not within the calendar.
    Never,
}

impl Search<'_> {
    /// Searches one stretch from `earliest`, which lies in it.
    fn within(&mut self, stretch: &Stretch, earliest: Instant) -> Found {
        let mut from = stretch.offset.to_datetime(earliest);
        if let Some(Start { at, before }) = stretch.start {
            let resumes = stretch.offset.to_datetime(at);
            let stopped = before.to_datetime(at);
            if stopped < resumes && earliest == at {
                // A gap: what is inside it is due at the first instant after it.
                match self.local(stopped) {
                    Some(local) if local < resumes => return Found::At(at),
                    Some(_) => {}
                    None => return Found::Never,
                }
            } else if resumes < stopped && self.fields.is_fixed() {
                // A repeated hour: the times in it were due in the first pass.
                from = std::cmp::max(from, stopped);
            }
        }
        let Some(local) = self.local(from) else { return Found::Never };
        match stretch.offset.to_timestamp(local) {
            Ok(at) if stretch.end.is_none_or(|end| at < end) => Found::At(at),
            Ok(_) => Found::Later,
            Err(_) => Found::Never,
        }
    }

    /// Returns the first matching local time that is not before `from`.
    fn local(&mut self, from: DateTime) -> Option<DateTime> {
        if let Some((since, found)) = self.known
            && (since..=found).contains(&from)
        {
            return Some(found);
        }
        let found = next_local(self.fields, from)?;
        self.known = Some((from, found));
        Some(found)
    }
}

/// Returns the first matching local time that is not before `from`.
fn next_local(fields: &Fields, from: DateTime) -> Option<DateTime> {
    let minute = SignedDuration::from_mins(1);
    let from = if from.second() > 0 { from.checked_add(minute).ok()? } else { from };
    let date = next_day(fields, from.date())?;
    if date == from.date()
        && let Some(found) = next_time(fields, date, number(from.hour()), number(from.minute()))
    {
        return Some(found);
    }
    let date = if date == from.date() { next_day(fields, date.tomorrow().ok()?)? } else { date };
    next_time(fields, date, 0, 0)
}

/// Returns the first matching time of `date` that is not before `hour:minute`.
fn next_time(fields: &Fields, date: Date, hour: u32, minute: u32) -> Option<DateTime> {
    let this_hour = fields.hour.has(hour).then(|| fields.minute.first_from(minute)).flatten();
    let (hour, minute) = match this_hour {
        Some(minute) => (hour, minute),
        None => (fields.hour.first_from(hour + 1)?, fields.minute.first_from(0)?),
    };
    Some(date.at(i8::try_from(hour).ok()?, i8::try_from(minute).ok()?, 0, 0))
}

/// Returns the first matching day that is not before `from`, within [`MONTHS_MAX`] months.
fn next_day(fields: &Fields, from: Date) -> Option<Date> {
    let (mut year, mut month, mut day) = (from.year(), from.month(), number(from.day()));
    for _ in 0..MONTHS_MAX {
        if fields.month.has(number(month)) {
            let first = Date::new(year, month, 1).ok()?;
            let days = matching_days(fields, first) >> day;
            if days != 0 {
                return Date::new(year, month, i8::try_from(day + days.trailing_zeros()).ok()?)
                    .ok();
            }
        }
        day = 1;
        (year, month) = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
    }
    None
}

/// Returns the matching days of the month that starts at `first`; bit 1 is its first day.
fn matching_days(fields: &Fields, first: Date) -> u64 {
    let (by_month, by_week) = (fields.day_of_month, fields.day_of_week);
    let first_weekday = number(first.weekday().to_sunday_zero_offset());
    let either = !by_month.star && !by_week.star;
    (1..=number(first.days_in_month())).fold(0, |days, day| {
        let in_month = by_month.has(day);
        let in_week = by_week.has((first_weekday + day - 1) % 7);
        let matches = if either { in_month || in_week } else { in_month && in_week };
        days | u64::from(matches) << day
    })
}

/// Widens a part of a date or time, none of which is negative.
fn number(part: i8) -> u32 {
    u32::from(part.unsigned_abs())
}

#[cfg(test)]
mod tests {
    use crate::cron::{Cron, Zone};
    use crate::time::Timestamp;

    /// Checks the occurrences after `after`, all in RFC 3339.
    fn check(cron: &str, zone: &str, after: &str, expected: &[&str]) {
        let (cron, zone) = (Cron::parse(cron).unwrap(), Zone::new(zone).unwrap());
        let after: jiff::Timestamp = after.parse().unwrap();
        let mut at = Timestamp::from_micros(after.as_microsecond());
        for expected in expected {
            at = cron.next(at, &zone).unwrap();
            assert_eq!(at.to_string(), format!("{expected}:00.000Z"), "{cron} in {zone}");
        }
    }

    #[test]
    fn the_next_instant_is_strictly_later() {
        check("0 3 * * *", "UTC", "2026-01-31T03:00:00Z", &["2026-02-01T03:00"]);
        check("0 3 * * *", "UTC", "2026-01-31T02:59:59.999999Z", &["2026-01-31T03:00"]);
        check("* * * * *", "UTC", "2026-12-31T23:59:00.5Z", &["2027-01-01T00:00"]);
        check("59 23 31 12 *", "UTC", "1970-01-01T00:00:00Z", &["1970-12-31T23:59"]);
    }

    #[test]
    fn a_leap_day_on_a_sunday_is_found_over_a_century_without_one() {
        let dates = ["2088-02-29T00:00", "2128-02-29T00:00"];
        check("0 0 29 2 */7", "UTC", "2060-03-01T00:00:00Z", &dates);
        check("0 0 29 2 */7", "Europe/London", "2060-03-01T00:00:00Z", &dates);
    }

    #[test]
    fn either_day_field_matches_when_both_are_restricted() {
        let friday_or_13th = ["2026-02-06T00:00", "2026-02-13T00:00", "2026-02-20T00:00"];
        check("0 0 13 2 FRI", "UTC", "2026-01-01T00:00:00Z", &friday_or_13th);
        let both = ["2026-02-01T00:00", "2026-03-01T00:00", "2026-11-01T00:00"];
        check("0 0 1 * */7", "UTC", "2026-01-02T00:00:00Z", &both);
    }

    #[test]
    fn what_falls_into_a_gap_is_due_once_right_after_it() {
        let after = "2026-03-28T12:00:00Z";
        check("30 1 * * *", "Europe/London", after, &["2026-03-29T01:00", "2026-03-30T00:30"]);
        check("*/20 1 * * *", "Europe/London", after, &["2026-03-29T01:00", "2026-03-30T00:00"]);
        let half_an_hour = ["2026-10-03T15:30", "2026-10-04T15:15"];
        check("15 2 * * *", "Australia/Lord_Howe", "2026-10-03T12:00:00Z", &half_an_hour);
        let midnight = ["2026-04-23T22:00", "2026-04-24T21:00"];
        check("0 0 * * *", "Africa/Cairo", "2026-04-23T12:00:00Z", &midnight);
    }

    #[test]
    fn a_day_that_does_not_exist_is_a_gap() {
        let zone = "Pacific/Apia";
        let after = "2011-12-29T23:00:00Z";
        check("0 12 30 12 *", zone, after, &["2011-12-30T10:00", "2012-12-29T22:00"]);
        check("0 12 * * *", zone, after, &["2011-12-30T10:00", "2011-12-30T22:00"]);
    }

    #[test]
    fn in_a_repeated_hour_fixed_times_are_due_once_and_others_in_both_passes() {
        let (zone, after) = ("Europe/London", "2026-10-25T00:00:00Z");
        check("30 1 * * *", zone, after, &["2026-10-25T00:30", "2026-10-26T01:30"]);
        check("30 1 * * *", zone, "2026-10-25T00:30:00Z", &["2026-10-26T01:30"]);
        check("30 1 * * *", zone, "2026-10-25T01:10:00Z", &["2026-10-26T01:30"]);
        check("30 * * * *", zone, after, &["2026-10-25T00:30", "2026-10-25T01:30"]);
        check("0 2 * * *", zone, after, &["2026-10-25T02:00"]);
    }

    #[test]
    fn a_rule_ends_with_the_calendar() {
        let cron = Cron::parse("0 0 1 1 *").unwrap();
        assert_eq!(cron.next(Timestamp::MAX, &Zone::utc()), None);
        let last = Timestamp::from_micros(Timestamp::MAX.as_micros() - 366 * 86_400_000_000);
        assert!(cron.next(last, &Zone::new("Europe/London").unwrap()).is_some());
    }
}
