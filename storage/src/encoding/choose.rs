//! The chooser: which physical form a block takes, by a sample's size and the cost of decoding.
//!
//! What texts cost to decode was measured on the comments of TPC-H, in nanoseconds per byte on one
//! core; a form is as good as those times and what its bytes cost to read, together.

use super::bytedict::{BYTE_ENTRIES, Bytedict, ENTRIES_MAX, code_width};
use super::constant::ConstantEncoding;
use super::native::{Native, VECTOR_ROWS};
use super::text::Views;
use super::{Encoded, Encoding, Tag, Values, each_fixed, le_bytes};
use super::{
    alp, alp::Alp, az64, az64::Az64, az64::Shape, fsst, lzo, lzo::Lzo, raw::RawEncoding,
    runlength::Runlength, zstd,
};
use crate::schema::EncodingName;

/// Vectors looked at per block.
const SAMPLE_VECTORS: usize = 8;
/// Bytes of text compressed to compare the compressors.
const SAMPLE_TEXT_BYTES: usize = 64 << 10;
/// Texts of a block below which a table of symbols, 2 kB, is not tried.
const SYMBOLS_BYTES_MIN: usize = 16 << 10;
/// What a byte on disk is worth: reading it from a volume that gives a core 200 MB a second.
const NS_PER_BYTE_SAVED: f64 = 5.0;

/// Blocks of a column that take the form of the one before them, before all forms are compared again.
const FOLLOWERS_MAX: u32 = 16;

/// What a block of texts may take more than the one whose form it follows, for the bytes it has open.
const FOLLOWER_BYTES_TIMES: f64 = 1.05;

/// What the blocks before taught about the texts of a column: those written one after the other hardly differ, and to
/// compare all forms for each of them is an eighth of what writing them takes.
#[derive(Default)]
pub struct Precedent {
    form: Option<Form>,
}

/// The precedents of a table's columns, in table order; they go on from row group to row group.
#[derive(Default)]
pub struct Precedents(Vec<Precedent>);

impl Precedents {
    /// Gives that of a column.
    pub fn of_column(&mut self, index: usize) -> &mut Precedent {
        if self.0.len() <= index {
            self.0.resize_with(index + 1, Precedent::default);
        }
        &mut self.0[index]
    }
}

struct Form {
    tag: Tag,
    symbols: Option<fsst::Table>,
    /// Bytes encoded per byte open.
    ratio: f64,
    followers_left: u32,
}

/// Encodes a block's values as `name` asks, or as the sample says; see [`Precedent`].
///
/// `is_float` says that integers are the bits of floats.
pub fn encode(
    name: EncodingName,
    values: Values<'_>,
    is_float: bool,
    precedent: &mut Precedent,
) -> (Tag, Encoded) {
    if let Some(encoded) = ConstantEncoding.encode(values) {
        return (Tag::Constant, encoded);
    }
    let wished: &dyn Encoding = match name {
        EncodingName::Auto => return automatic(values, is_float, precedent),
        EncodingName::Raw => &RawEncoding,
        EncodingName::Az64 => &Az64 { shape: Shape::Best },
        EncodingName::Delta => &Az64 {
            shape: Shape::Delta(8),
        },
        EncodingName::Delta32k => &Az64 {
            shape: Shape::Delta(16),
        },
        EncodingName::Mostly8 => &Az64 {
            shape: Shape::Mostly(8),
        },
        EncodingName::Mostly16 => &Az64 {
            shape: Shape::Mostly(16),
        },
        EncodingName::Mostly32 => &Az64 {
            shape: Shape::Mostly(32),
        },
        EncodingName::Bytedict => &Bytedict {
            entries_max: BYTE_ENTRIES,
        },
        EncodingName::Text255 | EncodingName::Text32k => {
            return held(words(values)).unwrap_or_else(|| automatic(values, is_float, precedent));
        }
        EncodingName::Lzo => &Lzo,
        EncodingName::Runlength => &Runlength,
        EncodingName::Zstd => {
            return held(Some(compress(values)))
                .unwrap_or_else(|| automatic(values, is_float, precedent));
        }
    };
    match wished.encode(values) {
        Some(encoded) => (wished.tag(), encoded),
        None => automatic(values, is_float, precedent),
    }
}

