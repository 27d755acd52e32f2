//! Planning that ends when its statement must, and when nothing is left to do: each rule looks before each step it
//! takes.
//!
//! The engine goes over its rules until a round changes nothing, which is two rounds at the least. What a second one
//! finds comes from joins, subqueries and set operations that the first has taken apart; a plan without them has one.

use crate::history::control::StopSign;
use blueshift_sql::SqlState;
use datafusion::common::tree_node::{Transformed, TreeNodeRecursion};
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::LogicalPlan;
use datafusion::optimizer::optimizer::ApplyOrder;
use datafusion::optimizer::{Optimizer, OptimizerConfig, OptimizerRule};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Gives the rules of an optimizer, each of which ends by the sign.
pub fn optimizer(of: &Optimizer, stop: &StopSign) -> Optimizer {
    let rounds = Arc::new(Rounds::default());
    let first: Arc<dyn OptimizerRule + Send + Sync> = Arc::new(Begin(Arc::clone(&rounds)));
    let rules = of.rules.iter().map(|rule| {
        let rule: Arc<dyn OptimizerRule + Send + Sync> = Arc::new(Stoppable {
            rule: Arc::clone(rule),
            stop: stop.clone(),
            rounds: Arc::clone(&rounds),
        });
        rule
    });
    Optimizer::with_rules(std::iter::once(first).chain(rules).collect())
}

/// How far the rounds over the rules have come.
#[derive(Debug, Default)]
struct Rounds {
    begun: AtomicBool,
    /// Whether the plan had nothing, when it came, for which another round is worth its while.
    is_one_enough: AtomicBool,
    /// Whether rules do nothing more.
    is_over: AtomicBool,
}

/// The first rule: changes nothing, and begins a round.
#[derive(Debug)]
struct Begin(Arc<Rounds>);

impl OptimizerRule for Begin {
    fn name(&self) -> &str {
        "begin_round"
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        None
    }

    fn rewrite(
        &self,
        plan: LogicalPlan,
        _config: &dyn OptimizerConfig,
    ) -> Result<Transformed<LogicalPlan>> {
        let rounds = &self.0;
        if !rounds.begun.swap(true, Ordering::Relaxed) {
            let is_one_enough = is_one_enough(&plan)?;
            rounds.is_one_enough.store(is_one_enough, Ordering::Relaxed);
        } else if rounds.is_one_enough.load(Ordering::Relaxed) {
            rounds.is_over.store(true, Ordering::Relaxed);
        }
        Ok(Transformed::no(plan))
    }
}

/// Tells whether a plan reads one table, groups it once at most, and sorts and names what comes out.
fn is_one_enough(plan: &LogicalPlan) -> Result<bool> {
    let (mut is_plain, mut groupings) = (true, 0);
    plan.apply_with_subqueries(|node| {
        groupings += usize::from(matches!(node, LogicalPlan::Aggregate(_)));
        is_plain = groupings <= 1
            && matches!(
                node,
                LogicalPlan::Projection(_)
                    | LogicalPlan::Filter(_)
                    | LogicalPlan::Aggregate(_)
                    | LogicalPlan::Sort(_)
                    | LogicalPlan::Limit(_)
                    | LogicalPlan::SubqueryAlias(_)
                    | LogicalPlan::TableScan(_)
            );
        Ok(match is_plain {
            true => TreeNodeRecursion::Continue,
            false => TreeNodeRecursion::Stop,
        })
    })?;
    Ok(is_plain)
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
    rounds: Arc<Rounds>,
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
        if self.rounds.is_over.load(Ordering::Relaxed) {
            return Ok(Transformed::no(plan));
        }
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
