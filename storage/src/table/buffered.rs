//! The rows a writer holds, column by column and as narrow as they are kept on disk; sorted by sending
//! each value of a column to its place.
//!
//! Values are read in order and written to as many places as there are different keys nearby, which a
//! cache holds far longer than the whole column: half the time of gathering in the order of the key.
//! Memory is used again for the next column and the next row group.
//!
//! Benchmark: `benches/micro/write.rs`.

mod pool;
mod texts;
mod zone;

use super::order;
use crate::error::{Error, Result};
use crate::schema::{ColumnType, SortKey, TableLayout};
use crate::statistics::key::{canonical_f32, canonical_f64};
use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Decimal128Type, DurationMicrosecondType, Float32Type, Float64Type, Int16Type,
    Int32Type, Int64Type, IntervalYearMonthType, Time64MicrosecondType, Time64NanosecondType,
    TimestampMicrosecondType,
};
use arrow_array::{Array, ArrayRef, ArrowPrimitiveType, BooleanArray, PrimitiveArray, RecordBatch};
use arrow_buffer::{ArrowNativeType, BooleanBuffer, Buffer, NullBuffer, ScalarBuffer};
use pool::Pool;
use std::sync::Arc;
use texts::Texts;
use zone::Scratch;

/// Rows waiting to become a row group.
pub(super) struct Buffered {
    columns: Vec<Column>,
    rows: usize,
    bytes: usize,
    pool: Pool,
    scratch: Scratch,
}

/// The order rows are to be written in.
#[derive(Default)]
pub(super) struct Order {
    /// The key columns of the first and of the last row.
    pub(super) ends: Vec<ArrayRef>,
    /// The place of each row; absent if the rows are in order as they came.
    pub(super) places: Option<Vec<u32>>,
}

struct Column {
    ty: ColumnType,
    values: Values,
    /// Absent while no null came.
    validity: Option<Vec<bool>>,
}

/// Values as they are kept: floats as their bits, one NaN and one zero; decimals in 64 bits until one does not fit.
enum Values {
    Bool(Vec<bool>),
    I16(Vec<i16>),
    I32(Vec<i32>),
    I64(Vec<i64>),
    I128(Vec<i128>),
    Text(Texts),
}

impl Buffered {
    /// Makes the empty columns of a table.
    pub(super) fn new(layout: &TableLayout) -> Self {
        let columns = layout.columns.iter().map(|column| Column::new(column.ty));
        Self {
            columns: columns.collect(),
            rows: 0,
            bytes: 0,
            pool: Pool::default(),
            scratch: Scratch::default(),
        }
    }

    /// Counts the rows.
    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    /// Counts the bytes of their values.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Copies rows, whose columns are of the table's types.
    pub(super) fn extend(&mut self, batch: &RecordBatch) {
        for (column, array) in self.columns.iter_mut().zip(batch.columns()) {
            if self.rows == 0 {
                column.values.renew(&mut self.pool);
            }
            self.bytes += column.extend(array.as_ref(), &mut self.pool);
        }
        self.rows += batch.num_rows();
    }

    /// Makes room for so many rows in all, at once: a vector that grows by doubling is copied, and its new pages are made,
    /// once more than it is long.
    pub(super) fn make_room(&mut self, rows: usize) {
        for column in &mut self.columns {
            column.values.make_room(rows);
        }
    }

    /// Finds the order of all rows, at least one, by `key`.
    pub(super) fn sort(&mut self, key: &SortKey) -> Result<Order> {
        let indexes = match key {
            SortKey::None => return Ok(Order::default()),
            SortKey::Compound(indexes) | SortKey::Interleaved(indexes) => indexes,
        };
        let mut columns = Vec::with_capacity(indexes.len());
        for index in indexes {
            columns.extend(self.columns.get_mut(*index).map(Column::copied_array));
        }
        let places = order::places(key, &columns)?;
        let last = self.rows.saturating_sub(1);
        let row_at = |place: usize| match &places {
            Some(places) => places.iter().position(|at| *at as usize == place),
            None => Some(place),
        };
        let rows = [row_at(0).unwrap_or(0), row_at(last).unwrap_or(last)];
        let mut ends = Vec::with_capacity(indexes.len());
        for index in indexes {
            let column = self.columns.get_mut(*index);
            ends.extend(column.map(|column| column.pick(&rows, &mut self.pool)));
        }
        Ok(Order { ends, places })
    }

