//! Tests of the search against a walk of civil time, minute by minute, and its properties.
//!
//! The walk shares no code with the search: it reads the expressions by itself and takes what is
//! skipped or repeated from the local times that it passes.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp as Instant};
use proptest::prelude::*;

use crate::cron::{Cron, Zone};
use crate::time::Timestamp;

/// Zones with each kind of change: an hour, half an hour, at midnight, negative, a whole day, none.
const ZONES: [&str; 13] = [
    "Europe/London",
    "America/New_York",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "Africa/Cairo",
    "Europe/Dublin",
    "America/Santiago",
    "Asia/Beirut",
    "Africa/Casablanca",
    "America/Sao_Paulo",
    "Asia/Kolkata",
    "Antarctica/Troll",
    "UTC",
];

const EXPRESSIONS: [&str; 18] = [
    "* * * * *",
    "0 3 * * *",
    "30 1 * * *",
    "15,45 0,1,2,23 * * *",
    "0 0 * * *",
    "59 23 * * *",
    "*/15 * * * *",
    "7 * * * *",
    "10-50/20 1-3 * * *",
    "30 2/12 * * *",
    "0 22-2 * * *",
    "30 0 * * SUN",
    "0 12 * * 6-7",
    "*/30 2 */2 * SUN",
    "0 1 8-14 3,10 SUN",
    "0 2 29-31 * *",
    "45 1 * NOV *",
    "0 12 30 12 *",
];

/// Reads one field by brute force.
fn admits(field: &str, value: i8, min: i8, max: i8) -> bool {
    let number = |text: &str| match text {
        "SUN" => 0,
        "MON" => 1,
        "FEB" => 2,
        "FRI" => 5,
        "SAT" => 6,
        "NOV" => 11,
        _ => text.parse::<i8>().unwrap(),
    };
    field.split(',').any(|item| {
        let (range, step) = item.split_once('/').unwrap_or((item, ""));
        let (from, to) = match range.split_once('-') {
            _ if range == "*" => (min, max),
            Some((from, to)) => (number(from), number(to)),
            None if step.is_empty() => (number(range), number(range)),
            None => (number(range), max),
        };
        let step = if step.is_empty() { 1 } else { number(step) };
        let mut candidates: Vec<i8> =
            if from <= to { (from..=to).collect() } else { (from..=max).chain(min..=to).collect() };
        if max == 6 {
            candidates = candidates.into_iter().map(|day| day % 7).collect();
        }
        candidates.iter().step_by(usize::try_from(step).unwrap()).any(|&c| c == value)
    })
}

/// A rule as tables of the values that each field admits.
struct Oracle {
    admitted: [Vec<bool>; 5],
    either: bool,
    fixed: bool,
}

impl Oracle {
    fn new(text: &str) -> Self {
        let fields: Vec<&str> = text.split(' ').collect();
        let ranges = [(0, 59), (0, 23), (1, 31), (1, 12), (0, 6)];
        let mut index = 0;
        let admitted = ranges.map(|(min, max)| {
            index += 1;
            (0..=max).map(|value: i8| admits(fields[index - 1], value, min, max)).collect()
        });
        let either = !fields[2].starts_with('*') && !fields[4].starts_with('*');
        let fixed = !fields[..2].concat().contains(['*', '-', '/']);
        Self { admitted, either, fixed }
    }

    fn matches(&self, local: DateTime) -> bool {
        let has = |field: usize, value: i8| self.admitted[field][usize::try_from(value).unwrap()];
        let by_month = has(2, local.day());
        let by_week = has(4, local.weekday().to_sunday_zero_offset());
        let day = if self.either { by_month || by_week } else { by_month && by_week };
        has(0, local.minute()) && has(1, local.hour()) && has(3, local.month()) && day
    }

    /// Tells whether the rule is due at `at`, whose local time is `local`, a minute after `before`.
    fn due(&self, at: Instant, before: DateTime, local: DateTime, zone: &TimeZone) -> bool {
        let minute = SignedDuration::from_mins(1);
        let mut skipped = before.checked_add(minute).unwrap();
        while skipped < local {
            if self.matches(skipped) {
                return true;
            }
            skipped = skipped.checked_add(minute).unwrap();
        }
        let first = || zone.to_ambiguous_timestamp(local).earlier().unwrap();
        self.matches(local) && (!self.fixed || first() == at)
    }
}

