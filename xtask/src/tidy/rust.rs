//! Takes Rust text apart, line by line, into code, text of literals, and comments.
//!
//! Used by `source` for every Rust file, so that a rule about code does not fire on a word in a
//! string, nor the other way round. It knows comments and literals and nothing else of Rust.

/// One line; each part holds what the others do not.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    /// Code, with the contents of literals left out.
    pub(crate) code: String,
    /// The contents of string literals.
    pub(crate) literal: String,
    /// Comments with their slashes; doc comments too.
    pub(crate) comment: String,
    /// Whether the line begins inside a literal that an earlier line opened.
    pub(crate) continues_literal: bool,
}

#[derive(Clone, Copy)]
enum Mode {
    Code,
    LineComment,
    BlockComment { depth: usize },
    Text,
    RawText { n_hashes: usize },
}

/// Takes `text` apart.
pub(crate) fn lines(text: &str) -> Vec<Line> {
    let mut reader = Reader { chars: text.chars().collect(), at: 0, lines: vec![Line::default()] };
    let mut mode = Mode::Code;
    while let Some(c) = reader.peek(0) {
        if c == '\n' {
            reader.at += 1;
            mode = if matches!(mode, Mode::LineComment) { Mode::Code } else { mode };
            let continues_literal = matches!(mode, Mode::Text | Mode::RawText { .. });
            reader.lines.push(Line { continues_literal, ..Line::default() });
            continue;
        }
        mode = match mode {
            Mode::Code => reader.code(),
            Mode::LineComment => reader.take_comment(1, mode),
            Mode::BlockComment { depth } => reader.block_comment(depth),
            Mode::Text => reader.text(),
            Mode::RawText { n_hashes } => reader.raw_text(n_hashes),
        };
    }
    if reader.lines.last().is_some_and(|line| *line == Line::default()) {
        reader.lines.pop();
    }
    reader.lines
}

/// The index of the line where the unit tests begin: `#[cfg(test)]` on a module.
pub(crate) fn start_of_tests(lines: &[Line]) -> Option<usize> {
    lines.iter().enumerate().find_map(|(index, line)| {
        let code = line.code.trim();
        let is_gate = code.starts_with("#[cfg(") && words(code).any(|word| word == "test");
        let gated = lines[index..].iter().map(|line| line.code.trim());
        let item = gated.map(without_attribute).find(|code| !code.is_empty())?;
        (is_gate && item.starts_with("mod ")).then_some(index)
    })
}

/// What follows the attribute that a line begins with.
fn without_attribute(code: &str) -> &str {
    match code.strip_prefix("#[") {
        Some(rest) => rest.rsplit_once(']').map_or("", |(_, item)| item.trim()),
        None => code,
    }
}

/// The identifiers and keywords in a piece of code.
pub(crate) fn words(code: &str) -> impl Iterator<Item = &str> {
    code.split(|c: char| !is_word(c)).filter(|word| !word.is_empty())
}

pub(crate) fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

struct Reader {
    chars: Vec<char>,
    at: usize,
    lines: Vec<Line>,
}

impl Reader {
    fn peek(&self, ahead: usize) -> Option<char> {
        self.chars.get(self.at + ahead).copied()
    }

    fn sees(&self, text: &str) -> bool {
        text.chars().enumerate().all(|(ahead, c)| self.peek(ahead) == Some(c))
    }

    fn take(&mut self, n: usize, part: fn(&mut Line) -> &mut String) {
        for _ in 0..n {
            if let (Some(c), Some(line)) = (self.chars.get(self.at), self.lines.last_mut()) {
                part(line).push(*c);
                self.at += 1;
            }
        }
    }

    fn take_code(&mut self, n: usize, next: Mode) -> Mode {
        self.take(n, |line| &mut line.code);
        next
    }

    fn take_comment(&mut self, n: usize, next: Mode) -> Mode {
        self.take(n, |line| &mut line.comment);
        next
    }

    fn take_literal(&mut self, n: usize, next: Mode) -> Mode {
        self.take(n, |line| &mut line.literal);
        next
    }

    fn code(&mut self) -> Mode {
        if self.sees("//") {
            return self.take_comment(2, Mode::LineComment);
        }
        if self.sees("/*") {
            return self.take_comment(2, Mode::BlockComment { depth: 1 });
        }
        if self.sees("\"") {
            return self.take_code(1, Mode::Text);
        }
        if let Some(n_hashes) = self.raw_start() {
            return self.take_code(n_hashes + 2, Mode::RawText { n_hashes });
        }
        let n = self.char_literal().unwrap_or(1);
        self.take_code(n, Mode::Code)
    }

