//! Conditions as PostgreSQL writes them, where they mean the same on both sides.
//!
//! What differs stays here: arithmetic (overflow, division of whole numbers), texts of another encoding, numbers that were
//! rounded on the way, casts that depend on a time zone. Texts are compared byte by byte, and without blanks at the end
//! where the plan says so; PostgreSQL itself ignores these of a `character`. A condition that is no more than likely the
//! same is none.

use super::catalog::{RemoteColumn, RemoteTable, Wire};
use arrow_schema::{DataType, TimeUnit};
use blueshift_sql::function::unpadded;
use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime};
use datafusion::common::ScalarValue;
use datafusion::logical_expr::expr::{InList, ScalarFunction};
use datafusion::logical_expr::{BinaryExpr, Expr, Like, Operator};

/// Values of a list that is sent.
const LIST_MAX: usize = 2_000;
/// Parts within parts of a condition that is sent.
const DEPTH_MAX: usize = 64;

/// A value, as PostgreSQL writes it.
#[derive(Clone, Debug)]
pub(super) struct Term {
    pub(super) sql: String,
    /// What it is here.
    pub(super) ty: DataType,
    /// Whether it is a `character`.
    pub(super) is_char: bool,
    /// Whether equal texts have equal bytes there.
    pub(super) is_bytewise: bool,
    is_constant: bool,
}

impl Term {
    fn new(sql: String, ty: DataType) -> Self {
        Self {
            sql,
            ty,
            is_char: false,
            is_bytewise: true,
            is_constant: false,
        }
    }

    pub(super) fn is_text(&self) -> bool {
        self.ty == DataType::Utf8View
    }
}

/// Writes a name.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Writes a text.
fn literal(text: &str) -> Option<String> {
    (!text.contains('\0')).then(|| format!("'{}'", text.replace('\'', "''")))
}

/// Writes a column as it is read.
pub(super) fn read(column: &RemoteColumn) -> String {
    let name = quoted(&column.name);
    match column.is_cast {
        true => format!("{name}::text"),
        false => name,
    }
}

impl RemoteTable {
    /// Writes a condition; `None` if it may mean something else there.
    pub(super) fn condition(&self, expr: &Expr) -> Option<String> {
        self.truth(expr, DEPTH_MAX)
    }

    fn truth(&self, expr: &Expr, depth: usize) -> Option<String> {
        let depth = depth.checked_sub(1)?;
        let truth = |expr: &Expr| self.truth(expr, depth);
        match expr {
            Expr::Alias(alias) => truth(&alias.expr),
            Expr::Not(inner) => Some(format!("(NOT {})", truth(inner)?)),
            Expr::IsTrue(inner) => Some(format!("({} IS TRUE)", truth(inner)?)),
            Expr::IsFalse(inner) => Some(format!("({} IS FALSE)", truth(inner)?)),
            Expr::IsNotTrue(inner) => Some(format!("({} IS NOT TRUE)", truth(inner)?)),
            Expr::IsNotFalse(inner) => Some(format!("({} IS NOT FALSE)", truth(inner)?)),
            Expr::IsUnknown(inner) => Some(format!("({} IS NULL)", truth(inner)?)),
            Expr::IsNotUnknown(inner) => Some(format!("({} IS NOT NULL)", truth(inner)?)),
            Expr::IsNull(inner) => Some(format!("({} IS NULL)", self.nullable(inner)?)),
            Expr::IsNotNull(inner) => Some(format!("({} IS NOT NULL)", self.nullable(inner)?)),
            Expr::BinaryExpr(binary) => self.binary(binary, depth),
            Expr::Between(between) => {
                let value = self.value(&between.expr)?;
                let low = compared(&value, Operator::GtEq, &self.value(&between.low)?)?;
                let high = compared(&value, Operator::LtEq, &self.value(&between.high)?)?;
                Some(match between.negated {
                    false => format!("({low} AND {high})"),
                    true => format!("(NOT ({low} AND {high}))"),
                })
            }
            Expr::InList(list) => self.list(list),
            Expr::Like(like) => self.like(like),
            _ => {
                let term = self.value(expr)?;
                (term.ty == DataType::Boolean).then_some(term.sql)
            }
        }
    }

    fn binary(&self, binary: &BinaryExpr, depth: usize) -> Option<String> {
        let BinaryExpr { left, op, right } = binary;
        let word = match op {
            Operator::And => "AND",
            Operator::Or => "OR",
            _ => return compared(&self.value(left)?, *op, &self.value(right)?),
        };
        let (left, right) = (self.truth(left, depth)?, self.truth(right, depth)?);
        Some(format!("({left} {word} {right})"))
    }

