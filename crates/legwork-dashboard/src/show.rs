//! How numbers, durations, instants and foreign texts look on a page.
//!
//! The pages build their view structs with it. It prints plain text; escaping is the templates'.

use std::fmt::Write as _;
use std::time::Duration;

use askama::Template;
use askama::filters::HtmlSafe;
use legwork_core::inspect::Count;
use legwork_core::{JobState, Timestamp};

/// Prints a number with a comma between thousands.
pub(crate) fn number(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Prints a count, with a plus where there are more.
pub(crate) fn count(count: Count) -> String {
    let plus = if count.more { "+" } else { "" };
    format!("{}{plus}", number(count.n))
}

/// Prints how long something took: `12 ms`, `3.4 s`, `5 min 2 s`, `3 h 4 min`, `2 d 5 h`.
pub(crate) fn span(d: Duration) -> String {
    let (ms, secs) = (d.as_millis(), d.as_secs());
    match secs {
        0 if d.is_zero() => "0 s".to_owned(),
        0 if ms == 0 => "under 1 ms".to_owned(),
        0 => format!("{ms} ms"),
        1..10 => format!("{}.{} s", secs, (ms % 1000) / 100),
        10..60 => format!("{secs} s"),
        60..3_600 => two(secs / 60, "min", secs % 60, "s"),
        3_600..86_400 => two(secs / 3_600, "h", secs % 3_600 / 60, "min"),
        _ => two(secs / 86_400, "d", secs % 86_400 / 3_600, "h"),
    }
}

fn two(n: u64, unit: &str, rest: u64, rest_unit: &str) -> String {
    if rest == 0 { format!("{n} {unit}") } else { format!("{n} {unit} {rest} {rest_unit}") }
}

/// An instant on a page: relative text, absolute title.
///
/// The text changes once a minute at most, so that a fragment does not change with every second;
/// the script shows seconds.
#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(
    source = "<time datetime=\"{{ iso }}\" title=\"{{ title }}\">{{ text }}</time>",
    ext = "html"
)]
pub(crate) struct When {
    iso: String,
    title: String,
    text: String,
}

impl HtmlSafe for When {}

impl When {
    pub(crate) fn new(at: Timestamp, now: Timestamp) -> Self {
        let iso = at.to_string();
        let title = format!("{} {} UTC", &iso[..10], &iso[11..19]);
        let text = if at > now {
            match coarse(at.since(now)) {
                None => "in under a minute".to_owned(),
                Some(span) => format!("in {span}"),
            }
        } else {
            match coarse(now.since(at)) {
                None => "just now".to_owned(),
                Some(span) => format!("{span} ago"),
            }
        };
        Self { iso, title, text }
    }

    /// Returns the instant in UTC.
    pub(crate) fn absolute(&self) -> &str {
        &self.title
    }
}

/// Prints a span in its largest unit; `None` under a minute.
fn coarse(d: Duration) -> Option<String> {
    match d.as_secs() {
        0..60 => None,
        secs @ 60..3_600 => Some(format!("{} min", secs / 60)),
        secs @ 3_600..86_400 => Some(format!("{} h", secs / 3_600)),
        secs => Some(format!("{} d", secs / 86_400)),
    }
}

/// The name of a state in its colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Template)]
#[template(source = "<span class=\"state {{ name }}\">{{ name }}</span>", ext = "html")]
pub(crate) struct StateBadge {
    name: &'static str,
}

impl HtmlSafe for StateBadge {}

impl From<JobState> for StateBadge {
    fn from(state: JobState) -> Self {
        Self { name: state.as_str() }
    }
}

/// Returns `text` with the characters made visible that would hide or reorder others.
///
/// Control characters (except line feed and tab) and the marks that change the direction of text
/// become escapes such as `\u{202e}`.
pub(crate) fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        let hides = (c.is_control() && c != '\n' && c != '\t')
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}')
            || matches!(c, '\u{2060}'..='\u{2069}' | '\u{feff}');
        if hides {
            write!(shown, "\\u{{{:x}}}", u32::from(c)).expect("writing to a string cannot fail");
        } else {
            shown.push(c);
        }
    }
    shown
}

/// Returns the first line of an error, visible.
pub(crate) fn first_line(text: &str) -> String {
    visible(text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_commas_and_counts_a_plus() {
        for (n, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(number(n), text);
        }
        assert_eq!(count(Count::bounded(20_000)), "10,000+");
    }

    #[test]
    fn spans_show_two_units_at_most() {
        let table = [
            (0, "0 s"),
            (12, "12 ms"),
            (3_450, "3.4 s"),
            (59_999, "59 s"),
            (60_000, "1 min"),
            (302_000, "5 min 2 s"),
            (11_040_000, "3 h 4 min"),
            (190_800_000, "2 d 5 h"),
        ];
        for (ms, text) in table {
            assert_eq!(span(Duration::from_millis(ms)), text);
        }
        assert_eq!(span(Duration::from_micros(3)), "under 1 ms");
    }

    #[test]
    fn instants_are_relative_to_the_storage_clock() {
        let now = Timestamp::from_micros(1_772_334_000_000_000);
        let when = When::new(now.before(Duration::from_secs(125)), now);
        assert_eq!(
            when.to_string(),
            "<time datetime=\"2026-03-01T02:57:55.000Z\" title=\"2026-03-01 02:57:55 UTC\">\
             2 min ago</time>"
        );
        assert_eq!(When::new(now.after(Duration::from_hours(5)), now).text, "in 5 h");
        assert_eq!(When::new(now, now).text, "just now");
    }

    #[test]
    fn marks_that_hide_or_reorder_text_become_visible() {
        assert_eq!(visible("a\u{202e}b\u{1b}[1m\n\tc"), "a\\u{202e}b\\u{1b}[1m\n\tc");
        assert_eq!(first_line("\n  \nbroken pipe\nmore"), "broken pipe");
    }
}
