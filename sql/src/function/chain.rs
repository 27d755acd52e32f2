//! Long sums of whole numbers, `a + b - c ...`, in one function: the engine asks each operator of a tree for the type and
//! the name of all below it, which for a hundred of them takes seconds.

use super::checked;
use crate::error::Error;
use crate::sqlstate::SqlState;
use arrow::array::AsArray;
use arrow::datatypes::Int64Type;
use arrow_schema::DataType;
use datafusion_common::{DataFusionError, Result, ScalarValue};
use datafusion_expr::expr::{Cast, ScalarFunction};
use datafusion_expr::{
    ColumnarValue, Expr, Operator, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility, cast,
};
use std::sync::{Arc, LazyLock};

/// The name it travels by.
pub const NAME: &str = "blueshift_chain";

/// Operators from which on they are one function; shorter sums stay what the rest of the planner knows.
const STEPS_MIN: usize = 8;

static CHAIN: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| {
    Arc::new(ScalarUDF::new_from_impl(Chain {
        signature: Signature::variadic_any(Volatility::Immutable),
    }))
});

/// The function `(steps, number, number, ...)`: from left to right, each step an operator and `i` or `l`, whether its
/// result must be an INTEGER or a BIGINT. All numbers are BIGINT.
pub(crate) fn chain() -> Arc<ScalarUDF> {
    Arc::clone(&CHAIN)
}

/// One operator on top of an expression.
struct Step {
    left: Expr,
    sign: char,
    width: char,
    right: Expr,
}

/// Makes an operator that was just planned part of the chain below it, or begins one if enough of them stand there.
pub(crate) fn linked(expr: Expr) -> Expr {
    let below = left_of(&expr).map_or(0, |left| match is_chain(left) {
        true => STEPS_MIN,
        false => depth(left),
    });
    if below < STEPS_MIN {
        return expr;
    }
    let mut steps = Vec::new();
    let mut rest = expr;
    loop {
        rest = match split(rest) {
            Ok(step) => {
                steps.push((step.sign, step.width, step.right));
                step.left
            }
            Err(other) => {
                rest = other;
                break;
            }
        };
    }
    let (mut signs, mut args) = match parts(rest) {
        Ok(parts) => parts,
        Err(first) => (String::new(), vec![wide(first)]),
    };
    let mut width = 'l';
    for (sign, kind, right) in steps.into_iter().rev() {
        signs.push(sign);
        signs.push(kind);
        width = kind;
        args.push(right);
    }
    args.insert(0, Expr::Literal(ScalarValue::Utf8(Some(signs)), None));
    let call = chain().call(args);
    match width {
        'i' => cast(call, DataType::Int32),
        _ => call,
    }
}

/// Gives the operators and operands of a chain, for EXPLAIN: the first operand has none before it.
pub fn signs(steps: &str) -> impl Iterator<Item = char> {
    steps.chars().step_by(2)
}

fn call_of(expr: &Expr) -> Option<&ScalarFunction> {
    match expr {
        Expr::ScalarFunction(function) => Some(function),
        Expr::Cast(cast) if *cast.field.data_type() == DataType::Int32 => match &*cast.expr {
            Expr::ScalarFunction(function) => Some(function),
            _ => None,
        },
        _ => None,
    }
}

fn is_chain(expr: &Expr) -> bool {
    call_of(narrow(expr)).is_some_and(|function| function.name() == NAME)
}

fn narrow(expr: &Expr) -> &Expr {
    match expr {
        Expr::Cast(cast) if *cast.field.data_type() == DataType::Int64 => &cast.expr,
        other => other,
    }
}

fn left_of(expr: &Expr) -> Option<&Expr> {
    let function = call_of(expr)?;
    sign_of(function)?;
    function.args.first().map(narrow)
}

fn depth(expr: &Expr) -> usize {
    let mut count = 0;
    let mut rest = expr;
    while count < STEPS_MIN
        && let Some(left) = left_of(rest)
    {
        count += 1;
        rest = left;
    }
    count
}

fn sign_of(function: &ScalarFunction) -> Option<char> {
    if function.args.len() != 2 {
        return None;
    }
    match function.name() {
        "blueshift_plus" => Some('+'),
        "blueshift_minus" => Some('-'),
        "blueshift_times" => Some('*'),
        _ => None,
    }
}

