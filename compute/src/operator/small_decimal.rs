//! `SmallDecimalExpr`: `+`, `-` and `*` of decimals, computed without a check per value where the values at hand are
//! small enough that none can overflow, as nearly all are.
//!
//! The engine's own checks every product of 128 bits, which takes ten times as long. Types and results are the same;
//! values that are not small go the engine's way.

use arrow::array::{Array, ArrayRef, AsArray, Decimal128Array};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{DataType, Decimal128Type, Schema};
use arrow::record_batch::RecordBatch;
use arrow_schema::FieldRef;
use blueshift_sql::function::exact::small::{Operand, compute};
use datafusion::common::ScalarValue;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::error::Result;
use datafusion::logical_expr::{ColumnarValue, Operator};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::BinaryExpr;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::aggregates::AggregateExec;
use datafusion::physical_plan::projection::{ProjectionExec, ProjectionExpr};
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// The expression. See the module.
#[derive(Debug, Eq)]
pub struct SmallDecimalExpr {
    /// The engine's expression, a [`BinaryExpr`].
    plain: Arc<dyn PhysicalExpr>,
    left: Arc<dyn PhysicalExpr>,
    operator: Operator,
    right: Arc<dyn PhysicalExpr>,
    precision: u8,
    scale: i8,
}

impl PartialEq for SmallDecimalExpr {
    fn eq(&self, other: &Self) -> bool {
        self.plain.eq(&other.plain)
    }
}

impl Hash for SmallDecimalExpr {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.plain.hash(state);
    }
}

/// Puts the expression in place of the engine's in projections and arguments of aggregates.
pub fn with_small_decimals(plan: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    plan.transform_up(|node| {
        if let Some(aggregate) = node.downcast_ref::<AggregateExec>() {
            // What comes from other aggregates is no argument.
            if aggregate.mode().input_mode()
                == datafusion::physical_plan::aggregates::AggregateInputMode::Partial
            {
                return Ok(Transformed::no(node));
            }
            return in_aggregate(aggregate).map(|changed| match changed {
                Some(changed) => Transformed::yes(Arc::new(changed) as _),
                None => Transformed::no(node),
            });
        }
        if let Some(projection) = node.downcast_ref::<ProjectionExec>() {
            return in_projection(projection).map(|changed| match changed {
                Some(changed) => Transformed::yes(Arc::new(changed) as _),
                None => Transformed::no(node),
            });
        }
        Ok(Transformed::no(node))
    })
    .data()
}

/// Puts it in place of the engine's within one expression.
pub fn small_in(expr: &Arc<dyn PhysicalExpr>, schema: &Schema) -> Result<Arc<dyn PhysicalExpr>> {
    let changed = small(expr, schema)?;
    // What it tells of itself beside its type may be lost on the way; then it stays as it was.
    let is_same =
        changed.transformed && changed.data.return_field(schema)? == expr.return_field(schema)?;
    Ok(match is_same {
        true => changed.data,
        false => Arc::clone(expr),
    })
}

fn in_projection(projection: &ProjectionExec) -> Result<Option<ProjectionExec>> {
    let schema = projection.input().schema();
    let mut any = false;
    let mut expressions = Vec::with_capacity(projection.expr().len());
    for column in projection.expr() {
        let expr = small(&column.expr, &schema)?;
        any |= expr.transformed;
        expressions.push(ProjectionExpr {
            expr: expr.data,
            alias: column.alias.clone(),
        });
    }
    if !any {
        return Ok(None);
    }
    let old = projection.schema();
    let mut new = ProjectionExec::try_new(expressions.clone(), Arc::clone(projection.input()))?;
    let made = new.schema();
    if made != old {
        // What a column tells of itself beside its type may be lost on the way; then it stays as it was.
        let fields = old.fields().iter().zip(made.fields()).enumerate();
        let lost: Vec<usize> = fields
            .filter(|(_, (before, after))| before != after)
            .map(|(index, _)| index)
            .collect();
        for index in lost {
            if let (Some(column), Some(before)) =
                (expressions.get_mut(index), projection.expr().get(index))
            {
                column.expr = Arc::clone(&before.expr);
            }
        }
        new = ProjectionExec::try_new(expressions, Arc::clone(projection.input()))?;
    }
    Ok((new.schema() == old).then_some(new))
}

