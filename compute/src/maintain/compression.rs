//! ANALYZE COMPRESSION: encodes a sample of a column with every encoding its type allows, and measures.

use super::blocking;
use crate::error::Result;
use crate::node::Node;
use arrow::array::{ArrayRef, RecordBatch};
use arrow::compute::concat_batches;
use blueshift_storage::block::build::build;
use blueshift_storage::encoding::Tag;
use blueshift_storage::statistics::ColumnSketch;
use blueshift_storage::store::Store;
use blueshift_storage::store::version::TableVersion;
use blueshift_storage::table::scan::{RowGroupScan, ScanRequest, ZONE_ROWS, zone_count};
use blueshift_storage::{ColumnLayout, EncodingName, SliceId};
use std::sync::Arc;

/// Zones of a block at most: a sample is encoded in blocks of this size, as a writer would.
const BLOCK_ROWS: usize = 8 * ZONE_ROWS;

/// A column and the encodings to try on it, those to prefer at equal size first.
#[derive(Clone, Debug)]
pub struct Question {
    /// The column's index in the table.
    pub column: usize,
    /// What to try.
    pub encodings: Vec<EncodingName>,
}

/// What was found for a column.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// The column's index in the table.
    pub column: usize,
    /// The smallest encoding; what the column has if nothing is smaller, or there are no rows.
    pub encoding: EncodingName,
    /// By how much the column would shrink, in percent of what its encoding makes of the sample.
    pub reduction_percent: f64,
}

/// Samples at most `rows_per_slice` rows of each slice, and answers each question.
pub async fn analyze(
    node: &Arc<Node>,
    version: &Arc<TableVersion>,
    rows_per_slice: usize,
    questions: Vec<Question>,
) -> Result<Vec<Finding>> {
    let (store, version) = (Arc::clone(&node.store), Arc::clone(version));
    blocking(node, move || {
        let answers = questions.into_iter();
        // Column by column, so that the sample of one is in memory at a time.
        let answers = answers.map(|question| answer(&store, &version, rows_per_slice, question));
        answers.collect()
    })
    .await
}

fn answer(
    store: &Arc<Store>,
    version: &TableVersion,
    rows_per_slice: usize,
    question: Question,
) -> blueshift_storage::Result<Finding> {
    let unknown = || blueshift_storage::Error::Internal("no such column".to_owned());
    let layout = version.layout.columns.get(question.column);
    let layout = layout.ok_or_else(unknown)?;
    let mut blocks = Vec::new();
    for slice in (0..store.slice_count()).map(SliceId) {
        blocks.extend(sample(
            store,
            version,
            slice,
            question.column,
            rows_per_slice,
        )?);
    }
    let (now, own) = measure(layout, layout.encoding, &blocks)?;
    let mut best = (now, layout.encoding);
    if best.1 == EncodingName::Auto {
        best.1 = own.map_or(EncodingName::Raw, |tag| name_of(tag, &question.encodings));
    }
    for encoding in question.encodings {
        let (bytes, _) = measure(layout, encoding, &blocks)?;
        if bytes < best.0 {
            best = (bytes, encoding);
        }
    }
    let saved = now.saturating_sub(best.0) as f64;
    Ok(Finding {
        column: question.column,
        encoding: best.1,
        reduction_percent: saved / now.max(1) as f64 * 100.0,
    })
}

/// Encodes all blocks; gives the bytes and the form of the first.
fn measure(
    layout: &ColumnLayout,
    encoding: EncodingName,
    blocks: &[ArrayRef],
) -> blueshift_storage::Result<(usize, Option<Tag>)> {
    let (mut bytes, mut form) = (0, None);
    for block in blocks {
        let built = build(layout.ty, encoding, block, &mut ColumnSketch::default())?;
        bytes += built.bytes.len();
        form = form.or(Tag::from_byte(built.encoding));
    }
    Ok((bytes, form))
}

/// Names the physical form that AUTO chose as a user would ask for it.
fn name_of(tag: Tag, allowed: &[EncodingName]) -> EncodingName {
    let wished: &[EncodingName] = match tag {
        Tag::Raw => &[EncodingName::Raw],
        Tag::Constant | Tag::Runs => &[EncodingName::Runlength, EncodingName::Zstd],
        Tag::Packed => &[EncodingName::Az64, EncodingName::Zstd],
        Tag::Dictionary => &[EncodingName::Bytedict, EncodingName::Zstd],
        Tag::Lz4 => &[EncodingName::Lzo, EncodingName::Zstd],
        Tag::Alp => &[EncodingName::Raw],
        Tag::Fsst => &[EncodingName::Text32k, EncodingName::Zstd],
        Tag::Zstd | Tag::FsstZstd => &[EncodingName::Zstd],
    };
    let mut found = wished.iter().filter(|name| allowed.contains(name));
    found.next().copied().unwrap_or(EncodingName::Raw)
}

/// Reads the first rows of each row group of a slice, in blocks: its share of the sample by its rows.
fn sample(
    store: &Arc<Store>,
    version: &TableVersion,
    slice: SliceId,
    column: usize,
    rows_max: usize,
) -> blueshift_storage::Result<Vec<ArrayRef>> {
    let all: u64 = version.on_slice(slice).map(|group| group.record.rows).sum();
    let request = Arc::new(ScanRequest {
        projection: vec![column],
        conjuncts: Vec::new(),
        row_ids: false,
        batch_rows: BLOCK_ROWS,
    });
    let mut blocks = Vec::new();
    let mut pending: Vec<RecordBatch> = Vec::new();
    for group in version.on_slice(slice) {
        let share = group.record.rows as f64 / all.max(1) as f64 * rows_max as f64;
        let mut left = (share.ceil() as usize).max(1);
        let (layout, zones) = (&version.layout, 0..zone_count(group.record.rows));
        let mut scan = RowGroupScan::new(store, layout, group, 0, zones, Arc::clone(&request))?;
        while left > 0 {
            let Some(batch) = scan.next_batch()? else {
                break;
            };
            let rows = batch.num_rows().min(left);
            left -= rows;
            pending.push(batch.slice(0, rows));
            let full = pending.iter().map(RecordBatch::num_rows).sum::<usize>() >= BLOCK_ROWS;
            if full {
                blocks.extend(joined(&mut pending)?);
            }
        }
    }
    blocks.extend(joined(&mut pending)?);
    Ok(blocks)
}

fn joined(pending: &mut Vec<RecordBatch>) -> blueshift_storage::Result<Option<ArrayRef>> {
    let batches = std::mem::take(pending);
    let Some(first) = batches.first() else {
        return Ok(None);
    };
    let joined = concat_batches(&first.schema(), &batches)?;
    Ok(joined.columns().first().cloned())
}
