//! Templates that are parts of pages are recognised by their names: `_chart.html`.

use super::source::{Finding, Source, Tree};

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let templates = tree
        .sources
        .iter()
        .filter(|source| source.path.contains("/templates/") && source.has_extension("html"));
    templates.flat_map(misnamed_parts).collect()
}

fn misnamed_parts(source: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (index, line) in source.text.lines().enumerate() {
        let part = line.split_once("include \"").and_then(|(_, rest)| rest.split('"').next());
        let name = part.and_then(|path| path.rsplit('/').next());
        if let Some(name) = name.filter(|name| line.contains("{%") && !name.starts_with('_')) {
            findings
                .push(source.finding(index, format!("includes `{name}`: a part starts with `_`")));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_text(text: &str, n_findings: usize) {
        let tree = Tree::of(&[("crates/a/templates/jobs.html", text)]);
        assert_eq!(check(&tree).len(), n_findings, "{text}");
    }

    #[test]
    fn a_part_that_is_named_like_a_page_is_found() {
        check_text("<p>\n{% include \"chart.html\" %}\n</p>\n", 1);
        check_text("{%- include \"parts/chart.html\" -%}\n", 1);
    }

    #[test]
    fn parts_and_layouts_are_fine() {
        check_text("{% extends \"layout.html\" %}\n{% include \"_chart.html\" %}\n", 0);
        check_text("<p>include \"chart.html\"</p>\n", 0);
    }
}
