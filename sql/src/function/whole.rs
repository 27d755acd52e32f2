//! Readies a value for a cast to an integer: numbers with a fraction are rounded, all else is left alone.

use super::round_half;
use arrow_schema::{DataType, Field, FieldRef};
use datafusion_common::Result;
use datafusion_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion_expr::{
    ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility,
};
use std::sync::{Arc, LazyLock};

static WHOLE: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| {
    Arc::new(ScalarUDF::new_from_impl(Whole {
        signature: Signature::any(1, Volatility::Immutable),
    }))
});

/// The function `(value)`: decimals become decimals without a scale, doubles are rounded half to even.
pub(crate) fn whole() -> Arc<ScalarUDF> {
    Arc::clone(&WHOLE)
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Whole {
    signature: Signature,
}

/// The type a value is rounded to; `None` if it has no fraction.
fn rounded(ty: &DataType) -> Option<DataType> {
    match ty {
        DataType::Decimal128(_, scale) if *scale > 0 => Some(DataType::Decimal128(38, 0)),
        DataType::Float32 | DataType::Float64 => Some(DataType::Float64),
        _ => None,
    }
}

impl ScalarUDFImpl for Whole {
    fn name(&self) -> &'static str {
        "blueshift_whole"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        let ty = arguments.first().cloned().unwrap_or(DataType::Null);
        Ok(rounded(&ty).unwrap_or(ty))
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let field = args.arg_fields.first();
        let ty = field.map_or(DataType::Null, |field| field.data_type().clone());
        let nullable = field.is_none_or(|field| field.is_nullable());
        let ty = rounded(&ty).unwrap_or(ty);
        Ok(Arc::new(Field::new(self.name(), ty, nullable)))
    }

    fn simplify(&self, args: Vec<Expr>, info: &SimplifyContext) -> Result<ExprSimplifyResult> {
        match args.as_slice() {
            [value] if rounded(&info.get_data_type(value)?).is_none() => {
                Ok(ExprSimplifyResult::Simplified(value.clone()))
            }
            _ => Ok(ExprSimplifyResult::Original(args)),
        }
    }

    fn invoke_with_args(&self, mut args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let ty = args.return_field.data_type().clone();
        let Some(value) = args.args.first_mut() else {
            return Ok(ColumnarValue::Scalar(datafusion_common::ScalarValue::Null));
        };
        if rounded(&value.data_type()).is_none() {
            return Ok(value.clone());
        }
        *value = value.cast_to(&ty, None)?;
        if ty == DataType::Float64 {
            return round_half::round().invoke_with_args(args);
        }
        Ok(value.clone())
    }
}
