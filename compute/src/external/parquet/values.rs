//! Values of a flat column as they come out of pages, and the arrays that are made of them.

#![expect(
    unsafe_code,
    reason = "texts that were checked when they were read are not checked again in the array"
)]

use super::page::damaged;
use arrow::array::ArrayData;
use arrow::array::{
    Array, ArrayRef, BinaryViewArray, BooleanArray, BooleanBufferBuilder, StringViewArray,
    UInt32Array, make_array,
};
use arrow::buffer::{Buffer, NullBuffer, ScalarBuffer};
use arrow::compute::cast;
use arrow_schema::{DataType, TimeUnit};
use datafusion::parquet::basic::Type;
use datafusion::parquet::errors::Result;
use datafusion::parquet::schema::types::ColumnDescriptor;
use std::sync::Arc;

/// Texts up to this size stand in their view.
const INLINE_BYTES: usize = 12;
/// The place of a null among values.
pub(super) const NULL: u32 = u32::MAX;

/// How values lie in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Physical {
    /// One bit.
    Bit,
    /// Four bytes.
    Word,
    /// Eight bytes.
    Long,
    /// Four bytes that are a decimal.
    WordDecimal,
    /// Eight bytes that are a decimal.
    LongDecimal,
    /// So many bytes that are a decimal, the highest first.
    Decimal(usize),
    /// A length and bytes.
    Bytes,
}

/// What a column holds, in the file and in arrays.
#[derive(Clone, Debug)]
pub(super) struct Kind {
    pub(super) physical: Physical,
    data_type: DataType,
    /// Whether bytes must be UTF-8.
    is_text: bool,
}

impl Kind {
    /// Gives the kind of a column that is made `wanted`, and would be `plain` if its writer had not noted another type;
    /// `None` of columns that are not read here.
    pub(super) fn of(
        column: &ColumnDescriptor,
        plain: &DataType,
        wanted: &DataType,
    ) -> Option<Self> {
        use DataType::{
            BinaryView, Boolean, Date32, Decimal128, Float32, Float64, Int8, Int16, Int32, Int64,
            Timestamp, UInt8, UInt16, UInt32, UInt64, Utf8View,
        };
        let unit_of = |data_type: &DataType| match data_type {
            Timestamp(
                unit @ (TimeUnit::Millisecond | TimeUnit::Microsecond | TimeUnit::Nanosecond),
                _,
            ) => Some(*unit),
            _ => None,
        };
        let width = usize::try_from(column.type_length()).unwrap_or(0);
        let physical = match (column.physical_type(), wanted) {
            (Type::BOOLEAN, Boolean) => Physical::Bit,
            (Type::INT32, Int8 | Int16 | Int32 | UInt8 | UInt16 | UInt32 | Date32)
                if plain == wanted =>
            {
                Physical::Word
            }
            (Type::FLOAT, Float32) => Physical::Word,
            (Type::INT64, Int64 | UInt64) if plain == wanted => Physical::Long,
            (Type::INT64, Timestamp(..))
                if unit_of(wanted).is_some() && unit_of(plain) == unit_of(wanted) =>
            {
                Physical::Long
            }
            (Type::DOUBLE, Float64) => Physical::Long,
            (Type::INT32, Decimal128(..)) if plain == wanted => Physical::WordDecimal,
            (Type::INT64, Decimal128(..)) if plain == wanted => Physical::LongDecimal,
            (Type::FIXED_LEN_BYTE_ARRAY, Decimal128(..))
                if plain == wanted && (1..=16).contains(&width) =>
            {
                Physical::Decimal(width)
            }
            (Type::BYTE_ARRAY, Utf8View | BinaryView) => Physical::Bytes,
            _ => return None,
        };
        Some(Self {
            physical,
            data_type: wanted.clone(),
            is_text: *wanted == Utf8View,
        })
    }

    /// Gives the bytes of a value if all have as many.
    pub(super) fn width(&self) -> Option<usize> {
        match self.physical {
            Physical::Word | Physical::WordDecimal => Some(4),
            Physical::Long | Physical::LongDecimal => Some(8),
            Physical::Decimal(width) => Some(width),
            Physical::Bit | Physical::Bytes => None,
        }
    }

