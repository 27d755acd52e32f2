//! Texts into codes: at each place the longest symbol that fits, else an escaped byte.
//!
//! What a step consumes is known only when its look-ups are done, so one text after the other waits for memory all
//! the time. Several texts are coded side by side instead, and no branch depends on which symbol it is: a text is
//! followed by zero bytes, which no symbol of the table holds, so a step never runs past its end.
//!
//! Benchmark: `benches/micro/merge.rs`.

use super::ESCAPE;
use crate::encoding::text::append;
use fsst::Compressor;

/// Texts coded side by side.
const LANES: usize = 4;
/// Bytes looked at in a step, and zero bytes after each text.
const WORD_BYTES: usize = 8;
/// Places of symbols of three bytes and more, by a hash of the first three.
const PLACES: usize = 1 << 11;
/// Codes and what they consume are kept in one word: the code, then the bytes it stands for, then whether the byte
/// itself follows.
const LENGTH_SHIFT: u32 = 8;
const ESCAPE_SHIFT: u32 = 12;

/// Memory used again from zone to zone.
#[derive(Default)]
pub(super) struct Scratch {
    /// The texts, each followed by zero bytes.
    padded: Vec<u8>,
    text_ends: Vec<usize>,
    out: Vec<u8>,
    code_ends: Vec<usize>,
}

/// The symbols of a table, as they are looked up.
pub(super) struct Coder {
    /// By the next two bytes: the symbol of two, of one, or an escape.
    short: Box<[u16; 1 << 16]>,
    /// By the next three bytes: a longer symbol that may stand there.
    long: Box<[Long; PLACES]>,
}

#[derive(Clone, Copy)]
struct Long {
    symbol: u64,
    /// Bits of the next eight bytes that do not belong to the symbol.
    ignored_bits: u16,
    step: u16,
}

fn place_of(word: u64) -> usize {
    let start = word & 0xFF_FFFF;
    (start.wrapping_mul(2_971_215_073) ^ (start >> 15)) as usize % PLACES
}

fn step(code: u8, length: usize) -> u16 {
    u16::from(code) | (length as u16) << LENGTH_SHIFT
}

impl Coder {
    /// Prepares a table; `None` if a symbol of it holds a zero byte.
    pub(super) fn new(table: &Compressor) -> Option<Self> {
        let lengths = table
            .symbol_lengths()
            .iter()
            .map(|length| usize::from(*length));
        let symbols = table.symbol_table().iter().map(|symbol| symbol.to_u64());
        let symbols: Vec<(u8, u64, usize)> = symbols
            .zip(lengths)
            .zip(0..)
            .map(|((symbol, length), code)| (code, symbol, length))
            .collect();
        let holds_zero = |(_, symbol, length): &(u8, u64, usize)| {
            symbol
                .to_le_bytes()
                .iter()
                .take(*length)
                .any(|byte| *byte == 0)
        };
        if symbols.iter().any(holds_zero) {
            return None;
        }
        let escape = step(ESCAPE, 1) | 1 << ESCAPE_SHIFT;
        let mut short: Box<[u16; 1 << 16]> = vec![escape; 1 << 16].try_into().ok()?;
        // An empty place holds what is not looked for there: the word 0 starts at place 0.
        let empty = |place| Long {
            symbol: u64::from(place == 0),
            ignored_bits: 0,
            step: 0,
        };
        let mut long: Box<[Long; PLACES]> =
            (0..PLACES).map(empty).collect::<Vec<_>>().try_into().ok()?;
        for (code, symbol, _) in symbols.iter().filter(|symbol| symbol.2 == 1) {
            for next in 0..=0xFF_usize {
                short[next << 8 | (*symbol as usize & 0xFF)] = step(*code, 1);
            }
        }
        for (code, symbol, _) in symbols.iter().filter(|symbol| symbol.2 == 2) {
            short[*symbol as usize & 0xFFFF] = step(*code, 2);
        }
        let mut rest: Vec<_> = symbols.iter().filter(|symbol| symbol.2 > 2).collect();
        // Of two for one place the longer one stays.
        rest.sort_by_key(|symbol| symbol.2);
        for (code, symbol, length) in rest {
            long[place_of(*symbol)] = Long {
                symbol: *symbol,
                ignored_bits: (64 - 8 * length) as u16,
                step: step(*code, *length),
            };
        }
        Some(Self { short, long })
    }

