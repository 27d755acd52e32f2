//! Redshift's functions, one file each; `adapter.rs` meets DataFusion.

use datafusion_expr::{AggregateUDF, ScalarUDF, WindowUDF};
use std::sync::Arc;

/// Gives every scalar function of ours. They replace the engine's of the same name.
pub fn scalar_functions() -> Vec<Arc<ScalarUDF>> {
    Vec::new()
}

/// Gives every aggregate function of ours.
pub fn aggregate_functions() -> Vec<Arc<AggregateUDF>> {
    Vec::new()
}

/// Gives every window function of ours.
pub fn window_functions() -> Vec<Arc<WindowUDF>> {
    Vec::new()
}
