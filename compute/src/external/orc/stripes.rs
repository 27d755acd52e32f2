//! Chooses the stripes that may hold rows for the conditions of a scan, by their statistics.

use crate::external::fit::Width;
use crate::format::orc;
use arrow::array::{ArrayRef, BooleanArray, UInt64Array};
use arrow_schema::{DataType, Field, SchemaRef};
use blueshift_sql::SqlType;
use datafusion::common::pruning::PruningStatistics;
use datafusion::common::{Column, ScalarValue};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_optimizer::pruning::PruningPredicateBuilder;
use orc_rust::statistics::{ColumnStatistics, TypeStatistics};
use orc_rust::stripe::StripeMetadata;
use std::collections::HashSet;
use std::sync::Arc;

/// Tells of each stripe whether it may hold rows that pass all filters, which are over the columns of the table.
pub(super) fn kept(
    file: &orc::File,
    file_schema: &SchemaRef,
    filters: &[Arc<dyn PhysicalExpr>],
    table_schema: &SchemaRef,
) -> Vec<bool> {
    let mut kept = vec![true; file.stripes().len()];
    let statistics = Statistics {
        file,
        file_schema,
        table_schema,
    };
    for filter in filters {
        // What statistics cannot decide rules out nothing.
        let builder = PruningPredicateBuilder::new().with_file_schema(Arc::clone(table_schema));
        let Ok(predicate) = builder.try_build(Arc::clone(filter)) else {
            continue;
        };
        let Ok(may_pass) = predicate.prune(&statistics) else {
            continue;
        };
        for (kept, may_pass) in kept.iter_mut().zip(may_pass) {
            *kept &= may_pass;
        }
    }
    kept
}

/// The statistics of the stripes of a file.
struct Statistics<'a> {
    file: &'a orc::File,
    file_schema: &'a SchemaRef,
    table_schema: &'a SchemaRef,
}

#[derive(Clone, Copy)]
enum Bound {
    Low,
    High,
}

impl Statistics<'_> {
    /// Finds a column of the table in the statistics, as [`crate::external::adapt`] finds it in the file.
    fn find(&self, name: &str) -> Option<(usize, &Field)> {
        let field = self.table_schema.field_with_name(name).ok()?;
        let fields = self.file_schema.fields();
        let exact = fields.iter().position(|field| field.name() == name);
        let place = exact.or_else(|| {
            let mut fields = fields.iter();
            fields.position(|field| field.name().eq_ignore_ascii_case(name))
        })?;
        Some((self.file.statistics_index(place)?, field))
    }

    fn bounds(&self, column: &Column, bound: Bound) -> Option<ArrayRef> {
        let (index, field) = self.find(&column.name)?;
        let of_stripe = |stripe: &StripeMetadata| {
            let statistics = stripe.column_statistics().get(index);
            let found = statistics.and_then(ColumnStatistics::type_statistics);
            let value = found.and_then(|found| value(found, field, bound));
            value
                .or_else(|| ScalarValue::try_from(field.data_type()).ok())
                .unwrap_or(ScalarValue::Null)
        };
        let values = self.file.stripes().iter().map(of_stripe);
        ScalarValue::iter_to_array(values).ok()
    }

    fn counts(&self, of_stripe: impl Fn(&StripeMetadata) -> Option<u64>) -> ArrayRef {
        let counts = self.file.stripes().iter().map(of_stripe);
        Arc::new(counts.collect::<UInt64Array>())
    }
}

/// Gives a bound of the values of a stripe as a column of the table has them; `None` if it is unknown.
///
/// Floating-point numbers are left out, as writers pass over NaN, and timestamps, as writers do not agree on their zone.
fn value(statistics: &TypeStatistics, field: &Field, bound: Bound) -> Option<ScalarValue> {
    let value = match (statistics, bound) {
        (TypeStatistics::Integer { min, .. }, Bound::Low) => ScalarValue::Int64(Some(*min)),
        (TypeStatistics::Integer { max, .. }, Bound::High) => ScalarValue::Int64(Some(*max)),
        (TypeStatistics::Date { min, .. }, Bound::Low) => ScalarValue::Date32(Some(*min)),
        (TypeStatistics::Date { max, .. }, Bound::High) => ScalarValue::Date32(Some(*max)),
        (TypeStatistics::Decimal { min, max, .. }, bound) => {
            let text = match bound {
                Bound::Low => min,
                Bound::High => max,
            };
            ScalarValue::Utf8(Some(text.clone()))
        }
        (TypeStatistics::String { lower_bound, .. }, Bound::Low) => text(field, lower_bound)?,
        (
            TypeStatistics::String {
                upper_bound,
                is_exact_max,
                ..
            },
            Bound::High,
        ) if *is_exact_max || !upper_bound.is_empty() => text(field, upper_bound)?,
        _ => return None,
    };
    let is_alike = match statistics {
        TypeStatistics::Integer { .. } => field.data_type().is_integer(),
        TypeStatistics::Date { .. } => *field.data_type() == DataType::Date32,
        TypeStatistics::Decimal { .. } => field.data_type().is_decimal(),
        _ => *field.data_type() == DataType::Utf8View,
    };
    let value = value.cast_to(field.data_type()).ok().filter(|_| is_alike)?;
    (!value.is_null()).then_some(value)
}

/// Gives a bound of texts, cut as the texts are: a text that is cut is not above one that was above it. Blanks that CHAR
/// loses may change the order.
fn text(field: &Field, bound: &str) -> Option<ScalarValue> {
    let text = match Width::of(SqlType::from_field(field)) {
        Some(width) if width.is_char => return None,
        Some(width) => width.cut(bound),
        None => bound,
    };
    Some(ScalarValue::Utf8View(Some(text.to_owned())))
}

impl PruningStatistics for Statistics<'_> {
    fn min_values(&self, column: &Column) -> Option<ArrayRef> {
        self.bounds(column, Bound::Low)
    }

    fn max_values(&self, column: &Column) -> Option<ArrayRef> {
        self.bounds(column, Bound::High)
    }

    fn num_containers(&self) -> usize {
        self.file.stripes().len()
    }

    fn null_counts(&self, column: &Column) -> Option<ArrayRef> {
        let (index, _) = self.find(&column.name)?;
        Some(self.counts(|stripe| {
            let statistics = stripe.column_statistics().get(index)?;
            let values = statistics.number_of_values();
            let is_known = values > 0 || statistics.has_null();
            let nulls = stripe.number_of_rows().checked_sub(values);
            nulls.filter(|_| is_known)
        }))
    }

    fn row_counts(&self) -> Option<ArrayRef> {
        Some(self.counts(|stripe| Some(stripe.number_of_rows())))
    }

    fn contained(&self, _: &Column, _: &HashSet<ScalarValue>) -> Option<BooleanArray> {
        None
    }
}
