//! Counts of tests: reads the summaries of nextest and of libtest, and adds them up.
//!
//! `runner` feeds it every line that a test runner prints; `test` prints the total. It only counts
//! what a runner says about itself, and never guesses.

use std::fmt;
use std::ops::AddAssign;

/// How many tests passed, failed and were skipped.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    pub(crate) skipped: u64,
}

impl Tally {
    /// Reads one line of a runner's output; `None` when it is not a summary.
    ///
    /// Tests left out by a filter are not counted: nobody asked for them. libtest lists them apart
    /// from the ignored ones, nextest does not, which is why `filtered` has to be known.
    pub(crate) fn of_line(line: &str, filtered: bool) -> Option<Self> {
        let line = without_colours(line);
        let line = line.trim();
        if line.starts_with("Summary [") {
            return Self::of_nextest(line, filtered);
        }
        let counts = line.strip_prefix("test result: ")?;
        let (_verdict, counts) = counts.split_once(". ")?;
        let mut tally = Self::default();
        for (n, what) in counts.split(';').filter_map(number_and_words) {
            match what {
                "passed" => tally.passed += n,
                "failed" => tally.failed += n,
                "ignored" => tally.skipped += n,
                _ => {}
            }
        }
        Some(tally)
    }

    fn of_nextest(line: &str, filtered: bool) -> Option<Self> {
        let (_, counts) =
            line.split_once("tests run: ").or_else(|| line.split_once("test run: "))?;
        let mut tally = Self::default();
        // "8 passed (1 slow, 1 leaky)" says twice about some tests what it has already counted.
        for (n, what) in without_parentheses(counts).split(',').filter_map(number_and_words) {
            match what {
                "passed" => tally.passed += n,
                "skipped" if filtered => {}
                "skipped" => tally.skipped += n,
                _ => tally.failed += n,
            }
        }
        Some(tally)
    }

    /// Moves tests that said they had skipped themselves from the passed to the skipped ones.
    ///
    /// To a runner such a test has passed. A test that skips itself and then fails stays failed.
    pub(crate) fn count_self_skipped(&mut self, n: u64) {
        let moved = std::cmp::min(n, self.passed);
        self.passed -= moved;
        self.skipped += moved;
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped)
    }
}

fn number_and_words(part: &str) -> Option<(u64, &str)> {
    let (number, words) = part.trim().split_once(' ')?;
    Some((number.parse().ok()?, words.trim()))
}

fn without_parentheses(text: &str) -> String {
    let mut depth = 0_u32;
    let mut kept = String::new();
    for c in text.chars() {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            c if depth == 0 => kept.push(c),
            _ => {}
        }
    }
    kept
}

/// The line without terminal colours: everything from an escape to the next letter is dropped.
fn without_colours(line: &str) -> String {
    let mut escaped = false;
    let mut kept = String::new();
    for c in line.chars() {
        if escaped {
            escaped = !c.is_ascii_alphabetic();
        } else if c == '\u{1b}' {
            escaped = true;
        } else {
            kept.push(c);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, filtered: bool, expected: Option<(u64, u64, u64)>) {
        let expected = expected.map(|(passed, failed, skipped)| Tally { passed, failed, skipped });
        assert_eq!(Tally::of_line(line, filtered), expected, "{line}");
    }

    #[test]
    fn the_summary_of_libtest_is_read() {
        let line = "test result: FAILED. 3 passed; 2 failed; 1 ignored; 0 measured; 9 filtered out; \
                    finished in 0.01s";
        check(line, false, Some((3, 2, 1)));
    }

    #[test]
    fn the_summary_of_nextest_is_read() {
        check("     Summary [   0.1s] 5 tests run: 5 passed, 0 skipped", false, Some((5, 0, 0)));
        check("Summary [ 1.0s] 1 test run: 1 passed (1 slow), 2 skipped", false, Some((1, 0, 2)));
        check(
            "Summary [ 2.0s] 9/9 tests run: 5 passed (1 slow, 1 leaky), 2 failed, 1 timed out, \
             1 exec failed, 0 skipped",
            false,
            Some((5, 4, 0)),
        );
    }

    #[test]
    fn tests_that_a_filter_left_out_are_not_skipped_tests() {
        check("Summary [ 1.0s] 1 test run: 1 passed, 200 skipped", true, Some((1, 0, 0)));
    }

    #[test]
    fn colours_do_not_hide_a_summary() {
        check(
            "test result: \u{1b}[32mok\u{1b}(B\u{1b}[m. 7 passed; 0 failed",
            false,
            Some((7, 0, 0)),
        );
        let line = "\u{1b}[32;1m     Summary\u{1b}[0m [   0.1s] \u{1b}[1m2\u{1b}[0m tests run: \
                    \u{1b}[1m2\u{1b}[0m \u{1b}[32;1mpassed\u{1b}[0m, \u{1b}[1m0\u{1b}[0m skipped";
        check(line, false, Some((2, 0, 0)));
    }

    #[test]
    fn other_lines_are_no_summary() {
        check("test state::tests::the_table_is_total ... ok", false, None);
        check("running 5 tests", false, None);
    }

    #[test]
    fn a_test_that_skipped_itself_is_skipped_and_not_passed() {
        let mut tally = Tally { passed: 5, failed: 1, skipped: 0 };
        tally.count_self_skipped(2);
        assert_eq!(tally.to_string(), "3 passed, 1 failed, 2 skipped", "the sum stays the same");
    }
}