fn in_aggregate(aggregate: &AggregateExec) -> Result<Option<AggregateExec>> {
    let schema = aggregate.input().schema();
    let mut any = false;
    let mut functions = Vec::with_capacity(aggregate.aggr_expr().len());
    for function in aggregate.aggr_expr() {
        let parts = function.all_expressions();
        let mut here = false;
        let mut arguments = Vec::with_capacity(parts.args.len());
        for argument in parts.args {
            let argument = small(&argument, &schema)?;
            here |= argument.transformed;
            arguments.push(argument.data);
        }
        // One that is read in reverse would forget it.
        let changed = match here && !function.is_reversed() {
            true => function.with_new_expressions(arguments, parts.order_by_exprs),
            false => None,
        };
        any |= changed.is_some();
        functions.push(changed.map_or_else(|| Arc::clone(function), Arc::new));
    }
    Ok(any.then(|| aggregate.with_new_aggr_exprs(functions)))
}

fn small(
    expr: &Arc<dyn PhysicalExpr>,
    schema: &Schema,
) -> Result<Transformed<Arc<dyn PhysicalExpr>>> {
    Arc::clone(expr).transform_up(|node| {
        let small = node
            .downcast_ref::<BinaryExpr>()
            .and_then(|binary| SmallDecimalExpr::of(&node, binary, schema));
        Ok(match small {
            Some(small) => Transformed::yes(Arc::new(small) as _),
            None => Transformed::no(node),
        })
    })
}

impl SmallDecimalExpr {
    fn of(plain: &Arc<dyn PhysicalExpr>, binary: &BinaryExpr, schema: &Schema) -> Option<Self> {
        let scale_of = |side: &Arc<dyn PhysicalExpr>| match side.data_type(schema) {
            Ok(DataType::Decimal128(_, scale)) if scale >= 0 => Some(scale),
            _ => None,
        };
        let (left, right) = (scale_of(binary.left())?, scale_of(binary.right())?);
        let exact = match binary.op() {
            Operator::Plus | Operator::Minus => left.max(right),
            Operator::Multiply => left.checked_add(right)?,
            _ => return None,
        };
        match plain.data_type(schema) {
            Ok(DataType::Decimal128(precision, scale)) if scale == exact => Some(Self {
                plain: Arc::clone(plain),
                left: Arc::clone(binary.left()),
                operator: *binary.op(),
                right: Arc::clone(binary.right()),
                precision,
                scale,
            }),
            _ => None,
        }
    }

    /// Computes it if the values are small.
    fn small(&self, left: &ColumnarValue, right: &ColumnarValue, rows: usize) -> Option<ArrayRef> {
        let nulls = NullBuffer::union(nulls_of(left), nulls_of(right));
        let results = compute(self.operator, operand(left)?, operand(right)?, 0, rows)?;
        let results = Decimal128Array::new(results.into(), nulls);
        let results = results.with_precision_and_scale(self.precision, self.scale);
        Some(Arc::new(results.ok()?))
    }
}

fn nulls_of(value: &ColumnarValue) -> Option<&NullBuffer> {
    match value {
        ColumnarValue::Array(array) => array.nulls(),
        ColumnarValue::Scalar(_) => None,
    }
}

/// Gives unscaled values and their scale; `None` for a null constant.
fn operand(value: &ColumnarValue) -> Option<(Operand<'_>, i8)> {
    match value {
        ColumnarValue::Array(array) => {
            let array = array.as_primitive_opt::<Decimal128Type>()?;
            Some((Operand::Each(array.values()), array.scale()))
        }
        ColumnarValue::Scalar(ScalarValue::Decimal128(Some(value), _, scale)) => {
            Some((Operand::One(*value), *scale))
        }
        ColumnarValue::Scalar(_) => None,
    }
}

