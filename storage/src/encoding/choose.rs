//! The chooser: which physical form a block takes, by a sample's size and the cost of decoding.

use super::bytedict::{BYTE_ENTRIES, Bytedict, ENTRIES_MAX, code_width};
use super::constant::ConstantEncoding;
use super::native::{Native, VECTOR_ROWS};
use super::text::Views;
use super::{Encoded, Encoding, Tag, Values, each_fixed, le_bytes};
use super::{az64, az64::Az64, lzo, lzo::Lzo, raw::RawEncoding, runlength::Runlength, zstd};
use crate::schema::EncodingName;

/// Vectors looked at per block.
const SAMPLE_VECTORS: usize = 8;
/// Bytes of text compressed to compare the compressors.
const SAMPLE_TEXT_BYTES: usize = 64 << 10;

/// Encodes a block's values as `name` asks, or as the sample says.
pub fn encode(name: EncodingName, values: Values<'_>) -> (Tag, Encoded) {
    if let Some(encoded) = ConstantEncoding.encode(values) {
        return (Tag::Constant, encoded);
    }
    let wished: &dyn Encoding = match name {
        EncodingName::Auto => return automatic(values),
        EncodingName::Raw => &RawEncoding,
        EncodingName::Az64
        | EncodingName::Delta
        | EncodingName::Delta32k
        | EncodingName::Mostly8
        | EncodingName::Mostly16
        | EncodingName::Mostly32 => &Az64,
        EncodingName::Bytedict => &Bytedict {
            entries_max: BYTE_ENTRIES,
        },
        EncodingName::Text255 | EncodingName::Text32k => &Bytedict {
            entries_max: ENTRIES_MAX,
        },
        EncodingName::Lzo => &Lzo,
        EncodingName::Runlength => &Runlength,
        EncodingName::Zstd => &zstd::Zstd,
    };
    match wished.encode(values) {
        Some(encoded) => (wished.tag(), encoded),
        None => automatic(values),
    }
}

fn automatic(values: Values<'_>) -> (Tag, Encoded) {
    let choice = match values {
        Values::I8(slice) => choose_packed(slice, values),
        Values::I16(slice) => choose_packed(slice, values),
        Values::I32(slice) => choose_packed(slice, values),
        Values::I64(slice) => choose_packed(slice, values),
        Values::I128(_) | Values::Bytes(_) => None,
    };
    let (tag, encoded) = match choice {
        Some(choice) => choice,
        None => choose_general(values),
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
    (packed * 10 < rows * T::BITS / 8 * 9).then(|| (Tag::Packed, Az64.encode(values)))
}

fn distinct_in(values: Values<'_>, entries_max: usize) -> Option<usize> {
    Bytedict { entries_max }
        .encode(values)
        .map(|encoded| encoded.firsts.len())
}

/// Chooses among a dictionary, plain values and the compressors, for anything.
fn choose_general(values: Values<'_>) -> Choice {
    let rows = values.len();
    let mut sampled = 0;
    let mut distinct = 0;
    let mut sample = Vec::new();
    for range in sample_ranges(rows) {
        let part = values.slice(range.start, range.len());
        sampled += part.len();
        distinct += distinct_in(part, ENTRIES_MAX).unwrap_or(part.len());
        if sample.len() < SAMPLE_TEXT_BYTES {
            // A single long text may outgrow the sample; what is over is not looked at.
            each_fixed!(part, slice => sample.extend(le_bytes(slice)), texts => sample.extend(bounded_chunk(texts)));
        }
    }
    // Values that repeat within 1 024 neighbours will repeat more over the block.
    if distinct * 2 <= sampled {
        let entries_max = ENTRIES_MAX.min(rows / 4 + 1);
        if let Some(encoded) = (Bytedict { entries_max }).encode(values) {
            return (Tag::Dictionary, Some(encoded));
        }
    }
    let lz4 = lz4_flex::block::compress(&sample).len();
    let best = if lz4 * 4 < sample.len() * 3 {
        lz4
    } else {
        sample.len()
    };
    let dense =
        ::zstd::bulk::compress(&sample, zstd::LEVEL).map_or(usize::MAX, |packed| packed.len());
    // Zstandard reads at a third of LZ4's speed: it must save a third.
    if dense.saturating_mul(3) < best * 2 {
        (Tag::Zstd, zstd::Zstd.encode(values))
    } else if lz4 == best {
        (Tag::Lz4, Lzo.encode(values))
    } else {
        (Tag::Raw, RawEncoding.encode(values))
    }
}

fn bounded_chunk(texts: Views<'_>) -> Vec<u8> {
    let mut bytes = 0;
    let count = texts.views.iter().take_while(|view| {
        bytes += **view as u32 as usize;
        bytes <= SAMPLE_TEXT_BYTES
    });
    let count = count.count().max(1).min(texts.views.len());
    lzo::text_chunk(Views {
        views: &texts.views[..count],
        buffers: texts.buffers,
    })
}
