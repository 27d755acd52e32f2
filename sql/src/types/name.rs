//! Names of types: every alias Redshift takes, and the one name it shows.

use super::{
    CHAR_MAX, MonthUnit, SecondUnit, SqlType, VARBYTE_DEFAULT, VARBYTE_MAX, VARCHAR_DEFAULT,
    VARCHAR_MAX,
};
use crate::error::{Error, Result};
use crate::parser::cursor::Cursor;
use crate::parser::source::Source;
use crate::sqlstate::SqlState;
use sqlparser::tokenizer::Token;

/// Types Redshift has or PostgreSQL has, refused by name with what to use instead.
const REFUSED: &[(&str, &str)] = &[
    ("geometry", "Store coordinates as DOUBLE PRECISION"),
    ("geography", "Store coordinates as DOUBLE PRECISION"),
    ("bytea", "Use VARBYTE"),
    ("uuid", "Use CHAR(36)"),
    ("json", "Use SUPER or VARCHAR"),
    ("jsonb", "Use SUPER or VARCHAR"),
    ("xml", "Use VARCHAR"),
    ("money", "Use DECIMAL(19,2)"),
    ("serial", "Use INTEGER IDENTITY(1,1)"),
    ("bigserial", "Use BIGINT IDENTITY(1,1)"),
    ("smallserial", "Use INTEGER IDENTITY(1,1)"),
    ("bit", "Use BOOLEAN or BIGINT"),
    ("inet", "Use VARCHAR(43)"),
    ("cidr", "Use VARCHAR(43)"),
    ("macaddr", "Use VARCHAR(17)"),
    ("array", "Use SUPER"),
    ("hstore", "Use SUPER"),
    ("enum", "Use VARCHAR"),
    ("tinyint", "Use SMALLINT"),
    ("blob", "Use VARBYTE"),
    ("clob", "Use VARCHAR(65535)"),
    ("string", "Use VARCHAR"),
    ("tsvector", "Use VARCHAR"),
    ("tsquery", "Use VARCHAR"),
    ("point", "Store coordinates as DOUBLE PRECISION"),
];

impl SqlType {
    /// Reads a type's name, with any alias and length.
    pub fn parse(text: &str) -> Result<Self> {
        match text.strip_prefix("pg_catalog.").unwrap_or(text) {
            "oid" => return Ok(Self::Oid),
            "name" => return Ok(Self::Name),
            "unknown" => return Ok(Self::Unknown),
            _ => {}
        }
        let source = Source::new(text)?;
        let mut cursors = source.statements();
        let Some(cursor) = cursors.first_mut() else {
            return Err(Error::syntax("a type has no name", None));
        };
        let ty = parse(cursor)?;
        cursor.expect_end()?;
        Ok(ty)
    }