    fn list(&self, list: &InList) -> Option<String> {
        if list.list.is_empty() || list.list.len() > LIST_MAX {
            return None;
        }
        let value = self.value(&list.expr)?;
        let mut written = Vec::with_capacity(list.list.len());
        for each in &list.list {
            let each = self.value(each).filter(|each| each.is_constant)?;
            // The same rules as of one comparison.
            compared(&value, Operator::Eq, &each)?;
            written.push(as_compared(&value, each));
        }
        let not = if list.negated { "NOT " } else { "" };
        let value = collated(&value, Operator::Eq);
        Some(format!("({value} {not}IN ({}))", written.join(", ")))
    }

    /// LIKE of a `character` sees blanks there that are none here.
    fn like(&self, like: &Like) -> Option<String> {
        let value = self.value(&like.expr)?;
        let Expr::Literal(pattern, _) = like.pattern.as_ref() else {
            return None;
        };
        let pattern = pattern.try_as_str()??;
        let is_plain = value.is_text()
            && !value.is_char
            && !like.case_insensitive
            && like.escape_char.is_none_or(|escape| escape == '\\')
            && !pattern.ends_with('\\');
        if !is_plain {
            return None;
        }
        let not = if like.negated { "NOT " } else { "" };
        let value = collated(&value, Operator::Eq);
        Some(format!("({value} {not}LIKE {})", literal(pattern)?))
    }

    /// A column of any type, also of one whose values differ here.
    fn nullable(&self, expr: &Expr) -> Option<String> {
        match expr {
            Expr::Column(column) => Some(quoted(&self.column(&column.name)?.name)),
            _ => self.value(expr).map(|term| term.sql),
        }
    }

    fn column(&self, name: &str) -> Option<&RemoteColumn> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// Writes a value: a column, a constant, or a cast that loses nothing.
    pub(super) fn value(&self, expr: &Expr) -> Option<Term> {
        match expr {
            Expr::Alias(alias) => self.value(&alias.expr),
            Expr::Column(column) => {
                let column = self.column(&column.name)?;
                let is_text = matches!(column.wire, Wire::Text | Wire::Char);
                if column.is_rounded || (is_text && !self.is_utf8) {
                    return None;
                }
                Some(Term {
                    is_char: column.wire == Wire::Char,
                    is_bytewise: column.is_bytewise || column.is_cast,
                    ..Term::new(read(column), column.ty.arrow())
                })
            }
            Expr::Literal(value, _) => constant(value),
            Expr::Cast(cast) => widened(self.value(&cast.expr)?, cast.field.data_type()),
            Expr::ScalarFunction(ScalarFunction { func, args }) => match args.as_slice() {
                [text] if func.name() == unpadded::NAME => self.unpadded(text),
                _ => None,
            },
            _ => None,
        }
    }

    /// A text without blanks at its end.
    fn unpadded(&self, text: &Expr) -> Option<Term> {
        let term = self.value(text)?;
        if !term.is_text() || term.is_char || term.is_constant {
            return term.is_text().then_some(term);
        }
        Some(Term {
            sql: format!("rtrim({}, ' ')", term.sql),
            ..term
        })
    }
}

/// Writes a comparison of two values of one type.
fn compared(left: &Term, operator: Operator, right: &Term) -> Option<String> {
    let word = match operator {
        Operator::Eq => "=",
        Operator::NotEq => "<>",
        Operator::Lt => "<",
        Operator::LtEq => "<=",
        Operator::Gt => ">",
        Operator::GtEq => ">=",
        Operator::IsDistinctFrom => "IS DISTINCT FROM",
        Operator::IsNotDistinctFrom => "IS NOT DISTINCT FROM",
        _ => return None,
    };
    let is_number = |ty: &DataType| {
        matches!(
            ty,
            DataType::Int16 | DataType::Int32 | DataType::Int64 | DataType::Decimal128(..)
        )
    };
    let is_alike = left.ty == right.ty || (is_number(&left.ty) && is_number(&right.ty));
    // A `character` and a text compare in one way there and in another here.
    let is_mixed = left.is_char != right.is_char && !left.is_constant && !right.is_constant;
    if !is_alike || is_mixed || (left.is_constant && right.is_constant) {
        return None;
    }
    let (first, second) = match (left.is_constant, right.is_constant) {
        (true, _) => (as_compared(right, left.clone()), collated(right, operator)),
        (_, true) => (collated(left, operator), as_compared(left, right.clone())),
        // Two columns may have two collations, between which PostgreSQL does not choose.
        _ if left.is_text() => (by_bytes(left), right.sql.clone()),
        _ => (left.sql.clone(), right.sql.clone()),
    };
    Some(format!("({first} {word} {second})"))
}

/// Writes what a value is compared with: a constant is a `character` where the value is.
fn as_compared(value: &Term, with: Term) -> String {
    match value.is_char && with.is_constant {
        true => format!("{}::bpchar", with.sql),
        false => with.sql,
    }
}

