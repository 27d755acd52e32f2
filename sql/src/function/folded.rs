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

/// What stands between a text without its case and the text itself; no text has it.
const BETWEEN: char = '\0';

/// What is made of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Form {
    /// It without its case.
    Folded,
    /// That, and the text itself behind it: it orders as texts without their case do, those that are the same as
    /// they are written.
    Ordered,
    /// The text itself of such a one.
    Written,
}

impl Form {
    fn name(self) -> &'static str {
        match self {
            Self::Folded => NAME,
            Self::Ordered => "blueshift_folded_order",
            Self::Written => "blueshift_folded_written",
        }
    }

    fn of(self, text: &str) -> String {
        let folded = |text: &str| text.trim_end_matches(' ').to_lowercase();
        match self {
            Self::Folded => folded(text),
            Self::Ordered => format!("{}{BETWEEN}{text}", folded(text)),
            Self::Written => match text.split_once(BETWEEN) {
                Some((_, written)) => written.to_owned(),
                None => text.to_owned(),
            },
        }
    }
}

fn function(form: Form) -> Arc<ScalarUDF> {
    Arc::new(ScalarUDF::new_from_impl(Folded {
        form,
        signature: Signature::any(1, Volatility::Immutable),
    }))
}

static FOLDED: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| function(Form::Folded));
static ORDERED: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| function(Form::Ordered));
static WRITTEN: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| function(Form::Written));

/// The function `(text)`.
pub(crate) fn folded() -> Arc<ScalarUDF> {
    Arc::clone(&FOLDED)
}

/// The function `(text)`: gives a text whose least and greatest are those of texts without their case.
pub(crate) fn ordered() -> Arc<ScalarUDF> {
    Arc::clone(&ORDERED)
}

/// The function `(text)`: gives what [`ordered`] was made of.
pub(crate) fn written() -> Arc<ScalarUDF> {
    Arc::clone(&WRITTEN)
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Folded {
    form: Form,
    signature: Signature,
}

impl ScalarUDFImpl for Folded {
    fn name(&self) -> &str {
        self.form.name()
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
            None => Err(self.without_text()),
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        Ok(match args.args.into_iter().next() {
            Some(ColumnarValue::Array(values)) => ColumnarValue::Array(formed(&values, self.form)?),
            Some(ColumnarValue::Scalar(value)) => {
                let values = formed(&value.to_array()?, self.form)?;
                ColumnarValue::Scalar(ScalarValue::try_from_array(&values, 0)?)
            }
            None => return Err(self.without_text()),
        })
    }
}

impl Folded {
    fn without_text(&self) -> DataFusionError {
        DataFusionError::Plan(format!("{} takes a text", self.form.name()))
    }
}

fn formed(values: &ArrayRef, form: Form) -> Result<ArrayRef> {
    let Some(texts) = values.as_string_view_opt() else {
        let viewed = arrow::compute::cast(values, &DataType::Utf8View)?;
        return Ok(arrow::compute::cast(
            &formed(&viewed, form)?,
            values.data_type(),
        )?);
    };
    let mut builder = StringViewBuilder::with_capacity(texts.len());
    for text in texts {
        builder.append_option(text.map(|text| form.of(text)));
    }
    Ok(Arc::new(builder.finish()))
}

#[cfg(test)]
mod tests {
    use super::{Form, formed};
    use arrow::array::{ArrayRef, AsArray, StringArray, StringViewArray};
    use std::sync::Arc;

    #[test]
    fn case_and_blanks_at_the_end_go() {
        let texts: ArrayRef = Arc::new(StringViewArray::from(vec![Some("ÄB c  "), None, Some("")]));
        let expected = [Some("äb c"), None, Some("")];
        let found = formed(&texts, Form::Folded).unwrap();
        assert_eq!(found.as_string_view().iter().collect::<Vec<_>>(), expected);
        let plain: ArrayRef = Arc::new(StringArray::from(vec!["A "]));
        let found = formed(&plain, Form::Folded).unwrap();
        assert_eq!(found.as_string::<i32>().value(0), "a");
        let order = formed(&texts, Form::Ordered).unwrap();
        assert_eq!(order.as_string_view().value(0), "äb c\0ÄB c  ");
        assert_eq!(&formed(&order, Form::Written).unwrap(), &texts);
    }
}
