//! Data handling of external tables: what becomes of texts that are too long, bytes that are no characters, numbers
//! that do not fit and lines with another count of fields, as the table's properties say.
//!
//! Source: Redshift's guide, "Setting data handling options" and CREATE EXTERNAL TABLE, TABLE PROPERTIES. Without the
//! properties texts are cut, and what does not convert is null. "DROP_ROW" makes every value of the row null; for lines
//! with another count of fields it leaves the line out.

use super::fit::Width;
use crate::error::{Error, Result};
use crate::format::delimited::problem::Problem;
use arrow::array::{
    Array, ArrayRef, AsArray, BinaryViewBuilder, BooleanArray, RecordBatch, StringViewBuilder,
};
use arrow::compute::{CastOptions, cast_with_options, is_not_null, nullif, or};
use arrow_schema::{DataType, FieldRef, Schema};
use blueshift_sql::SqlType;
use datafusion::common::internal_err;
use datafusion::error::{DataFusionError, Result as EngineResult};
use datafusion::logical_expr::ColumnarValue;
use datafusion::physical_expr::PhysicalExpr;
use std::fmt;
use std::hash::Hash;
use std::sync::Arc;

/// What becomes of a value that is not as its column.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Handling {
    /// As without the property.
    #[default]
    Disabled,
    /// The query ends.
    Fail,
    /// The value is null.
    SetToNull,
    /// All values of the row are null.
    DropRow,
    /// This byte stands for each byte that is no character.
    Replace(u8),
    /// What is too much is cut off.
    Truncate,
}

/// The handling of each kind of trouble, of a table whose data cleansing is on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Cleansing {
    /// `column_count_mismatch_handling`
    pub column_count: Handling,
    /// `invalid_char_handling`
    pub invalid_char: Handling,
    /// `numeric_overflow_handling`
    pub numeric_overflow: Handling,
    /// `surplus_bytes_handling`
    pub surplus_bytes: Handling,
    /// `surplus_char_handling`
    pub surplus_char: Handling,
}

impl Cleansing {
    /// Tells how a field of a line is handled that did not convert.
    pub(super) fn of_field(&self, problem: Problem) -> Handling {
        match problem {
            Problem::Utf8 | Problem::MultibyteChar => self.invalid_char,
            Problem::Overflow => self.numeric_overflow,
            Problem::TooLong => self.surplus_char,
            _ => Handling::Disabled,
        }
    }

    /// Tells how a line with another count of fields is handled.
    pub(super) fn of_line(&self, problem: Problem) -> Handling {
        match problem {
            Problem::ExtraColumns | Problem::MissingColumns => self.column_count,
            _ => Handling::Disabled,
        }
    }

    /// Tells whether one value can make all of its row null.
    pub(super) fn drops_rows(&self) -> bool {
        let all = [
            self.invalid_char,
            self.numeric_overflow,
            self.surplus_bytes,
            self.surplus_char,
        ];
        all.contains(&Handling::DropRow)
    }

    /// Tells whether texts are only cut, as without cleansing.
    pub(super) fn only_cuts(&self) -> bool {
        matches!(self.surplus_char, Handling::Disabled | Handling::Truncate)
    }

    /// Tells what a column of a file is fitted to; `None` if every value fits or is handled elsewhere.
    pub(super) fn limit(&self, found: &DataType, ty: SqlType) -> Option<(Limit, Handling)> {
        if let Some(width) = Width::of(ty) {
            return (!self.only_cuts()).then_some((Limit::Text(width), self.surplus_char));
        }
        if let SqlType::Varbyte(bytes) = ty {
            let handling = match self.surplus_bytes {
                Handling::Disabled => Handling::SetToNull,
                other => other,
            };
            return Some((Limit::Bytes(bytes as usize), handling));
        }
        let wanted = ty.arrow();
        let is_narrowed = is_number(found) && is_number(&wanted) && *found != wanted;
        let is_handled = self.numeric_overflow != Handling::Disabled;
        (is_narrowed && is_handled).then_some((Limit::Number(wanted), self.numeric_overflow))
    }
}

fn is_number(ty: &DataType) -> bool {
    ty.is_signed_integer() || matches!(ty, DataType::Decimal128(..))
}

/// What values of a column are fitted to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Limit {
    Text(Width),
    Bytes(usize),
    /// A type of numbers, narrower than those of the file.
    Number(DataType),
}

