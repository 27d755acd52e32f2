//! `a OPERATOR(pg_catalog.~) b`, as psql writes it, into the plain operator.

use crate::error::{Error, Result};
use sqlparser::ast::{BinaryOperator, Expr};

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
