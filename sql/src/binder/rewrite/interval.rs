//! Interval literals in all of Redshift's forms -> months, days and seconds, which the engine reads; and the words that
//! a date literal may be: `'now'`, `'today'`.

use super::call;
use crate::error::{Error, Result};
use crate::function::interval::{Interval, Unit};
use sqlparser::ast::{BinaryOperator, CastKind, DataType, Expr, TimezoneInfo, TypedString, Value};

pub(super) fn rewrite(expr: &mut Expr) -> Result<()> {
    let replaced = match expr {
        Expr::Interval(interval) => {
            let unit = match &interval.leading_field {
                Some(field) => Some(unit_named(&field.to_string())?),
                None => None,
            };
            let last = match &interval.last_field {
                Some(field) => Some(unit_named(&field.to_string())?),
                None => None,
            };
            let Some(text) = literal(&interval.value) else {
                return Ok(());
            };
            let mut read = Interval::parse(&text, unit)?;
            if let Some(smallest) = last.or(unit)
                && !is_seconds(smallest)
            {
                read = read.cut(smallest);
            }
            *interval.value = plain(read);
            interval.leading_field = None;
            interval.last_field = None;
            None
        }
        Expr::Cast {
            kind: CastKind::Cast | CastKind::DoubleColon,
            expr: inner,
            data_type,
            ..
        } => match (literal(inner), &data_type) {
            (Some(text), DataType::Interval { .. }) if is_text(inner) => {
                **inner = plain(Interval::parse(&text, None)?);
                None
            }
            (Some(text), ty) => special(&text, ty),
            _ => None,
        },
        Expr::TypedString(TypedString {
            data_type, value, ..
        }) => match &value.value {
            Value::SingleQuotedString(text) => special(text, data_type),
            _ => None,
        },
        _ => None,
    };
    if let Some(replaced) = replaced {
        *expr = replaced;
    }
    Ok(())
}

fn is_seconds(unit: Unit) -> bool {
    unit == Unit::Nanoseconds(1_000_000_000)
}

fn unit_named(name: &str) -> Result<Unit> {
    Unit::parse(name).ok_or_else(|| {
        Error::unsupported(
            format!("an interval of {name}"),
            "Use YEAR, MONTH, DAY, HOUR, MINUTE or SECOND",
        )
    })
}

fn is_text(expr: &Expr) -> bool {
    matches!(expr, Expr::Value(value) if matches!(value.value, Value::SingleQuotedString(_)))
}

fn literal(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(text) => Some(text.clone()),
            Value::Number(digits, _) => Some(digits.clone()),
            _ => None,
        },
        _ => None,
    }
}

fn plain(interval: Interval) -> Expr {
    let (seconds, rest) = (
        interval.nanoseconds / 1_000_000_000,
        interval.nanoseconds % 1_000_000_000,
    );
    let text = format!(
        "{} months {} days {seconds} seconds {rest} nanoseconds",
        interval.months, interval.days
    );
    Expr::Value(Value::SingleQuotedString(text).into())
}

fn special(text: &str, ty: &DataType) -> Option<Expr> {
    let is_moment = matches!(ty, DataType::Date | DataType::Timestamp(..));
    if !is_moment {
        return None;
    }
    let cast = |expr: Expr, ty: DataType| Expr::Cast {
        kind: CastKind::Cast,
        expr: Box::new(expr),
        data_type: ty,
        array: false,
        format: None,
    };
    let now = || {
        cast(
            call("now", Vec::new()),
            DataType::Timestamp(None, TimezoneInfo::None),
        )
    };
    let shifted = |op: BinaryOperator| {
        Expr::Nested(Box::new(Expr::BinaryOp {
            left: Box::new(cast(now(), DataType::Date)),
            op,
            right: Box::new(Expr::Value(Value::Number("1".to_owned(), false).into())),
        }))
    };
    let moment = match text.trim().to_ascii_lowercase().as_str() {
        "now" => now(),
        "today" => cast(now(), DataType::Date),
        "tomorrow" => shifted(BinaryOperator::Plus),
        "yesterday" => shifted(BinaryOperator::Minus),
        _ => return None,
    };
    Some(cast(moment, ty.clone()))
}
