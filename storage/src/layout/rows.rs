//! The bytes of a few rows, as they ride in the commit log.
//!
//! ```text
//! offset  bytes
//!      0      2  version
//!      2      2  columns
//!      4      4  rows
//!      8      n  the columns, one after the other
//! ```
//!
//! A column is: id u32, type (tag, precision, scale) 3 bytes, width of a value u8, then 0, or 1 and a
//! bitmap with a bit for each row that is not null, then the values. A width of 0 is a bitmap of
//! booleans; 255 is texts: the length of each as u32, then all of them end to end. Decimals have a width
//! of 8 where all of them fit. There is no checksum: the frame around it has one.

use super::row_group::{type_bytes, type_from};
use crate::schema::ColumnType;
use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Decimal128Type, DurationMicrosecondType, Float32Type, Float64Type, Int16Type,
    Int32Type, Int64Type, IntervalYearMonthType, Time64MicrosecondType, Time64NanosecondType,
    TimestampMicrosecondType,
};
use arrow_array::{
    Array, ArrayRef, ArrowPrimitiveType, BinaryViewArray, BooleanArray, PrimitiveArray,
    StringViewArray,
};
use arrow_buffer::{BooleanBuffer, Buffer, MutableBuffer, NullBuffer, ScalarBuffer};
use std::sync::Arc;

/// The version this server writes, and the last it reads.
const VERSION: u16 = 1;
/// The width of a column of texts.
const TEXTS: u8 = 255;
/// The width of a column of booleans.
const BITS: u8 = 0;

/// A column: its stable id, its type, and its values in the type's arrow form.
pub(crate) type Column = (u32, ColumnType, ArrayRef);

/// Makes the bytes of some rows.
pub(crate) fn encode(rows: usize, columns: &[Column]) -> Vec<u8> {
    let mut out = Vec::with_capacity(8 + columns.len() * (16 + rows * 8));
    out.extend_from_slice(&VERSION.to_le_bytes());
    out.extend_from_slice(&(columns.len() as u16).to_le_bytes());
    out.extend_from_slice(&(rows as u32).to_le_bytes());
    for (id, ty, array) in columns {
        out.extend_from_slice(&id.to_le_bytes());
        out.extend_from_slice(&type_bytes(*ty));
        let values = Values::of(*ty, array.as_ref());
        out.push(values.width);
        match array.nulls().filter(|nulls| nulls.null_count() > 0) {
            None => out.push(0),
            Some(nulls) => {
                out.push(1);
                put_bits(&mut out, nulls.inner());
            }
        }
        out.extend_from_slice(&values.bytes);
    }
    out
}

fn put_bits(out: &mut Vec<u8>, bits: &BooleanBuffer) {
    // Copied, so that it begins with a whole byte and ends with zeros.
    let copied = BooleanBuffer::collect_bool(bits.len(), |index| bits.value(index));
    let bytes = bits.len().div_ceil(8);
    out.extend(copied.inner().iter().take(bytes));
}

struct Values {
    width: u8,
    bytes: Vec<u8>,
}

