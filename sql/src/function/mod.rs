//! Redshift's functions, one file each; `adapter.rs` meets DataFusion.

pub(crate) mod adapter;
mod date;
pub(crate) mod round_half;
mod string;
pub(crate) mod text_length;
pub(crate) mod whole;

use datafusion_expr::{AggregateUDF, ScalarUDF, WindowUDF};
use std::sync::Arc;

/// Gives every scalar function of ours. They replace the engine's of the same name.
pub fn scalar_functions() -> Vec<Arc<ScalarUDF>> {
    let mut functions = vec![
        text_length::assign(),
        text_length::cut(),
        round_half::round(),
        whole::whole(),
    ];
    functions.extend(string::functions());
    functions.extend(date::functions());
    functions
}

/// Gives every aggregate function of ours.
pub fn aggregate_functions() -> Vec<Arc<AggregateUDF>> {
    Vec::new()
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
