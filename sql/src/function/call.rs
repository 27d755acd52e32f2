//! One call of a function over a batch: its arguments as typed columns, and builders for its result.
//!
//! An argument that is the same for all rows is a column of one value; reading row `n` of it gives that value. So a
//! function that compiles a pattern or a format asks [`Column::constant`] and does it once.

use crate::error::{Error, Result};
use crate::function::session::JsonReading;
use crate::sqlstate::SqlState;
use crate::types::date_order::DateOrder;
use arrow::array::{
    Array, ArrayAccessor, ArrayRef, ArrowPrimitiveType, BinaryViewArray, BinaryViewBuilder,
    BooleanArray, BooleanBuilder, PrimitiveArray, PrimitiveBuilder, StringViewArray,
    StringViewBuilder, UInt32Array,
};
use arrow::datatypes::{
    Date32Type, Decimal128Type, Float64Type, Int32Type, Int64Type, IntervalMonthDayNanoType,
    TimestampMicrosecondType,
};
use arrow_schema::DataType;
use std::sync::Arc;

/// One call over a batch.
#[derive(Debug)]
pub struct Call<'a> {
    /// How many rows the result has.
    pub(crate) rows: usize,
    /// The arguments; those that are constant have one row.
    pub(crate) arguments: &'a [ArrayRef],
    /// Which arguments are constant.
    pub(crate) constant: &'a [bool],
    /// The type of the result.
    pub(crate) returns: &'a DataType,
    /// The time zone of the session.
    pub(crate) zone: &'a str,
    /// How the session writes dates of numbers alone.
    pub(crate) order: DateOrder,
    /// How the session parses JSON.
    pub(crate) json: JsonReading,
}

/// An argument as a column of values.
#[derive(Debug)]
pub(crate) struct Column<'a, A> {
    pub(crate) array: &'a A,
    /// Zero for a constant, so that every row is row zero.
    mask: usize,
}

impl<A> Clone for Column<'_, A> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<A> Copy for Column<'_, A> {}

impl<'a, A> Column<'a, A>
where
    &'a A: ArrayAccessor,
{
    /// The value at a row; `None` if null.
    pub(crate) fn at(&self, row: usize) -> Option<<&'a A as ArrayAccessor>::Item> {
        let row = row & self.mask;
        self.array.is_valid(row).then(|| self.array.value(row))
    }

    /// Whether all rows have the same value.
    pub(crate) fn is_constant(&self) -> bool {
        self.mask == 0
    }

    /// The value of a constant that is not null.
    pub(crate) fn constant(&self) -> Option<<&'a A as ArrayAccessor>::Item> {
        if self.is_constant() { self.at(0) } else { None }
    }
}

fn absent(argument: usize) -> Error {
    Error::new(
        SqlState::INTERNAL_ERROR,
        format!("argument {} is missing or of another type", argument + 1),
    )
}

impl<'a> Call<'a> {
    /// How many arguments were given.
    pub(crate) fn count(&self) -> usize {
        self.arguments.len()
    }

    /// An argument of a known array type.
    fn column<A: Array + 'static>(&self, argument: usize) -> Result<Column<'a, A>>
    where
        &'a A: ArrayAccessor,
    {
        let array = self.arguments.get(argument);
        let array = array.and_then(|array| array.as_any().downcast_ref::<A>());
        let constant = self.constant.get(argument).copied().unwrap_or(false);
        Ok(Column {
            array: array.ok_or_else(|| absent(argument))?,
            mask: if constant { 0 } else { usize::MAX },
        })
    }

