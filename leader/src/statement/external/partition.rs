//! The values of partitions: read as the types of their columns, and kept as canonical text, so that '01' and 1 name the
//! same partition.

use crate::error::{Error, Result};
use blueshift_sql::statement::external::PartitionSpec;
use blueshift_sql::{SqlState, SqlType, types};
use datafusion::common::ScalarValue;

/// The value that stands for null, as Hive writes it.
pub(super) const NULL: &str = "__HIVE_DEFAULT_PARTITION__";

/// Reads a value of a partition column.
pub(super) fn value(ty: SqlType, text: &str) -> Result<ScalarValue> {
    let wanted = ty.arrow();
    if text == NULL {
        return Ok(ScalarValue::try_from(&wanted)?);
    }
    let bytes_max = match ty {
        SqlType::Char(bytes) | SqlType::Varchar(bytes) => bytes as usize,
        _ => usize::MAX,
    };
    if text.len() > bytes_max {
        return Err(Error::new(
            SqlState::STRING_DATA_RIGHT_TRUNCATION,
            format!("value too long for type {}", ty.display()),
        ));
    }
    Ok(ty.read_text(text)?.cast_to(&wanted)?)
}

/// Gives the values of a partition in the order of the columns, as canonical text.
pub(super) fn values(
    table: &str,
    columns: &[(String, SqlType)],
    spec: &PartitionSpec,
) -> Result<Vec<String>> {
    let wrong = |text: String| {
        Error::from(
            blueshift_sql::Error::new(SqlState::UNDEFINED_COLUMN, text)
                .with_hint("SVV_EXTERNAL_COLUMNS lists the partition columns."),
        )
    };
    for (place, (name, _)) in spec.iter().enumerate() {
        if !columns.iter().any(|(column, _)| column == name) {
            return Err(wrong(format!(
                "column \"{name}\" is not a partition column of external table \"{table}\""
            )));
        }
        if spec.iter().take(place).any(|(other, _)| other == name) {
            return Err(Error::new(
                SqlState::DUPLICATE_COLUMN,
                format!("column \"{name}\" specified more than once"),
            ));
        }
    }
    let each = columns.iter().map(|(name, ty)| {
        let given = spec.iter().find(|(column, _)| column == name);
        let Some((_, text)) = given else {
            return Err(wrong(format!(
                "a partition of external table \"{table}\" needs a value of column \"{name}\""
            )));
        };
        canonical(*ty, text)
    });
    each.collect()
}

fn canonical(ty: SqlType, text: &str) -> Result<String> {
    let value = value(ty, text)?;
    if value.is_null() {
        return Ok(NULL.to_owned());
    }
    let array = value.to_array()?;
    let mut written = String::new();
    types::write_text(&array, 0, ty, &mut written);
    if let SqlType::Char(_) = ty {
        // Blanks at the end mean nothing, and are shown of values alone.
        written.truncate(written.trim_end_matches(' ').len());
    }
    Ok(written)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns() -> Vec<(String, SqlType)> {
        vec![
            ("day".to_owned(), SqlType::Date),
            ("store".to_owned(), SqlType::Integer),
        ]
    }

    fn spec(pairs: &[(&str, &str)]) -> PartitionSpec {
        let pairs = pairs.iter();
        pairs
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn values_are_canonical_and_in_order() {
        let given = spec(&[("store", " 007"), ("day", "2008-01-01")]);
        let values = values("t", &columns(), &given).expect("values");
        assert_eq!(values, ["2008-01-01", "7"]);
        assert_eq!(canonical(SqlType::Char(3), "a ").expect("a text"), "a");
        let null = canonical(SqlType::Integer, NULL).expect("a null");
        assert_eq!(null, NULL);
        assert!(value(SqlType::Integer, NULL).expect("a null").is_null());
    }

    #[test]
    fn every_partition_column_has_one_value() {
        for wrong in [
            spec(&[("day", "2008-01-01")]),
            spec(&[("day", "2008-01-01"), ("store", "1"), ("other", "2")]),
            spec(&[("day", "2008-01-01"), ("day", "2008-01-01"), ("store", "1")]),
            spec(&[("day", "never"), ("store", "1")]),
        ] {
            assert!(values("t", &columns(), &wrong).is_err(), "{wrong:?}");
        }
        assert!(value(SqlType::Varchar(2), "abc").is_err());
    }
}
