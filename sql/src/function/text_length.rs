//! Lengths of text in bytes: the cut of an explicit cast, the check of an assignment.

use super::adapter::{Scalar, scalar};
use crate::error::Error;
use crate::sqlstate::SqlState;
use arrow::array::{ArrayRef, StringViewBuilder};
use arrow_schema::DataType;
use datafusion_common::Result;
use datafusion_common::cast::{as_binary_view_array, as_string_view_array};
use datafusion_expr::{ScalarUDF, Volatility};
use std::sync::{Arc, LazyLock};

static ASSIGN: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| {
    scalar(Scalar {
        name: "blueshift_assign_text",
        aliases: &[],
        arguments: &[DataType::Utf8View, DataType::Int64, DataType::Boolean],
        returns: DataType::Utf8View,
        volatility: Volatility::Immutable,
        eval: assign_text,
    })
});

static ASSIGN_BYTES: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| {
    scalar(Scalar {
        name: "blueshift_assign_bytes",
        aliases: &[],
        arguments: &[DataType::BinaryView, DataType::Int64],
        returns: DataType::BinaryView,
        volatility: Volatility::Immutable,
        eval: assign_bytes,
    })
});

static CUT: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| {
    scalar(Scalar {
        name: "blueshift_cut",
        aliases: &[],
        arguments: &[DataType::Utf8View, DataType::Int64],
        returns: DataType::Utf8View,
        volatility: Volatility::Immutable,
        eval: cut_text,
    })
});

static ANY: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| {
    scalar(Scalar {
        name: "blueshift_any_text",
        aliases: &[],
        arguments: &[DataType::Utf8View],
        returns: DataType::Utf8View,
        volatility: Volatility::Immutable,
        eval: |args, _| super::adapter::first(args).cloned(),
    })
});

/// The function `(text)` that gives every text as it is, however long.
pub(crate) fn any() -> Arc<ScalarUDF> {
    Arc::clone(&ANY)
}

/// The function `(text, bytes, is_char)`: an error if too long, but blanks beyond the length are cut.
pub(crate) fn assign() -> Arc<ScalarUDF> {
    Arc::clone(&ASSIGN)
}

/// The function `(value, bytes)` of a VARBYTE: an error if it is too long.
pub(crate) fn assign_varbyte() -> Arc<ScalarUDF> {
    Arc::clone(&ASSIGN_BYTES)
}

/// The function `(text, bytes)`: the longest start of the text that fits.
pub(crate) fn cut() -> Arc<ScalarUDF> {
    Arc::clone(&CUT)
}

fn limit(args: &[ArrayRef]) -> usize {
    super::adapter::integer_at(args, 1, 0)
        .and_then(|value| usize::try_from(value).ok())
        .unwrap_or(0)
}

fn assign_text(args: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
    let (values, length) = (super::adapter::first(args)?, limit(args));
    let text = as_string_view_array(values)?;
    let is_char = super::adapter::boolean_at(args, 2, 0).unwrap_or(false);
    let fits = |value: &str| {
        value.len() <= length && !(is_char && (value.ends_with(' ') || !value.is_ascii()))
    };
    if text.iter().flatten().all(fits) {
        return Ok(Arc::clone(values));
    }
    let mut builder = StringViewBuilder::with_capacity(rows);
    for value in text {
        let Some(value) = value else {
            builder.append_null();
            continue;
        };
        let value = if is_char {
            value.trim_end_matches(' ')
        } else {
            value
        };
        if is_char && !value.is_ascii() {
            let found: String = value.chars().filter(|c| !c.is_ascii()).take(1).collect();
            return Err(super::adapter::failure(
                Error::new(
                    SqlState::CHARACTER_NOT_IN_REPERTOIRE,
                    format!("CHAR string contains invalid ASCII character {found}"),
                )
                .with_detail("A CHAR holds characters of one byte.")
                .with_hint("Use VARCHAR for other characters"),
            ));
        }
        if value.len() <= length {
            builder.append_value(value);
        } else if value.trim_end_matches(' ').len() <= length {
            builder.append_value(value.get(..length).unwrap_or_default());
        } else {
            let name = if is_char {
                "character"
            } else {
                "character varying"
            };
            return Err(super::adapter::failure(
                Error::new(
                    SqlState::STRING_DATA_RIGHT_TRUNCATION,
                    format!("value too long for type {name}({length})"),
                )
                .with_detail(format!("The value has {} bytes.", value.len()))
                .with_hint("Cut the value with LEFT, or make the column wider"),
            ));
        }
    }
    Ok(Arc::new(builder.finish()))
}

fn assign_bytes(args: &[ArrayRef], _rows: usize) -> Result<ArrayRef> {
    let (values, length) = (super::adapter::first(args)?, limit(args));
    let bytes = as_binary_view_array(values)?;
    match bytes.iter().flatten().find(|value| value.len() > length) {
        None => Ok(Arc::clone(values)),
        Some(value) => Err(super::adapter::failure(
            Error::new(
                SqlState::STRING_DATA_RIGHT_TRUNCATION,
                format!("value too long for type binary varying({length})"),
            )
            .with_detail(format!("The value has {} bytes.", value.len()))
            .with_hint("Cut the value with SUBSTRING, or make the column wider"),
        )),
    }
}

fn cut_text(args: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
    let (values, length) = (super::adapter::first(args)?, limit(args));
    let text = as_string_view_array(values)?;
    if text.iter().flatten().all(|value| value.len() <= length) {
        return Ok(Arc::clone(values));
    }
    let mut builder = StringViewBuilder::with_capacity(rows);
    for value in text {
        builder.append_option(value.map(|value| {
            value
                .get(..value.floor_char_boundary(length.min(value.len())))
                .unwrap_or_default()
        }));
    }
    Ok(Arc::new(builder.finish()))
}