    /// Gives the catalog's name, as a cast names its column: `int4`, `varchar`.
    pub fn short_name(self) -> &'static str {
        match self {
            Self::Boolean => "bool",
            Self::SmallInt => "int2",
            Self::Integer => "int4",
            Self::BigInt => "int8",
            Self::Decimal { .. } => "numeric",
            Self::Real => "float4",
            Self::Double => "float8",
            Self::Char(_) => "bpchar",
            Self::Varchar(_) => "varchar",
            Self::Date => "date",
            Self::Time => "time",
            Self::TimeTz => "timetz",
            Self::YearToMonth(_) => "intervaly2m",
            Self::DayToSecond(_) => "intervald2s",
            Self::Timestamp => "timestamp",
            Self::TimestampTz => "timestamptz",
            Self::Varbyte(_) => "varbyte",
            Self::Super => "super",
            Self::HllSketch => "hllsketch",
            Self::Oid => "oid",
            Self::Name => "name",
            Self::Unknown => "unknown",
        }
    }

    /// Gives the name Redshift shows, as `character varying(25)`.
    pub fn display(self) -> String {
        match self {
            Self::Boolean => "boolean".to_owned(),
            Self::SmallInt => "smallint".to_owned(),
            Self::Integer => "integer".to_owned(),
            Self::BigInt => "bigint".to_owned(),
            Self::Decimal { precision, scale } => format!("numeric({precision},{scale})"),
            Self::Real => "real".to_owned(),
            Self::Double => "double precision".to_owned(),
            Self::Char(length) => format!("character({length})"),
            Self::Varchar(length) => format!("character varying({length})"),
            Self::Date => "date".to_owned(),
            Self::Time => "time without time zone".to_owned(),
            Self::TimeTz => "time with time zone".to_owned(),
            Self::YearToMonth(MonthUnit::Year) => "interval year".to_owned(),
            Self::YearToMonth(MonthUnit::Month) => "interval year to month".to_owned(),
            Self::DayToSecond(SecondUnit::Day) => "interval day".to_owned(),
            Self::DayToSecond(SecondUnit::Hour) => "interval day to hour".to_owned(),
            Self::DayToSecond(SecondUnit::Minute) => "interval day to minute".to_owned(),
            Self::DayToSecond(SecondUnit::Second(6)) => "interval day to second".to_owned(),
            Self::DayToSecond(SecondUnit::Second(digits)) => {
                format!("interval day to second({digits})")
            }
            Self::Timestamp => "timestamp without time zone".to_owned(),
            Self::TimestampTz => "timestamp with time zone".to_owned(),
            Self::Varbyte(length) => format!("binary varying({length})"),
            Self::Super => "super".to_owned(),
            Self::HllSketch => "hllsketch".to_owned(),
            Self::Oid => "oid".to_owned(),
            Self::Name => "name".to_owned(),
            Self::Unknown => "unknown".to_owned(),
        }
    }
}

impl std::fmt::Display for SqlType {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.display())
    }
}

/// Parses a type's name and its modifiers.
pub(crate) fn parse(cursor: &mut Cursor<'_>) -> Result<SqlType> {
    let position = cursor.position();
    let mut word = match cursor.peek() {
        Some(Token::Word(word)) => word.value.to_lowercase(),
        _ => return Err(cursor.unexpected()),
    };
    cursor.skip();
    if word == "pg_catalog" && cursor.take(&Token::Period) {
        word = cursor.word()?;
    }
    let ty = match word.as_str() {
        "boolean" | "bool" => SqlType::Boolean,
        "smallint" | "int2" => SqlType::SmallInt,
        "integer" | "int" | "int4" => SqlType::Integer,
        "bigint" | "int8" => SqlType::BigInt,
        "decimal" | "numeric" | "dec" => decimal(cursor)?,
        "real" | "float4" => SqlType::Real,
        "float8" => SqlType::Double,
        "float" => float(cursor)?,
        "double" => {
            cursor.expect_word("precision")?;
            SqlType::Double
        }
        "national" => {
            if !cursor.take_word("character") {
                cursor.expect_word("char")?;
            }
            text_of(cursor)?
        }
        "char" | "character" | "nchar" => text_of(cursor)?,
        "bpchar" => SqlType::Char(length(cursor, "character", 256, CHAR_MAX)?),
        "varchar" | "nvarchar" => SqlType::Varchar(length(
            cursor,
            "character varying",
            VARCHAR_DEFAULT,
            VARCHAR_MAX,
        )?),
        "text" => SqlType::Varchar(VARCHAR_DEFAULT),
        "date" => SqlType::Date,
        "datetime" => SqlType::Timestamp,
        "time" | "timestamp" => {
            if cursor.take(&Token::LParen) {
                cursor.integer()?;
                cursor.expect(&Token::RParen)?;
            }
            let with = cursor.take_words(&["with", "time", "zone"]);
            if !with {
                cursor.take_words(&["without", "time", "zone"]);
            }
            match (word.as_str(), with) {
                ("time", false) => SqlType::Time,
                ("time", true) => SqlType::TimeTz,
                (_, false) => SqlType::Timestamp,
                (_, true) => SqlType::TimestampTz,
            }
        }
        "timestamptz" => SqlType::TimestampTz,
        "timetz" => SqlType::TimeTz,
        "interval" => interval(cursor, position)?,
        "intervaly2m" => SqlType::YearToMonth(MonthUnit::Month),
        "intervald2s" => SqlType::DayToSecond(SecondUnit::Second(6)),
        "varbyte" | "varbinary" => SqlType::Varbyte(length(
            cursor,
            "binary varying",
            VARBYTE_DEFAULT,
            VARBYTE_MAX,
        )?),
        "binary" => {
            cursor.expect_word("varying")?;
            SqlType::Varbyte(length(
                cursor,
                "binary varying",
                VARBYTE_DEFAULT,
                VARBYTE_MAX,
            )?)
        }
        "super" => SqlType::Super,
        "hllsketch" => SqlType::HllSketch,
        other => return Err(refused(other, position)),
    };
    if cursor.peek() == Some(&Token::LBracket) || cursor.is_word("array") {
        return Err(refused("array", position));
    }
    Ok(ty)
}

