//! `generate_series(first, last [, step])` in FROM: numbers of drivers' catalog queries, as on a leader node.

use crate::error::{Error, Result};
use crate::statement::target::evaluate;
use arrow::array::{Array, AsArray};
use arrow::datatypes::Int64Type;
use arrow_schema::{DataType, Field, Schema};
use blueshift_sql::SqlState;
use datafusion::datasource::provider_as_source;
use datafusion::execution::SessionState;
use datafusion::functions_table::generate_series::{GenSeriesArgs, GenerateSeriesTable};
use datafusion::logical_expr::{Expr, TableSource, cast};
use std::sync::Arc;

/// The one function there is, and the name of its column.
const NAME: &str = "generate_series";

/// Calls a function that gives rows. Its arguments may not be of columns, as they are computed now.
pub(crate) fn table_function(
    state: &SessionState,
    name: &str,
    arguments: Vec<Expr>,
) -> Result<Arc<dyn TableSource>> {
    let count = arguments.len();
    if name != NAME || !(2..=3).contains(&count) {
        return Err(Error::new(
            SqlState::UNDEFINED_FUNCTION,
            format!("function {name} with {count} arguments does not exist in FROM"),
        ));
    }
    let mut numbers = Vec::with_capacity(count);
    for argument in arguments {
        let value = evaluate(state, cast(argument, DataType::Int64))?;
        let value = value.as_primitive::<Int64Type>();
        numbers.push((!value.is_empty() && value.is_valid(0)).then(|| value.value(0)));
    }
    let given = |index: usize| numbers.get(index).copied().flatten();
    let step = if count == 3 { given(2) } else { Some(1) };
    let args = match (given(0), given(1), step) {
        (Some(_), Some(_), Some(0)) => {
            return Err(Error::new(
                SqlState::INVALID_PARAMETER_VALUE,
                "step size cannot equal zero",
            ));
        }
        (Some(start), Some(end), Some(step)) if (start <= end) == (step > 0) || start == end => {
            GenSeriesArgs::Int64Args {
                start,
                end,
                step,
                include_end: true,
                name: NAME,
            }
        }
        // Of nothing, or away from its end, a series has no rows.
        _ => GenSeriesArgs::ContainsNull { name: NAME },
    };
    let schema = Schema::new(vec![Field::new(NAME, DataType::Int64, false)]);
    let table = GenerateSeriesTable::new(Arc::new(schema), args);
    Ok(provider_as_source(Arc::new(table)))
}
