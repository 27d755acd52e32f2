//! Builds blocks: takes arrow values, fills nulls, narrows decimals, lets the chooser encode, and
//! gathers zone maps and the sketch on the way.

use crate::encoding::choose::Precedent;
use crate::encoding::native::Native;
use crate::encoding::text::Views;
use crate::encoding::{Encoded, Kind, Tag, Values, choose};
use crate::error::{Error, Result};
use crate::layout::block::{BlockHeader, NullKind, write};
use crate::layout::row_group::{ZONE_ROWS, ZoneMap};
use crate::schema::{ColumnType, EncodingName};
use crate::statistics::distinct::{Distinct, hash_bytes, hash_i64, hash_int};
use crate::statistics::{ColumnSketch, key};
use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Decimal128Type, DurationMicrosecondType, Float32Type, Float64Type, Int16Type,
    Int32Type, Int64Type, IntervalYearMonthType, Time64MicrosecondType, Time64NanosecondType,
    TimestampMicrosecondType,
};
use arrow_array::{Array, ArrowPrimitiveType};
use arrow_buffer::{ArrowNativeType, NullBuffer};
use arrow_schema::DataType;
use std::borrow::Cow;

/// Integers of a range up to this are ticked off before they are hashed: the ticks stay in a near cache.
const TICKED_RANGE_MAX: u64 = 1 << 18;

/// A block ready to be written.
pub struct BuiltBlock {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Its rows.
    pub rows: usize,
    /// Its physical encoding.
    pub encoding: u8,
    /// Its physical kind.
    pub kind: u8,
    /// One per zone.
    pub zones: Vec<ZoneMap>,
}

/// Builds one block by itself, see [`build_next`].
pub fn build(
    ty: ColumnType,
    name: EncodingName,
    array: &dyn Array,
    sketch: &mut ColumnSketch,
) -> Result<BuiltBlock> {
    build_next(ty, name, array, sketch, &mut Precedent::default())
}

