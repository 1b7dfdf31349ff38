//! Reads a CSV file once, from front to back, in constant memory.
//!
//! `build` calls it on a thread that may block. A row that does not fit is counted and passed over;
//! what makes the whole file useless is [`ScanError::Unusable`], because no retry will change it.

use std::fmt;
use std::io::{self, BufRead, BufReader, Read};
use std::ops::ControlFlow;

use csv::{ByteRecord, ReaderBuilder};

use super::table::Table;

/// How many columns a file may have: what is kept per column is about 16 KiB.
const COLUMNS_MAX: usize = 256;

/// How long a row may be. It bounds the memory when a quote is never closed.
const ROW_MAX_BYTES: usize = 1024 * 1024;

/// How much is read at once.
const BUFFER_BYTES: usize = 64 * 1024;

/// How many rows pass between two calls of the caller's `watch`.
const WATCH_EVERY_ROWS: u32 = 1_000;

/// What a file holds.
#[derive(Debug)]
pub(crate) struct Scan {
    /// The rows that fit the header.
    pub(crate) table: Table,
    /// How many rows do not fit the header.
    pub(crate) n_bad_rows: u64,
    /// In which line the first of them is.
    pub(crate) first_bad_line: Option<u64>,
}

/// How far the scan has come.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen {
    /// Rows, the bad ones included.
    pub(crate) rows: u64,
    /// Those of them that are new since the last call.
    pub(crate) new_rows: u32,
    /// Bytes from the start of the file.
    pub(crate) bytes: u64,
}

/// Why there is no [`Scan`].
#[derive(Debug)]
pub(crate) enum ScanError {
    /// The file is not a table; trying again is of no use.
    Unusable(String),
    /// `watch` wanted to stop.
    Stopped,
    /// The file cannot be read at the moment.
    Io(io::Error),
}

/// Reads `source` to its end, and tells `watch` every thousand rows how far it has come.
pub(crate) fn scan(
    source: impl Read,
    mut watch: impl FnMut(Seen) -> ControlFlow<()>,
) -> Result<Scan, ScanError> {
    let mut source = BufReader::with_capacity(BUFFER_BYTES, source);
    let delimiter = look_ahead(&mut source)?;
    let mut reader = ReaderBuilder::new()
        .delimiter(delimiter)
        .buffer_capacity(BUFFER_BYTES)
        .from_reader(Budget { source, left: ROW_MAX_BYTES });

    let table = header(reader.byte_headers().map_err(|error| fatal(1, error))?)?;
    let mut scan = Scan { table, n_bad_rows: 0, first_bad_line: None };
    let mut row = ByteRecord::new();
    let mut n_rows: u64 = 0;
    loop {
        let line = reader.position().line();
        reader.get_mut().left = ROW_MAX_BYTES;
        match reader.read_byte_record(&mut row) {
            Ok(false) => break,
            Ok(true) => scan.table.add(row.iter()),
            Err(error) => scan.pass_over(line, error)?,
        }
        n_rows += 1;
        if n_rows.is_multiple_of(u64::from(WATCH_EVERY_ROWS)) {
            let bytes = reader.position().byte();
            let seen = Seen { rows: n_rows, new_rows: WATCH_EVERY_ROWS, bytes };
            if watch(seen).is_break() {
                return Err(ScanError::Stopped);
            }
        }
    }
    if scan.table.n_rows == 0 {
        return Err(unusable("the file has a header, but no row that fits it"));
    }
    Ok(scan)
}

impl Scan {
    /// Counts a row that does not fit; every other error ends the scan.
    fn pass_over(&mut self, line: u64, error: csv::Error) -> Result<(), ScanError> {
        if !matches!(error.kind(), csv::ErrorKind::UnequalLengths { .. }) {
            return Err(fatal(line, error));
        }
        self.n_bad_rows += 1;
        self.first_bad_line = self.first_bad_line.or(Some(line));
        Ok(())
    }
}

/// Passes over a byte order mark, and tells which delimiter the first line uses.
fn look_ahead(source: &mut impl BufRead) -> Result<u8, ScanError> {
    const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";
    if source.fill_buf().map_err(ScanError::Io)?.starts_with(BYTE_ORDER_MARK) {
        source.consume(BYTE_ORDER_MARK.len());
    }
    let ahead = source.fill_buf().map_err(ScanError::Io)?;
    if ahead.trim_ascii().is_empty() {
        return Err(unusable("the file is empty"));
    }
    let line = ahead.trim_ascii_start().split(|&byte| byte == b'\n').next().unwrap_or_default();
    let count = |delimiter| line.split(|&byte| byte == delimiter).count();
    // On a tie the last one wins, which makes the comma the default.
    Ok([b'\t', b';', b','].into_iter().max_by_key(|&delimiter| count(delimiter)).unwrap_or(b','))
}