    /// Appends the codes of texts to `codes`, and to `ends` where the codes of each end. Each text is what its slice begins
    /// with, so many bytes.
    pub(super) fn encode<'t>(
        &self,
        texts: impl Iterator<Item = (&'t [u8], usize)>,
        scratch: &mut Scratch,
        codes: &mut Vec<u8>,
        ends: &mut Vec<u64>,
    ) {
        let Scratch {
            padded,
            text_ends,
            out,
            code_ends,
        } = scratch;
        padded.clear();
        text_ends.clear();
        for (ahead, length) in texts {
            append(padded, ahead, length);
            text_ends.push(padded.len());
            padded.extend_from_slice(&[0; WORD_BYTES]);
        }
        // What they hold from before is written over.
        out.resize(out.len().max(padded.len() * 2 + LANES * 2), 0);
        code_ends.resize(code_ends.len().max(text_ends.len() + LANES), 0);
        // Each lane has a stretch of texts, and room for the worst their codes may take.
        let per_lane = text_ends.len().div_ceil(LANES).max(1);
        let (mut rest_out, mut rest_ends) = (out.as_mut_slice(), code_ends.as_mut_slice());
        let mut from = 0;
        let mut lanes: Vec<Lane<'_>> = Vec::with_capacity(LANES);
        for stretch in text_ends.chunks(per_lane) {
            let to = stretch.last().copied().unwrap_or(from) + WORD_BYTES;
            let text_bytes = to - from - stretch.len() * WORD_BYTES;
            let (lane_out, after) = rest_out.split_at_mut(text_bytes * 2 + 2);
            rest_out = after;
            let (lane_ends, after) = rest_ends.split_at_mut(stretch.len() + 1);
            rest_ends = after;
            lanes.push(Lane::new(
                &padded[from..to],
                from,
                stretch,
                lane_out,
                lane_ends,
            ));
            from = to;
        }
        if let [one, two, three, four] = lanes.as_mut_slice() {
            while one.has_text() && two.has_text() && three.has_text() && four.has_text() {
                one.step(self);
                two.step(self);
                three.step(self);
                four.step(self);
            }
        }
        for lane in &mut lanes {
            while lane.has_text() {
                lane.step(self);
            }
            let before = codes.len() as u64;
            let lane_ends = &lane.code_ends[..lane.text_ends.len()];
            ends.extend(lane_ends.iter().map(|end| before + *end as u64));
            codes.extend_from_slice(&lane.out[..lane.out_at]);
        }
    }
}

/// A stretch of texts at work.
struct Lane<'a> {
    /// The texts, each with its zero bytes.
    padded: &'a [u8],
    /// Where `padded` begins in what `text_ends` counts.
    base: usize,
    text_ends: &'a [usize],
    out: &'a mut [u8],
    code_ends: &'a mut [usize],
    row: usize,
    /// Where the text ends that is worked on.
    end: usize,
    at: usize,
    out_at: usize,
}

impl<'a> Lane<'a> {
    fn new(
        padded: &'a [u8],
        base: usize,
        text_ends: &'a [usize],
        out: &'a mut [u8],
        code_ends: &'a mut [usize],
    ) -> Self {
        let end = text_ends.first().map_or(0, |end| end - base);
        let mut lane = Self {
            padded,
            base,
            text_ends,
            out,
            code_ends,
            row: 0,
            end,
            at: 0,
            out_at: 0,
        };
        lane.next_text();
        lane
    }

    #[inline(always)]
    fn has_text(&self) -> bool {
        self.row < self.text_ends.len()
    }