impl Limit {
    /// Fits an array: what does not fit is cut or null.
    fn fit(&self, array: &ArrayRef, cuts: bool) -> EngineResult<ArrayRef> {
        match self {
            Self::Text(width) => {
                let Some(texts) = array.as_string_view_opt() else {
                    return internal_err!("a column of texts that holds none");
                };
                if texts.iter().flatten().all(|text| width.fits(text)) {
                    return Ok(Arc::clone(array));
                }
                let mut fitted = StringViewBuilder::with_capacity(texts.len());
                for text in texts {
                    let kept = |text: &&str| cuts || width.holds(text);
                    fitted.append_option(text.filter(kept).map(|text| width.cut(text)));
                }
                Ok(Arc::new(fitted.finish()))
            }
            Self::Bytes(width) => {
                let Some(values) = array.as_binary_view_opt() else {
                    return internal_err!("a column of bytes that holds none");
                };
                let mut fitted = BinaryViewBuilder::with_capacity(values.len());
                for value in values {
                    let kept = value.filter(|value| cuts || value.len() <= *width);
                    fitted.append_option(kept.map(|value| value.get(..*width).unwrap_or(value)));
                }
                Ok(Arc::new(fitted.finish()))
            }
            Self::Number(wanted) => {
                let options = CastOptions {
                    safe: true,
                    ..CastOptions::default()
                };
                Ok(cast_with_options(array, wanted, &options)?)
            }
        }
    }

    /// What is too much, for errors.
    fn trouble(&self) -> &'static str {
        match self {
            Self::Text(_) => "characters than its width",
            Self::Bytes(_) => "bytes than its width",
            Self::Number(_) => "digits than its type",
        }
    }
}

/// Fits the values of one column of a file.
#[derive(Clone, Debug, Eq)]
pub(super) struct FitExpr {
    pub(super) value: Arc<dyn PhysicalExpr>,
    pub(super) limit: Limit,
    pub(super) handling: Handling,
    pub(super) field: FieldRef,
}

impl PartialEq for FitExpr {
    fn eq(&self, other: &Self) -> bool {
        self.value.eq(&other.value)
            && (&self.limit, self.handling) == (&other.limit, other.handling)
    }
}

impl Hash for FitExpr {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.value.hash(state);
        self.limit.hash(state);
        self.handling.hash(state);
    }
}

impl fmt::Display for FitExpr {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "fit({}, {:?})", self.value, self.handling)
    }
}

impl FitExpr {
    /// Gives the values fitted, and which of them did not fit, if any.
    fn fitted(&self, batch: &RecordBatch) -> EngineResult<(ArrayRef, Option<BooleanArray>)> {
        let value = self.value.evaluate(batch)?.into_array(batch.num_rows())?;
        let fitted = self
            .limit
            .fit(&value, self.handling == Handling::Truncate)?;
        if fitted.null_count() == value.null_count() {
            return Ok((fitted, None));
        }
        if self.handling == Handling::Fail {
            return Err(DataFusionError::Execution(format!(
                "a value of column \"{}\" has more {}",
                self.field.name(),
                self.limit.trouble()
            )));
        }
        let was: BooleanArray = is_not_null(&value)?;
        let lost = was
            .values()
            .iter()
            .enumerate()
            .map(|(row, was)| was && fitted.is_null(row));
        let lost = lost.collect::<Vec<bool>>().into();
        Ok((fitted, Some(lost)))
    }
}

impl PhysicalExpr for FitExpr {
    fn return_field(&self, _schema: &Schema) -> EngineResult<FieldRef> {
        Ok(Arc::clone(&self.field))
    }

    fn evaluate(&self, batch: &RecordBatch) -> EngineResult<ColumnarValue> {
        Ok(ColumnarValue::Array(self.fitted(batch)?.0))
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        vec![&self.value]
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn PhysicalExpr>>,
    ) -> EngineResult<Arc<dyn PhysicalExpr>> {
        let [value] = children.as_slice() else {
            return internal_err!("one value is fitted");
        };
        Ok(Arc::new(Self {
            value: Arc::clone(value),
            ..self.as_ref().clone()
        }))
    }

    fn fmt_sql(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.value.fmt_sql(formatter)
    }
}

/// A value of a row that is null if a value of the row does not fit its column.
#[derive(Debug, Eq)]
pub(super) struct RowExpr {
    /// First the value, then all [`FitExpr`]s whose rows are dropped.
    parts: Vec<Arc<dyn PhysicalExpr>>,
    field: FieldRef,
}

impl RowExpr {
    /// Ties a value to what is fitted in its row.
    pub(super) fn new(
        value: Arc<dyn PhysicalExpr>,
        fitted: &[Arc<dyn PhysicalExpr>],
        field: FieldRef,
    ) -> Self {
        let parts = std::iter::once(value).chain(fitted.iter().cloned());
        Self {
            parts: parts.collect(),
            field,
        }
    }
}

impl PartialEq for RowExpr {
    fn eq(&self, other: &Self) -> bool {
        self.parts == other.parts
    }
}

impl Hash for RowExpr {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.parts.hash(state);
    }
}

impl fmt::Display for RowExpr {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.parts.first() {
            Some(value) => write!(formatter, "row({value})"),
            None => write!(formatter, "row()"),
        }
    }
}

impl PhysicalExpr for RowExpr {
    fn return_field(&self, _schema: &Schema) -> EngineResult<FieldRef> {
        Ok(Arc::clone(&self.field))
    }

