//! FSST: texts as codes of one byte, each a symbol of up to eight bytes out of a table per block.
//!
//! Any text can be read alone, and compared with a constant without being written out. There are two
//! forms: the codes as they are, and the codes compressed with Zstandard, which then has less to do
//! and, on short texts of a language, finds more than in the texts themselves.
//!
//! Section 0 holds per zone four u64 (end of its lengths in section 1, end of its codes in section 2,
//! bytes of its codes when open, bytes of its texts), then the `parameter` symbols (u64 each, first
//! byte lowest), then their lengths (u8 each).
//! Section 1 holds per zone how many bytes of codes each row takes: packed by 1 024 as u32, all
//! vectors of a zone at one width; or, compressed, a byte that says how many bytes a length takes (1,
//! 2 or 4) and the lengths.
//! Section 2 holds the codes: 255 means that the next byte stands for itself.

use super::native::{VECTOR_ROWS, pack, packed_words, unpack};
use super::text::{INLINE_BYTES, Views, make_view, rebase, views_of};
use super::{Body, Encoded, Encoding, Kind, Raw, Tag, Values, le_bytes, zstd};
use crate::layout::row_group::ZONE_ROWS;
use ::fsst::Compressor;
use arrow_buffer::Buffer;
use std::cmp::Ordering;
use std::sync::Arc;

mod coder;

use coder::{Coder, Scratch};

/// The code whose next byte stands for itself.
const ESCAPE: u8 = 255;
/// Bytes of a zone's entry in section 0.
const ENTRY_BYTES: usize = 32;
/// Bytes of a symbol: every write of one touches so many.
const SYMBOL_BYTES: usize = 8;
/// Texts a table is trained on, in bytes: four times what training looks at.
const TRAINING_BYTES: usize = 64 << 10;
/// Of one text no more is looked at.
const TRAINING_TEXT_BYTES: usize = 1 << 10;

/// The encoding.
pub struct Fsst {
    /// Whether codes and lengths are compressed as well.
    pub is_dense: bool,
}

/// Texts kept as codes.
#[derive(Debug)]
pub struct Symbols {
    is_dense: bool,
    symbols: Box<[u64; 256]>,
    lengths: Box<[u8; 256]>,
    directory: Buffer,
    packed: Buffer,
    codes: Buffer,
}

/// The codes of one zone, open.
#[derive(Clone, Debug)]
pub struct SymbolZone {
    codes: Buffer,
    /// Where each row's codes end.
    ends: Arc<Vec<u32>>,
    text_bytes: usize,
}

/// One zone with its table: texts that can be compared before they are decoded.
#[derive(Clone, Copy, Debug)]
pub struct SymbolTexts<'a> {
    /// The table.
    pub block: &'a Symbols,
    /// The codes.
    pub zone: &'a SymbolZone,
}

impl SymbolZone {
    fn codes(&self, row: usize) -> &[u8] {
        let from = if row == 0 { 0 } else { self.ends[row - 1] };
        &self.codes.as_slice()[from as usize..self.ends[row] as usize]
    }
}

impl Symbols {
    /// Opens a zone of `rows` rows.
    pub fn open_zone(&self, zone: usize, rows: usize) -> Result<SymbolZone, String> {
        let directory: &[u64] = self.directory.typed_data();
        let (lengths_from, codes_from) = match zone {
            0 => (0, 0),
            _ => (
                directory[zone * 4 - 4] as usize,
                directory[zone * 4 - 3] as usize,
            ),
        };
        let [lengths_to, codes_to, open_bytes, text_bytes] =
            [0, 1, 2, 3].map(|at| directory[zone * 4 + at] as usize);
        let lengths = &self.packed.as_slice()[lengths_from..lengths_to];
        let (ends, codes) = if self.is_dense {
            let open = zstd::decompress_vec(lengths, 1 + 4 * rows)?;
            let mut codes = vec![0; open_bytes];
            let written =
                zstd::decompress(&self.codes.as_slice()[codes_from..codes_to], &mut codes)?;
            if written != open_bytes {
                return Err(format!(
                    "a zone has {written} bytes of codes, not {open_bytes}"
                ));
            }
            (
                ends_of_bytes(&open, rows).ok_or("lengths of a zone are cut short")?,
                codes.into(),
            )
        } else {
            let codes = self
                .codes
                .slice_with_length(codes_from, codes_to - codes_from);
            (ends_of_packed(lengths, rows), codes)
        };
        let last = ends.last().map_or(0, |end| *end as usize);
        // Sums that wrapped around would run backwards somewhere.
        if last != codes.len() || ends.windows(2).any(|pair| pair[0] > pair[1]) {
            return Err(format!(
                "lengths of a zone end at {last} of {} bytes",
                codes.len()
            ));
        }
        Ok(SymbolZone {
            codes,
            ends: ends.into(),
            text_bytes,
        })
    }

