//! The elements of a SUPER array as rows to unnest, and their places; the values of an object, and their attributes.

use super::value;
use crate::error::Result;
use crate::function::call::Call;
use crate::function::declaration::{
    Code, Documentation, Form, Kind, Nulls, Returns, Scalar, Volatility,
};
use crate::function::scalar::json::scan::Value;
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

pub(in crate::function) const BLUESHIFT_SUPER_VALUES: Scalar = Scalar {
    name: "blueshift_super_values",
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
        summary: "Gives the values of an object, for FROM t, UNPIVOT t.object AS value",
        syntax: "BLUESHIFT_SUPER_VALUES(super)",
        arguments: &[("super", "a SUPER; what is no object has no values")],
        returns: "a list of JSON texts",
        examples: &[("blueshift_super_values(object('a', 2)) IS NULL", "f")],
    },
    code: Code::Own(values),
};

pub(in crate::function) const BLUESHIFT_SUPER_KEYS: Scalar = Scalar {
    name: "blueshift_super_keys",
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
        summary: "Gives the attributes of an object, for FROM t, UNPIVOT t.object AS value AT attribute",
        syntax: "BLUESHIFT_SUPER_KEYS(super)",
        arguments: &[("super", "a SUPER; what is no object has no attributes")],
        returns: "a list of VARCHAR",
        examples: &[("blueshift_super_keys(object('a', 2)) IS NULL", "f")],
    },
    code: Code::Own(keys),
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

/// The members of an object; none of anything else.
fn members(text: Option<&str>) -> impl Iterator<Item = (&str, Value<'_>)> {
    let object = text.filter(|text| value::is_kind(text, &["object"]));
    object
        .map(|text| value::of(text).members())
        .into_iter()
        .flatten()
}

fn values(call: &Call<'_>) -> Result<ArrayRef> {
    let objects = call.text(0)?;
    let mut builder = ListBuilder::new(StringViewBuilder::new());
    for row in 0..call.rows {
        for (_, member) in members(objects.at(row)) {
            builder.values().append_value(member.text);
        }
        builder.append(true);
    }
    Ok(Arc::new(builder.finish()))
}

fn keys(call: &Call<'_>) -> Result<ArrayRef> {
    let objects = call.text(0)?;
    let mut builder = ListBuilder::new(StringViewBuilder::new());
    let mut name = String::new();
    for row in 0..call.rows {
        for (key, _) in members(objects.at(row)) {
            name.clear();
            value::of(key).write(&mut name);
            builder.values().append_value(&name);
        }
        builder.append(true);
    }
    Ok(Arc::new(builder.finish()))
}
