//! A mark of unfinished work names the issue that will finish it: `(#123)` right behind it.

use super::rust::is_word;
use super::source::{Finding, Source, Tree};

const MARKS: [&str; 2] = ["TODO", "FIXME"];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    // Prose may speak of the marks; in everything else they are meant.
    let meant = tree.sources.iter().filter(|source| !source.has_extension("md"));
    meant.flat_map(unowned_marks).collect()
}

fn unowned_marks(source: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (index, text) in source.text.lines().enumerate() {
        let text = source.lines.get(index).map_or(text, |line| &line.comment);
        if let Some(mark) = MARKS.iter().find(|mark| is_unowned(text, mark)) {
            let message = format!("`{mark}` without an issue: write {mark}(#123), or do it now");
            findings.push(source.finding(index, message));
        }
    }
    findings
}

fn is_unowned(text: &str, mark: &str) -> bool {
    text.match_indices(mark).any(|(at, _)| {
        let after = &text[at + mark.len()..];
        let inside_word = text[..at].ends_with(is_word) || after.starts_with(is_word);
        !inside_word && !has_issue(after)
    })
}

fn has_issue(after: &str) -> bool {
    let number = after.strip_prefix("(#").and_then(|rest| rest.split(')').next());
    number.is_some_and(|n| !n.is_empty() && n.chars().all(|c| c.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_text(path: &str, text: &str, n_findings: usize) {
        assert_eq!(check(&Tree::of(&[(path, text)])).len(), n_findings, "{path}: {text}");
    }

    #[test]
    fn a_mark_without_an_issue_is_found() {
        check_text("crates/a/src/x.rs", "//! X.\n// TODO: later\n", 1);
        check_text("crates/a/src/x.rs", "a(); // FIXME(me): later\n", 1);
        check_text("crates/a/src/x.rs", "// TODO(#): later\n", 1);
        check_text("crates/a/sql/x.sql", "-- TODO later\n", 1);
    }

    #[test]
    fn a_mark_with_an_issue_and_other_words_are_fine() {
        check_text("crates/a/src/x.rs", "// TODO(#12): later\n", 0);
        check_text("crates/a/src/x.rs", "a(\"TODO\"); // TODOS are a word\n", 0);
        check_text("docs/guide.md", "No TODO without an issue.\n", 0);
    }
}