/// Builds one block of all of `array`, whose type is `ty`'s arrow type, or `Int64` for decimals of which all
/// fit. `array` is not empty. `precedent` is what the blocks of the column before it taught.
pub fn build_next(
    ty: ColumnType,
    name: EncodingName,
    array: &dyn Array,
    sketch: &mut ColumnSketch,
    precedent: &mut Precedent,
) -> Result<BuiltBlock> {
    let is_narrow =
        matches!(ty, ColumnType::Decimal { .. }) && *array.data_type() == DataType::Int64;
    if !is_narrow && array.data_type() != &ty.arrow() {
        return Err(Error::Internal(format!(
            "a column of {ty:?} was given {}",
            array.data_type()
        )));
    }
    let nulls = array.nulls().filter(|nulls| nulls.null_count() > 0);
    let builder = Builder {
        ty,
        name,
        nulls,
        rows: array.len(),
    };
    Ok(match ty {
        ColumnType::Bool => {
            let values: Vec<i8> = array.as_boolean().values().iter().map(i8::from).collect();
            let values = builder.fill(&values);
            builder.finish(Values::I8(&values), 0, sketch, precedent)
        }
        ColumnType::Int16 => builder.finish(
            Values::I16(&builder.fill(slice::<Int16Type>(array))),
            0,
            sketch,
            precedent,
        ),
        ColumnType::Int32 => builder.finish(
            Values::I32(&builder.fill(slice::<Int32Type>(array))),
            0,
            sketch,
            precedent,
        ),
        ColumnType::Date => builder.finish(
            Values::I32(&builder.fill(slice::<Date32Type>(array))),
            0,
            sketch,
            precedent,
        ),
        ColumnType::Int64 => builder.finish(
            Values::I64(&builder.fill(slice::<Int64Type>(array))),
            0,
            sketch,
            precedent,
        ),
        ColumnType::Time => builder.finish(
            Values::I64(&builder.fill(slice::<Time64MicrosecondType>(array))),
            0,
            sketch,
            precedent,
        ),
        ColumnType::TimeTz => builder.finish(
            Values::I64(&builder.fill(slice::<Time64NanosecondType>(array))),
            0,
            sketch,
            precedent,
        ),
        ColumnType::Months => builder.finish(
            Values::I32(&builder.fill(slice::<IntervalYearMonthType>(array))),
            0,
            sketch,
            precedent,
        ),
        ColumnType::Duration => builder.finish(
            Values::I64(&builder.fill(slice::<DurationMicrosecondType>(array))),
            0,
            sketch,
            precedent,
        ),
        ColumnType::Timestamp | ColumnType::TimestampTz => builder.finish(
            Values::I64(&builder.fill(slice::<TimestampMicrosecondType>(array))),
            0,
            sketch,
            precedent,
        ),
        ColumnType::Float32 => {
            let bits: Vec<i32> = slice::<Float32Type>(array)
                .iter()
                .map(|value| value.to_bits() as i32)
                .collect();
            builder.finish(Values::I32(&builder.fill(&bits)), 0, sketch, precedent)
        }
        ColumnType::Float64 => {
            let bits: Vec<i64> = slice::<Float64Type>(array)
                .iter()
                .map(|value| value.to_bits() as i64)
                .collect();
            builder.finish(Values::I64(&builder.fill(&bits)), 0, sketch, precedent)
        }
        ColumnType::Decimal { .. } if is_narrow => builder.finish(
            Values::I64(&builder.fill(slice::<Int64Type>(array))),
            0,
            sketch,
            precedent,
        ),
        ColumnType::Decimal { .. } => {
            let values = builder.fill(slice::<Decimal128Type>(array));
            match narrow(&values) {
                Some((narrow, base)) => {
                    builder.finish(Values::I64(&narrow), base, sketch, precedent)
                }
                None => builder.finish(Values::I128(&values), 0, sketch, precedent),
            }
        }
        ColumnType::Text => {
            let array = array.as_string_view();
            let views = builder.fill_texts(array.views());
            builder.finish(
                Values::Bytes(Views {
                    views: &views,
                    buffers: array.data_buffers(),
                }),
                0,
                sketch,
                precedent,
            )
        }
        ColumnType::Bytes => {
            let array = array.as_binary_view();
            let views = builder.fill_texts(array.views());
            builder.finish(
                Values::Bytes(Views {
                    views: &views,
                    buffers: array.data_buffers(),
                }),
                0,
                sketch,
                precedent,
            )
        }
    })
}

fn slice<T: ArrowPrimitiveType>(array: &dyn Array) -> &[T::Native] {
    array.as_primitive::<T>().values()
}

/// Brings decimals into 64 bits: as they are, or as what they exceed the least by.
fn narrow(values: &[i128]) -> Option<(Vec<i64>, i128)> {
    let fits = values
        .iter()
        .fold(true, |fits, value| fits & (*value as i64 as i128 == *value));
    if fits {
        return Some((values.iter().map(|value| *value as i64).collect(), 0));
    }
    let (min, max) = (values.iter().min()?, values.iter().max()?);
    let range = max.checked_sub(*min)?;
    i64::try_from(range).ok()?;
    Some((
        values.iter().map(|value| (value - min) as i64).collect(),
        *min,
    ))
}

struct Builder<'a> {
    ty: ColumnType,
    name: EncodingName,
    nulls: Option<&'a NullBuffer>,
    rows: usize,
}

