//! How large a plan may become: a WITH query used twice by the next, and so on, doubles it at each step.

use crate::error::Error;
use crate::sqlstate::SqlState;
use datafusion_common::Result;
use datafusion_expr::LogicalPlan;
use std::collections::HashMap;

/// Steps of a plan; so many are optimized in about a second.
const STEPS_MAX: usize = 20_000;

/// Refuses a plan of more steps. What is used twice is one in memory, so it is counted before anybody walks over it.
pub(super) fn bounded(plan: LogicalPlan) -> Result<LogicalPlan> {
    if steps(&plan, &mut HashMap::new()) > STEPS_MAX {
        let error = Error::new(SqlState::STATEMENT_TOO_COMPLEX, "query is too complex")
            .with_detail(format!("A query may have {STEPS_MAX} steps, with those of its views and WITH queries each time they are used."))
            .with_hint("Put the result of a part into a temporary table");
        return Err(super::context::external(error));
    }
    Ok(plan)
}

fn steps(plan: &LogicalPlan, known: &mut HashMap<*const LogicalPlan, usize>) -> usize {
    let place: *const LogicalPlan = plan;
    if let Some(count) = known.get(&place) {
        return *count;
    }
    let inputs = plan.inputs();
    let below = inputs.into_iter().map(|input| steps(input, known));
    let count = below.fold(1, usize::saturating_add);
    known.insert(place, count);
    count
}
