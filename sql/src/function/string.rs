//! Functions of text: LEN, CHARINDEX, SPLIT_PART, CONCAT.

use super::adapter::{Scalar, failure, first, scalar};
use crate::error::Error;
use crate::sqlstate::SqlState;
use arrow::array::{ArrayRef, Int32Array, StringViewBuilder};
use arrow_schema::DataType;
use datafusion_common::Result;
use datafusion_common::cast::{as_int64_array, as_string_view_array};
use datafusion_expr::{ScalarUDF, Volatility};
use std::sync::Arc;

const TEXT: DataType = DataType::Utf8View;

pub(super) fn functions() -> Vec<Arc<ScalarUDF>> {
    let immutable = Volatility::Immutable;
    [
        // LEN(text): characters.
        Scalar {
            name: "len",
            aliases: &["textlen"],
            arguments: &[TEXT],
            returns: DataType::Int32,
            volatility: immutable,
            eval: len,
        },
        // CHARINDEX(part, text): position in characters from 1, 0 if not found.
        Scalar {
            name: "charindex",
            aliases: &[],
            arguments: &[TEXT, TEXT],
            returns: DataType::Int32,
            volatility: immutable,
            eval: charindex,
        },
        // CONCAT(a, b): null if either is null.
        Scalar {
            name: "concat",
            aliases: &[],
            arguments: &[TEXT, TEXT],
            returns: TEXT,
            volatility: immutable,
            eval: concat,
        },
        // SPLIT_PART(text, delimiter, n): the n-th part from 1; '' if there are fewer.
        Scalar {
            name: "split_part",
            aliases: &[],
            arguments: &[TEXT, TEXT, DataType::Int64],
            returns: TEXT,
            volatility: immutable,
            eval: split_part,
        },
    ]
    .into_iter()
    .map(scalar)
    .collect()
}

/// The argument at `idx`; the engine has checked their count.
fn nth(args: &[ArrayRef], idx: usize) -> Result<&ArrayRef> {
    first(args.get(idx..).unwrap_or_default())
}

fn len(args: &[ArrayRef], _rows: usize) -> Result<ArrayRef> {
    let text = as_string_view_array(first(args)?)?;
    let count = |value: &str| i32::try_from(value.chars().count()).unwrap_or(i32::MAX);
    Ok(Arc::new(
        text.iter()
            .map(|value| value.map(count))
            .collect::<Int32Array>(),
    ))
}

fn charindex(args: &[ArrayRef], _rows: usize) -> Result<ArrayRef> {
    let (part, text) = (
        as_string_view_array(first(args)?)?,
        as_string_view_array(nth(args, 1)?)?,
    );
    let find = |part: &str, text: &str| match text.find(part) {
        Some(at) => i32::try_from(text.get(..at).unwrap_or_default().chars().count() + 1)
            .unwrap_or(i32::MAX),
        None => 0,
    };
    let found = part
        .iter()
        .zip(text)
        .map(|(part, text)| Some(find(part?, text?)));
    Ok(Arc::new(found.collect::<Int32Array>()))
}

fn concat(args: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
    let (left, right) = (
        as_string_view_array(first(args)?)?,
        as_string_view_array(nth(args, 1)?)?,
    );
    let mut builder = StringViewBuilder::with_capacity(rows);
    let mut joined = String::new();
    for pair in left.iter().zip(right) {
        if let (Some(left), Some(right)) = pair {
            joined.clear();
            joined.push_str(left);
            joined.push_str(right);
            builder.append_value(&joined);
        } else {
            builder.append_null();
        }
    }
    Ok(Arc::new(builder.finish()))
}

fn split_part(args: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
    let (text, delimiter) = (
        as_string_view_array(first(args)?)?,
        as_string_view_array(nth(args, 1)?)?,
    );
    let number = as_int64_array(nth(args, 2)?)?;
    let mut builder = StringViewBuilder::with_capacity(rows);
    for ((text, delimiter), number) in text.iter().zip(delimiter).zip(number) {
        let (Some(text), Some(delimiter), Some(number)) = (text, delimiter, number) else {
            builder.append_null();
            continue;
        };
        let Some(skip) = usize::try_from(number)
            .ok()
            .and_then(|number| number.checked_sub(1))
        else {
            return Err(failure(Error::new(
                SqlState::INVALID_PARAMETER_VALUE,
                "field position must be greater than zero",
            )));
        };
        let part = if delimiter.is_empty() {
            if skip == 0 { text } else { "" }
        } else {
            text.split(delimiter).nth(skip).unwrap_or_default()
        };
        builder.append_value(part);
    }
    Ok(Arc::new(builder.finish()))
}
