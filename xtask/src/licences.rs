//! Checks the licence of every dependency against the allow list of `deny.toml`.
//!
//! A step of `ci`, so that the rule has teeth where cargo-deny is not installed. It reads licence
//! expressions the way SPDX defines them; everything else about dependencies (advisories, bans,
//! sources) is cargo-deny's work alone.

use crate::workspace;
use anyhow::{Context as _, ensure};
use serde_json::Value;

/// Prints each dependency whose licence is not allowed; whether there is none.
///
/// # Errors
/// cargo or `deny.toml` cannot be read.
pub(crate) fn check() -> anyhow::Result<bool> {
    let policy = std::fs::read_to_string(workspace::root().join("deny.toml"))?;
    let allowed = allowed_licences(&policy)?;
    let output = workspace::cargo().args(["metadata", "--format-version", "1"]).output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout)?;
    let packages = metadata["packages"].as_array().context("cargo metadata without packages")?;
    let refused: Vec<String> =
        packages.iter().filter_map(|package| refusal(package, &allowed)).collect();
    println!("{} packages, {} with a licence that is not allowed", packages.len(), refused.len());
    for line in &refused {
        println!("  {line}");
    }
    Ok(refused.is_empty())
}

fn refusal(package: &Value, allowed: &[String]) -> Option<String> {
    let licence = package["license"].as_str().unwrap_or("");
    if is_allowed(licence, allowed) {
        return None;
    }
    let said = if licence.is_empty() { "no licence expression" } else { licence };
    Some(format!("{} {}: {said}", package["name"].as_str()?, package["version"].as_str()?))
}

/// The strings of `allow = […]` in the section `[licenses]`.
fn allowed_licences(policy: &str) -> anyhow::Result<Vec<String>> {
    let lines = policy.lines().map(|line| line.split('#').next().unwrap_or_default());
    let text: Vec<&str> = lines.collect();
    let text = text.join("\n");
    let (_, section) = text.split_once("[licenses]").context("deny.toml has no [licenses]")?;
    let (_, list) = section.split_once("allow = [").context("[licenses] has no allow list")?;
    let (list, _) = list.split_once(']').context("the allow list has no end")?;
    Ok(list.split('"').skip(1).step_by(2).map(str::to_owned).collect())
}

/// Evaluates an SPDX expression: AND binds closer than OR, parentheses group, the old `/` is an OR.
fn is_allowed(expression: &str, allowed: &[String]) -> bool {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let tokens: Vec<&str> = spaced.split_whitespace().collect();
    let mut parser = Parser { tokens: &tokens, allowed };
    // A malformed expression is refused: nobody can tell what it allows.
    parser.alternatives() == Some(true) && parser.tokens.is_empty()
}

struct Parser<'a> {
    tokens: &'a [&'a str],
    allowed: &'a [String],
}

impl Parser<'_> {
    fn alternatives(&mut self) -> Option<bool> {
        let mut any = self.conjunction()?;
        while self.take("OR") {
            any |= self.conjunction()?;
        }
        Some(any)
    }

    fn conjunction(&mut self) -> Option<bool> {
        let mut all = self.licence()?;
        while self.take("AND") {
            all &= self.licence()?;
        }
        Some(all)
    }

    fn licence(&mut self) -> Option<bool> {
        if self.take("(") {
            let inner = self.alternatives()?;
            return self.take(")").then_some(inner);
        }
        let mut name = self.next()?.to_owned();
        if self.take("WITH") {
            name = format!("{name} WITH {}", self.next()?);
        }
        Some(self.allowed.contains(&name))
    }

    fn take(&mut self, token: &str) -> bool {
        let found = self.tokens.first() == Some(&token);
        if found {
            self.tokens = &self.tokens[1..];
        }
        found
    }

    fn next(&mut self) -> Option<&str> {
        let (first, rest) = self.tokens.split_first()?;
        self.tokens = rest;
        Some(first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(expression: &str, expected: bool) {
        let allowed = ["MIT", "Apache-2.0", "Apache-2.0 WITH LLVM-exception", "Unicode-3.0"];
        let allowed = allowed.map(str::to_owned);
        assert_eq!(is_allowed(expression, &allowed), expected, "{expression:?}");
    }

    #[test]
    fn one_allowed_alternative_is_enough() {
        check("MIT", true);
        check("MIT OR GPL-3.0", true);
        check("GPL-3.0/MIT", true);
        check("GPL-3.0 OR AGPL-3.0", false);
    }

    #[test]
    fn every_part_of_a_conjunction_has_to_be_allowed() {
        check("(MIT OR GPL-3.0) AND Unicode-3.0", true);
        check("MIT AND GPL-3.0", false);
        check("GPL-3.0 AND MIT OR Apache-2.0", true);
        check("GPL-3.0 AND (MIT OR Apache-2.0)", false);
    }

    #[test]
    fn an_exception_has_to_be_allowed_with_its_licence() {
        check("Apache-2.0 WITH LLVM-exception", true);
        check("MIT WITH LLVM-exception", false);
    }

    #[test]
    fn a_missing_or_malformed_expression_is_refused() {
        for expression in ["", "MIT OR", "(MIT", "MIT MIT", "OR MIT"] {
            check(expression, false);
        }
    }

    #[test]
    fn the_allow_list_is_read_from_the_policy() {
        let policy = "[advisories]\n[licenses]\nallow = [\n  \"MIT\", # most\n  \"ISC\",\n]\n";
        assert_eq!(allowed_licences(policy).unwrap(), ["MIT", "ISC"], "comments are no licences");
        assert!(allowed_licences("[licenses]\n").is_err(), "a policy without a list is no policy");
    }

    #[test]
    fn a_refused_package_is_named_with_its_licence() {
        let package = serde_json::json!({"name": "a", "version": "1.0.0", "license": "GPL-3.0"});
        let line = refusal(&package, &["MIT".to_owned()]);
        assert_eq!(line.as_deref(), Some("a 1.0.0: GPL-3.0"), "name, version and licence");
        let package = serde_json::json!({"name": "b", "version": "2.0.0", "license": null});
        let line = refusal(&package, &["MIT".to_owned()]);
        assert_eq!(line.as_deref(), Some("b 2.0.0: no licence expression"), "silence is refused");
    }

    #[test]
    fn the_policy_of_this_repository_allows_its_own_licence() {
        let policy = std::fs::read_to_string(workspace::root().join("deny.toml")).unwrap();
        assert!(is_allowed("MIT OR Apache-2.0", &allowed_licences(&policy).unwrap()), "dual");
    }
}