impl Values {
    fn of(ty: ColumnType, array: &dyn Array) -> Self {
        match ty {
            ColumnType::Bool => {
                let mut bytes = Vec::new();
                put_bits(&mut bytes, array.as_boolean().values());
                Self { width: BITS, bytes }
            }
            ColumnType::Int16 => Self::fixed::<Int16Type>(array, 2),
            ColumnType::Int32 => Self::fixed::<Int32Type>(array, 4),
            ColumnType::Date => Self::fixed::<Date32Type>(array, 4),
            ColumnType::Float32 => Self::fixed::<Float32Type>(array, 4),
            ColumnType::Int64 => Self::fixed::<Int64Type>(array, 8),
            ColumnType::Float64 => Self::fixed::<Float64Type>(array, 8),
            ColumnType::Time => Self::fixed::<Time64MicrosecondType>(array, 8),
            ColumnType::TimeTz => Self::fixed::<Time64NanosecondType>(array, 8),
            ColumnType::Months => Self::fixed::<IntervalYearMonthType>(array, 4),
            ColumnType::Duration => Self::fixed::<DurationMicrosecondType>(array, 8),
            ColumnType::Timestamp | ColumnType::TimestampTz => {
                Self::fixed::<TimestampMicrosecondType>(array, 8)
            }
            ColumnType::Decimal { .. } => {
                let values = array.as_primitive::<Decimal128Type>().values();
                let narrow: Option<Vec<i64>> = values
                    .iter()
                    .map(|value| (*value).try_into().ok())
                    .collect();
                match narrow {
                    Some(narrow) => Self {
                        width: 8,
                        bytes: narrow
                            .iter()
                            .flat_map(|value| value.to_le_bytes())
                            .collect(),
                    },
                    None => Self::fixed::<Decimal128Type>(array, 16),
                }
            }
            ColumnType::Text => Self::texts(
                array
                    .as_string_view()
                    .iter()
                    .map(|text| text.map(str::as_bytes)),
            ),
            ColumnType::Bytes => Self::texts(array.as_binary_view().iter()),
        }
    }

    fn fixed<T: ArrowPrimitiveType>(array: &dyn Array, width: u8) -> Self {
        // Every platform we build for is little-endian, as plain blocks rely on too.
        let bytes = array.as_primitive::<T>().values().inner().to_vec();
        Self { width, bytes }
    }

    fn texts<'a>(texts: impl Iterator<Item = Option<&'a [u8]>> + Clone) -> Self {
        let mut bytes = Vec::new();
        for text in texts.clone() {
            let length = text.map_or(0, <[u8]>::len) as u32;
            bytes.extend_from_slice(&length.to_le_bytes());
        }
        texts
            .flatten()
            .for_each(|text| bytes.extend_from_slice(text));
        Self {
            width: TEXTS,
            bytes,
        }
    }
}

/// Reads what [`encode`] made, or says what does not hold. Gives the rows and the columns.
pub(crate) fn decode(bytes: &[u8]) -> Result<(usize, Vec<Column>), String> {
    let mut input = Input { bytes };
    let version = u16::from_le_bytes(input.array()?);
    if version != VERSION {
        return Err(format!(
            "rows have format version {version}, this server reads up to {VERSION}"
        ));
    }
    let column_count = u16::from_le_bytes(input.array()?);
    let rows = u32::from_le_bytes(input.array()?) as usize;
    let columns = (0..column_count).map(|_| input.column(rows));
    let columns = columns.collect::<Result<Vec<_>, _>>()?;
    match input.bytes.is_empty() {
        true => Ok((rows, columns)),
        false => Err("rows are followed by something else".to_owned()),
    }
}

struct Input<'a> {
    bytes: &'a [u8],
}

