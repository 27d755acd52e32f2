//! `slice_num()` over a table: the slice that a row lies on.
//!
//! The hidden row id begins with the place of the row's row group in the version that is read, and the version knows
//! the slice of each. Of several tables it is the first of FROM. What cannot be told, as of the rows of a query in
//! FROM, stays and is refused by [`crate::planner::leader_only`].

use blueshift_compute::scan::StoredTable;
use blueshift_sql::binder::ROW_ID;
use datafusion::arrow::array::{AsArray, Int32Array};
use datafusion::arrow::datatypes::{DataType, Field, Int64Type, Schema};
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, Result, internal_err};
use datafusion::datasource::{provider_as_source, source_as_provider};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{
    ColumnarValue, Expr, Filter, Join, LogicalPlan, LogicalPlanBuilder, Projection,
    ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, SubqueryAlias, TableScan, Volatility,
};
use std::sync::Arc;

const FUNCTION: &str = "slice_num";
/// What the computed column is called; a user's name begins otherwise.
const NUMBER: &str = "__slice_number";

/// Computes it wherever it stands above tables.
pub fn settle(plan: LogicalPlan) -> Result<LogicalPlan> {
    let mut any = false;
    plan.apply_with_subqueries(|node| {
        any |= asks(node)?;
        Ok(match any {
            true => TreeNodeRecursion::Stop,
            false => TreeNodeRecursion::Continue,
        })
    })?;
    match any {
        true => plan
            .transform_up_with_subqueries(|node| match asks(&node)? {
                true => numbered(node),
                false => Ok(Transformed::no(node)),
            })
            .data(),
        false => Ok(plan),
    }
}

fn is_call(expr: &Expr) -> bool {
    matches!(expr, Expr::ScalarFunction(call) if call.name() == FUNCTION)
}

fn asks(node: &LogicalPlan) -> Result<bool> {
    let mut found = false;
    node.apply_expressions(|expr| {
        found |= expr.exists(|part| Ok(is_call(part)))?;
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(found)
}

/// Puts the column in the place of the calls in a node.
fn numbered(node: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    let inputs = node.inputs();
    let [input] = inputs.as_slice() else {
        return Ok(Transformed::no(node));
    };
    let Some((input, column)) = with_number(input)? else {
        return Ok(Transformed::no(node));
    };
    let columns = node.schema().columns();
    let names = NamePreserver::new(&node);
    let exprs = node.expressions().into_iter().map(|expr| {
        let name = names.save(&expr);
        let replaced = expr.transform_up(|part| match is_call(&part) {
            true => Ok(Transformed::yes(Expr::Column(column.clone()))),
            false => Ok(Transformed::no(part)),
        })?;
        Ok(name.restore(replaced.data))
    });
    let exprs = exprs.collect::<Result<Vec<_>>>()?;
    let plan = node.with_new_exprs(exprs, vec![input])?;
    if plan.schema().fields().len() == columns.len() {
        return Ok(Transformed::yes(plan));
    }
    // What passes its input on does not show the column.
    let columns = columns.into_iter().map(Expr::Column).collect();
    let plan = Projection::try_new(columns, Arc::new(plan))?;
    Ok(Transformed::yes(LogicalPlan::Projection(plan)))
}

/// Gives a plan with the column beside its own, if it reads a table for each of its rows.
fn with_number(plan: &LogicalPlan) -> Result<Option<(LogicalPlan, Column)>> {
    Ok(match plan {
        LogicalPlan::TableScan(scan) => scanned(scan)?,
        LogicalPlan::SubqueryAlias(alias)
            if matches!(alias.input.as_ref(), LogicalPlan::TableScan(_)) =>
        {
            let Some((input, _)) = with_number(&alias.input)? else {
                return Ok(None);
            };
            let plan = SubqueryAlias::try_new(Arc::new(input), alias.alias.clone())?;
            let column = Column::new(Some(alias.alias.clone()), NUMBER);
            Some((LogicalPlan::SubqueryAlias(plan), column))
        }
        LogicalPlan::Filter(filter) => match with_number(&filter.input)? {
            Some((input, column)) => {
                let plan = Filter::try_new(filter.predicate.clone(), Arc::new(input))?;
                Some((LogicalPlan::Filter(plan), column))
            }
            None => None,
        },
        LogicalPlan::Join(join) => {
            let rebuilt = |left: Arc<LogicalPlan>, right: Arc<LogicalPlan>| {
                Join::try_new(
                    left,
                    right,
                    join.on.clone(),
                    join.filter.clone(),
                    join.join_type,
                    join.join_constraint,
                    join.null_equality,
                    join.null_aware,
                )
            };
            if let Some((left, column)) = with_number(&join.left)? {
                let plan = rebuilt(Arc::new(left), Arc::clone(&join.right))?;
                return Ok(Some((LogicalPlan::Join(plan), column)));
            }
            match with_number(&join.right)? {
                Some((right, column)) => {
                    let plan = rebuilt(Arc::clone(&join.left), Arc::new(right))?;
                    Some((LogicalPlan::Join(plan), column))
                }
                None => None,
            }
        }
        _ => None,
    })
}

fn scanned(scan: &TableScan) -> Result<Option<(LogicalPlan, Column)>> {
    let Ok(provider) = source_as_provider(&scan.source) else {
        return Ok(None);
    };
    let provider: &dyn std::any::Any = provider.as_ref();
    let Some(table) = provider.downcast_ref::<StoredTable>() else {
        return Ok(None);
    };
    let mut table = table.clone();
    if !table.row_ids {
        let mut fields: Vec<_> = table.schema.fields().iter().cloned().collect();
        fields.push(Arc::new(Field::new(ROW_ID, DataType::Int64, false)));
        table.schema = Arc::new(Schema::new(fields));
        table.row_ids = true;
    }
    let groups = table.version.row_groups.iter();
    let slices = groups.map(|group| i32::try_from(group.record.slice.0).unwrap_or(i32::MAX));
    let function = ScalarUDF::new_from_impl(SliceOf {
        slices: slices.collect(),
        signature: Signature::exact(vec![DataType::Int64], Volatility::Immutable),
    });
    let row_id = Column::new(Some(scan.table_name.clone()), ROW_ID);
    let number = function.call(vec![Expr::Column(row_id)]).alias(NUMBER);
    let columns = scan.projected_schema.columns().into_iter();
    let plan = LogicalPlanBuilder::scan(
        scan.table_name.clone(),
        provider_as_source(Arc::new(table)),
        None,
    )?
    .project(columns.map(Expr::Column).chain([number]))?
    .build()?;
    Ok(Some((plan, Column::new_unqualified(NUMBER))))
}

/// The function `(row id)`, of the row groups of one version.
#[derive(Debug, PartialEq, Eq, Hash)]
struct SliceOf {
    /// The slice of each row group, in their order.
    slices: Vec<i32>,
    signature: Signature,
}

impl ScalarUDFImpl for SliceOf {
    fn name(&self) -> &str {
        "blueshift_slice_of"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _args: &[DataType]) -> Result<DataType> {
        Ok(DataType::Int32)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let Some(rows) = args.args.first() else {
            return internal_err!("the slice of no row was asked for");
        };
        let rows = rows.to_array(args.number_rows)?;
        let Some(rows) = rows.as_primitive_opt::<Int64Type>() else {
            return internal_err!("a row id is no number");
        };
        let slice = |row: i64| {
            let group = usize::try_from(row >> 32).ok()?;
            self.slices.get(group).copied()
        };
        let slices: Int32Array = rows.iter().map(|row| slice(row?)).collect();
        Ok(ColumnarValue::Array(Arc::new(slices)))
    }
}