impl fmt::Display for SmallDecimalExpr {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.plain.fmt(formatter)
    }
}

impl PhysicalExpr for SmallDecimalExpr {
    fn return_field(&self, schema: &Schema) -> Result<FieldRef> {
        self.plain.return_field(schema)
    }

    fn evaluate(&self, batch: &RecordBatch) -> Result<ColumnarValue> {
        let (left, right) = (self.left.evaluate(batch)?, self.right.evaluate(batch)?);
        let is_constant = |side: &ColumnarValue| matches!(side, ColumnarValue::Scalar(_));
        if !(is_constant(&left) && is_constant(&right))
            && let Some(results) = self.small(&left, &right, batch.num_rows())
        {
            return Ok(ColumnarValue::Array(results));
        }
        self.plain.evaluate(batch)
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        vec![&self.left, &self.right]
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn PhysicalExpr>>,
    ) -> Result<Arc<dyn PhysicalExpr>> {
        let [left, right] = children.as_slice() else {
            return datafusion::common::internal_err!("an operator has two sides");
        };
        let plain = Arc::clone(&self.plain).with_new_children(children.clone())?;
        Ok(Arc::new(Self {
            plain,
            left: Arc::clone(left),
            operator: self.operator,
            right: Arc::clone(right),
            precision: self.precision,
            scale: self.scale,
        }))
    }

    fn fmt_sql(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.plain.fmt_sql(formatter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::datatypes::Field;
    use datafusion::physical_expr::expressions::{binary, col, lit};

    fn batch(left: Vec<Option<i128>>, right: Vec<Option<i128>>) -> RecordBatch {
        let array = |values: Vec<Option<i128>>, precision, scale| -> ArrayRef {
            let array = Decimal128Array::from(values);
            Arc::new(array.with_precision_and_scale(precision, scale).unwrap())
        };
        let columns = [("a", array(left, 15, 2)), ("b", array(right, 18, 4))];
        RecordBatch::try_from_iter_with_nullable(columns.map(|(name, array)| (name, array, true)))
            .unwrap()
    }

    /// Small and plain alike, values and types.
    fn check(batch: &RecordBatch) {
        let schema = batch.schema();
        let (a, b) = (col("a", &schema).unwrap(), col("b", &schema).unwrap());
        let one = lit(ScalarValue::Decimal128(Some(1), 20, 0));
        for operator in [Operator::Plus, Operator::Minus, Operator::Multiply] {
            let nested =
                binary(Arc::clone(&one), Operator::Minus, Arc::clone(&b), &schema).unwrap();
            for (left, right) in [(&a, &b), (&b, &one), (&one, &a), (&a, &nested)] {
                let plain = binary(Arc::clone(left), operator, Arc::clone(right), &schema).unwrap();
                let found = small(&plain, &schema).unwrap();
                assert!(found.transformed);
                let rows = batch.num_rows();
                let expected = plain.evaluate(batch).unwrap().into_array(rows).unwrap();
                let found = found
                    .data
                    .evaluate(batch)
                    .unwrap()
                    .into_array(rows)
                    .unwrap();
                assert_eq!(&found, &expected, "{plain}");
            }
        }
    }

    #[test]
    fn results_are_the_engines() {
        check(&batch(
            vec![Some(12_345), None, Some(-1), Some(0)],
            vec![Some(1), Some(-77), None, Some(9)],
        ));
        check(&batch(
            vec![Some(999_999_999_999_999); 2],
            vec![Some(-999_999_999_999_999_999), None],
        ));
        check(&batch(vec![], vec![]));
    }

    #[test]
    fn other_numbers_are_left_alone() {
        let schema = Schema::new(vec![Field::new("i", DataType::Int64, true)]);
        let sum = binary(
            col("i", &schema).unwrap(),
            Operator::Plus,
            lit(1_i64),
            &schema,
        )
        .unwrap();
        assert!(!small(&sum, &schema).unwrap().transformed);
    }
}