fn held(choice: Option<Choice>) -> Option<(Tag, Encoded)> {
    choice.and_then(|(tag, encoded)| Some((tag, encoded?)))
}

fn automatic(values: Values<'_>, is_float: bool, precedent: &mut Precedent) -> (Tag, Encoded) {
    let choice = match values {
        _ if is_float => choose_float(values),
        Values::I8(slice) => choose_packed(slice, values),
        Values::I16(slice) => choose_packed(slice, values),
        Values::I32(slice) => choose_packed(slice, values),
        Values::I64(slice) => choose_packed(slice, values),
        Values::I128(_) | Values::Bytes(_) => None,
    };
    let (tag, encoded) = match choice {
        Some(choice) => choice,
        None => choose_general(values, precedent),
    };
    match encoded {
        Some(encoded) => (tag, encoded),
        // Plain values hold anything a writer's buffer can.
        None => (Tag::Raw, RawEncoding.encode(values).unwrap_or_default()),
    }
}

/// Gives up to [`SAMPLE_VECTORS`] runs of up to 1 024 neighbours, spread over `rows`.
fn sample_ranges(rows: usize) -> impl Iterator<Item = std::ops::Range<usize>> {
    let vectors = rows.div_ceil(VECTOR_ROWS);
    let step = vectors.div_ceil(SAMPLE_VECTORS).max(1);
    (0..vectors)
        .step_by(step)
        .map(move |vector| vector * VECTOR_ROWS..((vector + 1) * VECTOR_ROWS).min(rows))
}

type Choice = (Tag, Option<Encoded>);

/// Chooses among bit-packing, runs and a dictionary; `None` if packing saves nothing.
fn choose_packed<T: Native>(slice: &[T], values: Values<'_>) -> Option<Choice> {
    let (mut rows, mut packed, mut runs) = (0, 0, 0);
    for range in sample_ranges(slice.len()) {
        let part = &slice[range];
        rows += part.len();
        packed += az64::vector_bytes(part);
        runs += 1 + part.windows(2).filter(|pair| pair[0] != pair[1]).count();
    }
    let run_bytes = runs * (4 + T::BITS / 8);
    // Sixteen rows a run: from there on filling runs is faster than unpacking.
    if runs * 16 < rows && run_bytes < packed {
        return Some((Tag::Runs, Runlength.encode(values)));
    }
    // A dictionary costs a look-up per row: it must save a quarter of at least five bits.
    if packed * 8 > rows * 5 && T::BITS > 8 {
        let part: Vec<T> = sample_ranges(slice.len())
            .flat_map(|range| slice[range].iter().copied())
            .collect();
        let distinct = distinct_in(
            Values::I64(&part.iter().map(|value| value.widen()).collect::<Vec<_>>()),
            BYTE_ENTRIES,
        );
        if let Some(distinct) = distinct
            && code_width(distinct) * rows * 4 < packed * 8 * 3
            && let Some(encoded) = (Bytedict {
                entries_max: BYTE_ENTRIES,
            })
            .encode(values)
        {
            return Some((Tag::Dictionary, Some(encoded)));
        }
    }
    (packed * 10 < rows * T::BITS / 8 * 9)
        .then(|| (Tag::Packed, Az64 { shape: Shape::Best }.encode(values)))
}

