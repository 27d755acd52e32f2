//! A JOIN without ON or USING is no statement; only CROSS JOIN and NATURAL JOIN have none.

use crate::error::{Error, Result};
use sqlparser::ast::{
    JoinConstraint, JoinOperator, ObjectNamePart, Select, TableFactor, TableWithJoins,
};

/// Refuses such a join.
pub(super) fn check(select: &Select) -> Result<()> {
    select.from.iter().try_for_each(check_item)
}

fn check_item(item: &TableWithJoins) -> Result<()> {
    check_factor(&item.relation)?;
    for join in &item.joins {
        check_factor(&join.relation)?;
        let constraint = match &join.join_operator {
            JoinOperator::Join(constraint)
            | JoinOperator::Inner(constraint)
            | JoinOperator::Left(constraint)
            | JoinOperator::LeftOuter(constraint)
            | JoinOperator::Right(constraint)
            | JoinOperator::RightOuter(constraint)
            | JoinOperator::FullOuter(constraint) => constraint,
            _ => continue,
        };
        if *constraint == JoinConstraint::None {
            let error = Error::syntax("a JOIN has no condition", place(&join.relation));
            return Err(error.with_hint(
                "Write ON or USING behind the table, or CROSS JOIN for every row with every row",
            ));
        }
    }
    Ok(())
}

fn check_factor(factor: &TableFactor) -> Result<()> {
    match factor {
        TableFactor::NestedJoin {
            table_with_joins, ..
        } => check_item(table_with_joins),
        _ => Ok(()),
    }
}

fn place(factor: &TableFactor) -> Option<usize> {
    let TableFactor::Table { name, .. } = factor else {
        return None;
    };
    let first = name.0.first().and_then(ObjectNamePart::as_ident)?;
    usize::try_from(first.span.start.column).ok()
}
