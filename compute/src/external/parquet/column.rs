//! A flat column of a row group: its pages are known at once, and only those with rows that are wanted are taken out of
//! compression. Rows are read in windows that only go forward.

use super::codes::Codes;
use super::page::{PageBytes, PageHeader, PageKind, Unpacker, damaged};
use super::values::{Kind, NULL, Physical, Values};
use arrow::array::ArrayRef;
use arrow::buffer::NullBuffer;
use bytes::Bytes;
use datafusion::parquet::basic::CompressionCodec;
use datafusion::parquet::errors::Result;
use std::collections::VecDeque;
use std::ops::Range;

/// Pages that a column of a row group may have.
const PAGES_MAX: usize = 1 << 20;

/// What is known of a column before it is read.
#[derive(Clone, Debug)]
pub(super) struct ColumnPlan {
    pub(super) kind: Kind,
    pub(super) has_nulls: bool,
    pub(super) codec: CompressionCodec,
}

/// A page that was not yet read.
struct NextPage {
    header: PageHeader,
    packed: Bytes,
    rows: Range<usize>,
}

/// How the values of a page are found.
enum Place {
    /// At a byte, as they are.
    Plain(usize),
    /// At a bit of the page.
    Bits(usize),
    /// Codes of the dictionary.
    Coded(Codes),
    /// Bits in runs.
    BitRuns(Codes),
}

/// A page that is read.
struct Page {
    rows: Range<usize>,
    levels: Option<Codes>,
    place: Place,
    /// Whether every byte is ASCII, the lengths of texts among them: then so is each text.
    is_ascii: bool,
}

/// The column. See the module.
pub(super) struct Column {
    kind: Kind,
    has_nulls: bool,
    unpacker: Unpacker,
    next: VecDeque<NextPage>,
    page: Option<Page>,
    bytes: PageBytes,
    dictionary: Option<Values>,
    /// Whether every page holds codes of the dictionary.
    is_coded: bool,
    /// Codes of the rows of a window, nulls as the code behind the last.
    codes: Vec<u32>,
    codes_of: Range<usize>,
    scratch: Vec<u32>,
}

impl Column {
    /// Looks through a chunk of `rows` rows.
    pub(super) fn open(plan: &ColumnPlan, chunk: &Bytes, rows: usize) -> Result<Self> {
        let mut column = Self {
            kind: plan.kind.clone(),
            has_nulls: plan.has_nulls,
            unpacker: Unpacker::new(plan.codec),
            next: VecDeque::new(),
            page: None,
            bytes: PageBytes::default(),
            dictionary: None,
            is_coded: true,
            codes: Vec::new(),
            codes_of: 0..0,
            scratch: Vec::new(),
        };
        let (mut at, mut row) = (0, 0);
        while row < rows {
            let (header, length) = PageHeader::read(chunk.get(at..).unwrap_or_default())?;
            let begin = at + length;
            at = begin.saturating_add(header.compressed_bytes()?);
            if at > chunk.len() || column.next.len() >= PAGES_MAX {
                return Err(damaged("a page is longer than its column"));
            }
            let packed = chunk.slice(begin..at);
            match header.kind() {
                PageKind::Dictionary => column.read_dictionary(&header, packed)?,
                PageKind::Other => {}
                PageKind::First | PageKind::Second => {
                    let end = row.saturating_add(header.values()?).min(rows);
                    column.is_coded &= matches!(header.encoding(), 2 | 8);
                    column.next.push_back(NextPage {
                        header,
                        packed,
                        rows: row..end,
                    });
                    row = end;
                }
            }
        }
        column.is_coded &= column.dictionary.is_some();
        Ok(column)
    }

    fn read_dictionary(&mut self, header: &PageHeader, packed: Bytes) -> Result<()> {
        let count = header.values()?;
        self.bytes.fill(header, packed, &mut self.unpacker)?;
        let bytes = self.bytes.get();
        let mut values = self.kind.values(None);
        match self.kind.width() {
            Some(width) => {
                let bytes = bytes.get(..count.saturating_mul(width));
                let bytes = bytes.ok_or_else(|| damaged("a dictionary ends too early"))?;
                self.kind.push_fixed(&mut values, bytes, None);
            }
            None if self.kind.physical == Physical::Bytes => {
                let is_ascii = bytes.is_ascii();
                self.kind
                    .push_texts(&mut values, (bytes, is_ascii), count, None)?;
            }
            None => return Err(damaged("booleans have a dictionary")),
        }
        values.share();
        self.dictionary = Some(values);
        Ok(())
    }

