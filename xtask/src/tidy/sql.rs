//! SQL lives in the storage crates, and each statement says what it is for.

use super::source::{Finding, Source, Tree};

const STORAGES: [&str; 3] = ["legwork-sqlite", "legwork-postgres", "legwork-redis"];

const STATEMENTS: [&str; 4] = ["SELECT ", "INSERT INTO", "UPDATE ", "DELETE FROM"];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings: Vec<Finding> = tree.rust().flat_map(statements_elsewhere).collect();
    findings.extend(tree.sources.iter().filter_map(without_purpose));
    findings
}

/// Statements in the string literals of a library that is no storage.
fn statements_elsewhere(source: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    if source.library().is_none_or(|name| STORAGES.contains(&name)) {
        return findings;
    }
    for (index, line) in source.production() {
        let statement = STATEMENTS.iter().find(|statement| line.literal.contains(*statement));
        if let Some(statement) = statement.filter(|_| !source.is_excused(index)) {
            let message = format!("`{}` outside a storage crate", statement.trim());
            findings.push(source.finding(index, message));
        }
    }
    findings
}

/// A statement or script file that starts without the comment that says what it is for.
fn without_purpose(source: &Source) -> Option<Finding> {
    let is_statement = source.path.contains("/sql/") && source.has_extension("sql");
    let is_script = source.path.contains("/lua/") && source.has_extension("lua");
    let is_storage = source.path.starts_with("crates/");
    let is_silent = is_storage && (is_statement || is_script) && !source.text.starts_with("-- ");
    is_silent.then(|| source.finding(0, "starts without a `--` comment: purpose, index, locks"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_text(path: &str, text: &str, n_findings: usize) {
        assert_eq!(check(&Tree::of(&[(path, text)])).len(), n_findings, "{path}: {text}");
    }

    #[test]
    fn statements_outside_a_storage_are_found() {
        check_text("crates/legwork-jobs/src/x.rs", "a(\"SELECT id FROM job\");\n", 1);
        check_text("crates/legwork/src/x.rs", "a(r\"\n  DELETE FROM job\n\");\n", 1);
    }

    #[test]
    fn statements_where_they_belong_are_fine() {
        let text = "a(\"INSERT INTO job VALUES (1)\");\n";
        check_text("crates/legwork-sqlite/src/x.rs", text, 0);
        check_text("examples/reports/src/x.rs", text, 0);
        check_text("crates/legwork-jobs/tests/x.rs", text, 0);
        check_text("crates/legwork-jobs/src/x.rs", "// SELECT is SQL\nselect(\"UPDATED\");\n", 0);
        check_text("crates/legwork-jobs/src/x.rs", "a(\"UPDATE x\"); // tidy: a job's name\n", 0);
    }

    #[test]
    fn a_statement_file_without_a_purpose_is_found() {
        check_text("crates/legwork-sqlite/sql/claim.sql", "SELECT 1;\n", 1);
        check_text("crates/legwork-redis/lua/claim.lua", "return 1\n", 1);
        check_text("crates/legwork-sqlite/sql/claim.sql", "-- Claims jobs.\nSELECT 1;\n", 0);
        check_text("examples/reports/sql/report.sql", "SELECT 1;\n", 0);
    }
}
