//! `a OPERATOR(pg_catalog.~) b`, as psql writes it, into the plain operator.

use crate::error::{Error, Result};
use sqlparser::ast::{BinaryOperator, Expr, UnaryOperator, Value};

/// The minus before one value, as an operator whose planner knows the type of that value; nobody can write it.
pub(in crate::binder) const NEGATIVE: &str = "\u{1}-";

/// `-x` of what is no constant: the engine knows no minus of an INTERVAL DAY TO SECOND, nor of a SUPER.
pub(super) fn rewrite_negative(expr: &mut Expr) {
    let Expr::UnaryOp {
        op: UnaryOperator::Minus,
        expr: inner,
    } = expr
    else {
        return;
    };
    if is_constant(inner) {
        return;
    }
    let null = || Expr::Value(Value::Null.into());
    let inner = std::mem::replace(inner.as_mut(), null());
    // In parentheses, as it binds closer than any other operator.
    *expr = Expr::Nested(Box::new(Expr::BinaryOp {
        left: Box::new(null()),
        op: BinaryOperator::Custom(NEGATIVE.to_owned()),
        right: Box::new(inner),
    }));
}

fn is_constant(expr: &Expr) -> bool {
    match expr {
        Expr::Value(_) => true,
        Expr::Nested(inner) | Expr::UnaryOp { expr: inner, .. } => is_constant(inner),
        _ => false,
    }
}

pub(super) fn rewrite(expr: &mut Expr) -> Result<()> {
    let Expr::BinaryOp { op, .. } = expr else {
        return Ok(());
    };
    let BinaryOperator::PGCustomBinaryOperator(parts) = op else {
        return Ok(());
    };
    let symbol = match parts.as_slice() {
        [symbol] => symbol.as_str(),
        [schema, symbol] if schema.eq_ignore_ascii_case("pg_catalog") => symbol.as_str(),
        _ => "",
    };
    let plain = match symbol {
        "~" => BinaryOperator::PGRegexMatch,
        "~*" => BinaryOperator::PGRegexIMatch,
        "!~" => BinaryOperator::PGRegexNotMatch,
        "!~*" => BinaryOperator::PGRegexNotIMatch,
        "~~" => BinaryOperator::PGLikeMatch,
        "!~~" => BinaryOperator::PGNotLikeMatch,
        "=" => BinaryOperator::Eq,
        "<>" | "!=" => BinaryOperator::NotEq,
        "<" => BinaryOperator::Lt,
        "<=" => BinaryOperator::LtEq,
        ">" => BinaryOperator::Gt,
        ">=" => BinaryOperator::GtEq,
        "+" => BinaryOperator::Plus,
        "-" => BinaryOperator::Minus,
        "*" => BinaryOperator::Multiply,
        "/" => BinaryOperator::Divide,
        "%" => BinaryOperator::Modulo,
        "||" => BinaryOperator::StringConcat,
        _ => {
            return Err(Error::unsupported(
                format!("OPERATOR({})", parts.join(".")),
                "Write the operator without OPERATOR()",
            ));
        }
    };
    *op = plain;
    Ok(())
}