    /// Writes a text at `at` of `out`, which has room for a symbol after it; gives its end.
    #[inline(always)]
    fn decode(&self, codes: &[u8], out: &mut [u8], at: usize) -> usize {
        let mut at = at;
        let mut codes = codes.iter();
        while let Some(code) = codes.next() {
            let index = usize::from(*code);
            let mut symbol = self.symbols[index];
            if *code == ESCAPE {
                symbol = codes.next().map_or(0, |byte| u64::from(*byte));
            }
            // Always all eight bytes: the next symbol writes over what is too much.
            if let Some(window) = out.get_mut(at..).and_then(<[u8]>::first_chunk_mut) {
                *window = symbol.to_le_bytes();
            }
            at += usize::from(self.lengths[index]);
        }
        at
    }
}

impl SymbolTexts<'_> {
    /// Decodes all rows of the zone; appends their views, which point into the buffer given back as
    /// buffer `index`.
    pub fn decode_all(&self, index: u32, views: &mut Vec<u128>) -> Buffer {
        let mut out = vec![0; self.zone.text_bytes + SYMBOL_BYTES];
        let codes = self.zone.codes.as_slice();
        let (mut from, mut at) = (0, 0);
        let ends = self.zone.ends.iter().map(|end| {
            let to = *end as usize;
            at = self.block.decode(&codes[from..to], &mut out, at);
            from = to;
            at
        });
        let ends: Vec<usize> = ends.collect();
        let start = views.len();
        // The checksum held, so the texts are as long as they were; else they read as empty.
        match views_of(ends.into_iter(), &out, 0) {
            Some(all) => views.extend(all),
            None => views.resize(start + self.zone.ends.len(), 0),
        }
        if index > 0 {
            for view in &mut views[start..] {
                *view = rebase(*view, index);
            }
        }
        Buffer::from_vec(out)
    }

    /// Decodes the picked rows alone; else as [`SymbolTexts::decode_all`].
    pub fn decode_rows(&self, picks: &[u16], index: u32, views: &mut Vec<u128>) -> Buffer {
        let bytes = picks
            .iter()
            .map(|pick| self.zone.codes(usize::from(*pick)).len());
        let mut out = vec![0; bytes.sum::<usize>() * SYMBOL_BYTES + SYMBOL_BYTES];
        let mut from = 0;
        for pick in picks {
            let codes = self.zone.codes(usize::from(*pick));
            let to = self.block.decode(codes, &mut out, from);
            let view = make_view(out.get(from..to).unwrap_or_default(), from);
            views.push(rebase(view, index));
            // What fits its view needs no room.
            if to - from > INLINE_BYTES {
                from = to;
            }
        }
        out.truncate(from);
        out.shrink_to_fit();
        Buffer::from_vec(out)
    }

    /// Compares the text of a row of the zone with `value`, symbol by symbol until they differ.
    #[inline]
    pub fn compare(&self, row: usize, value: &[u8]) -> Ordering {
        let mut rest = value;
        let mut longer = false;
        let order = self.walk(row, |symbol| {
            let (here, later) = rest.split_at(symbol.len().min(rest.len()));
            let order = symbol[..here.len()].cmp(here);
            longer = symbol.len() > here.len();
            rest = later;
            (order != Ordering::Equal || longer).then_some(order)
        });
        match order {
            Some(Ordering::Equal) => Ordering::Greater,
            Some(order) => order,
            None if rest.is_empty() => Ordering::Equal,
            None => Ordering::Less,
        }
    }

    /// Tells whether the text of a row of the zone begins with `prefix`.
    #[inline]
    pub fn starts_with(&self, row: usize, prefix: &[u8]) -> bool {
        let mut rest = prefix;
        if rest.is_empty() {
            return true;
        }
        let found = self.walk(row, |symbol| {
            let (here, later) = rest.split_at(symbol.len().min(rest.len()));
            rest = later;
            match symbol[..here.len()] == *here {
                false => Some(false),
                true => later.is_empty().then_some(true),
            }
        });
        found.unwrap_or(false)
    }

    /// Gives the first byte of a row of the zone; `None` if its text is empty.
    #[inline]
    pub fn first_byte(&self, row: usize) -> Option<u8> {
        self.walk(row, |symbol| symbol.first().copied())
    }

    /// Writes the text of a row of the zone to `text`; tells whether it has at most `bytes_max` bytes,
    /// and stops where it has more.
    pub fn text_up_to(&self, row: usize, bytes_max: usize, text: &mut Vec<u8>) -> bool {
        text.clear();
        let longer = self.walk(row, |symbol| {
            text.extend_from_slice(symbol);
            (text.len() > bytes_max).then_some(())
        });
        longer.is_none()
    }

    /// Calls `look` with each symbol of a text until it answers.
    #[inline(always)]
    fn walk<R>(&self, row: usize, mut look: impl FnMut(&[u8]) -> Option<R>) -> Option<R> {
        let mut codes = self.zone.codes(row).iter();
        while let Some(code) = codes.next() {
            let index = usize::from(*code);
            let symbol = match *code {
                ESCAPE => codes.next().map_or(0, |byte| u64::from(*byte)),
                _ => self.block.symbols[index],
            };
            let length = usize::from(self.block.lengths[index]).min(SYMBOL_BYTES);
            if let Some(answer) = look(&symbol.to_le_bytes()[..length]) {
                return Some(answer);
            }
        }
        None
    }
}

