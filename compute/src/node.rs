//! One node: its store, its runtimes, its limits.

use crate::resource::Resources;
use blueshift_storage::store::Store;
use std::sync::Arc;

/// What every part of a node shares.
pub struct Node {
    /// The data.
    pub store: Arc<Store>,
    /// Runtimes and memory.
    pub resources: Resources,
    /// Where COPY may read from.
    pub object_policy: crate::object::ObjectPolicy,
}