impl<'a> Input<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], String> {
        let (taken, rest) = self
            .bytes
            .split_at_checked(count)
            .ok_or_else(|| "rows end too early".to_owned())?;
        self.bytes = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], String> {
        let taken = self.take(N)?;
        taken
            .try_into()
            .map_err(|_| "rows end too early".to_owned())
    }

    fn bits(&mut self, rows: usize) -> Result<BooleanBuffer, String> {
        let bytes = self.take(rows.div_ceil(8))?;
        Ok(BooleanBuffer::new(Buffer::from(bytes), 0, rows))
    }

    fn column(&mut self, rows: usize) -> Result<Column, String> {
        let id = u32::from_le_bytes(self.array()?);
        let ty = type_from(self.array()?).ok_or("a column is of an unknown type")?;
        let [width] = self.array()?;
        let nulls = match self.array()? {
            [0] => None,
            [1] => Some(NullBuffer::new(self.bits(rows)?)),
            [other] => return Err(format!("{other} does not tell whether there are nulls")),
        };
        let array: ArrayRef = match (ty, width) {
            (ColumnType::Bool, BITS) => Arc::new(BooleanArray::new(self.bits(rows)?, nulls)),
            (ColumnType::Int16, 2) => self.fixed::<Int16Type>(ty, rows, nulls)?,
            (ColumnType::Int32, 4) => self.fixed::<Int32Type>(ty, rows, nulls)?,
            (ColumnType::Date, 4) => self.fixed::<Date32Type>(ty, rows, nulls)?,
            (ColumnType::Float32, 4) => self.fixed::<Float32Type>(ty, rows, nulls)?,
            (ColumnType::Int64, 8) => self.fixed::<Int64Type>(ty, rows, nulls)?,
            (ColumnType::Float64, 8) => self.fixed::<Float64Type>(ty, rows, nulls)?,
            (ColumnType::Time, 8) => self.fixed::<Time64MicrosecondType>(ty, rows, nulls)?,
            (ColumnType::TimeTz, 8) => self.fixed::<Time64NanosecondType>(ty, rows, nulls)?,
            (ColumnType::Months, 4) => self.fixed::<IntervalYearMonthType>(ty, rows, nulls)?,
            (ColumnType::Duration, 8) => self.fixed::<DurationMicrosecondType>(ty, rows, nulls)?,
            (ColumnType::Timestamp | ColumnType::TimestampTz, 8) => {
                self.fixed::<TimestampMicrosecondType>(ty, rows, nulls)?
            }
            (ColumnType::Decimal { .. }, 8) => {
                let narrow = self.values::<i64>(rows)?;
                let wide: Vec<i128> = narrow.iter().map(|value| i128::from(*value)).collect();
                typed::<Decimal128Type>(ty, wide.into(), nulls)
            }
            (ColumnType::Decimal { .. }, 16) => self.fixed::<Decimal128Type>(ty, rows, nulls)?,
            (ColumnType::Text, TEXTS) => {
                let texts = self.texts(rows, nulls.as_ref())?;
                let text = |bytes: Option<&'a [u8]>| bytes.map(str::from_utf8).transpose();
                let texts: Result<Vec<_>, _> = texts.into_iter().map(text).collect();
                let texts = texts.map_err(|_| "a text is not UTF-8".to_owned())?;
                Arc::new(StringViewArray::from_iter(texts))
            }
            (ColumnType::Bytes, TEXTS) => {
                let texts = self.texts(rows, nulls.as_ref())?;
                Arc::new(BinaryViewArray::from_iter(texts))
            }
            _ => return Err(format!("values of {ty:?} have a width of {width}")),
        };
        Ok((id, ty, array))
    }

    fn values<T: arrow_buffer::ArrowNativeType>(
        &mut self,
        rows: usize,
    ) -> Result<ScalarBuffer<T>, String> {
        let bytes = self.take(rows * size_of::<T>())?;
        let mut aligned = MutableBuffer::with_capacity(bytes.len());
        aligned.extend_from_slice(bytes);
        Ok(ScalarBuffer::new(aligned.into(), 0, rows))
    }

    fn fixed<T: ArrowPrimitiveType>(
        &mut self,
        ty: ColumnType,
        rows: usize,
        nulls: Option<NullBuffer>,
    ) -> Result<ArrayRef, String> {
        Ok(typed::<T>(ty, self.values(rows)?, nulls))
    }

    fn texts(
        &mut self,
        rows: usize,
        nulls: Option<&NullBuffer>,
    ) -> Result<Vec<Option<&'a [u8]>>, String> {
        let lengths = self.values::<u32>(rows)?;
        let mut texts = Vec::with_capacity(rows);
        for (row, length) in lengths.iter().enumerate() {
            let text = self.take(*length as usize)?;
            texts.push(
                nulls
                    .is_none_or(|nulls| nulls.is_valid(row))
                    .then_some(text),
            );
        }
        Ok(texts)
    }
}

