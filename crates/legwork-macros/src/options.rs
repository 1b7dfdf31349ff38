//! Reading a list of options in an attribute: `key = value, key(list), key`.
//!
//! All macros read theirs here, so that unknown and repeated keys are refused alike. What a value
//! means is the macro's business.

use std::time::Duration;

use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::ext::IdentExt as _;
use syn::parse::{Parse, ParseStream};
use syn::spanned::Spanned as _;
use syn::{Error, Expr, ExprLit, ExprUnary, Ident, Lit, LitStr, Path, Result, Token, Type, UnOp};

use crate::spelling::suggest;

/// The longest timeout and delay: a hundred years, as in `legwork_core::limits::DELAY_MAX`.
const DELAY_MAX: Duration = Duration::from_hours(100 * 365 * 24);

/// The options of one attribute, each key once.
pub(crate) struct Options {
    options: Vec<Entry>,
}

/// One option.
pub(crate) struct Entry {
    pub(crate) key: Ident,
    value: Value,
}

enum Value {
    /// `key`
    None,
    /// `key = expression`
    Expr(Expr),
    /// `state = Type`
    Type(Type),
    /// `key(…)`
    List(TokenStream),
}

impl Options {
    /// Reads options of which only those with a key in `known` are allowed.
    pub(crate) fn read(tokens: TokenStream, known: &[&str]) -> Result<Self> {
        let mut all = Self { options: Vec::new() };
        all.add(tokens, known)?;
        Ok(all)
    }

    /// Reads more options to these.
    pub(crate) fn add(&mut self, tokens: TokenStream, known: &[&str]) -> Result<()> {
        let parser = syn::punctuated::Punctuated::<Entry, Token![,]>::parse_terminated;
        for entry in syn::parse::Parser::parse2(parser, tokens)? {
            let key = entry.key.to_string();
            if !known.contains(&key.as_str()) {
                return Err(unknown(&entry.key, known));
            }
            if self.get(&key).is_some() {
                return Err(Error::new(entry.key.span(), format!("`{key}` is given twice")));
            }
            self.options.push(entry);
        }
        Ok(())
    }

    pub(crate) fn get(&self, key: &str) -> Option<&Entry> {
        self.options.iter().find(|entry| entry.key == key)
    }

    /// Returns the path of the crate that has the items of Legwork.
    pub(crate) fn krate(&self) -> Result<TokenStream> {
        match self.get("crate") {
            None => Ok(quote!(::legwork)),
            Some(entry) => entry.path().map(|path| quote!(#path)),
        }
    }
}

fn unknown(key: &Ident, known: &[&str]) -> Error {
    let known: Vec<&str> = known.iter().copied().filter(|key| *key != "crate").collect();
    let hint = match suggest(&key.to_string(), &known) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None if known.is_empty() => "there are no keys here".to_owned(),
        None => format!("expected one of `{}`", known.join("`, `")),
    };
    Error::new(key.span(), format!("unknown key `{key}`: {hint}"))
}

impl Parse for Entry {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let key = input.call(Ident::parse_any)?;
        let value = if input.peek(Token![=]) {
            input.parse::<Token![=]>()?;
            if key == "state" { Value::Type(input.parse()?) } else { Value::Expr(input.parse()?) }
        } else if input.peek(syn::token::Paren) {
            let content;
            syn::parenthesized!(content in input);
            Value::List(content.parse()?)
        } else {
            Value::None
        };
        Ok(Self { key, value })
    }
}

impl Entry {
    fn span(&self) -> Span {
        match &self.value {
            Value::Expr(expr) => expr.span(),
            Value::Type(ty) => ty.span(),
            Value::List(_) | Value::None => self.key.span(),
        }
    }

    /// Makes an error that points at the value and names the key.
    pub(crate) fn error(&self, rule: &str) -> Error {
        Error::new(self.span(), format!("`{}` {rule}", self.key))
    }

