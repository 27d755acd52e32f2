//! The switches of our own optimizer rules, each under `blueshift.<rule>`, all on; and what else the planner must
//! know of the session.

use datafusion::common::extensions_options;
use datafusion::config::{ConfigExtension, ConfigOptions};

extensions_options! {
    /// The switches of our own optimizer rules.
    pub struct PlannerOptions {
        /// Runs uncorrelated scalar subqueries before the rest is planned.
        pub init_plan: bool, default = true
        /// Chooses the order of joins by cost.
        pub join_order: bool, default = true
        /// Chooses the build side and the mode of every hash join by our estimates.
        pub build_side: bool, default = true
        /// Joins slice by slice where both sides are distributed on the join key.
        pub colocated_join_mode: bool, default = true
        /// The same where the join has more keys than the distribution key.
        pub colocated_subset_join: bool, default = true
        /// Makes outer joins inner or anti joins where no null row of them is shown.
        pub outer_join: bool, default = true
        /// Makes a part that occurs several times once.
        pub shared_plan: bool, default = true
        /// Plans queries that differ in the constants of their conditions once.
        pub plan_cache: bool, default = true
        /// Lets a partition that is done read rows of other slices, where nothing needs rows to stay apart.
        pub free_scans: bool, default = true
        /// Joins whose hash table is expected to take more bytes are those that can spill; with 0 all are.
        pub hash_join_bytes: u64, default = u64::MAX
        /// Lifts limits that Redshift has for its own reasons.
        pub comfort: bool, default = false
    }
}

impl ConfigExtension for PlannerOptions {
    const PREFIX: &'static str = "blueshift";
}

/// Reads the switches; absent ones are on.
pub fn options_of(config: &ConfigOptions) -> PlannerOptions {
    config
        .extensions
        .get::<PlannerOptions>()
        .cloned()
        .unwrap_or_default()
}
