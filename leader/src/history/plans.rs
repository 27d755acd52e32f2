//! The plans of a statement that runs: what STV_EXEC_STATE shows, and what is kept when the statement has ended.

use super::executed::Executed;
use super::external::{ExternalQuery, noted};
use super::{lock, now_us};
use blueshift_compute::profile::{self, Sink, Step};
use datafusion::physical_plan::ExecutionPlan;
use std::sync::{Arc, Mutex};

/// A plan and where its rows go.
pub type OpenPlan = (Arc<dyn ExecutionPlan>, Sink);

/// The plans of a statement, until it ends.
#[derive(Default)]
pub struct RunningPlans {
    plans: Mutex<Plans>,
    /// Whether they are not remembered.
    is_off: bool,
}

#[derive(Default)]
struct Plans {
    /// Plans that may still run.
    open: Vec<OpenPlan>,
    /// What those did that have ended.
    done: Executed,
}

impl std::fmt::Debug for RunningPlans {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("RunningPlans")
            .finish_non_exhaustive()
    }
}

impl RunningPlans {
    /// Begins without plans; if `is_off`, none are remembered.
    pub fn new(is_off: bool) -> Self {
        Self {
            is_off,
            ..Self::default()
        }
    }

    /// Adds a plan whose rows go to the client.
    pub fn add(&self, plan: &Arc<dyn ExecutionPlan>) {
        if self.is_off {
            return;
        }
        let entry = (Arc::clone(plan), Sink::Return);
        lock(&self.plans).open.push(entry);
    }

    /// Notes where the rows of the last plan go.
    pub fn goes_to(&self, sink: Sink) {
        if let Some(last) = lock(&self.plans).open.last_mut() {
            last.1 = sink;
        }
    }

    /// Takes a plan that has ended.
    pub fn remove(&self, plan: &Arc<dyn ExecutionPlan>) -> Option<OpenPlan> {
        let open = &mut lock(&self.plans).open;
        let place = open.iter().position(|(open, _)| Arc::ptr_eq(open, plan))?;
        Some(open.remove(place))
    }

    /// Adds what a plan did that has ended.
    pub fn ended(&self, plan: Executed) {
        lock(&self.plans).done.add(plan);
    }

    /// Takes all plans, and what those did that have ended.
    pub fn take(&self) -> (Vec<OpenPlan>, Executed) {
        let Plans { open, done } = std::mem::take(&mut *lock(&self.plans));
        (open, done)
    }

    /// Adds what was taken from others.
    pub fn put(&self, (open, done): (Vec<OpenPlan>, Executed)) {
        let mut plans = lock(&self.plans);
        plans.open.extend(open);
        plans.done.add(done);
    }

    /// Gives the steps and the external scans with what they did so far.
    pub fn progress(&self) -> (Vec<Step>, Vec<ExternalQuery>) {
        let plans = lock(&self.plans);
        let (mut steps, mut external) = (plans.done.steps.clone(), plans.done.external.clone());
        let open = plans.open.clone();
        drop(plans);
        for (plan, sink) in &open {
            let own = profile::steps_now(plan, sink, now_us());
            noted(plan, &own, &mut external);
            profile::append(&mut steps, own);
        }
        (steps, external)
    }

    /// Gives the steps with what they did so far.
    pub fn steps(&self) -> Vec<Step> {
        let plans = lock(&self.plans);
        let mut steps = plans.done.steps.clone();
        let open = plans.open.clone();
        drop(plans);
        for (plan, sink) in &open {
            profile::append(&mut steps, profile::steps_now(plan, sink, now_us()));
        }
        steps
    }
}