impl Builder<'_> {
    /// Puts the value before it in place of each null, so that nulls cost no bits and no extremes.
    fn fill<'v, T: ArrowNativeType>(&self, values: &'v [T]) -> Cow<'v, [T]> {
        let Some(nulls) = self.nulls else {
            return Cow::Borrowed(values);
        };
        let mut last = nulls
            .valid_indices()
            .next()
            .map_or_else(T::default, |first| values[first]);
        let filled = values.iter().enumerate().map(|(row, value)| {
            if nulls.is_valid(row) {
                last = *value;
            }
            last
        });
        Cow::Owned(filled.collect())
    }

    /// Puts the shortest text in place of each null.
    fn fill_texts<'v>(&self, views: &'v [u128]) -> Cow<'v, [u128]> {
        let Some(nulls) = self.nulls else {
            return Cow::Borrowed(views);
        };
        let shortest = nulls
            .valid_indices()
            .map(|row| views[row])
            .min_by_key(|view| *view as u32);
        let shortest = shortest.unwrap_or_default();
        let filled = views.iter().enumerate();
        Cow::Owned(
            filled
                .map(|(row, view)| if nulls.is_valid(row) { *view } else { shortest })
                .collect(),
        )
    }

    fn finish(
        &self,
        values: Values<'_>,
        base: i128,
        sketch: &mut ColumnSketch,
        precedent: &mut Precedent,
    ) -> BuiltBlock {
        let null_count = self.nulls.map_or(0, NullBuffer::null_count);
        let all_null = null_count == self.rows;
        let (tag, mut encoded) = choose::encode(self.name, values, self.ty.is_float(), precedent);
        if tag == Tag::Constant {
            encoded.base += base;
        } else {
            encoded.base = base;
        }
        let zones = self.zones(values, base, &encoded, sketch);
        let kept_as = match values.kind() {
            // A constant holds its value without a base, which then may need all 128 bits.
            Kind::I64 if i64::try_from(encoded.base).is_err() && tag == Tag::Constant => Kind::I128,
            kind => kind,
        };
        let (kind, validity) = match self.nulls {
            None => (NullKind::None, vec![]),
            Some(_) if all_null => (NullKind::All, vec![]),
            // Sliced to begin at bit 0.
            Some(nulls) => (NullKind::Bitmap, nulls.inner().sliced().as_slice().to_vec()),
        };
        let validity = match kind {
            NullKind::Bitmap => &validity[..self.rows.div_ceil(8)],
            _ => &[],
        };
        let [a, b, c] = &encoded.sections;
        let header = BlockHeader {
            encoding: tag as u8,
            kind: kept_as as u8,
            rows: self.rows as u32,
            nulls: kind,
            base: encoded.base,
            sections: [a.len() as u64, b.len() as u64, c.len() as u64],
            parameter: encoded.parameter,
        };
        let bytes = write(&header, validity, [a, b, c]);
        sketch.rows += self.rows as u64;
        sketch.nulls += null_count as u64;
        sketch.encoded_bytes += bytes.len() as u64;
        sketch.blocks += 1;
        let (encoding, kind) = (tag as u8, kept_as as u8);
        BuiltBlock {
            bytes,
            rows: self.rows,
            encoding,
            kind,
            zones,
        }
    }

    /// Makes the zone maps and feeds the sketch: over the dictionary if there is one, else over all.
    fn zones(
        &self,
        values: Values<'_>,
        base: i128,
        encoded: &Encoded,
        sketch: &mut ColumnSketch,
    ) -> Vec<ZoneMap> {
        let valid = self.rows - self.nulls.map_or(0, NullBuffer::null_count);
        if let Values::Bytes(texts) = values {
            let bytes = match self.nulls {
                None => texts.total_bytes(),
                Some(nulls) => nulls
                    .valid_indices()
                    .map(|row| texts.views[row] as u32 as usize)
                    .sum(),
            };
            sketch.value_bytes += bytes as u64;
        } else {
            let width = match self.ty {
                ColumnType::Decimal { .. } => 16,
                _ => values.kind().width(),
            };
            sketch.value_bytes += (valid * width) as u64;
        }
        let ranges: Vec<(i128, i128)> = match &encoded.codes {
            Some(codes) => {
                let keys = self.entry_keys(values, base, &encoded.firsts, sketch);
                codes
                    .chunks(ZONE_ROWS)
                    .map(|zone| range_of_codes(zone, &keys))
                    .collect()
            }
            None => {
                if valid > 0 {
                    self.hash_all(values, base, sketch);
                }
                zone_starts(self.rows)
                    .map(|(from, rows)| self.range(values.slice(from, rows), base))
                    .collect()
            }
        };
        let zones = zone_starts(self.rows)
            .zip(ranges)
            .map(|((from, rows), (min, max))| {
                let nulls = self
                    .nulls
                    .map_or(0, |nulls| nulls.slice(from, rows).null_count());
                let range = (nulls < rows).then_some((min, max));
                if range.is_some() {
                    sketch.widen(min, max);
                }
                ZoneMap {
                    nulls: nulls as u32,
                    range,
                }
            });
        zones.collect()
    }

    fn entry_keys(
        &self,
        values: Values<'_>,
        base: i128,
        firsts: &[u32],
        sketch: &mut ColumnSketch,
    ) -> Vec<i128> {
        let rows = firsts.iter().map(|row| values.slice(*row as usize, 1));
        let keys = rows.map(|one| {
            self.hash_all(one, base, sketch);
            self.range(one, base).0
        });
        keys.collect()
    }

    /// Adds every value to the distinct count.
    fn hash_all(&self, values: Values<'_>, base: i128, sketch: &mut ColumnSketch) {
        match values {
            Values::I8(values) => add_integers(values, base, &mut sketch.distinct),
            Values::I16(values) => add_integers(values, base, &mut sketch.distinct),
            Values::I32(values) => add_integers(values, base, &mut sketch.distinct),
            Values::I64(values) => add_integers(values, base, &mut sketch.distinct),
            Values::I128(values) => {
                add_each(values, hash_int, &mut sketch.distinct);
            }
            Values::Bytes(texts) => texts.iter().for_each(|text| {
                sketch.padded |= text.last() == Some(&b' ');
                sketch.distinct.add(hash_bytes(text));
            }),
        }
    }

    /// Gives the extremes of a zone as keys.
    fn range(&self, values: Values<'_>, base: i128) -> (i128, i128) {
        fn extremes<T: Ord + Copy + Default>(values: impl Iterator<Item = T>) -> (T, T) {
            let mut values = values;
            let first = values.next().unwrap_or_default();
            values.fold((first, first), |(min, max), value| {
                (min.min(value), max.max(value))
            })
        }
        fn wide<T: Into<i128>>((min, max): (T, T), base: i128) -> (i128, i128) {
            (base + min.into(), base + max.into())
        }
        match (values, self.ty) {
            (Values::I32(values), ColumnType::Float32) => {
                // Widened, so that both float types share one order.
                let wide_bits = |bits: i32| f64::from(f32::from_bits(bits as u32)).to_bits() as i64;
                wide(
                    extremes(values.iter().map(|bits| key::of_f64_bits(wide_bits(*bits)))),
                    0,
                )
            }
            (Values::I64(values), ColumnType::Float64) => wide(
                extremes(values.iter().map(|bits| key::of_f64_bits(*bits))),
                0,
            ),
            (Values::I8(values), _) => wide(extremes(values.iter().copied()), 0),
            (Values::I16(values), _) => wide(extremes(values.iter().copied()), 0),
            (Values::I32(values), _) => wide(extremes(values.iter().copied()), 0),
            (Values::I64(values), _) => wide(extremes(values.iter().copied()), base),
            (Values::I128(values), _) => wide(extremes(values.iter().copied()), 0),
            (Values::Bytes(texts), _) => text_extremes(texts),
        }
    }
}

