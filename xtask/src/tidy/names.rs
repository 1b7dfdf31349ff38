//! Files are named by the word a reader would search for, and `foo.rs` lies beside `foo/`.

use super::source::{Finding, Tree};

/// Names that say nothing about what is inside.
const SAY_NOTHING: [&str; 10] =
    ["utils", "util", "common", "helpers", "helper", "types", "imp", "manager", "misc", "stuff"];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in tree.rust() {
        if source.path.ends_with("/mod.rs") {
            findings.push(source.finding(0, "is a mod.rs: name it after its module, beside it"));
        }
        let path = source.path.trim_end_matches(".rs");
        if let Some(name) = path.split('/').find(|part| SAY_NOTHING.contains(part)) {
            let message = format!("`{name}` says nothing: use the domain word for what it does");
            findings.push(source.finding(0, message));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_path(path: &str, n_findings: usize) {
        assert_eq!(check(&Tree::of(&[(path, "")])).len(), n_findings, "{path}");
    }

    #[test]
    fn empty_names_are_found_for_files_and_directories() {
        check_path("crates/a/src/utils.rs", 1);
        check_path("crates/a/src/helpers/clock.rs", 1);
        check_path("crates/a/tests/common.rs", 1);
        check_path("crates/a/src/job/mod.rs", 1);
        check_path("crates/a/tests/common/mod.rs", 2);
    }

    #[test]
    fn telling_names_are_fine() {
        check_path("crates/a/src/rescuer.rs", 0);
        check_path("crates/a/src/job_manager_state.rs", 0);
        check_path("docs/utils.rs", 0);
    }
}