    /// The number of hashes when a raw string begins here (`r"`, `r#"`; the `b` of `br"` is past).
    fn raw_start(&self) -> Option<usize> {
        let before = self.at.checked_sub(1).and_then(|before| self.chars.get(before));
        let inside_word = before.is_some_and(|c| is_word(*c) && *c != 'b' && *c != 'c');
        if inside_word || self.peek(0) != Some('r') {
            return None;
        }
        let after = self.chars.iter().skip(self.at + 1);
        let n_hashes = after.take_while(|c| **c == '#').count();
        (self.peek(n_hashes + 1) == Some('"')).then_some(n_hashes)
    }

    /// The length of the character literal that begins here; `None` at anything else, for example
    /// at a lifetime.
    fn char_literal(&self) -> Option<usize> {
        if self.peek(0) != Some('\'') {
            return None;
        }
        if self.peek(1) == Some('\\') {
            let end = (3..12).find(|ahead| self.peek(*ahead) == Some('\''))?;
            return Some(end + 1);
        }
        (self.peek(2) == Some('\'')).then_some(3)
    }

    fn block_comment(&mut self, depth: usize) -> Mode {
        if self.sees("/*") {
            return self.take_comment(2, Mode::BlockComment { depth: depth + 1 });
        }
        if !self.sees("*/") {
            return self.take_comment(1, Mode::BlockComment { depth });
        }
        let outer = if depth == 1 { Mode::Code } else { Mode::BlockComment { depth: depth - 1 } };
        self.take_comment(2, outer)
    }

    fn text(&mut self) -> Mode {
        if self.sees("\"") {
            return self.take_code(1, Mode::Code);
        }
        // A backslash at the end of a line leaves the line break to the main loop.
        let escapes = self.sees("\\") && self.peek(1) != Some('\n');
        self.take_literal(if escapes { 2 } else { 1 }, Mode::Text)
    }

    fn raw_text(&mut self, n_hashes: usize) -> Mode {
        let ends = self.sees("\"") && (1..=n_hashes).all(|ahead| self.peek(ahead) == Some('#'));
        if ends {
            return self.take_code(n_hashes + 1, Mode::Code);
        }
        self.take_literal(1, Mode::RawText { n_hashes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[(&str, &str, &str)]) {
        let found = lines(text);
        let found: Vec<(&str, &str, &str)> = found
            .iter()
            .map(|line| (line.code.as_str(), line.literal.as_str(), line.comment.as_str()))
            .collect();
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn comments_are_taken_apart_from_code() {
        check("a(); // b\nc();\n", &[("a(); ", "", "// b"), ("c();", "", "")]);
        check("a /* b /* c */ d */ e", &[("a  e", "", "/* b /* c */ d */")]);
        check("a /* b\nc */ d", &[("a ", "", "/* b"), (" d", "", "c */")]);
        check("/// Doc.\nfn a() {}", &[("", "", "/// Doc."), ("fn a() {}", "", "")]);
    }

    #[test]
    fn strings_are_taken_apart_from_code() {
        check(r#"a("b // c");"#, &[(r#"a("");"#, "b // c", "")]);
        check(r#"a("\"b\\");"#, &[(r#"a("");"#, r#"\"b\\"#, "")]);
        check("a(\"b \\\n  c\")", &[("a(\"", "b \\", ""), ("\")", "  c", "")]);
    }

    #[test]
    fn raw_strings_end_at_their_own_hashes() {
        check("a(r#\"b\" // c\"#); // d", &[("a(r#\"\"#); ", "b\" // c", "// d")]);
        check("a(br\"\\\"); b", &[("a(br\"\"); b", "\\", "")]);
        check("let r#type = for_r;", &[("let r#type = for_r;", "", "")]);
    }

    #[test]
    fn characters_and_lifetimes_are_code() {
        check(
            r#"a('"', '\'', '\u{1b}', b'"'); // c"#,
            &[(r#"a('"', '\'', '\u{1b}', b'"'); "#, "", "// c")],
        );
        check("fn a<'b>(c: &'b str) {} // d", &[("fn a<'b>(c: &'b str) {} ", "", "// d")]);
    }

    #[test]
    fn lines_inside_a_literal_are_marked() {
        let marks: Vec<bool> =
            lines("a(r\"\nb\n\");\nc();").iter().map(|line| line.continues_literal).collect();
        assert_eq!(marks, [false, true, true, false], "from the second line to the closing quote");
    }

    #[test]
    fn unit_tests_begin_at_their_gate() {
        let start = |text: &str| start_of_tests(&lines(text));
        assert_eq!(start("a();\n#[cfg(test)]\nmod tests {\n"), Some(1), "the usual form");
        assert_eq!(
            start("a();\n#[cfg(test)]\n#[path = \"t.rs\"]\nmod t;\n"),
            Some(1),
            "more attributes"
        );
        assert_eq!(start("#[cfg(all(test, unix))]\nmod tests {}"), Some(0), "a narrower gate");
        assert_eq!(start("#[cfg(test)]\nfn only_for_tests() {}\nfn b() {}"), None, "no module");
        assert_eq!(start("#[cfg(feature = \"test\")]\nmod a;"), None, "another gate");
    }
}
