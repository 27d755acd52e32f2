//! The one builder of engine sessions on the leader.

use blueshift_compute::node::Node;
use datafusion::execution::SessionState;
use std::sync::Arc;

/// Makes the session state of one statement: our rules, our functions, the node's memory and spill. Cheap: a copy of
/// a template made once. `session_config` comes from `compute`.
pub fn session_state(node: &Arc<Node>) -> SessionState {
    let _ = node;
    todo!("planner")
}
