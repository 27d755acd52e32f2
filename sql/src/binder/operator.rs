//! Operators and special syntax the engine leaves to us: dates minus dates, EXTRACT, POSITION, SUBSTRING.

use super::branches;
use super::context::external;
use super::rewrite::NEGATIVE;
use super::{Names, Stop, unnest};
use crate::error::Error;
use crate::function::semistructured::{Use, is_super};
use crate::function::{self, chain, checked, exact, quotient};
use crate::statement::external::NestedType;
use crate::types::interval;
use arrow_schema::{DataType, Field, IntervalUnit, TimeUnit};
use datafusion_common::{Column, DFSchema, Result, ScalarValue, TableReference};
use datafusion_expr::expr::{AggregateFunction, WindowFunction};
use datafusion_expr::planner::{
    ExprPlanner, PlannerResult, RawAggregateExpr, RawBinaryExpr, RawFieldAccessExpr, RawWindowExpr,
};
use datafusion_expr::utils::COUNT_STAR_EXPANSION;
use datafusion_expr::{
    Expr, ExprSchemable, GetFieldAccess, Operator, ScalarUDF, WindowFunctionDefinition,
    binary_expr, cast, expr,
};
use sqlparser::ast::BinaryOperator;
use std::sync::Arc;

/// The functions behind the syntax, looked up once per binding.
#[derive(Debug)]
pub(super) struct Operators {
    date_part: Option<Arc<ScalarUDF>>,
    position: Option<Arc<ScalarUDF>>,
    substring: Option<Arc<ScalarUDF>>,
    overlay: Option<Arc<ScalarUDF>>,
    interval_times: Option<Arc<ScalarUDF>>,
    date_timetz: Option<Arc<ScalarUDF>>,
    time_plus: Option<Arc<ScalarUDF>>,
    stop: Option<Stop>,
}

impl Operators {
    pub(super) fn new(names: &dyn Names) -> Self {
        Self {
            date_part: names.scalar_function("extract"),
            position: names.scalar_function("strpos"),
            substring: names.scalar_function("substr"),
            overlay: names.scalar_function("overlay"),
            interval_times: names.scalar_function("blueshift_interval_times"),
            date_timetz: names.scalar_function("blueshift_date_timetz"),
            time_plus: names.scalar_function("blueshift_time_plus"),
            stop: names.stop(),
        }
    }
}

impl Operators {
    /// Plans the minus before a value.
    fn negative(&self, value: Expr, schema: &DFSchema) -> Result<PlannerResult<RawBinaryExpr>> {
        let value = number_of(branches::settle_operand(value, schema)?, schema);
        let ty = value.get_type(schema)?;
        let is_known = ty.is_signed_integer()
            || ty.is_floating()
            || ty.is_null()
            || matches!(ty, DataType::Decimal128(..) | DataType::Interval(_));
        let negative = match (&ty, &self.interval_times) {
            (DataType::Duration(_), Some(times)) => {
                let minus = Expr::Literal(ScalarValue::Float64(Some(-1.0)), None);
                cast(times.call(vec![value, minus]), ty)
            }
            _ if is_known => Expr::Negative(Box::new(value)),
            _ => {
                let shown = super::refusal::type_shown(&ty.to_string()).to_owned();
                return Err(external(
                    Error::new(
                        crate::SqlState::UNDEFINED_FUNCTION,
                        format!("operator does not exist: - {shown}"),
                    )
                    .with_hint("Add an explicit cast, as in -CAST(x AS DECIMAL(18,2))"),
                ));
            }
        };
        Ok(PlannerResult::Planned(negative))
    }
}

/// Tells whether these are the arguments of `count(*)`.
#[expect(
    deprecated,
    reason = "the engine hands the star to planners as this expression"
)]
fn is_star(args: &[Expr]) -> bool {
    args.is_empty()
        || matches!(
            args,
            [Expr::Wildcard {
                qualifier: None,
                ..
            }]
        )
}

/// The name a client sees for `count(*)`, so far as nothing else names it.
const COUNT_STAR: &str = "count(*)";

fn call(
    function: Option<&Arc<ScalarUDF>>,
    name: &str,
    args: Vec<Expr>,
) -> Result<PlannerResult<Vec<Expr>>> {
    match function {
        Some(function) => Ok(PlannerResult::Planned(function.call(args))),
        None => Err(external(Error::unsupported(
            name,
            "Write the expression another way",
        ))),
    }
}