    /// Begins to collect values, texts behind those of a dictionary.
    pub(super) fn values(&self, dictionary: Option<&Values>) -> Values {
        match self.physical {
            Physical::Bit => Values::Bits(BooleanBufferBuilder::new(0)),
            Physical::Word => Values::Words(Vec::new()),
            Physical::Long => Values::Longs(Vec::new()),
            Physical::WordDecimal | Physical::LongDecimal | Physical::Decimal(_) => {
                Values::Decimals(Vec::new())
            }
            Physical::Bytes => Values::Texts(Texts {
                shared: match dictionary {
                    Some(Values::Texts(texts)) => texts.shared.clone(),
                    _ => None,
                },
                ..Texts::default()
            }),
        }
    }

    /// Adds values of fixed width that lie in `bytes`, those at `places` of them, or all.
    pub(super) fn push_fixed(&self, values: &mut Values, bytes: &[u8], places: Option<&[u32]>) {
        match (values, self.physical) {
            (Values::Words(to), _) => push(to, bytes.as_chunks().0, places, u32::from_le_bytes),
            (Values::Longs(to), _) => push(to, bytes.as_chunks().0, places, u64::from_le_bytes),
            (Values::Decimals(to), Physical::WordDecimal) => {
                push(to, bytes.as_chunks().0, places, |word| {
                    i128::from(i32::from_le_bytes(word))
                });
            }
            (Values::Decimals(to), Physical::LongDecimal) => {
                push(to, bytes.as_chunks().0, places, |word| {
                    i128::from(i64::from_le_bytes(word))
                });
            }
            (Values::Decimals(to), Physical::Decimal(width)) => {
                let value = |bytes: &[u8]| {
                    let sign = match bytes.first() {
                        Some(first) if first & 0x80 != 0 => -1_i128,
                        _ => 0,
                    };
                    bytes
                        .iter()
                        .fold(sign, |value, byte| value << 8 | i128::from(*byte))
                };
                match places {
                    None => to.extend(bytes.chunks_exact(width).map(value)),
                    Some(places) => to.extend(places.iter().map(|place| {
                        let begin = (*place as usize).saturating_mul(width);
                        let bytes = bytes.get(begin..begin.saturating_add(width));
                        bytes.map_or(0, value)
                    })),
                }
            }
            _ => {}
        }
    }

    /// Adds texts that lie behind each other in `bytes`, `count` of them, those at ascending `places`, or all; tells the
    /// bytes of all of them. Of an ASCII page none is checked.
    pub(super) fn push_texts(
        &self,
        values: &mut Values,
        (bytes, is_ascii): (&[u8], bool),
        count: usize,
        places: Option<&[u32]>,
    ) -> Result<usize> {
        let is_checked = !self.is_text || is_ascii;
        let early = || damaged("a page of texts ends too early");
        let mut at = 0;
        let mut places = places.map(|places| places.iter().copied().peekable());
        let mut place = 0_u32;
        for _ in 0..count {
            let length = bytes.get(at..).and_then(<[u8]>::first_chunk);
            let length = u32::from_le_bytes(*length.ok_or_else(early)?) as usize;
            let begin = at + 4;
            at = begin.saturating_add(length);
            let is_wanted = match &mut places {
                None => true,
                Some(places) => {
                    // Nulls have no text; they stand among those that are wanted.
                    while places.next_if_eq(&NULL).is_some() {
                        values.push_null();
                    }
                    places.next_if_eq(&place).is_some()
                }
            };
            if is_wanted {
                let text = bytes.get(begin..at).ok_or_else(early)?;
                if !is_checked && !text.is_ascii() && str::from_utf8(text).is_err() {
                    return Err(damaged("encountered non UTF-8 data"));
                }
                if let Values::Texts(texts) = values {
                    texts.push(text)?;
                }
            }
            place = place.wrapping_add(1);
        }
        if let Some(places) = places {
            for _ in places.filter(|place| *place == NULL) {
                values.push_null();
            }
        }
        match at <= bytes.len() {
            true => Ok(at),
            false => Err(early()),
        }
    }

