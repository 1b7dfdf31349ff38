//! The tree that rules look at: every text file of the repository, Rust ones taken apart.
//!
//! Read once by `tidy`; rules only look. How a Rust file is taken apart is in `rust`.

use super::rust::{self, Line};
use anyhow::Context as _;
use std::fmt;
use std::path::Path;

/// Directories with Rust code that follows the rules.
const CODE: [&str; 6] = ["crates/", "examples/", "bench/", "xtask/", "e2e/", "fuzz/"];

const TEXT: [&str; 9] = ["rs", "md", "toml", "html", "js", "css", "sql", "lua", "sh"];

/// All files, ordered by path.
#[derive(Debug)]
pub(crate) struct Tree {
    pub(crate) sources: Vec<Source>,
}

/// One file. Paths are relative to the root and use `/`.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) path: String,
    pub(crate) text: String,
    /// The lines of a Rust file; empty for every other file.
    pub(crate) lines: Vec<Line>,
    /// How many lines come before the unit tests; none in a file that holds nothing but tests.
    pub(crate) n_production: usize,
}

/// Something that breaks a rule.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) path: String,
    pub(crate) line: usize,
    pub(crate) message: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.message)
    }
}

impl Tree {
    /// Reads every text file under `root`, except what is built, hidden or named in no rule.
    ///
    /// # Errors
    /// A directory or a file cannot be read.
    pub(crate) fn load(root: &Path) -> anyhow::Result<Self> {
        let mut sources = Vec::new();
        let mut directories = vec![root.to_path_buf()];
        while let Some(directory) = directories.pop() {
            for entry in std::fs::read_dir(&directory)? {
                let entry = entry?;
                let (path, name) = (entry.path(), entry.file_name());
                let name = name.to_string_lossy();
                if entry.file_type()?.is_dir() {
                    if !name.starts_with('.') && name != "target" && name != "node_modules" {
                        directories.push(path);
                    }
                } else if is_text(&path) {
                    let text = std::fs::read_to_string(&path)
                        .with_context(|| format!("{} cannot be read", path.display()))?;
                    let relative = path.strip_prefix(root)?.to_string_lossy().replace('\\', "/");
                    sources.push(Source::new(relative, text));
                }
            }
        }
        sources.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(Self { sources })
    }

    /// A tree of made-up files, for the tests of the rules.
    #[cfg(test)]
    pub(crate) fn of(files: &[(&str, &str)]) -> Self {
        let new = |(path, text): &(&str, &str)| Source::new((*path).into(), (*text).into());
        Self { sources: files.iter().map(new).collect() }
    }

    /// The Rust files that follow the rules of code.
    pub(crate) fn rust(&self) -> impl Iterator<Item = &Source> {
        self.sources.iter().filter(|source| source.is_code() && source.has_extension("rs"))
    }

    pub(crate) fn find(&self, path: &str) -> Option<&Source> {
        self.sources.iter().find(|source| source.path == path)
    }
}

impl Source {
    fn new(path: String, text: String) -> Self {
        let is_rust = Path::new(&path).extension().is_some_and(|found| found == "rs");
        let lines = if is_rust { rust::lines(&text) } else { Vec::new() };
        let only_tests = path.starts_with("e2e/")
            || path.contains("/tests/")
            || path.contains("/benches/")
            || path.ends_with("/tests.rs");
        let n_production =
            if only_tests { 0 } else { rust::start_of_tests(&lines).unwrap_or(lines.len()) };
        Self { path, text, lines, n_production }
    }

    /// Whether the file lies in a directory of code.
    pub(crate) fn is_code(&self) -> bool {
        CODE.iter().any(|directory| self.path.starts_with(directory))
    }

    pub(crate) fn has_extension(&self, extension: &str) -> bool {
        Path::new(&self.path).extension().is_some_and(|found| found == extension)
    }

    /// The crate of a file of `crates/<crate>/src/`; `None` for every other file.
    pub(crate) fn library(&self) -> Option<&str> {
        let (name, rest) = self.path.strip_prefix("crates/")?.split_once('/')?;
        rest.starts_with("src/").then_some(name)
    }

    /// The lines before the unit tests, with their index.
    pub(crate) fn production(&self) -> impl Iterator<Item = (usize, &Line)> {
        self.lines.iter().enumerate().take(self.n_production)
    }

    /// The unit tests, or all of a file that holds nothing but tests, with their index.
    pub(crate) fn tests(&self) -> impl Iterator<Item = (usize, &Line)> {
        self.lines.iter().enumerate().skip(self.n_production)
    }

    /// Whether the line or the comment just above it carries `tidy: <reason>`.
    pub(crate) fn is_excused(&self, index: usize) -> bool {
        let has_reason = |line: &Line| {
            let reason = line.comment.split_once("tidy: ").map(|(_, reason)| reason.trim());
            reason.is_some_and(|reason| !reason.is_empty())
        };
        let above = index.checked_sub(1).and_then(|above| self.lines.get(above));
        self.lines.get(index).is_some_and(has_reason)
            || above.is_some_and(|line| line.code.trim().is_empty() && has_reason(line))
    }

    /// A finding at the line with this index.
    pub(crate) fn finding(&self, index: usize, message: impl Into<String>) -> Finding {
        Finding { path: self.path.clone(), line: index + 1, message: message.into() }
    }
}

fn is_text(path: &Path) -> bool {
    path.extension().is_some_and(|extension| TEXT.iter().any(|text| extension == *text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_leaves_out_what_is_built_and_hidden() {
        let root = std::env::temp_dir().join(format!("legwork-tree-{}", std::process::id()));
        for directory in ["crates/a/src", "target/debug", ".git"] {
            std::fs::create_dir_all(root.join(directory)).unwrap();
            std::fs::write(root.join(directory).join("x.rs"), "//! X.\n").unwrap();
        }
        let tree = Tree::load(&root).unwrap();
        std::fs::remove_dir_all(&root).unwrap();
        let paths: Vec<&str> = tree.sources.iter().map(|s| s.path.as_str()).collect();
        assert_eq!(paths, ["crates/a/src/x.rs"], "only what people wrote");
    }

    #[test]
    fn unit_tests_and_test_files_are_no_production_code() {
        let text = "fn a() {}\n#[cfg(test)]\nmod tests {}\n";
        let check = |path: &str, expected: usize| {
            assert_eq!(Tree::of(&[(path, text)]).sources[0].n_production, expected, "{path}");
        };
        check("crates/a/src/x.rs", 1);
        check("crates/a/tests/x.rs", 0);
        check("crates/a/src/x/tests.rs", 0);
        check("e2e/src/lib.rs", 0);
    }

    #[test]
    fn an_excuse_needs_a_reason() {
        let tree = Tree::of(&[(
            "crates/a/src/x.rs",
            "a(); // tidy: the peer is slow\nb();\n// tidy: as above\nc();\nd(); // tidy: \n",
        )]);
        let excused: Vec<bool> = (0..5).map(|line| tree.sources[0].is_excused(line)).collect();
        assert_eq!(excused, [true, false, true, true, false], "on the line or above it");
    }

    #[test]
    fn only_sources_of_library_crates_have_a_library() {
        let check = |path: &str, expected: Option<&str>| {
            assert_eq!(Tree::of(&[(path, "")]).sources[0].library(), expected, "{path}");
        };
        check("crates/legwork-core/src/job.rs", Some("legwork-core"));
        check("crates/legwork-core/tests/it.rs", None);
        check("xtask/src/main.rs", None);
    }
}
