//! Maintenance of tables: the per-slice halves of VACUUM and ANALYZE, and the figures that tell when they are due.

use crate::error::{Error, Result};
use crate::node::Node;
use std::sync::Arc;
use tokio::task::JoinSet;

pub mod analyze;
pub mod blocks;
pub mod compression;
pub mod figures;
pub mod snapshot;
pub mod vacuum;

/// Does work that reads files and computes, where that blocks nobody.
async fn blocking<T: Send + 'static>(
    node: &Arc<Node>,
    work: impl FnOnce() -> blueshift_storage::Result<T> + Send + 'static,
) -> Result<T> {
    let mut tasks = JoinSet::new();
    tasks.spawn_blocking_on(move || Ok(work()?), &node.resources.compute);
    match tasks.join_next().await {
        Some(ended) => crate::write::joined(ended),
        None => Err(Error::Canceled),
    }
}

#[cfg(test)]
mod tests;
