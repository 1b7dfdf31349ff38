//! One word per thing: public names and documentation avoid the synonyms that the glossary lists.
//!
//! The list is the table in `docs/glossary.md` whose first column is `not`. Checked are the doc
//! comments and the public names of the library crates; words in backticks are somebody else's
//! names and may be anything.

use super::rust::{is_word, words};
use super::source::{Finding, Source, Tree};

const PAGE: &str = "docs/glossary.md";

/// A word, or several, that the glossary replaces.
#[derive(Debug, PartialEq, Eq)]
struct Synonym {
    not: Vec<String>,
    instead: String,
    /// Phrases in which the word is right.
    except: Vec<String>,
}

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let synonyms = tree.find(PAGE).map(|page| listed(&page.text)).unwrap_or_default();
    let libraries = tree.rust().filter(|source| source.library().is_some());
    libraries.flat_map(|source| used(source, &synonyms)).collect()
}

/// The rows of the table whose first column is `not`: the word, what to say, where it is right.
fn listed(page: &str) -> Vec<Synonym> {
    let rows = page.lines().map(|line| line.trim().trim_matches('|').split('|').map(str::trim));
    let rows = rows.map(Iterator::collect::<Vec<&str>>);
    let table = rows.skip_while(|cells| cells.first() != Some(&"not")).skip(2);
    let rows = table.take_while(|cells| cells.len() == 3);
    let list = |cell: &str| -> Vec<String> {
        cell.split(',').map(|p| p.trim().to_lowercase()).filter(|p| !p.is_empty()).collect()
    };
    rows.map(|cells| Synonym {
        not: spoken(cells[0]),
        instead: cells[1].to_owned(),
        except: list(cells[2]),
    })
    .collect()
}

fn used(source: &Source, synonyms: &[Synonym]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut block = Block::default();
    for (index, line) in source.production() {
        let is_doc = line.comment.starts_with("///") || line.comment.starts_with("//!");
        let doc = if is_doc { without_quotes(&line.comment).to_lowercase() } else { String::new() };
        let name = block.public_name(&line.code).unwrap_or_default();
        let found = synonyms.iter().find(|synonym| {
            let doc =
                synonym.except.iter().fold(doc.clone(), |doc, phrase| doc.replace(phrase, ""));
            contains(&spoken(&doc), &synonym.not) || contains(&spoken(name), &synonym.not)
        });
        if let Some(synonym) = found.filter(|_| !source.is_excused(index)) {
            let (not, instead) = (synonym.not.join(" "), &synonym.instead);
            findings
                .push(source.finding(index, format!("says \"{not}\"; here it is \"{instead}\"")));
        }
    }
    findings
}

/// The text without what stands in backticks.
fn without_quotes(text: &str) -> String {
    text.split('`').step_by(2).collect::<Vec<&str>>().join(" ")
}

/// Splits prose, `snake_case` and `CamelCase` into lower-case words.
fn spoken(text: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut previous_is_lower = false;
    for c in text.chars() {
        let starts_word = c.is_uppercase() && previous_is_lower;
        if !c.is_alphanumeric() || starts_word {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut().filter(|_| c.is_alphanumeric()) {
            word.extend(c.to_lowercase());
        }
        previous_is_lower = c.is_lowercase() || c.is_ascii_digit();
    }
    words.retain(|word| !word.is_empty());
    words
}

/// Whether `said` contains the words of `not` in a row, the last in any of its usual forms.
fn contains(said: &[String], not: &[String]) -> bool {
    let Some((last, first)) = not.split_last() else { return false };
    said.windows(not.len()).any(|window| {
        let (said_last, said_first) = (&window[first.len()], &window[..first.len()]);
        let ending = said_last.strip_prefix(last.as_str());
        said_first == first && ending.is_some_and(|e| matches!(e, "" | "s" | "d" | "ed" | "ing"))
    })
}

/// Remembers whether the lines seen last opened a public enum or trait, whose items are public too.
#[derive(Debug, Default)]
struct Block {
    kind: Option<&'static str>,
    indent: usize,
}

impl Block {
    /// The public name that a line of code declares.
    fn public_name<'a>(&mut self, code: &'a str) -> Option<&'a str> {
        let trimmed = code.trim_start();
        let indent = code.len() - trimmed.len();
        if trimmed.starts_with('}') && indent == self.indent {
            self.kind = None;
        }
        if let Some(item) = trimmed.strip_prefix("pub ") {
            let opened = ["enum", "trait"].into_iter().find(|kind| item.starts_with(kind));
            if opened.is_some() && !trimmed.contains('}') {
                (self.kind, self.indent) = (opened, indent);
            }
            return item_name(item);
        }
        match self.kind? {
            "enum" if indent == self.indent + 4 => {
                words(trimmed).next().filter(|name| name.starts_with(char::is_uppercase))
            }
            "trait" if trimmed.contains("fn ") => item_name(trimmed),
            _ => None,
        }
    }
}

