//! The vector interface: one zone of one column, decoded only as far as its reader asks.
//!
//! A reader may take the still-encoded form (codes with their dictionary, runs, a constant) or have
//! the rows it picks decoded into a buffer it owns and reuses.

use super::{Block, Nulls};
use crate::encoding::bytedict::Dictionary;
use crate::encoding::fsst::{SymbolTexts, SymbolZone};
use crate::encoding::lzo::Chunk;
use crate::encoding::native::Native;
use crate::encoding::runlength::Runs;
use crate::encoding::{Body, Kind};
use crate::layout::row_group::ZONE_ROWS;
use arrow_buffer::{ArrowNativeType, BooleanBuffer, Buffer};
use std::sync::Arc;

/// Which rows of a zone are wanted.
#[derive(Clone, Copy, Debug)]
pub enum Picks<'a> {
    /// Every row.
    All,
    /// These offsets within the zone, ascending.
    Rows(&'a [u16]),
}

/// One zone of one column.
#[derive(Clone, Debug)]
pub struct ColumnVector {
    block: Arc<Block>,
    from: usize,
    rows: usize,
    open: Open,
}

/// What was decompressed of a zone to look into it.
#[derive(Clone, Debug)]
enum Open {
    /// Nothing: its values are read where they lie.
    Nothing,
    /// Plain values.
    Chunk(Chunk),
    /// Codes of symbols.
    Symbols(SymbolZone),
}