fn typed<T: ArrowPrimitiveType>(
    ty: ColumnType,
    values: ScalarBuffer<T::Native>,
    nulls: Option<NullBuffer>,
) -> ArrayRef {
    Arc::new(PrimitiveArray::<T>::new(values, nulls).with_data_type(ty.arrow()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::{Decimal128Array, Int32Array, Int64Array, TimestampMicrosecondArray};
    use proptest::prelude::*;

    fn decimal(values: Vec<Option<i128>>) -> ArrayRef {
        let array = Decimal128Array::from(values);
        Arc::new(array.with_precision_and_scale(38, 2).unwrap())
    }

    const DECIMAL: ColumnType = ColumnType::Decimal {
        precision: 38,
        scale: 2,
    };

    #[test]
    fn golden_bytes() {
        let columns: Vec<Column> = vec![
            (
                1,
                ColumnType::Int32,
                Arc::new(Int32Array::from(vec![Some(7), None])),
            ),
            (
                2,
                ColumnType::Text,
                Arc::new(StringViewArray::from(vec!["a", "bc"])),
            ),
            (
                5,
                ColumnType::Bool,
                Arc::new(BooleanArray::from(vec![false, true])),
            ),
        ];
        let bytes = encode(2, &columns);
        let mut golden = vec![1, 0, 3, 0, 2, 0, 0, 0];
        golden.extend_from_slice(&[1, 0, 0, 0, 2, 0, 0, 4, 1, 1, 7, 0, 0, 0, 0, 0, 0, 0]);
        golden.extend_from_slice(&[2, 0, 0, 0, 11, 0, 0, 255, 0, 1, 0, 0, 0, 2, 0, 0, 0]);
        golden.extend_from_slice(b"abc");
        golden.extend_from_slice(&[5, 0, 0, 0, 0, 0, 0, 0, 0, 2]);
        assert_eq!(bytes, golden);
    }

    #[test]
    fn every_cut_is_refused() {
        let columns: Vec<Column> = vec![
            (
                1,
                ColumnType::Int64,
                Arc::new(Int64Array::from(vec![1, 2, 3])),
            ),
            (
                2,
                ColumnType::Text,
                Arc::new(StringViewArray::from(vec![
                    Some("a text longer than a view"),
                    None,
                    Some(""),
                ])),
            ),
        ];
        let bytes = encode(3, &columns);
        assert!(decode(&bytes).is_ok());
        for cut in 0..bytes.len() {
            assert!(decode(&bytes[..cut]).is_err(), "cut at {cut}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            rows in prop::collection::vec(
                (any::<Option<i64>>(), any::<Option<i128>>(), any::<Option<String>>(), any::<Option<bool>>()),
                0..40,
            )
        ) {
            let times = rows.iter().map(|row| row.0);
            let times = TimestampMicrosecondArray::from_iter(times).with_timezone("UTC");
            let columns: Vec<Column> = vec![
                (9, ColumnType::TimestampTz, Arc::new(times)),
                (1, DECIMAL, decimal(rows.iter().map(|row| row.1).collect())),
                (2, DECIMAL, decimal(rows.iter().map(|row| row.0.map(i128::from)).collect())),
                (3, ColumnType::Text, Arc::new(StringViewArray::from_iter(rows.iter().map(|row| row.2.as_deref())))),
                (4, ColumnType::Bytes, Arc::new(BinaryViewArray::from_iter(rows.iter().map(|row| row.2.as_ref().map(|text| text.as_bytes()))))),
                (5, ColumnType::Bool, Arc::new(BooleanArray::from_iter(rows.iter().map(|row| row.3)))),
            ];
            let (count, found) = decode(&encode(rows.len(), &columns)).unwrap();
            prop_assert_eq!(count, rows.len());
            prop_assert_eq!(found, columns);
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
            let _ = decode(&bytes);
        }
    }
}
