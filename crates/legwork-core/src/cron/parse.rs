//! Reading a cron expression: from text to sets of values.
//!
//! [`Cron::parse`](super::Cron::parse) calls it. It says where the text is wrong and what was
//! expected there; whether a rule ever fires is decided in `next`.

use super::{CRON_MAX_BYTES, Field, Fields};
use crate::error::{Error, ErrorKind, Result};
use crate::limits::clip;

/// What a field may hold.
struct Spec {
    name: &'static str,
    min: u32,
    max: u32,
    /// The number that is written for `min` too: Sunday is 0 and 7.
    alias_of_min: Option<u32>,
    /// The names of the values from `min`.
    names: &'static [&'static str],
    /// What else stands for `*`.
    question: bool,
}

const MINUTE: Spec = plain("minute", 0, 59);
const HOUR: Spec = plain("hour", 0, 23);
const DAY_OF_MONTH: Spec = Spec { question: true, ..plain("day-of-month", 1, 31) };
const MONTH: Spec = Spec {
    names: &["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"],
    ..plain("month", 1, 12)
};
const DAY_OF_WEEK: Spec = Spec {
    alias_of_min: Some(7),
    names: &["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"],
    question: true,
    ..plain("day-of-week", 0, 6)
};

const fn plain(name: &'static str, min: u32, max: u32) -> Spec {
    Spec { name, min, max, alias_of_min: None, names: &[], question: false }
}

/// The macros and what they stand for.
const MACROS: [(&str, &str); 8] = [
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
    ("@monthly", "0 0 1 * *"),
    ("@weekly", "0 0 * * 0"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@hourly", "0 * * * *"),
    ("@every_minute", "* * * * *"),
];

/// Reads an expression.
pub(super) fn fields(text: &str) -> Result<Fields> {
    if text.len() > CRON_MAX_BYTES {
        let len = text.len();
        let message = format!("the cron expression has {len} bytes: at most 1024 are allowed");
        return Err(Error::new(ErrorKind::TooLarge, message));
    }
    let tokens: Vec<Token<'_>> = tokens(text).collect();
    match tokens[..] {
        [token] if token.text.starts_with('@') => fields(expand(token)?),
        [minute, hour, day_of_month, month, day_of_week] => Ok(Fields {
            minute: field(&MINUTE, minute)?,
            hour: field(&HOUR, hour)?,
            day_of_month: field(&DAY_OF_MONTH, day_of_month)?,
            month: field(&MONTH, month)?,
            day_of_week: field(&DAY_OF_WEEK, day_of_week)?,
        }),
        _ => Err(Error::invalid(format!(
            "the cron expression {:?} has {}: expected 5 (minute hour day-of-month month \
             day-of-week) or a macro such as @daily",
            clip(text.trim(), 100),
            match tokens.len() {
                0 => "no fields".to_owned(),
                1 => "1 field".to_owned(),
                n => format!("{n} fields"),
            }
        ))),
    }
}

/// A run of characters without blanks, and the column of its first one, from 1.
#[derive(Clone, Copy)]
struct Token<'a> {
    text: &'a str,
    column: usize,
}

fn tokens(text: &str) -> impl Iterator<Item = Token<'_>> {
    let blank = |c: char| c == ' ' || c == '\t';
    let mut column = 1;
    text.trim_end().split(blank).filter_map(move |text| {
        let token = Token { text, column };
        column += text.chars().count() + 1;
        (!text.is_empty()).then_some(token)
    })
}

fn expand(token: Token<'_>) -> Result<&'static str> {
    let found = MACROS.iter().find(|(name, _)| name.eq_ignore_ascii_case(token.text));
    found.map(|(_, meaning)| *meaning).ok_or_else(|| {
        let names: Vec<&str> = MACROS.iter().map(|(name, _)| *name).collect();
        Error::invalid(format!(
            "column {}: unknown macro {:?}: expected one of {}",
            token.column,
            clip(token.text, 50),
            names.join(" ")
        ))
    })
}

fn field(spec: &Spec, token: Token<'_>) -> Result<Field> {
    let mut cursor = Cursor { spec, rest: token.text, column: token.column };
    let star = token.text.starts_with('*') || spec.question && token.text.starts_with('?');
    let mut field = Field { bits: 0, star, fixed: true };
    loop {
        let item = cursor.item()?;
        field.fixed &= item.single;
        field.bits |= item.bits(spec);
        match cursor.take_char() {
            None => return Ok(field),
            Some((_, ',')) => {}
            Some((column, c)) => {
                let column = Cursor { column, ..cursor };
                return Err(column.error(&format!("unexpected {c:?}: expected `,` or a blank")));
            }
        }
    }
}

/// One entry of a list: every `step`-th value from `first` to `last`, around the end of the field
/// where `last` is less.
struct ListItem {
    first: u32,
    last: u32,
    step: u32,
    single: bool,
}

impl ListItem {
    fn bits(&self, spec: &Spec) -> u64 {
        let size = spec.max - spec.min + 1;
        let span = if self.first <= self.last {
            self.last - self.first
        } else {
            self.last + size - self.first
        };
        (0..=span).filter(|offset| offset % self.step == 0).fold(0, |bits, offset| {
            bits | 1 << (spec.min + (self.first - spec.min + offset) % size)
        })
    }
}

/// Reads one field from left to right.
#[derive(Clone, Copy)]
struct Cursor<'a> {
    spec: &'a Spec,
    rest: &'a str,
    /// The column of the first character of `rest`.
    column: usize,
}