/// The type of a whole number; a constant that fits is an INTEGER.
fn integer_type(expr: &Expr, ty: DataType) -> DataType {
    match expr {
        Expr::Literal(ScalarValue::Int64(Some(value)), _) if i32::try_from(*value).is_ok() => {
            DataType::Int32
        }
        _ => ty,
    }
}

/// Gives the types in which two numbers are divided if one is a decimal and the other one too or whole.
fn decimals(left: &DataType, right: &DataType) -> Option<(DataType, DataType)> {
    let decimal = |ty: &DataType| match ty {
        DataType::Decimal128(..) => Some(ty.clone()),
        DataType::Int16 => Some(DataType::Decimal128(5, 0)),
        DataType::Int32 => Some(DataType::Decimal128(10, 0)),
        DataType::Int64 => Some(DataType::Decimal128(19, 0)),
        _ => None,
    };
    if left.is_integer() && right.is_integer() {
        return None;
    }
    Some((decimal(left)?, decimal(right)?))
}

fn timestamp() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, None)
}

/// Reads a SUPER beside an arithmetic operator as a number.
fn number_of(expr: Expr, schema: &DFSchema) -> Expr {
    // What was made a number is none, and long sums are not asked for all that stands in them.
    if matches!(&expr, Expr::Cast(cast) if cast.field.data_type().is_numeric()) {
        return expr;
    }
    match expr.to_field(schema) {
        Ok((_, field)) if is_super(&field) => Use::Number.call(vec![expr]),
        _ => expr,
    }
}

/// Makes a text of what stands beside `||`, where the engine has none or another.
fn text_of(expr: Expr, schema: &DFSchema) -> Expr {
    // Asking for the type of a field writes the names of all that stands in it, and a long chain would write itself at
    // each of its links.
    if matches!(&expr, Expr::BinaryExpr(link) if link.op == Operator::StringConcat)
        || matches!(&expr, Expr::Literal(value, None) if value.data_type().is_string())
    {
        return expr;
    }
    match expr.to_field(schema) {
        Ok((_, field)) if is_super(&field) => Use::Text.call(vec![expr]),
        Ok((_, field)) => match function::writer(field.data_type()) {
            Some(writer) => writer.call(vec![expr]),
            None => expr,
        },
        Err(_) => expr,
    }
}

/// Tells whether a type is an interval of any kind.
fn is_span(ty: &DataType) -> bool {
    *ty == interval::PARTS || *ty == interval::MONTHS || *ty == interval::MICROSECONDS
}

/// Makes the two sides of a comparison one type where the engine knows none for both: beside an interval or a TIMETZ.
fn beside_span(expr: RawBinaryExpr, schema: &DFSchema) -> RawBinaryExpr {
    let types = (expr.left.get_type(schema), expr.right.get_type(schema));
    let (Ok(left), Ok(right)) = types else {
        return expr;
    };
    let is_kept = |ty: &DataType| {
        *ty == interval::MONTHS
            || *ty == interval::MICROSECONDS
            || *ty == DataType::Time64(TimeUnit::Nanosecond)
    };
    let converted = |value: Expr, from: &DataType, to: &DataType| {
        let converter = match from.is_string() {
            true => function::reader(to),
            false => function::converter(from, to),
        };
        match converter {
            Some(converter) => converter.call(vec![value]),
            None => value,
        }
    };
    match (is_kept(&left), is_kept(&right)) {
        (true, false) => RawBinaryExpr {
            right: converted(expr.right, &right, &left),
            ..expr
        },
        (false, true) => RawBinaryExpr {
            left: converted(expr.left, &left, &right),
            ..expr
        },
        _ => expr,
    }
}

/// Arithmetic of INTEGER: done in BIGINT, where it cannot overflow, and checked on the way back.
///
/// By a function, which knows its type: the engine asks what stands in a cast for its type twice, so that 30 operators
/// of its own, each in a cast, would take minutes.
fn in_bigint(left: Expr, operator: Operator, right: Expr) -> Expr {
    let wide = |expr| cast(expr, DataType::Int64);
    let value = match checked::checked(operator) {
        Some(function) => function.call(vec![wide(left), wide(right)]),
        None => binary_expr(wide(left), operator, wide(right)),
    };
    chain::linked(cast(value, DataType::Int32))
}

