//! Column encodings, one file each. A block is one encoding of one column's values; the name a user
//! writes in `ENCODE` is a wish, and the physical form that was chosen is in the block.
//!
//! | name | physical form |
//! |---|---|
//! | RAW | plain values |
//! | AZ64 | bit-packed: frame of reference or delta per 1 024 values, with patches |
//! | DELTA, DELTA32K | bit-packed differences of 8 or 16 bits, others as patches |
//! | MOSTLY8/16/32 | bit-packed values of 8, 16 or 32 bits, others as patches |
//! | BYTEDICT | up to 256 values and their codes |
//! | TEXT255, TEXT32K | up to 65 536 texts and their codes, or symbols (FSST) where there are more |
//! | RUNLENGTH | run ends and values |
//! | LZO | LZ4 per zone |
//! | ZSTD | Zstandard per zone; of texts over their symbols where that is smaller |
//! | AUTO | chosen per block from a sample: any of these, symbols for texts, ALP for floats |
//!
//! Five names are one packed form: a reader unpacks a vector by what the vector says of itself, so the
//! name only binds the writer.
//!
//! Where a wished form cannot hold a block's values (a dictionary of too many values, packed text,
//! more than a quarter of patches), the block takes what AUTO would choose. One value repeated is a
//! header, whatever was wished.

pub mod alp;
pub mod az64;
pub mod bytedict;
pub mod choose;
pub mod constant;
pub mod fsst;
pub mod lzo;
pub mod native;
pub mod raw;
pub mod runlength;
pub mod text;
pub mod zstd;

use crate::layout::block::BlockParts;
use arrow_buffer::Buffer;
use text::Views;

/// The physical forms; the numbers are in every block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Tag {
    /// One value.
    Constant = 0,
    /// Plain values.
    Raw = 1,
    /// Bit-packed.
    Packed = 2,
    /// Dictionary and codes.
    Dictionary = 3,
    /// Run ends and values.
    Runs = 4,
    /// LZ4 per zone.
    Lz4 = 5,
    /// Zstandard per zone.
    Zstd = 6,
    /// Symbols of texts.
    Fsst = 7,
    /// Symbols of texts, and Zstandard over them per zone.
    FsstZstd = 8,
    /// Floats as the integers they are without their point.
    Alp = 9,
}

impl Tag {
    /// Gives the form of a number.
    pub fn from_byte(byte: u8) -> Option<Tag> {
        ENCODINGS
            .iter()
            .map(|each| each.tag())
            .find(|tag| *tag as u8 == byte)
    }
}

/// What kind of value a block holds, whatever its SQL type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Booleans.
    I8 = 0,
    /// 16-bit integers.
    I16 = 1,
    /// 32-bit integers, dates, floats as their bits.
    I32 = 2,
    /// 64-bit integers, times, doubles as their bits, decimals that fit.
    I64 = 3,
    /// Decimals that do not fit.
    I128 = 4,
    /// Texts and byte strings.
    Bytes = 5,
}

impl Kind {
    /// Gives the kind of a number.
    pub fn from_byte(byte: u8) -> Option<Kind> {
        [
            Kind::I8,
            Kind::I16,
            Kind::I32,
            Kind::I64,
            Kind::I128,
            Kind::Bytes,
        ]
        .get(usize::from(byte))
        .copied()
    }

    /// Gives the bytes of a value; 0 for texts.
    pub fn width(self) -> usize {
        match self {
            Kind::I8 => 1,
            Kind::I16 => 2,
            Kind::I32 => 4,
            Kind::I64 => 8,
            Kind::I128 => 16,
            Kind::Bytes => 0,
        }
    }
}

