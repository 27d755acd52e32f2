//! Plans of queries that are asked again with other constants, until their table has another version.
//!
//! Planning a lookup by key costs more than running it. A query here is what the binder made of a statement, so names
//! are resolved, rights are checked and policies stand in it before anything is looked up. What is left when the
//! constants that its columns are compared with are taken out is its shape; queries of one shape over the same version
//! of the same table get the plan of the first, with their constants in it.
//!
//! That the planner would have made the same is not believed but seen: a plan becomes a template when its query comes
//! the second time, and a constant may vary once the planner has made of another one the very plan that the template
//! gives. A constant that cannot stand in its place exactly, such as one beyond the range of the column's type, is
//! planned. Tables are held weakly, so a template keeps no file alive.

mod shape;
mod template;
#[cfg(test)]
mod tests;

use super::predicate_use::StoredColumns;
use crate::history::lock;
use arrow_schema::SchemaRef;
use blueshift_compute::distribution::Distribution;
use blueshift_compute::scan::StoredTable;
use blueshift_storage::store::version::TableVersion;
use datafusion::common::config::ConfigOptions;
use datafusion::execution::SessionState;
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::ExecutionPlan;
use shape::{Function, Shape};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};
use template::Template;

/// Shapes kept at most.
const SHAPES_MAX: usize = 512;
/// Bytes of what is compared of a shape at most.
const KEY_BYTES_MAX: usize = 16 << 10;

/// The templates of a server.
#[derive(Default)]
pub struct PlanCache {
    kept: Mutex<HashMap<Vec<u8>, Kept>>,
    clock: AtomicU64,
    hits: AtomicU64,
}

/// What is kept of a shape.
struct Kept {
    functions: Vec<Function>,
    table: Known,
    state: State,
    /// When it was last asked for, on the clock of the cache.
    used: u64,
}

/// How much is known of a shape.
enum State {
    /// It came once.
    Seen,
    /// It came again.
    Template(Arc<Template>),
    /// Its plans differ in more than its constants.
    Unfit,
}

/// A table as a template was made for it.
struct Known {
    version: Weak<TableVersion>,
    schema: SchemaRef,
    keys: Vec<Vec<usize>>,
    distribution: Distribution,
    placement_holds: bool,
}

impl Known {
    fn of(table: &StoredTable) -> Self {
        Self {
            version: Arc::downgrade(&table.version),
            schema: Arc::clone(&table.schema),
            keys: table.keys.clone(),
            distribution: table.distribution,
            placement_holds: table.placement_holds,
        }
    }

    fn is(&self, table: &StoredTable) -> bool {
        std::ptr::eq(self.version.as_ptr(), Arc::as_ptr(&table.version))
            && (Arc::ptr_eq(&self.schema, &table.schema) || self.schema == table.schema)
            && self.keys == table.keys
            && self.distribution == table.distribution
            && self.placement_holds == table.placement_holds
    }
}

/// A query whose plan may be known or learned from.
pub struct Asked(Shape);

/// A plan that was known, and the stored columns that its query asks by.
pub type KnownPlan = (Arc<dyn ExecutionPlan>, StoredColumns);

impl Asked {
    /// Reads a bound query; `None` if its plan cannot serve others.
    pub fn of(state: &SessionState, bound: &LogicalPlan) -> Option<Self> {
        let shape = Shape::of(state, bound)?;
        (shape.key.len() <= KEY_BYTES_MAX).then_some(Self(shape))
    }
}

impl PlanCache {
    /// Gives the plan of a query, not yet run, if it is known.
    pub fn get(&self, Asked(shape): &Asked, config: &ConfigOptions) -> Option<KnownPlan> {
        let template = self.template(shape)?;
        if !template.may_take(&shape.comparisons) {
            return None;
        }
        let table = Arc::new(shape.table.clone());
        let plan = template.filled(&table, &shape.comparisons, config)?;
        self.hits.fetch_add(1, Ordering::Relaxed);
        Some((plan, template.predicates.clone()))
    }

    /// Learns from what the planner made of a query. `predicates` gives the stored columns that it asks by.
    pub fn learn(
        &self,
        Asked(shape): Asked,
        (planned, config): (&Arc<dyn ExecutionPlan>, &ConfigOptions),
        predicates: impl FnOnce() -> StoredColumns,
    ) {
        let state = match self.state_of(&shape) {
            None => State::Seen,
            Some(State::Unfit) => return,
            Some(State::Seen) => match Template::of(planned, &shape.comparisons, predicates()) {
                Some(template) => State::Template(Arc::new(template)),
                None => State::Unfit,
            },
            Some(State::Template(template)) => {
                let mut template = Template::clone(&template);
                match template.compare(planned, &shape.comparisons, config) {
                    true => State::Template(Arc::new(template)),
                    false => State::Unfit,
                }
            }
        };
        self.keep(shape, state);
    }

    /// Counts the plans that were known.
    pub fn hits(&self) -> u64 {
        self.hits.load(Ordering::Relaxed)
    }

    /// Counts the shapes that are kept.
    pub fn shapes(&self) -> usize {
        lock(&self.kept).len()
    }

    fn template(&self, shape: &Shape) -> Option<Arc<Template>> {
        match self.state_of(shape)? {
            State::Template(template) => Some(template),
            State::Seen | State::Unfit => None,
        }
    }

    fn state_of(&self, shape: &Shape) -> Option<State> {
        let mut kept = lock(&self.kept);
        let known = kept.get_mut(&shape.key)?;
        if !known.table.is(&shape.table) || known.functions != shape.functions {
            return None;
        }
        known.used = self.clock.fetch_add(1, Ordering::Relaxed);
        Some(match &known.state {
            State::Seen => State::Seen,
            State::Template(template) => State::Template(Arc::clone(template)),
            State::Unfit => State::Unfit,
        })
    }

    fn keep(&self, shape: Shape, state: State) {
        let known = Kept {
            functions: shape.functions,
            table: Known::of(&shape.table),
            state,
            used: self.clock.fetch_add(1, Ordering::Relaxed),
        };
        let mut kept = lock(&self.kept);
        if kept.len() >= SHAPES_MAX && !kept.contains_key(&shape.key) {
            forget_half(&mut kept);
        }
        kept.insert(shape.key, known);
    }
}

/// Forgets the half that was not asked for the longest.
fn forget_half(kept: &mut HashMap<Vec<u8>, Kept>) {
    let mut used: Vec<u64> = kept.values().map(|known| known.used).collect();
    let middle = used.len() / 2;
    let (_, &mut middle, _) = used.select_nth_unstable(middle);
    kept.retain(|_, known| known.used >= middle);
}
