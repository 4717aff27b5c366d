//! The values of PostgreSQL: moments on their way in and out, and the cells of a row.

use jiff::Timestamp;
use sqlx::encode::IsNull;
use sqlx::error::BoxDynError;
use sqlx::postgres::types::Oid;
use sqlx::postgres::{
    PgArgumentBuffer, PgHasArrayType, PgRow, PgTypeInfo, PgValueFormat, PgValueRef, Postgres,
};
use sqlx::{Column, Decode, Encode, Row, Type, TypeInfo};
use uuid::Uuid;

use crate::rows::{Cells, Damage, Decoded};
use crate::stamp::to_micros;

/// 2000-01-01T00:00:00Z, from which PostgreSQL counts, in microseconds since 1970.
const EPOCH_MICROS: i64 = 946_684_800_000_000;

/// The type's and its array's number, the same in every PostgreSQL (`pg_type.dat`).
const TIMESTAMPTZ: PgTypeInfo = PgTypeInfo::with_oid(Oid(1184));
const TIMESTAMPTZ_ARRAY: PgTypeInfo = PgTypeInfo::with_oid(Oid(1185));

/// A moment as PostgreSQL keeps it: `timestamptz`, microseconds since 2000.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Stamp(i64);

impl Stamp {
    /// `-infinity`: before every moment.
    pub(super) const BEFORE_ALL: Self = Self(i64::MIN);
    /// `infinity`: behind every moment.
    pub(super) const BEHIND_ALL: Self = Self(i64::MAX);

    fn instant(self) -> Option<Timestamp> {
        self.0.checked_add(EPOCH_MICROS).and_then(|micros| Timestamp::from_microsecond(micros).ok())
    }
}

impl From<Timestamp> for Stamp {
    /// Cuts off what is finer than a microsecond, towards the past.
    fn from(at: Timestamp) -> Self {
        Self(to_micros(at).as_microsecond() - EPOCH_MICROS)
    }
}

impl Type<Postgres> for Stamp {
    fn type_info() -> PgTypeInfo {
        TIMESTAMPTZ
    }
}

impl PgHasArrayType for Stamp {
    fn array_type_info() -> PgTypeInfo {
        TIMESTAMPTZ_ARRAY
    }
}

impl Encode<'_, Postgres> for Stamp {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        <i64 as Encode<'_, Postgres>>::encode(self.0, buffer)
    }
}

impl Decode<'_, Postgres> for Stamp {
    fn decode(value: PgValueRef<'_>) -> Result<Self, BoxDynError> {
        match value.format() {
            PgValueFormat::Binary => Ok(Self(<i64 as Decode<'_, Postgres>>::decode(value)?)),
            PgValueFormat::Text => Err("a moment as text".into()),
        }
    }
}

impl Cells for PgRow {
    fn text(&self, column: &'static str) -> Decoded<Option<&str>> {
        self.try_get(column).map_err(|_| Damage(column))
    }

    fn whole(&self, column: &'static str) -> Decoded<Option<i64>> {
        let kind = self.try_column(column).map(|found| found.type_info().name());
        let number = match kind {
            Ok("INT2") => self.try_get::<Option<i16>, _>(column).map(|number| number.map(i64::from)),
            _ => self.try_get(column),
        };
        number.map_err(|_| Damage(column))
    }

    fn instant(&self, column: &'static str) -> Decoded<Option<Timestamp>> {
        let stamp: Option<Stamp> = self.try_get(column).map_err(|_| Damage(column))?;
        stamp.map(|stamp| stamp.instant().ok_or(Damage(column))).transpose()
    }

    fn id(&self, column: &'static str) -> Decoded<Option<Uuid>> {
        self.try_get(column).map_err(|_| Damage(column))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_counted_from_2000_and_comes_back_to_the_microsecond() {
        let table = [
            ("2000-01-01T00:00:00Z", 0),
            ("2000-01-01T00:00:00.0000019Z", 1),
            ("1999-12-31T23:59:59.9999999Z", -1),
            ("1970-01-01T00:00:00Z", -EPOCH_MICROS),
            ("2026-11-22T08:00:00.123456Z", 848_649_600_123_456),
        ];
        for (text, micros) in table {
            let at: Timestamp = text.parse().unwrap();
            assert_eq!(Stamp::from(at), Stamp(micros), "{text}");
            assert_eq!(Stamp(micros).instant(), Some(to_micros(at)), "{text}");
        }
        assert_eq!((Stamp::BEFORE_ALL.instant(), Stamp::BEHIND_ALL.instant()), (None, None));
    }
}
