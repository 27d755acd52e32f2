//! LISTAGG(DISTINCT): the values of a group, each once, joined to one text.

use crate::error::{Error, Result};
use crate::function::call::Call;
use crate::function::declaration::{Code, Documentation, Form, Kind, Nulls, Scalar, Volatility};
use crate::sqlstate::SqlState;
use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow_schema::DataType;
use std::collections::HashSet;

pub(super) const BLUESHIFT_LISTAGG_DISTINCT: Scalar = Scalar {
    name: "blueshift_listagg_distinct",
    aliases: &[],
    forms: &[Form::new(&[Kind::Any, Kind::Text], Kind::Text)],
    volatility: Volatility::Immutable,
    nulls: Nulls::Own,
    documentation: Documentation {
        summary: "Joins the different values of a group in their order; blanks at the end make no difference, and the first of such values is shown",
        syntax: "LISTAGG(DISTINCT text [, delimiter]) [WITHIN GROUP (ORDER BY ...)]",
        arguments: &[
            ("text", "the values, gathered in an array"),
            (
                "delimiter",
                "stands between two values; nothing if it is not given",
            ),
        ],
        returns: "VARCHAR; null if there is no value",
        examples: &[("listagg(distinct 'a', ',')", "a")],
    },
    code: Code::Own(eval),
};

fn eval(call: &Call<'_>) -> Result<ArrayRef> {
    let unfit = || {
        Error::new(
            SqlState::INTERNAL_ERROR,
            "LISTAGG(DISTINCT ...) was given no array",
        )
    };
    let (gathered, delimiters) = (call.full(0)?, call.text(1)?);
    let lists = gathered.as_list_opt::<i32>().ok_or_else(unfit)?;
    let mut seen: HashSet<String> = HashSet::new();
    call.build_text(|row, out| {
        if lists.is_null(row) {
            return Ok(false);
        }
        let values = cast(&lists.value(row), &DataType::Utf8View).map_err(|_| unfit())?;
        let values = values.as_string_view();
        let delimiter = delimiters.at(row).unwrap_or_default();
        seen.clear();
        for value in values.iter().flatten() {
            let key = value.trim_end_matches(' ');
            if seen.contains(key) {
                continue;
            }
            if !seen.is_empty() {
                out.push_str(delimiter);
            }
            seen.insert(key.to_owned());
            out.push_str(value);
        }
        Ok(!seen.is_empty())
    })
}
