//! Planning that ends when its statement must: each rule looks before each step it takes.

use crate::history::control::StopSign;
use blueshift_sql::SqlState;
use datafusion::common::tree_node::Transformed;
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::LogicalPlan;
use datafusion::optimizer::optimizer::ApplyOrder;
use datafusion::optimizer::{Optimizer, OptimizerConfig, OptimizerRule};
use std::sync::Arc;

/// Gives the rules of an optimizer, each of which ends by the sign.
pub fn optimizer(of: &Optimizer, stop: &StopSign) -> Optimizer {
    let rules = of.rules.iter().map(|rule| {
        let rule: Arc<dyn OptimizerRule + Send + Sync> = Arc::new(Stoppable {
            rule: Arc::clone(rule),
            stop: stop.clone(),
        });
        rule
    });
    Optimizer::with_rules(rules.collect())
}

/// Fails once the statement must stop; the session says it in its own words.
pub fn ensure_running(stop: Option<&StopSign>) -> Result<()> {
    match stop.is_some_and(StopSign::is_up) {
        true => Err(DataFusionError::External(Box::new(crate::Error::new(
            SqlState::QUERY_CANCELED,
            "Query canceled on user's request",
        )))),
        false => Ok(()),
    }
}

#[derive(Debug)]
struct Stoppable {
    rule: Arc<dyn OptimizerRule + Send + Sync>,
    stop: StopSign,
}

impl OptimizerRule for Stoppable {
    fn name(&self) -> &str {
        self.rule.name()
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        self.rule.apply_order()
    }

    fn rewrite(
        &self,
        plan: LogicalPlan,
        config: &dyn OptimizerConfig,
    ) -> Result<Transformed<LogicalPlan>> {
        ensure_running(Some(&self.stop))?;
        self.rule.rewrite(plan, config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion::logical_expr::LogicalPlanBuilder;
    use datafusion::optimizer::OptimizerContext;

    #[test]
    fn planning_ends_when_it_must() {
        let plan = || LogicalPlanBuilder::empty(true).build().unwrap();
        let stop = StopSign::default();
        let rules = optimizer(&Optimizer::new(), &stop);
        let optimize = || rules.optimize(plan(), &OptimizerContext::new(), |_, _| {});
        assert!(optimize().is_ok());
        stop.token.cancel();
        assert!(optimize().is_err());
    }
}