    /// Reads the value as an expression.
    pub(crate) fn expr(&self) -> Option<&Expr> {
        match &self.value {
            Value::Expr(expr) => Some(expr),
            Value::Type(_) | Value::List(_) | Value::None => None,
        }
    }

    pub(crate) fn list(&self) -> Option<&TokenStream> {
        match &self.value {
            Value::List(list) => Some(list),
            Value::Type(_) | Value::Expr(_) | Value::None => None,
        }
    }

    /// Tells whether the key stands alone.
    pub(crate) fn flag(&self) -> Result<()> {
        match &self.value {
            Value::None => Ok(()),
            Value::Type(_) | Value::Expr(_) | Value::List(_) => {
                Err(self.error("stands alone: it has no value"))
            }
        }
    }

    pub(crate) fn ty(&self) -> Result<&Type> {
        match &self.value {
            Value::Type(ty) => Ok(ty),
            Value::List(_) | Value::Expr(_) | Value::None => Err(self.error("is a type")),
        }
    }

    pub(crate) fn path(&self) -> Result<&Path> {
        match self.expr() {
            Some(Expr::Path(path)) if path.qself.is_none() => Ok(&path.path),
            _ => Err(self.error("is a path, such as `module::name`")),
        }
    }

    fn literal(&self) -> Option<&Lit> {
        match self.expr() {
            Some(Expr::Lit(ExprLit { lit, .. })) => Some(lit),
            _ => None,
        }
    }

    /// Reads the value as a name by the rule of `legwork_core::name`.
    pub(crate) fn name(&self) -> Result<LitStr> {
        match self.literal() {
            Some(Lit::Str(text)) => {
                check_name(&self.key.to_string(), text)?;
                Ok(text.clone())
            }
            _ => Err(self.error("is a string, such as \"mail.welcome\"")),
        }
    }

    /// Reads the value as an integer from `min` to `max`.
    pub(crate) fn integer(&self, min: i64, max: i64) -> Result<i64> {
        let rule = || self.error(&format!("is a whole number from {min} to {max}"));
        let (sign, lit) = match self.expr() {
            Some(Expr::Unary(ExprUnary { op: UnOp::Neg(_), expr, .. })) => (-1, &**expr),
            Some(expr) => (1, expr),
            None => return Err(rule()),
        };
        let Expr::Lit(ExprLit { lit: Lit::Int(digits), .. }) = lit else { return Err(rule()) };
        match digits.base10_parse::<i64>() {
            Ok(value) if (min..=max).contains(&(sign * value)) => Ok(sign * value),
            Ok(_) | Err(_) => Err(rule()),
        }
    }

    /// Reads the value as a number from `min` to `max`.
    pub(crate) fn float(&self, min: f64, max: f64) -> Result<f64> {
        let value = match self.literal() {
            Some(Lit::Float(digits)) => digits.base10_parse::<f64>().ok(),
            Some(Lit::Int(digits)) => digits.base10_parse::<f64>().ok(),
            _ => None,
        };
        match value {
            Some(value) if (min..=max).contains(&value) => Ok(value),
            _ => Err(self.error(&format!("is a number from {min} to {max}"))),
        }
    }

    /// Reads the value as a length of time: `"30s"`, or a number of seconds.
    pub(crate) fn duration(&self) -> Result<Duration> {
        let text = match self.literal() {
            Some(Lit::Str(text)) => text.value(),
            Some(Lit::Int(secs)) => format!("{}s", secs.base10_digits()),
            _ => String::new(),
        };
        let rule = "is a length of time, such as \"500ms\", \"30s\", \"5m\", \"2h\" or \"1d\"";
        let duration = parse_duration(&text).ok_or_else(|| self.error(rule))?;
        match duration {
            Duration::ZERO => Err(self.error("is zero: no run could end in time")),
            _ if duration > DELAY_MAX => Err(self.error("is over 100 years")),
            _ => Ok(duration),
        }
    }
}