/// Reads a constant text as what stands on the other side of an operator: a number, or a date it is taken from.
fn read_beside(text: &Expr, other: &Expr, ty: &DataType, operator: Operator) -> Option<Expr> {
    let Expr::Literal(ScalarValue::Utf8(Some(digits)) | ScalarValue::Utf8View(Some(digits)), None) =
        text
    else {
        return None;
    };
    match ty {
        DataType::Decimal128(..) => Some(cast(
            text.clone(),
            written(digits).unwrap_or_else(|| ty.clone()),
        )),
        DataType::Date32 if operator == Operator::Minus => {
            Some(cast(text.clone(), DataType::Date32))
        }
        ty if ty.is_integer() => Some(cast(text.clone(), integer_type(other, ty.clone()))),
        ty if ty.is_floating() => Some(cast(text.clone(), ty.clone())),
        _ => None,
    }
}

/// Gives the decimal type of a number as it is written, if it has no exponent.
fn written(text: &str) -> Option<DataType> {
    let digits = text.trim().trim_start_matches(['+', '-']);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let is_number = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let precision = u8::try_from(whole.len() + fraction.len()).ok()?;
    let known = is_number(whole) && is_number(fraction) && (1..=38).contains(&precision);
    let scale = i8::try_from(fraction.len()).ok()?;
    known.then_some(DataType::Decimal128(precision, scale))
}