    /// Gives the values of the dictionary, and a null behind them, if all rows are codes of it.
    pub(super) fn dictionary(&self) -> Result<Option<ArrayRef>> {
        let (Some(dictionary), true) = (&self.dictionary, self.is_coded) else {
            return Ok(None);
        };
        let count = dictionary.len() as u32;
        let mut values = self.kind.values(Some(dictionary));
        values.push_coded(dictionary, 0..=count);
        let nulls: NullBuffer = (0..=count).map(|code| code != count).collect();
        self.kind.array(values, Some(nulls)).map(Some)
    }

    /// Tells how many values the dictionary has if all rows are codes of it.
    pub(super) fn dictionary_len(&self) -> Option<usize> {
        let dictionary = self.dictionary.as_ref().filter(|_| self.is_coded);
        dictionary.map(Values::len)
    }

    /// Reads the codes of all rows of a window; only of a column whose rows all are codes.
    pub(super) fn codes(&mut self, window: Range<usize>) -> Result<&[u32]> {
        if self.codes_of != window {
            let mut codes = std::mem::take(&mut self.codes);
            codes.clear();
            codes.resize(window.len(), 0);
            let mut row = window.start;
            while row < window.end {
                let end = self.seek(row)?.min(window.end);
                let room = codes.get_mut(row - window.start..end - window.start);
                self.read_codes(row..end, room.unwrap_or_default())?;
                row = end;
            }
            self.codes = codes;
            self.codes_of = window;
        }
        Ok(&self.codes)
    }

    /// Reads the codes of rows of the open page.
    fn read_codes(&mut self, rows: Range<usize>, room: &mut [u32]) -> Result<()> {
        let null = self.dictionary.as_ref().map_or(0, Values::len) as u32;
        let present = self.present(rows.len())?;
        let Some(page) = &mut self.page else {
            return Ok(());
        };
        let Place::Coded(codes) = &mut page.place else {
            return Err(damaged("a page has no codes"));
        };
        let bytes = self.bytes.get();
        page.rows.start = rows.end;
        match present {
            None => codes.read(bytes, room)?,
            Some(count) => {
                let (packed, _) = room.split_at_mut(count);
                codes.read(bytes, packed)?;
                // From the last to the first, each code moves behind itself or stays.
                let mut from = count;
                for (place, level) in self.scratch.iter().enumerate().rev() {
                    let code = match level {
                        0 => null,
                        _ => {
                            from = from.saturating_sub(1);
                            room.get(from).copied().unwrap_or(null)
                        }
                    };
                    if let Some(room) = room.get_mut(place) {
                        *room = code;
                    }
                }
                return match room.iter().all(|code| *code <= null) {
                    true => Ok(()),
                    false => Err(damaged("a code is not in the dictionary")),
                };
            }
        }
        match room.iter().fold(0_u32, |most, code| most.max(*code)) < null || room.is_empty() {
            true => Ok(()),
            false => Err(damaged("a code is not in the dictionary")),
        }
    }

    /// Reads which of the next rows have a value, into the scratch, and counts them; `None` if all have.
    fn present(&mut self, rows: usize) -> Result<Option<usize>> {
        let Some(levels) = self.page.as_mut().and_then(|page| page.levels.as_mut()) else {
            return Ok(None);
        };
        let bytes = self.bytes.get();
        if levels.skip_same(bytes, 1, rows)? {
            return Ok(None);
        }
        self.scratch.clear();
        self.scratch.resize(rows, 0);
        levels.read(bytes, &mut self.scratch)?;
        let count = self.scratch.iter().filter(|level| **level != 0).count();
        Ok((count < rows).then_some(count))
    }

    /// Opens the page of a row, and passes over what lies before it. Gives the row behind the page.
    fn seek(&mut self, row: usize) -> Result<usize> {
        if self.page.as_ref().is_none_or(|page| page.rows.end <= row) {
            self.page = None;
            while self.next.front().is_some_and(|page| page.rows.end <= row) {
                self.next.pop_front();
            }
            let next = self.next.pop_front();
            self.open_page(next.ok_or_else(|| damaged("a column has too few rows"))?)?;
        }
        let Some(begin) = self.page.as_ref().map(|page| page.rows.start) else {
            return Ok(row);
        };
        if begin < row {
            self.pass(row - begin)?;
        }
        Ok(self.page.as_ref().map_or(row, |page| page.rows.end))
    }

