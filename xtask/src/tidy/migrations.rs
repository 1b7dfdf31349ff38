//! Migrations are numbered without gaps, come in pairs, and say whether they break older workers.

use super::source::{Finding, Source, Tree};
use std::collections::BTreeMap;

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let migrations = tree.sources.iter().filter(|source| {
        source.path.starts_with("crates/")
            && source.path.contains("/migrations/")
            && source.has_extension("sql")
    });
    let migrations: Vec<&Source> = migrations.collect();
    let mut findings: Vec<Finding> =
        migrations.iter().flat_map(|source| faults(tree, source)).collect();
    findings.extend(misnumbered(&migrations));
    findings
}

fn faults(tree: &Tree, source: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    if !is_well_named(&source.path) {
        findings.push(source.finding(0, "is not named `NNNN_verb_noun.up.sql` or `.down.sql`"));
    }
    if source.path.ends_with(".up.sql") {
        if !says_whether_it_breaks(&source.text) {
            let message = "does not start with `-- breaking: yes` or `-- breaking: no`";
            findings.push(source.finding(0, message));
        }
        let down = source.path.replace(".up.sql", ".down.sql");
        if tree.find(&down).is_none() {
            findings.push(source.finding(0, "has no `.down.sql` that takes it back"));
        }
    }
    findings
}

fn is_well_named(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    let stem = name.strip_suffix(".up.sql").or_else(|| name.strip_suffix(".down.sql"));
    let Some((number, words)) = stem.and_then(|stem| stem.split_once('_')) else { return false };
    let is_number = number.len() == 4 && number.chars().all(|c| c.is_ascii_digit());
    let is_phrase = words.split('_').count() >= 2
        && words.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    is_number && is_phrase
}

fn says_whether_it_breaks(text: &str) -> bool {
    matches!(text.lines().next(), Some("-- breaking: yes" | "-- breaking: no"))
}

/// Steps whose number is not the next of their directory: two of them met in a merge.
fn misnumbered(migrations: &[&Source]) -> Vec<Finding> {
    let mut n_steps: BTreeMap<&str, usize> = BTreeMap::new();
    let mut findings = Vec::new();
    // Sources are ordered by path, which here means by number.
    for source in migrations.iter().filter(|source| source.path.ends_with(".up.sql")) {
        let Some((directory, name)) = source.path.rsplit_once('/') else { continue };
        let expected = n_steps.entry(directory).or_default();
        *expected += 1;
        if is_well_named(name) && !name.starts_with(&format!("{expected:04}_")) {
            findings.push(source.finding(0, format!("should have the number {expected:04}")));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "-- breaking: no\n-- Creates the first tables.\n";

    fn check_files(files: &[(&str, &str)], n_findings: usize) {
        let path = |name: &str| format!("crates/legwork-sqlite/migrations/{name}");
        let files: Vec<(String, &str)> = files.iter().map(|(n, text)| (path(n), *text)).collect();
        let files: Vec<(&str, &str)> = files.iter().map(|(p, text)| (p.as_str(), *text)).collect();
        assert_eq!(check(&Tree::of(&files)).len(), n_findings, "{files:?}");
    }

    #[test]
    fn a_pair_with_a_header_is_fine() {
        check_files(&[("0001_create_jobs.up.sql", HEADER), ("0001_create_jobs.down.sql", "")], 0);
    }

    #[test]
    fn a_migration_has_to_say_whether_it_breaks() {
        let down = ("0001_create_jobs.down.sql", "");
        check_files(&[("0001_create_jobs.up.sql", "-- Creates.\n"), down], 1);
        let late = "-- Creates.\n-- breaking: no\n";
        check_files(&[("0001_create_jobs.up.sql", late), down], 1);
        check_files(&[("0001_create_jobs.up.sql", "-- breaking: maybe\n"), down], 1);
    }

    #[test]
    fn a_migration_without_a_way_back_is_found() {
        check_files(&[("0001_create_jobs.up.sql", HEADER)], 1);
    }

    #[test]
    fn a_misnamed_migration_is_found() {
        for name in ["1_create_jobs.down.sql", "0001_create.down.sql", "0001_create_jobs.sql"] {
            check_files(&[(name, HEADER)], 1);
        }
    }

    #[test]
    fn numbers_that_meet_or_leave_a_gap_are_found() {
        let first = [("0001_create_jobs.up.sql", HEADER), ("0001_create_jobs.down.sql", "")];
        let with = |name: &str, n_findings: usize| {
            let (up, down) = (format!("{name}.up.sql"), format!("{name}.down.sql"));
            let second = [(up.as_str(), HEADER), (down.as_str(), "")];
            check_files(&[first, second].concat(), n_findings);
        };
        with("0001_drop_jobs", 1);
        with("0003_add_tags", 1);
        with("0002_add_tags", 0);
    }
}
