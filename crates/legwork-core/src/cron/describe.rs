//! The English sentence for a rule: `at 03:00 every day`.
//!
//! [`Cron::description`](super::Cron::description) calls it, for the dashboard and for logs. It
//! says what the rule means, not how it is written: `*/30` and `0,30` read alike.

use super::{Field, Fields};

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const WEEKDAYS: [&str; 7] =
    ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

/// How many times of day are listed one by one.
const TIMES_MAX: usize = 4;

pub(super) fn describe(fields: &Fields) -> String {
    let time = times(fields);
    let days = days(fields);
    let months = if all(fields.month, 1, 12) {
        String::new()
    } else {
        format!(" in {}", list(fields.month, 1, &month))
    };
    // "every 5 minutes every day" says the same thing twice.
    let daily = days == " every day" && (time.contains("every ") || !months.is_empty());
    format!("{time}{}{months}", if daily { "" } else { &days })
}

/// Says at which times of a day the rule is due.
fn times(fields: &Fields) -> String {
    let (minutes, hours) = (fields.minute, fields.hour);
    let every_hour = all(hours, 0, 23);
    let minute_list = || match minutes.bits {
        1 => "at the start".to_owned(),
        _ if minutes.values().count() == 1 => format!("at minute {}", list(minutes, 0, &plain)),
        _ => format!("at minutes {}", list(minutes, 0, &plain)),
    };
    let hour_list = || match hours.values().count() {
        1 => format!("hour {}", list(hours, 0, &plain)),
        _ => format!("hours {}", list(hours, 0, &plain)),
    };
    match (even_step(minutes, 60), every_hour) {
        (Some(1), true) => "every minute".to_owned(),
        (Some(1), false) => format!("every minute of {}", hour_list()),
        (Some(step), true) => format!("every {step} minutes"),
        _ if every_hour => format!("{} of every hour", minute_list()),
        _ if minutes.values().count() * hours.values().count() <= TIMES_MAX => {
            let of_hour =
                |hour| minutes.values().map(move |minute| format!("{hour:02}:{minute:02}"));
            format!("at {}", join(&hours.values().flat_map(of_hour).collect::<Vec<_>>()))
        }
        (Some(step), false) => format!("every {step} minutes of {}", hour_list()),
        _ => format!("{} of {}", minute_list(), hour_list()),
    }
}

/// Says on which days the rule is due, with a blank in front.
fn days(fields: &Fields) -> String {
    let (by_month, by_week) = (fields.day_of_month, fields.day_of_week);
    let every_date = all(by_month, 1, 31);
    let every_weekday = all(by_week, 0, 6);
    let dates = || match by_month.values().count() {
        1 => format!("day {} of the month", list(by_month, 1, &plain)),
        _ => format!("days {} of the month", list(by_month, 1, &plain)),
    };
    let weekdays = || list(by_week, 0, &weekday);
    let either = !by_month.star && !by_week.star;
    match (every_date, every_weekday) {
        (true, true) => " every day".to_owned(),
        (true, false) | (false, true) if either => " every day".to_owned(),
        (true, false) => format!(" on {}", weekdays()),
        (false, true) => format!(" on {}", dates()),
        (false, false) if either => format!(" on {} or on {}", dates(), weekdays()),
        (false, false) => format!(" on {} that are a {}", dates(), weekdays()),
    }
}

fn all(field: Field, min: u32, max: u32) -> bool {
    (min..=max).all(|value| field.has(value))
}

/// Returns `n` when the values are 0, n, 2n, … and n divides `size`.
fn even_step(field: Field, size: u32) -> Option<u32> {
    let mut values = field.values();
    let (first, step) = (values.next()?, values.next()?);
    let even = first == 0
        && size.is_multiple_of(step)
        && (0..size).all(|value| field.has(value) == value.is_multiple_of(step));
    even.then_some(step)
}

/// Lists the values, three or more in a row as a range.
fn list(field: Field, min: u32, name: &dyn Fn(u32) -> String) -> String {
    let mut entries = Vec::new();
    let mut from = min;
    while let Some(first) = field.first_from(from) {
        let last = (first..u64::BITS).take_while(|&value| field.has(value)).last().unwrap_or(first);
        if last - first >= 2 {
            entries.push(format!("{} to {}", name(first), name(last)));
        } else {
            entries.extend((first..=last).map(name));
        }
        from = last + 1;
    }
    join(&entries)
}

fn join(entries: &[String]) -> String {
    match entries {
        [] => String::new(),
        [only] => only.clone(),
        [start @ .., last] => format!("{} and {last}", start.join(", ")),
    }
}

fn plain(value: u32) -> String {
    value.to_string()
}

fn month(value: u32) -> String {
    named(&MONTHS, value, 1)
}

fn weekday(value: u32) -> String {
    named(&WEEKDAYS, value, 0)
}

fn named(names: &[&str], value: u32, min: u32) -> String {
    let index = usize::try_from(value - min).unwrap_or(usize::MAX);
    names.get(index).map_or_else(|| value.to_string(), |&name| name.to_owned())
}

#[cfg(test)]
mod tests {
    use crate::cron::Cron;

    #[test]
    fn rules_are_described_in_a_sentence() {
        for (text, sentence) in [
            ("0 3 * * *", "at 03:00 every day"),
            ("0 3,15 * * *", "at 03:00 and 15:00 every day"),
            ("* * * * *", "every minute"),
            ("*/15 * * * *", "every 15 minutes"),
            ("0,30 * * * *", "every 30 minutes"),
            ("0 * * * *", "at the start of every hour"),
            ("5 * * * *", "at minute 5 of every hour"),
            ("0 9-17 * * MON-FRI", "at the start of hours 9 to 17 on Monday to Friday"),
            ("*/20 8 * * *", "at 08:00, 08:20 and 08:40 every day"),
            ("*/5 8-10 * * *", "every 5 minutes of hours 8 to 10"),
            ("* 8 * * *", "every minute of hour 8"),
            ("0 0 1 * *", "at 00:00 on day 1 of the month"),
            ("0 0 1,15 * *", "at 00:00 on days 1 and 15 of the month"),
            ("0 0 1 1 *", "at 00:00 on day 1 of the month in January"),
            ("0 0 * 6-8 *", "at 00:00 in June to August"),
            ("0 0 * * 0", "at 00:00 on Sunday"),
            ("0 0 13 * FRI", "at 00:00 on day 13 of the month or on Friday"),
            ("0 0 */13 * FRI", "at 00:00 on days 1, 14 and 27 of the month that are a Friday"),
            ("30 12 1-7 3,9 *", "at 12:30 on days 1 to 7 of the month in March and September"),
        ] {
            assert_eq!(Cron::parse(text).unwrap().description(), sentence, "{text}");
        }
    }
}
