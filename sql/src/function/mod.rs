//! Redshift's functions, one file each, declared as data; `declared.rs` and `adapter.rs` meet DataFusion.

pub(crate) mod adapter;
mod aggregate;
pub(crate) mod call;
pub mod checked;
pub mod declaration;
mod declared;
mod ordered;
pub(crate) mod quotient;
pub(crate) mod resolve;
pub(crate) mod round_half;
mod scalar;
pub(crate) mod text_length;
pub(crate) mod whole;
pub(crate) mod zone;

use datafusion_expr::{AggregateUDF, ScalarUDF, WindowUDF};
use declaration::Scalar;
use std::sync::Arc;

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
        round_half::round(),
        whole::whole(),
        quotient::quotient(),
    ];
    functions.extend(checked::all());
    functions.extend(declarations().filter_map(declared::function));
    functions
}

/// Gives every aggregate function of ours.
pub fn aggregate_functions() -> Vec<Arc<AggregateUDF>> {
    let mut all = ordered::functions();
    all.extend(aggregate::functions());
    all
}

/// Gives every window function of ours.
pub fn window_functions() -> Vec<Arc<WindowUDF>> {
    Vec::new()
}

/// Finds a function that only the binder writes.
pub(crate) fn internal(name: &str) -> Option<Arc<ScalarUDF>> {
    match name {
        "blueshift_assign_text" => Some(text_length::assign()),
        "blueshift_cut" => Some(text_length::cut()),
        "blueshift_whole" => Some(whole::whole()),
        "blueshift_round" => Some(round_half::round()),
        _ => None,
    }
}
