//! Statements for PostgreSQL name what is Legwork's with its schema: `legwork.job`, never `job`.
//!
//! The search path belongs to the user: a bare name may be a table of theirs, or nothing at all.
//! The rule learns the names from the migrations. A name that a statement defines for itself
//! (`WITH job AS (…)`) is its own.

use super::source::{Finding, Source, Tree};
use std::collections::BTreeSet;

/// The crates whose database has schemas.
const WITH_SCHEMA: [&str; 1] = ["crates/legwork-postgres/"];

const SCHEMA: &str = "legwork.";

/// After one of these a table is named.
const BEFORE_TABLE: [&str; 7] =
    ["FROM", "JOIN", "INTO", "UPDATE", "TABLE", "REFERENCES", "TRUNCATE"];

/// What a migration creates in a schema. An index is not among them: it follows its table.
const CREATED: [&str; 6] = ["TABLE", "SEQUENCE", "VIEW", "FUNCTION", "PROCEDURE", "TYPE"];

/// Words that may stand between one of these and the name.
const FILLERS: [&str; 5] = ["ONLY", "IF", "NOT", "EXISTS", "LATERAL"];

/// A word or a parenthesis, and the index of its line.
#[derive(Debug, Clone, Copy)]
struct Word<'a> {
    text: &'a str,
    line: usize,
}

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    WITH_SCHEMA.iter().flat_map(|storage| check_storage(tree, storage)).collect()
}

fn check_storage(tree: &Tree, storage: &str) -> Vec<Finding> {
    let is_statement = |source: &&Source| {
        source.path.starts_with(storage)
            && source.has_extension("sql")
            && (source.path.contains("/sql/") || source.path.contains("/migrations/"))
    };
    let files: Vec<(&Source, Vec<Word<'_>>)> = tree
        .sources
        .iter()
        .filter(is_statement)
        .map(|source| (source, words(&source.text)))
        .collect();
    let names: BTreeSet<&str> = files
        .iter()
        .flat_map(|(_, words)| created(words))
        .map(|word| word.text.trim_start_matches(SCHEMA))
        .collect();
    let mut findings = Vec::new();
    for (source, words) in &files {
        let own = defined_here(words);
        let bare = created(words)
            .chain(tables(words).filter(|word| !own.contains(word.text)))
            .filter(|word| names.contains(word.text));
        for Word { text, line } in bare {
            findings.push(source.finding(*line, format!("`{text}` without `{SCHEMA}`")));
        }
    }
    findings
}

/// What the statements create in a schema.
fn created<'a>(words: &'a [Word<'a>]) -> impl Iterator<Item = &'a Word<'a>> {
    (1..words.len()).filter_map(|at| {
        // `CREATE TABLE`, but also `CREATE UNLOGGED TABLE` and `CREATE OR REPLACE FUNCTION`.
        let before = &words[at.saturating_sub(3)..at];
        let is_created = before.iter().any(|word| word.text == "CREATE")
            && !before.iter().any(|word| word.text.starts_with("TEMP"));
        name_after(words, at).filter(|_| is_created && CREATED.contains(&words[at].text))
    })
}

/// What the statements read from and write to. `CREATE TABLE` is left to `created`.
fn tables<'a>(words: &'a [Word<'a>]) -> impl Iterator<Item = &'a Word<'a>> {
    (0..words.len()).filter_map(|at| {
        let before = at.checked_sub(1).map_or("", |before| words[before].text);
        let is_table = match words[at].text {
            // A function puts a value into a variable with `SELECT … INTO`.
            "INTO" => before == "INSERT" || before == "MERGE",
            "FROM" => before != "DISTINCT",
            "TABLE" => matches!(before, "ALTER" | "DROP" | "LOCK" | "TRUNCATE"),
            keyword => BEFORE_TABLE.contains(&keyword),
        };
        name_after(words, at).filter(|_| is_table)
    })
}

fn name_after<'a>(words: &'a [Word<'a>], at: usize) -> Option<&'a Word<'a>> {
    words[at + 1..].iter().find(|word| !FILLERS.contains(&word.text))
}

/// The names of `WITH name AS (…)`.
fn defined_here<'a>(words: &[Word<'a>]) -> BTreeSet<&'a str> {
    let is_definition = |[_, keyword, next]: &[Word<'_>; 3]| {
        keyword.text == "AS" && matches!(next.text, "(" | "MATERIALIZED" | "NOT")
    };
    let threes = words.windows(3).filter_map(|three| <&[Word<'a>; 3]>::try_from(three).ok());
    threes.filter(|three| is_definition(three)).map(|three| three[0].text).collect()
}

/// Takes a text apart, without its comments.
fn words(text: &str) -> Vec<Word<'_>> {
    let mut words = Vec::new();
    for (line, text) in text.lines().enumerate() {
        let statement = text.split("--").next().unwrap_or_default();
        let is_end = |c: char| !(c.is_alphanumeric() || c == '_' || c == '.' || c == '(');
        for word in statement.split(is_end).flat_map(|word| word.split_inclusive('(')) {
            let name = word.trim_end_matches('(');
            let parts = [name, &word[name.len()..]];
            let parts = parts.into_iter().filter(|part| !part.is_empty());
            words.extend(parts.map(|text| Word { text, line }));
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLES: &str =
        "CREATE TABLE legwork.job (id int8);\nCREATE UNLOGGED TABLE legwork.ready (id int8);\n";

    fn check_statement(statement: &str, n_findings: usize) {
        for (path, expected) in [
            ("crates/legwork-postgres/sql/claim.sql", n_findings),
            ("crates/legwork-postgres/migrations/0002_add_tags.up.sql", n_findings),
            ("crates/legwork-sqlite/sql/claim.sql", 0),
        ] {
            let tables = ("crates/legwork-postgres/migrations/0001_create_tables.up.sql", TABLES);
            let found = check(&Tree::of(&[tables, (path, statement)]));
            assert_eq!(found.len(), expected, "{path}: {statement}: {found:?}");
        }
    }

    #[test]
    fn a_table_without_its_schema_is_found() {
        check_statement("SELECT id\nFROM job\n    JOIN ready USING (id);\n", 2);
        check_statement("INSERT INTO job(id) SELECT 1;\n", 1);
        check_statement("UPDATE job SET id = 1 WHERE id IN (SELECT id FROM ready);\n", 2);
        check_statement("DELETE FROM ONLY ready;\n", 1);
        check_statement("ALTER TABLE IF EXISTS job ADD b int8;\nDROP TABLE ready;\n", 2);
        check_statement("CREATE TABLE legwork.tag (id int8 REFERENCES job);\n", 1);
    }

    #[test]
    fn what_is_created_without_a_schema_is_found() {
        check_statement("CREATE TABLE IF NOT EXISTS tag (id int8);\n", 1);
        check_statement("CREATE OR REPLACE FUNCTION refuse(why text) RETURNS boolean;\n", 1);
        check_statement("CREATE TEMP TABLE tag (id int8);\n", 0);
    }

    #[test]
    fn names_with_a_schema_and_names_of_other_things_are_fine() {
        check_statement("SELECT job FROM legwork.job FOR UPDATE SKIP LOCKED; -- FROM job\n", 0);
        check_statement("WITH ready AS (\n    SELECT 1\n)\nSELECT * FROM ready;\n", 0);
        check_statement("SELECT * FROM unnest($1::int8[]) AS t(id), pg_class;\n", 0);
        check_statement("SELECT id INTO job FROM legwork.job WHERE id IS DISTINCT FROM job;\n", 0);
        check_statement("CREATE INDEX ready_again ON legwork.ready (id);\n", 0);
    }
}
