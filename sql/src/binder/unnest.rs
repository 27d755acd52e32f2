//! Arrays and objects of SUPER in FROM: a row for each element or attribute, beside the row that holds them.

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
    spread(input, array, name, place, (Use::Items, Use::Places))
}

/// Unnests `object`, an expression over `input`: its values into a column `name`, their attributes into another.
pub(super) fn unpivoted(
    input: LogicalPlan,
    object: Expr,
    name: &str,
    attribute: Option<&str>,
) -> Result<LogicalPlan> {
    spread(input, object, name, attribute, (Use::Values, Use::Keys))
}

fn spread(
    input: LogicalPlan,
    array: Expr,
    name: &str,
    place: Option<&str>,
    (items, places): (Use, Use),
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
    list.push(items.call(vec![array.clone()]).alias(name));
    let mut columns = vec![Column::new_unqualified(name)];
    if let Some(place) = place {
        list.push(places.call(vec![array]).alias(place));
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
