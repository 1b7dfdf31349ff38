//! Every test that `docs/guarantees.md` names as a proof exists.
//!
//! The page lists each promise in a table with a column `test`; there, each word in backticks is
//! the name of a test, with its module before it if that helps: `claim::never_hands_out_twice`.

use super::rust::words;
use super::source::{Finding, Source, Tree};
use std::collections::HashSet;

const PAGE: &str = "docs/guarantees.md";

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let Some(page) = tree.find(PAGE) else { return Vec::new() };
    let existing = functions(tree);
    let mut findings = Vec::new();
    let mut column = None;
    for (index, line) in page.text.lines().enumerate() {
        let cells: Vec<&str> = line.trim().trim_matches('|').split('|').map(str::trim).collect();
        if !line.trim_start().starts_with('|') {
            column = None;
        } else if column.is_none() {
            column = cells.iter().position(|cell| cell.to_lowercase().contains("test"));
        } else if let Some(cell) = column.and_then(|column| cells.get(column)) {
            findings.extend(missing(page, index, cell, &existing));
        }
    }
    findings
}

fn missing(page: &Source, index: usize, cell: &str, existing: &HashSet<&str>) -> Vec<Finding> {
    let quoted = cell.split('`').skip(1).step_by(2).filter(|name| is_test_name(name));
    let unknown =
        quoted.filter(|name| !existing.contains(name.rsplit("::").next().unwrap_or(name)));
    unknown.map(|name| page.finding(index, format!("there is no test `{name}`"))).collect()
}

/// A name of several words, or a path; anything else in backticks is prose about the test.
fn is_test_name(quoted: &str) -> bool {
    let is_path = quoted.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == ':');
    is_path && (quoted.contains('_') || quoted.contains("::"))
}

/// The names of all functions in the repository.
fn functions(tree: &Tree) -> HashSet<&str> {
    let mut names = HashSet::new();
    for line in tree.rust().flat_map(|source| &source.lines) {
        let mut words = words(&line.code).skip_while(|word| *word != "fn");
        names.extend(words.nth(1));
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_page(page: &str, n_findings: usize) {
        let code = "async fn claims_each_job_once() {}\n// fn in_a_comment() {}\n";
        let tree = Tree::of(&[("docs/guarantees.md", page), ("crates/a/tests/x.rs", code)]);
        assert_eq!(check(&tree).len(), n_findings, "{page}");
    }

    #[test]
    fn a_test_that_does_not_exist_is_found() {
        let head = "| promise | proven by the test |\n| --- | --- |\n";
        check_page(&format!("{head}| one | `claims_each_job_twice` |\n"), 1);
        check_page(&format!("{head}| one | `in_a_comment`, `claim::gone` |\n"), 2);
    }

    #[test]
    fn tests_that_exist_and_other_words_are_fine() {
        let head = "| promise | test |\n| --- | --- |\n";
        check_page(&format!("{head}| `a_promise` | `claim::claims_each_job_once` |\n"), 0);
        check_page(&format!("{head}| one | under `kill -9`, see `cargo xtask test` |\n"), 0);
        check_page("Outside a table `no_test_is_meant`.\n", 0);
    }

    #[test]
    fn each_table_has_its_own_columns() {
        let page = "| test | promise |\n| --- | --- |\n| `gone_one` | x |\n\n\
                    | promise | test |\n| --- | --- |\n| `not_a_test` | `gone_two` |\n";
        check_page(page, 2);
    }

    #[test]
    fn a_repository_without_the_page_promises_nothing() {
        assert_eq!(check(&Tree::of(&[])), [], "there is nothing to check");
    }
}
