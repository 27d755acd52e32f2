//! Constraints: kept and trusted by the planner, not enforced, so adding one looks at no row.

use super::put;
use crate::catalog::{Table, TableConstraint};
use crate::error::{Error, Result};
use crate::statement::context::Context;
use crate::statement::create_table;
use blueshift_sql::SqlState;
use blueshift_sql::statement::create_table::Constraint;

/// ADD CONSTRAINT.
pub(super) fn add(ctx: &mut Context<'_>, table: &Table, given: &Constraint) -> Result<()> {
    let mut after = table.clone();
    for constraint in create_table::constraints(ctx, table, std::slice::from_ref(given))? {
        if let TableConstraint::PrimaryKey(key) = &constraint {
            let is_primary =
                |other: &TableConstraint| matches!(other, TableConstraint::PrimaryKey(_));
            if table.constraints.iter().any(is_primary) {
                return Err(Error::new(
                    SqlState::INVALID_TABLE_DEFINITION,
                    format!(
                        "multiple primary keys for table \"{}\" are not allowed",
                        table.name
                    ),
                ));
            }
            let nullable = key
                .iter()
                .filter_map(|index| table.columns.get(*index))
                .find(|column| !column.not_null);
            if let Some(column) = nullable {
                return Err(Error::new(
                    SqlState::INVALID_TABLE_DEFINITION,
                    format!(
                        "column \"{}\" of relation \"{}\" is nullable and cannot be part of a primary key",
                        column.name, table.name
                    ),
                ));
            }
        }
        after.constraints.push(constraint);
    }
    put(ctx, &after)
}

/// DROP CONSTRAINT. A key that foreign keys refer to goes with CASCADE only, and they with it.
pub(super) fn drop(ctx: &mut Context<'_>, table: &Table, name: &str, cascade: bool) -> Result<()> {
    let _ = (ctx, name, cascade);
    Err(blueshift_sql::Error::unsupported(
        format!("DROP CONSTRAINT for table \"{}\"", table.name),
        "Make a new table without the constraint and move the rows with ALTER TABLE APPEND.",
    )
    .into())
}