fn ends_of_packed(lengths: &[u8], rows: usize) -> Vec<u32> {
    let vectors = rows.div_ceil(VECTOR_ROWS);
    let words: &[i32] = super::native::typed(lengths);
    let count = words.len() / vectors.max(1);
    let width = count * 32 / VECTOR_ROWS;
    let mut ends = vec![0; vectors * VECTOR_ROWS];
    let mut end = 0u32;
    let mut scratch = [0i32; VECTOR_ROWS];
    for (index, out) in ends.chunks_exact_mut(VECTOR_ROWS).enumerate() {
        unpack(width, &words[index * count..][..count], 0, &mut scratch);
        for (out, length) in out.iter_mut().zip(&scratch) {
            end = end.wrapping_add(*length as u32);
            *out = end;
        }
    }
    ends.truncate(rows);
    ends
}

fn ends_of_bytes(lengths: &[u8], rows: usize) -> Option<Vec<u32>> {
    let (width, rest) = lengths.split_first()?;
    let width = usize::from(*width);
    let lengths = rest.get(..rows.checked_mul(width)?)?;
    let mut end = 0u32;
    let mut add = |length: u32| {
        end = end.wrapping_add(length);
        end
    };
    Some(match width {
        1 => lengths
            .iter()
            .map(|length| add(u32::from(*length)))
            .collect(),
        2 => {
            let (pairs, _) = lengths.as_chunks::<2>();
            pairs
                .iter()
                .map(|raw| add(u32::from(u16::from_le_bytes(*raw))))
                .collect()
        }
        4 => {
            let (quads, _) = lengths.as_chunks::<4>();
            quads
                .iter()
                .map(|raw| add(u32::from_le_bytes(*raw)))
                .collect()
        }
        _ => return None,
    })
}

/// A table, and how texts are coded by it.
pub(super) struct Table {
    symbols: Compressor,
    /// Absent for the few tables it cannot serve.
    coder: Option<Coder>,
}

impl Table {
    fn new(symbols: Compressor) -> Self {
        let coder = Coder::new(&symbols);
        Self { symbols, coder }
    }

    /// Gives the bytes that the table takes in a block.
    pub(super) fn bytes(&self) -> usize {
        self.symbols.n_symbols() * (SYMBOL_BYTES + 1)
    }
}

/// Trains a table on texts spread over a block.
pub(super) fn train(texts: Views<'_>) -> Table {
    let step = (texts.total_bytes() / TRAINING_BYTES).max(1);
    let sample = texts.views.iter().step_by(step).map(|view| {
        let text = texts.bytes(view);
        &text[..text.len().min(TRAINING_TEXT_BYTES)]
    });
    Table::new(Compressor::train(&sample.collect()))
}

/// The codes of texts, end to end, and where each ends.
#[derive(Default)]
pub(super) struct Coded {
    pub(super) codes: Vec<u8>,
    pub(super) ends: Vec<u64>,
    scratch: Scratch,
}

impl Coded {
    /// Puts the codes of `texts` in place of what it held.
    pub(super) fn fill(&mut self, table: &Table, texts: Views<'_>) {
        self.codes.clear();
        self.ends.clear();
        let (codes, ends) = (&mut self.codes, &mut self.ends);
        match &table.coder {
            Some(coder) => {
                let texts = texts.views.iter().map(|view| texts.ahead(view));
                coder.encode(texts, &mut self.scratch, codes, ends);
            }
            None => {
                let texts: Vec<&[u8]> = texts.iter().collect();
                const LANES: usize = Compressor::DEFAULT_BULK_LANES;
                table
                    .symbols
                    .compress_bulk_into::<LANES>(&texts, codes, ends);
            }
        }
    }

