//! `SmallDecimals`: puts arithmetic of decimals that counts on small values in place of the engine's. The last physical
//! rule: others look into expressions for what they know.

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
        // An operator above may refuse what is made of those below, as an interleaving union does.
        Ok(with_small_decimals(Arc::clone(&plan)).unwrap_or(plan))
    }

    fn name(&self) -> &str {
        "small_decimals"
    }

    fn schema_check(&self) -> bool {
        true
    }
}
