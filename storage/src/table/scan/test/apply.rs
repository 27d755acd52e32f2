//! A test at work: on dictionary entries and runs once each, on packed codes and the integers of floats
//! as they are packed, on symbols, and on values that lie open; decoded are only the sums of differences
//! and what a list is looked up for.

use super::super::selection::Selection;
use super::{EntryMask, Shape, Test, TextTest};
use crate::block::vector::{ColumnVector, Form, Picks};
use crate::encoding::alp::Translated;
use crate::encoding::bytedict::Dictionary;
use crate::encoding::native::{Native, VECTOR_ROWS, keep_each};
use crate::encoding::text::view_bytes;
use crate::encoding::{Body, Kind};
use crate::schema::ColumnType;
use crate::statistics::key::{self, FloatRange};
use crate::table::predicate::CompareOp;
use arrow_buffer::Buffer;

/// Buffers reused from zone to zone.
#[derive(Default)]
pub(in super::super) struct Scratch {
    i8: Vec<i8>,
    i16: Vec<i16>,
    i32: Vec<i32>,
    i64: Vec<i64>,
    i128: Vec<i128>,
    views: Vec<u128>,
    text: Vec<u8>,
}

impl Test {
    /// Tells for each dictionary entry whether it passes.
    pub(in super::super) fn entries(
        &self,
        vector: &ColumnVector,
        dictionary: &Dictionary,
    ) -> EntryMask {
        let base = vector.block().base;
        let mut passing: Vec<bool> = match (&self.shape, vector.kind()) {
            (Shape::Text { test, .. }, _) => {
                let buffers = std::slice::from_ref(&dictionary.text);
                let views = dictionary.views[..dictionary.entries].iter();
                views
                    .map(|view| test.passes(view_bytes(view, buffers)))
                    .collect()
            }
            (_, Kind::I8) => self.each_key::<i8>(&dictionary.values, base),
            (_, Kind::I16) => self.each_key::<i16>(&dictionary.values, base),
            (_, Kind::I32) => self.each_key::<i32>(&dictionary.values, base),
            (_, Kind::I64) => self.each_key::<i64>(&dictionary.values, base),
            (_, Kind::I128 | Kind::Bytes) => dictionary
                .values
                .typed_data::<i128>()
                .iter()
                .map(|value| self.passes_key(*value))
                .collect(),
        };
        passing.truncate(dictionary.entries);
        EntryMask::new(passing)
    }

    fn each_key<T: Native>(&self, values: &Buffer, base: i128) -> Vec<bool> {
        values
            .typed_data::<T>()
            .iter()
            .map(|value| self.passes_key(self.key_of(value.widen(), base)))
            .collect()
    }

    fn is_float(&self) -> bool {
        matches!(self.ty, ColumnType::Float32 | ColumnType::Float64)
    }

    /// Gives the key of a stored number.
    #[inline]
    fn key_of(&self, value: i64, base: i128) -> i128 {
        match self.ty {
            ColumnType::Float32 | ColumnType::Float64 => self.float_key(value).into(),
            _ => base + i128::from(value),
        }
    }

    /// Gives the key of a stored float; a real is widened so that it compares with double constants.
    #[inline(always)]
    fn float_key(&self, bits: i64) -> i64 {
        match self.ty {
            ColumnType::Float32 => key::of_f64_bits(real(bits).to_bits() as i64),
            _ => key::of_f64_bits(bits),
        }
    }

    fn passes_key(&self, key: i128) -> bool {
        match &self.shape {
            Shape::Range { low, high, negated } => (*low <= key && key <= *high) != *negated,
            Shape::Set(keys) => keys.contains_wide(key),
            Shape::IsNotNull => true,
            Shape::IsNull | Shape::Ranges { .. } | Shape::Text { .. } => false,
        }
    }

