//! Cuts the rows of a slice into ranges of its sort key that fit in memory one after the other.
//!
//! One pass over the key columns finds cuts from a sample, and the least and greatest key of every
//! zone, so that later passes skip zones outside a range: of a sorted row group each zone is read once,
//! but for the two a range begins and ends in. A key so frequent that it would fill a range of its own gets one, and its rows are streamed.
//! An interleaved key takes one pass more, to learn the ranks of its columns.

use crate::error::{Error, Result};
use crate::schema::{SortKey, TableLayout};
use arrow_array::{ArrayRef, BooleanArray, RecordBatch};
use arrow_row::{OwnedRow, RowConverter, Rows, SortField};
use arrow_schema::SortOptions;
use arrow_select::filter::filter_record_batch;
use std::collections::HashMap;

/// Keys sampled for the cuts.
const CUT_SAMPLE_ROWS: usize = 64 * 1024;

/// Values sampled per column of an interleaved key.
const RANK_SAMPLE_ROWS: usize = 4_096;

/// Ascending, nulls last, as everywhere in a table.
const OPTIONS: SortOptions = SortOptions {
    descending: false,
    nulls_first: false,
};

/// A key, comparable byte by byte.
type Key = Box<[u8]>;

/// Ordinal of the row group and number of the zone in it.
type Zone = (usize, usize);

/// Where a zone's keys lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// All in the range.
    Inside,
    /// None.
    Outside,
    /// Some, or not known.
    Across,
}

/// A cut: keys below `key` lie left of it, and `key` itself if `after`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Cut {
    key: Key,
    after: bool,
}

impl Cut {
    fn is_right_of(&self, key: &[u8]) -> bool {
        key < &*self.key || (self.after && key == &*self.key)
    }
}

enum Phase {
    Ranks(Vec<Vec<OwnedRow>>),
    Cuts(Vec<Key>),
    Done,
}

/// The ranges of one run of row groups.
pub(super) struct Ranges {
    indexes: Vec<usize>,
    interleaved: bool,
    /// One converter for all columns, or one per column of an interleaved key.
    converters: Vec<RowConverter>,
    /// Sorted samples of each column of an interleaved key.
    ranks: Vec<Vec<OwnedRow>>,
    phase: Phase,
    count: usize,
    rows: usize,
    rows_seen: usize,
    zones: HashMap<Zone, (Key, Key)>,
    cuts: Vec<Cut>,
}

/// One range.
pub(super) struct KeyRange<'a> {
    ranges: &'a Ranges,
    from: Option<&'a Cut>,
    to: Option<&'a Cut>,
}

impl Ranges {
    /// Begins to cut `rows` rows into about `count` ranges.
    pub(super) fn new(layout: &TableLayout, rows: usize, count: usize) -> Result<Self> {
        let (indexes, interleaved) = match &layout.sort_key {
            SortKey::None => (Vec::new(), false),
            SortKey::Compound(indexes) => (indexes.clone(), false),
            SortKey::Interleaved(indexes) => (indexes.clone(), true),
        };
        let fields = indexes.iter().map(|index| {
            let column = layout.columns.get(*index);
            let column = column.ok_or_else(|| Error::Internal(format!("no key column {index}")))?;
            Ok(SortField::new_with_options(column.ty.arrow(), OPTIONS))
        });
        let fields = fields.collect::<Result<Vec<SortField>>>()?;
        let converters = match interleaved {
            true => fields
                .into_iter()
                .map(|field| RowConverter::new(vec![field]))
                .collect::<Result<_, _>>()?,
            false => vec![RowConverter::new(fields)?],
        };
        let phase = match (count > 1 && !indexes.is_empty(), interleaved) {
            (false, _) => Phase::Done,
            (true, true) => Phase::Ranks(vec![Vec::new(); indexes.len()]),
            (true, false) => Phase::Cuts(Vec::new()),
        };
        Ok(Self {
            indexes,
            interleaved,
            converters,
            ranks: Vec::new(),
            phase,
            count,
            rows,
            rows_seen: 0,
            zones: HashMap::new(),
            cuts: Vec::new(),
        })
    }