/// The values of one block to be encoded, nulls filled in.
#[derive(Clone, Copy)]
pub enum Values<'a> {
    /// Booleans.
    I8(&'a [i8]),
    /// 16 bits.
    I16(&'a [i16]),
    /// 32 bits.
    I32(&'a [i32]),
    /// 64 bits.
    I64(&'a [i64]),
    /// 128 bits.
    I128(&'a [i128]),
    /// Texts.
    Bytes(Views<'a>),
}

/// Runs the same code over the slice of any fixed-width kind.
macro_rules! each_fixed {
    ($values:expr, $slice:ident => $fixed:expr, $views:ident => $bytes:expr) => {
        match $values {
            $crate::encoding::Values::I8($slice) => $fixed,
            $crate::encoding::Values::I16($slice) => $fixed,
            $crate::encoding::Values::I32($slice) => $fixed,
            $crate::encoding::Values::I64($slice) => $fixed,
            $crate::encoding::Values::I128($slice) => $fixed,
            $crate::encoding::Values::Bytes($views) => $bytes,
        }
    };
}
pub(crate) use each_fixed;

impl<'a> Values<'a> {
    /// Gives the kind.
    pub fn kind(&self) -> Kind {
        match self {
            Values::I8(_) => Kind::I8,
            Values::I16(_) => Kind::I16,
            Values::I32(_) => Kind::I32,
            Values::I64(_) => Kind::I64,
            Values::I128(_) => Kind::I128,
            Values::Bytes(_) => Kind::Bytes,
        }
    }

    /// Counts the values.
    pub fn len(&self) -> usize {
        each_fixed!(self, slice => slice.len(), texts => texts.views.len())
    }

    /// Tells whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Gives a part.
    pub fn slice(&self, from: usize, rows: usize) -> Values<'a> {
        match *self {
            Values::I8(slice) => Values::I8(&slice[from..from + rows]),
            Values::I16(slice) => Values::I16(&slice[from..from + rows]),
            Values::I32(slice) => Values::I32(&slice[from..from + rows]),
            Values::I64(slice) => Values::I64(&slice[from..from + rows]),
            Values::I128(slice) => Values::I128(&slice[from..from + rows]),
            Values::Bytes(Views { views, buffers }) => Values::Bytes(Views {
                views: &views[from..from + rows],
                buffers,
            }),
        }
    }
}

/// A block's parts as an encoding made them.
#[derive(Default)]
pub struct Encoded {
    /// The constant, if it is one.
    pub base: i128,
    /// The encoding's parameter.
    pub parameter: u64,
    /// The sections.
    pub sections: [Vec<u8>; 3],
    /// The code of every row, if a dictionary was made; saves the statistics from hashing all rows.
    pub codes: Option<Vec<u16>>,
    /// The row where each code first stands, if a dictionary was made.
    pub firsts: Vec<u32>,
}

impl Encoded {
    /// Gives the size of the sections.
    pub fn bytes(&self) -> usize {
        self.sections.iter().map(Vec::len).sum()
    }
}

/// A verified block, cut into its parts, for an encoding to look into.
pub struct Raw<'a> {
    /// The whole block.
    pub bytes: &'a Buffer,
    /// Where things lie.
    pub parts: &'a BlockParts,
    /// The kind of its values.
    pub kind: Kind,
}

impl Raw<'_> {
    /// Counts the rows.
    pub fn rows(&self) -> usize {
        self.parts.header.rows as usize
    }

    /// Gives a section.
    pub fn section(&self, index: usize) -> Buffer {
        let (from, length) = self.parts.sections[index];
        self.bytes.slice_with_length(from, length)
    }

    /// Gives a section that must hold `count` values of `width` bytes.
    pub fn values(&self, index: usize, count: usize, width: usize) -> Result<Buffer, String> {
        let section = self.section(index);
        match section.len() == count * width {
            true => Ok(section),
            false => Err(format!(
                "section {index} has {} bytes, not {count} x {width}",
                section.len()
            )),
        }
    }
}

/// A block's values as they lie in memory, still encoded.
#[derive(Debug)]
pub enum Body {
    /// One value.
    Constant(constant::Constant),
    /// Plain values.
    Raw(raw::Plain),
    /// Bit-packed.
    Packed(az64::Packed),
    /// Dictionary and codes.
    Dictionary(bytedict::Dictionary),
    /// Run ends and values.
    Runs(runlength::Runs),
    /// Compressed per zone.
    Compressed(lzo::Chunks),
    /// Symbols of texts.
    Symbols(fsst::Symbols),
    /// Floats as integers.
    Decimals(alp::Decimals),
}

/// A way to keep the values of a block.
pub trait Encoding: Sync {
    /// Gives its number.
    fn tag(&self) -> Tag;
    /// Encodes; `None` if it cannot hold these values. There is at least one value.
    fn encode(&self, values: Values<'_>) -> Option<Encoded>;
    /// Opens a block, checking everything that reading it relies on.
    fn open(&self, raw: &Raw<'_>) -> Result<Body, String>;
}

/// Every encoding, in the order of its number.
pub const ENCODINGS: [&dyn Encoding; 10] = [
    &constant::ConstantEncoding,
    &raw::RawEncoding,
    &az64::Az64 {
        shape: az64::Shape::Best,
    },
    &bytedict::Bytedict {
        entries_max: bytedict::ENTRIES_MAX,
    },
    &runlength::Runlength,
    &lzo::Lzo,
    &zstd::Zstd,
    &fsst::Fsst { is_dense: false },
    &fsst::Fsst { is_dense: true },
    &alp::Alp,
];

/// Opens a block's values.
pub fn open(tag: Tag, raw: &Raw<'_>) -> Result<Body, String> {
    let encoding = ENCODINGS.iter().find(|each| each.tag() == tag);
    encoding
        .ok_or_else(|| format!("unknown encoding {tag:?}"))?
        .open(raw)
}

/// Gives the little-endian bytes of values; every supported machine is little-endian.
pub(crate) fn le_bytes<T: arrow_buffer::ArrowNativeType>(values: &[T]) -> Vec<u8> {
    arrow_buffer::ToByteSlice::to_byte_slice(values).to_vec()
}

#[cfg(test)]
mod tests;

#[cfg(target_endian = "big")]
compile_error!("blocks are used where they lie, and they are little-endian");
