//! Memory grants, spill, CPU and I/O runtimes.

use datafusion::execution::runtime_env::RuntimeEnv;
use std::sync::Arc;

/// The runtimes and limits of a node.
pub struct Resources {
    /// Runs plans; one thread per core. File reads happen here too for now, the socket's runtime never blocks.
    pub compute: tokio::runtime::Handle,
    /// Threads that loads and writes may use at once.
    pub threads: usize,
    /// Memory pool and spill files of the engine.
    pub runtime_env: Arc<RuntimeEnv>,
}