/// The name after the keywords of an item, or the name of a field.
fn item_name(item: &str) -> Option<&str> {
    const ITEMS: [&str; 9] =
        ["fn", "struct", "enum", "trait", "mod", "type", "static", "const", "union"];
    const BEFORE: [&str; 4] = ["async", "const", "unsafe", "extern"];
    let mut found = words(item).skip_while(|word| BEFORE.contains(word) && *word != "const");
    let first = found.next()?;
    if first == "const" {
        return found.find(|word| !ITEMS.contains(word) && !BEFORE.contains(word));
    }
    if ITEMS.contains(&first) {
        return found.next();
    }
    let is_field = item.trim_start_matches(is_word).starts_with(':');
    is_field.then_some(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GLOSSARY: &str = "| not | say | except in |\n| --- | --- | --- |\n\
        | payload | args | panic payload |\n| dead letter | failed job | |\n| ack | finish | |\n\n\
        | word | meaning |\n| --- | --- |\n| job | work |\n";

    fn check_code(code: &str, n_findings: usize) {
        let tree = Tree::of(&[("docs/glossary.md", GLOSSARY), ("crates/a/src/x.rs", code)]);
        assert_eq!(check(&tree).len(), n_findings, "{code}");
    }

    #[test]
    fn synonyms_in_documentation_are_found() {
        check_code("/// Writes the payload.\nfn a() {}\n", 1);
        check_code("//! Acks the job. Never acknowledges it.\n", 1);
        check_code("/// The dead-letter queue; Payloads go there.\n", 1);
    }

    #[test]
    fn synonyms_in_public_names_are_found() {
        check_code("pub fn write_payload() {}\n", 1);
        check_code("pub struct DeadLetters {\n    pub payload: u8,\n}\n", 2);
        check_code("pub const fn ack() {}\npub const PAYLOAD_MAX: u8 = 1;\n", 2);
        check_code("pub enum Outcome {\n    Acked,\n    Failed { payload: u8 },\n}\n", 1);
        check_code("pub trait Storage {\n    async fn ack(&self);\n}\n", 1);
    }

    #[test]
    fn other_words_and_private_names_are_fine() {
        check_code("/// Catches the panic payload of a `payload()`, in the background pack.\n", 0);
        check_code("fn ack() {}\nstruct Payload;\nlet payload = 1; // the payload\n", 0);
        check_code("pub fn backpack() {}\npub fn back_off(attack: u8) {}\n", 0);
        check_code("/// Writes a payload. // tidy: the words of AMQP\n", 0);
        check_code("#[cfg(test)]\nmod tests {\n    /// A payload.\n    pub fn ack() {}\n}\n", 0);
    }

    #[test]
    fn an_item_after_a_public_block_is_private_again() {
        check_code("pub enum A {\n    B,\n}\nenum C {\n    Ack,\n}\n", 0);
        check_code("pub trait A {\n    fn b();\n}\nimpl D {\n    fn ack() {}\n}\n", 0);
    }

    #[test]
    fn the_list_ends_with_its_table() {
        let listed = listed(GLOSSARY);
        let words: Vec<String> = listed.iter().map(|synonym| synonym.not.join(" ")).collect();
        assert_eq!(words, ["payload", "dead letter", "ack"], "the next table is another matter");
    }
}