    /// Gives the columns of the next pass; `None` once the ranges are known.
    pub(super) fn columns_wanted(&self) -> Option<Vec<usize>> {
        match self.phase {
            Phase::Done => None,
            Phase::Ranks(_) | Phase::Cuts(_) => Some(self.indexes.clone()),
        }
    }

    /// Takes the key columns of rows of a zone.
    pub(super) fn see(&mut self, ordinal: usize, zone: usize, keys: &RecordBatch) -> Result<()> {
        let rows = keys.num_rows();
        let first = self.rows_seen;
        self.rows_seen += rows;
        let sampled = |samples_max: usize| {
            let step = (self.rows / samples_max).max(1);
            (0..rows).filter(move |row| (first + row).is_multiple_of(step))
        };
        match &mut self.phase {
            Phase::Done => {}
            Phase::Ranks(samples) => {
                let columns = keys.columns().iter().zip(&self.converters);
                for ((column, converter), sample) in columns.zip(samples) {
                    let rows = converter.convert_columns(std::slice::from_ref(column))?;
                    sample.extend(sampled(RANK_SAMPLE_ROWS).map(|row| rows.row(row).owned()));
                }
            }
            Phase::Cuts(sample) => {
                let keys = keys_of(
                    &self.converters,
                    &self.ranks,
                    self.interleaved,
                    keys.columns(),
                )?;
                sample.extend(sampled(CUT_SAMPLE_ROWS).map(|row| Key::from(keys.get(row))));
                let (mut least, mut greatest) = (keys.get(0), keys.get(0));
                for row in 1..rows {
                    least = least.min(keys.get(row));
                    greatest = greatest.max(keys.get(row));
                }
                let known = self.zones.entry((ordinal, zone));
                let known = known.or_insert_with(|| (least.into(), greatest.into()));
                if least < &*known.0 {
                    known.0 = least.into();
                }
                if greatest > &*known.1 {
                    known.1 = greatest.into();
                }
            }
        }
        Ok(())
    }

    /// Ends a pass over all rows.
    pub(super) fn end_of_pass(&mut self) -> Result<()> {
        self.rows_seen = 0;
        self.phase = match std::mem::replace(&mut self.phase, Phase::Done) {
            Phase::Ranks(mut samples) => {
                for sample in &mut samples {
                    sample.sort_unstable();
                    sample.dedup();
                }
                self.ranks = samples;
                Phase::Cuts(Vec::new())
            }
            Phase::Cuts(sample) => {
                self.cuts = cuts(sample, self.count);
                Phase::Done
            }
            Phase::Done => Phase::Done,
        };
        Ok(())
    }

    /// Gives the ranges in order.
    pub(super) fn all(&self) -> impl Iterator<Item = KeyRange<'_>> {
        (0..=self.cuts.len()).map(move |at| KeyRange {
            ranges: self,
            from: at.checked_sub(1).and_then(|before| self.cuts.get(before)),
            to: self.cuts.get(at),
        })
    }
}

