//! The elements of a SUPER array as rows to unnest, and their places.

use super::value;
use crate::error::Result;
use crate::function::call::Call;
use crate::function::declaration::{
    Code, Documentation, Form, Kind, Nulls, Returns, Scalar, Volatility,
};
use arrow::array::{ArrayRef, Int64Builder, ListBuilder, StringViewBuilder};
use arrow_schema::{DataType, Field};
use std::sync::Arc;

pub(in crate::function) const BLUESHIFT_SUPER_ITEMS: Scalar = Scalar {
    name: "blueshift_super_items",
    aliases: &[],
    forms: &[Form {
        arguments: &[Kind::Super],
        optional: &[],
        repeated: None,
        returns: Returns::Types(|_, _| Ok(list_of(DataType::Utf8View))),
    }],
    volatility: Volatility::Immutable,
    nulls: Nulls::Own,
    documentation: Documentation {
        summary: "Gives the elements of an array, for FROM t, t.array",
        syntax: "BLUESHIFT_SUPER_ITEMS(super)",
        arguments: &[("super", "a SUPER; what is no array has no elements")],
        returns: "a list of JSON texts",
        examples: &[("blueshift_super_items(array(1, 2)) IS NULL", "f")],
    },
    code: Code::Own(items),
};

pub(in crate::function) const BLUESHIFT_SUPER_PLACES: Scalar = Scalar {
    name: "blueshift_super_places",
    aliases: &[],
    forms: &[Form {
        arguments: &[Kind::Super],
        optional: &[],
        repeated: None,
        returns: Returns::Types(|_, _| Ok(list_of(DataType::Int64))),
    }],
    volatility: Volatility::Immutable,
    nulls: Nulls::Own,
    documentation: Documentation {
        summary: "Gives the places of the elements of an array, for FROM t, t.array AS a AT place",
        syntax: "BLUESHIFT_SUPER_PLACES(super)",
        arguments: &[("super", "a SUPER; what is no array has no elements")],
        returns: "a list of BIGINT from 0",
        examples: &[("blueshift_super_places(array(1, 2)) IS NULL", "f")],
    },
    code: Code::Own(places),
};

fn list_of(ty: DataType) -> DataType {
    DataType::List(Arc::new(Field::new("item", ty, true)))
}

fn items(call: &Call<'_>) -> Result<ArrayRef> {
    let values = call.text(0)?;
    let mut builder = ListBuilder::new(StringViewBuilder::new());
    for row in 0..call.rows {
        let elements = values.at(row).map(|text| value::elements("", text));
        for element in elements.and_then(Result::ok).into_iter().flatten() {
            builder.values().append_value(element);
        }
        builder.append(true);
    }
    Ok(Arc::new(builder.finish()))
}

fn places(call: &Call<'_>) -> Result<ArrayRef> {
    let values = call.text(0)?;
    let mut builder = ListBuilder::new(Int64Builder::new());
    for row in 0..call.rows {
        let elements = values.at(row).map(|text| value::elements("", text));
        let elements = elements.and_then(Result::ok).into_iter().flatten();
        for (place, _) in (0_i64..).zip(elements) {
            builder.values().append_value(place);
        }
        builder.append(true);
    }
    Ok(Arc::new(builder.finish()))
}