    /// Gives the bytes of codes of each text.
    fn lengths(&self) -> impl Iterator<Item = u32> + Clone {
        let starts = std::iter::once(&0).chain(&self.ends);
        self.ends
            .iter()
            .zip(starts)
            .map(|(end, start)| (end - start) as u32)
    }

    /// Lays lengths out for compression.
    pub(super) fn length_bytes(&self) -> Vec<u8> {
        let longest = self.lengths().max().unwrap_or(0);
        let width = match longest {
            0..=0xFF => 1,
            0x100..=0xFFFF => 2,
            _ => 4,
        };
        let mut out = Vec::with_capacity(1 + self.ends.len() * width);
        out.push(width as u8);
        self.lengths()
            .for_each(|length| out.extend_from_slice(&length.to_le_bytes()[..width]));
        out
    }

    /// Packs lengths, all at the width of the longest.
    pub(super) fn packed_lengths(&self) -> Vec<u8> {
        let longest = self.lengths().max().unwrap_or(0);
        let width = (u32::BITS - longest.leading_zeros()) as usize;
        let lengths: Vec<i32> = self.lengths().map(|length| length as i32).collect();
        let mut words = vec![0; packed_words::<i32>(width)];
        let mut out = Vec::new();
        for chunk in lengths.chunks(VECTOR_ROWS) {
            let mut padded = [0; VECTOR_ROWS];
            padded[..chunk.len()].copy_from_slice(chunk);
            pack(width, &padded, &mut words);
            out.extend(le_bytes(&words));
        }
        out
    }
}

/// Tells what codes and lengths take when compressed.
pub(super) fn compressed_bytes(coded: &Coded) -> Option<usize> {
    let mut compressor = ::zstd::bulk::Compressor::new(zstd::LEVEL).ok()?;
    let codes = compressor.compress(&coded.codes).ok()?.len();
    Some(codes + compressor.compress(&coded.length_bytes()).ok()?.len())
}

/// Encodes with a trained table. `None` for a zone of codes past 4 GB.
pub(super) fn encode_with(table: &Table, texts: Views<'_>, is_dense: bool) -> Option<Encoded> {
    let mut compressor = ::zstd::bulk::Compressor::new(zstd::LEVEL).ok()?;
    let (mut directory, mut packed, mut codes) = (Vec::new(), Vec::new(), Vec::new());
    let mut coded = Coded::default();
    for views in texts.views.chunks(ZONE_ROWS) {
        let zone = Views {
            views,
            buffers: texts.buffers,
        };
        coded.fill(table, zone);
        u32::try_from(coded.codes.len()).ok()?;
        if is_dense {
            packed.extend(compressor.compress(&coded.length_bytes()).ok()?);
            codes.extend(compressor.compress(&coded.codes).ok()?);
        } else {
            packed.extend(coded.packed_lengths());
            codes.extend_from_slice(&coded.codes);
        }
        let sizes = [
            packed.len(),
            codes.len(),
            coded.codes.len(),
            zone.total_bytes(),
        ];
        directory.extend(sizes.map(|size| size as u64));
    }
    let mut head = le_bytes(&directory);
    for symbol in table.symbols.symbol_table() {
        head.extend(symbol.to_u64().to_le_bytes());
    }
    head.extend_from_slice(table.symbols.symbol_lengths());
    Some(Encoded {
        parameter: table.symbols.n_symbols() as u64,
        sections: [head, packed, codes],
        ..Encoded::default()
    })
}

impl Encoding for Fsst {
    fn tag(&self) -> Tag {
        if self.is_dense {
            Tag::FsstZstd
        } else {
            Tag::Fsst
        }
    }

    fn encode(&self, values: Values<'_>) -> Option<Encoded> {
        match values {
            Values::Bytes(texts) => encode_with(&train(texts), texts, self.is_dense),
            _ => None,
        }
    }

