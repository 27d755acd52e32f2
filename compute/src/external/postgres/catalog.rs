//! The tables of a schema in PostgreSQL, with their columns as types of ours.
//!
//! Source: Redshift's guide, "Data type differences between Amazon Redshift and supported PostgreSQL databases". Types
//! that have no like here come as the text that PostgreSQL writes of them, in a VARCHAR of 64 KB.

use super::connect::Source;
use crate::error::{Error, Result};
use blueshift_sql::{SqlState, SqlType};
use std::sync::Arc;
use std::time::Duration;
use tokio_postgres::Row;

/// Columns of a schema at most, over all its tables.
const COLUMNS_MAX: usize = 200_000;
/// Until the tables of a schema must have been told.
const LIST_MAX: Duration = Duration::from_secs(30);
/// Bytes of a text without a length.
pub(super) const TEXT_BYTES: u32 = 65_535;
/// The longest CHAR.
const CHAR_BYTES_MAX: u32 = 4_096;
/// Bytes that a character of PostgreSQL can have.
const CHARACTER_BYTES_MAX: u32 = 4;
/// Digits of a DECIMAL.
const DIGITS_MAX: u8 = 38;
/// Digits after the point of a number whose declaration tells none.
const SCALE_UNKNOWN: i8 = 10;

/// What a value is on its way here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Wire {
    /// `boolean`
    Bool,
    /// `smallint`
    Int2,
    /// `integer`
    Int4,
    /// `bigint`
    Int8,
    /// `real`
    Float4,
    /// `double precision`
    Float8,
    /// `numeric`
    Numeric,
    /// `text`, `character varying`
    Text,
    /// `character`
    Char,
    /// `date`
    Date,
    /// `timestamp`
    Timestamp,
    /// `timestamp with time zone`
    TimestampTz,
}

/// A column of a table in PostgreSQL.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RemoteColumn {
    /// Its name.
    pub name: String,
    /// Its type here.
    pub ty: SqlType,
    /// What its values are on their way.
    pub wire: Wire,
    /// Whether values must be written as texts there first.
    pub is_cast: bool,
    /// Whether values may differ from those there: numbers with more digits than a DECIMAL has.
    pub is_rounded: bool,
    /// Whether equal texts have equal bytes there.
    pub is_bytewise: bool,
    /// Its type there.
    pub remote_type: String,
    /// Whether it may hold nulls.
    pub is_nullable: bool,
}

/// A table, view or materialized view in PostgreSQL.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RemoteTable {
    /// Its schema there.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// Rows, as PostgreSQL last counted them.
    pub rows: Option<u64>,
    /// Whether texts there are UTF-8, so that their bytes compare as here.
    pub is_utf8: bool,
    /// Its columns.
    pub columns: Vec<RemoteColumn>,
}

/// Asks for tables and columns. Domains are followed to what they are made of. Tables of foreign data wrappers are left
/// out, as by Redshift.
const TABLES: &str = "
WITH RECURSIVE based (oid, base, typmod) AS (
    SELECT oid, oid, -1 FROM pg_catalog.pg_type WHERE typtype <> 'd'
    UNION ALL
    SELECT d.oid, b.base, CASE WHEN d.typtypmod >= 0 THEN d.typtypmod ELSE b.typmod END
    FROM pg_catalog.pg_type d JOIN based b ON d.typbasetype = b.oid WHERE d.typtype = 'd')
SELECT c.relname::text, c.reltuples::float8, a.attname::text, b.base,
    CASE WHEN a.atttypmod >= 0 THEN a.atttypmod ELSE b.typmod END,
    a.attnotnull, pg_catalog.format_type(a.atttypid, a.atttypmod),
    coalesce((pg_catalog.to_jsonb(k) ->> 'collisdeterministic')::boolean, true),
    pg_catalog.current_setting('server_encoding') = 'UTF8'
FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    LEFT JOIN based b ON b.oid = a.atttypid
    LEFT JOIN pg_catalog.pg_collation k ON k.oid = a.attcollation
