//! Tests run, wait for what they mean to wait for, and say what they expect.
//!
//! A test that sleeps is slow when it is right and wrong when the machine is slow; one that is
//! ignored proves nothing; one that should panic accepts any panic.

use super::rust::{Line, is_word};
use super::source::{Finding, Source, Tree};

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    tree.rust().flat_map(dishonest).collect()
}

fn dishonest(source: &Source) -> Vec<Finding> {
    let everywhere = source.lines.iter().enumerate();
    let mut findings: Vec<Finding> = everywhere
        .filter_map(|(index, line)| Some(source.finding(index, unclear_verdict(line)?)))
        .collect();
    // The conformance cases are tests that live in a library.
    let is_suite = source.path.starts_with("crates/legwork-testing/src/conformance");
    let tests: Vec<(usize, &Line)> =
        if is_suite { source.lines.iter().enumerate().collect() } else { source.tests().collect() };
    for (index, line) in tests {
        if sleeps(&line.code) && !source.is_excused(index) {
            let message = "sleeps in a test: wait on state with a deadline, or excuse it";
            findings.push(source.finding(index, message));
        }
    }
    findings
}

/// What keeps a test on this line from having a clear verdict.
fn unclear_verdict(line: &Line) -> Option<&'static str> {
    let attribute = line.code.trim_start();
    if attribute.starts_with("#[ignore") {
        return Some("ignores a test: repair it or remove it");
    }
    if attribute.starts_with("#[should_panic") {
        return Some("expects any panic: assert on the value, or on what `catch_unwind` caught");
    }
    let doc = line.comment.trim_start_matches(['/', '!', ' ']);
    let fence = doc.strip_prefix("```")?;
    let mut tags = fence.split(',').map(str::trim);
    tags.any(|tag| tag == "ignore" || tag.starts_with("ignore-") || tag == "should_panic")
        .then_some("is a doc test that does not run: use `no_run`, `compile_fail` or `text`")
}

/// Whether the code calls a function named `sleep` (not a method, and not its definition).
fn sleeps(code: &str) -> bool {
    code.match_indices("sleep(").any(|(at, _)| {
        let before = &code[..at];
        !before.ends_with(|c: char| is_word(c) || c == '.') && !before.ends_with("fn ")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_text(path: &str, text: &str, n_findings: usize) {
        assert_eq!(check(&Tree::of(&[(path, text)])).len(), n_findings, "{path}: {text}");
    }

    #[test]
    fn tests_without_a_clear_verdict_are_found() {
        check_text("crates/a/tests/x.rs", "#[ignore]\nfn a() {}\n", 1);
        check_text("crates/a/tests/x.rs", "#[ignore = \"slow\"]\nfn a() {}\n", 1);
        check_text("crates/a/src/x.rs", "    #[should_panic(expected = \"x\")]\n", 1);
        check_text("crates/a/src/x.rs", "//! ```ignore\n/// ```rust,should_panic\n", 2);
    }

    #[test]
    fn sleeping_tests_are_found() {
        check_text("crates/a/tests/x.rs", "thread::sleep(SECOND);\n", 1);
        check_text("crates/a/tests/x.rs", "tokio::time::sleep(SECOND).await;\n", 1);
        check_text("e2e/tests/x.rs", "sleep(SECOND).await;\n", 1);
        check_text("crates/a/src/x.rs", "#[cfg(test)]\nmod tests {\n    sleep(SECOND);\n}\n", 1);
        check_text("crates/legwork-testing/src/conformance/claim.rs", "sleep(SECOND).await;\n", 1);
    }

    #[test]
    fn other_code_and_excused_sleeps_are_fine() {
        check_text("crates/a/src/x.rs", "tokio::time::sleep(SECOND).await;\n", 0);
        check_text("crates/a/tests/x.rs", "sleep(SECOND); // tidy: paused time\n", 0);
        check_text("crates/a/tests/x.rs", "clock.sleep(SECOND);\nfn sleep() {}\n", 0);
        check_text("crates/a/tests/x.rs", "a(\"sleep(\"); // sleep(\nuntil_asleep();\n", 0);
        check_text("crates/a/src/x.rs", "/// ```no_run\n/// ```\n/// ```text\n", 0);
    }
}