    /// Gives a column in `order`, decimals that fit as `Int64`; a second call gives no rows.
    pub(super) fn take_column(&mut self, index: usize, order: &Order) -> Result<ArrayRef> {
        let missing = || Error::Internal(format!("a row has no column {index}"));
        let place = self.columns.get_mut(index).ok_or_else(missing)?;
        let empty = Column::new(place.ty);
        let column = std::mem::replace(place, empty);
        Ok(match &order.places {
            None => column.into_array(&mut self.pool),
            Some(places) => column
                .placed(places, &mut self.pool)
                .into_array(&mut self.pool),
        })
    }

    /// Gives the numbers of a column of 64 bits in the order they came; a second call gives none.
    pub(super) fn take_unplaced(&mut self, index: usize) -> Vec<i64> {
        match self.columns.get_mut(index).map(|column| &mut column.values) {
            Some(Values::I64(values)) => std::mem::take(values),
            _ => Vec::new(),
        }
    }

    /// Takes memory back that a column was in.
    pub(super) fn give_back(&mut self, values: Vec<i64>) {
        self.pool.give(values);
    }

    /// Forgets the rows, whose columns were taken.
    pub(super) fn clear(&mut self) {
        (self.rows, self.bytes) = (0, 0);
    }
}

impl Column {
    fn new(ty: ColumnType) -> Self {
        Self {
            ty,
            values: Values::new(ty),
            validity: None,
        }
    }

    /// Appends an array; gives the bytes of its values.
    fn extend(&mut self, array: &dyn Array, pool: &mut Pool) -> usize {
        let nulls = array.nulls().filter(|nulls| nulls.null_count() > 0);
        if nulls.is_some() || self.validity.is_some() {
            let before = self.values.len();
            let validity = self.validity.get_or_insert_with(|| vec![true; before]);
            match nulls {
                Some(nulls) => validity.extend(nulls.iter()),
                None => validity.resize(before + array.len(), true),
            }
        }
        if let ColumnType::Decimal { .. } = self.ty {
            return self.extend_decimals(array.as_primitive(), nulls, pool);
        }
        match (&mut self.values, self.ty) {
            (Values::Bool(values), _) => {
                values.extend(array.as_boolean().values().iter());
                array.len()
            }
            (Values::I16(values), _) => extend::<Int16Type>(values, array),
            (Values::I32(values), ColumnType::Float32) => {
                let bits = array.as_primitive::<Float32Type>().values().iter();
                values.extend(bits.map(|value| canonical_f32(*value).to_bits() as i32));
                array.len() * 4
            }
            (Values::I32(values), ColumnType::Date) => extend::<Date32Type>(values, array),
            (Values::I32(values), ColumnType::Months) => {
                extend::<IntervalYearMonthType>(values, array)
            }
            (Values::I32(values), _) => extend::<Int32Type>(values, array),
            (Values::I64(values), ColumnType::Float64) => {
                let bits = array.as_primitive::<Float64Type>().values().iter();
                values.extend(bits.map(|value| canonical_f64(*value).to_bits() as i64));
                array.len() * 8
            }
            (Values::I64(values), ColumnType::Time) => {
                extend::<Time64MicrosecondType>(values, array)
            }
            (Values::I64(values), ColumnType::TimeTz) => {
                extend::<Time64NanosecondType>(values, array)
            }
            (Values::I64(values), ColumnType::Duration) => {
                extend::<DurationMicrosecondType>(values, array)
            }
            (Values::I64(values), ColumnType::Timestamp | ColumnType::TimestampTz) => {
                extend::<TimestampMicrosecondType>(values, array)
            }
            (Values::I64(values), _) => extend::<Int64Type>(values, array),
            (Values::I128(_), _) => 0,
            (Values::Text(texts), ColumnType::Bytes) => {
                let array = array.as_binary_view();
                let copied = texts.extend(array.views(), array.data_buffers(), nulls, pool);
                copied + array.len() * 16
            }
            (Values::Text(texts), _) => {
                let array = array.as_string_view();
                let copied = texts.extend(array.views(), array.data_buffers(), nulls, pool);
                copied + array.len() * 16
            }
        }
    }

    /// Appends decimals in 64 bits as long as all of them fit.
    fn extend_decimals(
        &mut self,
        array: &PrimitiveArray<Decimal128Type>,
        nulls: Option<&NullBuffer>,
        pool: &mut Pool,
    ) -> usize {
        if let Values::I64(values) = &mut self.values {
            if extend_narrow(values, array, nulls) {
                return array.len() * 8;
            }
            let narrow = std::mem::take(values);
            self.values = Values::I128(narrow.iter().map(|value| i128::from(*value)).collect());
            pool.give(narrow);
        }
        match &mut self.values {
            Values::I128(values) => extend::<Decimal128Type>(values, array),
            _ => 0,
        }
    }