WHERE n.nspname = $1 AND c.relkind IN ('r', 'p', 'v', 'm')
ORDER BY c.relname, a.attnum
LIMIT 200001";

/// Asks whether a schema is there.
const SCHEMA: &str = "SELECT count(*) FROM pg_catalog.pg_namespace WHERE nspname = $1";

impl Source {
    /// Lists the tables of the schema in order of name. Fails if there is no such schema.
    pub async fn tables(&self) -> Result<Vec<Arc<RemoteTable>>> {
        let mut link = self.connect().await?;
        link.is_busy = true;
        let asked = async {
            let known = link.client.query_one(SCHEMA, &[&self.schema]).await?;
            let rows = link.client.query(TABLES, &[&self.schema]).await?;
            Ok((known.try_get::<_, i64>(0)?, rows))
        };
        let (known, rows) = match tokio::time::timeout(LIST_MAX, asked).await {
            Ok(answer) => answer.map_err(|error| self.failed(&error))?,
            Err(_) => {
                let text = format!(
                    "PostgreSQL at \"{}\" did not tell its tables within {} seconds",
                    self.place(),
                    LIST_MAX.as_secs()
                );
                return Err(Error::Sql(blueshift_sql::Error::new(
                    SqlState::CONNECTION_FAILURE,
                    text,
                )));
            }
        };
        link.is_busy = false;
        if known == 0 {
            let text = format!(
                "schema \"{}\" does not exist in PostgreSQL at \"{}\"",
                self.schema,
                self.place()
            );
            return Err(Error::Sql(
                blueshift_sql::Error::new(SqlState::INVALID_SCHEMA_NAME, text)
                    .with_hint("Check SCHEMA of the external schema."),
            ));
        }
        if rows.len() > COLUMNS_MAX {
            let text = format!(
                "schema \"{}\" in PostgreSQL at \"{}\" has more than {COLUMNS_MAX} columns",
                self.schema,
                self.place()
            );
            return Err(Error::Sql(blueshift_sql::Error::new(
                SqlState::PROGRAM_LIMIT_EXCEEDED,
                text,
            )));
        }
        let tables = self.read(&rows).map_err(|error| self.failed(&error))?;
        Ok(tables.into_iter().map(Arc::new).collect())
    }

    fn read(&self, rows: &[Row]) -> Result<Vec<RemoteTable>, tokio_postgres::Error> {
        let mut tables: Vec<RemoteTable> = Vec::new();
        for row in rows {
            let name: &str = row.try_get(0)?;
            if tables.last().is_none_or(|last| last.name != name) {
                let rows: f64 = row.try_get(1)?;
                tables.push(RemoteTable {
                    schema: self.schema.clone(),
                    name: name.to_owned(),
                    // -1 means that nobody counted yet.
                    rows: (rows >= 0.0).then_some(rows as u64),
                    is_utf8: row.try_get(8)?,
                    columns: Vec::new(),
                });
            }
            let column: Option<String> = row.try_get(2)?;
            let (Some(table), Some(name)) = (tables.last_mut(), column) else {
                continue;
            };
            let base: u32 = row.try_get(3)?;
            let typmod: i32 = row.try_get(4)?;
            let not_null: bool = row.try_get(5)?;
            let kind = kind(base, typmod);
            table.columns.push(RemoteColumn {
                name,
                ty: kind.ty,
                wire: kind.wire,
                is_cast: kind.is_cast,
                is_rounded: kind.is_rounded,
                is_bytewise: row.try_get(7)?,
                remote_type: row.try_get(6)?,
                is_nullable: !not_null,
            });
        }
        Ok(tables)
    }
}

/// What a type of PostgreSQL is here.
struct Kind {
    ty: SqlType,
    wire: Wire,
    is_cast: bool,
    is_rounded: bool,
}

