//! `random()` after SET SEED: the session's own numbers, which repeat.

use crate::settings::random::Sequence;
use crate::system::SystemContext;
use arrow::array::Float64Array;
use arrow_schema::DataType;
use datafusion::error::Result;
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

pub(super) const NAME: &str = "random";

/// Puts it in the place of the engine's function of this name, if the session has a seed.
pub(super) fn add(ctx: &SystemContext, functions: &mut HashMap<String, Arc<ScalarUDF>>) {
    if let Some(sequence) = ctx.settings.random() {
        let function = Seeded {
            sequence: sequence.clone(),
            signature: Signature::nullary(Volatility::Volatile),
        };
        functions.insert(
            NAME.to_string(),
            Arc::new(ScalarUDF::new_from_impl(function)),
        );
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Seeded {
    sequence: Sequence,
    signature: Signature,
}

impl Hash for Seeded {
    fn hash<H: Hasher>(&self, state: &mut H) {
        NAME.hash(state);
    }
}

impl ScalarUDFImpl for Seeded {
    fn name(&self) -> &str {
        NAME
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(DataType::Float64)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let numbers = self.sequence.take(args.number_rows);
        Ok(ColumnarValue::Array(Arc::new(Float64Array::from(numbers))))
    }
}
