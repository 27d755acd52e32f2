//! Interval literals in all of Redshift's forms -> months, days and seconds, which the engine reads; and the words that
//! a date literal may be: `'now'`, `'today'`.

use super::call;
use crate::error::{Error, Result};
use crate::function::interval::{Interval, Unit};
use crate::sqlstate::SqlState;
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
            // `SECOND(3)` gives the digits as those of its first unit, `DAY TO SECOND(3)` as those of seconds.
            let digits = interval
                .fractional_seconds_precision
                .or(interval.leading_precision);
            match unit {
                None => {
                    *interval.value = plain(Interval::parse(&text, None)?);
                    None
                }
                Some(first) => Some(qualified(&text, first, last, digits)?),
            }
        }
        Expr::Cast {
            kind: CastKind::Cast | CastKind::DoubleColon,
            expr: inner,
            data_type,
            ..
        } => match (literal(inner), &data_type) {
            // What a cast holds is read when it is cast.
            (Some(_), DataType::Interval { fields: None, .. }) => None,
            (
                Some(text),
                DataType::Interval {
                    fields: Some(fields),
                    precision,
                },
            ) if is_text(inner) => {
                let words = fields.to_string().to_lowercase();
                let (first, last) = match words.split_once(" to ") {
                    Some((first, last)) => (unit_named(first)?, Some(unit_named(last)?)),
                    None => (unit_named(&words)?, None),
                };
                Some(qualified(&text, first, last, *precision)?)
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

/// An interval with a qualifier, cut to its last unit: it is of one of the types that columns have.
fn qualified(text: &str, first: Unit, last: Option<Unit>, digits: Option<u64>) -> Result<Expr> {
    let smallest = last.unwrap_or(first);
    // A number alone counts the last unit; with a clock the first says whether that begins with hours or minutes.
    let alone = match text.contains(':') {
        true => first,
        false => smallest,
    };
    let read = Interval::parse(text, Some(alone))?;
    let read = match (smallest, digits) {
        (Unit::SECOND, None) => read,
        (Unit::SECOND, Some(digits)) => {
            let digits = u32::try_from(digits).ok().filter(|digits| *digits <= 6);
            let digits = digits.ok_or_else(|| {
                Error::new(
                    SqlState::INVALID_PARAMETER_VALUE,
                    "INTERVAL precision must be between 0 and 6",
                )
            })?;
            read.cut(Unit::Nanoseconds(10_i64.pow(9 - digits)))
        }
        (smallest, _) => read.cut(smallest),
    };
    // By a call: what a cast holds is read once more.
    let (function, text) = match first {
        Unit::Months(_) => (
            "blueshift_interval_months",
            format!("{} months", read.months),
        ),
        Unit::Days(_) | Unit::Nanoseconds(_) => (
            "blueshift_interval_microseconds",
            format!(
                "{} days {} microseconds",
                read.days,
                read.nanoseconds / 1_000
            ),
        ),
    };
    let text = Expr::Value(Value::SingleQuotedString(text).into());
    Ok(call(function, vec![text]))
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
