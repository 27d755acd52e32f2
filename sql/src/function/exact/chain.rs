//! Long chains of the functions of [`super`], `a + b * c ...` of decimals or of doubles, in one function: the engine
//! asks each operator of a tree for the type and the name of all below it, which for a hundred of them takes seconds.

use super::{compute_values, exact_type, operator};
use arrow_schema::{DataType, Field, FieldRef};
use datafusion_common::{DataFusionError, Result, ScalarValue};
use datafusion_expr::expr::ScalarFunction;
use datafusion_expr::{
    ColumnarValue, Expr, Operator, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl,
    Signature, Volatility, cast,
};
use std::sync::{Arc, LazyLock};

/// The name it travels by.
pub const NAME: &str = "blueshift_exact_chain";

/// Operators from which on they are one function; shorter ones stay what the rest of the planner knows.
const STEPS_MIN: usize = 8;

static CHAIN: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| {
    Arc::new(ScalarUDF::new_from_impl(Chain {
        signature: Signature::variadic_any(Volatility::Immutable),
    }))
});

/// The function `(steps, number, number, ...)`: from left to right, each step an operator. All numbers are decimals or
/// all doubles.
pub(crate) fn chain() -> Arc<ScalarUDF> {
    Arc::clone(&CHAIN)
}

/// Puts an operator on top of an expression, as a call of its own or as the next step of the chain that the left side
/// is. Both sides have the given types.
pub(crate) fn call(
    function: &ScalarUDF,
    left: (Expr, &DataType),
    right: (Expr, &DataType),
) -> Result<Expr> {
    let operator = operator(function.name()).ok_or_else(wrong)?;
    let ty = exact_type(operator, left.1, right.1)?;
    let (left, right) = (typed(left.0, left.1), typed(right.0, right.1));
    let (sign, deep) = (sign_of(operator), depth(&left) >= STEPS_MIN);
    if !deep && !is_chain(&left) {
        return Ok(cast(function.call(vec![left, right]), ty));
    }
    let (mut signs, mut args) = flat(left);
    signs.push(sign);
    args.push(right);
    args.insert(0, Expr::Literal(ScalarValue::Utf8(Some(signs)), None));
    // In a cast, which tells its type without a look at what stands in it.
    Ok(cast(chain().call(args), ty))
}

/// Gives an operand that tells its type without a look at what stands in it.
fn typed(expr: Expr, ty: &DataType) -> Expr {
    match type_of(&expr) {
        Some(own) if own == *ty && !matches!(expr, Expr::ScalarFunction(_)) => expr,
        _ => cast(expr, ty.clone()),
    }
}

/// Gives the type of an operand or of a call of operands.
fn type_of(expr: &Expr) -> Option<DataType> {
    match expr {
        Expr::Cast(cast) => Some(cast.field.data_type().clone()),
        Expr::Literal(value, _) => Some(value.data_type()),
        Expr::ScalarFunction(function) => {
            let signs = signs(function)?;
            let operands = function
                .args
                .iter()
                .skip(usize::from(function.name() == NAME));
            let mut types = operands.map(type_of);
            let first = types.next()??;
            signs
                .chars()
                .zip(types)
                .try_fold(first, |left, (sign, right)| {
                    exact_type(operator_of(sign), &left, &right?).ok()
                })
        }
        _ => None,
    }
}

/// Gives the operators of a call of one of the functions, or of a chain.
fn signs(function: &ScalarFunction) -> Option<String> {
    match (function.name(), function.args.first()) {
        (NAME, Some(Expr::Literal(ScalarValue::Utf8(Some(signs)), _))) => Some(signs.clone()),
        (name, _) => Some(sign_of(operator(name)?).to_string()),
    }
}

fn sign_of(operator: Operator) -> char {
    match operator {
        Operator::Plus => '+',
        Operator::Minus => '-',
        Operator::Multiply => '*',
        _ => '/',
    }
}

fn operator_of(sign: char) -> Operator {
    match sign {
        '+' => Operator::Plus,
        '-' => Operator::Minus,
        '*' => Operator::Multiply,
        _ => Operator::Divide,
    }
}