fn parse_duration(text: &str) -> Option<Duration> {
    let end = text.find(|c: char| !c.is_ascii_digit())?;
    let (digits, unit) = text.split_at(end);
    let value: u64 = digits.parse().ok()?;
    let unit_secs = match unit.trim_start() {
        "ms" => return Some(Duration::from_millis(value)),
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return None,
    };
    Some(Duration::from_secs(value.checked_mul(unit_secs)?))
}

/// Checks a name by the rule of `legwork_core::name::check`, which runs only at run time.
pub(crate) fn check_name(key: &str, text: &LitStr) -> Result<()> {
    let value = text.value();
    let refuse = |rule: String| Err(Error::new(text.span(), format!("`{key}` {rule}")));
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    match value.chars().find(|c| !allowed(*c)) {
        _ if value.is_empty() => refuse("is empty: a name has 1 to 128 characters".to_owned()),
        _ if value.len() > 128 => {
            refuse(format!("has {} bytes: at most 128 are allowed", value.len()))
        }
        Some(c) => refuse(format!("has {c:?}: only A–Z a–z 0–9 _ . - are allowed")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: [&str; 4] = ["name", "timeout", "priority", "crate"];

    fn read(text: &str) -> Result<Options> {
        Options::read(text.parse().unwrap(), &KNOWN)
    }

    fn refused<T>(result: Result<T>) -> String {
        result.err().map(|error| error.to_string()).unwrap()
    }

    #[test]
    fn lengths_of_time_are_read_with_their_unit() {
        for (text, millis) in
            [("\"500ms\"", 500), ("\"30s\"", 30_000), ("30", 30_000), ("\"2 h\"", 7_200_000)]
        {
            let options = read(&format!("timeout = {text}")).unwrap();
            let duration = options.get("timeout").unwrap().duration().unwrap();
            assert_eq!(duration, Duration::from_millis(millis), "{text}");
        }
        for text in ["\"30\"", "\"s\"", "\"-1s\"", "\"1.5s\"", "\"1w\"", "\"\"", "1.5", "x"] {
            let options = read(&format!("timeout = {text}")).unwrap();
            let error = refused(options.get("timeout").unwrap().duration());
            assert!(error.starts_with("`timeout` is a length of time"), "{text}: {error}");
        }
        let zero = read("timeout = 0").unwrap();
        let error = refused(zero.get("timeout").unwrap().duration());
        assert_eq!(error, "`timeout` is zero: no run could end in time");
    }

    #[test]
    fn numbers_may_be_negative_and_keep_within_their_range() {
        let options = read("priority = -5").unwrap();
        assert_eq!(options.get("priority").unwrap().integer(-10, 10).unwrap(), -5);
        let error = refused(options.get("priority").unwrap().integer(0, 10));
        assert_eq!(error, "`priority` is a whole number from 0 to 10");
    }

    #[test]
    fn unknown_and_repeated_keys_are_refused() {
        assert_eq!(refused(read("nme = 1")), "unknown key `nme`: did you mean `name`?");
        let error = "unknown key `when`: expected one of `name`, `timeout`, `priority`";
        assert_eq!(refused(read("when = 1")), error);
        assert_eq!(refused(read("name = 1, name = 2")), "`name` is given twice");
    }

    #[test]
    fn names_follow_the_rule_of_legwork_core() {
        let long = "x".repeat(129);
        for text in ["", "mail welcome", "ü", "a/b", &long, "mail.welcome", "A-Z_0.9", "x"] {
            let literal = LitStr::new(text, Span::call_site());
            let known = legwork_core::name::check("name", text).is_ok();
            assert_eq!(check_name("name", &literal).is_ok(), known, "{text}");
        }
    }

    #[test]
    fn the_longest_timeout_is_that_of_legwork_core() {
        assert_eq!(DELAY_MAX, legwork_core::limits::DELAY_MAX);
    }
}
