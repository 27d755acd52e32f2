//! The one builder of engine sessions on the leader.
//!
//! Building a state registers some four hundred functions, so it is done once per node; a statement gets a copy of
//! the template, which shares everything that matters. Even the copy holds the names of all functions, so those that
//! statements gave back are used again, with the template's settings.

use crate::planner::options::PlannerOptions;
use crate::planner::rule;
use blueshift_compute::node::Node;
use blueshift_compute::resource::{QueryResources, session_config};
use blueshift_sql::function;
use blueshift_sql::function::session::SessionOptions;
use datafusion::execution::session_state::SessionStateBuilder;
use datafusion::execution::{SessionState, SessionStateDefaults, TaskContext};
use datafusion::prelude::SessionConfig;
use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError, Weak};

/// A hash table may be expected to take this part of the memory of a query: others run in it as well.
const HASH_JOIN_SHARE: u64 = 2;

/// States kept for the statements to come: as many as run at the same time on a busy node.
const SPARE_MAX: usize = 64;

/// The states of a node.
struct Template {
    node: Weak<Node>,
    state: SessionState,
    spare: Vec<SessionState>,
}

/// Templates of the nodes of this process; more than one only in tests.
static TEMPLATES: LazyLock<Mutex<Vec<Template>>> = LazyLock::new(Mutex::default);

/// Makes the session state of one statement: our rules, our functions, the node's memory and spill. Cheap: a copy of
/// a template made once. `session_config` comes from `compute`.
pub fn session_state(node: &Arc<Node>) -> SessionState {
    let mut templates = TEMPLATES.lock().unwrap_or_else(PoisonError::into_inner);
    let known = templates
        .iter_mut()
        .find(|known| known.node.as_ptr() == Arc::as_ptr(node));
    let mut state = match known {
        Some(known) => match known.spare.pop() {
            Some(state) => state,
            None => known.state.clone(),
        },
        None => {
            templates.retain(|known| known.node.strong_count() > 0);
            let state = template(node);
            templates.push(Template {
                node: Arc::downgrade(node),
                state: state.clone(),
                spare: Vec::new(),
            });
            state
        }
    };
    drop(templates);
    state.mark_start_execution();
    state
}

/// Takes back the state of a statement that has ended.
pub fn give_back(node: &Arc<Node>, mut state: SessionState) {
    let mut templates = TEMPLATES.lock().unwrap_or_else(PoisonError::into_inner);
    let known = templates
        .iter_mut()
        .find(|known| known.node.as_ptr() == Arc::as_ptr(node));
    let unused = match known {
        Some(known) if known.spare.len() < SPARE_MAX => {
            // What the statement hung on it, such as its plans, goes now.
            *state.config_mut() = known.state.config().clone();
            known.spare.push(state);
            None
        }
        _ => Some(state),
    };
    drop(templates);
    // What goes is torn down without the lock.
    drop(unused);
}

/// Gives the context that runs the plans of a statement, in its own memory. It knows no functions by name: only a plan that is read from
/// bytes asks for them, and some four hundred names would be copied for each statement.
pub fn task_context(state: &SessionState) -> Arc<TaskContext> {
    let own = state.config().get_extension::<QueryResources>();
    let runtime_env = own
        .as_ref()
        .map_or(state.runtime_env(), |own| &own.runtime_env);
    Arc::new(TaskContext::new(
        None,
        state.session_id().to_owned(),
        state.config().clone(),
        HashMap::new(),
        HashMap::new(),
        HashMap::new(),
        HashMap::new(),
        Arc::clone(runtime_env),
    ))
}

fn template(node: &Arc<Node>) -> SessionState {
    let memory_bytes = node.resources.memory.queries_max();
    let mut config = session_config(node.store.slice_count(), memory_bytes);
    config = config.with_option_extension(PlannerOptions {
        hash_join_bytes: memory_bytes as u64 / HASH_JOIN_SHARE,
        ..PlannerOptions::default()
    });
    builder(config)
        .with_runtime_env(Arc::clone(&node.resources.runtime_env))
        .build()
}

/// Gives the builder with our rules and functions, without a node.
pub(crate) fn builder(config: SessionConfig) -> SessionStateBuilder {
    // Ours come later and replace the engine's of the same name.
    let mut scalar = SessionStateDefaults::default_scalar_functions();
    scalar.extend(function::scalar_functions());
    let mut aggregate = SessionStateDefaults::default_aggregate_functions();
    aggregate.extend(function::aggregate_functions());
    let mut window = SessionStateDefaults::default_window_functions();
    window.extend(function::window_functions());
    let mut config = config
        .with_create_default_catalog_and_schema(false)
        .with_information_schema(false)
        .with_option_extension(SessionOptions::default());
    if config
        .options()
        .extensions
        .get::<PlannerOptions>()
        .is_none()
    {
        config = config.with_option_extension(PlannerOptions::default());
    }
    // The declared lengths in our columns' metadata differ where a branch of a UNION turned out to have no rows.
    let execution = &mut config.options_mut().execution;
    execution.skip_physical_aggregate_schema_check = true;
    // As most sessions have it, so that these options need not be copied for each statement.
    execution.time_zone = Some("UTC".to_owned());
    SessionStateBuilder::new()
        .with_config(config)
        .with_query_planner(Arc::new(rule::shared_plan::SharedPlanner))
        .with_expr_planners(SessionStateDefaults::default_expr_planners())
        .with_scalar_functions(scalar)
        .with_aggregate_functions(aggregate)
        .with_window_functions(window)
        .with_table_function_list(SessionStateDefaults::default_table_functions())
        .with_optimizer_rules(rule::logical())
        .with_physical_optimizer_rules(rule::physical())
}
