//! Writes the report as one HTML page that needs nothing else: no script, no other file.
//!
//! `build` calls it. Every text comes from an upload, and every text is escaped by the template.

use anyhow::{Context, Result};
use askama::Template;

use super::chart::{Chart, readable};
use super::scan::Scan;
use super::table::Column;

/// Renders the page of a report.
pub(crate) fn render(name: &str, scan: &Scan, wanted_chart: Option<&str>) -> Result<String> {
    let table = &scan.table;
    let page = Page {
        name,
        n_rows: grouped(table.n_rows),
        n_bad_rows: (scan.n_bad_rows > 0).then(|| grouped(scan.n_bad_rows)),
        first_bad_line: scan.first_bad_line.map(grouped).unwrap_or_default(),
        wanted_chart,
        chart: Chart::draw(table, wanted_chart),
        columns: table.columns.iter().map(ColumnRow::new).collect(),
    };
    page.render().context("cannot render the page of the report")
}

#[derive(Template)]
#[template(path = "report.html")]
struct Page<'a> {
    name: &'a str,
    n_rows: String,
    n_bad_rows: Option<String>,
    first_bad_line: String,
    wanted_chart: Option<&'a str>,
    chart: Option<Chart>,
    columns: Vec<ColumnRow<'a>>,
}

/// One row of the table of columns.
struct ColumnRow<'a> {
    name: &'a str,
    n_numbers: String,
    n_texts: String,
    /// Least, mean and greatest, when the column is numeric.
    numbers: Option<[String; 3]>,
}

impl<'a> ColumnRow<'a> {
    fn new(column: &'a Column) -> Self {
        let all = &column.all;
        Self {
            name: &column.name,
            n_numbers: grouped(column.n_numbers),
            n_texts: grouped(column.n_texts),
            numbers: column.is_numeric().then(|| [all.min, all.mean, all.max].map(readable)),
        }
    }
}

/// Writes a count with its thousands apart: `1,234,567`.
pub(crate) fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;

    use super::*;
    use crate::reports::scan::scan;

    fn page(csv: &str, wanted_chart: Option<&str>) -> String {
        let scan = scan(csv.as_bytes(), |_| ControlFlow::Continue(())).unwrap();
        render("<b>sales</b>.csv", &scan, wanted_chart).unwrap()
    }

    #[test]
    fn the_page_shows_every_column_and_one_chart() {
        let html = page("day,x,y\nMon,1,8\nTue,3,9\nbad\n", None);
        assert_eq!(html.matches("<svg").count(), 1);
        for text in ["<th scope=\"row\">x</th>", "1 row does not", "first in line 4", "<td>2</td>"]
        {
            assert!(html.contains(text), "{text:?} is missing in\n{html}");
        }
    }

    #[test]
    fn texts_of_the_upload_are_escaped() {
        let html = page("<script>,\"x\"\"><i>\"\n<img>,1\n<img>,2\n", None);
        for text in ["<script>", "<i>", "<img>", "<b>"] {
            assert!(!html.contains(text), "{text:?} is not escaped in\n{html}");
        }
    }

    #[test]
    fn a_page_without_a_chart_says_why() {
        assert!(page("a\nx\n", None).contains("no column of numbers"));
        assert!(page("a\n1\n", Some("b")).contains("no column of numbers named"));
    }

    #[test]
    fn thousands_are_kept_apart() {
        let table = [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")];
        for (n, text) in table {
            assert_eq!(grouped(n), text);
        }
    }
}
