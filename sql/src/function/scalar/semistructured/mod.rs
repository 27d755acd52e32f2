//! Functions of SUPER: JSON both ways, arrays, objects, what a value is. A SUPER is its JSON text without blanks.

mod array;
mod array_concat;
mod array_flatten;
pub(in crate::function) mod blueshift_super;
pub(in crate::function) mod blueshift_super_items;
pub(in crate::function) mod blueshift_super_put;
pub(in crate::function) mod blueshift_super_raw;
pub(in crate::function) mod blueshift_super_get;
pub(in crate::function) mod blueshift_super_number;
pub(in crate::function) mod blueshift_super_rank;
pub(in crate::function) mod blueshift_super_string;
pub(in crate::function) mod blueshift_super_text;
mod decimal_precision;
mod decimal_scale;
mod duplicate;
mod get_array_length;
mod get_number_attributes;
mod is_array;
mod is_bigint;
mod is_boolean;
mod is_char;
mod is_decimal;
mod is_float;
mod is_integer;
mod is_object;
mod is_scalar;
mod is_smallint;
mod is_varchar;
mod json_parse;
mod json_serialize;
mod json_serialize_to_varbyte;
mod json_size;
pub(in crate::function) mod json_typeof;
mod lower_attribute_names;
mod object;
mod split_to_array;
mod subarray;
mod upper_attribute_names;
pub(in crate::function) mod value;

use crate::function::declaration::Scalar;

pub(super) const FUNCTIONS: &[&Scalar] = &[
    &array::ARRAY,
    &array_concat::ARRAY_CONCAT,
    &array_flatten::ARRAY_FLATTEN,
    &blueshift_super::BLUESHIFT_SUPER,
    &blueshift_super_items::BLUESHIFT_SUPER_ITEMS,
    &blueshift_super_items::BLUESHIFT_SUPER_KEYS,
    &blueshift_super_items::BLUESHIFT_SUPER_PLACES,
    &blueshift_super_items::BLUESHIFT_SUPER_VALUES,
    &blueshift_super_rank::BLUESHIFT_SUPER_RANK,
    &blueshift_super_put::BLUESHIFT_SUPER_PUT,
    &blueshift_super_raw::BLUESHIFT_SUPER_RAW,
    &blueshift_super_get::BLUESHIFT_SUPER_GET,
    &blueshift_super_number::BLUESHIFT_SUPER_NUMBER,
    &blueshift_super_string::BLUESHIFT_SUPER_STRING,
    &blueshift_super_text::BLUESHIFT_SUPER_TEXT,
    &decimal_precision::DECIMAL_PRECISION,
    &decimal_scale::DECIMAL_SCALE,
    &get_array_length::GET_ARRAY_LENGTH,
    &get_number_attributes::GET_NUMBER_ATTRIBUTES,
    &is_array::IS_ARRAY,
    &is_bigint::IS_BIGINT,
    &is_boolean::IS_BOOLEAN,
    &is_char::IS_CHAR,
    &is_decimal::IS_DECIMAL,
    &is_float::IS_FLOAT,
    &is_integer::IS_INTEGER,
    &is_object::IS_OBJECT,
    &is_scalar::IS_SCALAR,
    &is_smallint::IS_SMALLINT,
    &is_varchar::IS_VARCHAR,
    &json_parse::JSON_PARSE,
    &json_serialize::JSON_SERIALIZE,
    &json_serialize_to_varbyte::JSON_SERIALIZE_TO_VARBYTE,
    &json_size::JSON_SIZE,
    &json_typeof::JSON_TYPEOF,
    &lower_attribute_names::LOWER_ATTRIBUTE_NAMES,
    &object::OBJECT,
    &split_to_array::SPLIT_TO_ARRAY,
    &subarray::SUBARRAY,
    &upper_attribute_names::UPPER_ATTRIBUTE_NAMES,
];
