//! Reads a stripe: what is needed of it is planned from its footer, fetched by whoever has the file, and decoded.

use super::{File, STRIPE_BYTES_MAX, check};
use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::compute::cast;
use arrow_schema::SchemaRef;
use bytes::Bytes;
use orc_prost::Message;
use orc_rust::array_decoder::NaiveStripeDecoder;
use orc_rust::proto::StripeFooter;
use orc_rust::proto::column_encoding::Kind as EncodingKind;
use orc_rust::proto::stream::Kind;
use orc_rust::reader::ChunkReader;
use orc_rust::schema::{DataType as OrcType, NamedColumn, RootDataType};
use orc_rust::stripe::{Stripe, StripeMetadata};
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

/// A section of a stripe.
type Place = (u64, u64);

/// What is to be fetched of a stripe.
#[derive(Debug)]
pub struct StripePlan {
    stripe: StripeMetadata,
    root: RootDataType,
    footer: Bytes,
    /// Ranges of the file.
    ranges: Vec<Range<u64>>,
    /// Which of them hold texts.
    is_text: Vec<bool>,
}

impl StripePlan {
    /// Gives the ranges of the file to fetch.
    pub fn ranges(&self) -> &[Range<u64>] {
        &self.ranges
    }
}

/// Tells where the footer of a stripe is. `Err` if the stripe is too large.
pub fn footer_range(stripe: &StripeMetadata) -> Result<Range<u64>, String> {
    let bytes = stripe.index_length() + stripe.data_length() + stripe.footer_length();
    match bytes <= STRIPE_BYTES_MAX {
        true => Ok(stripe.footer_offset()..stripe.footer_offset() + stripe.footer_length()),
        false => Err(format!(
            "a stripe has {bytes} bytes, and may have {STRIPE_BYTES_MAX}"
        )),
    }
}

impl File {
    /// Plans the reading of some columns of a stripe, by its footer as it is stored.
    pub fn plan(
        &self,
        stripe: &StripeMetadata,
        footer: &[u8],
        columns: &[usize],
    ) -> Result<StripePlan, String> {
        let limit = STRIPE_BYTES_MAX as usize;
        let plain = self.packing.unpack(footer, limit)?;
        let found = StripeFooter::decode(plain.as_slice())
            .map_err(|_| "the footer of a stripe is damaged".to_owned())?;
        if found.columns.len() < self.type_count {
            return Err("the footer of a stripe has too few columns".to_owned());
        }
        if let Some(zone) = &found.writer_timezone
            && zone.parse::<chrono_tz::Tz>().is_err()
        {
            return Err(format!("a stripe is in the unknown time zone \"{zone}\""));
        }
        let dictionaries = found.columns.iter().map(|column| column.dictionary_size());
        if dictionaries.max().map(u64::from) > Some(stripe.number_of_rows()) {
            return Err("a dictionary has more entries than its stripe has rows".to_owned());
        }
        let root = self.projected(columns);
        let texts: Vec<usize> = root.children().iter().filter_map(text_index).collect();
        let (mut ranges, mut is_text) = (Vec::new(), Vec::new());
        let mut at = stripe.offset();
        let end = stripe.footer_offset();
        for stream in &found.streams {
            let behind = at
                .checked_add(stream.length())
                .filter(|behind| *behind <= end);
            let behind = behind.ok_or("a stripe is shorter than what is in it")?;
            let column = stream.column() as usize;
            if root.contains_column_index(column) && is_data(stream.kind()) {
                ranges.push(at..behind);
                let encoding = found.columns.get(column).map(|column| column.kind());
                is_text.push(texts.contains(&column) && holds_text(encoding, stream.kind()));
            }
            at = behind;
        }
        Ok(StripePlan {
            stripe: stripe.clone(),
            root,
            footer: self.packing.pack(plain),
            ranges,
            is_text,
        })
    }

