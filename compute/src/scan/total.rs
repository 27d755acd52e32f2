//! Which expressions a scan may take over.
//!
//! Storage tests conjuncts in the order it finds cheapest and may test an expression on every entry of a
//! dictionary, also on values that no surviving row has. So the scan takes only expressions that never raise
//! an error; `CAST(text AS int) = 1` stays above, behind the filters that keep it from bad rows.

use super::constant::widens;
use arrow_schema::{DataType, Schema};
use datafusion::common::ScalarValue;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::Operator;
use datafusion::physical_expr::expressions::{
    BinaryExpr, CaseExpr, CastExpr, Column, DynamicFilterPhysicalExpr, InListExpr, IsNotNullExpr,
    IsNullExpr, LikeExpr, Literal, NotExpr, TryCastExpr,
};
use datafusion::physical_expr::{PhysicalExpr, ScalarFunctionExpr};
use datafusion::physical_expr_common::physical_expr::is_volatile;
use std::sync::Arc;

/// Functions that give a value or null for every input.
const TOTAL_FUNCTIONS: &[&str] = &[
    "ascii",
    "bit_length",
    "blueshift_as_is",
    "btrim",
    "ceil",
    "char_length",
    "character_length",
    "coalesce",
    "concat",
    "contains",
    "date_part",
    "date_trunc",
    "ends_with",
    "extract",
    "floor",
    "initcap",
    "left",
    "len",
    "length",
    "lower",
    "ltrim",
    "nullif",
    "nvl",
    "octet_length",
    "position",
    "reverse",
    "right",
    "rtrim",
    "starts_with",
    "strpos",
    "substr",
    "substring",
    "textlen",
    "trim",
    "upper",
];

/// Tells whether a scan of `schema` can evaluate a filter exactly: it reads columns of the first
/// `column_count` only, gives the same answer every time, and never fails.
pub(super) fn scan_takes(
    filter: &Arc<dyn PhysicalExpr>,
    schema: &Schema,
    column_count: usize,
) -> bool {
    // A filter of the engine's own making runs on keys the operator above evaluates anyway.
    if filter.downcast_ref::<DynamicFilterPhysicalExpr>().is_some() {
        return reads_columns_below(filter, column_count) && !keys_overlap(filter);
    }
    !is_volatile(filter) && reads_columns_below(filter, column_count) && is_total(filter, schema)
}

/// Tells whether a key of a filter holds another, as in `ORDER BY a + b, b`. The engine moves the columns of keys from
/// the innermost outwards, and does not know `a + b` again when it has moved `b`: `a` would stay where it was.
fn keys_overlap(filter: &Arc<dyn PhysicalExpr>) -> bool {
    let keys = filter.children();
    keys.iter().any(|key| {
        let holds = key.exists(|part| {
            Ok(!Arc::ptr_eq(part, key) && keys.iter().any(|other| other.as_ref() == part.as_ref()))
        });
        key.downcast_ref::<Column>().is_none() && holds.unwrap_or(true)
    })
}

fn reads_columns_below(filter: &Arc<dyn PhysicalExpr>, column_count: usize) -> bool {
    let mut below = true;
    let walked = filter.apply(|node| {
        below &= node
            .downcast_ref::<Column>()
            .is_none_or(|column| column.index() < column_count);
        Ok(if below {
            TreeNodeRecursion::Continue
        } else {
            TreeNodeRecursion::Stop
        })
    });
    walked.is_ok() && below
}

fn is_total(filter: &Arc<dyn PhysicalExpr>, schema: &Schema) -> bool {
    let mut total = true;
    let walked = filter.apply(|node| {
        total &= node_is_total(node, schema);
        Ok(if total {
            TreeNodeRecursion::Continue
        } else {
            TreeNodeRecursion::Stop
        })
    });
    walked.is_ok() && total
}

fn node_is_total(node: &Arc<dyn PhysicalExpr>, schema: &Schema) -> bool {
    if let Some(binary) = node.downcast_ref::<BinaryExpr>() {
        return match binary.op() {
            Operator::Divide | Operator::Modulo => binary
                .right()
                .downcast_ref::<Literal>()
                .is_some_and(|value| not_zero(value.value())),
            Operator::And
            | Operator::Or
            | Operator::Plus
            | Operator::Minus
            | Operator::Multiply
            | Operator::IsDistinctFrom
            | Operator::IsNotDistinctFrom
            | Operator::StringConcat
            | Operator::LikeMatch
            | Operator::ILikeMatch
            | Operator::NotLikeMatch
            | Operator::NotILikeMatch => true,
            Operator::Eq
            | Operator::NotEq
            | Operator::Lt
            | Operator::LtEq
            | Operator::Gt
            | Operator::GtEq => true,
            _ => false,
        };
    }
    if let Some(cast) = node.downcast_ref::<CastExpr>() {
        let from = cast.expr().data_type(schema);
        return from.is_ok_and(|from| cast_is_total(&from, cast.cast_type()));
    }
    if let Some(function) = node.downcast_ref::<ScalarFunctionExpr>() {
        return TOTAL_FUNCTIONS.contains(&function.fun().name());
    }
    node.downcast_ref::<Column>().is_some()
        || node.downcast_ref::<Literal>().is_some()
        || node.downcast_ref::<InListExpr>().is_some()
        || node.downcast_ref::<LikeExpr>().is_some()
        || node.downcast_ref::<IsNullExpr>().is_some()
        || node.downcast_ref::<IsNotNullExpr>().is_some()
        || node.downcast_ref::<NotExpr>().is_some()
        || node.downcast_ref::<CaseExpr>().is_some()
        || node.downcast_ref::<TryCastExpr>().is_some()
}

fn cast_is_total(from: &DataType, to: &DataType) -> bool {
    let text = |ty: &DataType| {
        matches!(
            ty,
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View
        )
    };
    from == to
        || widens(from, to)
        || text(to)
        || (from.is_numeric() && to.is_floating())
        || matches!((from, to), (DataType::Timestamp(..), DataType::Date32))
}

fn not_zero(value: &ScalarValue) -> bool {
    !value.is_null() && ScalarValue::new_zero(&value.data_type()).is_ok_and(|zero| zero != *value)
}
