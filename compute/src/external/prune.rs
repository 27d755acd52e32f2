//! Finds the partitions that a query can need: those whose values pass the conditions on partition columns.

use super::{ExternalColumn, ExternalPartition};
use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, RecordBatchOptions};
use arrow_schema::{DataType, Schema, SchemaRef};
use datafusion::catalog::Session;
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::error::Result;
use datafusion::logical_expr::Expr;
use datafusion::physical_expr::PhysicalExpr;
use std::sync::Arc;

/// Tells whether a condition can be decided by the partition columns alone.
pub(super) fn is_about(filter: &Expr, columns: &[ExternalColumn]) -> bool {
    let named = filter.column_refs();
    let is_partition = |name: &str| columns.iter().any(|column| column.name == name);
    !named.is_empty()
        && named.iter().all(|column| is_partition(&column.name))
        && !filter.is_volatile()
        && !has_subquery(filter)
}

/// Tells whether a condition asks for rows of other tables, or for what is not known yet.
pub(super) fn has_subquery(filter: &Expr) -> bool {
    use datafusion::common::tree_node::TreeNode;
    let found = filter.exists(|part| {
        Ok(matches!(
            part,
            Expr::ScalarSubquery(_)
                | Expr::InSubquery(_)
                | Expr::Exists(_)
                | Expr::OuterReferenceColumn(..)
                | Expr::Placeholder(_)
        ))
    });
    found.unwrap_or(true)
}

/// Gives the places of the partitions that pass all conditions that are about partition columns alone, and those
/// conditions.
pub(super) fn qualified(
    state: &dyn Session,
    columns: &[ExternalColumn],
    partitions: &[ExternalPartition],
    filters: &[Expr],
) -> Result<(Vec<usize>, Vec<Arc<dyn PhysicalExpr>>)> {
    let mut tests = Vec::new();
    let mut kept: Vec<bool> = vec![true; partitions.len()];
    let filters: Vec<&Expr> = filters
        .iter()
        .filter(|filter| is_about(filter, columns))
        .collect();
    if !filters.is_empty() && !partitions.is_empty() {
        let batch = values(columns, partitions)?;
        let schema = DFSchema::try_from(batch.schema())?;
        for filter in filters {
            let filter = unqualified(filter.clone())?;
            let test = state.create_physical_expr(filter, &schema)?;
            let passed = test.evaluate(&batch)?.into_array(batch.num_rows())?;
            narrow(&mut kept, &passed);
            tests.push(test);
        }
    }
    let places = kept.iter().enumerate().filter(|(_, kept)| **kept);
    Ok((places.map(|(place, _)| place).collect(), tests))
}

fn narrow(kept: &mut [bool], passed: &ArrayRef) {
    let Some(passed) = passed.as_boolean_opt() else {
        return;
    };
    for (row, kept) in kept.iter_mut().enumerate() {
        *kept &= passed.is_valid(row) && passed.value(row);
    }
}

/// Names columns without their table.
pub(super) fn unqualified(filter: Expr) -> Result<Expr> {
    use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
    filter
        .transform(|part| {
            Ok(match part {
                Expr::Column(column) => Transformed::yes(Expr::Column(
                    datafusion::common::Column::from_name(column.name),
                )),
                other => Transformed::no(other),
            })
        })
        .data()
}

/// Gives the values of all partitions, a row each.
fn values(columns: &[ExternalColumn], partitions: &[ExternalPartition]) -> Result<RecordBatch> {
    let fields = columns
        .iter()
        .map(|column| column.ty.field(&column.name, true));
    let schema: SchemaRef = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    let arrays = columns.iter().enumerate().map(|(place, column)| {
        let wanted: DataType = column.ty.arrow();
        let null = ScalarValue::try_from(&wanted)?;
        let values = partitions.iter();
        let values = values.map(|one| one.values.get(place).unwrap_or(&null).clone());
        ScalarValue::iter_to_array(values)
    });
    let arrays: Vec<ArrayRef> = arrays.collect::<Result<_>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(partitions.len()));
    Ok(RecordBatch::try_new_with_options(schema, arrays, &options)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use blueshift_sql::SqlType;
    use datafusion::execution::SessionStateDefaults;
    use datafusion::execution::session_state::SessionStateBuilder;
    use datafusion::prelude::{col, lit};

    fn column(name: &str, ty: SqlType) -> ExternalColumn {
        ExternalColumn {
            name: name.to_owned(),
            ty,
            nested: None,
        }
    }

    fn partition(year: i32, region: Option<&str>) -> ExternalPartition {
        ExternalPartition {
            values: vec![
                ScalarValue::Int32(Some(year)),
                ScalarValue::Utf8View(region.map(str::to_owned)),
            ],
            location: format!("s3://b/{year}/"),
        }
    }

    fn check(filters: &[Expr], expected: &[usize]) {
        let columns = [
            column("year", SqlType::Integer),
            column("region", SqlType::Varchar(9)),
        ];
        let partitions = [
            partition(2007, Some("eu")),
            partition(2008, Some("us")),
            partition(2008, None),
        ];
        let state = SessionStateBuilder::new()
            .with_scalar_functions(SessionStateDefaults::default_scalar_functions())
            .build();
        let found = qualified(&state, &columns, &partitions, filters);
        let (found, _) = found.expect("partitions");
        assert_eq!(found, expected, "{filters:?}");
    }

    #[test]
    fn only_partitions_that_pass_are_left() {
        check(&[], &[0, 1, 2]);
        check(&[col("year").eq(lit(2008_i32))], &[1, 2]);
        let text = |text: &str| lit(ScalarValue::Utf8View(Some(text.to_owned())));
        check(&[col("region").eq(text("us"))], &[1]);
        check(&[col("region").is_null()], &[2]);
        check(&[col("year").gt(lit(2008_i32))], &[]);
        let both = [col("year").eq(lit(2008_i32)), col("region").is_not_null()];
        check(&both, &[1]);
        // What other columns hold is not known here.
        check(&[col("price").gt(lit(1_i32))], &[0, 1, 2]);
        check(
            &[col("price")
                .gt(lit(1_i32))
                .or(col("year").eq(lit(2007_i32)))],
            &[0, 1, 2],
        );
    }
}
