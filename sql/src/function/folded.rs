//! A text without its case and the blanks at its end: what comparisons and keys see of a text of COLLATE
//! CASE_INSENSITIVE.

use arrow::array::{Array, ArrayRef, AsArray, StringViewBuilder};
use arrow_schema::{DataType, FieldRef};
use datafusion_common::{DataFusionError, Result, ScalarValue};
use datafusion_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility,
};
use std::sync::{Arc, LazyLock};

/// The name it travels by.
pub const NAME: &str = "blueshift_folded";

static FOLDED: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| {
    Arc::new(ScalarUDF::new_from_impl(Folded {
        signature: Signature::any(1, Volatility::Immutable),
    }))
});

/// The function `(text)`.
pub(crate) fn folded() -> Arc<ScalarUDF> {
    Arc::clone(&FOLDED)
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Folded {
    signature: Signature,
}

impl ScalarUDFImpl for Folded {
    fn name(&self) -> &str {
        NAME
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, args: &[DataType]) -> Result<DataType> {
        Ok(args.first().cloned().unwrap_or(DataType::Utf8View))
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        match args.arg_fields.first() {
            Some(field) => Ok(Arc::clone(field)),
            None => Err(DataFusionError::Plan(format!("{NAME} takes a text"))),
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        Ok(match args.args.into_iter().next() {
            Some(ColumnarValue::Array(values)) => ColumnarValue::Array(fold(&values)?),
            Some(ColumnarValue::Scalar(value)) => {
                let values = fold(&value.to_array()?)?;
                ColumnarValue::Scalar(ScalarValue::try_from_array(&values, 0)?)
            }
            None => return Err(DataFusionError::Plan(format!("{NAME} takes a text"))),
        })
    }
}

fn fold(values: &ArrayRef) -> Result<ArrayRef> {
    let Some(texts) = values.as_string_view_opt() else {
        let viewed = arrow::compute::cast(values, &DataType::Utf8View)?;
        return Ok(arrow::compute::cast(&fold(&viewed)?, values.data_type())?);
    };
    let mut builder = StringViewBuilder::with_capacity(texts.len());
    for text in texts {
        builder.append_option(text.map(|text| text.trim_end_matches(' ').to_lowercase()));
    }
    Ok(Arc::new(builder.finish()))
}

#[cfg(test)]
mod tests {
    use super::fold;
    use arrow::array::{ArrayRef, AsArray, StringArray, StringViewArray};
    use std::sync::Arc;

    #[test]
    fn case_and_blanks_at_the_end_go() {
        let texts: ArrayRef = Arc::new(StringViewArray::from(vec![Some("ÄB c  "), None, Some("")]));
        let expected = [Some("äb c"), None, Some("")];
        let found = fold(&texts).unwrap();
        assert_eq!(found.as_string_view().iter().collect::<Vec<_>>(), expected);
        let plain: ArrayRef = Arc::new(StringArray::from(vec!["A "]));
        assert_eq!(fold(&plain).unwrap().as_string::<i32>().value(0), "a");
    }
}
