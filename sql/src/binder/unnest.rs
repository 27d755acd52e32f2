//! Arrays of SUPER in FROM: a row for each element, beside the row that holds the array.

use super::context::external;
use crate::error::Error;
use crate::function::semistructured::{Use, is_super};
use datafusion_common::{Column, Result, UnnestOptions};
use datafusion_expr::{Expr, ExprSchemable, LogicalPlan, LogicalPlanBuilder};

/// Unnests `array`, an expression over `input`, into a column `name`, and its places into another.
pub(super) fn unnested(
    input: LogicalPlan,
    array: Expr,
    name: &str,
    place: Option<&str>,
) -> Result<LogicalPlan> {
    if !array
        .to_field(input.schema())
        .is_ok_and(|(_, field)| is_super(&field))
    {
        return Err(external(Error::unsupported(
            format!("{name} in FROM, which is not a SUPER,"),
            "Name a table, or an array in a SUPER column",
        )));
    }
    let kept: Vec<Expr> = input
        .schema()
        .columns()
        .into_iter()
        .map(Expr::Column)
        .collect();
    let mut list = kept.clone();
    list.push(Use::Items.call(vec![array.clone()]).alias(name));
    let mut columns = vec![Column::new_unqualified(name)];
    if let Some(place) = place {
        list.push(Use::Places.call(vec![array]).alias(place));
        columns.push(Column::new_unqualified(place));
    }
    let options = UnnestOptions::new().with_preserve_nulls(false);
    let plan = LogicalPlanBuilder::from(input)
        .project(list)?
        .unnest_columns_with_options(columns, options)?;
    // The elements are SUPER values again.
    let element = Use::Raw.call(vec![Expr::Column(Column::new_unqualified(name))]);
    let mut list = kept;
    list.push(element.alias(name));
    list.extend(place.map(|place| Expr::Column(Column::new_unqualified(place))));
    plan.project(list)?.build()
}
