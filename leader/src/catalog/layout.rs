//! From the catalog's words to storage's and the engine's: column types, encodings, table layouts, arrow schemas.

use super::{Column, Table, TableDistribution, TableSort};
use arrow_schema::{Schema, SchemaRef};
use blueshift_compute::distribution::Distribution;
use blueshift_sql::types::case_insensitive;
use blueshift_sql::{Error, Result, SqlState, SqlType};
use blueshift_storage::{ColumnLayout, ColumnType, EncodingName, SortKey, TableLayout};
use std::sync::Arc;

/// Gives what storage keeps for a SQL type. `None` for types that only system tables have.
pub fn column_type(ty: SqlType) -> Option<ColumnType> {
    Some(match ty {
        SqlType::Boolean => ColumnType::Bool,
        SqlType::SmallInt => ColumnType::Int16,
        SqlType::Integer => ColumnType::Int32,
        SqlType::BigInt => ColumnType::Int64,
        SqlType::Decimal { precision, scale } => ColumnType::Decimal { precision, scale },
        SqlType::Real => ColumnType::Float32,
        SqlType::Double => ColumnType::Float64,
        SqlType::Char(_) | SqlType::Varchar(_) | SqlType::Super | SqlType::HllSketch => {
            ColumnType::Text
        }
        SqlType::Date => ColumnType::Date,
        SqlType::Time => ColumnType::Time,
        SqlType::TimeTz => ColumnType::TimeTz,
        SqlType::YearToMonth(_) => ColumnType::Months,
        SqlType::DayToSecond(_) => ColumnType::Duration,
        SqlType::Timestamp => ColumnType::Timestamp,
        SqlType::TimestampTz => ColumnType::TimestampTz,
        SqlType::Varbyte(_) => ColumnType::Bytes,
        SqlType::Oid | SqlType::Name | SqlType::Unknown => return None,
    })
}

/// Makes the arrow schema of a table or view.
pub fn schema(columns: &[Column]) -> SchemaRef {
    let fields = columns.iter().map(|column| {
        let field = column.ty.field(&column.name, !column.not_null);
        match column.case_insensitive {
            true => case_insensitive(field),
            false => field,
        }
    });
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// Makes what storage needs to know of a table.
pub fn table_layout(table: &Table) -> Result<TableLayout> {
    let columns = table
        .columns
        .iter()
        .map(column_layout)
        .collect::<Result<Vec<_>>>()?;
    let sort_key = match &table.sort {
        TableSort::None | TableSort::Auto => SortKey::None,
        TableSort::Compound(columns) | TableSort::AutoCompound(columns) => {
            SortKey::Compound(columns.clone())
        }
        TableSort::Interleaved(columns) => SortKey::Interleaved(columns.clone()),
    };
    Ok(TableLayout { columns, sort_key })
}

fn column_layout(column: &Column) -> Result<ColumnLayout> {
    let ty = column_type(column.ty).ok_or_else(|| {
        Error::new(
            SqlState::INVALID_TABLE_DEFINITION,
            format!(
                "column \"{}\" has a type that tables cannot keep",
                column.name
            ),
        )
        .with_hint("Cast it to a type such as varchar or bigint.")
    })?;
    let encoding = match &column.encoding {
        Some(word) => encoding(word, &column.name, column.ty)?,
        None => EncodingName::Auto,
    };
    Ok(ColumnLayout {
        id: column.id,
        name: column.name.clone(),
        ty,
        encoding,
        nullable: !column.not_null,
    })
}

/// Turns the word of ENCODE into storage's name, if the column's type allows it.
pub fn encoding(word: &str, column: &str, ty: SqlType) -> Result<EncodingName> {
    let encoding = match word {
        "auto" => EncodingName::Auto,
        "raw" | "none" => EncodingName::Raw,
        "az64" => EncodingName::Az64,
        "bytedict" => EncodingName::Bytedict,
        "delta" => EncodingName::Delta,
        "delta32k" => EncodingName::Delta32k,
        "lzo" => EncodingName::Lzo,
        "mostly8" => EncodingName::Mostly8,
        "mostly16" => EncodingName::Mostly16,
        "mostly32" => EncodingName::Mostly32,
        "runlength" => EncodingName::Runlength,
        "text255" => EncodingName::Text255,
        "text32k" => EncodingName::Text32k,
        "zstd" => EncodingName::Zstd,
        _ => {
            return Err(Error::new(
                SqlState::INVALID_PARAMETER_VALUE,
                format!("unknown encoding type \"{word}\" for column \"{column}\""),
            )
            .with_hint(
                "Use auto, raw, az64, bytedict, delta, delta32k, lzo, mostly8, mostly16, mostly32, runlength, \
                 text255, text32k or zstd.",
            ));
        }
    };
    if !supports(encoding, ty) {
        return Err(Error::new(
            SqlState::INVALID_TABLE_DEFINITION,
            format!(
                "encoding type \"{word}\" is unsupported for column \"{column}\" type \"{}\"",
                ty.display()
            ),
        )
        .with_hint("Leave ENCODE out to have an encoding chosen."));
    }
    Ok(encoding)
}

/// Gives the word of ENCODE for storage's name.
pub fn encoding_word(encoding: EncodingName) -> &'static str {
    match encoding {
        EncodingName::Auto => "auto",
        EncodingName::Raw => "raw",
        EncodingName::Az64 => "az64",
        EncodingName::Bytedict => "bytedict",
        EncodingName::Delta => "delta",
        EncodingName::Delta32k => "delta32k",
        EncodingName::Lzo => "lzo",
        EncodingName::Mostly8 => "mostly8",
        EncodingName::Mostly16 => "mostly16",
        EncodingName::Mostly32 => "mostly32",
        EncodingName::Runlength => "runlength",
        EncodingName::Text255 => "text255",
        EncodingName::Text32k => "text32k",
        EncodingName::Zstd => "zstd",
    }
}

