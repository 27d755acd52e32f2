//! Column tests compiled for a column: pruned by zone map, run on codes, runs or decoded values.

use super::selection::Selection;
use crate::block::vector::{ColumnVector, Form, Picks};
use crate::encoding::bytedict::Dictionary;
use crate::encoding::fsst::SymbolTexts;
use crate::encoding::native::Native;
use crate::encoding::text::view_bytes;
use crate::encoding::{Body, Kind};
use crate::error::{Error, Result};
use crate::layout::row_group::ZoneMap;
use crate::schema::{ColumnLayout, ColumnType, Value};
use crate::statistics::key;
use crate::table::predicate::{ColumnTest, CompareOp};
use arrow_buffer::Buffer;
use std::collections::HashSet;
use std::sync::Arc;

/// Keys spanning no more than this are looked up in a bitmap: 2^24 bits are 2 MB.
const BITMAP_SPAN: i128 = 1 << 24;

/// What a zone map says of a test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// No row passes.
    None,
    /// The rows must be looked at.
    Some,
    /// Every row passes.
    All,
}

/// A test of one column.
#[derive(Debug)]
pub(super) struct Test {
    ty: ColumnType,
    shape: Shape,
}

#[derive(Debug)]
enum Shape {
    IsNull,
    IsNotNull,
    /// Fixed width: the key lies within, or not.
    Range {
        low: i128,
        high: i128,
        negated: bool,
    },
    /// Fixed width: the key is one of these, sorted.
    Set {
        keys: Vec<i128>,
        lookup: Lookup,
    },
    /// Texts: bounds of the key for pruning, and the test of the bytes.
    Text {
        low: i128,
        high: i128,
        keys: Vec<i128>,
        test: TextTest,
    },
}

#[derive(Debug)]
enum Lookup {
    Bitmap { low: i128, words: Vec<u64> },
    Hashed(HashSet<i128>),
}

#[derive(Debug)]
enum TextTest {
    Compare(CompareOp, Arc<[u8]>),
    In(HashSet<Arc<[u8]>>),
    StartsWith(Arc<[u8]>),
}

impl TextTest {
    #[inline]
    fn passes(&self, text: &[u8]) -> bool {
        match self {
            TextTest::Compare(CompareOp::Eq, value) => text == &**value,
            TextTest::Compare(CompareOp::NotEq, value) => text != &**value,
            TextTest::Compare(CompareOp::Lt, value) => text < &**value,
            TextTest::Compare(CompareOp::LtEq, value) => text <= &**value,
            TextTest::Compare(CompareOp::Gt, value) => text > &**value,
            TextTest::Compare(CompareOp::GtEq, value) => text >= &**value,
            TextTest::In(values) => values.contains(text),
            TextTest::StartsWith(prefix) => text.starts_with(prefix),
        }
    }

    /// Tells whether it can be run on texts that are still symbols.
    fn reads_symbols(&self) -> bool {
        !matches!(self, TextTest::In(_))
    }

    #[inline]
    fn passes_symbols(&self, texts: SymbolTexts<'_>, row: usize) -> bool {
        match self {
            TextTest::Compare(op, value) => {
                let order = texts.compare(row, value);
                match op {
                    CompareOp::Eq => order.is_eq(),
                    CompareOp::NotEq => order.is_ne(),
                    CompareOp::Lt => order.is_lt(),
                    CompareOp::LtEq => order.is_le(),
                    CompareOp::Gt => order.is_gt(),
                    CompareOp::GtEq => order.is_ge(),
                }
            }
            TextTest::StartsWith(prefix) => texts.starts_with(row, prefix),
            TextTest::In(_) => false,
        }
    }
}

impl Lookup {
    fn new(keys: &[i128]) -> Self {
        match (keys.first(), keys.last()) {
            (Some(low), Some(high)) if high.saturating_sub(*low) < BITMAP_SPAN => {
                let mut words = vec![0u64; (high - low) as usize / 64 + 1];
                for key in keys {
                    let bit = (key - low) as usize;
                    words[bit / 64] |= 1 << (bit % 64);
                }
                Lookup::Bitmap { low: *low, words }
            }
            _ => Lookup::Hashed(keys.iter().copied().collect()),
        }
    }

