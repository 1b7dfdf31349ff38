//! Every Rust file starts with a `//!` header that says what it is.

use super::source::{Finding, Tree};

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    tree.rust()
        .filter(|source| !source.text.starts_with("//! "))
        .map(|source| source.finding(0, "starts without a `//!` header: say what the file is"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_text(path: &str, text: &str, n_findings: usize) {
        assert_eq!(check(&Tree::of(&[(path, text)])).len(), n_findings, "{path}: {text}");
    }

    #[test]
    fn a_file_without_a_header_is_found() {
        check_text("crates/a/src/x.rs", "use std::fmt;\n", 1);
        check_text("crates/a/src/x.rs", "\n//! Too late.\n", 1);
        check_text("crates/a/src/x.rs", "//!\n", 1);
        check_text("examples/a/src/main.rs", "", 1);
    }

    #[test]
    fn a_file_with_a_header_and_files_elsewhere_are_fine() {
        check_text("crates/a/src/x.rs", "//! What it is.\n", 0);
        check_text("docs/x.rs", "fn main() {}\n", 0);
        check_text("crates/a/sql/x.sql", "SELECT 1\n", 0);
    }
}
