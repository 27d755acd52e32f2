//! `+`, `-` and `*` of BIGINT that fail where the engine's own would wrap around.

use super::{exact, quotient};
use crate::error::Error;
use crate::sqlstate::SqlState;
use arrow::array::{Array, ArrayRef, AsArray, Int64Array};
use arrow::datatypes::Int64Type;
use arrow_schema::DataType;
use datafusion_common::{DataFusionError, Result, ScalarValue};
use datafusion_expr::{
    ColumnarValue, Operator, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use std::sync::{Arc, LazyLock};

/// An operator, the name of its function and what it does.
struct Form {
    operator: Operator,
    name: &'static str,
    apply: fn(i64, i64) -> (i64, bool),
}

const FORMS: [Form; 3] = [
    Form {
        operator: Operator::Plus,
        name: "blueshift_plus",
        apply: i64::overflowing_add,
    },
    Form {
        operator: Operator::Minus,
        name: "blueshift_minus",
        apply: i64::overflowing_sub,
    },
    Form {
        operator: Operator::Multiply,
        name: "blueshift_times",
        apply: i64::overflowing_mul,
    },
];

static FUNCTIONS: LazyLock<Vec<Arc<ScalarUDF>>> = LazyLock::new(|| {
    let function = |form: usize| {
        Arc::new(ScalarUDF::new_from_impl(Checked {
            form,
            signature: Signature::exact(
                vec![DataType::Int64, DataType::Int64],
                Volatility::Immutable,
            ),
        }))
    };
    (0..FORMS.len()).map(function).collect()
});

/// Gives the function of an operator: two BIGINT to a BIGINT, null if one is null, 22003 if it does not fit.
pub(crate) fn checked(operator: Operator) -> Option<Arc<ScalarUDF>> {
    let form = FORMS.iter().position(|form| form.operator == operator)?;
    FUNCTIONS.get(form).map(Arc::clone)
}

/// Gives every one of them.
pub(crate) fn all() -> impl Iterator<Item = Arc<ScalarUDF>> {
    FUNCTIONS.iter().map(Arc::clone)
}

/// Gives the operator that a function of this name stands for.
pub fn operator(function: &str) -> Option<Operator> {
    if function == quotient::NAME {
        return Some(Operator::Divide);
    }
    let form = FORMS.iter().find(|form| form.name == function);
    form.map(|form| form.operator)
        .or_else(|| exact::operator(function))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Checked {
    /// Which of [`FORMS`].
    form: usize,
    signature: Signature,
}

impl Checked {
    fn form(&self) -> &'static Form {
        FORMS.get(self.form).unwrap_or(&FORMS[0])
    }
}

impl ScalarUDFImpl for Checked {
    fn name(&self) -> &'static str {
        self.form().name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(DataType::Int64)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [left, right] = args.args.as_slice() else {
            return Ok(ColumnarValue::Scalar(ScalarValue::Int64(None)));
        };
        of_values(self.form(), left, right)
    }
}

/// Computes `left operator right` of BIGINT values; of another operator the sum.
pub(super) fn apply(
    operator: Operator,
    left: &ColumnarValue,
    right: &ColumnarValue,
) -> Result<ColumnarValue> {
    let form = FORMS.iter().find(|form| form.operator == operator);
    of_values(form.unwrap_or(&FORMS[0]), left, right)
}

fn of_values(form: &Form, left: &ColumnarValue, right: &ColumnarValue) -> Result<ColumnarValue> {
    let apply = form.apply;
    Ok(match (left, right) {
        (ColumnarValue::Scalar(left), ColumnarValue::Scalar(right)) => {
            let value = match (whole(left), whole(right)) {
                (Some(left), Some(right)) => Some(fitting(apply(left, right))?),
                _ => None,
            };
            ColumnarValue::Scalar(ScalarValue::Int64(value))
        }
        (ColumnarValue::Array(left), ColumnarValue::Scalar(right)) => {
            with_constant(left, whole(right), apply)?
        }
        (ColumnarValue::Scalar(left), ColumnarValue::Array(right)) => {
            with_constant(right, whole(left), |value, left| apply(left, value))?
        }
        (ColumnarValue::Array(left), ColumnarValue::Array(right)) => {
            ColumnarValue::Array(of_arrays(left.as_primitive(), right.as_primitive(), apply)?)
        }
    })
}

