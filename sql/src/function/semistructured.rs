//! The functions that the binder writes where a SUPER is navigated, compared, cast, assigned or unnested.

use super::declaration::Scalar;
use super::declared;
use super::scalar::semistructured as functions;
use crate::types::SqlType;
use arrow_schema::Field;
use datafusion_expr::{Expr, ScalarUDF};
use std::sync::{Arc, LazyLock};

/// What is done with a SUPER.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Use {
    /// Anything becomes one.
    Make,
    /// A JSON text is one.
    Raw,
    /// A part by keys and places.
    Get,
    /// Another value in the place of a part.
    Put,
    /// Its text, as a cast reads it.
    Text,
    /// The number it is, or null.
    Number,
    /// The text it is, or null.
    String,
    /// The elements of an array.
    Items,
    /// The places of the elements.
    Places,
    /// The values of an object.
    Values,
    /// The attributes of the values.
    Keys,
    /// A text that is the same for equal values, and orders as ORDER BY does.
    Rank,
    /// What kind of value it is.
    Kind,
}

static FUNCTIONS: LazyLock<Vec<(Use, Option<Arc<ScalarUDF>>)>> = LazyLock::new(|| {
    let all: [(Use, &'static Scalar); 13] = [
        (Use::Make, &functions::blueshift_super::BLUESHIFT_SUPER),
        (
            Use::Raw,
            &functions::blueshift_super_raw::BLUESHIFT_SUPER_RAW,
        ),
        (
            Use::Get,
            &functions::blueshift_super_get::BLUESHIFT_SUPER_GET,
        ),
        (
            Use::Put,
            &functions::blueshift_super_put::BLUESHIFT_SUPER_PUT,
        ),
        (
            Use::Text,
            &functions::blueshift_super_text::BLUESHIFT_SUPER_TEXT,
        ),
        (
            Use::Number,
            &functions::blueshift_super_number::BLUESHIFT_SUPER_NUMBER,
        ),
        (
            Use::String,
            &functions::blueshift_super_string::BLUESHIFT_SUPER_STRING,
        ),
        (
            Use::Items,
            &functions::blueshift_super_items::BLUESHIFT_SUPER_ITEMS,
        ),
        (
            Use::Places,
            &functions::blueshift_super_items::BLUESHIFT_SUPER_PLACES,
        ),
        (
            Use::Values,
            &functions::blueshift_super_items::BLUESHIFT_SUPER_VALUES,
        ),
        (
            Use::Keys,
            &functions::blueshift_super_items::BLUESHIFT_SUPER_KEYS,
        ),
        (
            Use::Rank,
            &functions::blueshift_super_rank::BLUESHIFT_SUPER_RANK,
        ),
        (Use::Kind, &functions::json_typeof::JSON_TYPEOF),
    ];
    let function = |(used, declared): (Use, &'static Scalar)| (used, declared::function(declared));
    all.into_iter().map(function).collect()
});

impl Use {
    /// Writes the call; the first argument alone if there is no such function, which cannot be.
    pub(crate) fn call(self, args: Vec<Expr>) -> Expr {
        let known = FUNCTIONS.iter().find(|(used, _)| *used == self);
        match known.and_then(|(_, function)| function.as_ref()) {
            Some(function) => function.call(args),
            None => args.into_iter().next().unwrap_or_default(),
        }
    }
}

/// Tells whether a field holds SUPER values.
pub(crate) fn is_super(field: &Field) -> bool {
    field.metadata().contains_key(crate::types::SQL_TYPE_KEY)
        && SqlType::from_field(field) == SqlType::Super
}
