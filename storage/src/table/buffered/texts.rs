//! Texts of one column while they are buffered: a code for each while few differ, then views, and copies of the long ones
//! end to end.
#![expect(
    unsafe_code,
    reason = "checking every text again costs more than copying it; views are made here"
)]

mod few;

use super::pool::Pool;
use crate::encoding::text::{INLINE_BYTES, append, view_ahead, view_bytes};
use crate::schema::ColumnType;
use arrow_array::{ArrayRef, BinaryViewArray, StringViewArray};
use arrow_buffer::{Buffer, NullBuffer, ScalarBuffer};
use few::Few;
use std::sync::Arc;

/// Bytes of the first chunk of long texts; each next one has twice as many.
const CHUNK_BYTES_MIN: usize = 16 << 10;
/// Bytes of a chunk of long texts, unless one text alone is longer.
const CHUNK_BYTES_MAX: usize = 4 << 20;

/// Bytes of a chunk that long texts are sent to, unless one text alone is longer: offsets have 32 bits.
const ALLOTTED_BYTES_MAX: usize = 1 << 30;

/// Texts in order of arrival. They came out of arrays, so those of a text column are valid.
#[derive(Default)]
pub(super) struct Texts {
    /// All texts, while few differ; there are no views and no chunks then.
    few: Option<Few>,
    views: Vec<u128>,
    /// Full chunks of long texts.
    chunks: Vec<Buffer>,
    /// The chunk that grows; never beyond its capacity, so that it is not moved.
    chunk: Vec<u8>,
}

impl Texts {
    /// Begins with memory of the pool.
    pub(super) fn new(pool: &mut Pool) -> Self {
        Self {
            few: Some(Few::new(pool.empty())),
            ..Self::default()
        }
    }

    /// Counts the texts.
    pub(super) fn len(&self) -> usize {
        match &self.few {
            Some(few) => few.codes.len(),
            None => self.views.len(),
        }
    }

    /// Makes room for so many texts in all.
    pub(super) fn make_room(&mut self, count: usize) {
        match &mut self.few {
            Some(few) => few.codes.reserve(count.saturating_sub(few.codes.len())),
            None => self.views.reserve(count.saturating_sub(self.views.len())),
        }
    }

    /// Copies texts; a null becomes the empty text. Gives the bytes of the long ones.
    pub(super) fn extend(
        &mut self,
        views: &[u128],
        buffers: &[Buffer],
        nulls: Option<&NullBuffer>,
        pool: &mut Pool,
    ) -> usize {
        let (coded, mut copied) = self.extend_few(views, buffers, nulls);
        let rest = &views[coded..];
        if rest.is_empty() {
            return copied;
        }
        self.spread(pool);
        self.views.reserve(rest.len());
        let mut push = |view: &u128| {
            let view = match *view as u32 as usize {
                ..=INLINE_BYTES => *view,
                long => {
                    copied += long;
                    self.copy(*view, view_ahead(view, buffers), pool)
                }
            };
            self.views.push(view);
        };
        match nulls {
            None => rest.iter().for_each(push),
            Some(nulls) => {
                for (row, view) in (coded..).zip(rest) {
                    push(if nulls.is_valid(row) { view } else { &0 });
                }
            }
        }
        copied
    }

    /// Adds texts as long as few differ. Gives how many it took, and the bytes of the long ones.
    fn extend_few(
        &mut self,
        views: &[u128],
        buffers: &[Buffer],
        nulls: Option<&NullBuffer>,
    ) -> (usize, usize) {
        let Some(few) = &mut self.few else {
            return (0, 0);
        };
        few.codes.reserve(views.len());
        let mut long_bytes = 0;
        for (row, view) in views.iter().enumerate() {
            let view = match nulls {
                Some(nulls) if nulls.is_null(row) => &0,
                _ => view,
            };
            if !few.push(view, buffers) {
                return (row, long_bytes);
            }
            let length = *view as u32 as usize;
            long_bytes += if length > INLINE_BYTES { length } else { 0 };
        }
        (views.len(), long_bytes)
    }

    /// Gives every text a view, if few differed so far.
    #[cold]
    fn spread(&mut self, pool: &mut Pool) {
        if let Some(few) = self.few.take() {
            self.views = pool.empty();
            few.views(&mut self.views);
            self.chunk = pool.empty();
            let long = few.long_texts();
            if !long.is_empty() {
                self.chunks.push(long);
            }
            pool.give(few.codes);
        }
    }

    /// Appends empty texts.
    pub(super) fn extend_empty(&mut self, count: usize, pool: &mut Pool) {
        if let Some(few) = &mut self.few
            && let Some(code) = few.code(&0, &[])
        {
            return few.codes.resize(few.codes.len() + count, code);
        }
        self.spread(pool);
        self.views.resize(self.views.len() + count, 0);
    }

    /// Copies a long text, with which `ahead` begins, and gives its view there.
    #[inline]
    fn copy(&mut self, view: u128, ahead: &[u8], pool: &mut Pool) -> u128 {
        let length = view as u32 as usize;
        if length > self.chunk.capacity() - self.chunk.len() {
            self.next_chunk(length, pool);
        }
        let (index, offset) = (self.chunks.len() as u128, self.chunk.len() as u128);
        append(&mut self.chunk, ahead, length);
        // Length and first four bytes stay.
        view & u128::from(u64::MAX) | index << 64 | offset << 96
    }

