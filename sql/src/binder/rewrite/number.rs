//! Number literals with an exponent are DOUBLE PRECISION; those with a point alone stay DECIMAL.

use sqlparser::ast::{CastKind, DataType, Expr, Value};

pub(super) fn rewrite(expr: &mut Expr) {
    let Expr::Value(value) = expr else { return };
    let Value::Number(digits, _) = &value.value else {
        return;
    };
    if !digits.contains(['e', 'E']) {
        return;
    }
    *expr = Expr::Cast {
        kind: CastKind::Cast,
        expr: Box::new(Expr::Value(
            Value::SingleQuotedString(digits.clone()).into(),
        )),
        data_type: DataType::DoublePrecision,
        array: false,
        format: None,
    };
}