/// Adds values, skipping repeats of a neighbour.
fn add_each<T: Copy + PartialEq>(values: &[T], hash: impl Fn(T) -> u64, distinct: &mut Distinct) {
    let mut last = None;
    for value in values {
        if last != Some(*value) {
            distinct.add(hash(*value));
            last = Some(*value);
        }
    }
}

/// Adds integers. Those of a narrow range are ticked off first, so that each is hashed once.
fn add_integers<T: Native>(values: &[T], base: i128, distinct: &mut Distinct) {
    let Some(first) = values.first() else {
        return;
    };
    let extremes = (*first, *first);
    let (min, max) = values.iter().fold(extremes, |(min, max), value| {
        (min.min(*value), max.max(*value))
    });
    let range = max.sub(min).bits();
    if range < TICKED_RANGE_MAX.min(values.len() as u64 / 2) {
        let mut seen = vec![false; range as usize + 1];
        for value in values {
            seen[value.sub(min).bits() as usize] = true;
        }
        let seen = seen.into_iter().zip(0..).filter(|(seen, _)| *seen);
        let least = base + i128::from(min.widen());
        return seen.for_each(|(_, above)| distinct.add(hash_int(least + above)));
    }
    let fits = |value: i128| i64::try_from(value).is_ok();
    match fits(base + i128::from(min.widen())) && fits(base + i128::from(max.widen())) {
        true => {
            let base = base as i64;
            let hash = |value: T| hash_i64(base.wrapping_add(value.widen()));
            add_each(values, hash, distinct);
        }
        false => {
            let hash = |value: T| hash_int(base + i128::from(value.widen()));
            add_each(values, hash, distinct);
        }
    }
}

