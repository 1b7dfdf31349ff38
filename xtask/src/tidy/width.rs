//! Lines of code are at most 100 characters wide.
//!
//! rustfmt keeps most Rust lines there by itself, but gives up on comments, on strings and on macro
//! bodies, and knows nothing of SQL and scripts.

use super::source::{Finding, Source, Tree};

const WIDTH_MAX: usize = 100;

const EXTENSIONS: [&str; 5] = ["rs", "sql", "lua", "js", "css"];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let code = tree.sources.iter().filter(|source| {
        source.is_code() && EXTENSIONS.iter().any(|extension| source.has_extension(extension))
    });
    code.flat_map(too_wide).collect()
}

fn too_wide(source: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (index, line) in source.text.lines().enumerate() {
        // A message stays in one piece, so that a search finds it; a URL cannot be broken.
        let literal = source.lines.get(index).map_or(0, |line| line.literal.chars().count());
        let width = line.chars().count() - literal;
        if width > WIDTH_MAX && !line.contains("://") {
            findings.push(source.finding(index, format!("is {width} wide; {WIDTH_MAX} is enough")));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_text(path: &str, text: &str, n_findings: usize) {
        assert_eq!(check(&Tree::of(&[(path, text)])).len(), n_findings, "{path}: {text}");
    }

    #[test]
    fn a_line_that_is_too_wide_is_found() {
        let (fits, wide) = ("é".repeat(100), "é".repeat(101));
        check_text("crates/a/src/x.rs", &format!("// ok\n{fits}\n{wide}\n"), 1);
        check_text("crates/a/sql/x.sql", &wide, 1);
        check_text("crates/a/assets/app.js", &wide, 1);
    }

    #[test]
    fn addresses_literals_and_prose_may_be_wide() {
        let wide = "x".repeat(101);
        check_text("crates/a/src/x.rs", &format!("// see https://example.org/{wide}\n"), 0);
        check_text("crates/a/src/x.rs", &format!("a(r\"\n{wide}\n\");\n"), 0);
        check_text("crates/a/src/x.rs", &format!("#[note = \"{wide}\"]\n"), 0);
        check_text("docs/guide.md", &wide, 0);
    }
}
