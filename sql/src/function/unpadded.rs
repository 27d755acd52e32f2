//! A text without the blanks at its end: what comparisons and keys see of a VARCHAR.

use arrow::array::{Array, ArrayRef, AsArray, StringViewBuilder};
use arrow_schema::{DataType, FieldRef};
use datafusion_common::{DataFusionError, Result};
use datafusion_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility,
};
use std::sync::{Arc, LazyLock};

/// The name it travels by.
pub const NAME: &str = "blueshift_unpadded";

static UNPADDED: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| {
    Arc::new(ScalarUDF::new_from_impl(Unpadded {
        signature: Signature::any(1, Volatility::Immutable),
    }))
});

/// The function `(text)`. A column in which no value ends with a blank is given back as it is.
pub(crate) fn unpadded() -> Arc<ScalarUDF> {
    Arc::clone(&UNPADDED)
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Unpadded {
    signature: Signature,
}

impl ScalarUDFImpl for Unpadded {
    fn name(&self) -> &str {
        NAME
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, args: &[DataType]) -> Result<DataType> {
        Ok(args.first().cloned().unwrap_or(DataType::Utf8View))
    }

    /// The declared length stays what it was.
    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        match args.arg_fields.first() {
            Some(field) => Ok(Arc::clone(field)),
            None => Err(DataFusionError::Plan(format!("{NAME} takes a text"))),
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        Ok(match args.args.into_iter().next() {
            Some(ColumnarValue::Array(values)) => ColumnarValue::Array(trim(&values)?),
            Some(ColumnarValue::Scalar(value)) => {
                let trimmed = trim(&value.to_array()?)?;
                ColumnarValue::Scalar(datafusion_common::ScalarValue::try_from_array(&trimmed, 0)?)
            }
            None => return Err(DataFusionError::Plan(format!("{NAME} takes a text"))),
        })
    }
}

fn trim(values: &ArrayRef) -> Result<ArrayRef> {
    let Some(texts) = values.as_string_view_opt() else {
        let viewed = arrow::compute::cast(values, &DataType::Utf8View)?;
        return Ok(arrow::compute::cast(&trim(&viewed)?, values.data_type())?);
    };
    let is_padded = |text: &str| text.as_bytes().last() == Some(&b' ');
    if !texts.iter().flatten().any(is_padded) {
        return Ok(Arc::clone(values));
    }
    let mut builder = StringViewBuilder::with_capacity(texts.len());
    for text in texts {
        builder.append_option(text.map(|text| text.trim_end_matches(' ')));
    }
    Ok(Arc::new(builder.finish()))
}

#[cfg(test)]
mod tests {
    use super::trim;
    use arrow::array::{Array, ArrayRef, AsArray, StringArray, StringViewArray};
    use std::sync::Arc;

    #[test]
    fn blanks_at_the_end_go_and_clean_columns_are_not_copied() {
        let clean: ArrayRef = Arc::new(StringViewArray::from(vec![Some(" a"), None, Some("")]));
        assert!(Arc::ptr_eq(&trim(&clean).unwrap(), &clean));
        let padded: ArrayRef = Arc::new(StringArray::from(vec![Some("a  "), None, Some(" b\t")]));
        let trimmed = trim(&padded).unwrap();
        let expected = [Some("a"), None, Some(" b\t")];
        assert_eq!(
            trimmed.as_string::<i32>().iter().collect::<Vec<_>>(),
            expected
        );
        assert_eq!(trimmed.len(), 3);
    }
}
