//! Every asynchronous task has an owner that awaits it and handles its panic.
//!
//! clippy refuses `tokio::spawn` in the workspace; this rule also sees macro bodies, doc examples
//! that people copy, and the browser tests, which have another lint table.

use super::source::{Finding, Source, Tree};

const BARE: [&str; 3] = ["tokio::spawn(", "tokio::task::spawn(", "task::spawn_local("];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    tree.rust().flat_map(ownerless).collect()
}

fn ownerless(source: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (index, line) in source.lines.iter().enumerate() {
        let is_doc = line.comment.starts_with("///") || line.comment.starts_with("//!");
        let text = if is_doc { &line.comment } else { &line.code };
        if BARE.iter().any(|call| text.contains(call)) && !source.is_excused(index) {
            let message = "spawns a task that nobody awaits: use a `JoinSet` or a `TaskTracker`";
            findings.push(source.finding(index, message));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_text(text: &str, n_findings: usize) {
        let tree = Tree::of(&[("crates/a/src/x.rs", text)]);
        assert_eq!(check(&tree).len(), n_findings, "{text}");
    }

    #[test]
    fn a_task_without_an_owner_is_found() {
        check_text("    tokio::spawn(async move {});\n", 1);
        check_text("tokio::task::spawn(work());\n", 1);
        check_text("/// tokio::spawn(work());\n", 1);
    }

    #[test]
    fn owned_tasks_and_mentions_are_fine() {
        check_text("tasks.spawn(work());\n", 0);
        check_text("// tokio::spawn( would have no owner\na(\"tokio::spawn(\");\n", 0);
        check_text("tokio::spawn(work()); // tidy: the runtime is the owner here\n", 0);
    }
}
