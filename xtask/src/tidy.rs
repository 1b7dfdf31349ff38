//! `cargo xtask tidy`: the rules of the house that no compiler and no linter checks.
//!
//! Called by people and by `ci`. Each rule is one function in a file of its own under `tidy/`, from
//! the `Tree` to its findings; `source` reads the tree. Rules are cheap and textual: what clippy
//! can check (a wildcard arm in a `match` over the job state, for example) is left to clippy.
//!
//! A line that breaks a rule for a reason says so: `// tidy: <reason>` on it or just above it.

mod guarantees;
mod header;
mod honest_tests;
mod length;
mod manifests;
mod migrations;
mod names;
mod rust;
mod schema;
mod source;
mod spawn;
mod sql;
mod synonyms;
mod templates;
mod unfinished;
mod width;

use crate::workspace;
use source::{Finding, Tree};
use std::path::Path;
use std::process::ExitCode;

/// A rule finds what breaks it.
type Rule = fn(&Tree) -> Vec<Finding>;

const RULES: [(&str, Rule); 14] = [
    ("header", header::check),
    ("names", names::check),
    ("length", length::check),
    ("width", width::check),
    ("unfinished", unfinished::check),
    ("honest tests", honest_tests::check),
    ("spawn", spawn::check),
    ("sql", sql::check),
    ("schema", schema::check),
    ("templates", templates::check),
    ("manifests", manifests::check),
    ("migrations", migrations::check),
    ("synonyms", synonyms::check),
    ("guarantees", guarantees::check),
];

/// Prints what breaks a rule.
///
/// # Errors
/// A file cannot be read.
pub(crate) fn run() -> anyhow::Result<ExitCode> {
    let clean = is_clean(&workspace::root())?;
    Ok(if clean { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Checks the tree under `root`, prints every finding, and says whether there was none.
///
/// # Errors
/// A file cannot be read.
pub(crate) fn is_clean(root: &Path) -> anyhow::Result<bool> {
    let tree = Tree::load(root)?;
    let mut n_findings = 0_usize;
    for (name, rule) in RULES {
        for finding in rule(&tree) {
            println!("{finding} [{name}]");
            n_findings += 1;
        }
    }
    println!("tidy: {} files, {} rules, {n_findings} findings", tree.sources.len(), RULES.len());
    Ok(n_findings == 0)
}
