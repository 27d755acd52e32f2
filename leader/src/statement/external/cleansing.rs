//! The table properties of data handling: what becomes of values of the files that are not as their columns.
//!
//! Source: Redshift's guide, "Setting data handling options".

use super::table::wrong_property;
use crate::catalog::external::ExternalFormat;
use crate::error::Result;
use blueshift_compute::external::cleanse::{Cleansing, Handling};
use std::collections::BTreeMap;

/// Switches the others on.
const ENABLED: &str = "data_cleansing_enabled";
/// Stands for bytes that are no characters.
const REPLACEMENT: &str = "replacement_char";

/// Reads the data handling of a table; `None` if it is off. Refuses values that a property does not have, also while it
/// is off.
pub(super) fn read(
    format: &ExternalFormat,
    properties: &BTreeMap<String, String>,
) -> Result<Option<Cleansing>> {
    let cleansing = Cleansing {
        column_count: handling(properties, "column_count_mismatch_handling", "")?,
        invalid_char: invalid_char(format, properties)?,
        numeric_overflow: handling(properties, "numeric_overflow_handling", "")?,
        surplus_bytes: handling(properties, "surplus_bytes_handling", "TRUNCATE")?,
        surplus_char: handling(properties, "surplus_char_handling", "TRUNCATE")?,
    };
    let value = properties.get(ENABLED).map_or("false", String::as_str);
    match value.to_lowercase().as_str() {
        "true" => Ok(Some(cleansing)),
        "false" => Ok(None),
        _ => Err(wrong_property(ENABLED, value, "Use true or false.")),
    }
}

/// Reads one property; `more` is what it knows besides the values that all know.
fn handling(properties: &BTreeMap<String, String>, name: &str, more: &str) -> Result<Handling> {
    let Some(value) = properties.get(name) else {
        return Ok(Handling::Disabled);
    };
    Ok(match value.to_uppercase().as_str() {
        "DISABLED" => Handling::Disabled,
        "FAIL" => Handling::Fail,
        "SET_TO_NULL" => Handling::SetToNull,
        "DROP_ROW" => Handling::DropRow,
        "TRUNCATE" if more == "TRUNCATE" => Handling::Truncate,
        "REPLACE" if more == "REPLACE" => replacement(properties)?,
        _ => {
            let more = if more.is_empty() { "" } else { ", " }.to_owned() + more;
            let hint = format!("Use DISABLED, FAIL, SET_TO_NULL, DROP_ROW{more}.");
            return Err(wrong_property(name, value, &hint));
        }
    })
}

fn invalid_char(
    format: &ExternalFormat,
    properties: &BTreeMap<String, String>,
) -> Result<Handling> {
    const NAME: &str = "invalid_char_handling";
    let handling = handling(properties, NAME, "REPLACE")?;
    let is_checked_whole = matches!(format, ExternalFormat::Parquet | ExternalFormat::Orc);
    match handling {
        Handling::Disabled | Handling::Fail => Ok(handling),
        _ if is_checked_whole => {
            let value = properties.get(NAME).map_or("", String::as_str);
            Err(blueshift_sql::Error::unsupported(
                format!("the table property '{NAME}'='{value}' of Parquet and ORC files"),
                "Leave it out: a query of such files ends at bytes that are no characters. A column of VARBYTE reads them.",
            )
            .into())
        }
        _ => Ok(handling),
    }
}

fn replacement(properties: &BTreeMap<String, String>) -> Result<Handling> {
    let value = properties.get(REPLACEMENT).map_or("", String::as_str);
    match value.as_bytes() {
        [byte] if byte.is_ascii() && *byte != 0 => Ok(Handling::Replace(*byte)),
        _ => {
            let hint = "'invalid_char_handling'='REPLACE' needs one character of ASCII.";
            Err(wrong_property(REPLACEMENT, value, hint))
        }
    }
}
