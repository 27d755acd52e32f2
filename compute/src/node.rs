//! One node: its store, its runtimes, its limits.

use crate::error::Result;
use crate::object::ObjectPolicy;
use crate::resource::{Limits, Resources};
use blueshift_storage::store::Store;
use std::sync::Arc;

/// How to start a node.
#[derive(Clone, Debug, Default)]
pub struct NodeOptions {
    /// Compute threads; one per core if `None`.
    pub threads: Option<usize>,
    /// Memory and spill files it may use.
    pub limits: Limits,
    /// Where COPY may read from and UNLOAD may write to.
    pub object_policy: ObjectPolicy,
}

/// What every part of a node shares.
pub struct Node {
    /// The data.
    pub store: Arc<Store>,
    /// Runtimes and memory.
    pub resources: Resources,
    /// Where COPY may read from and UNLOAD may write to.
    pub object_policy: ObjectPolicy,
}

impl Node {
    /// Starts the runtimes of a node over an open store. Dropping the node stops them without waiting.
    pub fn start(store: Arc<Store>, options: NodeOptions) -> Result<Arc<Self>> {
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        let threads = options.threads.unwrap_or_else(cores);
        let resources = Resources::start(threads, options.limits, &store)?;
        Ok(Arc::new(Self {
            store,
            resources,
            object_policy: options.object_policy,
        }))
    }
}
