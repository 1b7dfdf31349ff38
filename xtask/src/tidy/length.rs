//! Files stay short enough to read in one sitting.

use super::source::{Finding, Source, Tree};

/// Files that may be longer, how long, and why.
const LONGER: [(&str, usize, &str); 0] = [];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    tree.sources.iter().filter_map(|source| judge(source, &LONGER)).collect()
}

fn judge(source: &Source, longer: &[(&str, usize, &str)]) -> Option<Finding> {
    let (n_lines, what, limit) = measure(source)?;
    let allowed = longer.iter().find(|(path, ..)| *path == source.path);
    let limit = allowed.map_or(limit, |(_, limit, _reason)| *limit);
    let message = || format!("has {n_lines} {what}, more than {limit}: split it by topic");
    (n_lines > limit).then(|| source.finding(limit, message()))
}

/// What is counted in a file, and how much of it there may be.
fn measure(source: &Source) -> Option<(usize, &'static str, usize)> {
    let n_lines = source.text.lines().count();
    let name = source.path.rsplit('/').next()?;
    if source.is_code() && source.has_extension("rs") {
        return Some((source.n_production, "production lines", 700));
    }
    if source.has_extension("html") && source.path.contains("/templates/") {
        return Some((n_lines, "lines of template", 120));
    }
    match name {
        "app.js" => Some((n_lines, "lines of script", 250)),
        "ARCHITECTURE.md" => Some((n_lines, "lines", 300)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_lines(path: &str, n_lines: usize, n_findings: usize) {
        let text = "x\n".repeat(n_lines);
        let found = check(&Tree::of(&[(path, &text)])).len();
        assert_eq!(found, n_findings, "{path} with {n_lines} lines");
    }

    #[test]
    fn each_kind_of_file_has_its_limit() {
        for (path, limit) in [
            ("crates/a/src/x.rs", 700),
            ("crates/a/templates/jobs.html", 120),
            ("crates/a/assets/app.js", 250),
            ("ARCHITECTURE.md", 300),
        ] {
            check_lines(path, limit, 0);
            check_lines(path, limit + 1, 1);
        }
    }

    #[test]
    fn tests_and_other_files_may_be_long() {
        check_lines("crates/a/tests/x.rs", 5000, 0);
        check_lines("docs/guide.md", 5000, 0);
    }

    #[test]
    fn unit_tests_do_not_count() {
        let text =
            format!("{}#[cfg(test)]\nmod tests {{\n{}", "x\n".repeat(700), "y\n".repeat(900));
        assert_eq!(check(&Tree::of(&[("crates/a/src/x.rs", &text)])), [], "700 before the tests");
    }

    #[test]
    fn an_allowed_file_has_a_limit_too() {
        let text = "x\n".repeat(800);
        let tree = Tree::of(&[("crates/a/src/x.rs", &text)]);
        let judged = |limit| judge(&tree.sources[0], &[("crates/a/src/x.rs", limit, "a table")]);
        assert_eq!(judged(800), None, "allowed up to its own limit");
        assert!(judged(799).is_some(), "and not beyond");
    }
}
