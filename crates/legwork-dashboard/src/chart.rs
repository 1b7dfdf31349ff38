//! The throughput chart: one bar per step, drawn as SVG on the server.
//!
//! The overview shows it. All coordinates are whole numbers in attributes, because the content
//! security policy forbids inline styles.

use std::time::Duration;

use askama::Template;
use askama::filters::HtmlSafe;
use legwork_core::Timestamp;
use legwork_core::inspect::Throughput;

use crate::show;

/// The height of the drawing in its own units.
const HEIGHT: u64 = 1_000;

/// The width of one step in units of the drawing; the bar leaves a gap.
const STEP: u64 = 10;

/// The least height of a bar that stands for something.
const BAR_MIN: u64 = 14;

/// How many times are printed below the chart.
const N_LABELS: usize = 5;

/// How far the chart looks back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) enum Span {
    /// The last hour, minute by minute.
    #[default]
    Hour,
    /// The last day in steps of ten minutes.
    Day,
}

impl Span {
    /// Reads the value of `span` in a query.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        match text {
            "" | "1h" => Some(Self::Hour),
            "24h" => Some(Self::Day),
            _ => None,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Hour => "1h",
            Self::Day => "24h",
        }
    }

    /// Returns the step and the number of points.
    pub(crate) fn steps(self) -> (Duration, usize) {
        match self {
            Self::Hour => (Duration::from_mins(1), 60),
            Self::Day => (Duration::from_mins(10), 144),
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Hour => "the last hour",
            Self::Day => "the last 24 hours",
        }
    }

    fn per(self) -> &'static str {
        match self {
            Self::Hour => "per minute",
            Self::Day => "per 10 minutes",
        }
    }
}

/// A chart, ready to be drawn.
#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(path = "_chart.html")]
pub(crate) struct Chart {
    home: String,
    span: Span,
    width: u64,
    bars: Vec<Bar>,
    top: String,
    middle: String,
    labels: Vec<Label>,
    succeeded: String,
    retried: String,
    failed: String,
    summary: String,
    is_empty: bool,
}

impl HtmlSafe for Chart {}

/// What one step looks like.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Bar {
    x: u64,
    title: String,
    parts: Vec<Part>,
}

/// One colour of a bar.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Part {
    class: &'static str,
    y: u64,
    height: u64,
}

/// A time below the chart.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Label {
    iso: String,
    text: String,
}

impl Chart {
    /// Draws the points, oldest first.
    pub(crate) fn new(points: &[Throughput], span: Span, home: &str) -> Self {
        let highest = points.iter().map(all).max().unwrap_or(0);
        let top = round_up(highest);
        let sum = |of: fn(&Throughput) -> u64| points.iter().map(of).sum::<u64>();
        let (succeeded, retried, failed) =
            (sum(|p| p.succeeded), sum(|p| p.retried), sum(|p| p.failed));
        let summary = format!(
            "In {}: {} succeeded, {} retried, {} failed. At most {} {}.",
            span.words(),
            show::number(succeeded),
            show::number(retried),
            show::number(failed),
            show::number(highest),
            span.per(),
        );
        let n = u64::try_from(points.len()).unwrap_or(0);
        Self {
            home: home.to_owned(),
            span,
            width: std::cmp::max(n, 1) * STEP,
            bars: (0..).zip(points).filter_map(|(i, point)| bar(i, point, top)).collect(),
            top: show::number(top),
            middle: if top > 1 { show::number(top / 2) } else { String::new() },
            labels: labels(points),
            succeeded: show::number(succeeded),
            retried: show::number(retried),
            failed: show::number(failed),
            summary,
            is_empty: highest == 0,
        }
    }
}

fn all(point: &Throughput) -> u64 {
    point.succeeded.saturating_add(point.retried).saturating_add(point.failed)
}

/// Draws one step; `None` when nothing ended in it.
fn bar(i: u64, point: &Throughput, top: u64) -> Option<Bar> {
    if all(point) == 0 {
        return None;
    }
    let kinds =
        [("succeeded", point.succeeded), ("retried", point.retried), ("failed", point.failed)];
    let mut y = HEIGHT;
    let mut parts = Vec::with_capacity(kinds.len());
    for (class, n) in kinds.into_iter().filter(|&(_, n)| n > 0) {
        let height = std::cmp::max(n.saturating_mul(HEIGHT) / top, BAR_MIN);
        let height = std::cmp::min(height, y);
        y -= height;
        parts.push(Part { class, y, height });
    }
    let title = format!(
        "{} UTC: {} succeeded, {} retried, {} failed",
        clock(point.at),
        show::number(point.succeeded),
        show::number(point.retried),
        show::number(point.failed)
    );
    Some(Bar { x: i * STEP + 1, title, parts })
}

/// Returns the next of 2, 4, 6, 8, 10, 12, 16, 20, 24, … : even, so that its half is whole.
fn round_up(n: u64) -> u64 {
    const SMALL: [u64; 4] = [2, 4, 6, 8];
    const STEPS: [u64; 10] = [10, 12, 16, 20, 24, 30, 40, 50, 60, 80];
    if let Some(top) = SMALL.into_iter().find(|&top| n <= top) {
        return top;
    }
    let mut unit: u64 = 1;
    loop {
        let mut tops = STEPS.into_iter().map(|step| step.saturating_mul(unit));
        if let Some(top) = tops.find(|&top| n <= top) {
            return top;
        }
        unit = unit.saturating_mul(10);
    }
}

fn labels(points: &[Throughput]) -> Vec<Label> {
    let Some(last) = points.len().checked_sub(1) else {
        return Vec::new();
    };
    (0..N_LABELS)
        .map(|i| {
            let at = points[last * i / (N_LABELS - 1)].at;
            Label { iso: at.to_string(), text: clock(at) }
        })
        .collect()
}

/// Prints the hour and minute in UTC.
fn clock(at: Timestamp) -> String {
    at.to_string()[11..16].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(minute: i64, succeeded: u64, failed: u64) -> Throughput {
        let at = Timestamp::from_micros(1_772_334_000_000_000 + minute * 60_000_000);
        Throughput { at, succeeded, failed, retried: 0 }
    }

    #[test]
    fn the_top_of_the_scale_is_round_and_not_below_the_highest_bar() {
        for (n, top) in [(0, 2), (2, 2), (3, 4), (7, 8), (11, 12), (41, 50), (999, 1000)] {
            assert_eq!(round_up(n), top);
        }
        assert!(round_up(u64::MAX) == u64::MAX);
    }

    #[test]
    fn bars_stack_to_their_share_of_the_scale() {
        let chart = Chart::new(&[point(0, 6, 4), point(1, 0, 0)], Span::Hour, "");
        assert_eq!(chart.bars.len(), 1, "an empty step has no bar");
        assert_eq!(
            chart.bars[0].parts,
            [
                Part { class: "succeeded", y: 400, height: 600 },
                Part { class: "failed", y: 0, height: 400 }
            ]
        );
        let summary = "In the last hour: 6 succeeded, 0 retried, 4 failed. At most 10 per minute.";
        assert_eq!(chart.summary, summary);
    }

    #[test]
    fn one_failure_among_thousands_can_still_be_seen() {
        let chart = Chart::new(&[point(0, 90_000, 1)], Span::Hour, "");
        assert_eq!(chart.bars[0].parts[1].height, BAR_MIN);
    }

    #[test]
    fn no_points_make_an_empty_chart() {
        let chart = Chart::new(&[], Span::Day, "");
        assert!(chart.is_empty && chart.labels.is_empty());
    }
}
