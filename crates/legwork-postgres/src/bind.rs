//! Values on their way into a statement and out of a row.
//!
//! Every operation calls it. A value carries its type, because behind a transaction pooler the
//! server is told the types instead of being asked for them. Reading never panics: what does not
//! fit is a damaged row.

use bytes::BytesMut;
use legwork_core::{Error, ErrorKind, Timestamp};
use postgres_types::{FromSql, IsNull, ToSql, Type};
use tokio_postgres::Row;

use crate::error::Result;

/// A value with its type.
pub(crate) struct Param {
    pub(crate) value: Box<dyn ToSql + Sync + Send>,
    pub(crate) kind: Type,
}

/// A Rust type that stands for one type of PostgreSQL.
pub(crate) trait Bind: ToSql + Sync + Send + 'static {
    /// The type.
    const TYPE: Type;
    /// The type of an array of it.
    const ARRAY: Type;
}

macro_rules! bind {
    ($($rust:ty => $kind:ident, $array:ident;)+) => {
        $(impl Bind for $rust {
            const TYPE: Type = Type::$kind;
            const ARRAY: Type = Type::$array;
        })+
    };
}

bind! {
    bool => BOOL, BOOL_ARRAY;
    i16 => INT2, INT2_ARRAY;
    i32 => INT4, INT4_ARRAY;
    i64 => INT8, INT8_ARRAY;
    f64 => FLOAT8, FLOAT8_ARRAY;
    String => TEXT, TEXT_ARRAY;
    &'static str => TEXT, TEXT_ARRAY;
    At => TIMESTAMPTZ, TIMESTAMPTZ_ARRAY;
}

impl<T: Bind> Bind for Option<T> {
    const TYPE: Type = T::TYPE;
    const ARRAY: Type = T::ARRAY;
}

impl<T: Bind> Bind for Vec<T> {
    const TYPE: Type = T::ARRAY;
    const ARRAY: Type = T::ARRAY;
}

/// Takes a value for a statement.
pub(crate) fn bind<T: Bind>(value: T) -> Param {
    Param { value: Box::new(value), kind: T::TYPE }
}

/// Lists the values of a statement: `params![id, name]` stand for `$1` and `$2`.
macro_rules! params {
    ($($value:expr),* $(,)?) => {
        vec![$($crate::bind::bind($value)),*]
    };
}
pub(crate) use params;

/// An instant as PostgreSQL stores it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct At(pub(crate) Timestamp);

/// From 1970 to 2000, where PostgreSQL begins to count, in microseconds.
const EPOCH: i64 = 946_684_800_000_000;

impl ToSql for At {
    fn to_sql(
        &self,
        _: &Type,
        out: &mut BytesMut,
    ) -> std::result::Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        // Every instant of ours is one of PostgreSQL's, which ends much later.
        let micros = self.0.as_micros().saturating_sub(EPOCH);
        out.extend_from_slice(&micros.to_be_bytes());
        Ok(IsNull::No)
    }

    fn accepts(kind: &Type) -> bool {
        *kind == Type::TIMESTAMPTZ
    }

    postgres_types::to_sql_checked!();
}

impl<'a> FromSql<'a> for At {
    fn from_sql(
        _: &Type,
        raw: &'a [u8],
    ) -> std::result::Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        let micros = i64::from_be_bytes(raw.try_into()?);
        Ok(Self(Timestamp::from_micros(micros.saturating_add(EPOCH))))
    }

    fn accepts(kind: &Type) -> bool {
        *kind == Type::TIMESTAMPTZ
    }
}

/// Reads a column; a row that does not fit is damaged.
pub(crate) fn get<'r, T: FromSql<'r>>(row: &'r Row, column: usize) -> Result<T> {
    row.try_get(column).map_err(|error| {
        Error::with_source(ErrorKind::Corrupt, "a stored row is damaged", error).into()
    })
}

/// Reads an instant.
pub(crate) fn instant(row: &Row, column: usize) -> Result<Timestamp> {
    get::<At>(row, column).map(|at| at.0)
}

/// Reads an instant that may be missing.
pub(crate) fn instant_or_none(row: &Row, column: usize) -> Result<Option<Timestamp>> {
    Ok(get::<Option<At>>(row, column)?.map(|at| at.0))
}

/// Returns a number that counts up as it is stored; the bound is never met.
pub(crate) fn stored(n: u32) -> i32 {
    i32::try_from(n).unwrap_or(i32::MAX)
}

/// Reads a stored number that counts up.
pub(crate) fn count(n: i32) -> u32 {
    u32::try_from(n).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn there_and_back(at: Timestamp) -> Timestamp {
        let mut raw = BytesMut::new();
        assert!(matches!(At(at).to_sql(&Type::TIMESTAMPTZ, &mut raw), Ok(IsNull::No)));
        At::from_sql(&Type::TIMESTAMPTZ, &raw).unwrap().0
    }

    #[test]
    fn instants_survive_the_way_there_and_back() {
        for micros in [0, 1, EPOCH, 1_800_000_000_000_001] {
            let at = Timestamp::from_micros(micros);
            assert_eq!(there_and_back(at), at, "{micros}");
        }
    }

    #[test]
    fn the_first_and_the_last_instant_survive() {
        for at in [Timestamp::MIN, Timestamp::MAX] {
            assert_eq!(there_and_back(at), at);
        }
    }
}