    /// Codes one symbol, and goes to the next text at the end of one. There is a text left, which is not empty.
    #[inline(always)]
    fn step(&mut self, coder: &Coder) {
        let word = match self.padded[self.at..].first_chunk::<WORD_BYTES>() {
            Some(bytes) => u64::from_le_bytes(*bytes),
            None => 0,
        };
        let short = coder.short[word as usize & 0xFFFF];
        let long = &coder.long[place_of(word)];
        // No branch: which it is cannot be foretold.
        let is_long = u16::from((word ^ long.symbol) << long.ignored_bits == 0);
        let step = short ^ ((short ^ long.step) & is_long.wrapping_neg());
        if let Some(out) = self.out[self.out_at..].first_chunk_mut::<2>() {
            // The byte itself counts after an escape, else the next code takes its place.
            *out = [step as u8, word as u8];
        }
        self.at += usize::from(step >> LENGTH_SHIFT) & 0xF;
        self.out_at += 1 + usize::from(step >> ESCAPE_SHIFT);
        if self.at >= self.end {
            self.next_text();
        }
    }

    /// Ends the text at hand and all empty ones that follow it.
    #[inline]
    fn next_text(&mut self) {
        while self.at >= self.end {
            self.code_ends[self.row] = self.out_at;
            self.row += 1;
            let Some(end) = self.text_ends.get(self.row) else {
                return;
            };
            self.at = self.end + WORD_BYTES;
            self.end = end - self.base;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fsst::{CompressorBuilder, Symbol};
    use proptest::prelude::*;

    fn check(table: &Compressor, texts: &[&[u8]]) {
        let coder = Coder::new(table).expect("no zero in a symbol");
        let (mut codes, mut ends) = (vec![7, 7], vec![2]);
        coder.encode(
            texts.iter().map(|text| (*text, text.len())),
            &mut Scratch::default(),
            &mut codes,
            &mut ends,
        );
        assert_eq!(ends.len(), texts.len() + 1);
        let decompressor = table.decompressor();
        for (text, pair) in texts.iter().zip(ends.windows(2)) {
            let own = &codes[pair[0] as usize..pair[1] as usize];
            assert_eq!(decompressor.decompress(own), *text);
        }
        assert_eq!(ends.last(), Some(&(codes.len() as u64)));
    }

    proptest! {
        #[test]
        fn codes_stand_for_the_texts(
            texts in prop::collection::vec("[ab\\x00é]{0,20}|carefully [a-z]{0,3}", 0..60)
        ) {
            let texts: Vec<&[u8]> = texts.iter().map(|text| text.as_bytes()).collect();
            let without_zero: Vec<&[u8]> =
                texts.iter().copied().filter(|text| !text.contains(&0)).collect();
            check(&Compressor::train(&without_zero), &texts);
        }
    }

    #[test]
    fn the_longest_symbol_is_taken() {
        let mut builder = CompressorBuilder::new();
        for (symbol, length) in [
            (b"carefull", 8),
            (b"ca\0\0\0\0\0\0", 2),
            (b"y \0\0\0\0\0\0", 2),
        ] {
            builder.insert(Symbol::from_slice(symbol), length);
        }
        let table = builder.build();
        let coder = Coder::new(&table).unwrap();
        let (mut codes, mut ends) = (Vec::new(), Vec::new());
        let texts = [&b"carefully "[..], b"", b"ca", b"x"];
        coder.encode(
            texts.into_iter().map(|text| (text, text.len())),
            &mut Scratch::default(),
            &mut codes,
            &mut ends,
        );
        assert_eq!(ends, [2, 2, 3, 5]);
        assert_eq!(codes[3..], [ESCAPE, b'x']);
        check(&table, &[b"", b"", b""]);
        check(&table, &[]);
    }

    #[test]
    fn a_symbol_with_a_zero_byte_is_left_to_others() {
        let mut builder = CompressorBuilder::new();
        builder.insert(Symbol::from_slice(b"a\0b\0\0\0\0\0"), 3);
        assert!(Coder::new(&builder.build()).is_none());
    }
}