    /// A number of an arrow type.
    pub(crate) fn primitive<T: ArrowPrimitiveType>(
        &self,
        argument: usize,
    ) -> Result<Column<'a, PrimitiveArray<T>>> {
        self.column(argument)
    }

    /// A VARCHAR.
    pub(crate) fn text(&self, argument: usize) -> Result<Column<'a, StringViewArray>> {
        self.column(argument)
    }

    /// A VARBYTE.
    pub(crate) fn bytes(&self, argument: usize) -> Result<Column<'a, BinaryViewArray>> {
        self.column(argument)
    }

    /// A BOOLEAN.
    pub(crate) fn boolean(&self, argument: usize) -> Result<Column<'a, BooleanArray>> {
        self.column(argument)
    }

    /// An INTEGER.
    pub(crate) fn integer(&self, argument: usize) -> Result<Column<'a, PrimitiveArray<Int32Type>>> {
        self.column(argument)
    }

    /// A BIGINT.
    pub(crate) fn bigint(&self, argument: usize) -> Result<Column<'a, PrimitiveArray<Int64Type>>> {
        self.column(argument)
    }

    /// A DOUBLE PRECISION.
    pub(crate) fn double(
        &self,
        argument: usize,
    ) -> Result<Column<'a, PrimitiveArray<Float64Type>>> {
        self.column(argument)
    }

    /// A DECIMAL, as its digits without the point.
    pub(crate) fn decimal(
        &self,
        argument: usize,
    ) -> Result<Column<'a, PrimitiveArray<Decimal128Type>>> {
        self.column(argument)
    }

    /// A DATE, in days from 1970.
    pub(crate) fn date(&self, argument: usize) -> Result<Column<'a, PrimitiveArray<Date32Type>>> {
        self.column(argument)
    }

    /// A TIMESTAMP or TIMESTAMPTZ, in microseconds from 1970.
    pub(crate) fn timestamp(
        &self,
        argument: usize,
    ) -> Result<Column<'a, PrimitiveArray<TimestampMicrosecondType>>> {
        self.column(argument)
    }

    /// An INTERVAL.
    pub(crate) fn interval(
        &self,
        argument: usize,
    ) -> Result<Column<'a, PrimitiveArray<IntervalMonthDayNanoType>>> {
        self.column(argument)
    }

    /// An argument with a value for every row, as it is.
    pub(crate) fn full(&self, argument: usize) -> Result<ArrayRef> {
        let array = self
            .arguments
            .get(argument)
            .ok_or_else(|| absent(argument))?;
        if array.len() == self.rows {
            return Ok(Arc::clone(array));
        }
        let rows = UInt32Array::from(vec![0; self.rows]);
        arrow::compute::take(array, &rows, None).map_err(|_| absent(argument))
    }

    /// The arrow type of an argument.
    pub(crate) fn ty(&self, argument: usize) -> DataType {
        self.arguments
            .get(argument)
            .map_or(DataType::Null, |array| array.data_type().clone())
    }

    /// Builds a column of numbers, dates or times, one value per row.
    pub(crate) fn build<T: ArrowPrimitiveType>(
        &self,
        mut value: impl FnMut(usize) -> Result<Option<T::Native>>,
    ) -> Result<ArrayRef> {
        let mut builder = PrimitiveBuilder::<T>::with_capacity(self.rows);
        for row in 0..self.rows {
            builder.append_option(value(row)?);
        }
        let ty = if T::DATA_TYPE.is_numeric() && !matches!(self.returns, DataType::Decimal128(..)) {
            T::DATA_TYPE
        } else {
            self.returns.clone()
        };
        Ok(Arc::new(builder.finish().with_data_type(ty)))
    }

    /// Builds a column of truth values.
    pub(crate) fn build_boolean(
        &self,
        mut value: impl FnMut(usize) -> Result<Option<bool>>,
    ) -> Result<ArrayRef> {
        let mut builder = BooleanBuilder::with_capacity(self.rows);
        for row in 0..self.rows {
            builder.append_option(value(row)?);
        }
        Ok(Arc::new(builder.finish()))
    }

    /// Builds a column of text: `value` writes into an empty buffer, and says whether the row is not null.
    pub(crate) fn build_text(
        &self,
        mut value: impl FnMut(usize, &mut String) -> Result<bool>,
    ) -> Result<ArrayRef> {
        let mut builder = StringViewBuilder::with_capacity(self.rows);
        let mut text = String::new();
        for row in 0..self.rows {
            text.clear();
            if value(row, &mut text)? {
                builder.append_value(&text);
            } else {
                builder.append_null();
            }
        }
        Ok(Arc::new(builder.finish()))
    }

    /// Builds a column of bytes.
    pub(crate) fn build_bytes(
        &self,
        mut value: impl FnMut(usize) -> Result<Option<Vec<u8>>>,
    ) -> Result<ArrayRef> {
        let mut builder = BinaryViewBuilder::with_capacity(self.rows);
        for row in 0..self.rows {
            builder.append_option(value(row)?);
        }
        Ok(Arc::new(builder.finish()))
    }

    /// Builds a column of text whose values are parts of arguments or constants.
    pub(crate) fn build_part<'t>(
        &self,
        mut value: impl FnMut(usize) -> Result<Option<&'t str>>,
    ) -> Result<ArrayRef> {
        let mut builder = StringViewBuilder::with_capacity(self.rows);
        for row in 0..self.rows {
            builder.append_option(value(row)?);
        }
        Ok(Arc::new(builder.finish()))
    }
}