impl ExprPlanner for Operators {
    fn plan_binary_op(
        &self,
        expr: RawBinaryExpr,
        schema: &DFSchema,
    ) -> Result<PlannerResult<RawBinaryExpr>> {
        Stop::ensure_running(self.stop.as_ref())?;
        let operator = match expr.op {
            BinaryOperator::Plus => Operator::Plus,
            BinaryOperator::Minus => Operator::Minus,
            BinaryOperator::Multiply => Operator::Multiply,
            BinaryOperator::Divide => Operator::Divide,
            BinaryOperator::Modulo => Operator::Modulo,
            BinaryOperator::StringConcat => {
                return Ok(PlannerResult::Original(RawBinaryExpr {
                    op: expr.op,
                    left: text_of(expr.left, schema),
                    right: text_of(expr.right, schema),
                }));
            }
            BinaryOperator::Eq
            | BinaryOperator::NotEq
            | BinaryOperator::Lt
            | BinaryOperator::LtEq
            | BinaryOperator::Gt
            | BinaryOperator::GtEq => {
                return Ok(PlannerResult::Original(beside_span(expr, schema)));
            }
            BinaryOperator::Custom(ref name) if name == NEGATIVE => {
                return self.negative(expr.right, schema);
            }
            _ => return Ok(PlannerResult::Original(expr)),
        };
        let expr = RawBinaryExpr {
            op: expr.op,
            left: branches::settle_operand(expr.left, schema)?,
            right: branches::settle_operand(expr.right, schema)?,
        };
        let expr = RawBinaryExpr {
            op: expr.op,
            left: number_of(expr.left, schema),
            right: number_of(expr.right, schema),
        };
        let types = (expr.left.get_type(schema), expr.right.get_type(schema));
        let (Ok(left), Ok(right)) = types else {
            return Ok(PlannerResult::Original(expr));
        };
        let (left_read, right_read) = (
            read_beside(&expr.left, &expr.right, &right, operator),
            read_beside(&expr.right, &expr.left, &left, operator),
        );
        if left_read.is_some() || right_read.is_some() {
            let expr = RawBinaryExpr {
                op: expr.op,
                left: left_read.unwrap_or(expr.left),
                right: right_read.unwrap_or(expr.right),
            };
            return self.plan_binary_op(expr, schema);
        }
        if matches!(operator, Operator::Divide)
            && let Some((left, right)) = decimals(
                &integer_type(&expr.left, left.clone()),
                &integer_type(&expr.right, right.clone()),
            )
        {
            let operands = vec![cast(expr.left, left), cast(expr.right, right)];
            return Ok(PlannerResult::Planned(quotient::quotient().call(operands)));
        }
        let wide = decimals(
            &integer_type(&expr.left, left.clone()),
            &integer_type(&expr.right, right.clone()),
        );
        if let Some((left, right)) = wide
            && let (DataType::Decimal128(p1, s1), DataType::Decimal128(p2, s2)) = (&left, &right)
            && exact::may_overflow(operator, (*p1, *s1), (*p2, *s2))
            && let Some(function) = exact::function(operator)
        {
            let sides = ((expr.left, &left), (expr.right, &right));
            let planned = exact::chain::call(&function, sides.0, sides.1)?;
            return Ok(PlannerResult::Planned(planned));
        }
        if matches!(
            operator,
            Operator::Plus | Operator::Minus | Operator::Multiply | Operator::Divide
        ) && (left.is_floating() || right.is_floating())
            && left.is_numeric()
            && right.is_numeric()
            && let Some(function) = exact::function(operator)
        {
            let double = |expr: Expr, ty: &DataType| match ty {
                DataType::Float64 => expr,
                _ => cast(expr, DataType::Float64),
            };
            let to = DataType::Float64;
            let sides = (double(expr.left, &left), double(expr.right, &right));
            let result = exact::chain::call(&function, (sides.0, &to), (sides.1, &to))?;
            return Ok(PlannerResult::Planned(match (&left, &right) {
                (DataType::Float32, DataType::Float32) => cast(result, DataType::Float32),
                _ => result,
            }));
        }
        let days = |expr: Expr| cast(expr, DataType::Int32);
        let planned = match (left, operator, right) {
            (left, _, right) if left.is_integer() && right.is_integer() => {
                let left = integer_type(&expr.left, left);
                let right = integer_type(&expr.right, right);
                match (left, right) {
                    (DataType::Int16, DataType::Int16) => {
                        cast(in_bigint(expr.left, operator, expr.right), DataType::Int16)
                    }
                    (DataType::Int16 | DataType::Int32, DataType::Int16 | DataType::Int32) => {
                        in_bigint(expr.left, operator, expr.right)
                    }
                    _ => match checked::checked(operator) {
                        Some(function) => {
                            let wide = |value: Expr| match value.get_type(schema) {
                                Ok(DataType::Int64) => value,
                                _ => cast(value, DataType::Int64),
                            };
                            chain::linked(function.call(vec![wide(expr.left), wide(expr.right)]))
                        }
                        None => return Ok(PlannerResult::Original(expr)),
                    },
                }
            }
            (span, Operator::Multiply, right) if is_span(&span) && right.is_numeric() => {
                match &self.interval_times {
                    Some(times) => cast(times.call(vec![expr.left, expr.right]), span),
                    None => return Ok(PlannerResult::Original(expr)),
                }
            }
            (left, Operator::Multiply, span) if left.is_numeric() && is_span(&span) => {
                match &self.interval_times {
                    Some(times) => cast(times.call(vec![expr.right, expr.left]), span),
                    None => return Ok(PlannerResult::Original(expr)),
                }
            }
            (left, Operator::Plus, right) if left.is_string() && right.is_string() => {
                binary_expr(expr.left, Operator::StringConcat, expr.right)
            }
            (span, Operator::Divide, right) if is_span(&span) && right.is_numeric() => {
                let one = Expr::Literal(ScalarValue::Float64(Some(1.0)), None);
                let by = cast(expr.right, DataType::Float64);
                let factor = match exact::function(Operator::Divide) {
                    Some(divide) => divide.call(vec![one, by]),
                    None => binary_expr(one, Operator::Divide, by),
                };
                match &self.interval_times {
                    Some(times) => cast(times.call(vec![expr.left, factor]), span),
                    None => {
                        return Ok(PlannerResult::Original(RawBinaryExpr {
                            left: expr.left,
                            op: expr.op,
                            right: factor,
                        }));
                    }
                }
            }
            // Months make a date of a date, days and less a timestamp, and so does an interval of both.
            (
                DataType::Date32,
                Operator::Plus | Operator::Minus,
                DataType::Interval(IntervalUnit::YearMonth),
            ) => cast(
                binary_expr(expr.left, operator, expr.right),
                DataType::Date32,
            ),
            (DataType::Interval(IntervalUnit::YearMonth), Operator::Plus, DataType::Date32) => {
                cast(
                    binary_expr(expr.right, operator, expr.left),
                    DataType::Date32,
                )
            }
            (DataType::Date32, Operator::Plus | Operator::Minus, DataType::Duration(_)) => {
                binary_expr(cast(expr.left, timestamp()), operator, expr.right)
            }
            (DataType::Duration(_), Operator::Plus, DataType::Date32) => {
                binary_expr(cast(expr.right, timestamp()), operator, expr.left)
            }
            (DataType::Date32, Operator::Plus, DataType::Time64(TimeUnit::Nanosecond)) => {
                match &self.date_timetz {
                    Some(function) => function.call(vec![expr.left, expr.right]),
                    None => return Ok(PlannerResult::Original(expr)),
                }
            }
            (DataType::Time64(TimeUnit::Nanosecond), Operator::Plus, DataType::Date32) => {
                match &self.date_timetz {
                    Some(function) => function.call(vec![expr.right, expr.left]),
                    None => return Ok(PlannerResult::Original(expr)),
                }
            }
            (DataType::Date32, Operator::Plus, DataType::Time64(TimeUnit::Microsecond)) => {
                let passed = cast(cast(expr.right, DataType::Int64), interval::MICROSECONDS);
                binary_expr(cast(expr.left, timestamp()), operator, passed)
            }
            (DataType::Time64(TimeUnit::Microsecond), Operator::Plus, DataType::Date32) => {
                let passed = cast(cast(expr.left, DataType::Int64), interval::MICROSECONDS);
                binary_expr(cast(expr.right, timestamp()), operator, passed)
            }
            (DataType::Time64(_), Operator::Plus, span) if is_span(&span) => {
                match &self.time_plus {
                    Some(plus) => plus.call(vec![expr.left, expr.right]),
                    None => return Ok(PlannerResult::Original(expr)),
                }
            }
            (span, Operator::Plus, DataType::Time64(_)) if is_span(&span) => {
                match &self.time_plus {
                    Some(plus) => plus.call(vec![expr.right, expr.left]),
                    None => return Ok(PlannerResult::Original(expr)),
                }
            }
            (DataType::Time64(_), Operator::Minus, span) if is_span(&span) => {
                match (&self.time_plus, &self.interval_times) {
                    (Some(plus), Some(times)) => {
                        let minus = Expr::Literal(ScalarValue::Float64(Some(-1.0)), None);
                        plus.call(vec![expr.left, times.call(vec![expr.right, minus])])
                    }
                    _ => return Ok(PlannerResult::Original(expr)),
                }
            }
            (
                DataType::Time64(TimeUnit::Microsecond),
                Operator::Minus,
                DataType::Time64(TimeUnit::Microsecond),
            ) => {
                let number = |expr: Expr| cast(expr, DataType::Int64);
                cast(
                    binary_expr(number(expr.left), operator, number(expr.right)),
                    interval::MICROSECONDS,
                )
            }
            // Two intervals of different kinds are added in parts, unless one is of a column's kind.
            (left, Operator::Plus | Operator::Minus, right)
                if is_span(&left) && is_span(&right) && left != right =>
            {
                let to = match (&left, &right) {
                    (kind, parts) | (parts, kind) if *parts == interval::PARTS => kind.clone(),
                    _ => interval::PARTS,
                };
                binary_expr(cast(expr.left, to.clone()), operator, cast(expr.right, to))
            }
            // A date and an interval make a timestamp, whatever the interval.
            (DataType::Date32, Operator::Plus | Operator::Minus, DataType::Interval(_)) => {
                let at = cast(expr.left, timestamp());
                binary_expr(at, operator, expr.right)
            }
            (DataType::Interval(_), Operator::Plus, DataType::Date32) => {
                let at = cast(expr.right, timestamp());
                binary_expr(at, operator, expr.left)
            }
            // Whole days, as Redshift counts them.
            (DataType::Date32, Operator::Minus, DataType::Date32) => {
                binary_expr(days(expr.left), operator, days(expr.right))
            }
            (DataType::Date32, Operator::Plus | Operator::Minus, right) if right.is_integer() => {
                cast(
                    binary_expr(days(expr.left), operator, days(expr.right)),
                    DataType::Date32,
                )
            }
            (left, Operator::Plus, DataType::Date32) if left.is_integer() => cast(
                binary_expr(days(expr.left), operator, days(expr.right)),
                DataType::Date32,
            ),
            _ => return Ok(PlannerResult::Original(expr)),
        };
        Ok(PlannerResult::Planned(planned))
    }