    fn evaluate(&self, batch: &RecordBatch) -> EngineResult<ColumnarValue> {
        let mut parts = self.parts.iter();
        let Some(value) = parts.next() else {
            return internal_err!("a row without a value");
        };
        let value = value.evaluate(batch)?.into_array(batch.num_rows())?;
        let mut dropped: Option<BooleanArray> = None;
        for part in parts {
            let Some(fit) = part.downcast_ref::<FitExpr>() else {
                return internal_err!("a part of a row that is not fitted");
            };
            let lost = fit.fitted(batch)?.1;
            dropped = match (dropped, lost) {
                (Some(dropped), Some(lost)) => Some(or(&dropped, &lost)?),
                (dropped, lost) => dropped.or(lost),
            };
        }
        Ok(ColumnarValue::Array(match dropped {
            Some(dropped) => nullif(&value, &dropped)?,
            None => value,
        }))
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        self.parts.iter().collect()
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn PhysicalExpr>>,
    ) -> EngineResult<Arc<dyn PhysicalExpr>> {
        Ok(Arc::new(Self {
            parts: children,
            field: Arc::clone(&self.field),
        }))
    }

    fn fmt_sql(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.parts.first() {
            Some(value) => value.fmt_sql(formatter),
            None => Ok(()),
        }
    }
}

/// What the fields of one block of lines lead to.
#[derive(Debug, Default)]
pub(super) struct Dropped {
    rows: Vec<bool>,
}

impl Dropped {
    /// Notes that a row is dropped.
    pub(super) fn add(&mut self, row: usize, count: usize) {
        self.rows.resize(count, false);
        if let Some(is_dropped) = self.rows.get_mut(row) {
            *is_dropped = true;
        }
    }

    /// Makes the values of dropped rows null.
    pub(super) fn apply(self, columns: &mut [ArrayRef]) -> Result<()> {
        if self.rows.is_empty() {
            return Ok(());
        }
        let rows = BooleanArray::from(self.rows);
        for column in columns {
            *column = nullif(column, &rows)?;
        }
        Ok(())
    }
}

/// Ends the scan for a field that may not be as it is.
pub(super) fn failed(problem: Problem, column: &str) -> Error {
    let reason = problem.reason();
    Error::Engine(DataFusionError::Execution(format!(
        "column \"{column}\": {reason}"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{Int64Array, StringViewArray};
    use arrow_schema::Field;
    use datafusion::physical_expr::expressions::Column;

    fn batch() -> RecordBatch {
        let texts: ArrayRef = Arc::new(StringViewArray::from(vec![
            Some("abcdef"),
            Some("ab  "),
            None,
            Some("gh"),
        ]));
        let numbers: ArrayRef = Arc::new(Int64Array::from(vec![1, 40_000, 3, 4]));
        RecordBatch::try_from_iter([("t", texts), ("n", numbers)]).expect("a batch")
    }

    fn fit(name: &str, place: usize, ty: SqlType, cleansing: &Cleansing) -> Arc<FitExpr> {
        let batch = batch();
        let found = batch.schema().field(place).data_type().clone();
        let (limit, handling) = cleansing.limit(&found, ty).expect("a limit");
        Arc::new(FitExpr {
            value: Arc::new(Column::new(name, place)),
            limit,
            handling,
            field: Arc::new(Field::new(name, ty.arrow(), true)),
        })
    }

    fn texts(expr: &dyn PhysicalExpr) -> Vec<Option<String>> {
        let array = expr.evaluate(&batch()).expect("values");
        let array = array.into_array(4).expect("an array");
        let texts = array.as_string_view().iter();
        texts.map(|text| text.map(str::to_owned)).collect()
    }

    #[test]
    fn long_texts_are_null_or_end_the_query() {
        let mut cleansing = Cleansing {
            surplus_char: Handling::SetToNull,
            ..Cleansing::default()
        };
        let null = fit("t", 0, SqlType::Varchar(4), &cleansing);
        let expected = [None, Some("ab  "), None, Some("gh")].map(|text| text.map(str::to_owned));
        assert_eq!(texts(null.as_ref()), expected);
        cleansing.surplus_char = Handling::Fail;
        let fail = fit("t", 0, SqlType::Varchar(4), &cleansing);
        let told = fail.evaluate(&batch()).expect_err("too long").to_string();
        assert!(told.contains("column \"t\""), "{told}");
    }

    #[test]
    fn one_value_makes_its_row_null() {
        let cleansing = Cleansing {
            numeric_overflow: Handling::DropRow,
            ..Cleansing::default()
        };
        let fitted: Arc<dyn PhysicalExpr> = fit("n", 1, SqlType::SmallInt, &cleansing);
        let field = Arc::new(Field::new("t", DataType::Utf8View, true));
        let row = RowExpr::new(Arc::new(Column::new("t", 0)), &[fitted], field);
        let expected = [Some("abcdef"), None, None, Some("gh")].map(|text| text.map(str::to_owned));
        assert_eq!(texts(&row), expected);
    }
}
