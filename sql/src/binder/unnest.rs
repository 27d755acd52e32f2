//! Arrays and objects of SUPER in FROM: a row for each element or attribute, beside the row that holds them.

use super::context::external;
use super::rewrite::NOTHING;
use crate::error::Error;
use crate::function::semistructured::{Use, is_super};
use crate::statement::external::NestedType;
use crate::types::SqlType;
use datafusion_common::metadata::FieldMetadata;
use datafusion_common::{Column, Result, UnnestOptions};
use datafusion_expr::{Expr, ExprSchemable, LogicalPlan, LogicalPlanBuilder, cast, lit, when};

/// Unnests `array`, an expression over `input`, into a column `name`, and its places into another; both of a table
/// `qualifier`, if there is one.
pub(super) fn unnested(
    input: LogicalPlan,
    array: Expr,
    name: &str,
    place: Option<&str>,
    qualifier: Option<&str>,
) -> Result<LogicalPlan> {
    let columns = Columns {
        value: name,
        place,
        qualifier,
    };
    spread(input, array, columns, (Use::Items, Use::Places), false)
}

/// Does [`unnested`] and keeps rows of `input` whose array has no elements, with null in the place of one.
pub(super) fn unnested_left(
    input: LogicalPlan,
    array: Expr,
    name: &str,
    place: Option<&str>,
) -> Result<LogicalPlan> {
    let columns = Columns {
        value: name,
        place,
        qualifier: None,
    };
    spread(input, array, columns, (Use::Items, Use::Places), true)
}

/// Unnests `object`, an expression over `input`: its values into a column `name`, their attributes into another.
pub(super) fn unpivoted(
    input: LogicalPlan,
    object: Expr,
    name: &str,
    attribute: Option<&str>,
) -> Result<LogicalPlan> {
    let columns = Columns {
        value: name,
        place: attribute,
        qualifier: None,
    };
    spread(input, object, columns, (Use::Values, Use::Keys), false)
}

/// Makes of a part of a SUPER what its declared type says: a plain value is cast, others keep a note of their type.
pub(super) fn typed(part: Expr, ty: Option<NestedType>) -> Expr {
    match ty {
        Some(NestedType::Scalar(ty)) => cast(part, ty.arrow()),
        Some(ty) => {
            let name = part.schema_name().to_string();
            let notes = notes(&ty);
            part.alias_with_metadata(name, notes)
        }
        None => part,
    }
}

/// Gives what is noted on the field of a SUPER of a nested type.
fn notes(ty: &NestedType) -> Option<FieldMetadata> {
    if let NestedType::Scalar(_) = ty {
        return None;
    }
    let field = ty.note(SqlType::Super.field("", true));
    Some(FieldMetadata::from(field.metadata()))
}

/// What the columns are called.
struct Columns<'a> {
    value: &'a str,
    place: Option<&'a str>,
    qualifier: Option<&'a str>,
}

/// What they are called until they are whole, so that no other column is called so.
const VALUE: &str = "\u{1}value";
const PLACE: &str = "\u{1}place";

/// Tells whether an expression over `input` is a SUPER.
pub(super) fn is_array(array: &Expr, input: &LogicalPlan) -> bool {
    array
        .to_field(input.schema())
        .is_ok_and(|(_, field)| is_super(&field))
}

fn spread(
    input: LogicalPlan,
    array: Expr,
    names: Columns<'_>,
    (items, places): (Use, Use),
    keeps_all: bool,
) -> Result<LogicalPlan> {
    let field = array.to_field(input.schema()).ok().map(|(_, field)| field);
    let nested = field.as_deref().and_then(NestedType::noted);
    if !is_array(&array, &input) {
        return Err(external(Error::unsupported(
            format!("{} in FROM, which is not a SUPER,", names.value),
            "Name a table, or an array in a SUPER column",
        )));
    }
    let kept: Vec<Expr> = input
        .schema()
        .columns()
        .into_iter()
        .filter(|column| column.name != NOTHING)
        .map(Expr::Column)
        .collect();
    let mut list = kept.clone();
    // A list that is null is one row, if rows without elements are kept.
    let listed = |used: Use, array: Expr| match keeps_all {
        false => Ok(used.call(vec![array])),
        true => {
            let first = Use::Get.call(vec![array.clone(), lit(0_i64)]);
            when(first.is_not_null(), used.call(vec![array])).end()
        }
    };
    list.push(listed(items, array.clone())?.alias(VALUE));
    let mut columns = vec![Column::new_unqualified(VALUE)];
    if names.place.is_some() {
        list.push(listed(places, array)?.alias(PLACE));
        columns.push(Column::new_unqualified(PLACE));
    }
    let options = UnnestOptions::new().with_preserve_nulls(keeps_all);
    let plan = LogicalPlanBuilder::from(input)
        .project(list)?
        .unnest_columns_with_options(columns, options)?;
    // The elements are SUPER values again.
    let element = Use::Raw.call(vec![Expr::Column(Column::new_unqualified(VALUE))]);
    let ty = nested.and_then(|nested| nested.element());
    let notes = ty.as_ref().and_then(notes);
    let element = match ty {
        Some(NestedType::Scalar(ty)) => cast(element, ty.arrow()),
        _ => element,
    };
    let mut list = kept;
    list.push(element.alias_qualified_with_metadata(names.qualifier, names.value, notes));
    list.extend(names.place.map(|place| {
        let column = Expr::Column(Column::new_unqualified(PLACE));
        column.alias_qualified(names.qualifier, place)
    }));
    plan.project(list)?.build()
}
