//! Redshift's functions, one file each, declared as data; `declared.rs` and `adapter.rs` meet DataFusion.

pub(crate) mod adapter;
mod aggregate;
pub mod as_is;
pub(crate) mod call;
pub mod checked;
pub mod declaration;
mod declared;
pub mod exact;
pub(crate) mod interval;
pub(crate) mod moment;
pub mod one_row;
mod ordered;
pub(crate) mod quotient;
pub(crate) mod resolve;
pub(crate) mod round_half;
mod scalar;
pub(crate) mod semistructured;
pub(crate) mod text_length;
pub mod unpadded;
pub(crate) mod whole;
pub(crate) mod zone;

use arrow_schema::{DataType, TimeUnit};
use datafusion_expr::{AggregateUDF, ScalarUDF, WindowUDF};
use declaration::Scalar;
pub(crate) use scalar::with_backslash;
use std::sync::{Arc, LazyLock};

/// Gives every declared scalar function with its documentation, also those the engine computes.
pub fn declarations() -> impl Iterator<Item = &'static Scalar> {
    scalar::FAMILIES
        .iter()
        .flat_map(|(_, functions)| functions.iter().copied())
}

/// Gives every scalar function of ours. They replace the engine's of the same name.
pub fn scalar_functions() -> Vec<Arc<ScalarUDF>> {
    let mut functions = vec![
        text_length::assign(),
        text_length::cut(),
        text_length::any(),
        round_half::round(),
        whole::whole(),
        quotient::quotient(),
        unpadded::unpadded(),
        as_is::as_is(),
        one_row::one_row(),
    ];
    functions.extend(checked::all());
    functions.extend(exact::all());
    functions.extend(declarations().filter_map(declared::function));
    functions
}

/// Gives every aggregate function of ours.
pub fn aggregate_functions() -> Vec<Arc<AggregateUDF>> {
    let mut all = ordered::functions();
    all.extend(aggregate::functions());
    all
}

/// Gives the function of a total and a count that ends an AVG over values of a type, with the type the total must
/// have; `None` if the type is no number.
pub fn average_finish(argument: &DataType) -> Option<(DataType, ScalarUDF)> {
    aggregate::average_finish(argument)
}

/// Gives every window function of ours.
pub fn window_functions() -> Vec<Arc<WindowUDF>> {
    Vec::new()
}

static READERS: LazyLock<[Option<Arc<ScalarUDF>>; 4]> = LazyLock::new(|| {
    [
        declared::function(&scalar::READ_DATE),
        declared::function(&scalar::READ_TIME),
        declared::function(&scalar::READ_TIMESTAMP),
        declared::function(&scalar::READ_TIMESTAMPTZ),
    ]
});
static TEXT: LazyLock<Option<Arc<ScalarUDF>>> = LazyLock::new(|| declared::function(&scalar::TEXT));
/// Finds the function that reads a text as a date or time of an arrow type.
pub(crate) fn reader(ty: &DataType) -> Option<Arc<ScalarUDF>> {
    let [date, time, timestamp, timestamptz] = &*READERS;
    match ty {
        DataType::Date32 => date.clone(),
        DataType::Time64(TimeUnit::Microsecond) => time.clone(),
        DataType::Timestamp(TimeUnit::Microsecond, None) => timestamp.clone(),
        DataType::Timestamp(TimeUnit::Microsecond, Some(_)) => timestamptz.clone(),
        _ => None,
    }
}

/// Finds the function that writes values of an arrow type as a text, if the engine's cast writes them otherwise.
pub(crate) fn writer(ty: &DataType) -> Option<Arc<ScalarUDF>> {
    match ty {
        DataType::Timestamp(..) | DataType::Float32 | DataType::Float64 => TEXT.clone(),
        _ => None,
    }
}

/// Finds a function that only the binder writes.
pub(crate) fn internal(name: &str) -> Option<Arc<ScalarUDF>> {
    match name {
        "blueshift_assign_text" => Some(text_length::assign()),
        "blueshift_any_text" => Some(text_length::any()),
        "blueshift_cut" => Some(text_length::cut()),
        "blueshift_whole" => Some(whole::whole()),
        "blueshift_round" => Some(round_half::round()),
        _ => None,
    }
}
