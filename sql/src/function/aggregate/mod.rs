//! SUM and AVG with Redshift's types: whole numbers give BIGINT, decimals keep their scale, overflow is an error; and
//! sketches of values.
//!
//! The engine's own sums widen decimals by ten digits, average whole numbers as doubles and wrap when a sum overflows.

mod average;
mod group;
mod number;
mod running;
mod sketch;
mod sum;

use arrow_schema::DataType;
use datafusion_expr::{AggregateUDF, ScalarUDF};
use std::sync::Arc;

/// Gives every aggregate function of ours.
pub(super) fn functions() -> Vec<Arc<AggregateUDF>> {
    let mut all = vec![
        Arc::new(AggregateUDF::new_from_impl(sum::Sum::new())),
        Arc::new(AggregateUDF::new_from_impl(average::Average::new())),
    ];
    all.extend(sketch::functions());
    all
}

/// Gives the function of a total and a count that ends an AVG over values of a type, with the type of the total.
pub(super) fn average_finish(argument: &DataType) -> Option<(DataType, ScalarUDF)> {
    average::finish(argument)
}
