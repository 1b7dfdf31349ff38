//! Draws one numeric column as an inline SVG: the mean as a line, the range behind it.
//!
//! `page` calls it. It only computes places and texts; the template writes (and escapes) them.

use super::table::{Column, Table};

/// The size of the drawing, in the units of its view box.
const WIDTH: f64 = 960.0;
const HEIGHT: f64 = 320.0;

/// Where the plot lies in it: room for numbers on the left and labels below.
const LEFT: f64 = 72.0;
const RIGHT: f64 = WIDTH - 16.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = HEIGHT - 32.0;

/// How many labels stand below the plot.
const LABELS: usize = 5;

/// A drawing of one column.
#[derive(Debug)]
pub(crate) struct Chart {
    /// The column.
    pub(crate) name: String,
    /// The path of the mean.
    pub(crate) line: String,
    /// The path around least and greatest.
    pub(crate) band: String,
    /// The grid lines: height and number.
    pub(crate) grid: Vec<(String, String)>,
    /// The labels below: place, anchor and text.
    pub(crate) labels: Vec<(String, &'static str, String)>,
}

impl Chart {
    /// Draws the column named `wanted`, or the first numeric one; `None` when there is none.
    pub(crate) fn draw(table: &Table, wanted: Option<&str>) -> Option<Self> {
        let mut numeric = table.columns.iter().filter(|column| column.is_numeric());
        let column = match wanted {
            Some(name) => numeric.find(|column| column.name == name)?,
            None => numeric.next()?,
        };
        let plot = Plot::around(column);
        Some(Self {
            name: column.name.clone(),
            line: plot.line(column),
            band: plot.band(column),
            grid: plot.grid(),
            labels: plot.labels(table),
        })
    }
}

/// The scales of a plot.
struct Plot {
    n_samples: usize,
    low: f64,
    high: f64,
}

impl Plot {
    fn around(column: &Column) -> Self {
        let (mut low, mut high) = (column.all.min, column.all.max);
        // A flat line runs through the middle; numbers near the limits must not overflow below.
        let pad = if high / 2.0 - low / 2.0 > f64::MIN_POSITIVE { 0.0 } else { low.abs() + 1.0 };
        low = (low - pad).max(f64::MIN / 4.0);
        high = (high + pad).min(f64::MAX / 4.0);
        Self { n_samples: column.samples.len(), low, high }
    }

    /// Returns where a sample lies from left to right.
    fn x(&self, sample: usize) -> f64 {
        let last = index(self.n_samples.saturating_sub(1));
        let share = if last == 0.0 { 0.5 } else { index(sample) / last };
        LEFT + share * (RIGHT - LEFT)
    }

    /// Returns where a number lies from top to bottom.
    fn y(&self, number: f64) -> f64 {
        let share = (number.clamp(self.low, self.high) - self.low) / (self.high - self.low);
        BOTTOM - share * (BOTTOM - TOP)
    }

    fn line(&self, column: &Column) -> String {
        let mut pen = 'M';
        let points = column.samples.iter().enumerate().filter_map(|(sample, spread)| {
            if spread.is_empty() {
                pen = 'M';
                return None;
            }
            Some(self.point(std::mem::replace(&mut pen, 'L'), sample, spread.mean))
        });
        points.collect::<Vec<_>>().concat()
    }

    fn band(&self, column: &Column) -> String {
        let filled = || column.samples.iter().enumerate().filter(|(_, spread)| !spread.is_empty());
        let above = filled().map(|(sample, spread)| (sample, spread.max));
        let below = filled().rev().map(|(sample, spread)| (sample, spread.min));
        let mut pen = 'M';
        let points = above
            .chain(below)
            .map(|(sample, number)| self.point(std::mem::replace(&mut pen, 'L'), sample, number));
        points.collect::<Vec<_>>().concat() + "Z"
    }

    /// Writes a step of a path: `M` moves to the place, `L` draws a line to it.
    fn point(&self, pen: char, sample: usize, number: f64) -> String {
        format!("{pen}{:.1} {:.1}", self.x(sample), self.y(number))
    }