fn zone_starts(rows: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..rows)
        .step_by(ZONE_ROWS)
        .map(move |from| (from, ZONE_ROWS.min(rows - from)))
}

/// Gives the extremes of texts as keys. Most are settled by the four bytes in their view.
fn text_extremes(texts: Views<'_>) -> (i128, i128) {
    let Some(first) = texts.views.first() else {
        return (0, 0);
    };
    let start = |view: &u128| ((*view >> 32) as u32).swap_bytes();
    let (mut low, mut high) = (start(first), start(first));
    let mut min = key::of_bytes(texts.bytes(first));
    let mut max = min;
    for view in texts.views {
        let start = start(view);
        if start <= low || start >= high {
            let key = key::of_bytes(texts.bytes(view));
            (min, max) = (min.min(key), max.max(key));
            (low, high) = (low.min(start), high.max(start));
        }
    }
    (min, max)
}

/// Gives the extremes of a zone from the codes seen in it.
fn range_of_codes(codes: &[u16], keys: &[i128]) -> (i128, i128) {
    let mut seen = vec![false; keys.len()];
    for code in codes {
        seen[usize::from(*code)] = true;
    }
    let seen = seen
        .iter()
        .zip(keys)
        .filter(|(seen, _)| **seen)
        .map(|(_, key)| *key);
    seen.fold((i128::MAX, i128::MIN), |(min, max), key| {
        (min.min(key), max.max(key))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn naive<T: Native>(values: &[T], base: i128) -> Distinct {
        let mut distinct = Distinct::default();
        for value in values {
            distinct.add(hash_int(base + i128::from(value.widen())));
        }
        distinct
    }

    fn added<T: Native>(values: &[T], base: i128) -> Distinct {
        let mut distinct = Distinct::default();
        add_integers(values, base, &mut distinct);
        distinct
    }

    proptest! {
        #[test]
        fn integers_count_as_the_naive_way(
            values: Vec<i64>,
            narrow in prop::collection::vec(-3..9_i32, 0..60),
            base in prop::sample::select(vec![0, -7, i128::from(i64::MAX) - 20, 1_i128 << 90, -(1_i128 << 90)]),
        ) {
            prop_assert_eq!(added(&values, base), naive(&values, base));
            prop_assert_eq!(added(&narrow, base), naive(&narrow, base));
        }

        #[test]
        fn texts_have_the_extremes_of_their_keys(
            texts in prop::collection::vec("[ab\\x00\u{7f}é]{0,20}", 1..40)
        ) {
            let array = arrow_array::StringViewArray::from_iter_values(&texts);
            let views = Views { views: array.views(), buffers: array.data_buffers() };
            let keys = || texts.iter().map(|text| key::of_bytes(text.as_bytes()));
            let naive = (keys().min().unwrap(), keys().max().unwrap());
            prop_assert_eq!(text_extremes(views), naive);
        }
    }
}
