//! There is one version table and one lint table, in the root manifest.

use super::source::{Finding, Source, Tree};

/// Workspaces of their own: they have tables of their own.
const APART: [&str; 2] = ["e2e/", "fuzz/"];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let members = tree.sources.iter().filter(|source| {
        source.is_code()
            && source.path.ends_with("/Cargo.toml")
            && !APART.iter().any(|directory| source.path.starts_with(directory))
    });
    members.flat_map(faults).collect()
}

fn faults(source: &Source) -> Vec<Finding> {
    let mut findings = own_versions(source);
    if !source.text.contains("[lints]\nworkspace = true") {
        findings.push(source.finding(0, "has no `[lints]` with `workspace = true`"));
    }
    findings
}

/// Dependencies that name a version or a path instead of the root's line for them.
fn own_versions(source: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    let (mut in_table, mut n_open) = (false, 0_usize);
    for (index, line) in source.text.lines().enumerate() {
        let line = line.split('#').next().unwrap_or_default().trim();
        let starts_entry = n_open == 0 && !line.is_empty();
        let opened = line.matches(['[', '{']).count();
        let closed = line.matches([']', '}']).count();
        if starts_entry && line.starts_with('[') {
            in_table = line.trim_end_matches(']').ends_with("dependencies");
        } else if starts_entry && in_table && !line.contains("workspace = true") {
            let message = "has a version of its own: write it in the root, and `workspace = true`";
            findings.push(source.finding(index, message));
        }
        n_open = (n_open + opened).saturating_sub(closed);
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_text(path: &str, text: &str, n_findings: usize) {
        assert_eq!(check(&Tree::of(&[(path, text)])).len(), n_findings, "{path}: {text}");
    }

    const LINTS: &str = "[lints]\nworkspace = true\n";

    #[test]
    fn a_dependency_with_its_own_version_is_found() {
        let text = format!(
            "{LINTS}[dependencies]\nserde = \"1\"\n[dev-dependencies]\na = {{ path = \"..\" }}\n"
        );
        check_text("crates/a/Cargo.toml", &text, 2);
        let text = format!("{LINTS}[target.'cfg(unix)'.dependencies]\nlibc = \"0.2\"\n");
        check_text("crates/a/Cargo.toml", &text, 1);
    }

    #[test]
    fn a_crate_without_the_lint_table_is_found() {
        check_text("crates/a/Cargo.toml", "[package]\nname = \"a\"\n", 1);
    }

    #[test]
    fn inherited_dependencies_and_other_tables_are_fine() {
        let text = format!(
            "[package]\nname = \"a\"\n{LINTS}[features]\nb = [\"dep:c\"]\n[dependencies]\n\
             serde.workspace = true # why\ntokio = {{ workspace = true, features = [\n    \"rt\",\n] }}\n\
             [[bin]]\nname = \"a\"\n"
        );
        check_text("crates/a/Cargo.toml", &text, 0);
        check_text("e2e/Cargo.toml", "[dependencies]\nserde = \"1\"\n", 0);
        check_text("Cargo.toml", "[workspace.dependencies]\nserde = \"1\"\n", 0);
    }
}