impl KeyRange<'_> {
    /// Tells whether all rows have the same key.
    pub(super) fn is_one_key(&self) -> bool {
        match (self.from, self.to) {
            // Equal curve words are not equal keys.
            (Some(from), Some(to)) => from.key == to.key && !self.ranges.interleaved,
            _ => false,
        }
    }

    fn holds(&self, key: &[u8]) -> bool {
        self.from.is_none_or(|from| !from.is_right_of(key))
            && self.to.is_none_or(|to| to.is_right_of(key))
    }

    /// Gives the zones of a row group that hold rows of the range, neighbours together; and whether all their rows
    /// are in it.
    pub(super) fn stretches(
        &self,
        ordinal: usize,
        zones: std::ops::Range<usize>,
    ) -> Vec<(std::ops::Range<usize>, bool)> {
        let mut stretches: Vec<(std::ops::Range<usize>, bool)> = Vec::new();
        for zone in zones {
            let is_inside = match self.place_of_zone(ordinal, zone) {
                Place::Outside => continue,
                Place::Inside => true,
                Place::Across => false,
            };
            match stretches.last_mut() {
                Some((last, of)) if last.end == zone && *of == is_inside => last.end = zone + 1,
                _ => stretches.push((zone..zone + 1, is_inside)),
            }
        }
        stretches
    }

    /// Tells where the rows of a zone lie.
    fn place_of_zone(&self, ordinal: usize, zone: usize) -> Place {
        if self.from.is_none() && self.to.is_none() {
            return Place::Inside;
        }
        let Some((least, greatest)) = self.ranges.zones.get(&(ordinal, zone)) else {
            // All its rows are deleted.
            return Place::Outside;
        };
        if self.holds(least) && self.holds(greatest) {
            return Place::Inside;
        }
        let is_left = self.from.is_some_and(|from| from.is_right_of(greatest));
        let is_right = self.to.is_some_and(|to| !to.is_right_of(least));
        match is_left || is_right {
            true => Place::Outside,
            false => Place::Across,
        }
    }

    /// Picks the rows of the range out of whole rows.
    pub(super) fn rows_inside(&self, rows: &RecordBatch) -> Result<RecordBatch> {
        let columns = rows.project(&self.ranges.indexes)?;
        let ranges = self.ranges;
        let keys = keys_of(
            &ranges.converters,
            &ranges.ranks,
            ranges.interleaved,
            columns.columns(),
        )?;
        let picked = (0..rows.num_rows()).map(|row| Some(self.holds(keys.get(row))));
        Ok(filter_record_batch(
            rows,
            &picked.collect::<BooleanArray>(),
        )?)
    }
}

/// The keys of many rows.
enum Keys {
    Rows(Rows),
    Curve(Vec<[u8; 8]>),
}

impl Keys {
    fn get(&self, row: usize) -> &[u8] {
        match self {
            Keys::Rows(rows) => rows.row(row).data(),
            Keys::Curve(words) => &words[row],
        }
    }
}

fn keys_of(
    converters: &[RowConverter],
    ranks: &[Vec<OwnedRow>],
    interleaved: bool,
    columns: &[ArrayRef],
) -> Result<Keys> {
    if let ([converter], false) = (converters, interleaved) {
        return Ok(Keys::Rows(converter.convert_columns(columns)?));
    }
    let bits = (64 / columns.len().max(1)).min(RANK_SAMPLE_ROWS.ilog2() as usize + 1);
    let count = columns.len();
    let mut words = vec![0_u64; columns.first().map_or(0, |column| column.len())];
    for (position, (column, converter)) in columns.iter().zip(converters).enumerate() {
        let rows = converter.convert_columns(std::slice::from_ref(column))?;
        let sample = ranks.get(position).map_or(&[][..], Vec::as_slice);
        for (word, row) in words.iter_mut().zip(rows.iter()) {
            let below = sample.partition_point(|other| other.row() < row);
            // Ranks fill all bits, so that no column's leading bits are always zero.
            let rank = (below << bits) / (sample.len() + 1);
            for bit in 0..bits {
                let value = (rank >> (bits - 1 - bit)) as u64 & 1;
                *word |= value << (63 - (bit * count + position));
            }
        }
    }
    Ok(Keys::Curve(
        words.into_iter().map(u64::to_be_bytes).collect(),
    ))
}

/// Gives cuts that part the sample into about `count` equal ranges.
fn cuts(mut sample: Vec<Key>, count: usize) -> Vec<Cut> {
    sample.sort_unstable();
    let quantile = |at: usize| sample.get(at * sample.len() / count);
    let mut cuts: Vec<Cut> = Vec::new();
    for key in (1..count).filter_map(quantile) {
        match cuts.last() {
            Some(last) if last.key == *key => {
                if !last.after {
                    let key = key.clone();
                    cuts.push(Cut { key, after: true });
                }
            }
            _ => cuts.push(Cut {
                key: key.clone(),
                after: false,
            }),
        }
    }
    cuts
}
