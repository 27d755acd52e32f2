//! Aggregates over the order of their values: PERCENTILE_CONT, PERCENTILE_DISC, MEDIAN.

mod percentile;

use datafusion_expr::AggregateUDF;
use std::sync::Arc;

/// Gives the aggregates; the binder writes them for the SQL forms with WITHIN GROUP.
pub(super) fn functions() -> Vec<Arc<AggregateUDF>> {
    percentile::functions()
}