/// Writes a value for a comparison by bytes.
fn collated(term: &Term, operator: Operator) -> String {
    let is_equality = matches!(
        operator,
        Operator::Eq | Operator::NotEq | Operator::IsDistinctFrom | Operator::IsNotDistinctFrom
    );
    match term.is_text() && !(is_equality && term.is_bytewise) {
        // Only where it must: an index has the collation of its column.
        true => by_bytes(term),
        false => term.sql.clone(),
    }
}

pub(super) fn by_bytes(term: &Term) -> String {
    format!("{} COLLATE \"C\"", term.sql)
}

/// Writes a constant; `None` of a null, and of a value that PostgreSQL may take for another.
fn constant(value: &ScalarValue) -> Option<Term> {
    let signed = |text: String| match text.starts_with('-') {
        true => format!("({text})"),
        false => text,
    };
    let sql = match value {
        ScalarValue::Boolean(Some(value)) => if *value { "TRUE" } else { "FALSE" }.to_owned(),
        ScalarValue::Int16(Some(value)) => signed(value.to_string()),
        ScalarValue::Int32(Some(value)) => signed(value.to_string()),
        ScalarValue::Int64(Some(value)) => signed(value.to_string()),
        ScalarValue::Decimal128(Some(value), _, scale) => signed(decimal(*value, *scale)?),
        // Zeros with a sign and what is no number compare otherwise there.
        ScalarValue::Float32(Some(value)) if value.is_normal() => format!("'{value}'::real"),
        ScalarValue::Float64(Some(value)) if value.is_normal() => {
            format!("'{value}'::double precision")
        }
        ScalarValue::Date32(Some(days)) => {
            let date = NaiveDate::from_epoch_days(*days)?;
            is_common(date.year()).then(|| format!("DATE '{date}'"))?
        }
        ScalarValue::TimestampMicrosecond(Some(micros), None) => {
            format!("TIMESTAMP '{}'", moment(*micros)?)
        }
        ScalarValue::TimestampMicrosecond(Some(micros), Some(_)) => {
            format!("TIMESTAMP WITH TIME ZONE '{}+00'", moment(*micros)?)
        }
        ScalarValue::Utf8View(Some(text))
        | ScalarValue::Utf8(Some(text))
        | ScalarValue::LargeUtf8(Some(text)) => literal(text)?,
        _ => return None,
    };
    let ty = match value.data_type() {
        DataType::Utf8 | DataType::LargeUtf8 => DataType::Utf8View,
        other => other,
    };
    Some(Term {
        is_constant: true,
        ..Term::new(sql, ty)
    })
}

fn is_common(year: i32) -> bool {
    (1..=9_999).contains(&year)
}

fn moment(micros: i64) -> Option<String> {
    let moment: NaiveDateTime = DateTime::from_timestamp_micros(micros)?.naive_utc();
    let text = moment.format("%Y-%m-%d %H:%M:%S%.6f").to_string();
    is_common(moment.year()).then_some(text)
}

fn decimal(value: i128, scale: i8) -> Option<String> {
    let scale = usize::try_from(scale).ok()?;
    let digits = format!("{:0>width$}", value.unsigned_abs(), width = scale + 1);
    let (whole, part) = digits.split_at_checked(digits.len() - scale)?;
    let sign = if value < 0 { "-" } else { "" };
    Some(match part.is_empty() {
        true => format!("{sign}{whole}"),
        false => format!("{sign}{whole}.{part}"),
    })
}

/// Writes a cast that loses nothing and fails of no value.
fn widened(term: Term, to: &DataType) -> Option<Term> {
    let to = match to {
        DataType::Utf8 | DataType::LargeUtf8 => &DataType::Utf8View,
        other => other,
    };
    if term.ty == *to {
        return Some(term);
    }
    let digits = |ty: &DataType| match ty {
        DataType::Int16 => Some((5, 0)),
        DataType::Int32 => Some((10, 0)),
        DataType::Int64 => Some((19, 0)),
        DataType::Decimal128(precision, scale) => {
            Some((i16::from(*precision) - i16::from(*scale), *scale))
        }
        _ => None,
    };
    let word = match (&term.ty, to) {
        (DataType::Int16, DataType::Int32) => "integer",
        (DataType::Int16 | DataType::Int32, DataType::Int64) => "bigint",
        (DataType::Int16 | DataType::Int32 | DataType::Float32, DataType::Float64) => {
            "double precision"
        }
        (from, DataType::Decimal128(..)) => {
            let ((whole, scale), (whole_to, scale_to)) = (digits(from)?, digits(to)?);
            if whole_to < whole || scale_to < scale {
                return None;
            }
            "numeric"
        }
        (DataType::Date32, DataType::Timestamp(TimeUnit::Microsecond, None)) => "timestamp",
        _ => return None,
    };
    Some(Term {
        sql: format!("{}::{word}", term.sql),
        ty: to.clone(),
        ..term
    })
}

#[cfg(test)]
mod tests;
