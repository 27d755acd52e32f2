//! INSERT of plain constants -> columns of values, without a plan.
//!
//! Most small inserts are numbers, texts and parameters. Whatever is not, and whatever is wrong with them, is left to
//! the general way, which so decides all errors: here `None` is the answer to everything unusual.

use super::assign::{assign, convert};
use crate::statement::dml::{Insert, InsertSource};
use crate::statement::query::Expression;
use crate::types::SqlType;
use arrow::array::ArrayRef;
use arrow_schema::{DataType, Field};
use datafusion_common::{Column, ScalarValue};
use datafusion_expr::Expr;
use sqlparser::ast::{self, UnaryOperator, Value};

/// The name of the column that the expression of [`LiteralColumn`] computes on.
pub const LITERAL: &str = "value";

/// Digits of a decimal at most.
pub(super) const DIGITS_MAX: usize = 38;

/// A column of the table to insert into.
#[derive(Clone, Debug)]
pub struct LiteralTarget<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its type.
    pub ty: SqlType,
    /// Its DEFAULT, as written.
    pub default: Option<&'a str>,
}

/// The values of one column of the table.
#[derive(Clone, Debug)]
pub struct LiteralColumn {
    /// As they were written, one a row.
    pub values: ArrayRef,
    /// What they become in the table: computes on a column [`LITERAL`]. `None` if they are that already.
    pub assigned: Option<Expr>,
    /// Whether the statement gives them (and not DEFAULT).
    pub is_given: bool,
}