/// Takes the topmost operator off.
fn split(expr: Expr) -> std::result::Result<Step, Expr> {
    let Some((sign, width)) = call_of(&expr).and_then(|function| {
        let width = match &expr {
            Expr::Cast(_) => 'i',
            _ => 'l',
        };
        sign_of(function).map(|sign| (sign, width))
    }) else {
        return Err(expr);
    };
    let inner = match expr {
        Expr::Cast(Cast { expr, .. }) => *expr,
        other => other,
    };
    let Expr::ScalarFunction(function) = inner else {
        return Err(inner);
    };
    let mut args = function.args.into_iter();
    match (args.next(), args.next()) {
        (Some(left), Some(right)) => Ok(Step {
            left: match left {
                Expr::Cast(cast) if *cast.field.data_type() == DataType::Int64 => *cast.expr,
                other => other,
            },
            sign,
            width,
            right,
        }),
        _ => Err(Expr::Literal(ScalarValue::Int64(None), None)),
    }
}

/// Takes a chain apart.
fn parts(expr: Expr) -> std::result::Result<(String, Vec<Expr>), Expr> {
    if !is_chain(&expr) {
        return Err(expr);
    }
    let inner = match expr {
        Expr::Cast(Cast { expr, .. }) => *expr,
        other => other,
    };
    let Expr::ScalarFunction(mut function) = inner else {
        return Err(inner);
    };
    let first = (!function.args.is_empty()).then(|| function.args.remove(0));
    match first {
        Some(Expr::Literal(ScalarValue::Utf8(Some(signs)), _)) => Ok((signs, function.args)),
        _ => Err(Expr::ScalarFunction(function)),
    }
}

fn wide(expr: Expr) -> Expr {
    match &expr {
        Expr::Literal(ScalarValue::Int64(_), _) => expr,
        _ => cast(expr, DataType::Int64),
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Chain {
    signature: Signature,
}

fn wrong() -> DataFusionError {
    DataFusionError::Plan(format!("{NAME} takes steps and a number more than steps"))
}

impl ScalarUDFImpl for Chain {
    fn name(&self) -> &str {
        NAME
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(DataType::Int64)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let mut args = args.args.into_iter();
        let (Some(ColumnarValue::Scalar(ScalarValue::Utf8(Some(steps)))), Some(mut value)) =
            (args.next(), args.next())
        else {
            return Err(wrong());
        };
        let mut letters = steps.chars();
        while let (Some(sign), Some(width)) = (letters.next(), letters.next()) {
            let right = args.next().ok_or_else(wrong)?;
            let operator = match sign {
                '+' => Operator::Plus,
                '-' => Operator::Minus,
                _ => Operator::Multiply,
            };
            value = checked::apply(operator, &value, &right)?;
            if width == 'i' {
                ensure_integer(&value)?;
            }
        }
        Ok(value)
    }
}

fn ensure_integer(value: &ColumnarValue) -> Result<()> {
    let fits = |value: i64| i32::try_from(value).is_ok();
    let all_fit = match value {
        ColumnarValue::Scalar(ScalarValue::Int64(value)) => value.is_none_or(fits),
        ColumnarValue::Scalar(_) => true,
        ColumnarValue::Array(values) => {
            let values = values.as_primitive::<Int64Type>();
            // All rows first, so that the loop has no branch; what a null row holds may not fit.
            let all = values
                .values()
                .iter()
                .fold(true, |all, value| all & fits(*value));
            all || values.iter().flatten().all(fits)
        }
    };
    if all_fit {
        return Ok(());
    }
    let error = Error::new(SqlState::NUMERIC_VALUE_OUT_OF_RANGE, "integer out of range");
    Err(DataFusionError::External(Box::new(error)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion_expr::{col, lit};

    fn sum(count: i64) -> Expr {
        let plus = |left: Expr, right: Expr| {
            let function = checked::checked(Operator::Plus).unwrap();
            let wide = |expr| cast(expr, DataType::Int64);
            cast(
                function.call(vec![wide(left), wide(right)]),
                DataType::Int32,
            )
        };
        (0..count).fold(col("a"), |left, number| linked(plus(left, lit(number))))
    }

    #[test]
    fn long_sums_are_one_call_and_short_ones_stay() {
        assert!(!is_chain(&sum(7)));
        for count in [9, 10, 100] {
            let (signs, args) = parts(sum(count)).unwrap();
            assert_eq!(signs, "+i".repeat(usize::try_from(count).unwrap()));
            assert_eq!(args.len(), signs.len() / 2 + 1);
        }
    }
}
