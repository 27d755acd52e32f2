//! The value of a subquery that must give no more than one row.

use crate::error::Error;
use crate::sqlstate::SqlState;
use arrow::array::AsArray;
use arrow::datatypes::Int64Type;
use arrow_schema::{DataType, FieldRef};
use datafusion_common::{DataFusionError, Result, ScalarValue};
use datafusion_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility,
};
use std::sync::{Arc, LazyLock};

const NAME: &str = "blueshift_one_row";

static ONE_ROW: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| {
    Arc::new(ScalarUDF::new_from_impl(OneRow {
        signature: Signature::any(2, Volatility::Immutable),
    }))
});

/// The function `(value, rows)`: gives `value`, and refuses where the second, a BIGINT, is more than one.
pub fn one_row() -> Arc<ScalarUDF> {
    Arc::clone(&ONE_ROW)
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct OneRow {
    signature: Signature,
}

fn wrong_arguments() -> DataFusionError {
    DataFusionError::Plan(format!("{NAME} takes a value and a number"))
}

impl ScalarUDFImpl for OneRow {
    fn name(&self) -> &str {
        NAME
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, args: &[DataType]) -> Result<DataType> {
        args.first().cloned().ok_or_else(wrong_arguments)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let field = args.arg_fields.first().ok_or_else(wrong_arguments)?;
        Ok(Arc::new(field.as_ref().clone().with_nullable(true)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let mut args = args.args.into_iter();
        let (Some(value), Some(rows)) = (args.next(), args.next()) else {
            return Err(wrong_arguments());
        };
        let several = match &rows {
            ColumnarValue::Scalar(ScalarValue::Int64(rows)) => rows.is_some_and(|rows| rows > 1),
            ColumnarValue::Scalar(_) => false,
            ColumnarValue::Array(rows) => match rows.as_primitive_opt::<Int64Type>() {
                Some(rows) => rows.iter().flatten().any(|rows| rows > 1),
                None => return Err(wrong_arguments()),
            },
        };
        if several {
            let text = "more than one row returned by a subquery used as an expression";
            let error = Error::new(SqlState::CARDINALITY_VIOLATION, text);
            return Err(DataFusionError::External(Box::new(error)));
        }
        Ok(value)
    }
}