/// What can be read without decoding rows.
#[derive(Debug)]
pub enum Form<'a> {
    /// One value; a fixed-width one widened, or a text's bytes.
    Constant(i128, &'a [u8]),
    /// Codes into a dictionary, see [`ColumnVector::codes`].
    Codes(&'a Dictionary),
    /// Runs of equal values.
    Runs(&'a Runs),
    /// Rows one by one.
    Plain,
}

/// Counts the rows of a zone.
fn rows_of(block: &Block, zone: usize) -> Result<usize, String> {
    let rows = block.rows.saturating_sub(zone * ZONE_ROWS).min(ZONE_ROWS);
    match rows {
        0 => Err(format!("zone {zone} of a block of {} rows", block.rows)),
        rows => Ok(rows),
    }
}

impl ColumnVector {
    /// Looks at zone `zone` of `block`, decompressing it if need be.
    pub fn new(block: Arc<Block>, zone: usize) -> Result<Self, String> {
        let rows = rows_of(&block, zone)?;
        let open = match &block.body {
            Body::Compressed(chunks) => Open::Chunk(chunks.open_zone(zone, rows, block.kind)?),
            Body::Symbols(symbols) => Open::Symbols(symbols.open_zone(zone, rows)?),
            _ => Open::Nothing,
        };
        Self::with(block, zone, open)
    }

    /// Looks at zone `zone` of a compressed block that [`ColumnVector::open_chunk`] has opened.
    pub fn opened(block: Arc<Block>, zone: usize, chunk: Chunk) -> Result<Self, String> {
        Self::with(block, zone, Open::Chunk(chunk))
    }

    /// Decompresses zone `zone` of a compressed block.
    pub fn open_chunk(block: &Block, zone: usize) -> Result<Chunk, String> {
        match &block.body {
            Body::Compressed(chunks) => chunks.open_zone(zone, rows_of(block, zone)?, block.kind),
            _ => Err("a block that is not compressed has no chunks".to_owned()),
        }
    }

    fn with(block: Arc<Block>, zone: usize, open: Open) -> Result<Self, String> {
        Ok(ColumnVector {
            rows: rows_of(&block, zone)?,
            from: zone * ZONE_ROWS,
            block,
            open,
        })
    }

    /// Gives the block.
    pub fn block(&self) -> &Arc<Block> {
        &self.block
    }

    /// Counts the rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Gives the zone's first row within the block.
    pub fn first_row(&self) -> usize {
        self.from
    }

    /// Gives the still-encoded form. Nulls are apart, see [`ColumnVector::validity`].
    pub fn form(&self) -> Form<'_> {
        match &self.block.body {
            Body::Constant(constant) => Form::Constant(constant.fixed, constant.buffer.as_slice()),
            Body::Dictionary(dictionary) => Form::Codes(dictionary),
            Body::Runs(runs) => Form::Runs(runs),
            _ => Form::Plain,
        }
    }

    /// Tells whether every row is null.
    pub fn is_all_null(&self) -> bool {
        matches!(self.block.nulls, Nulls::All)
    }

    /// Gives a bit per row, set where there is a value; `None` if no row is null, or all are.
    pub fn validity(&self) -> Option<BooleanBuffer> {
        match &self.block.nulls {
            Nulls::Validity(bits) => Some(bits.slice(self.from, self.rows)),
            _ => None,
        }
    }

    /// Appends the codes of the picked rows.
    pub fn codes(&self, dictionary: &Dictionary, picks: Picks<'_>, out: &mut Vec<u16>) {
        match picks {
            Picks::All => {
                let start = out.len();
                out.resize(start + self.rows, 0);
                dictionary.codes(self.from, &mut out[start..]);
            }
            Picks::Rows(picks) => dictionary.gather(self.from, picks, out),
        }
    }

    /// Appends the picked rows of a fixed-width column, `T` being the type of its kind. Decimals
    /// kept in 64 bits lack their base, see [`Block::base`].
    pub fn fixed<T: Native>(&self, picks: Picks<'_>, out: &mut Vec<T>) {
        match (&self.block.body, picks) {
            (Body::Packed(packed), Picks::All) => {
                let start = out.len();
                out.resize(start + self.rows, T::default());
                packed.decode(self.from, &mut out[start..]);
            }
            (Body::Packed(packed), Picks::Rows(picks)) => packed.gather(self.from, picks, out),
            (Body::Decimals(decimals), Picks::All) => {
                let start = out.len();
                out.resize(start + self.rows, T::default());
                decimals.decode(self.from, &mut out[start..]);
            }
            (Body::Decimals(decimals), Picks::Rows(picks)) => {
                decimals.gather(self.from, picks, out);
            }
            (Body::Constant(constant), _) => {
                out.resize(
                    out.len() + self.count(picks),
                    T::narrow(constant.fixed as i64),
                );
            }
            _ => self.unpacked(picks, out),
        }
    }

    /// Appends the picked rows of a decimal column that does not fit 64 bits.
    pub fn wide(&self, picks: Picks<'_>, out: &mut Vec<i128>) {
        match &self.block.body {
            Body::Constant(constant) => out.resize(out.len() + self.count(picks), constant.fixed),
            _ => self.unpacked(picks, out),
        }
    }

    fn unpacked<T: ArrowNativeType>(&self, picks: Picks<'_>, out: &mut Vec<T>) {
        let plain = match &self.block.body {
            Body::Dictionary(dictionary) => {
                let mut codes = Vec::with_capacity(self.count(picks));
                self.codes(dictionary, picks, &mut codes);
                let entries: &[T] = dictionary.values.typed_data();
                return out.extend(codes.iter().map(|code| entries[usize::from(*code)]));
            }
            Body::Runs(runs) => {
                let values: &[T] = runs.values.typed_data();
                return match picks {
                    Picks::All => runs.each(self.from, self.rows, |run, rows| {
                        out.resize(out.len() + rows, values[run]);
                    }),
                    Picks::Rows(picks) => runs.pick(self.from, picks, |run| out.push(values[run])),
                };
            }
            Body::Raw(plain) => &plain.values.typed_data::<T>()[self.from..self.from + self.rows],
            _ => match &self.open {
                Open::Chunk(chunk) => chunk.bytes.typed_data::<T>(),
                _ => &[],
            },
        };
        match picks {
            Picks::All => out.extend_from_slice(plain),
            Picks::Rows(picks) => out.extend(picks.iter().map(|pick| plain[usize::from(*pick)])),
        }
    }

    /// Gives the values of a fixed-width column where they lie open, `T` being the type of its kind.
    pub fn plain<T: ArrowNativeType>(&self) -> Option<&[T]> {
        match (&self.block.body, &self.open) {
            (Body::Raw(plain), _) => {
                Some(&plain.values.typed_data()[self.from..self.from + self.rows])
            }
            (Body::Compressed(_), Open::Chunk(chunk)) => Some(chunk.bytes.typed_data()),
            _ => None,
        }
    }

    /// Gives the texts as symbols, if that is how they are kept.
    pub fn symbols(&self) -> Option<SymbolTexts<'_>> {
        match (&self.block.body, &self.open) {
            (Body::Symbols(block), Open::Symbols(zone)) => Some(SymbolTexts { block, zone }),
            _ => None,
        }
    }

    /// Appends the views of the picked rows of a text column, and to `buffers` what they point into
    /// if it is not there. No text is copied, but symbols are decoded, of the picked rows alone.
    pub fn texts(&self, picks: Picks<'_>, buffers: &mut Vec<Buffer>, views: &mut Vec<u128>) {
        let Some(symbols) = self.symbols() else {
            let index = self.share_text(buffers);
            return self.views(picks, index, views);
        };
        let index = buffers.len() as u32;
        buffers.push(match picks {
            Picks::All => symbols.decode_all(index, views),
            Picks::Rows(picks) => symbols.decode_rows(picks, index, views),
        });
    }

    /// Appends the buffer that views of this zone point into, if it is not the last; gives its index.
    pub fn share_text(&self, buffers: &mut Vec<Buffer>) -> u32 {
        let Some(buffer) = self.text_buffer() else {
            return 0;
        };
        let is_last = |last: &Buffer| last.as_ptr() == buffer.as_ptr();
        if !buffers.last().is_some_and(is_last) {
            buffers.push(buffer.clone());
        }
        (buffers.len() - 1) as u32
    }

    /// Gives the buffer that the views of this zone point into; `None` if none does.
    fn text_buffer(&self) -> Option<&Buffer> {
        match &self.block.body {
            Body::Constant(constant) => Some(&constant.buffer)
                .filter(|text| text.len() > crate::encoding::text::INLINE_BYTES),
            Body::Raw(plain) => Some(&plain.text),
            Body::Dictionary(dictionary) => {
                Some(&dictionary.text).filter(|_| !dictionary.is_inline)
            }
            Body::Runs(runs) => Some(&runs.text),
            Body::Compressed(_) => match &self.open {
                Open::Chunk(chunk) => Some(&chunk.bytes),
                _ => None,
            },
            Body::Packed(_) | Body::Decimals(_) | Body::Symbols(_) => None,
        }
    }

    /// Appends the views of texts that are not symbols, pointing into their buffer as number `index`.
    fn views(&self, picks: Picks<'_>, index: u32, out: &mut Vec<u128>) {
        let start = out.len();
        match &self.block.body {
            Body::Constant(constant) => out.resize(start + self.count(picks), constant.view),
            Body::Dictionary(dictionary) => {
                let mut codes = Vec::with_capacity(self.count(picks));
                self.codes(dictionary, picks, &mut codes);
                out.extend(
                    codes
                        .iter()
                        .map(|code| dictionary.views[usize::from(*code)]),
                );
            }
            Body::Runs(runs) => match picks {
                Picks::All => runs.each(self.from, self.rows, |run, rows| {
                    out.resize(out.len() + rows, runs.views[run]);
                }),
                Picks::Rows(picks) => runs.pick(self.from, picks, |run| out.push(runs.views[run])),
            },
            Body::Raw(plain) => match picks {
                Picks::All => {
                    out.extend((self.from..self.from + self.rows).map(|row| plain.view(row)))
                }
                Picks::Rows(picks) => {
                    out.extend(
                        picks
                            .iter()
                            .map(|pick| plain.view(self.from + usize::from(*pick))),
                    );
                }
            },
            _ => match (&self.open, picks) {
                (Open::Chunk(chunk), Picks::All) => out.extend_from_slice(chunk.views()),
                (Open::Chunk(chunk), Picks::Rows(picks)) => chunk.pick_views(picks, out),
                _ => {}
            },
        }
        if index > 0 && self.text_buffer().is_some() {
            for view in &mut out[start..] {
                *view = crate::encoding::text::rebase(*view, index);
            }
        }
    }

    /// Counts the rows picked.
    pub fn count(&self, picks: Picks<'_>) -> usize {
        match picks {
            Picks::All => self.rows,
            Picks::Rows(picks) => picks.len(),
        }
    }

    /// Gives the physical kind.
    pub fn kind(&self) -> Kind {
        self.block.kind
    }
}
