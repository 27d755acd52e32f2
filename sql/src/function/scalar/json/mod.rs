//! Functions of JSON in text.

mod can_json_parse;
mod is_valid_json;
mod is_valid_json_array;
mod json_array_length;
mod json_extract_array_element_text;
mod json_extract_path_text;
pub(in crate::function) mod scan;

use crate::function::declaration::Scalar;

pub(super) const FUNCTIONS: &[&Scalar] = &[
    &can_json_parse::CAN_JSON_PARSE,
    &is_valid_json::IS_VALID_JSON,
    &is_valid_json_array::IS_VALID_JSON_ARRAY,
    &json_array_length::JSON_ARRAY_LENGTH,
    &json_extract_array_element_text::JSON_EXTRACT_ARRAY_ELEMENT_TEXT,
    &json_extract_path_text::JSON_EXTRACT_PATH_TEXT,
];