    fn open(&self, raw: &Raw<'_>) -> Result<Body, String> {
        if raw.kind != Kind::Bytes {
            return Err("values of this kind are never kept as symbols".into());
        }
        let zones = raw.rows().div_ceil(ZONE_ROWS);
        let count = raw.parts.header.parameter as usize;
        if count > usize::from(ESCAPE) {
            return Err(format!("{count} symbols"));
        }
        let head = raw.values(0, zones * ENTRY_BYTES + count * (SYMBOL_BYTES + 1), 1)?;
        let (directory, table) = head.as_slice().split_at(zones * ENTRY_BYTES);
        let (table, table_lengths) = table.split_at(count * SYMBOL_BYTES);
        if table_lengths
            .iter()
            .any(|length| !(1..=SYMBOL_BYTES).contains(&usize::from(*length)))
        {
            return Err("a symbol has no length, or one past eight".into());
        }
        let (mut symbols, mut lengths) = (Box::new([0; 256]), Box::new([0; 256]));
        for (out, symbol) in symbols.iter_mut().zip(table.as_chunks().0) {
            *out = u64::from_le_bytes(*symbol);
        }
        lengths[..count].copy_from_slice(table_lengths);
        lengths[usize::from(ESCAPE)] = 1;
        let (packed, codes) = (raw.section(1), raw.section(2));
        let (mut lengths_from, mut codes_from) = (0, 0);
        let entries: &[u64] = super::native::typed(directory);
        for (zone, entry) in entries.chunks(4).enumerate() {
            let vectors = (raw.rows() - zone * ZONE_ROWS)
                .min(ZONE_ROWS)
                .div_ceil(VECTOR_ROWS);
            let in_order = entry[0] >= lengths_from && entry[1] >= codes_from;
            let inside = entry[0] <= packed.len() as u64 && entry[1] <= codes.len() as u64;
            let small = entry[2] <= u64::from(u32::MAX) && entry[3] <= entry[2] * 8;
            if !(in_order && inside && small) {
                return Err("a zone lies outside its block".into());
            }
            // 32 words of 32 bits per bit of width.
            let (per_bit, packed_bytes) = (128 * vectors as u64, entry[0] - lengths_from);
            if !self.is_dense && (packed_bytes % per_bit != 0 || packed_bytes / per_bit > 32) {
                return Err(format!("{packed_bytes} bytes of packed lengths"));
            }
            (lengths_from, codes_from) = (entry[0], entry[1]);
        }
        Ok(Body::Symbols(Symbols {
            is_dense: self.is_dense,
            symbols,
            lengths,
            directory: head.slice_with_length(0, zones * ENTRY_BYTES),
            packed,
            codes,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::fsst::{CompressorBuilder, Symbol};
    use arrow_array::StringViewArray;

    #[test]
    fn bytes_of_symbols_are_fixed() {
        let mut builder = CompressorBuilder::new();
        builder.insert(Symbol::from_slice(b"carefull"), 8);
        builder.insert(Symbol::from_slice(b"y \0\0\0\0\0\0"), 2);
        let table = builder.build();
        // A table orders its symbols by length; the order is part of the block.
        let codes: Vec<u8> = [&b"carefull"[..], b"y "]
            .iter()
            .flat_map(|text| table.compress(text))
            .collect();
        let table = Table::new(table);
        let [long, short] = codes[..] else {
            panic!("two symbols")
        };
        let array = StringViewArray::from(vec!["carefully ", "", "xy "]);
        let texts = Views {
            views: array.views(),
            buffers: array.data_buffers(),
        };
        let encoded = encode_with(&table, texts, false).unwrap();
        assert_eq!(encoded.parameter, 2);
        let [head, lengths, bytes] = encoded.sections;
        assert_eq!(bytes, [long, short, ESCAPE, b'x', short]);
        // Lengths 2, 0, 3 in two bits: 256 bytes for the vector.
        let mut golden = vec![];
        for entry in [256_u64, 5, 5, 13] {
            golden.extend(entry.to_le_bytes());
        }
        let (first, second) = if long == 0 {
            (b"carefull", b"y \0\0\0\0\0\0")
        } else {
            (b"y \0\0\0\0\0\0", b"carefull")
        };
        golden.extend(first);
        golden.extend(second);
        golden.extend(if long == 0 { [8, 2] } else { [2, 8] });
        assert_eq!(head, golden);
        // Row 0 is bits 0 and 1 of word 0; rows 1 and 2 begin words 1 and 2.
        let mut packed = vec![0; 256];
        (packed[0], packed[8]) = (2, 3);
        assert_eq!(lengths, packed);
        // Compressed: the same table, lengths of one byte each, the same codes.
        let [head, lengths, codes] = encode_with(&table, texts, true).unwrap().sections;
        assert_eq!(head[32..], golden[32..]);
        let sizes = [lengths.len(), codes.len(), 5, 13].map(|size| size as u64);
        assert_eq!(head[..32], le_bytes(&sizes));
        assert_eq!(::zstd::bulk::decompress(&lengths, 4).unwrap(), [1, 2, 0, 3]);
        assert_eq!(::zstd::bulk::decompress(&codes, 5).unwrap(), bytes);
    }
}