/// Tells which types an encoding takes: the table "Compression encodings" of the manual.
pub fn supports(encoding: EncodingName, ty: SqlType) -> bool {
    use SqlType::{
        BigInt, Boolean, Char, Date, DayToSecond, Decimal, Double, Integer, Real, SmallInt, Super,
        Time, TimeTz, Timestamp, TimestampTz, Varbyte, Varchar, YearToMonth,
    };
    let is_time = matches!(ty, Date | Timestamp | TimestampTz);
    // DELTA's row of the table names no type with a time zone.
    let is_delta_time = matches!(ty, Date | Timestamp);
    let is_wide = matches!(ty, Integer | BigInt | Decimal { .. });
    let is_exact = is_wide || ty == SmallInt;
    let is_text = matches!(ty, Char(_) | Varchar(_));
    let is_narrow_decimal = matches!(ty, Decimal { precision, .. } if precision <= 19);
    match encoding {
        EncodingName::Auto | EncodingName::Raw | EncodingName::Zstd => true,
        EncodingName::Az64 => {
            let is_other = matches!(ty, Time | TimeTz | YearToMonth(_) | DayToSecond(_));
            is_exact || is_time || is_other
        }
        EncodingName::Bytedict => is_exact || is_time || is_text || matches!(ty, Real | Double),
        EncodingName::Delta => is_exact || is_delta_time,
        EncodingName::Delta32k => is_wide || is_delta_time,
        EncodingName::Lzo => is_exact || is_time || is_text || matches!(ty, Super | Varbyte(_)),
        EncodingName::Mostly8 => matches!(ty, SmallInt | Integer | BigInt) || is_narrow_decimal,
        EncodingName::Mostly16 => matches!(ty, Integer | BigInt) || is_narrow_decimal,
        EncodingName::Mostly32 => ty == BigInt || is_narrow_decimal,
        EncodingName::Runlength => {
            is_exact || is_time || is_text || matches!(ty, Real | Double | Boolean)
        }
        EncodingName::Text255 | EncodingName::Text32k => matches!(ty, Varchar(_)),
    }
}

/// Tells where new rows of a table go, and where its rows are looked for.
///
/// A table that went from `AutoAll` to `AutoEven` has its older rows on slice 0; EVEN scans read every slice, so
/// they are found there like all others.
pub fn distribution(distribution: TableDistribution) -> Distribution {
    match distribution {
        TableDistribution::Even | TableDistribution::AutoEven => Distribution::Even,
        TableDistribution::Key(column) => Distribution::Key(column),
        TableDistribution::All | TableDistribution::AutoAll => Distribution::All,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(word: &str, ty: SqlType, allowed: bool) {
        assert_eq!(encoding(word, "c", ty).is_ok(), allowed, "{word} on {ty:?}");
    }

    #[test]
    fn encodings_take_the_types_of_the_manual() {
        check("az64", SqlType::Varchar(10), false);
        check("az64", SqlType::Date, true);
        check("bytedict", SqlType::Boolean, false);
        check(
            "mostly8",
            SqlType::Decimal {
                precision: 20,
                scale: 2,
            },
            false,
        );
        check(
            "mostly8",
            SqlType::Decimal {
                precision: 19,
                scale: 2,
            },
            true,
        );
        check("mostly16", SqlType::SmallInt, false);
        check("delta32k", SqlType::SmallInt, false);
        check("delta", SqlType::TimestampTz, false);
        check("az64", SqlType::Time, true);
        check("az64", SqlType::Double, false);
        check("runlength", SqlType::Time, false);
        check("text255", SqlType::Char(3), false);
        check("runlength", SqlType::Boolean, true);
        check("lzo", SqlType::Double, false);
        check("zstd", SqlType::Double, true);
        check("lz4", SqlType::Integer, false);
    }
}