fn whole(value: &ScalarValue) -> Option<i64> {
    match value {
        ScalarValue::Int64(value) => *value,
        _ => None,
    }
}

fn fitting((value, overflows): (i64, bool)) -> Result<i64> {
    if overflows {
        return Err(out_of_range());
    }
    Ok(value)
}

fn out_of_range() -> DataFusionError {
    DataFusionError::External(Box::new(
        Error::new(SqlState::NUMERIC_VALUE_OUT_OF_RANGE, "bigint out of range")
            .with_hint("Cast an operand to DECIMAL(38,0) for larger values."),
    ))
}

fn with_constant(
    values: &ArrayRef,
    constant: Option<i64>,
    apply: impl Fn(i64, i64) -> (i64, bool),
) -> Result<ColumnarValue> {
    let values = values.as_primitive::<Int64Type>();
    let Some(constant) = constant else {
        return Ok(ColumnarValue::Scalar(ScalarValue::Int64(None)));
    };
    // All rows first, so that the loop has no branch; what a null row holds may overflow.
    let mut overflown = false;
    let results: Vec<i64> = values
        .values()
        .iter()
        .map(|value| {
            let (result, overflows) = apply(*value, constant);
            overflown |= overflows;
            result
        })
        .collect();
    let overflows = |row: usize| {
        let value = values.values().get(row).copied().unwrap_or_default();
        values.is_valid(row) && apply(value, constant).1
    };
    if overflown && (0..values.len()).any(overflows) {
        return Err(out_of_range());
    }
    let results = Int64Array::new(results.into(), values.nulls().cloned());
    Ok(ColumnarValue::Array(Arc::new(results)))
}

fn of_arrays(
    left: &Int64Array,
    right: &Int64Array,
    apply: impl Fn(i64, i64) -> (i64, bool),
) -> Result<ArrayRef> {
    let nulls = arrow::buffer::NullBuffer::union(left.nulls(), right.nulls());
    let pairs = || left.values().iter().zip(right.values().iter());
    let mut overflown = false;
    let results: Vec<i64> = pairs()
        .map(|(left, right)| {
            let (result, overflows) = apply(*left, *right);
            overflown |= overflows;
            result
        })
        .collect();
    let valid = |row: usize| nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row));
    if overflown
        && pairs()
            .enumerate()
            .any(|(row, (left, right))| valid(row) && apply(*left, *right).1)
    {
        return Err(out_of_range());
    }
    Ok(Arc::new(Int64Array::new(results.into(), nulls)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(
        operator: Operator,
        left: Vec<Option<i64>>,
        right: Vec<Option<i64>>,
    ) -> Result<Vec<Option<i64>>> {
        let form = FORMS.iter().find(|form| form.operator == operator).unwrap();
        let (left, right) = (Int64Array::from(left), Int64Array::from(right));
        let result = of_arrays(&left, &right, form.apply)?;
        Ok(result.as_primitive::<Int64Type>().iter().collect())
    }

    #[test]
    fn what_does_not_fit_fails_and_nulls_do_not() {
        let most = Some(i64::MAX);
        assert_eq!(
            run(
                Operator::Plus,
                vec![most, Some(1), None],
                vec![Some(0), Some(2), most]
            )
            .unwrap(),
            [most, Some(3), None]
        );
        for operator in [Operator::Plus, Operator::Multiply] {
            let error = run(operator, vec![Some(2), most], vec![Some(2), Some(2)]).unwrap_err();
            assert!(error.to_string().contains("bigint out of range"), "{error}");
        }
        assert!(run(Operator::Minus, vec![Some(i64::MIN)], vec![Some(1)]).is_err());
    }

    #[test]
    fn a_constant_may_stand_on_either_side() {
        let values: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), None, Some(-5)]));
        let less = with_constant(&values, Some(10), |value, ten| {
            i64::overflowing_sub(ten, value)
        });
        let ColumnarValue::Array(less) = less.unwrap() else {
            panic!("an array was expected");
        };
        assert_eq!(
            less.as_primitive::<Int64Type>().iter().collect::<Vec<_>>(),
            [Some(9), None, Some(15)]
        );
    }
}