fn header(names: &ByteRecord) -> Result<Table, ScanError> {
    if names.len() > COLUMNS_MAX {
        let n = names.len();
        return Err(unusable(format!("the file has {n} columns; {COLUMNS_MAX} is the most")));
    }
    let names =
        names.iter().enumerate().map(|(index, name)| match String::from_utf8_lossy(name).trim() {
            "" => format!("column {}", index + 1),
            name => name.to_owned(),
        });
    Ok(Table::new(names))
}

fn unusable(reason: impl Into<String>) -> ScanError {
    ScanError::Unusable(reason.into())
}

fn fatal(line: u64, error: csv::Error) -> ScanError {
    let message = error.to_string();
    let csv::ErrorKind::Io(error) = error.into_kind() else {
        return unusable(format!("the file cannot be read as CSV: {message}"));
    };
    if error.kind() == io::ErrorKind::FileTooLarge {
        return unusable(format!("the row in line {line} is over 1 MiB; is a quote never closed?"));
    }
    ScanError::Io(error)
}

/// A reader that refuses to go on when a row has used up its budget.
struct Budget<R> {
    source: R,
    left: usize,
}

impl<R: Read> Read for Budget<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let n = self.source.read(buffer)?;
        self.left = self.left.saturating_sub(n);
        Ok(n)
    }
}

impl fmt::Display for ScanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unusable(reason) => f.write_str(reason),
            Self::Stopped => f.write_str("the scan was stopped"),
            Self::Io(_) => f.write_str("the upload cannot be read"),
        }
    }
}

impl std::error::Error for ScanError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io(error) => Some(error),
            Self::Unusable(_) | Self::Stopped => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Scan, String> {
        scan(text.as_bytes(), |_| ControlFlow::Continue(())).map_err(|error| error.to_string())
    }

    fn means(scan: &Scan) -> Vec<(&str, f64)> {
        let columns = scan.table.columns.iter().filter(|column| column.is_numeric());
        columns.map(|column| (column.name.as_str(), column.all.mean)).collect()
    }

    #[test]
    fn the_sample_data_is_read_whole() {
        let scan = read(include_str!("../../data/seattle-weather-hourly-normals.csv")).unwrap();
        assert_eq!((scan.table.n_rows, scan.n_bad_rows), (8_759, 0));
        let names: Vec<&str> = means(&scan).iter().map(|(name, _)| *name).collect();
        assert_eq!(names, ["pressure", "temperature", "wind"]);
        assert_eq!(scan.table.label(0), "2010-01-01T01:00:00");
    }

    #[test]
    fn a_row_that_does_not_fit_is_counted_and_passed_over() {
        let scan = read("a,b\n1,2\n3\n4,5,6\n7,8\n").unwrap();
        assert_eq!((scan.n_bad_rows, scan.first_bad_line), (2, Some(3)));
        assert_eq!(means(&scan), [("a", 4.0), ("b", 5.0)]);
    }

    #[test]
    fn quotes_byte_order_marks_and_other_delimiters_are_understood() {
        let scan = read("\u{feff}\"a; b\";c\r\n\"x\ny\";2\r\n\"z\";4\r\n").unwrap();
        assert_eq!(scan.table.columns[0].name, "a; b");
        assert_eq!(means(&scan), [("c", 3.0)]);
        assert_eq!(means(&read("a\tb\n1\t2\n").unwrap()), [("a", 1.0), ("b", 2.0)]);
    }

    #[test]
    fn a_file_that_is_no_table_says_why() {
        let error = |text: &str| read(text).unwrap_err();
        assert_eq!(error(""), "the file is empty");
        assert_eq!(error("\u{feff}\n \n"), "the file is empty");
        assert_eq!(error("a,b\n"), "the file has a header, but no row that fits it");
        assert_eq!(error("a,b\n1\n"), "the file has a header, but no row that fits it");
        let wide = format!("{}\n", ",".repeat(300));
        assert_eq!(error(&wide), "the file has 301 columns; 256 is the most");
    }

    #[test]
    fn a_quote_that_is_never_closed_does_not_fill_the_memory() {
        let text = format!("a\n1\n\"{}", "x\n".repeat(2 * ROW_MAX_BYTES));
        let error = read(&text).unwrap_err();
        assert!(error.starts_with("the row in line 3 is over 1 MiB"), "{error}");
    }

    #[test]
    fn bytes_that_are_not_utf_8_are_text() {
        let scan = scan(&b"a,b\n\xff,1\n"[..], |_| ControlFlow::Continue(())).unwrap();
        assert_eq!(means(&scan), [("b", 1.0)]);
    }

    #[test]
    fn the_scan_stops_when_it_is_told_to() {
        let text = format!("a\n{}", "1\n".repeat(5_000));
        let mut calls = 0;
        let stopped = scan(text.as_bytes(), |seen| {
            calls += 1;
            assert_eq!(seen.rows, calls * u64::from(WATCH_EVERY_ROWS));
            assert_eq!(seen.bytes, 2 + 2 * seen.rows);
            if calls == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        assert!(matches!(stopped, Err(ScanError::Stopped)));
        assert_eq!(calls, 3);
    }
}
