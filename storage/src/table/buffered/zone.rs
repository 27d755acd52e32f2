//! Zones of a scan into buffered rows, without arrow arrays in between: a vacuum moves every value, and each copy less
//! is a quarter of its time.

use super::pool::Pool;
use super::{Buffered, Column, Values};
use crate::block::vector::{ColumnVector, Picks};
use crate::encoding::Kind;
use crate::encoding::native::Native;
use crate::schema::ColumnType;
use crate::statistics::key::{canonical_f32, canonical_f64};
use crate::table::scan::zones::VectorBatch;
use arrow_buffer::{Buffer, NullBuffer};

/// Memory used again from zone to zone.
#[derive(Default)]
pub(super) struct Scratch {
    bytes: Vec<i8>,
    narrow: Vec<i64>,
    wide: Vec<i128>,
    views: Vec<u128>,
    buffers: Vec<Buffer>,
}

impl Buffered {
    /// Copies the surviving rows of a zone: the columns of the table, and last the row ids.
    pub(in crate::table) fn extend_zone(&mut self, zone: &VectorBatch) {
        let rows = match zone.selection.is_all() {
            true => None,
            false => Some(zone.selection.rows_in()),
        };
        let picks = rows.as_deref().map_or(Picks::All, Picks::Rows);
        let count = zone.selection.count();
        let is_first = self.rows == 0;
        let mut columns = self.columns.iter_mut();
        // The shorter one leads, so that the column after the last is not lost.
        for (vector, column) in zone.columns.iter().zip(columns.by_ref()) {
            if is_first {
                column.values.renew(&mut self.pool);
            }
            self.bytes += match vector {
                Some(vector) if !vector.is_all_null() => {
                    column.extend_vector(vector, picks, &mut self.scratch, &mut self.pool)
                }
                _ => column.extend_nulls(count, &mut self.pool),
            };
        }
        if let Some(column) = columns.next() {
            if is_first {
                column.values.renew(&mut self.pool);
            }
            if let Values::I64(ids) = &mut column.values {
                let first = zone.first_row_id;
                match picks {
                    Picks::All => ids.extend(first..first + count as i64),
                    Picks::Rows(rows) => {
                        ids.extend(rows.iter().map(|row| first + i64::from(*row)));
                    }
                }
            }
            self.bytes += count * size_of::<i64>();
        }
        self.rows += count;
    }
}

impl Column {
    /// Appends picked rows; gives the bytes of their values.
    fn extend_vector(
        &mut self,
        vector: &ColumnVector,
        picks: Picks<'_>,
        scratch: &mut Scratch,
        pool: &mut Pool,
    ) -> usize {
        let before = self.values.len();
        let count = vector.count(picks);
        let nulls = picked_nulls(vector, picks);
        if nulls.is_some() || self.validity.is_some() {
            let validity = self.validity.get_or_insert_with(|| vec![true; before]);
            match &nulls {
                Some(nulls) => validity.extend(nulls.iter()),
                None => validity.resize(before + count, true),
            }
        }
        if let ColumnType::Decimal { .. } = self.ty {
            return self.extend_decimal_vector(vector, picks, scratch, pool);
        }
        match &mut self.values {
            // Rows of an earlier version may hold other NaN and zeros.
            Values::I32(values) if self.ty == ColumnType::Float32 => {
                let bytes = fixed(vector, picks, values);
                for bits in &mut values[before..] {
                    *bits = canonical_f32(f32::from_bits(*bits as u32)).to_bits() as i32;
                }
                bytes
            }
            Values::I64(values) if self.ty == ColumnType::Float64 => {
                let bytes = fixed(vector, picks, values);
                for bits in &mut values[before..] {
                    *bits = canonical_f64(f64::from_bits(*bits as u64)).to_bits() as i64;
                }
                bytes
            }
            Values::Bool(values) => {
                scratch.bytes.clear();
                vector.fixed(picks, &mut scratch.bytes);
                values.extend(scratch.bytes.iter().map(|byte| *byte != 0));
                count
            }
            Values::I16(values) => fixed(vector, picks, values),
            Values::I32(values) => fixed(vector, picks, values),
            Values::I64(values) => fixed(vector, picks, values),
            // Only decimals are that wide.
            Values::I128(_) => 0,
            Values::Text(texts) => {
                scratch.views.clear();
                scratch.buffers.clear();
                vector.texts(picks, &mut scratch.buffers, &mut scratch.views);
                let (views, buffers) = (&scratch.views, &scratch.buffers);
                let copied = texts.extend(views, buffers, nulls.as_ref(), pool);
                copied + count * 16
            }
        }
    }

    /// Appends decimals in 64 bits as long as all of them fit, those in place of nulls too.
    fn extend_decimal_vector(
        &mut self,
        vector: &ColumnVector,
        picks: Picks<'_>,
        scratch: &mut Scratch,
        pool: &mut Pool,
    ) -> usize {
        let base = vector.block().base;
        if let (Values::I64(values), false, 0) = (&mut self.values, is_wide(vector), base) {
            return fixed(vector, picks, values);
        }
        let Scratch { narrow, wide, .. } = scratch;
        wide.clear();
        match is_wide(vector) {
            true => vector.wide(picks, wide),
            false => {
                narrow.clear();
                vector.fixed(picks, narrow);
                wide.extend(narrow.iter().map(|value| i128::from(*value) + base));
            }
        }
        if let Values::I64(values) = &mut self.values {
            let fits = wide.iter().all(|value| i64::try_from(*value).is_ok());
            if fits {
                values.extend(wide.iter().map(|value| *value as i64));
                return wide.len() * size_of::<i64>();
            }
            let before = std::mem::take(values);
            self.values = Values::I128(before.iter().map(|value| i128::from(*value)).collect());
            pool.give(before);
        }
        if let Values::I128(values) = &mut self.values {
            values.extend_from_slice(wide);
        }
        wide.len() * size_of::<i128>()
    }

    /// Appends nulls; gives the bytes of what stands in their place.
    fn extend_nulls(&mut self, count: usize, pool: &mut Pool) -> usize {
        let (before, rows) = (self.values.len(), self.values.len() + count);
        let validity = self.validity.get_or_insert_with(|| vec![true; before]);
        validity.resize(rows, false);
        let width = match &mut self.values {
            Values::Bool(values) => {
                values.resize(rows, false);
                1
            }
            Values::I16(values) => {
                values.resize(rows, 0);
                2
            }
            Values::I32(values) => {
                values.resize(rows, 0);
                4
            }
            Values::I64(values) => {
                values.resize(rows, 0);
                8
            }
            Values::I128(values) => {
                values.resize(rows, 0);
                16
            }
            Values::Text(texts) => {
                texts.extend_empty(count, pool);
                16
            }
        };
        count * width
    }
}

fn is_wide(vector: &ColumnVector) -> bool {
    vector.kind() == Kind::I128
}

fn fixed<T: Native>(vector: &ColumnVector, picks: Picks<'_>, values: &mut Vec<T>) -> usize {
    let before = values.len();
    vector.fixed(picks, values);
    (values.len() - before) * size_of::<T>()
}

/// Gives which of the picked rows are null; `None` if none is.
fn picked_nulls(vector: &ColumnVector, picks: Picks<'_>) -> Option<NullBuffer> {
    let bits = vector.validity()?;
    let nulls = match picks {
        Picks::All => NullBuffer::new(bits),
        Picks::Rows(rows) => rows
            .iter()
            .map(|row| bits.value(usize::from(*row)))
            .collect::<Vec<bool>>()
            .into(),
    };
    (nulls.null_count() > 0).then_some(nulls)
}