    fn open_page(&mut self, next: NextPage) -> Result<()> {
        let header = next.header;
        self.bytes.fill(&header, next.packed, &mut self.unpacker)?;
        let bytes = self.bytes.get();
        let early = || damaged("a page ends too early");
        let length_at = |at: usize| {
            let length = bytes.get(at..).and_then(<[u8]>::first_chunk);
            length.map(|length| u32::from_le_bytes(*length) as usize)
        };
        let mut at = 0;
        let mut levels = None;
        match header.kind() {
            PageKind::Second => {
                let (repetition, definition) = header.level_bytes()?;
                // Without levels no row is null.
                if self.has_nulls && definition > 0 {
                    levels = Some(Codes::new(1, repetition)?);
                }
                at = repetition.saturating_add(definition);
            }
            _ if self.has_nulls => {
                levels = Some(Codes::new(1, 4)?);
                at = length_at(0).ok_or_else(early)?.saturating_add(4);
            }
            _ => {}
        }
        let place = match (header.encoding(), self.kind.physical) {
            (0, Physical::Bit) => Place::Bits(at.saturating_mul(8)),
            (0, _) => Place::Plain(at),
            // Bits in runs have their length before them, always.
            (3, Physical::Bit) => Place::BitRuns(Codes::new(1, at.saturating_add(4))?),
            (2 | 8, Physical::Bit) => return Err(damaged("booleans have a dictionary")),
            (2 | 8, _) => match bytes.get(at) {
                Some(width) => Place::Coded(Codes::new(*width, at + 1)?),
                // A page of nulls alone may have no codes.
                None => Place::Coded(Codes::new(0, at)?),
            },
            _ => {
                return Err(damaged(
                    "a page has an encoding that its column does not name",
                ));
            }
        };
        let is_ascii = self.kind.physical == Physical::Bytes
            && matches!(place, Place::Plain(_))
            && bytes.is_ascii();
        self.page = Some(Page {
            rows: next.rows,
            levels,
            place,
            is_ascii,
        });
        Ok(())
    }

    /// Passes over rows of the open page.
    fn pass(&mut self, rows: usize) -> Result<()> {
        let count = self.present(rows)?.unwrap_or(rows);
        let Some(page) = &mut self.page else {
            return Ok(());
        };
        page.rows.start += rows;
        let bytes = self.bytes.get();
        match &mut page.place {
            Place::Bits(bit) => *bit = bit.saturating_add(count),
            Place::Coded(codes) | Place::BitRuns(codes) => codes.skip(bytes, count)?,
            Place::Plain(at) => match self.kind.width() {
                Some(width) => *at = at.saturating_add(count.saturating_mul(width)),
                None => {
                    let rest = bytes.get(*at..).unwrap_or_default();
                    let mut none = self.kind.values(None);
                    *at += self
                        .kind
                        .push_texts(&mut none, (rest, true), count, Some(&[]))?;
                }
            },
        }
        Ok(())
    }

    /// Reads rows of a window: those at `picked`, counted from its begin and ascending, or all.
    pub(super) fn take(
        &mut self,
        window: Range<usize>,
        picked: Option<&[u32]>,
    ) -> Result<ArrayRef> {
        if self.is_coded {
            return self.take_coded(window, picked);
        }
        let mut values = self.kind.values(self.dictionary.as_ref());
        values.reserve(picked.map_or(window.len(), <[u32]>::len));
        let mut validity: Vec<bool> = Vec::new();
        let mut row = window.start;
        let mut picked = picked;
        while row < window.end {
            let end = self.end_of(row)?.min(window.end);
            let base = (row - window.start) as u32;
            let limit = (end - window.start) as u32;
            let mut here = None;
            if let Some(all) = picked {
                let (now, later) = all.split_at(all.partition_point(|place| *place < limit));
                picked = Some(later);
                here = Some(now.iter().map(|place| place - base).collect::<Vec<u32>>());
            }
            if here.as_ref().is_none_or(|here| !here.is_empty()) {
                self.seek(row)?;
                self.take_of_page(row..end, here, &mut values, &mut validity)?;
            }
            row = end;
        }
        let nulls = match validity.is_empty() {
            true => None,
            false => {
                validity.resize(values.len(), true);
                Some(NullBuffer::from(validity))
            }
        };
        self.kind.array(values, nulls)
    }

    /// Tells the row behind the page of a row, without opening it.
    fn end_of(&self, row: usize) -> Result<usize> {
        let open = self.page.as_ref().map(|page| page.rows.end);
        let closed = self.next.iter().map(|page| page.rows.end);
        let mut ends = open.into_iter().chain(closed);
        let end = ends.find(|end| *end > row);
        end.ok_or_else(|| damaged("a column has too few rows"))
    }