    /// Takes out of `selection` the rows of `vector` that do not pass. `mask` is what
    /// [`Test::entries`] said, if the zone has codes.
    pub(in super::super) fn apply(
        &self,
        vector: &ColumnVector,
        mask: Option<&EntryMask>,
        selection: &mut Selection,
        scratch: &mut Scratch,
    ) {
        if let Shape::IsNull = self.shape {
            match vector.validity() {
                Some(validity) => selection.keep_bits(&!&validity),
                None if vector.is_all_null() => {}
                None => selection.clear(),
            }
            return;
        }
        if vector.is_all_null() {
            return selection.clear();
        }
        if let Some(validity) = vector.validity() {
            selection.keep_bits(&validity);
        }
        if matches!(self.shape, Shape::IsNotNull) || selection.count() == 0 {
            return;
        }
        match (vector.form(), mask) {
            (Form::Codes(dictionary), Some(mask)) => mask.apply(vector, dictionary, selection),
            (Form::Constant(fixed, text), _) => {
                let passes = match &self.shape {
                    Shape::Text { test, .. } => test.passes(text),
                    _ if self.is_float() => self.passes_key(self.key_of(fixed as i64, 0)),
                    _ => self.passes_key(fixed),
                };
                if !passes {
                    selection.clear();
                }
            }
            (Form::Runs(runs), _) => {
                let base = vector.block().base;
                let passes = |run: usize| match (&self.shape, vector.kind()) {
                    (Shape::Text { test, .. }, _) => test.passes(view_bytes(
                        &runs.views[run],
                        std::slice::from_ref(&runs.text),
                    )),
                    (_, Kind::I8) => self
                        .passes_key(self.key_of(runs.values.typed_data::<i8>()[run].into(), base)),
                    (_, Kind::I16) => self
                        .passes_key(self.key_of(runs.values.typed_data::<i16>()[run].into(), base)),
                    (_, Kind::I32) => self
                        .passes_key(self.key_of(runs.values.typed_data::<i32>()[run].into(), base)),
                    (_, Kind::I64) => {
                        self.passes_key(self.key_of(runs.values.typed_data::<i64>()[run], base))
                    }
                    (_, Kind::I128 | Kind::Bytes) => {
                        self.passes_key(runs.values.typed_data::<i128>()[run])
                    }
                };
                let mut at = 0;
                runs.each(vector.first_row(), vector.rows(), |run, rows| {
                    if !passes(run) {
                        selection.remove_range(at, rows);
                    }
                    at += rows;
                });
            }
            _ => self.apply_plain(vector, selection, scratch),
        }
    }

    fn apply_plain(&self, vector: &ColumnVector, selection: &mut Selection, scratch: &mut Scratch) {
        match vector.kind() {
            Kind::I8 => self.apply_fixed(vector, selection, &mut scratch.i8),
            Kind::I16 => self.apply_fixed(vector, selection, &mut scratch.i16),
            Kind::I32 => self.apply_fixed(vector, selection, &mut scratch.i32),
            Kind::I64 => self.apply_fixed(vector, selection, &mut scratch.i64),
            Kind::I128 => {
                let passes = |value| self.passes_key(value);
                if let Some(values) = vector.plain::<i128>() {
                    return keep_open(values, selection, passes);
                }
                let picks = selection.rows_in();
                scratch.i128.clear();
                vector.wide(Picks::Rows(&picks), &mut scratch.i128);
                selection.keep_picks(&picks, |index| passes(scratch.i128[index]));
            }
            Kind::Bytes => {
                if let Shape::Text { test, .. } = &self.shape {
                    apply_text(test, vector, selection, scratch);
                }
            }
        }
    }

    fn apply_fixed<T: Native>(
        &self,
        vector: &ColumnVector,
        selection: &mut Selection,
        values: &mut Vec<T>,
    ) {
        let base = vector.block().base;
        match &self.shape {
            Shape::Range { low, high, negated } if self.is_float() => {
                let range = FloatRange::of_keys(*low, *high);
                self.keep_floats(vector, selection, values, &range, *negated);
            }
            Shape::Range { low, high, negated } => {
                match clamp::<T>(low.saturating_sub(base), high.saturating_sub(base)) {
                    Some(range) => keep_range(vector, selection, values, range, *negated),
                    None if *negated => {}
                    None => selection.clear(),
                }
            }
            Shape::Set(keys) if self.is_float() => {
                keep_where(vector, selection, values, |value: T| {
                    keys.contains(self.float_key(value.widen()))
                });
            }
            // Only decimals have a base, and few of them.
            Shape::Set(keys) if base != 0 => {
                keep_where(vector, selection, values, |value: T| {
                    keys.contains_wide(base + i128::from(value.widen()))
                });
            }
            Shape::Set(keys) => {
                if let Body::Packed(packed) = &vector.block().body {
                    // What a vector's header says may be enough.
                    let first = vector.first_row() / VECTOR_ROWS;
                    return selection.keep_vectors(|index, rows| {
                        let (least, greatest) = packed.bounds::<T>(first + index);
                        match keys.meets(least, greatest) {
                            true => packed.keep_where(first + index, rows, |value: T| {
                                keys.contains(value.widen())
                            }),
                            false => rows.fill(0),
                        }
                    });
                }
                keep_where(vector, selection, values, |value: T| {
                    keys.contains(value.widen())
                });
            }
            Shape::IsNull | Shape::IsNotNull | Shape::Ranges { .. } | Shape::Text { .. } => {}
        }
    }

