//! The statements of `sql/`, in the schema that the user chose.
//!
//! Every operation names them with `sql!`; [`crate::conn`] asks for their texts. A statement is a
//! file: no SQL is built here, only the name of the schema is put in.

use std::borrow::Cow;

/// A statement: the text of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Sql(pub(crate) &'static str);

/// Yields the statement `sql/<name>.sql`.
macro_rules! sql {
    ($name:literal) => {
        $crate::statement::Sql(include_str!(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/sql/",
            $name,
            ".sql"
        )))
    };
}
pub(crate) use sql;

/// The schema that the files name.
const SCHEMA: &str = "legwork";

/// Puts the user's schema in the place of ours. Names of schemas need no quotes: they are checked
/// when the address is parsed.
pub(crate) fn in_schema<'t>(text: &'t str, schema: &str) -> Cow<'t, str> {
    if schema == SCHEMA {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.replace("legwork.", &format!("\"{schema}\".")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_is_put_in_wherever_a_statement_names_it() {
        let text = "SELECT nextval('legwork.number') FROM legwork.job";
        assert_eq!(in_schema(text, "legwork"), text);
        let other = "SELECT nextval('\"two\".number') FROM \"two\".job";
        assert_eq!(in_schema(text, "two"), other);
    }
}