    /// Sends each value to its place.
    fn placed(self, places: &[u32], pool: &mut Pool) -> Self {
        let validity = self
            .validity
            .map(|validity| place(&validity, places, Vec::new()));
        let values = match self.values {
            Values::Bool(values) => Values::Bool(place(&values, places, Vec::new())),
            Values::I16(values) => Values::I16(place_pooled(values, places, pool)),
            Values::I32(values) => Values::I32(place_pooled(values, places, pool)),
            Values::I64(values) => Values::I64(place_pooled(values, places, pool)),
            Values::I128(values) => Values::I128(place_pooled(values, places, pool)),
            Values::Text(texts) => Values::Text(texts.placed(places, pool)),
        };
        Self {
            ty: self.ty,
            values,
            validity,
        }
    }

    fn into_array(self, pool: &mut Pool) -> ArrayRef {
        let nulls = self.validity.map(NullBuffer::from);
        let (rows, ty) = (self.values.len(), self.ty);
        match self.values {
            Values::Bool(values) => Arc::new(BooleanArray::new(values.into(), nulls)),
            Values::I16(values) => fixed(ty, pool.lend(values), rows, nulls),
            Values::I32(values) => fixed(ty, pool.lend(values), rows, nulls),
            Values::I64(values) => match ty {
                ColumnType::Decimal { .. } => {
                    fixed(ColumnType::Int64, pool.lend(values), rows, nulls)
                }
                _ => fixed(ty, pool.lend(values), rows, nulls),
            },
            Values::I128(values) => fixed(ty, pool.lend(values), rows, nulls),
            Values::Text(texts) => texts.into_array(ty, nulls, pool),
        }
    }

    /// Gives the values of a key column, decimals that fit as `Int64`, and keeps them.
    fn copied_array(&mut self) -> ArrayRef {
        let nulls = self.validity.clone().map(NullBuffer::from);
        let (rows, ty) = (self.values.len(), self.ty);
        match &mut self.values {
            Values::Bool(values) => {
                let values = BooleanBuffer::from(values.as_slice());
                Arc::new(BooleanArray::new(values, nulls))
            }
            Values::I16(values) => fixed(ty, values.clone().into(), rows, nulls),
            Values::I32(values) => fixed(ty, values.clone().into(), rows, nulls),
            Values::I64(values) => match ty {
                ColumnType::Decimal { .. } => {
                    fixed(ColumnType::Int64, values.clone().into(), rows, nulls)
                }
                _ => fixed(ty, values.clone().into(), rows, nulls),
            },
            Values::I128(values) => fixed(ty, values.clone().into(), rows, nulls),
            Values::Text(texts) => texts.copied_array(ty, nulls),
        }
    }

    /// Gives a few rows in the column's own arrow type.
    fn pick(&mut self, rows: &[usize], pool: &mut Pool) -> ArrayRef {
        fn picked<T: Copy + Default>(values: &[T], rows: &[usize]) -> Vec<T> {
            let value = |row: &usize| values.get(*row).copied().unwrap_or_default();
            rows.iter().map(value).collect()
        }
        let validity = self.validity.as_ref();
        let values = match &mut self.values {
            Values::Bool(values) => Values::Bool(picked(values, rows)),
            Values::I16(values) => Values::I16(picked(values, rows)),
            Values::I32(values) => Values::I32(picked(values, rows)),
            Values::I64(values) => {
                let values = picked(values, rows);
                match self.ty {
                    ColumnType::Decimal { .. } => {
                        Values::I128(values.into_iter().map(i128::from).collect())
                    }
                    _ => Values::I64(values),
                }
            }
            Values::I128(values) => Values::I128(picked(values, rows)),
            Values::Text(texts) => Values::Text(texts.pick(rows, pool)),
        };
        let mut few = Column {
            ty: self.ty,
            values,
            validity: validity.map(|validity| picked(validity, rows)),
        };
        match few.values {
            // Widened, so it must not go the way of those that fit.
            Values::I128(values) => {
                let nulls = few.validity.map(NullBuffer::from);
                fixed(few.ty, values.into(), rows.len(), nulls)
            }
            _ => few.copied_array(),
        }
    }
}

impl Values {
    fn new(ty: ColumnType) -> Self {
        match ty {
            ColumnType::Bool => Self::Bool(Vec::new()),
            ColumnType::Int16 => Self::I16(Vec::new()),
            ColumnType::Int32 | ColumnType::Float32 | ColumnType::Date | ColumnType::Months => {
                Self::I32(Vec::new())
            }
            ColumnType::Int64
            | ColumnType::Float64
            | ColumnType::Decimal { .. }
            | ColumnType::Time
            | ColumnType::TimeTz
            | ColumnType::Duration
            | ColumnType::Timestamp
            | ColumnType::TimestampTz => Self::I64(Vec::new()),
            ColumnType::Text | ColumnType::Bytes => Self::Text(Texts::default()),
        }
    }