    fn keep_floats<T: Native>(
        &self,
        vector: &ColumnVector,
        selection: &mut Selection,
        values: &mut Vec<T>,
        range: &FloatRange,
        negated: bool,
    ) {
        if let Body::Decimals(decimals) = &vector.block().body {
            let first = vector.first_row() / VECTOR_ROWS;
            let mut known = Translated::default();
            return selection.keep_vectors(|index, rows| {
                decimals.keep_within::<T>(first + index, range, negated, &mut known, rows);
            });
        }
        // One loop for each width, so that both turn into vector compares.
        match T::BITS {
            64 => keep_where(vector, selection, values, |value: T| {
                range.holds(f64::from_bits(value.widen() as u64)) != negated
            }),
            _ => keep_where(vector, selection, values, |value: T| {
                range.holds(real(value.widen())) != negated
            }),
        }
    }
}

/// Gives a real of its bits, as a double.
#[inline(always)]
fn real(bits: i64) -> f64 {
    f64::from(f32::from_bits(bits as u32))
}

fn keep_range<T: Native>(
    vector: &ColumnVector,
    selection: &mut Selection,
    values: &mut Vec<T>,
    (low, high): (T, T),
    negated: bool,
) {
    if let Body::Packed(packed) = &vector.block().body {
        let first = vector.first_row() / VECTOR_ROWS;
        return selection.keep_vectors(|index, rows| {
            packed.keep_within(first + index, (low, high), negated, rows);
        });
    }
    match negated {
        false => keep_where(vector, selection, values, |value| {
            (value >= low) & (value <= high)
        }),
        true => keep_where(vector, selection, values, |value| {
            (value < low) | (value > high)
        }),
    }
}

/// Keeps the rows whose value passes: where they lie open, in the vectors that still have rows, or else
/// decoded.
#[inline(always)]
fn keep_where<T: Native>(
    vector: &ColumnVector,
    selection: &mut Selection,
    values: &mut Vec<T>,
    passes: impl Fn(T) -> bool,
) {
    let first = vector.first_row() / VECTOR_ROWS;
    match &vector.block().body {
        Body::Packed(packed) => selection.keep_vectors(|index, rows| {
            packed.keep_where(first + index, rows, &passes);
        }),
        Body::Decimals(decimals) => selection.keep_vectors(|index, rows| {
            decimals.keep_where(first + index, rows, &passes);
        }),
        _ => match vector.plain() {
            Some(plain) => keep_open(plain, selection, passes),
            None => {
                values.clear();
                vector.fixed(Picks::All, values);
                keep_open(values, selection, passes);
            }
        },
    }
}

/// Keeps the rows whose value passes, of values that lie open.
#[inline(always)]
fn keep_open<T: Copy>(values: &[T], selection: &mut Selection, passes: impl Fn(T) -> bool) {
    // From an eighth on, testing all rows without a branch beats picking some.
    if selection.count() * 8 >= selection.rows() {
        return selection.keep_where(values, passes);
    }
    selection.keep_vectors(|index, rows| {
        let values = &values[index * VECTOR_ROWS..];
        keep_each(rows, |row| passes(values[row]));
    });
}

fn apply_text(
    test: &TextTest,
    vector: &ColumnVector,
    selection: &mut Selection,
    scratch: &mut Scratch,
) {
    if let Some(texts) = vector.symbols() {
        let text = &mut scratch.text;
        return selection.keep_vectors(|index, rows| {
            keep_each(rows, |row| {
                test.passes_symbols(texts, index * VECTOR_ROWS + row, text)
            });
        });
    }
    if let Body::Raw(plain) = &vector.block().body {
        let first = vector.first_row();
        return selection.keep_vectors(|index, rows| {
            let first = first + index * VECTOR_ROWS;
            keep_each(rows, |row| test.passes(plain.bytes(first + row)));
        });
    }
    let picks = selection.rows_in();
    scratch.views.clear();
    let mut buffers = Vec::new();
    let wanted = match selection.is_all() {
        true => Picks::All,
        false => Picks::Rows(&picks),
    };
    vector.texts(wanted, &mut buffers, &mut scratch.views);
    let (views, buffers) = (&scratch.views, &buffers[..]);
    if let TextTest::Compare(CompareOp::Eq, value) = test {
        // Length and first four bytes settle nearly all.
        let head = crate::encoding::text::make_view(value, 0) as u64;
        selection.keep_picks(&picks, |index| {
            views[index] as u64 == head && view_bytes(&views[index], buffers) == &**value
        });
    } else {
        selection.keep_picks(&picks, |index| {
            test.passes(view_bytes(&views[index], buffers))
        });
    }
}

/// Brings a range into the domain of `T`; `None` if it lies outside or is empty.
fn clamp<T: Native>(low: i128, high: i128) -> Option<(T, T)> {
    let min = i128::from(-1i64 << (T::BITS - 1));
    let max = -(min + 1);
    let (low, high) = (low.max(min), high.min(max));
    (low <= high).then(|| (T::narrow(low as i64), T::narrow(high as i64)))
}
