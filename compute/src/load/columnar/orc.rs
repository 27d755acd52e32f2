//! An ORC file of a load: its tail, and its stripes.

use super::file::{FileColumns, Footer, ObjectReader, OpenFile, Opened, damaged, ways};
use crate::error::{Error, Result};
use crate::format::delimited::problem::Problem;
use crate::format::orc::{File, StripeReader, footer_range, tail_bytes};
use crate::format::parquet::schema;
use crate::load::parse::Parser;
use crate::object::failed;
use blueshift_sql::{SqlState, SqlType};

/// The end of a file that is read at first: tails are mostly smaller.
const TAIL_BYTES: u64 = 64 << 10;

/// Reads the tail, and checks that the columns fit the table.
pub(super) async fn open(url: &str, reader: &ObjectReader, parser: &Parser) -> Result<Opened> {
    let wrong = |why: String| damaged(url, "an ORC", &why);
    let read = async |bytes: u64| {
        let read = reader.read(reader.bytes - bytes..reader.bytes).await;
        read.map_err(|error| failed(url, &error))
    };
    if reader.bytes == 0 {
        return Err(wrong("it has no tail".to_owned()));
    }
    let mut tail = read(TAIL_BYTES.min(reader.bytes)).await?;
    let needed = tail_bytes(&tail).map_err(wrong)?;
    if needed > reader.bytes {
        return Err(wrong("it is shorter than its tail".to_owned()));
    }
    if needed > tail.len() as u64 {
        tail = read(needed).await?;
    }
    let file = File::parse(&tail, reader.bytes).map_err(wrong)?;
    let fields = file.schema().fields();
    let serializes = parser.plan.options.serialize_to_json;
    if let Some(nested) = fields.iter().find(|field| field.data_type().is_nested())
        && serializes
    {
        return Err(Error::Sql(blueshift_sql::Error::unsupported(
            format!(
                "the nested column \"{}\" of the ORC file \"{url}\"",
                nested.name()
            ),
            "Write the file as Parquet, or without the column",
        )));
    }
    let columns = FileColumns {
        format: "ORC",
        count: fields.len(),
        way: &|place, wanted: SqlType| {
            let ty = fields.get(place)?.data_type();
            schema::way(ty, false, wanted, serializes)
        },
        shown: &|place| file.type_shown(place),
    };
    let ways = ways(url, parser, &columns)?;
    let before = file.rows_before().to_vec();
    Ok((Footer::Orc(Box::new(file)), ways, before))
}

/// Begins to read a stripe.
pub(super) async fn stripe(
    open: &OpenFile,
    file: &File,
    place: usize,
    parser: &Parser,
) -> Result<Option<StripeReader>> {
    let url: &str = &open.url;
    let Some(stripe) = file.stripes().get(place) else {
        return Ok(None);
    };
    let fetch_failed = |error| failed(url, &error);
    let range = footer_range(stripe).map_err(|why| too_large(url, &why))?;
    let footer = open.reader.read(range).await.map_err(fetch_failed)?;
    let columns: Vec<usize> = (0..file.schema().fields().len()).collect();
    let plan = file.plan(stripe, &footer, &columns);
    let plan = plan.map_err(|why| unreadable(url, &why))?;
    let fetched = open.reader.read_all(plan.ranges()).await;
    let fetched = fetched.map_err(fetch_failed)?;
    let replacement = parser.plan.options.accept_invalid_chars;
    let reader = file.open(plan, &fetched, replacement, super::BATCH_ROWS);
    reader.map(Some).map_err(|why| unreadable(url, &why))
}

fn too_large(url: &str, why: &str) -> Error {
    let state = SqlState::PROGRAM_LIMIT_EXCEEDED;
    Error::Sql(
        blueshift_sql::Error::new(state, format!("could not read \"{url}\": {why}"))
            .with_hint("Write the file with smaller stripes."),
    )
}

/// Tells why a stripe cannot be read.
pub(super) fn unreadable(url: &str, why: &str) -> Error {
    if why.contains("UTF-8") || why.contains("UTF8") || why.contains("utf8") {
        let context = format!("{}. File name: {url}", Problem::Utf8.reason());
        let hint = "Add ACCEPTINVCHARS to load such texts with their characters replaced.";
        return super::scan_error(SqlState::CHARACTER_NOT_IN_REPERTOIRE, context, hint);
    }
    damaged(url, "an ORC", why)
}
