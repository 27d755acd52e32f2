//! `FilterProjection`: a filter that shows some of its columns is taken apart before projections are pushed down.
//!
//! The engine pushes a projection below a filter as if its columns were those of the filter's input, which they are not
//! where the filter has a projection of its own: the plan then fails, or takes a column that has the same name. Taken
//! apart, both projections are pushed as they should be, and the filter shows what it did.

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::error::Result;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::filter::{FilterExec, FilterExecBuilder};
use datafusion::physical_plan::projection::{ProjectionExec, ProjectionExpr};
use std::sync::Arc;

/// The rule of the engine before which it goes.
pub const BEFORE: &str = "ProjectionPushdown";

/// The rule. See the module.
#[derive(Debug)]
pub struct FilterProjection;

impl PhysicalOptimizerRule for FilterProjection {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        _config: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        plan.transform_up(|node| match node.downcast_ref::<FilterExec>() {
            Some(filter) if filter.projection().is_some() => {
                Ok(Transformed::yes(taken_apart(filter)?))
            }
            _ => Ok(Transformed::no(node)),
        })
        .data()
    }

    fn name(&self) -> &str {
        "filter_projection"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

fn taken_apart(filter: &FilterExec) -> Result<Arc<dyn ExecutionPlan>> {
    let input = filter.input().schema();
    let shown = filter.projection().iter().flat_map(|shown| shown.iter());
    let columns = shown.map(|index| {
        let name = input.field(*index).name();
        ProjectionExpr {
            expr: Arc::new(Column::new(name, *index)),
            alias: name.clone(),
        }
    });
    let columns: Vec<_> = columns.collect();
    let whole = FilterExecBuilder::from(filter)
        .apply_projection(None)?
        .build()?;
    Ok(Arc::new(ProjectionExec::try_new(columns, Arc::new(whole))?))
}