/// The qualifier of an INTERVAL, which a column must have.
fn interval(cursor: &mut Cursor<'_>, position: usize) -> Result<SqlType> {
    let mut last = None;
    for unit in ["year", "month", "day", "hour", "minute", "second"] {
        if cursor.take_word(unit) {
            last = Some(unit);
            break;
        }
    }
    let Some(first) = last else {
        return Err(Error::unsupported(
            "type interval without a qualifier",
            "Use INTERVAL YEAR TO MONTH or INTERVAL DAY TO SECOND",
        )
        .at(position));
    };
    let mut last = first;
    if cursor.take_word("to") {
        let smaller: &[&str] = match first {
            "year" => &["month"],
            "day" => &["hour", "minute", "second"],
            "hour" => &["minute", "second"],
            "minute" => &["second"],
            _ => &[],
        };
        match smaller.iter().find(|unit| cursor.take_word(unit)) {
            Some(unit) => last = unit,
            None => return Err(cursor.unexpected()),
        }
    }
    let mut digits = 6;
    if last == "second" && cursor.take(&Token::LParen) {
        let position = cursor.position();
        let given = cursor.integer()?;
        cursor.expect(&Token::RParen)?;
        digits = match u8::try_from(given) {
            Ok(given @ 0..=6) => given,
            _ => {
                return Err(Error::new(
                    SqlState::INVALID_PARAMETER_VALUE,
                    format!("INTERVAL precision {given} must be between 0 and 6"),
                )
                .at(position));
            }
        };
    }
    Ok(match last {
        "year" => SqlType::YearToMonth(MonthUnit::Year),
        "month" => SqlType::YearToMonth(MonthUnit::Month),
        "day" => SqlType::DayToSecond(SecondUnit::Day),
        "hour" => SqlType::DayToSecond(SecondUnit::Hour),
        "minute" => SqlType::DayToSecond(SecondUnit::Minute),
        _ => SqlType::DayToSecond(SecondUnit::Second(digits)),
    })
}

fn refused(name: &str, position: usize) -> Error {
    match REFUSED.iter().find(|(refused, _)| *refused == name) {
        Some((_, hint)) => Error::unsupported(format!("type {name}"), *hint).at(position),
        None => Error::new(
            SqlState::UNDEFINED_OBJECT,
            format!("type \"{name}\" does not exist"),
        )
        .at(position),
    }
}

fn text_of(cursor: &mut Cursor<'_>) -> Result<SqlType> {
    if cursor.take_word("varying") {
        let length = length(cursor, "character varying", VARCHAR_DEFAULT, VARCHAR_MAX)?;
        return Ok(SqlType::Varchar(length));
    }
    Ok(SqlType::Char(length(cursor, "character", 1, CHAR_MAX)?))
}

/// `(n)` or `(MAX)`.
fn length(cursor: &mut Cursor<'_>, name: &str, default: u32, max: u32) -> Result<u32> {
    if !cursor.take(&Token::LParen) {
        return Ok(default);
    }
    let position = cursor.position();
    if cursor.take_word("max") {
        cursor.expect(&Token::RParen)?;
        return Ok(max);
    }
    let length = cursor.integer()?;
    cursor.expect(&Token::RParen)?;
    match u32::try_from(length) {
        Ok(length) if (1..=max).contains(&length) => Ok(length),
        Ok(_) | Err(_) if length < 1 => Err(Error::new(
            SqlState::INVALID_PARAMETER_VALUE,
            format!("length for type {name} must be at least 1"),
        )
        .at(position)),
        _ => Err(Error::new(
            SqlState::INVALID_PARAMETER_VALUE,
            format!("length for type {name} cannot exceed {max}"),
        )
        .at(position)),
    }
}