/// Walks `days` days from `from` and compares every occurrence of every expression.
fn walk(zone: &str, from: Instant, days: i64) {
    let tz = TimeZone::get(zone).unwrap();
    let zone = Zone::new(zone).unwrap();
    let minute = SignedDuration::from_mins(1);
    let rules = EXPRESSIONS.map(|text| (Oracle::new(text), Cron::parse(text).unwrap()));
    let mut next = rules
        .each_ref()
        .map(|(_, cron)| cron.next(Timestamp::from_micros(from.as_microsecond()), &zone).unwrap());
    let (mut at, mut before) = (from, tz.to_datetime(from));
    for _ in 0..days * 24 * 60 {
        at = at.checked_add(minute).unwrap();
        let local = tz.to_datetime(at);
        let now = Timestamp::from_micros(at.as_microsecond());
        for ((oracle, cron), next) in rules.iter().zip(&mut next) {
            let due = oracle.due(at, before, local, &tz);
            assert_eq!(due, *next == now, "{cron} in {zone} at {at} ({local}), next is {next}");
            if due {
                *next = cron.next(now, &zone).unwrap();
                assert!(*next > now);
            }
        }
        before = local;
    }
}

#[test]
fn the_search_agrees_with_a_walk_around_every_change_of_offset() {
    let (from, to): (Instant, Instant) =
        ("2010-01-01T00:00:00Z".parse().unwrap(), "2035-01-01T00:00:00Z".parse().unwrap());
    let day = SignedDuration::from_hours(24);
    for (index, zone) in ZONES.into_iter().enumerate() {
        let tz = TimeZone::get(zone).unwrap();
        let changes = tz.following(from).take_while(|change| change.timestamp() < to);
        // Each zone starts at another year, so that together they see each year and stay quick.
        for change in changes.skip(index % 5).step_by(5) {
            walk(zone, change.timestamp().checked_sub(day).unwrap(), 2);
        }
    }
}

#[test]
fn the_search_agrees_with_a_walk_of_the_day_that_apia_skipped() {
    walk("Pacific/Apia", "2011-12-28T00:00:00Z".parse().unwrap(), 5);
}

#[test]
fn the_search_agrees_with_a_walk_of_months() {
    walk("UTC", "2028-02-20T00:00:00Z".parse().unwrap(), 40);
    walk("Asia/Kolkata", "2027-12-20T00:00:00Z".parse().unwrap(), 20);
}

fn any_rule() -> impl Strategy<Value = Cron> {
    let minute = prop_oneof!["[0-9]", "[1-5][0-9],[0-9]", "\\*", "\\*/[1-9]", "[1-4][0-9]-50/7"];
    let hour = prop_oneof!["[0-9]", "1[0-9],[0-4]", "\\*", "\\*/[1-9]", "2[0-3]-[0-4]"];
    let date = prop_oneof!["\\*", "[1-9]", "[12][0-9]", "2[0-8]-[1-9]", "\\*/[2-9]"];
    let month = prop_oneof!["\\*", "[1-9]", "\\*/[2-5]", "NOV-FEB"];
    let weekday = prop_oneof!["\\*", "[0-7]", "MON-FRI", "SAT-MON"];
    (minute, hour, date, month, weekday)
        .prop_map(|(a, b, c, d, e)| Cron::parse(&format!("{a} {b} {c} {d} {e}")).unwrap())
}

proptest! {
    #[test]
    fn occurrences_increase_strictly_and_match_unless_moved_out_of_a_gap(
        cron in any_rule(),
        zone in 0..ZONES.len(),
        secs in 0..4_000_000_000_i64,
    ) {
        let tz = TimeZone::get(ZONES[zone]).unwrap();
        let zone = Zone::new(ZONES[zone]).unwrap();
        let oracle = Oracle::new(cron.as_str());
        let mut after = Timestamp::from_micros(secs * 1_000_000 + 1);
        for _ in 0..4 {
            let next = cron.next(after, &zone).unwrap();
            prop_assert!(next > after);
            let at = Instant::from_microsecond(next.as_micros()).unwrap();
            let second_before = at.checked_sub(SignedDuration::from_secs(1)).unwrap();
            let after_gap = tz.to_offset(second_before).seconds() < tz.to_offset(at).seconds();
            prop_assert!(after_gap || oracle.matches(tz.to_datetime(at)));
            after = next;
        }
    }

    #[test]
    fn a_rule_that_is_printed_and_read_again_is_the_same(cron in any_rule()) {
        prop_assert_eq!(&Cron::parse(&cron.to_string()).unwrap(), &cron);
    }

    #[test]
    fn no_occurrence_lies_between_two_that_follow_each_other(
        cron in any_rule(),
        secs in 0..4_000_000_000_i64,
        share in 0.0..1.0_f64,
    ) {
        let zone = Zone::new("Europe/London").unwrap();
        let after = Timestamp::from_micros(secs * 1_000_000);
        let next = cron.next(after, &zone).unwrap();
        let between = after.after(next.since(after).mul_f64(share));
        prop_assume!(between < next);
        prop_assert_eq!(cron.next(between, &zone), Some(next));
    }
}
