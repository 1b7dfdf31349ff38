//! SQL lives in the storage crates, one file per operation, and each says what it is for.

use super::source::{Finding, Source, Tree};

const STORAGES: [&str; 3] = ["legwork-sqlite", "legwork-postgres", "legwork-redis"];

const STATEMENTS: [&str; 4] = ["SELECT ", "INSERT INTO", "UPDATE ", "DELETE FROM"];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings: Vec<Finding> = tree.rust().flat_map(statements_elsewhere).collect();
    findings.extend(tree.sources.iter().filter_map(without_purpose));
    findings.extend(tree.sources.iter().filter_map(|source| unused(tree, source)));
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

/// A statement file that no code of its crate loads with `sql!` or `include_str!`.
fn unused(tree: &Tree, source: &Source) -> Option<Finding> {
    let (directory, file) = source.path.strip_suffix(".sql")?.split_once("/sql/")?;
    let library = directory.strip_prefix("crates/").filter(|name| !name.contains('/'))?;
    let names = [format!("sql!(\"{file}\")"), format!("/sql/{file}.sql\"")];
    let mut code = tree.rust().filter(|source| source.library() == Some(library));
    let is_used = code.any(|source| names.iter().any(|name| source.text.contains(name)));
    (!is_used).then(|| source.finding(0, format!("is not used: no `sql!(\"{file}\")` in src")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const USER: (&str, &str) = ("crates/legwork-sqlite/src/claim.rs", "a(sql!(\"claim\"));\n");

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
        let check_statement = |text: &str, n_findings: usize| {
            let tree = Tree::of(&[("crates/legwork-sqlite/sql/claim.sql", text), USER]);
            assert_eq!(check(&tree).len(), n_findings, "{text}");
        };
        check_statement("SELECT 1;\n", 1);
        check_statement("-- Claims jobs.\nSELECT 1;\n", 0);
        check_text("crates/legwork-redis/lua/claim.lua", "return 1\n", 1);
        check_text("examples/reports/sql/report.sql", "SELECT 1;\n", 0);
    }

    #[test]
    fn a_statement_file_that_nobody_loads_is_found() {
        let check_use = |path: &str, text: &str, n_findings: usize| {
            let file = ("crates/legwork-postgres/sql/claim.sql", "-- Claims jobs.\nSELECT 1;\n");
            assert_eq!(check(&Tree::of(&[file, (path, text)])).len(), n_findings, "{path}: {text}");
        };
        check_use("crates/legwork-postgres/src/claim.rs", "a(sql!(\"claim\"));\n", 0);
        check_use("crates/legwork-postgres/src/claim.rs", "a(\"../sql/claim.sql\");\n", 0);
        check_use("crates/legwork-postgres/src/claim.rs", "a(sql!(\"claim_ready\"));\n", 1);
        check_use("crates/legwork-postgres/tests/claim.rs", "a(sql!(\"claim\"));\n", 1);
        check_use(USER.0, USER.1, 1);
    }
}