/// Gives the columns of all rows, in table order; `None` if something is not as plain as that.
pub fn literal_columns(
    target: &[LiteralTarget<'_>],
    insert: &Insert,
    parameters: &[ScalarValue],
) -> Option<Vec<LiteralColumn>> {
    let InsertSource::Values(rows) = &insert.source else {
        return None;
    };
    let width = rows.first()?.len();
    let named = named(target, insert)?;
    let fits = match insert.columns.is_empty() {
        true => width <= named.len(),
        false => width == named.len(),
    };
    if !fits || rows.iter().any(|row| row.len() != width) {
        return None;
    }
    let columns = target.iter().enumerate();
    let columns = columns.map(|(index, column)| {
        let place = named.iter().take(width).position(|named| *named == index);
        let default = || match column.default {
            None => Some(ScalarValue::Null),
            Some(text) => literal(&Expression::parse(text).ok()?.tree, &[]),
        };
        let mut is_given = false;
        let mut values = Vec::with_capacity(rows.len());
        for row in rows {
            let cell = place
                .and_then(|place| row.get(place))
                .and_then(Option::as_ref);
            is_given |= cell.is_some();
            values.push(match cell {
                Some(cell) => literal(&cell.tree, parameters)?,
                None => default()?,
            });
        }
        let (values, source) = of_one_type(values, column.ty)?;
        Some(LiteralColumn {
            values,
            assigned: assigned(&source, column.ty)?,
            is_given,
        })
    });
    columns.collect()
}

fn named(target: &[LiteralTarget<'_>], insert: &Insert) -> Option<Vec<usize>> {
    if insert.columns.is_empty() {
        return Some((0..target.len()).collect());
    }
    let place = |name: &String| target.iter().position(|column| column.name == *name);
    let named: Vec<usize> = insert.columns.iter().map(place).collect::<Option<_>>()?;
    let is_twice = |at: usize| {
        named
            .iter()
            .skip(at + 1)
            .any(|other| Some(other) == named.get(at))
    };
    (!(0..named.len()).any(is_twice)).then_some(named)
}

/// Reads a constant as the engine does: numbers without a point as BIGINT, with one as DECIMAL.
pub(super) fn literal(tree: &ast::Expr, parameters: &[ScalarValue]) -> Option<ScalarValue> {
    match tree {
        ast::Expr::Value(value) => match &value.value {
            Value::Number(digits, _) => number(digits, false),
            Value::SingleQuotedString(text) => Some(ScalarValue::Utf8(Some(text.clone()))),
            Value::Boolean(value) => Some(ScalarValue::Boolean(Some(*value))),
            Value::Null => Some(ScalarValue::Null),
            Value::Placeholder(name) => {
                let number: usize = name.strip_prefix('$')?.parse().ok()?;
                let value = parameters.get(number.checked_sub(1)?)?;
                Some(match value.is_null() {
                    true => ScalarValue::Null,
                    false => value.clone(),
                })
            }
            _ => None,
        },
        ast::Expr::UnaryOp {
            op: UnaryOperator::Minus,
            expr,
        } => match expr.as_ref() {
            ast::Expr::Value(value) => match &value.value {
                Value::Number(digits, _) => number(digits, true),
                _ => None,
            },
            _ => None,
        },
        _ => None,
    }
}

fn number(text: &str, is_negative: bool) -> Option<ScalarValue> {
    let sign = if is_negative { -1 } else { 1 };
    if !text
        .bytes()
        .all(|byte| byte.is_ascii_digit() || byte == b'.')
    {
        return None;
    }
    let Some((whole, fraction)) = text.split_once('.') else {
        let value: i64 = text.parse().ok()?;
        return Some(ScalarValue::Int64(Some(value * sign)));
    };
    let digits = format!("{whole}{fraction}");
    if digits.len() > DIGITS_MAX {
        return None;
    }
    let value: i128 = digits.parse().ok()?;
    let (precision, scale) = (digits.len() as u8, fraction.len() as i8);
    let value = Some(value * i128::from(sign));
    Some(ScalarValue::Decimal128(value, precision, scale))
}

/// Gives an array of values of which all are of one type, and that type. Numbers on their way into a number of exact
/// digits may mix.
fn of_one_type(values: Vec<ScalarValue>, ty: SqlType) -> Option<(ArrayRef, DataType)> {
    let arrow = ty.arrow();
    let mut types = values.iter().map(ScalarValue::data_type);
    let mut source = types.by_ref().find(|ty| !ty.is_null());
    for other in types.filter(|ty| !ty.is_null()) {
        if source.as_ref() != Some(&other) {
            source = Some(united(source.as_ref()?, &other, &arrow)?);
        }
    }
    let source = source.unwrap_or(arrow);
    let typed = |value: ScalarValue| match value.data_type() {
        DataType::Null => ScalarValue::try_from(&source).ok(),
        own if own == source => Some(value),
        _ => rescaled(&value, &source),
    };
    let values: Vec<ScalarValue> = values.into_iter().map(typed).collect::<Option<_>>()?;
    Some((ScalarValue::iter_to_array(values).ok()?, source))
}

fn united(left: &DataType, right: &DataType, target: &DataType) -> Option<DataType> {
    if !matches!(target, DataType::Decimal128(..)) && !target.is_integer() {
        return None;
    }
    let scale = |ty: &DataType| match ty {
        DataType::Int64 => Some(0),
        DataType::Decimal128(_, scale) => Some(*scale),
        _ => None,
    };
    let scale = scale(left)?.max(scale(right)?);
    Some(DataType::Decimal128(DIGITS_MAX as u8, scale))
}

/// Gives a number with the scale of `target`, which is no smaller than its own.
fn rescaled(value: &ScalarValue, target: &DataType) -> Option<ScalarValue> {
    let DataType::Decimal128(precision, scale) = target else {
        return None;
    };
    let (value, own) = match value {
        ScalarValue::Int64(Some(value)) => (i128::from(*value), 0),
        ScalarValue::Decimal128(Some(value), _, own) => (*value, *own),
        _ => return None,
    };
    let shift = u32::try_from(scale.checked_sub(own)?).ok()?;
    let value = value.checked_mul(10_i128.checked_pow(shift)?)?;
    let limit = 10_i128.checked_pow(DIGITS_MAX as u32)?;
    (value.abs() < limit).then_some(ScalarValue::Decimal128(Some(value), *precision, *scale))
}

/// Gives the expression that the general way computes, as a function of the value.
fn assigned(source: &DataType, ty: SqlType) -> Option<Option<Expr>> {
    let arrow = ty.arrow();
    // A number stays one in a SUPER.
    if ty == SqlType::Super {
        return None;
    }
    // What a text means may depend on the session's time zone.
    if matches!(arrow, DataType::Timestamp(_, Some(_))) && *source != arrow {
        return None;
    }
    let column = Expr::Column(Column::new_unqualified(LITERAL));
    let value = match *source == arrow {
        true => column.clone(),
        false => convert(column.clone(), source, arrow.clone()),
    };
    let assigned = assign(value, &Field::new(LITERAL, arrow, true), ty);
    Some((assigned != column).then_some(assigned))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Option<ScalarValue>) {
        let expression = Expression::parse(text).unwrap();
        assert_eq!(literal(&expression.tree, &[]), expected, "{text}");
    }

    #[test]
    fn constants_are_read_and_all_else_is_left_alone() {
        check("1", Some(ScalarValue::Int64(Some(1))));
        check("-20", Some(ScalarValue::Int64(Some(-20))));
        check("-1.50", Some(ScalarValue::Decimal128(Some(-150), 3, 2)));
        check("'a'", Some(ScalarValue::Utf8(Some("a".to_owned()))));
        check("NULL", Some(ScalarValue::Null));
        check("true", Some(ScalarValue::Boolean(Some(true))));
        for other in [
            "1e3",
            "99999999999999999999",
            "1 + 1",
            "f(1)",
            "DATE '2024-01-01'",
            "$1",
        ] {
            check(other, None);
        }
    }

    #[test]
    fn exact_numbers_may_mix() {
        let values = || {
            vec![
                ScalarValue::Int64(Some(5)),
                ScalarValue::Null,
                ScalarValue::Decimal128(Some(-125), 3, 2),
            ]
        };
        let (array, ty) = of_one_type(values(), SqlType::BigInt).unwrap();
        assert_eq!(ty, DataType::Decimal128(38, 2));
        assert_eq!(array.null_count(), 1);
        assert_eq!(array.len(), 3);
        assert!(of_one_type(values(), SqlType::Double).is_none());
        assert!(of_one_type(values(), SqlType::Varchar(5)).is_none());
    }
}
