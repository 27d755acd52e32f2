//! `pg_timezone_names()` and `pg_timezone_abbrevs()` in FROM: the time zones there are.

use crate::error::Result;
use crate::history::now_us;
use arrow::array::{
    ArrayRef, BooleanArray, IntervalMonthDayNanoArray, RecordBatch, StringViewArray,
};
use arrow::datatypes::IntervalMonthDayNano;
use arrow_schema::{DataType, Field, IntervalUnit, Schema};
use blueshift_sql::function::{ZoneFacts, time_zone_abbreviations, time_zone_names};
use datafusion::datasource::{MemTable, provider_as_source};
use datafusion::error::DataFusionError;
use datafusion::logical_expr::TableSource;
use std::sync::Arc;

/// Gives the table of a function of this name; `None` if there is no such function.
pub(crate) fn table_function(name: &str) -> Option<Result<Arc<dyn TableSource>>> {
    let zones = match name {
        "pg_timezone_names" => time_zone_names(now_us()),
        "pg_timezone_abbrevs" => time_zone_abbreviations(),
        _ => return None,
    };
    Some(table(&zones))
}

fn table(zones: &[ZoneFacts]) -> Result<Arc<dyn TableSource>> {
    let text = |name: &str| Field::new(name, DataType::Utf8View, false);
    let mut fields = Vec::new();
    let mut columns: Vec<ArrayRef> = Vec::new();
    let named = zones.iter().map(|zone| zone.name.as_deref());
    if zones.iter().any(|zone| zone.name.is_some()) {
        fields.push(text("name"));
        columns.push(Arc::new(
            named
                .map(Option::unwrap_or_default)
                .map(Some)
                .collect::<StringViewArray>(),
        ));
    }
    let abbreviations = zones.iter().map(|zone| Some(zone.abbreviation.as_str()));
    fields.push(text("abbrev"));
    columns.push(Arc::new(abbreviations.collect::<StringViewArray>()));
    let offsets = zones.iter().map(|zone| zone.offset_us.saturating_mul(1000));
    let offsets = offsets.map(|nanos| IntervalMonthDayNano::new(0, 0, nanos));
    let interval = DataType::Interval(IntervalUnit::MonthDayNano);
    fields.push(Field::new("utc_offset", interval, false));
    columns.push(Arc::new(IntervalMonthDayNanoArray::from_iter_values(
        offsets,
    )));
    fields.push(Field::new("is_dst", DataType::Boolean, false));
    let summers = zones.iter().map(|zone| Some(zone.is_dst));
    columns.push(Arc::new(summers.collect::<BooleanArray>()));
    let schema = Arc::new(Schema::new(fields));
    let batch =
        RecordBatch::try_new(Arc::clone(&schema), columns).map_err(DataFusionError::from)?;
    let table = MemTable::try_new(schema, vec![vec![batch]])?;
    Ok(provider_as_source(Arc::new(table)))
}