    fn plan_compound_identifier(
        &self,
        field: &Field,
        qualifier: Option<&TableReference>,
        nested_names: &[String],
    ) -> Result<PlannerResult<Vec<Expr>>> {
        if !is_super(field) {
            // The engine refuses it, and `error` says it in our words: what is an error here is lost.
            return Ok(PlannerResult::Original(vec![]));
        }
        let column = Expr::Column(Column::new(qualifier.cloned(), field.name()));
        let steps = nested_names
            .iter()
            .map(|name| datafusion_expr::lit(name.as_str()));
        let args = std::iter::once(column).chain(steps).collect();
        let part = Use::Get.call(args);
        let Some(ty) = NestedType::noted(field) else {
            return Ok(PlannerResult::Planned(part));
        };
        let ty = ty.part(nested_names.iter().map(String::as_str));
        Ok(PlannerResult::Planned(unnest::typed(part, ty)))
    }

    fn plan_field_access(
        &self,
        expr: RawFieldAccessExpr,
        schema: &DFSchema,
    ) -> Result<PlannerResult<RawFieldAccessExpr>> {
        if !expr
            .expr
            .to_field(schema)
            .is_ok_and(|(_, field)| is_super(&field))
        {
            return Ok(PlannerResult::Original(expr));
        }
        let step = match expr.field_access {
            GetFieldAccess::NamedStructField { name } => Expr::Literal(name, None),
            GetFieldAccess::ListIndex { key } => cast(*key, DataType::Int64),
            GetFieldAccess::ListRange { .. } => {
                return Err(external(Error::unsupported(
                    "a range of places in a SUPER",
                    "Use SUBARRAY",
                )));
            }
        };
        Ok(PlannerResult::Planned(Use::Get.call(vec![expr.expr, step])))
    }

