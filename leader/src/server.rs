//! What all sessions share: the node, the catalog cache, settings' defaults, activity, users.

use blueshift_compute::node::Node;
use std::sync::Arc;

/// A running leader with its embedded node. One per process.
pub struct Server {
    /// The compute node of this process.
    pub node: Arc<Node>,
    /// Name of the one database.
    pub database: String,
    /// Typed events and live state behind the STL_, STV_ and SVL_ tables.
    pub history: Arc<crate::history::History>,
    /// Lock table and commit path.
    pub transactions: Arc<crate::transaction::Transactions>,
}
