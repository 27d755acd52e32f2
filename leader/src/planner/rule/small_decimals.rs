//! `SmallDecimals`: puts arithmetic of decimals that counts on small values in place of the engine's. One of the
//! last physical rules: others look into expressions for what they know.

use blueshift_compute::operator::small_decimal::with_small_decimals;
use datafusion::common::config::ConfigOptions;
use datafusion::error::Result;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;
use std::sync::Arc;

/// The rule. See the module.
#[derive(Debug)]
pub struct SmallDecimals;

impl PhysicalOptimizerRule for SmallDecimals {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        _config: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        with_small_decimals(plan)
    }

    fn name(&self) -> &str {
        "small_decimals"
    }

    fn schema_check(&self) -> bool {
        true
    }
}
