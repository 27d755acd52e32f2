//! A value as it is: keeps the engine from looking into what stands in it.

use arrow_schema::{DataType, FieldRef};
use datafusion_common::{DataFusionError, Result};
use datafusion_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility,
};
use std::sync::{Arc, LazyLock};

/// The name it travels by.
pub const NAME: &str = "blueshift_as_is";

static AS_IS: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| {
    Arc::new(ScalarUDF::new_from_impl(AsIs {
        signature: Signature::any(1, Volatility::Immutable),
    }))
});

/// The function `(value)`, which gives its argument and costs nothing.
pub fn as_is() -> Arc<ScalarUDF> {
    Arc::clone(&AS_IS)
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct AsIs {
    signature: Signature,
}

fn no_argument() -> DataFusionError {
    DataFusionError::Plan(format!("{NAME} takes a value"))
}

impl ScalarUDFImpl for AsIs {
    fn name(&self) -> &str {
        NAME
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, args: &[DataType]) -> Result<DataType> {
        args.first().cloned().ok_or_else(no_argument)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        args.arg_fields.first().cloned().ok_or_else(no_argument)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        args.args.into_iter().next().ok_or_else(no_argument)
    }
}