/// Chooses for floats: runs, a dictionary, or integers; `None` if none of them saves much.
fn choose_float(values: Values<'_>) -> Option<Choice> {
    let open = values.len() * values.kind().width();
    let runs = each_fixed!(values, slice => {
        let pairs = slice.windows(2);
        1 + pairs.filter(|pair| pair[0] != pair[1]).count()
    }, _texts => values.len());
    if runs * 16 < values.len() {
        return Some((Tag::Runs, Runlength.encode(values)));
    }
    let entries_max = BYTE_ENTRIES;
    let few = sample_distinct(values) <= BYTE_ENTRIES;
    let dictionary = few
        .then(|| Bytedict { entries_max }.encode(values))
        .flatten();
    let integers = alp::estimated_bytes(values).filter(|bytes| bytes * 10 < open * 9);
    match (dictionary, integers) {
        (Some(encoded), Some(bytes)) if bytes < encoded.bytes() => {
            Some((Tag::Alp, Alp.encode(values)))
        }
        (Some(encoded), _) => Some((Tag::Dictionary, Some(encoded))),
        (None, Some(_)) => Some((Tag::Alp, Alp.encode(values))),
        (None, None) => None,
    }
}

/// Counts the distinct values of the sample, up to one more than a byte names.
fn sample_distinct(values: Values<'_>) -> usize {
    let ranges = sample_ranges(values.len());
    let distinct = ranges.map(|range| {
        let part = values.slice(range.start, range.len());
        distinct_in(part, BYTE_ENTRIES).unwrap_or(BYTE_ENTRIES + 1)
    });
    distinct.max().unwrap_or(0)
}

fn distinct_in(values: Values<'_>, entries_max: usize) -> Option<usize> {
    Bytedict { entries_max }
        .encode(values)
        .map(|encoded| encoded.firsts.len())
}

/// Chooses among a dictionary, plain values, symbols and the compressors, for anything.
fn choose_general(values: Values<'_>, precedent: &mut Precedent) -> Choice {
    let rows = values.len();
    let (mut sampled, mut distinct) = (0, 0);
    for range in sample_ranges(rows) {
        let part = values.slice(range.start, range.len());
        sampled += part.len();
        distinct += distinct_in(part, ENTRIES_MAX).unwrap_or(part.len());
    }
    // Values that repeat within 1 024 neighbours will repeat more over the block.
    let dictionary = (distinct * 2 <= sampled).then(|| {
        let entries_max = ENTRIES_MAX.min(rows / 4 + 1);
        (Bytedict { entries_max }).encode(values)
    });
    let (dictionary, width) = (dictionary.flatten(), values.kind().width());
    each_fixed!(values, slice => match dictionary {
        Some(encoded) => (Tag::Dictionary, Some(encoded)),
        None => choose_bytes(&sample_of(slice), slice.len() * width, values),
    }, texts => match dictionary {
        None => precedent.follow(texts).unwrap_or_else(|| choose_text(texts, None, precedent)),
        dictionary => choose_text(texts, dictionary, precedent),
    })
}

fn sample_of<T: arrow_buffer::ArrowNativeType>(slice: &[T]) -> Vec<u8> {
    let ranges = sample_ranges(slice.len());
    ranges.flat_map(|range| le_bytes(&slice[range])).collect()
}

/// What a text that is not in a dictionary costs: its view is made, and whatever groups, joins or
/// compares it looks at the text rather than at a code.
const NS_PER_TEXT: f64 = 4.0;

/// The values of a block when they are open.
#[derive(Clone, Copy)]
struct Open {
    bytes: f64,
    /// Zero where the values are not texts.
    texts: f64,
}

/// Gives what a form costs: its bytes on disk, and the time that `open` takes to come out of it.
fn cost(tag: Tag, bytes: f64, open: Open) -> f64 {
    let ns_per_byte = match tag {
        Tag::Constant | Tag::Raw | Tag::Packed | Tag::Dictionary | Tag::Runs => 0.05,
        Tag::Alp => 0.1,
        Tag::Fsst => 0.25,
        Tag::Lz4 => 0.5,
        Tag::FsstZstd => 0.6,
        Tag::Zstd => 0.9,
    };
    let ns_per_text = match tag {
        Tag::Constant | Tag::Dictionary | Tag::Runs => 0.5,
        _ => NS_PER_TEXT,
    };
    bytes * NS_PER_BYTE_SAVED + open.bytes * ns_per_byte + open.texts * ns_per_text
}