    /// Makes an array of values.
    pub(super) fn array(&self, values: Values, nulls: Option<NullBuffer>) -> Result<ArrayRef> {
        let (length, buffer) = match values {
            Values::Bits(mut bits) => return Ok(Arc::new(BooleanArray::new(bits.finish(), nulls))),
            Values::Texts(texts) => return texts.array(self.is_text, nulls),
            Values::Words(words) => {
                let is_narrow = matches!(
                    self.data_type,
                    DataType::Int8 | DataType::Int16 | DataType::UInt8 | DataType::UInt16
                );
                if is_narrow {
                    return self.narrow(words, nulls);
                }
                (words.len(), Buffer::from_vec(words))
            }
            Values::Longs(longs) => (longs.len(), Buffer::from_vec(longs)),
            Values::Decimals(decimals) => (decimals.len(), Buffer::from_vec(decimals)),
        };
        let data = ArrayData::builder(self.data_type.clone())
            .len(length)
            .nulls(nulls)
            .add_buffer(buffer)
            .build()?;
        Ok(make_array(data))
    }

    /// Makes an array of small numbers, which a file has in four bytes.
    fn narrow(&self, words: Vec<u32>, nulls: Option<NullBuffer>) -> Result<ArrayRef> {
        let signed = matches!(self.data_type, DataType::Int8 | DataType::Int16);
        let words = UInt32Array::new(ScalarBuffer::from(words), nulls);
        if !signed {
            return Ok(cast(&words, &self.data_type)?);
        }
        let words = words
            .into_data()
            .into_builder()
            .data_type(DataType::Int32)
            .build()?;
        Ok(cast(&make_array(words), &self.data_type)?)
    }
}

/// Adds the words at some places. Benchmark: `external`, q01.
#[inline]
fn push<T: Copy + Default, const WIDTH: usize>(
    to: &mut Vec<T>,
    words: &[[u8; WIDTH]],
    places: Option<&[u32]>,
    value: impl Fn([u8; WIDTH]) -> T,
) {
    match places {
        None => to.extend(words.iter().map(|word| value(*word))),
        // What is at no place is null.
        Some(places) => to.extend(places.iter().map(|place| match words.get(*place as usize) {
            Some(word) => value(*word),
            None => T::default(),
        })),
    }
}

/// Values that are collected, nulls as zeros.
pub(super) enum Values {
    Bits(BooleanBufferBuilder),
    Words(Vec<u32>),
    Longs(Vec<u64>),
    Decimals(Vec<i128>),
    Texts(Texts),
}

