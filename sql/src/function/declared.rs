//! Where a declaration meets the engine: it becomes a scalar function of the engine.

use super::adapter::failure;
use super::call::Call;
use super::declaration::{Code, Kind, Nulls, Returns, Scalar};
use super::resolve;
use super::session::Session;
use crate::types::SqlType;
use arrow::array::ArrayRef;
use arrow_schema::{DataType, Field, FieldRef};
use datafusion_common::{Result, ScalarValue};
use datafusion_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility,
};
use std::hash::{Hash, Hasher};
use std::sync::Arc;

#[derive(Debug)]
struct Declared {
    declaration: &'static Scalar,
    code: fn(&Call<'_>) -> crate::Result<ArrayRef>,
    aliases: Vec<String>,
    signature: Signature,
}

impl PartialEq for Declared {
    fn eq(&self, other: &Self) -> bool {
        self.declaration.name == other.declaration.name
    }
}

impl Eq for Declared {}

impl Hash for Declared {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.declaration.name.hash(state);
    }
}

/// Makes the engine's function of a declaration; `None` if the engine has it already.
pub(super) fn function(declaration: &'static Scalar) -> Option<Arc<ScalarUDF>> {
    let Code::Own(code) = declaration.code else {
        return None;
    };
    let aliases = declaration.aliases.iter().map(|alias| (*alias).to_owned());
    Some(Arc::new(ScalarUDF::new_from_impl(Declared {
        code,
        aliases: aliases.collect(),
        // Arguments are converted here, not by casts of the engine, which has other rules.
        signature: Signature::user_defined(declaration.volatility),
        declaration,
    })))
}

impl ScalarUDFImpl for Declared {
    fn name(&self) -> &str {
        self.declaration.name
    }

    fn aliases(&self) -> &[String] {
        &self.aliases
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        Ok(types.to_vec())
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        let form = resolve::form(self.declaration, types).map_err(failure)?;
        resolve::result(form, types, &[]).map_err(failure)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let types = args.arg_fields.iter();
        let types: Vec<DataType> = types.map(|field| field.data_type().clone()).collect();
        let form = resolve::form(self.declaration, &types).map_err(failure)?;
        let ty = resolve::result(form, &types, args.scalar_arguments).map_err(failure)?;
        resolve::ensure_sketches(self.declaration, form, args.arg_fields).map_err(failure)?;
        match form.returns {
            Returns::Kind(Kind::Super) => {
                return Ok(Arc::new(SqlType::Super.field(self.name(), true)));
            }
            Returns::Kind(Kind::Sketch) => {
                return Ok(Arc::new(SqlType::HllSketch.field(self.name(), true)));
            }
            _ => {}
        }
        Ok(Arc::new(Field::new(self.name(), ty, true)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let types: Vec<DataType> = args.args.iter().map(ColumnarValue::data_type).collect();
        let form = resolve::form(self.declaration, &types).map_err(failure)?;
        let returns = args.return_field.data_type();
        let is_scalar = |arg: &ColumnarValue| matches!(arg, ColumnarValue::Scalar(_));
        let is_null =
            |arg: &ColumnarValue| matches!(arg, ColumnarValue::Scalar(value) if value.is_null());
        if self.declaration.nulls == Nulls::Propagate && args.args.iter().any(is_null) {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from(returns)?));
        }
        let constant: Vec<bool> = args.args.iter().map(is_scalar).collect();
        let scalar = self.declaration.volatility != Volatility::Volatile
            && constant.iter().all(|constant| *constant);
        let session = Session::of(&args.config_options);
        let mut arguments = Vec::with_capacity(args.args.len());
        for (number, arg) in args.args.iter().enumerate() {
            let array = arg.to_array(if is_scalar(arg) { 1 } else { args.number_rows })?;
            let kind = form.kind(number).unwrap_or(Kind::Any);
            let array = match args.arg_fields.get(number) {
                Some(field) => resolve::convert(array, kind, field, session),
                None => {
                    let field = Field::new("", array.data_type().clone(), true);
                    resolve::convert(array, kind, &field, session)
                }
            };
            arguments.push(array.map_err(failure)?);
        }

        let result = (self.code)(&Call {
            rows: if scalar { 1 } else { args.number_rows },
            arguments: &arguments,
            constant: &constant,
            returns,
            zone: session.zone,
            order: session.order,
            json: session.json,
        })
        .map_err(failure)?;
        if scalar && result.len() == 1 {
            let value = ScalarValue::try_from_array(&result, 0)?;
            return Ok(ColumnarValue::Scalar(value));
        }
        Ok(ColumnarValue::Array(result))
    }
}