    /// Takes memory that was used before.
    fn renew(&mut self, pool: &mut Pool) {
        match self {
            Self::Bool(_) => {}
            Self::I16(values) => *values = pool.empty(),
            Self::I32(values) => *values = pool.empty(),
            Self::I64(values) => *values = pool.empty(),
            Self::I128(values) => *values = pool.empty(),
            Self::Text(texts) => *texts = Texts::new(pool),
        }
    }

    fn make_room(&mut self, rows: usize) {
        fn reserve<T>(values: &mut Vec<T>, rows: usize) {
            values.reserve_exact(rows.saturating_sub(values.len()));
        }
        match self {
            Self::Bool(values) => reserve(values, rows),
            Self::I16(values) => reserve(values, rows),
            Self::I32(values) => reserve(values, rows),
            Self::I64(values) => reserve(values, rows),
            Self::I128(values) => reserve(values, rows),
            Self::Text(texts) => texts.make_room(rows),
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::Bool(values) => values.len(),
            Self::I16(values) => values.len(),
            Self::I32(values) => values.len(),
            Self::I64(values) => values.len(),
            Self::I128(values) => values.len(),
            Self::Text(texts) => texts.len(),
        }
    }
}

fn extend<T: ArrowPrimitiveType>(values: &mut Vec<T::Native>, array: &dyn Array) -> usize {
    values.extend_from_slice(array.as_primitive::<T>().values());
    size_of_val(array.as_primitive::<T>().values().as_ref())
}

/// Appends decimals if all of them fit in 64 bits, and tells whether they did.
fn extend_narrow(
    values: &mut Vec<i64>,
    array: &PrimitiveArray<Decimal128Type>,
    nulls: Option<&NullBuffer>,
) -> bool {
    let fits = |value: i128| i128::from(value as i64) == value;
    if nulls.is_some() {
        // What stands in place of a null is not looked at.
        let all_fit = array.iter().flatten().all(fits);
        if all_fit {
            values.extend(array.iter().map(|value| value.unwrap_or_default() as i64));
        }
        return all_fit;
    }
    let all_fit = array
        .values()
        .iter()
        .fold(true, |all, value| all & fits(*value));
    if all_fit {
        values.extend(array.values().iter().map(|value| *value as i64));
    }
    all_fit
}

/// Sends `values` to their `places`, each of which comes once, in the memory of `out`.
fn place<T: Copy + Default>(values: &[T], places: &[u32], mut out: Vec<T>) -> Vec<T> {
    out.resize(values.len(), T::default());
    for (value, place) in values.iter().zip(places) {
        out[*place as usize] = *value;
    }
    out
}

fn place_pooled<T: ArrowNativeType>(values: Vec<T>, places: &[u32], pool: &mut Pool) -> Vec<T> {
    let placed = place(&values, places, pool.take());
    pool.give(values);
    placed
}

/// Makes an array of `ty` over values of its width.
fn fixed(ty: ColumnType, values: Buffer, rows: usize, nulls: Option<NullBuffer>) -> ArrayRef {
    fn typed<T: ArrowPrimitiveType>(
        ty: ColumnType,
        values: Buffer,
        rows: usize,
        nulls: Option<NullBuffer>,
    ) -> ArrayRef {
        let array = PrimitiveArray::<T>::new(ScalarBuffer::new(values, 0, rows), nulls);
        // Precision, scale and zone are not in `T`.
        Arc::new(array.with_data_type(ty.arrow()))
    }
    match ty {
        ColumnType::Int16 => typed::<Int16Type>(ty, values, rows, nulls),
        ColumnType::Int32 => typed::<Int32Type>(ty, values, rows, nulls),
        ColumnType::Float32 => typed::<Float32Type>(ty, values, rows, nulls),
        ColumnType::Date => typed::<Date32Type>(ty, values, rows, nulls),
        ColumnType::Float64 => typed::<Float64Type>(ty, values, rows, nulls),
        ColumnType::Time => typed::<Time64MicrosecondType>(ty, values, rows, nulls),
        ColumnType::TimeTz => typed::<Time64NanosecondType>(ty, values, rows, nulls),
        ColumnType::Months => typed::<IntervalYearMonthType>(ty, values, rows, nulls),
        ColumnType::Duration => typed::<DurationMicrosecondType>(ty, values, rows, nulls),
        ColumnType::Timestamp | ColumnType::TimestampTz => {
            typed::<TimestampMicrosecondType>(ty, values, rows, nulls)
        }
        ColumnType::Decimal { .. } => typed::<Decimal128Type>(ty, values, rows, nulls),
        _ => typed::<Int64Type>(ColumnType::Int64, values, rows, nulls),
    }
}