    #[inline]
    fn contains(&self, key: i128) -> bool {
        match self {
            Lookup::Bitmap { low, words } => {
                let bit = key.wrapping_sub(*low) as u128;
                let word = usize::try_from(bit / 64)
                    .ok()
                    .and_then(|word| words.get(word));
                word.is_some_and(|word| word >> (bit % 64) & 1 != 0)
            }
            Lookup::Hashed(keys) => keys.contains(&key),
        }
    }
}

impl Test {
    /// Compiles a test; an error if a constant is of another family than the column.
    pub(super) fn new(column: &ColumnLayout, test: &ColumnTest) -> Result<Test> {
        let ty = column.ty;
        let is_text = matches!(ty, ColumnType::Text | ColumnType::Bytes);
        let key_of = |value: &Value| {
            key::of_value(ty, value).ok_or_else(|| {
                Error::Internal(format!(
                    "column \"{}\" is tested against {value:?}",
                    column.name
                ))
            })
        };
        let shape = match test {
            ColumnTest::IsNull => Shape::IsNull,
            ColumnTest::IsNotNull => Shape::IsNotNull,
            ColumnTest::Compare(op, value) => {
                let at = key_of(value)?;
                let (mut low, mut high) = (i128::MIN, i128::MAX);
                match op {
                    CompareOp::Eq | CompareOp::NotEq => (low, high) = (at, at),
                    CompareOp::Lt if is_text => high = at,
                    CompareOp::Gt if is_text => low = at,
                    CompareOp::Lt if at == i128::MIN => (low, high) = (i128::MAX, i128::MIN),
                    CompareOp::Gt if at == i128::MAX => (low, high) = (i128::MAX, i128::MIN),
                    CompareOp::Lt => high = at - 1,
                    CompareOp::Gt => low = at + 1,
                    CompareOp::LtEq => high = at,
                    CompareOp::GtEq => low = at,
                }
                match value {
                    Value::Bytes(bytes) => {
                        if *op == CompareOp::NotEq {
                            (low, high) = (i128::MIN, i128::MAX);
                        }
                        Shape::Text {
                            low,
                            high,
                            keys: vec![],
                            test: TextTest::Compare(*op, bytes.clone()),
                        }
                    }
                    _ => Shape::Range {
                        low,
                        high,
                        negated: *op == CompareOp::NotEq,
                    },
                }
            }
            ColumnTest::In(values) => {
                let mut keys = values.iter().map(key_of).collect::<Result<Vec<_>>>()?;
                keys.sort_unstable();
                keys.dedup();
                let (low, high) = match (keys.first(), keys.last()) {
                    (Some(low), Some(high)) => (*low, *high),
                    _ => (i128::MAX, i128::MIN),
                };
                if is_text {
                    let texts = values.iter().filter_map(|value| match value {
                        Value::Bytes(bytes) => Some(bytes.clone()),
                        _ => None,
                    });
                    Shape::Text {
                        low,
                        high,
                        keys,
                        test: TextTest::In(texts.collect()),
                    }
                } else if keys.len() as i128 == high.wrapping_sub(low).wrapping_add(1)
                    || keys.is_empty()
                {
                    // Neighbours without a gap are a range; an empty list is an empty range.
                    Shape::Range {
                        low,
                        high,
                        negated: false,
                    }
                } else {
                    Shape::Set {
                        lookup: Lookup::new(&keys),
                        keys,
                    }
                }
            }
            ColumnTest::StartsWith(prefix) => {
                if !is_text {
                    return Err(Error::Internal(format!(
                        "column \"{}\" has no prefix",
                        column.name
                    )));
                }
                let mut low = key::of_bytes(prefix);
                if prefix.len() > key::TEXT_BYTES {
                    // All that begin so share this key.
                    low &= !0xFF;
                }
                let (high, test) = (
                    key::after_prefix(prefix),
                    TextTest::StartsWith(prefix.clone()),
                );
                Shape::Text {
                    low,
                    high,
                    keys: vec![],
                    test,
                }
            }
        };
        Ok(Test { ty, shape })
    }

    /// Guesses the nanoseconds per row, to run cheap tests first.
    pub(super) fn cost(&self) -> f64 {
        match &self.shape {
            Shape::IsNull | Shape::IsNotNull => 0.1,
            Shape::Range { .. } => 1.0,
            Shape::Set { .. } => 3.0,
            Shape::Text { .. } => 8.0,
        }
    }