/// Keeps the cheapest of what it is shown.
struct Cheapest {
    tag: Tag,
    cost: f64,
}

impl Cheapest {
    fn plain(bytes: f64, open: Open) -> Self {
        Cheapest {
            tag: Tag::Raw,
            cost: cost(Tag::Raw, bytes, open),
        }
    }

    fn see(&mut self, tag: Tag, bytes: f64, open: Open) {
        let cost = cost(tag, bytes, open);
        if cost < self.cost {
            *self = Cheapest { tag, cost };
        }
    }

    fn see_compressors(&mut self, sample: &[u8], scale: f64, open: Open) {
        let lz4 = lz4_flex::block::compress(sample).len();
        self.see(Tag::Lz4, lz4 as f64 * scale, open);
        if let Ok(packed) = ::zstd::bulk::compress(sample, zstd::LEVEL) {
            self.see(Tag::Zstd, packed.len() as f64 * scale, open);
        }
    }
}

fn choose_bytes(sample: &[u8], open: usize, values: Values<'_>) -> Choice {
    let scale = open as f64 / sample.len().max(1) as f64;
    let open = Open {
        bytes: open as f64,
        texts: 0.0,
    };
    let mut best = Cheapest::plain(open.bytes, open);
    best.see_compressors(sample, scale, open);
    let encoded = match best.tag {
        Tag::Zstd => zstd::Zstd.encode(values),
        Tag::Lz4 => Lzo.encode(values),
        _ => RawEncoding.encode(values),
    };
    (best.tag, encoded)
}

/// Estimates of what texts take in each form, scaled up from a sample.
struct TextSample<'a> {
    texts: Views<'a>,
    /// The sample laid out as the compressors get it.
    chunk: Vec<u8>,
    scale: f64,
    open: Open,
    /// Trained on the whole block; `None` if that is too little for a table to pay.
    symbols: Option<Symbols>,
}

struct Symbols {
    table: fsst::Table,
    bytes: f64,
    dense_bytes: f64,
}

impl<'a> TextSample<'a> {
    fn new(texts: Views<'a>) -> Self {
        let mut views: Vec<u128> = Vec::new();
        for range in sample_ranges(texts.views.len()) {
            let mut bytes = 0;
            let fits = texts.views[range].iter().take_while(|view| {
                bytes += **view as u32 as usize;
                bytes <= SAMPLE_TEXT_BYTES / SAMPLE_VECTORS
            });
            views.extend(fits);
        }
        if views.is_empty() {
            // One text of any length is looked at.
            views.extend(texts.views.first());
        }
        let sample = Views {
            views: &views,
            buffers: texts.buffers,
        };
        let open = texts.total_bytes();
        let scale = open as f64 / sample.total_bytes().max(1) as f64;
        TextSample {
            texts,
            chunk: lzo::text_chunk(sample),
            scale,
            open: Open {
                bytes: open as f64,
                texts: texts.views.len() as f64,
            },
            symbols: (open >= SYMBOLS_BYTES_MIN).then(|| Symbols::new(texts, sample, scale)),
        }
    }

    fn encode(&self, tag: Tag) -> Option<Encoded> {
        let values = Values::Bytes(self.texts);
        match (tag, &self.symbols) {
            (Tag::Fsst | Tag::FsstZstd, Some(symbols)) => {
                fsst::encode_with(&symbols.table, self.texts, tag == Tag::FsstZstd)
            }
            (Tag::Zstd, _) => zstd::Zstd.encode(values),
            (Tag::Lz4, _) => Lzo.encode(values),
            _ => RawEncoding.encode(values),
        }
    }
}

