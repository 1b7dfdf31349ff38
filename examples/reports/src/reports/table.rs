//! What is remembered of a table while its rows pass by: a few numbers per column, and samples.
//!
//! `scan` feeds it row by row; `page` and `chart` read it. Its size depends on the number of
//! columns only, never on the number of rows.

/// How many points a column keeps for the chart. When they are used up, neighbours are merged, so
/// that there are always between half of it and all of it.
pub(crate) const SAMPLES_MAX: usize = 512;

/// How long the label of a sample is, in characters.
const LABEL_MAX_CHARS: usize = 20;

/// A table of which the rows have passed by.
#[derive(Debug)]
pub(crate) struct Table {
    /// How many rows there are.
    pub(crate) n_rows: u64,
    /// The columns, in the order of the header.
    pub(crate) columns: Vec<Column>,
    /// What the first cell said where each sample starts.
    labels: Vec<String>,
    /// How many rows one sample stands for.
    rows_per_sample: u64,
    /// How many rows the last sample has taken.
    rows_in_last: u64,
}

/// One column.
#[derive(Debug)]
pub(crate) struct Column {
    /// Its name in the header.
    pub(crate) name: String,
    /// How many cells hold a number.
    pub(crate) n_numbers: u64,
    /// How many cells hold something else.
    pub(crate) n_texts: u64,
    /// Its numbers.
    pub(crate) all: Spread,
    /// Its numbers, sample by sample.
    pub(crate) samples: Vec<Spread>,
}

/// A handful of numbers, summed up.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Spread {
    /// How many; exact far beyond any file.
    n: f64,
    /// Their mean.
    pub(crate) mean: f64,
    /// The least.
    pub(crate) min: f64,
    /// The greatest.
    pub(crate) max: f64,
}

impl Table {
    /// Starts with the names in the header.
    pub(crate) fn new(names: impl Iterator<Item = String>) -> Self {
        Self {
            n_rows: 0,
            columns: names.map(Column::new).collect(),
            labels: Vec::new(),
            rows_per_sample: 1,
            rows_in_last: 0,
        }
    }

    /// Takes one row in; it has as many cells as there are columns.
    pub(crate) fn add<'a>(&mut self, cells: impl Iterator<Item = &'a [u8]> + Clone) {
        self.make_room(cells.clone().next().unwrap_or_default());
        for (column, cell) in self.columns.iter_mut().zip(cells) {
            column.add(cell);
        }
        self.n_rows += 1;
    }

    /// Returns the label of a sample: the first cell of its first row, or the row's number when
    /// the first column holds numbers itself.
    pub(crate) fn label(&self, sample: usize) -> String {
        match self.labels.get(sample) {
            Some(label) if !self.columns[0].is_numeric() => label.clone(),
            _ => (sample as u64 * self.rows_per_sample + 1).to_string(),
        }
    }

    /// Makes sure that the last sample can take another row.
    fn make_room(&mut self, label: &[u8]) {
        if !self.labels.is_empty() && self.rows_in_last < self.rows_per_sample {
            self.rows_in_last += 1;
            return;
        }
        if self.labels.len() == SAMPLES_MAX {
            self.merge_neighbours();
        }
        let label = String::from_utf8_lossy(label).trim().chars().take(LABEL_MAX_CHARS).collect();
        self.labels.push(label);
        for column in &mut self.columns {
            column.samples.push(Spread::EMPTY);
        }
        self.rows_in_last = 1;
    }

    fn merge_neighbours(&mut self) {
        let mut even = false;
        self.labels.retain(|_| {
            even = !even;
            even
        });
        for column in &mut self.columns {
            column.samples = column.samples.chunks(2).map(Spread::merged).collect();
        }
        self.rows_per_sample *= 2;
    }
}

impl Column {
    fn new(name: String) -> Self {
        Self { name, n_numbers: 0, n_texts: 0, all: Spread::EMPTY, samples: Vec::new() }
    }

    /// Tells whether nine cells of ten that are not empty hold numbers.
    pub(crate) fn is_numeric(&self) -> bool {
        self.n_numbers > 0 && self.n_texts <= self.n_numbers / 9
    }