    /// Asks the zone map of a zone of `rows` rows.
    pub(super) fn prune(&self, zone: &ZoneMap, rows: usize) -> Outcome {
        let nulls = zone.nulls as usize;
        let Some((min, max)) = zone.range else {
            return if matches!(self.shape, Shape::IsNull) {
                Outcome::All
            } else {
                Outcome::None
            };
        };
        let all_if = |all: bool| {
            if all && nulls == 0 {
                Outcome::All
            } else {
                Outcome::Some
            }
        };
        let holds_one_of = |keys: &[i128]| {
            let at = keys.partition_point(|key| *key < min);
            keys.get(at).is_some_and(|key| *key <= max)
        };
        match &self.shape {
            Shape::IsNull if nulls == 0 => Outcome::None,
            Shape::IsNull if nulls == rows => Outcome::All,
            Shape::IsNull => Outcome::Some,
            Shape::IsNotNull => all_if(true),
            Shape::Range {
                low,
                high,
                negated: false,
            } => {
                if max < *low || min > *high {
                    Outcome::None
                } else {
                    all_if(min >= *low && max <= *high)
                }
            }
            Shape::Range {
                low,
                high,
                negated: true,
            } => {
                if min >= *low && max <= *high {
                    Outcome::None
                } else {
                    all_if(max < *low || min > *high)
                }
            }
            Shape::Set { keys, .. } if !holds_one_of(keys) => Outcome::None,
            Shape::Text { low, high, .. } if max < *low || min > *high => Outcome::None,
            Shape::Text {
                keys,
                test: TextTest::In(_),
                ..
            } if !holds_one_of(keys) => Outcome::None,
            Shape::Set { .. } | Shape::Text { .. } => Outcome::Some,
        }
    }

    /// Says what becomes of all rows of a column that the row group lacks.
    pub(super) fn passes_null(&self) -> bool {
        matches!(self.shape, Shape::IsNull)
    }

