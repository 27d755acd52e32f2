//! RUNLENGTH: where each run of equal values ends, and its value.
//!
//! Section 0 holds the ends (u32), section 1 the values (texts: end offsets), section 2 the bytes of
//! texts.

use super::raw::{encode_texts, open_texts};
use super::text::{Views, views_of};
use super::{Body, Encoded, Encoding, Kind, Raw, Tag, Values, each_fixed, le_bytes};
use arrow_buffer::Buffer;

/// The encoding.
pub struct Runlength;

/// Runs of equal values.
#[derive(Debug)]
pub struct Runs {
    /// Row after the last of each run, ascending, at least one apart.
    pub ends: Buffer,
    /// Fixed-width values, one per run.
    pub values: Buffer,
    /// Views of text values into `text`.
    pub views: Vec<u128>,
    /// The bytes of text values.
    pub text: Buffer,
}

impl Runs {
    /// Gives the ends.
    pub fn ends(&self) -> &[u32] {
        self.ends.typed_data()
    }

    /// Calls `fill(run, rows)` for each run that meets rows `from..from + rows`, in order.
    pub fn each(&self, from: usize, rows: usize, mut fill: impl FnMut(usize, usize)) {
        let ends = self.ends();
        let mut run = ends.partition_point(|end| *end as usize <= from);
        let (mut at, to) = (from, from + rows);
        while at < to {
            let end = (ends[run] as usize).min(to);
            fill(run, end - at);
            at = end;
            run += 1;
        }
    }

    /// Calls `take(run)` for each pick, ascending offsets from `from`.
    pub fn pick(&self, from: usize, picks: &[u16], mut take: impl FnMut(usize)) {
        let ends = self.ends();
        let mut run = ends.partition_point(|end| *end as usize <= from);
        for pick in picks {
            while ends[run] as usize <= from + usize::from(*pick) {
                run += 1;
            }
            take(run);
        }
    }
}

impl Encoding for Runlength {
    fn tag(&self) -> Tag {
        Tag::Runs
    }

    fn encode(&self, values: Values<'_>) -> Option<Encoded> {
        let mut encoded = Encoded::default();
        let ends = each_fixed!(values, slice => {
            let ends = ends(slice.len(), |row| slice[row - 1] == slice[row]);
            let each: Vec<_> = ends.iter().map(|end| slice[*end as usize - 1]).collect();
            encoded.sections[1] = le_bytes(&each);
            ends
        }, texts => {
            let ends = ends(texts.views.len(), |row| {
                texts.bytes(&texts.views[row - 1]) == texts.bytes(&texts.views[row])
            });
            let each: Vec<_> = ends.iter().map(|end| texts.views[*end as usize - 1]).collect();
            let each = Views { views: &each, buffers: texts.buffers };
            (encoded.sections[1], encoded.sections[2]) = encode_texts(each)?;
            ends
        });
        encoded.sections[0] = le_bytes(&ends);
        Some(encoded)
    }

    fn open(&self, raw: &Raw<'_>) -> Result<Body, String> {
        let count = raw.parts.sections[0].1 / 4;
        let ends = raw.values(0, count, 4)?;
        let numbers: &[u32] = ends.typed_data();
        let ascending = numbers.windows(2).all(|pair| pair[0] < pair[1]);
        if !ascending
            || numbers.first() == Some(&0)
            || numbers.last().map_or(0, |end| *end as usize) != raw.rows()
        {
            return Err("run ends do not ascend to the last row".into());
        }
        let mut runs = Runs {
            ends: ends.clone(),
            values: Buffer::from(&[]),
            views: vec![],
            text: raw.section(2),
        };
        if raw.kind == Kind::Bytes {
            let (offsets, text) = open_texts(raw, 1, 2, count)?;
            let offsets: &[u32] = offsets.typed_data();
            let views = views_of(offsets.iter().map(|end| *end as usize), &text, 0);
            runs.views = views.ok_or("a value lies outside the block")?;
        } else {
            runs.values = raw.values(1, count, raw.kind.width())?;
        }
        Ok(Body::Runs(runs))
    }
}

fn ends(rows: usize, same: impl Fn(usize) -> bool) -> Vec<u32> {
    let mut ends: Vec<u32> = (1..rows)
        .filter(|row| !same(*row))
        .map(|row| row as u32)
        .collect();
    ends.push(rows as u32);
    ends
}