impl Symbols {
    fn new(texts: Views<'_>, sample: Views<'_>, scale: f64) -> Self {
        let table = fsst::train(texts);
        let mut coded = fsst::Coded::default();
        coded.fill(&table, sample);
        let table_bytes = table.bytes() as f64;
        let dense = fsst::compressed_bytes(&coded).unwrap_or(usize::MAX);
        let plain = coded.codes.len() + coded.packed_lengths().len();
        Symbols {
            table,
            bytes: plain as f64 * scale + table_bytes,
            dense_bytes: dense as f64 * scale + table_bytes,
        }
    }
}

fn choose_text(texts: Views<'_>, dictionary: Option<Encoded>, precedent: &mut Precedent) -> Choice {
    let sample = TextSample::new(texts);
    let open = sample.open;
    let mut best = Cheapest::plain(open.bytes + open.texts * 4.0, open);
    best.see_compressors(&sample.chunk, sample.scale, open);
    if let Some(symbols) = &sample.symbols {
        best.see(Tag::Fsst, symbols.bytes, open);
        best.see(Tag::FsstZstd, symbols.dense_bytes, open);
    }
    match dictionary {
        Some(encoded) if cost(Tag::Dictionary, encoded.bytes() as f64, open) <= best.cost => {
            (Tag::Dictionary, Some(encoded))
        }
        _ => {
            let encoded = sample.encode(best.tag);
            precedent.set(best.tag, sample, encoded.as_ref());
            (best.tag, encoded)
        }
    }
}

impl Precedent {
    fn set(&mut self, tag: Tag, sample: TextSample<'_>, encoded: Option<&Encoded>) {
        self.form = encoded.map(|encoded| Form {
            tag,
            symbols: sample.symbols.map(|symbols| symbols.table),
            ratio: encoded.bytes() as f64 / sample.open.bytes.max(1.0),
            followers_left: FOLLOWERS_MAX,
        });
    }

    /// Encodes texts as those before them, unless they then take more than those did.
    fn follow(&mut self, texts: Views<'_>) -> Option<Choice> {
        let form = self.form.as_mut()?;
        form.followers_left = form.followers_left.checked_sub(1)?;
        let values = Values::Bytes(texts);
        let encoded = match (form.tag, &form.symbols) {
            (Tag::Fsst | Tag::FsstZstd, Some(table)) => {
                fsst::encode_with(table, texts, form.tag == Tag::FsstZstd)
            }
            (Tag::Zstd, _) => zstd::Zstd.encode(values),
            (Tag::Lz4, _) => Lzo.encode(values),
            _ => None,
        }?;
        let bytes_max = texts.total_bytes() as f64 * form.ratio * FOLLOWER_BYTES_TIMES;
        (encoded.bytes() as f64 <= bytes_max).then_some((form.tag, Some(encoded)))
    }
}

/// ZSTD: over texts, or over their symbols where that is smaller.
fn compress(values: Values<'_>) -> Choice {
    if let Values::Bytes(texts) = values {
        let sample = TextSample::new(texts);
        let plain = ::zstd::bulk::compress(&sample.chunk, zstd::LEVEL);
        let plain = plain.map_or(f64::INFINITY, |packed| packed.len() as f64 * sample.scale);
        if sample
            .symbols
            .as_ref()
            .is_some_and(|found| found.dense_bytes <= plain)
        {
            return (Tag::FsstZstd, sample.encode(Tag::FsstZstd));
        }
    }
    (Tag::Zstd, zstd::Zstd.encode(values))
}

/// TEXT255, TEXT32K: a dictionary, or symbols where there are too many texts for one.
fn words(values: Values<'_>) -> Option<Choice> {
    let entries_max = ENTRIES_MAX.min(values.len() / 2 + 1);
    if let Some(encoded) = (Bytedict { entries_max }).encode(values) {
        return Some((Tag::Dictionary, Some(encoded)));
    }
    let Values::Bytes(texts) = values else {
        return None;
    };
    let sample = TextSample::new(texts);
    let symbols = sample.symbols.as_ref()?;
    (symbols.bytes < sample.open.bytes).then(|| (Tag::Fsst, sample.encode(Tag::Fsst)))
}