    /// Tells for each dictionary entry whether it passes.
    pub(super) fn entries(&self, vector: &ColumnVector, dictionary: &Dictionary) -> EntryMask {
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

    /// Gives the key of a stored number.
    #[inline]
    fn key_of(&self, value: i64, base: i128) -> i128 {
        match self.ty {
            ColumnType::Float32 => i128::from(float_key(value as i32)),
            ColumnType::Float64 => i128::from(key::of_f64_bits(value)),
            _ => base + i128::from(value),
        }
    }

    fn passes_key(&self, key: i128) -> bool {
        match &self.shape {
            Shape::Range { low, high, negated } => (*low <= key && key <= *high) != *negated,
            Shape::Set { lookup, .. } => lookup.contains(key),
            Shape::IsNotNull => true,
            Shape::IsNull | Shape::Text { .. } => false,
        }
    }

    /// Takes out of `selection` the rows of `vector` that do not pass. `mask` is what
    /// [`Test::entries`] said, if the zone has codes.
    pub(super) fn apply(
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
            (Form::Codes(dictionary), Some(mask)) => {
                mask.apply(vector, dictionary, selection, scratch)
            }
            (Form::Constant(fixed, text), _) => {
                let passes = match &self.shape {
                    Shape::Text { test, .. } => test.passes(text),
                    _ => self.passes_key(match self.ty {
                        ColumnType::Float32 | ColumnType::Float64 => self.key_of(fixed as i64, 0),
                        _ => fixed,
                    }),
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
                let picks = selection.rows_in();
                scratch.i128.clear();
                vector.wide(Picks::Rows(&picks), &mut scratch.i128);
                selection.keep_picks(&picks, |index| self.passes_key(scratch.i128[index]));
            }
            Kind::Bytes => {
                let Shape::Text { test, .. } = &self.shape else {
                    return;
                };
                let picks = selection.rows_in();
                if let Some(texts) = vector.symbols()
                    && test.reads_symbols()
                {
                    return selection.keep_picks(&picks, |index| {
                        test.passes_symbols(texts, usize::from(picks[index]))
                    });
                }
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
                        views[index] as u64 == head
                            && view_bytes(&views[index], buffers) == &**value
                    });
                } else {
                    selection.keep_picks(&picks, |index| {
                        test.passes(view_bytes(&views[index], buffers))
                    });
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
        values.clear();
        let base = vector.block().base;
        // From an eighth on, testing all rows without a branch beats picking some.
        let is_dense = selection.count() * 8 >= selection.rows();
        let picks = if is_dense {
            vec![]
        } else {
            selection.rows_in()
        };
        vector.fixed(
            if is_dense {
                Picks::All
            } else {
                Picks::Rows(&picks)
            },
            values,
        );
        let is_float = matches!(self.ty, ColumnType::Float32 | ColumnType::Float64);
        if let Shape::Range { low, high, negated } = &self.shape
            && !is_float
        {
            let clamped = clamp::<T>(low.saturating_sub(base), high.saturating_sub(base));
            let Some((low, high)) = clamped else {
                if !*negated {
                    selection.clear();
                }
                return;
            };
            return match (is_dense, negated) {
                (true, false) => {
                    selection.keep_where(values, |value| (value >= low) & (value <= high))
                }
                (true, true) => {
                    selection.keep_where(values, |value| (value < low) | (value > high))
                }
                (false, _) => selection.keep_picks(&picks, |index| {
                    ((values[index] >= low) & (values[index] <= high)) != *negated
                }),
            };
        }
        let passes = |value: T| self.passes_key(self.key_of(value.widen(), base));
        match is_dense {
            true => selection.keep_where(values, passes),
            false => selection.keep_picks(&picks, |index| passes(values[index])),
        }
    }
}

/// Gives the key of a float, widened so that it compares with double constants.
fn float_key(bits: i32) -> i64 {
    key::of_f64_bits(f64::from(f32::from_bits(bits as u32)).to_bits() as i64)
}

/// Brings a range into the domain of `T`; `None` if it lies outside or is empty.
fn clamp<T: Native>(low: i128, high: i128) -> Option<(T, T)> {
    let min = i128::from(-1i64 << (T::BITS - 1));
    let max = -(min + 1);
    let (low, high) = (low.max(min), high.min(max));
    (low <= high).then(|| (T::narrow(low as i64), T::narrow(high as i64)))
}

/// Buffers reused from zone to zone.
#[derive(Default)]
pub(super) struct Scratch {
    i8: Vec<i8>,
    i16: Vec<i16>,
    i32: Vec<i32>,
    i64: Vec<i64>,
    i128: Vec<i128>,
    views: Vec<u128>,
    codes: Vec<u16>,
}

/// Which entries of a dictionary pass.
#[derive(Debug)]
pub(super) struct EntryMask {
    /// Padded so that any code can be looked up.
    passing: Vec<bool>,
    /// First and last that pass, if all between pass too.
    range: Option<(u16, u16)>,
    count: usize,
    entries: usize,
}

impl EntryMask {
    /// Takes one answer per entry.
    pub(super) fn new(mut passing: Vec<bool>) -> Self {
        let entries = passing.len();
        let count = passing.iter().filter(|passes| **passes).count();
        let first = passing.iter().position(|passes| *passes);
        let range =
            first.filter(|first| passing[*first..first + count].iter().all(|passes| *passes));
        let range = range.map(|first| (first as u16, (first + count - 1) as u16));
        passing.resize(entries.next_power_of_two(), false);
        EntryMask {
            passing,
            range,
            count,
            entries,
        }
    }

    /// Takes the rows whose entry does not pass out of `selection`; nulls are out already.
    pub(super) fn apply(
        &self,
        vector: &ColumnVector,
        dictionary: &Dictionary,
        selection: &mut Selection,
        scratch: &mut Scratch,
    ) {
        if self.count == 0 {
            return selection.clear();
        }
        if self.count == self.entries {
            return;
        }
        let codes = &mut scratch.codes;
        codes.clear();
        if selection.count() * 8 >= selection.rows() {
            vector.codes(dictionary, Picks::All, codes);
            match self.range {
                Some((first, last)) if first == last => {
                    selection.keep_where(codes, |code| code == first)
                }
                Some((first, last)) => {
                    selection.keep_where(codes, |code| (code >= first) & (code <= last))
                }
                None => selection.keep_where(codes, |code| self.passing[usize::from(code)]),
            }
        } else {
            let picks = selection.rows_in();
            vector.codes(dictionary, Picks::Rows(&picks), codes);
            selection.keep_picks(&picks, |index| self.passing[usize::from(codes[index])]);
        }
    }
}

/// Gives the dictionary of a zone, if it has one.
pub(super) fn dictionary(vector: &ColumnVector) -> Option<&Dictionary> {
    match &vector.block().body {
        Body::Dictionary(dictionary) => Some(dictionary),
        _ => None,
    }
}
