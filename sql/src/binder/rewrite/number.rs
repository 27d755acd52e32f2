//! Number literals with an exponent are DOUBLE PRECISION; those with a point alone stay DECIMAL.

use crate::error::{Error, Result};
use crate::sqlstate::SqlState;
use sqlparser::ast::{CastKind, DataType, Expr, Value};

pub(super) fn rewrite(expr: &mut Expr) -> Result<()> {
    let Expr::Value(value) = expr else {
        return Ok(());
    };
    let Value::Number(digits, _) = &value.value else {
        return Ok(());
    };
    if !digits.contains(['e', 'E']) {
        return Ok(());
    }
    if digits.parse::<f64>().is_ok_and(f64::is_infinite) {
        let text = format!("\"{digits}\" is out of range for type double precision");
        return Err(Error::new(SqlState::NUMERIC_VALUE_OUT_OF_RANGE, text));
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
    Ok(())
}