    fn plan_aggregate(&self, raw: RawAggregateExpr) -> Result<PlannerResult<RawAggregateExpr>> {
        if raw.func.name() != "count" || !is_star(&raw.args) {
            return Ok(PlannerResult::Original(raw));
        }
        let count = AggregateFunction::new_udf(
            raw.func,
            vec![Expr::Literal(COUNT_STAR_EXPANSION, None)],
            raw.distinct,
            raw.filter,
            raw.order_by,
            raw.null_treatment,
        );
        let named = Expr::AggregateFunction(count).alias(COUNT_STAR);
        Ok(PlannerResult::Planned(named))
    }

    fn plan_window(&self, raw: RawWindowExpr) -> Result<PlannerResult<RawWindowExpr>> {
        let WindowFunctionDefinition::AggregateUDF(function) = &raw.func_def else {
            return Ok(PlannerResult::Original(raw));
        };
        if function.name() != "count" || !is_star(&raw.args) {
            return Ok(PlannerResult::Original(raw));
        }
        let count = WindowFunction {
            fun: raw.func_def,
            params: expr::WindowFunctionParams {
                args: vec![Expr::Literal(COUNT_STAR_EXPANSION, None)],
                partition_by: raw.partition_by,
                order_by: raw.order_by,
                window_frame: raw.window_frame,
                filter: raw.filter,
                null_treatment: raw.null_treatment,
                distinct: raw.distinct,
            },
        };
        Ok(PlannerResult::Planned(Expr::from(count)))
    }

    fn plan_extract(&self, args: Vec<Expr>) -> Result<PlannerResult<Vec<Expr>>> {
        call(self.date_part.as_ref(), "EXTRACT", args)
    }

    fn plan_position(&self, args: Vec<Expr>) -> Result<PlannerResult<Vec<Expr>>> {
        call(self.position.as_ref(), "POSITION", args)
    }

    fn plan_substring(&self, args: Vec<Expr>) -> Result<PlannerResult<Vec<Expr>>> {
        call(self.substring.as_ref(), "SUBSTRING", args)
    }

    fn plan_overlay(&self, args: Vec<Expr>) -> Result<PlannerResult<Vec<Expr>>> {
        call(self.overlay.as_ref(), "OVERLAY", args)
    }
}