fn decimal(cursor: &mut Cursor<'_>) -> Result<SqlType> {
    let (mut precision, mut scale) = (18, 0);
    if cursor.take(&Token::LParen) {
        let position = cursor.position();
        precision = cursor.integer()?;
        if cursor.take(&Token::Comma) {
            scale = cursor.integer()?;
        }
        cursor.expect(&Token::RParen)?;
        if !(1..=38).contains(&precision) {
            return Err(Error::new(
                SqlState::INVALID_PARAMETER_VALUE,
                format!("NUMERIC precision {precision} must be between 1 and 38"),
            )
            .at(position));
        }
        if !(0..=37).contains(&scale) || scale > precision {
            return Err(Error::new(
                SqlState::INVALID_PARAMETER_VALUE,
                format!("NUMERIC scale {scale} must be between 0 and precision {precision}"),
            )
            .at(position));
        }
    }
    Ok(SqlType::Decimal {
        precision: u8::try_from(precision).unwrap_or(38),
        scale: i8::try_from(scale).unwrap_or(0),
    })
}

fn float(cursor: &mut Cursor<'_>) -> Result<SqlType> {
    if !cursor.take(&Token::LParen) {
        return Ok(SqlType::Double);
    }
    let position = cursor.position();
    let bits = cursor.integer()?;
    cursor.expect(&Token::RParen)?;
    match bits {
        1..=24 => Ok(SqlType::Real),
        25..=53 => Ok(SqlType::Double),
        _ => Err(Error::new(
            SqlState::INVALID_PARAMETER_VALUE,
            "precision for type float must be between 1 and 53 bits",
        )
        .at(position)),
    }
}

#[cfg(test)]
mod tests {
    use super::{MonthUnit, SecondUnit, SqlType};

    #[test]
    fn names_and_aliases_give_types_and_display_reads_back() {
        for (text, expected) in [
            ("int", SqlType::Integer),
            ("INT8", SqlType::BigInt),
            ("text", SqlType::Varchar(256)),
            ("varchar", SqlType::Varchar(256)),
            ("varchar(max)", SqlType::Varchar(65535)),
            ("character varying(25)", SqlType::Varchar(25)),
            ("char", SqlType::Char(1)),
            ("bpchar", SqlType::Char(256)),
            (
                "decimal",
                SqlType::Decimal {
                    precision: 18,
                    scale: 0,
                },
            ),
            (
                "numeric(12, 2)",
                SqlType::Decimal {
                    precision: 12,
                    scale: 2,
                },
            ),
            ("float(24)", SqlType::Real),
            ("float", SqlType::Double),
            ("timestamp with time zone", SqlType::TimestampTz),
            ("timestamp(6) without time zone", SqlType::Timestamp),
            ("timetz", SqlType::TimeTz),
            ("time with time zone", SqlType::TimeTz),
            ("interval year", SqlType::YearToMonth(MonthUnit::Year)),
            ("interval month", SqlType::YearToMonth(MonthUnit::Month)),
            (
                "interval day to hour",
                SqlType::DayToSecond(SecondUnit::Hour),
            ),
            (
                "interval hour to second (3)",
                SqlType::DayToSecond(SecondUnit::Second(3)),
            ),
            ("intervald2s", SqlType::DayToSecond(SecondUnit::Second(6))),
            ("varbyte", SqlType::Varbyte(64_000)),
            ("super", SqlType::Super),
            ("hllsketch", SqlType::HllSketch),
        ] {
            let ty = SqlType::parse(text).expect(text);
            assert_eq!(ty, expected, "{text}");
            assert_eq!(SqlType::parse(&ty.display()), Ok(ty));
        }
        for (text, code) in [
            ("uuid", "0A000"),
            ("interval", "0A000"),
            ("interval second(7)", "22023"),
            ("int[]", "0A000"),
            ("nonsense", "42704"),
            ("varchar(65536)", "22023"),
            ("char(0)", "22023"),
            ("decimal(39)", "22023"),
        ] {
            assert_eq!(
                SqlType::parse(text).map_err(|error| error.code.0),
                Err(code),
                "{text}"
            );
        }
    }
}
