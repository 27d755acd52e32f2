//! NOW and CURRENT_TIMESTAMP: when the statement began, in microseconds as every moment of ours.
//!
//! The engine's function of that name gives nanoseconds, which meet nothing else without a cast.

use arrow_schema::{DataType, TimeUnit};
use datafusion_common::{Result, ScalarValue, internal_err};
use datafusion_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use std::sync::Arc;

/// Zone of the values; what a client sees is in that of its session.
const ZONE: &str = "UTC";

/// Gives the function.
pub(super) fn now() -> Arc<ScalarUDF> {
    Arc::new(ScalarUDF::new_from_impl(Now {
        signature: Signature::nullary(Volatility::Stable),
        aliases: ["current_timestamp".to_owned()],
    }))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Now {
    signature: Signature,
    aliases: [String; 1],
}

impl ScalarUDFImpl for Now {
    fn name(&self) -> &str {
        "now"
    }

    fn aliases(&self) -> &[String] {
        &self.aliases
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Timestamp(
            TimeUnit::Microsecond,
            Some(ZONE.into()),
        ))
    }

    fn invoke_with_args(&self, _: ScalarFunctionArgs) -> Result<ColumnarValue> {
        internal_err!("now is known before a statement runs")
    }

    fn simplify(&self, args: Vec<Expr>, info: &SimplifyContext) -> Result<ExprSimplifyResult> {
        let Some(began) = info.query_execution_start_time() else {
            return Ok(ExprSimplifyResult::Original(args));
        };
        let began =
            ScalarValue::TimestampMicrosecond(Some(began.timestamp_micros()), Some(ZONE.into()));
        Ok(ExprSimplifyResult::Simplified(Expr::Literal(began, None)))
    }
}