/// Gives the kind of a type by its oid, which is fixed for the types that PostgreSQL brings.
fn kind(oid: u32, typmod: i32) -> Kind {
    let plain = |ty, wire| Kind {
        ty,
        wire,
        is_cast: false,
        is_rounded: false,
    };
    // The four bytes of the length's own are counted in.
    let length = u32::try_from(typmod - 4).ok();
    match oid {
        16 => plain(SqlType::Boolean, Wire::Bool),
        21 => plain(SqlType::SmallInt, Wire::Int2),
        23 => plain(SqlType::Integer, Wire::Int4),
        20 => plain(SqlType::BigInt, Wire::Int8),
        700 => plain(SqlType::Real, Wire::Float4),
        701 => plain(SqlType::Double, Wire::Float8),
        1700 => numeric(typmod),
        25 => plain(SqlType::Varchar(TEXT_BYTES), Wire::Text),
        // Lengths there are characters, here bytes.
        1043 => {
            let bytes = length.map_or(TEXT_BYTES, |length| {
                length.saturating_mul(CHARACTER_BYTES_MAX)
            });
            plain(SqlType::Varchar(bytes.clamp(1, TEXT_BYTES)), Wire::Text)
        }
        1042 => match length {
            Some(length) if length <= CHAR_BYTES_MAX => {
                plain(SqlType::Char(length.max(1)), Wire::Char)
            }
            _ => plain(SqlType::Varchar(TEXT_BYTES), Wire::Char),
        },
        1082 => plain(SqlType::Date, Wire::Date),
        1114 => plain(SqlType::Timestamp, Wire::Timestamp),
        1184 => plain(SqlType::TimestampTz, Wire::TimestampTz),
        _ => Kind {
            is_cast: true,
            ..plain(SqlType::Varchar(TEXT_BYTES), Wire::Text)
        },
    }
}

/// A `numeric`: its precision and scale if it has those of a DECIMAL, else as many digits as one can hold.
fn numeric(typmod: i32) -> Kind {
    let declared = typmod.checked_sub(4).filter(|packed| *packed >= 0);
    let declared = declared.and_then(|packed| {
        let precision = u8::try_from(packed >> 16).ok()?;
        // Eleven bits, of which the first is a sign.
        let scale = ((packed & 0x7ff) ^ 0x400) - 0x400;
        let scale = i8::try_from(scale).ok()?;
        let is_decimal = precision <= DIGITS_MAX && scale >= 0 && scale.unsigned_abs() <= precision;
        is_decimal.then_some((precision, scale))
    });
    let (precision, scale) = declared.unwrap_or((DIGITS_MAX, SCALE_UNKNOWN));
    Kind {
        ty: SqlType::Decimal { precision, scale },
        wire: Wire::Numeric,
        is_cast: false,
        is_rounded: declared.is_none(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_their_digits_where_a_decimal_has_them() {
        let check = |typmod: i32, precision: u8, scale: i8, is_rounded: bool| {
            let kind = kind(1700, typmod);
            assert_eq!(kind.ty, SqlType::Decimal { precision, scale });
            assert_eq!(kind.is_rounded, is_rounded, "{typmod}");
        };
        let typmod = |precision: i32, scale: i32| ((precision << 16) | (scale & 0x7ff)) + 4;
        check(typmod(8, 2), 8, 2, false);
        check(typmod(38, 38), 38, 38, false);
        check(typmod(39, 2), 38, 10, true);
        check(typmod(5, -2), 38, 10, true);
        check(typmod(3, 5), 38, 10, true);
        check(-1, 38, 10, true);
    }

    #[test]
    fn lengths_are_of_bytes() {
        assert_eq!(kind(1043, 14).ty, SqlType::Varchar(40));
        assert_eq!(kind(1043, -1).ty, SqlType::Varchar(65_535));
        assert_eq!(kind(1043, 60_004).ty, SqlType::Varchar(65_535));
        assert_eq!(kind(1042, 7).ty, SqlType::Char(3));
        assert_eq!(kind(1042, 9_004).ty, SqlType::Varchar(65_535));
        assert!(kind(1083, -1).is_cast && !kind(25, -1).is_cast);
    }
}
