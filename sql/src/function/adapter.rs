//! Where our functions meet the engine: a declaration becomes its scalar function.

use crate::error::Error;
use crate::sqlstate::SqlState;
use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::Int64Type;
use arrow_schema::DataType;
use datafusion_common::{DataFusionError, Result};
use datafusion_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, TypeSignature,
    Volatility,
};
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// A function declared as data. Arguments are cast to the declared types before `eval`.
#[derive(Debug, Clone)]
pub(crate) struct Scalar {
    /// Its SQL name.
    pub(crate) name: &'static str,
    /// Other names.
    pub(crate) aliases: &'static [&'static str],
    /// The types of its arguments.
    pub(crate) arguments: &'static [DataType],
    /// The type of its result.
    pub(crate) returns: DataType,
    /// Whether it may be computed ahead.
    pub(crate) volatility: Volatility,
    /// Works on whole columns, one array per argument, all `rows` long.
    pub(crate) eval: fn(&[ArrayRef], usize) -> Result<ArrayRef>,
}

#[derive(Debug)]
struct Adapter {
    declaration: Scalar,
    aliases: Vec<String>,
    signature: Signature,
}

impl PartialEq for Adapter {
    fn eq(&self, other: &Self) -> bool {
        self.declaration.name == other.declaration.name
    }
}

impl Eq for Adapter {}

impl Hash for Adapter {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.declaration.name.hash(state);
    }
}

impl ScalarUDFImpl for Adapter {
    fn name(&self) -> &str {
        self.declaration.name
    }

    fn aliases(&self) -> &[String] {
        &self.aliases
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(self.declaration.returns.clone())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let scalar = args
            .args
            .iter()
            .all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let rows = if scalar { 1 } else { args.number_rows };
        let mut arrays = Vec::with_capacity(args.args.len());
        for (arg, ty) in args.args.iter().zip(self.declaration.arguments) {
            let array = arg.to_array(rows)?;
            arrays.push(if array.data_type() == ty {
                array
            } else {
                arrow::compute::cast(&array, ty)?
            });
        }
        let result = (self.declaration.eval)(&arrays, rows)?;
        if scalar && result.len() == 1 {
            let value = datafusion_common::ScalarValue::try_from_array(&result, 0)?;
            return Ok(ColumnarValue::Scalar(value));
        }
        Ok(ColumnarValue::Array(result))
    }
}

/// Makes the engine's function of a declaration.
pub(crate) fn scalar(declaration: Scalar) -> Arc<ScalarUDF> {
    let types = if declaration.arguments.is_empty() {
        TypeSignature::Nullary
    } else {
        TypeSignature::OneOf(vec![
            TypeSignature::Exact(declaration.arguments.to_vec()),
            TypeSignature::Any(declaration.arguments.len()),
        ])
    };
    Arc::new(ScalarUDF::new_from_impl(Adapter {
        aliases: declaration
            .aliases
            .iter()
            .map(|alias| (*alias).to_owned())
            .collect(),
        signature: Signature::new(types, declaration.volatility),
        declaration,
    }))
}

/// The first argument.
pub(crate) fn first(args: &[ArrayRef]) -> Result<&ArrayRef> {
    args.first().ok_or_else(|| {
        failure(Error::new(
            SqlState::INTERNAL_ERROR,
            "a function was called without arguments",
        ))
    })
}

/// A whole number of an argument that is a BIGINT; `None` if null or absent.
pub(crate) fn integer_at(args: &[ArrayRef], argument: usize, row: usize) -> Option<i64> {
    let array = args.get(argument)?.as_primitive_opt::<Int64Type>()?;
    (row < array.len() && array.is_valid(row)).then(|| array.value(row))
}

/// A truth value of an argument; `None` if null or absent.
pub(crate) fn boolean_at(args: &[ArrayRef], argument: usize, row: usize) -> Option<bool> {
    let array = args.get(argument)?.as_boolean_opt()?;
    (row < array.len() && array.is_valid(row)).then(|| array.value(row))
}

/// Wraps an error of ours so that it passes through the engine unchanged.
pub(crate) fn failure(error: Error) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}
