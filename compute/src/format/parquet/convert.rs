//! Converts a column of a file to that of a table. The first value that does not fit ends the load, so one is enough to
//! tell.

use super::nested;
use super::schema::Way;
use crate::format::delimited::problem::Problem;
use crate::format::delimited::text::{TextColumn, TextRule};
use arrow::array::{Array, ArrayRef, AsArray, BinaryViewBuilder};
use arrow::buffer::NullBuffer;
use arrow::compute::{CastOptions, cast_with_options};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use arrow_schema::{ArrowError, DataType};
use blueshift_sql::SqlType;
use std::sync::Arc;

/// Bytes kept of a refused value.
const SHOWN_BYTES: usize = 1_024;

/// A value that does not fit its column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Its row in the array.
    pub row: usize,
    /// Why.
    pub problem: Problem,
    /// The beginning of the value.
    pub value: Vec<u8>,
    /// Bytes of the value, if it is text or bytes.
    pub bytes: usize,
}

/// A column of the table, and what was noticed on the way.
#[derive(Debug)]
pub struct Converted {
    /// The column, with nulls for what does not fit.
    pub array: ArrayRef,
    /// The first value that does not fit.
    pub refused: Option<Refused>,
    /// Rows whose invalid characters were replaced, as ACCEPTINVCHARS asks.
    pub replaced: Vec<usize>,
}

/// Converts an array.
pub fn convert(
    array: &ArrayRef,
    way: Way,
    ty: SqlType,
    rule: &TextRule,
) -> Result<Converted, ArrowError> {
    match way {
        Way::Cast => cast(array, ty),
        Way::Text => text(array, rule),
        Way::Bytes => bytes(array, ty),
        Way::Json { is_marked } => json(array, is_marked),
    }
}

fn cast(array: &ArrayRef, ty: SqlType) -> Result<Converted, ArrowError> {
    let options = CastOptions {
        safe: true,
        ..CastOptions::default()
    };
    let cast = cast_with_options(array, &ty.arrow(), &options)?;
    let lost = match cast.null_count() > array.null_count() {
        true => (0..array.len()).find(|row| array.is_valid(*row) && cast.is_null(*row)),
        false => None,
    };
    let refused = lost.map(|row| {
        let formats = FormatOptions::new();
        let value = ArrayFormatter::try_new(array.as_ref(), &formats)?
            .value(row)
            .to_string();
        Ok::<_, ArrowError>(Refused {
            row,
            problem: Problem::Overflow,
            bytes: value.len(),
            value: value.into_bytes(),
        })
    });
    Ok(Converted {
        array: cast,
        refused: refused.transpose()?,
        replaced: Vec::new(),
    })
}

/// Gives the bytes of each row; `None` for null.
fn each(array: &ArrayRef) -> Box<dyn Iterator<Item = Option<&[u8]>> + '_> {
    match array.data_type() {
        DataType::Utf8View => {
            let texts = array.as_string_view().iter();
            Box::new(texts.map(|text| text.map(str::as_bytes)))
        }
        DataType::BinaryView => Box::new(array.as_binary_view().iter()),
        DataType::FixedSizeBinary(_) => Box::new(array.as_fixed_size_binary().iter()),
        _ => Box::new(std::iter::repeat_n(None, array.len())),
    }
}

fn refuse(row: usize, problem: Problem, value: &[u8]) -> Refused {
    Refused {
        row,
        problem,
        bytes: value.len(),
        value: value
            .get(..SHOWN_BYTES.min(value.len()))
            .unwrap_or_default()
            .to_vec(),
    }
}

fn text(array: &ArrayRef, rule: &TextRule) -> Result<Converted, ArrowError> {
    let mut column = TextColumn::new(array.len());
    if rule.may_be_long() {
        column.reserve(each(array).map(|text| text.map_or(0, <[u8]>::len)));
    }
    let mut refused = None;
    let mut replaced = Vec::new();
    let texts = array.as_string_view_opt();
    for (row, value) in each(array).enumerate() {
        let Some(bytes) = value else {
            column.push_null();
            continue;
        };
        let pushed = match texts {
            Some(texts) => column.push(texts.value(row), bytes, rule),
            None => {
                if rule.replacement.is_some() && str::from_utf8(bytes).is_err() {
                    replaced.push(row);
                }
                column.push_unchecked(bytes, rule)
            }
        };
        if !matches!(pushed, Ok(true)) {
            column.push_null();
        }
        if let Err(problem) = pushed
            && refused.is_none()
        {
            refused = Some(refuse(row, problem, bytes));
        }
    }
    // Blanks and empty texts mean null only for options that do not go with this format.
    let nulls = array.logical_nulls();
    Ok(Converted {
        array: column.finish(nulls)?,
        refused,
        replaced,
    })
}

fn bytes(array: &ArrayRef, ty: SqlType) -> Result<Converted, ArrowError> {
    let bytes_max = match ty {
        SqlType::Varbyte(bytes) => bytes as usize,
        _ => usize::MAX,
    };
    let mut builder = BinaryViewBuilder::with_capacity(array.len());
    let mut refused = None;
    for (row, value) in each(array).enumerate() {
        match value {
            Some(value) if value.len() > bytes_max => {
                builder.append_null();
                refused = refused.or_else(|| Some(refuse(row, Problem::TooLong, value)));
            }
            value => builder.append_option(value),
        }
    }
    Ok(Converted {
        array: Arc::new(builder.finish()),
        refused,
        replaced: Vec::new(),
    })
}

fn json(array: &ArrayRef, is_marked: bool) -> Result<Converted, ArrowError> {
    let mut column = TextColumn::new(array.len());
    let mut valid = Vec::with_capacity(array.len());
    let mut refused = None;
    let mut written = String::new();
    let nulls = array.logical_nulls();
    for row in 0..array.len() {
        let is_null = nulls.as_ref().is_some_and(|nulls| nulls.is_null(row));
        written.clear();
        let wrote = match is_null {
            true => Ok(()),
            false => nested::write(array.as_ref(), row, is_marked, &mut written),
        };
        if let Err(ArrowError::JsonError(_)) = wrote {
            let value = each(array).nth(row).flatten().unwrap_or_default();
            refused = refused.or_else(|| Some(refuse(row, Problem::Json, value)));
        } else {
            wrote?;
        }
        let pushed = match is_null {
            true => Ok(false),
            false => column.push_made(&written),
        };
        if !matches!(pushed, Ok(true)) {
            column.push_null();
        }
        valid.push(matches!(pushed, Ok(true)));
        if let Err(problem) = pushed {
            refused = refused.or_else(|| Some(refuse(row, problem, written.as_bytes())));
        }
    }
    Ok(Converted {
        array: column.finish(Some(NullBuffer::from(valid)))?,
        refused,
        replaced: Vec::new(),
    })
}