impl<'a> Cursor<'a> {
    fn item(&mut self) -> Result<ListItem> {
        let spec = self.spec;
        let star = self.skip('*') || spec.question && self.skip('?');
        let (first, last, single) = if star {
            (spec.min, spec.max, false)
        } else {
            let at = *self;
            let first = self.value()?;
            if self.skip('-') {
                let last = self.value()?;
                self.range(at, first, last)?
            } else {
                (self.fold(first), self.fold(first), true)
            }
        };
        if !self.skip('/') {
            return Ok(ListItem { first, last, step: 1, single });
        }
        let step = self.step()?;
        let last = if single { spec.max } else { last };
        Ok(ListItem { first, last, step, single: false })
    }

    /// Decides what the range from `first` to `last` means where Sunday has two numbers.
    fn range(&self, at: Cursor<'_>, first: u32, last: u32) -> Result<(u32, u32, bool)> {
        let all = self.spec.alias_of_min == Some(last) && first == self.spec.min;
        let (from, to) = (self.fold(first), self.fold(last));
        if all {
            Ok((self.spec.min, self.spec.max, false))
        } else if from == to && first != last {
            Err(at.error("the range starts and ends with the same day"))
        } else {
            Ok((from, to, false))
        }
    }

    fn fold(&self, value: u32) -> u32 {
        if self.spec.alias_of_min == Some(value) { self.spec.min } else { value }
    }

    fn step(&mut self) -> Result<u32> {
        let at = *self;
        let max = self.spec.alias_of_min.unwrap_or(self.spec.max);
        let digits = self.take_while(|c| c.is_ascii_digit());
        match digits.parse::<u32>() {
            Ok(0) => Err(at.error("step 0 is not allowed")),
            Ok(step) if step <= max => Ok(step),
            _ if digits.is_empty() => Err(at.unexpected(&format!("a step from 1 to {max}"))),
            _ => Err(at.error(&format!("step {} is not within 1 to {max}", clip(digits, 20)))),
        }
    }

    fn value(&mut self) -> Result<u32> {
        let (at, spec) = (*self, self.spec);
        let max = spec.alias_of_min.unwrap_or(spec.max);
        let digits = self.take_while(|c| c.is_ascii_digit());
        if !digits.is_empty() {
            return match digits.parse::<u32>() {
                Ok(value) if (spec.min..=max).contains(&value) => Ok(value),
                _ => {
                    let digits = clip(digits, 20);
                    Err(at.error(&format!("{digits} is not within {} to {max}", spec.min)))
                }
            };
        }
        let word = self.take_while(|c| c.is_ascii_alphabetic());
        let known = spec.names.iter().zip(spec.min..);
        match known.into_iter().find(|(name, _)| name.eq_ignore_ascii_case(word)) {
            Some((_, value)) => Ok(value),
            None if word.is_empty() => Err(at.unexpected(&expected_value(spec, max))),
            None => {
                let word = clip(word, 20);
                Err(at
                    .error(&format!("{word:?} is unknown: expected {}", expected_value(spec, max))))
            }
        }
    }

    fn take_while(&mut self, accept: impl Fn(char) -> bool) -> &'a str {
        let end = self.rest.find(|c| !accept(c)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at(end);
        // Only ASCII is taken: a byte is a column.
        self.column += taken.len();
        self.rest = rest;
        taken
    }

    fn take_char(&mut self) -> Option<(usize, char)> {
        let c = self.rest.chars().next()?;
        let column = self.column;
        self.rest = &self.rest[c.len_utf8()..];
        self.column += 1;
        Some((column, c))
    }

    fn skip(&mut self, wanted: char) -> bool {
        let found = self.rest.starts_with(wanted);
        if found {
            self.take_char();
        }
        found
    }

    fn unexpected(&self, expected: &str) -> Error {
        match self.rest.chars().next() {
            Some(c) => self.error(&format!("unexpected {c:?}: expected {expected}")),
            None => self.error(&format!("the field ends: expected {expected}")),
        }
    }

    fn error(&self, problem: &str) -> Error {
        Error::invalid(format!("{} field, column {}: {problem}", self.spec.name, self.column))
    }
}

fn expected_value(spec: &Spec, max: u32) -> String {
    let Spec { min, names, .. } = spec;
    match names {
        [first, .., last] => format!("`*`, {min} to {max} or {first} to {last}"),
        _ => format!("`*` or {min} to {max}"),
    }
}

#[cfg(test)]
mod tests;
