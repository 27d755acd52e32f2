//! One value that is the same for equal rows: what rows of a subquery over an array are joined back by.

use arrow::array::{ArrayRef, BinaryBuilder};
use arrow::row::{RowConverter, SortField};
use arrow_schema::DataType;
use datafusion_common::{DataFusionError, Result};
use datafusion_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use sha2::{Digest, Sha256};
use std::sync::{Arc, LazyLock};

const NAME: &str = "blueshift_row_key";

/// Bytes up to which a row stands for itself; a longer one is known by its digest and by one byte more, so that no
/// short row can be taken for it.
const PLAIN_BYTES_MAX: usize = 32;

static ROW_KEY: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| {
    Arc::new(ScalarUDF::new_from_impl(RowKey {
        signature: Signature::variadic_any(Volatility::Immutable),
    }))
});

/// The function `(value, ...)`: gives up to 33 bytes, never null, that are equal where all values are, to the byte;
/// nulls count as equal.
pub fn row_key() -> Arc<ScalarUDF> {
    Arc::clone(&ROW_KEY)
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct RowKey {
    signature: Signature,
}

impl ScalarUDFImpl for RowKey {
    fn name(&self) -> &str {
        NAME
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _args: &[DataType]) -> Result<DataType> {
        Ok(DataType::Binary)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let columns = args.args.iter().map(|arg| arg.to_array(args.number_rows));
        let columns = columns.collect::<Result<Vec<ArrayRef>>>()?;
        let fields = columns
            .iter()
            .map(|column| SortField::new(column.data_type().clone()));
        let engine = |error| DataFusionError::ArrowError(Box::new(error), None);
        let converter = RowConverter::new(fields.collect()).map_err(engine)?;
        let rows = converter.convert_columns(&columns).map_err(engine)?;
        let mut keys = BinaryBuilder::with_capacity(rows.num_rows(), rows.num_rows() * 33);
        for row in &rows {
            let bytes = row.as_ref();
            if bytes.len() <= PLAIN_BYTES_MAX {
                keys.append_value(bytes);
                continue;
            }
            let mut key = [1; PLAIN_BYTES_MAX + 1];
            for (place, byte) in key.iter_mut().zip(Sha256::digest(bytes)) {
                *place = byte;
            }
            keys.append_value(key);
        }
        Ok(ColumnarValue::Array(Arc::new(keys.finish())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{Array, AsArray, Int64Array, StringViewArray};
    use arrow_schema::Field;
    use datafusion_common::config::ConfigOptions;

    fn keys(texts: Vec<Option<&str>>, numbers: Vec<Option<i64>>) -> Vec<Vec<u8>> {
        let number_rows = texts.len();
        let args: Vec<ArrayRef> = vec![
            Arc::new(StringViewArray::from(texts)),
            Arc::new(Int64Array::from(numbers)),
        ];
        let fields = args.iter().map(|arg| {
            let ty = arg.data_type().clone();
            Arc::new(Field::new("arg", ty, true))
        });
        let found = row_key().invoke_with_args(ScalarFunctionArgs {
            arg_fields: fields.collect(),
            args: args.into_iter().map(ColumnarValue::Array).collect(),
            number_rows,
            return_field: Arc::new(Field::new("key", DataType::Binary, true)),
            config_options: Arc::new(ConfigOptions::default()),
        });
        let found = found.unwrap().into_array(number_rows).unwrap();
        assert_eq!(found.null_count(), 0);
        found
            .as_binary::<i32>()
            .iter()
            .flatten()
            .map(<[u8]>::to_vec)
            .collect()
    }

    #[test]
    fn equal_rows_and_no_others_have_equal_keys() {
        let long = "[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17]";
        let found = keys(
            vec![
                Some("a"),
                Some("a"),
                None,
                None,
                Some(long),
                Some(long),
                Some("a "),
            ],
            vec![Some(1), Some(1), None, Some(1), None, None, Some(1)],
        );
        assert_eq!(found[0], found[1]);
        assert_eq!(found[4], found[5]);
        let mut apart = found.clone();
        apart.sort();
        apart.dedup();
        assert_eq!(apart.len(), 5);
        assert!(found.iter().all(|key| key.len() <= 33));
    }
}
