//! Prints JSON in lines, token by token, with numbers exactly as they were written.
//!
//! The job's page calls it for arguments and results. It never parses numbers or strings into
//! values, so that 9007199254740993 stays that number, and it is bounded in output.

use askama::Template;
use askama::filters::HtmlSafe;

use crate::show;

/// How much is printed of one text; the page says how much there is.
const SHOWN_MAX_BYTES: usize = 64 * 1024;

/// A JSON text, ready to be shown.
#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(path = "_json.html")]
pub(crate) struct Json {
    tokens: Vec<Token>,
    cut: Option<String>,
}

impl HtmlSafe for Json {}

/// A piece of text and its colour.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Token {
    class: &'static str,
    text: String,
}

impl Json {
    /// Breaks `json` into lines. What is not JSON is shown as it is.
    pub(crate) fn new(json: &[u8]) -> Self {
        let text = String::from_utf8_lossy(json);
        let mut printer = Printer { tokens: Vec::new(), n_bytes: 0, depth: 0 };
        printer.print(&text);
        let cut = (printer.n_bytes > SHOWN_MAX_BYTES).then(|| {
            let len = show::number(u64::try_from(json.len()).unwrap_or(u64::MAX));
            format!("Only the beginning is shown; there are {len} bytes in all.")
        });
        Self { tokens: printer.tokens, cut }
    }
}

struct Printer {
    tokens: Vec<Token>,
    n_bytes: usize,
    depth: usize,
}

impl Printer {
    fn print(&mut self, text: &str) {
        let mut rest = text.trim_start();
        while let Some(c) = rest.chars().next() {
            if self.n_bytes > SHOWN_MAX_BYTES {
                return;
            }
            let len = match c {
                '"' => string_len(rest),
                '{' | '}' | '[' | ']' | ',' | ':' => 1,
                _ => scalar_len(rest),
            };
            let (token, after) = rest.split_at(len);
            let after = after.trim_start();
            match c {
                '{' | '[' => self.open(token, after),
                '}' | ']' => self.close(token),
                ',' => {
                    self.push("", ",");
                    self.line();
                }
                ':' => self.push("", ": "),
                '"' if after.starts_with(':') => self.push("k", token),
                '"' => self.push("s", token),
                '-' | '0'..='9' => self.push("n", token),
                _ => self.push("l", token),
            }
            rest = after;
        }
    }

    fn open(&mut self, token: &str, after: &str) {
        self.depth += 1;
        self.push("", token);
        if !after.starts_with(['}', ']']) {
            self.line();
        }
    }

    fn close(&mut self, token: &str) {
        self.depth = self.depth.saturating_sub(1);
        let is_empty = self.tokens.last().is_some_and(|last| last.text.ends_with(['{', '[']));
        if !is_empty {
            self.line();
        }
        self.push("", token);
    }

    fn line(&mut self) {
        let line = format!("\n{}", "  ".repeat(std::cmp::min(self.depth, 64)));
        self.push("", &line);
    }

    /// Adds a token, merged with the one before where the colour is the same.
    fn push(&mut self, class: &'static str, text: &str) {
        let room = (SHOWN_MAX_BYTES + 1).saturating_sub(self.n_bytes);
        self.n_bytes += text.len();
        let text = show::visible(&text[..text.floor_char_boundary(room)]);
        match self.tokens.last_mut() {
            Some(last) if last.class == class => last.text.push_str(&text),
            _ => self.tokens.push(Token { class, text }),
        }
    }
}

/// Returns the length of the string at the start of `text`, with its quotes.
fn string_len(text: &str) -> usize {
    let mut is_escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// Returns the length of the number or literal at the start of `text`: at least one character.
fn scalar_len(text: &str) -> usize {
    let ends = |c: char| c.is_whitespace() || matches!(c, '{' | '}' | '[' | ']' | ',' | ':' | '"');
    text.char_indices().skip(1).find(|&(_, c)| ends(c)).map_or(text.len(), |(at, _)| at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(json: &str) -> String {
        Json::new(json.as_bytes()).tokens.into_iter().map(|token| token.text).collect()
    }

    #[test]
    fn objects_are_broken_into_lines_and_numbers_keep_every_digit() {
        assert_eq!(
            plain("{\"id\":9007199254740993,\"x\":[1.10,-0e5],\"e\":{},\"s\":\"a:{\\\"}\"}"),
            "{\n  \"id\": 9007199254740993,\n  \"x\": [\n    1.10,\n    -0e5\n  ],\n  \"e\": {},\n  \
             \"s\": \"a:{\\\"}\"\n}"
        );
    }

    #[test]
    fn what_is_not_json_is_shown_and_never_fails() {
        for text in ["", "}", "]]]", "\"open", "nul", "{\"a\"", "\u{7f}\u{202e}x", "ü ö"] {
            let shown = plain(text);
            assert!(!shown.contains('\u{202e}'), "{shown:?}");
        }
        assert!(!Json::new(b"\"\xff\"").tokens.is_empty());
    }

    #[test]
    fn a_long_text_is_cut_and_says_how_long_it_is() {
        let json = format!("[{}1]", "\"ü\",".repeat(50_000));
        let shown = Json::new(json.as_bytes());
        let len: usize = shown.tokens.iter().map(|token| token.text.len()).sum();
        assert!(len <= SHOWN_MAX_BYTES + 1, "{len} bytes are shown");
        let cut = shown.cut.unwrap();
        assert_eq!(cut, "Only the beginning is shown; there are 250,003 bytes in all.");
    }
}