impl Values {
    /// Tells how many there are.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Bits(bits) => bits.len(),
            Self::Words(words) => words.len(),
            Self::Longs(longs) => longs.len(),
            Self::Decimals(decimals) => decimals.len(),
            Self::Texts(texts) => texts.views.len(),
        }
    }

    /// Makes room for more.
    pub(super) fn reserve(&mut self, count: usize) {
        match self {
            Self::Bits(bits) => bits.reserve(count),
            Self::Words(words) => words.reserve(count),
            Self::Longs(longs) => longs.reserve(count),
            Self::Decimals(decimals) => decimals.reserve(count),
            Self::Texts(texts) => texts.views.reserve(count),
        }
    }

    /// Adds what stands for a null.
    pub(super) fn push_null(&mut self) {
        match self {
            Self::Bits(bits) => bits.append(false),
            Self::Words(words) => words.push(0),
            Self::Longs(longs) => longs.push(0),
            Self::Decimals(decimals) => decimals.push(0),
            Self::Texts(texts) => texts.views.push(0),
        }
    }

    /// Lets all texts so far be shared: they are those of a dictionary.
    pub(super) fn share(&mut self) {
        if let Self::Texts(texts) = self {
            texts.shared = Some(Buffer::from_vec(std::mem::take(&mut texts.own)));
        }
    }

    /// Adds values of a dictionary by their codes; one it does not have is null.
    pub(super) fn push_coded(&mut self, dictionary: &Self, codes: impl Iterator<Item = u32>) {
        fn add<T: Copy + Default>(to: &mut Vec<T>, from: &[T], codes: impl Iterator<Item = u32>) {
            to.extend(codes.map(|code| from.get(code as usize).copied().unwrap_or_default()));
        }
        match (self, dictionary) {
            (Self::Words(to), Self::Words(from)) => add(to, from, codes),
            (Self::Longs(to), Self::Longs(from)) => add(to, from, codes),
            (Self::Decimals(to), Self::Decimals(from)) => add(to, from, codes),
            (Self::Texts(to), Self::Texts(from)) => add(&mut to.views, &from.views, codes),
            _ => {}
        }
    }

    /// Adds bits, those at `places` from the one at `bit`, or `count`.
    pub(super) fn push_bits(
        &mut self,
        bytes: &[u8],
        bit: usize,
        count: usize,
        places: Option<&[u32]>,
    ) {
        let Self::Bits(bits) = self else {
            return;
        };
        let is_set = |place: usize| {
            let bit = bit.saturating_add(place);
            bytes
                .get(bit / 8)
                .is_some_and(|byte| byte >> (bit % 8) & 1 == 1)
        };
        match places {
            None => (0..count).for_each(|place| bits.append(is_set(place))),
            Some(places) => places
                .iter()
                .for_each(|place| bits.append(*place != NULL && is_set(*place as usize))),
        }
    }

    /// Adds bits that were read as codes.
    pub(super) fn push_bit_codes(&mut self, codes: impl Iterator<Item = bool>) {
        if let Self::Bits(bits) = self {
            codes.for_each(|code| bits.append(code));
        }
    }
}

/// Texts as views: the short ones in them, the long ones behind each other, so that no page is held on to.
#[derive(Default)]
pub(super) struct Texts {
    views: Vec<u128>,
    /// Of a dictionary.
    shared: Option<Buffer>,
    own: Vec<u8>,
}

impl Texts {
    fn push(&mut self, text: &[u8]) -> Result<()> {
        let mut word = [0; 16];
        let length = text.len();
        let view = if length <= INLINE_BYTES {
            if let Some(room) = word.get_mut(4..4 + length) {
                room.copy_from_slice(text);
            }
            u128::from_le_bytes(word) | length as u128
        } else {
            let too_long = |_| damaged("texts of more than 4 GB");
            let place = u32::try_from(self.own.len()).map_err(too_long)?;
            let length = u32::try_from(length).map_err(too_long)?;
            let start = text.first_chunk().copied().unwrap_or_default();
            self.own.extend_from_slice(text);
            u128::from(place) << 96
                | u128::from(self.shared.is_some()) << 64
                | u128::from(u32::from_le_bytes(start)) << 32
                | u128::from(length)
        };
        self.views.push(view);
        Ok(())
    }

    fn array(self, is_text: bool, nulls: Option<NullBuffer>) -> Result<ArrayRef> {
        let views = ScalarBuffer::from(self.views);
        let mut buffers: Vec<Buffer> = self.shared.into_iter().collect();
        if !self.own.is_empty() {
            buffers.push(Buffer::from_vec(self.own));
        }
        let is_wrong = nulls
            .as_ref()
            .is_some_and(|nulls| nulls.len() != views.len());
        let array: ArrayRef = match is_text {
            false => Arc::new(BinaryViewArray::try_new(views, buffers, nulls)?),
            true if cfg!(debug_assertions) || is_wrong => {
                Arc::new(StringViewArray::try_new(views, buffers, nulls)?)
            }
            // SAFETY: views come from `push` or, by their codes, from those of the dictionary whose buffer is the first;
            // each other is zero, an empty text. `push` is handed texts that `push_texts` found to be UTF-8, keeps the short
            // ones with zeros behind them, and names the place, the buffer and the first bytes of the long ones.
            true => Arc::new(unsafe { StringViewArray::new_unchecked(views, buffers, nulls) }),
        };
        Ok(array)
    }
}