    /// Returns three to eight lines at round numbers.
    fn grid(&self) -> Vec<(String, String)> {
        let rough = (self.high - self.low) / 3.0;
        let power = 10_f64.powf(rough.log10().floor());
        let step = [5.0, 2.0, 1.0]
            .map(|factor| factor * power)
            .into_iter()
            .find(|&step| step <= rough)
            .unwrap_or(rough);
        let first = (self.low / step).ceil() * step;
        (0..8)
            .map(|n| first + index(n) * step)
            .filter(|&number| number <= self.high)
            .map(|number| (format!("{:.1}", self.y(number)), readable(number)))
            .collect()
    }

    fn labels(&self, table: &Table) -> Vec<(String, &'static str, String)> {
        let last = self.n_samples.saturating_sub(1);
        let n = std::cmp::min(LABELS, self.n_samples);
        let samples = (0..n).map(|label| if n == 1 { 0 } else { label * last / (n - 1) });
        let labels = samples.map(|sample| {
            let anchor = match sample {
                0 => "start",
                _ if sample == last => "end",
                _ => "middle",
            };
            (format!("{:.1}", self.x(sample)), anchor, table.label(sample))
        });
        labels.collect()
    }
}

/// Writes a number as people do: up to three decimals, no trailing zeros.
pub(crate) fn readable(number: f64) -> String {
    let size = number.abs();
    if number != 0.0 && !(1e-3..1e12).contains(&size) {
        return format!("{number:.3e}");
    }
    let text = format!("{number:.3}");
    match text.trim_end_matches('0').trim_end_matches('.') {
        "-0" => "0".to_owned(),
        text => text.to_owned(),
    }
}

/// Returns a small index as a number.
fn index(n: usize) -> f64 {
    u32::try_from(n).map_or(f64::MAX, f64::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(rows: &[&str]) -> Table {
        let mut table = Table::new(["when", "x"].into_iter().map(str::to_owned));
        for (n, row) in rows.iter().enumerate() {
            let when = format!("day {n}");
            table.add([when.as_bytes(), row.as_bytes()].into_iter());
        }
        table
    }

    #[test]
    fn the_line_runs_from_the_left_edge_to_the_right_and_breaks_at_gaps() {
        let chart = Chart::draw(&table(&["0", "10", "", "5"]), None).unwrap();
        assert_eq!(chart.name, "x");
        assert_eq!(chart.line, "M72.0 288.0L362.7 12.0M944.0 150.0");
        assert_eq!(chart.labels[0], ("72.0".to_owned(), "start", "day 0".to_owned()));
        assert_eq!(chart.labels[3], ("944.0".to_owned(), "end", "day 3".to_owned()));
    }

    #[test]
    fn grid_lines_stand_at_round_numbers() {
        let numbers = |rows: &[&str]| -> Vec<String> {
            let chart = Chart::draw(&table(rows), None).unwrap();
            chart.grid.into_iter().map(|(_, number)| number).collect()
        };
        assert_eq!(numbers(&["0", "10"]), ["0", "2", "4", "6", "8", "10"]);
        assert_eq!(numbers(&["3.7", "21.4"]), ["5", "10", "15", "20"]);
        assert_eq!(numbers(&["-0.02", "0.05"]), ["-0.02", "0", "0.02", "0.04"]);
    }

    #[test]
    fn odd_columns_still_make_a_drawing() {
        for rows in [&["5"][..], &["5", "5"], &["1e308", "-1e308"], &["1e-320", "0"]] {
            let chart = Chart::draw(&table(rows), None).unwrap();
            let text = format!("{chart:?}");
            assert!(!text.contains("NaN") && !text.contains("inf"), "{rows:?}: {text}");
        }
        assert!(Chart::draw(&table(&["no", "number"]), None).is_none());
    }

    #[test]
    fn the_wanted_column_is_drawn() {
        let table = table(&["1", "2"]);
        assert_eq!(Chart::draw(&table, Some("x")).unwrap().name, "x");
        assert!(Chart::draw(&table, Some("y")).is_none());
    }

    #[test]
    fn numbers_are_written_as_people_do() {
        let table = [(1016.6, "1016.6"), (0.1 + 0.2, "0.3"), (-0.0, "0"), (2e20, "2.000e20")];
        for (number, text) in table {
            assert_eq!(readable(number), text);
        }
    }
}