    #[cold]
    fn next_chunk(&mut self, bytes: usize, pool: &mut Pool) {
        let wanted = (self.chunk.capacity() * 2).clamp(CHUNK_BYTES_MIN, CHUNK_BYTES_MAX);
        self.seal();
        self.chunk = pool.empty();
        if self.chunk.capacity() < bytes {
            self.chunk = Vec::with_capacity(wanted.max(bytes));
        }
    }

    fn seal(&mut self) {
        if !self.chunk.is_empty() {
            self.chunks
                .push(Buffer::from_vec(std::mem::take(&mut self.chunk)));
        }
    }

    /// Copies the texts of a few rows.
    pub(super) fn pick(&mut self, rows: &[usize], pool: &mut Pool) -> Texts {
        self.seal();
        let mut picked = Texts::default();
        if let Some(few) = &self.few {
            let views: Vec<u128> = rows.iter().map(|row| few.view(*row)).collect();
            picked.extend(&views, &[few.long_texts()], None, pool);
            return picked;
        }
        let view = |row: &usize| self.views.get(*row).copied().unwrap_or_default();
        let views: Vec<u128> = rows.iter().map(view).collect();
        picked.extend(&views, &self.chunks, None, pool);
        picked
    }

    /// Sends all texts to their `places`, the long ones too: texts that follow each other then lie next to
    /// each other, so that all that is done to them later reads memory in order.
    pub(super) fn placed(mut self, places: &[u32], pool: &mut Pool) -> Texts {
        if let Some(few) = &mut self.few {
            let codes = super::place(&few.codes, places, pool.take());
            pool.give(std::mem::replace(&mut few.codes, codes));
            return self;
        }
        self.seal();
        let mut views = super::place(&self.views, places, pool.take());
        let mut chunks = allot(&mut views, pool);
        if !chunks.is_empty() {
            for (from, place) in self.views.iter().zip(places) {
                if *from as u32 as usize > INLINE_BYTES {
                    let to = views[*place as usize];
                    let (index, offset) = ((to >> 64) as u32 as usize, (to >> 96) as usize);
                    let text = view_bytes(from, &self.chunks);
                    chunks[index][offset..offset + text.len()].copy_from_slice(text);
                }
            }
        }
        self.give_back(pool);
        Texts {
            few: None,
            views,
            chunks: chunks.into_iter().map(Buffer::from_vec).collect(),
            chunk: Vec::new(),
        }
    }

    /// Gives the memory back.
    fn give_back(mut self, pool: &mut Pool) {
        self.seal();
        pool.give(self.views);
        self.chunks.into_iter().for_each(|chunk| pool.keep(chunk));
    }

    /// Gives a copy of the views as an array over the same texts.
    pub(super) fn copied_array(&mut self, ty: ColumnType, nulls: Option<NullBuffer>) -> ArrayRef {
        if let Some(few) = &self.few {
            let mut views = Vec::with_capacity(few.codes.len());
            few.views(&mut views);
            return array(ty, views.into(), vec![few.long_texts()], nulls);
        }
        self.seal();
        array(ty, self.views.clone().into(), self.chunks.clone(), nulls)
    }

    /// Gives all texts as an array; the pool has their memory back once it is dropped.
    pub(super) fn into_array(
        mut self,
        ty: ColumnType,
        nulls: Option<NullBuffer>,
        pool: &mut Pool,
    ) -> ArrayRef {
        self.spread(pool);
        self.seal();
        for chunk in &self.chunks {
            pool.keep(chunk.clone());
        }
        let views = pool.lend(self.views);
        array(ty, views.into(), self.chunks, nulls)
    }
}

/// Points each long view to a place of its own, one after the other, in chunks that hold them all.
fn allot(views: &mut [u128], pool: &mut Pool) -> Vec<Vec<u8>> {
    let mut lengths = Vec::new();
    let mut end = 0;
    for view in views {
        let length = *view as u32 as usize;
        if length > INLINE_BYTES {
            if lengths.is_empty() || end + length > ALLOTTED_BYTES_MAX {
                lengths.push(0);
                end = 0;
            }
            let (index, offset) = (lengths.len() as u128 - 1, end as u128);
            // Length and first four bytes stay.
            *view = *view & u128::from(u64::MAX) | index << 64 | offset << 96;
            end += length;
            if let Some(last) = lengths.last_mut() {
                *last = end;
            }
        }
    }
    let chunk = |length: usize| {
        let mut chunk: Vec<u8> = pool.take_of(length);
        chunk.resize(length, 0);
        chunk
    };
    lengths.into_iter().map(chunk).collect()
}

fn array(
    ty: ColumnType,
    views: ScalarBuffer<u128>,
    chunks: Vec<Buffer>,
    nulls: Option<NullBuffer>,
) -> ArrayRef {
    match ty {
        ColumnType::Text => {
            // SAFETY: `Texts::copy` made every long view of a text it had copied to that place, short
            // ones came as they are, and the texts are those of arrays of valid text.
            Arc::new(unsafe { StringViewArray::new_unchecked(views, chunks, nulls) })
        }
        _ => {
            // SAFETY: as above, of byte strings.
            Arc::new(unsafe { BinaryViewArray::new_unchecked(views, chunks, nulls) })
        }
    }
}
