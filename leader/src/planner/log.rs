//! Which plans a statement ran, and what they did.
//!
//! Only plans that read stored tables are noted: what tools ask the catalog would push out what users look for. A plan
//! is read when it has ended, and dropped: it may hold hash tables.

use super::explain;
use crate::history::executed::Executed;
use crate::history::lock;
use blueshift_compute::profile::{self, Sink};
use datafusion::physical_plan::ExecutionPlan;
use std::sync::{Arc, Mutex};

/// The plans of a statement, until it ends.
#[derive(Default)]
pub struct PlanLog {
    plans: Mutex<Plans>,
}

#[derive(Default)]
struct Plans {
    /// Plans that may still run.
    open: Vec<(Arc<dyn ExecutionPlan>, Sink)>,
    /// What those did that have ended.
    done: Executed,
}

impl PlanLog {
    /// Notes a plan, if it reads stored tables.
    pub fn add(&self, plan: &Arc<dyn ExecutionPlan>) {
        if explain::reads_tables(plan) {
            let entry = (Arc::clone(plan), Sink::Return);
            lock(&self.plans).open.push(entry);
        }
    }

    /// Notes where the rows of the last plan go.
    pub fn goes_to(&self, sink: Sink) {
        if let Some(last) = lock(&self.plans).open.last_mut() {
            last.1 = sink;
        }
    }

    /// Reads what a plan did that has ended, and lets go of it.
    pub fn ended(&self, plan: &Arc<dyn ExecutionPlan>) {
        let mut plans = lock(&self.plans);
        let place = plans
            .open
            .iter()
            .position(|(open, _)| Arc::ptr_eq(open, plan));
        if let Some(place) = place {
            let (plan, sink) = plans.open.remove(place);
            read(&mut plans.done, &plan, &sink);
        }
    }

    /// Gives what all plans did; `None` if none ran.
    pub fn take(&self) -> Option<Executed> {
        let Plans { open, mut done } = std::mem::take(&mut *lock(&self.plans));
        for (plan, sink) in &open {
            read(&mut done, plan, sink);
        }
        (!done.steps.is_empty()).then_some(done)
    }
}

fn read(done: &mut Executed, plan: &Arc<dyn ExecutionPlan>, sink: &Sink) {
    let steps = profile::steps(plan, sink);
    if !steps.is_empty() {
        done.add(explain::nodes(plan), steps);
    }
}