/// Gives the call that an expression is, also in the cast to its own type.
fn call_of(expr: &Expr) -> Option<&ScalarFunction> {
    match expr {
        Expr::ScalarFunction(function) => signs(function).map(|_| function),
        Expr::Cast(cast) => match &*cast.expr {
            Expr::ScalarFunction(function) => {
                let own = type_of(&cast.expr)?;
                (own == *cast.field.data_type()).then_some(function)
            }
            _ => None,
        },
        _ => None,
    }
}

fn is_chain(expr: &Expr) -> bool {
    call_of(expr).is_some_and(|function| function.name() == NAME)
}

fn depth(expr: &Expr) -> usize {
    let mut count = 0;
    let mut rest = expr;
    while count < STEPS_MIN
        && let Some(function) = call_of(rest)
        && let Some(left) = function.args.first()
    {
        count += 1;
        rest = left;
    }
    count
}

/// Takes the calls on the left side of an expression apart: their operators and operands, from left to right.
fn flat(expr: Expr) -> (String, Vec<Expr>) {
    if call_of(&expr).is_none() {
        return (String::new(), vec![expr]);
    }
    let inner = match expr {
        Expr::Cast(cast) => *cast.expr,
        other => other,
    };
    let Expr::ScalarFunction(mut function) = inner else {
        return (String::new(), vec![inner]);
    };
    let own = signs(&function).unwrap_or_default();
    if function.name() == NAME {
        function.args.remove(0);
        return (own, function.args);
    }
    let mut args = function.args.into_iter();
    let (mut all, mut operands) = args.next().map_or_else(Default::default, flat);
    all.push_str(&own);
    operands.extend(args);
    (all, operands)
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
        Err(wrong())
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let Some(Some(ScalarValue::Utf8(Some(signs)))) = args.scalar_arguments.first() else {
            return Err(wrong());
        };
        let mut types = args
            .arg_fields
            .iter()
            .skip(1)
            .map(|field| field.data_type());
        let mut ty = types.next().cloned().ok_or_else(wrong)?;
        for (sign, right) in signs.chars().zip(types) {
            ty = exact_type(operator_of(sign), &ty, right)?;
        }
        Ok(Arc::new(Field::new(NAME, ty, true)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let mut args = args.args.into_iter();
        let (Some(ColumnarValue::Scalar(ScalarValue::Utf8(Some(signs)))), Some(mut value)) =
            (args.next(), args.next())
        else {
            return Err(wrong());
        };
        for sign in signs.chars() {
            let right = args.next().ok_or_else(wrong)?;
            value = compute_values(operator_of(sign), &value, &right)?;
        }
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion_expr::{col, lit};

    fn sum(count: usize, ty: &DataType, right: &Expr) -> Expr {
        let first = (cast(col("a"), ty.clone()), ty.clone());
        let right_type = type_of(right).unwrap();
        let (expr, _) = (0..count).fold(first, |(left, left_type), _| {
            let plus = super::super::function(Operator::Plus).unwrap();
            let right = (right.clone(), &right_type);
            let expr = call(&plus, (left, &left_type), right).unwrap();
            let ty = type_of(&expr).unwrap();
            (expr, ty)
        });
        expr
    }

    #[test]
    fn long_chains_are_one_call_and_short_ones_stay() {
        let decimal = DataType::Decimal128(38, 2);
        let cent = Expr::Literal(ScalarValue::Decimal128(Some(1), 10, 2), None);
        for (ty, right) in [(decimal, cent), (DataType::Float64, lit(0.5))] {
            assert!(!is_chain(&sum(STEPS_MIN, &ty, &right)));
            for count in [STEPS_MIN + 1, 100] {
                let expr = sum(count, &ty, &right);
                assert!(is_chain(&expr));
                let (signs, operands) = flat(expr);
                assert_eq!(signs, "+".repeat(count));
                assert_eq!(operands.len(), count + 1);
            }
        }
    }

    #[test]
    fn a_cast_that_a_user_wrote_stays_a_step() {
        let decimal = DataType::Decimal128(38, 2);
        let cent = Expr::Literal(ScalarValue::Decimal128(Some(1), 10, 2), None);
        let narrow = DataType::Decimal128(12, 1);
        let inner = cast(sum(20, &decimal, &cent), narrow.clone());
        assert!(!is_chain(&inner));
        let (signs, operands) = flat(inner);
        assert_eq!((signs.as_str(), operands.len()), ("", 1));
    }
}