    fn add(&mut self, cell: &[u8]) {
        let cell = cell.trim_ascii();
        if cell.is_empty() {
            return;
        }
        let Some(number) = number(cell) else {
            self.n_texts += 1;
            return;
        };
        self.n_numbers += 1;
        self.all.add(number);
        if let Some(sample) = self.samples.last_mut() {
            sample.add(number);
        }
    }
}

impl Spread {
    /// No number at all.
    pub(crate) const EMPTY: Self =
        Self { n: 0.0, mean: 0.0, min: f64::INFINITY, max: f64::NEG_INFINITY };

    /// Tells whether there is no number in it.
    pub(crate) fn is_empty(self) -> bool {
        self.n == 0.0
    }

    fn add(&mut self, number: f64) {
        self.n += 1.0;
        // Not `sum / n`: the sum of large numbers loses the small digits, or overflows.
        self.mean += number / self.n - self.mean / self.n;
        self.min = self.min.min(number);
        self.max = self.max.max(number);
    }

    fn merged(parts: &[Self]) -> Self {
        parts.iter().fold(Self::EMPTY, |a, b| {
            let n = a.n + b.n;
            if n == 0.0 {
                return a;
            }
            Self {
                n,
                mean: a.mean * (a.n / n) + b.mean * (b.n / n),
                min: a.min.min(b.min),
                max: a.max.max(b.max),
            }
        })
    }
}

/// Reads a finite number; words that Rust would read as one, such as "inf" and "nan", are text.
fn number(cell: &[u8]) -> Option<f64> {
    if !cell.iter().any(u8::is_ascii_digit) {
        return None;
    }
    let number: f64 = std::str::from_utf8(cell).ok()?.parse().ok()?;
    number.is_finite().then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(names: &[&str], rows: impl Iterator<Item = Vec<String>>) -> Table {
        let mut table = Table::new(names.iter().map(|&name| name.to_owned()));
        for row in rows {
            table.add(row.iter().map(String::as_bytes));
        }
        table
    }

    #[test]
    fn numbers_are_summed_up_and_other_cells_counted() {
        let cells = ["1", " 2.5 ", "", "n/a", "-4e0", "inf"];
        let table = table(&["x"], cells.iter().map(|&cell| vec![cell.to_owned()]));
        let x = &table.columns[0];
        assert_eq!((table.n_rows, x.n_numbers, x.n_texts), (6, 3, 2));
        assert_eq!((x.all.min, x.all.max), (-4.0, 2.5));
        assert!((x.all.mean - (-0.5 / 3.0)).abs() < 1e-12);
    }

    #[test]
    fn a_column_is_numeric_when_nine_cells_of_ten_are() {
        let rows = |n_texts: usize| {
            let cells = std::iter::repeat_n("x", n_texts).chain(std::iter::repeat_n("7", 90));
            table(&["x"], cells.map(|cell| vec![cell.to_owned()]))
        };
        assert!(rows(10).columns[0].is_numeric());
        assert!(!rows(11).columns[0].is_numeric());
    }

    #[test]
    fn samples_stay_bounded_and_keep_the_extremes() {
        let n_rows = 100_000;
        let rows = (0..n_rows).map(|i| vec![format!("row {i}"), (i % 1_000).to_string()]);
        let table = table(&["name", "x"], rows);
        let samples = &table.columns[1].samples;
        assert!((SAMPLES_MAX / 2..=SAMPLES_MAX).contains(&samples.len()), "{}", samples.len());
        let Spread { min, max, .. } = Spread::merged(samples);
        assert_eq!((min, max), (0.0, 999.0));
        assert!((Spread::merged(samples).mean - table.columns[1].all.mean).abs() < 1e-6);
        assert_eq!(table.label(0), "row 0");
        assert_eq!(table.label(1), format!("row {}", table.rows_per_sample));
    }

    #[test]
    fn samples_are_labelled_by_row_when_the_first_column_is_numeric() {
        let table = table(&["x"], (0..1_000).map(|i| vec![i.to_string()]));
        assert_eq!(table.label(1), "3");
    }

    #[test]
    fn huge_numbers_do_not_overflow_the_mean() {
        let cells = [f64::MAX.to_string(), f64::MAX.to_string(), f64::MAX.to_string()];
        let table = table(&["x"], cells.into_iter().map(|cell| vec![cell]));
        assert!(table.columns[0].all.mean.is_finite());
    }
}