    fn take_coded(&mut self, window: Range<usize>, picked: Option<&[u32]>) -> Result<ArrayRef> {
        self.codes(window)?;
        let Some(dictionary) = &self.dictionary else {
            return Err(damaged("a page has codes, but there is no dictionary"));
        };
        let null = dictionary.len() as u32;
        let codes = self.codes.as_slice();
        let mut values = self.kind.values(Some(dictionary));
        let code_at = |place: &u32| codes.get(*place as usize).copied().unwrap_or(null);
        let has_nulls = self.has_nulls
            && match picked {
                None => codes.contains(&null),
                Some(picked) => picked.iter().any(|place| code_at(place) == null),
            };
        let nulls: Option<NullBuffer> = has_nulls.then(|| match picked {
            None => codes.iter().map(|code| *code != null).collect(),
            Some(picked) => picked.iter().map(|place| code_at(place) != null).collect(),
        });
        match picked {
            None => values.push_coded(dictionary, codes.iter().copied()),
            Some(picked) => values.push_coded(dictionary, picked.iter().map(code_at)),
        }
        self.kind.array(values, nulls)
    }

    /// Reads rows of the open page, which begins with them.
    fn take_of_page(
        &mut self,
        rows: Range<usize>,
        mut picked: Option<Vec<u32>>,
        values: &mut Values,
        validity: &mut Vec<bool>,
    ) -> Result<()> {
        let present = self.present(rows.len())?;
        let count = present.unwrap_or(rows.len());
        let before = values.len();
        if present.is_some() {
            let ranks = self.ranks(picked.as_deref());
            validity.resize(before, true);
            validity.extend(ranks.iter().map(|rank| *rank != NULL));
            picked = Some(ranks);
        }
        let picked = picked.as_deref();
        let Some(page) = &mut self.page else {
            return Ok(());
        };
        page.rows.start = rows.end;
        let bytes = self.bytes.get();
        let early = || damaged("a page ends too early");
        match &mut page.place {
            Place::Plain(at) => {
                let rest = bytes.get(*at..).ok_or_else(early)?;
                match self.kind.width() {
                    Some(width) => {
                        let length = count.saturating_mul(width);
                        let now = rest.get(..length).ok_or_else(early)?;
                        self.kind.push_fixed(values, now, picked);
                        *at += length;
                    }
                    None => {
                        *at += self
                            .kind
                            .push_texts(values, (rest, page.is_ascii), count, picked)?
                    }
                }
            }
            Place::Bits(bit) => {
                values.push_bits(bytes, *bit, count, picked);
                *bit = bit.saturating_add(count);
                if *bit > bytes.len().saturating_mul(8) {
                    return Err(early());
                }
            }
            Place::Coded(codes) | Place::BitRuns(codes) => {
                let mut read = vec![0; count];
                codes.read(bytes, &mut read)?;
                let code_at = |rank: &u32| read.get(*rank as usize).copied().unwrap_or(NULL);
                let dictionary = self.dictionary.as_ref();
                match (dictionary, self.kind.physical, picked) {
                    (_, Physical::Bit, None) => {
                        values.push_bit_codes(read.iter().map(|code| *code == 1))
                    }
                    (_, Physical::Bit, Some(picked)) => {
                        values.push_bit_codes(picked.iter().map(|rank| code_at(rank) == 1));
                    }
                    (None, ..) => {
                        return Err(damaged("a page has codes, but there is no dictionary"));
                    }
                    (Some(dictionary), ..) => {
                        if read.iter().any(|code| *code as usize >= dictionary.len()) {
                            return Err(damaged("a code is not in the dictionary"));
                        }
                        match picked {
                            None => values.push_coded(dictionary, read.iter().copied()),
                            Some(picked) => {
                                values.push_coded(dictionary, picked.iter().map(code_at))
                            }
                        }
                    }
                }
            }
        }
        Ok(())
    }

    /// Gives the places of rows among the values of those that have one, by the levels in the scratch.
    fn ranks(&self, picked: Option<&[u32]>) -> Vec<u32> {
        let mut rank = 0;
        let ranks = self.scratch.iter().map(|level| match level {
            0 => NULL,
            _ => {
                rank += 1;
                rank - 1
            }
        });
        match picked {
            None => ranks.collect(),
            Some(picked) => {
                let ranks: Vec<u32> = ranks.collect();
                let rank_of = |place: &u32| ranks.get(*place as usize).copied().unwrap_or(NULL);
                picked.iter().map(rank_of).collect()
            }
        }
    }
}