    /// Begins to read a stripe of which all ranges were fetched. Bytes of texts that are no UTF-8 become `replacement`, if
    /// one is given.
    pub fn open(
        &self,
        plan: StripePlan,
        fetched: &[Bytes],
        replacement: Option<u8>,
        batch_rows: usize,
    ) -> Result<StripeReader, String> {
        let mut sections = HashMap::new();
        let mut left = STRIPE_BYTES_MAX as usize;
        let all = plan.ranges.iter().zip(fetched).zip(&plan.is_text);
        for ((range, stored), is_text) in all {
            let mut plain = self.packing.unpack(stored, left)?;
            left = left
                .checked_sub(plain.len())
                .ok_or("a stripe becomes too large")?;
            if let Some(replacement) = replacement.filter(|_| *is_text) {
                replace(&mut plain, replacement);
            }
            let place = (range.start, range.end - range.start);
            sections.insert(place, self.packing.pack(plain));
        }
        let stripe = &plan.stripe;
        let footer = (stripe.footer_offset(), stripe.footer_length());
        sections.insert(footer, plan.footer);
        let mut sections = Sections(sections);
        let schema = plan
            .root
            .create_arrow_schema_with_options(&HashMap::new(), super::options());
        let schema = Arc::new(schema);
        let decoder = check::caught(|| {
            let stripe = Stripe::new(&mut sections, &self.metadata, &plan.root, stripe)?;
            NaiveStripeDecoder::new(stripe, Arc::clone(&schema), batch_rows)
        })?;
        Ok(StripeReader {
            decoder,
            schema: super::read_schema(&plan.root),
        })
    }
}

fn text_index(column: &NamedColumn) -> Option<usize> {
    let ty = column.data_type();
    matches!(
        ty,
        OrcType::String { .. } | OrcType::Varchar { .. } | OrcType::Char { .. }
    )
    .then(|| ty.column_index())
}

/// Tells whether a stream is needed to decode: all but those that only help to find rows.
fn is_data(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::Present | Kind::Data | Kind::Length | Kind::DictionaryData | Kind::Secondary
    )
}

/// Tells whether a stream of a column of texts has the texts.
fn holds_text(encoding: Option<EncodingKind>, stream: Kind) -> bool {
    match encoding {
        Some(EncodingKind::Direct | EncodingKind::DirectV2) => stream == Kind::Data,
        _ => stream == Kind::DictionaryData,
    }
}

/// Replaces each byte that is no UTF-8.
fn replace(texts: &mut [u8], replacement: u8) {
    let mut at = 0;
    while let Some(rest) = texts.get_mut(at..) {
        let Err(wrong) = str::from_utf8(rest) else {
            return;
        };
        let start = wrong.valid_up_to();
        let count = wrong.error_len().unwrap_or(rest.len() - start);
        let bytes = rest.get_mut(start..start + count).unwrap_or_default();
        bytes.fill(replacement);
        at += start + count;
    }
}

/// The sections of a stripe, for the library. Those that were not fetched are empty.
struct Sections(HashMap<Place, Bytes>);

impl ChunkReader for Sections {
    type T = std::io::Empty;

    fn len(&self) -> u64 {
        0
    }

    fn get_read(&self, _: u64) -> std::io::Result<Self::T> {
        Ok(std::io::empty())
    }

    fn get_bytes(&self, start: u64, length: u64) -> std::io::Result<Bytes> {
        Ok(self.0.get(&(start, length)).cloned().unwrap_or_default())
    }
}

/// Gives the rows of a stripe.
pub struct StripeReader {
    decoder: NaiveStripeDecoder,
    schema: SchemaRef,
}

impl StripeReader {
    /// Gives the columns.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Gives the next rows; `None` at the end.
    pub fn next_batch(&mut self) -> Result<Option<RecordBatch>, String> {
        let next = check::caught(|| self.decoder.next().transpose())?;
        let Some(batch) = next else {
            return Ok(None);
        };
        let failed = |error: arrow_schema::ArrowError| error.to_string();
        let fields = self.schema.fields().iter().zip(batch.columns());
        let columns = fields.map(|(field, column)| cast(column, field.data_type()));
        let columns: Vec<ArrayRef> = columns.collect::<Result<_, _>>().map_err(failed)?;
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)
            .map(Some)
            .map_err(failed)
    }
}
