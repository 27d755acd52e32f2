//! EXPLAIN in Redshift's shape.
//!
//! The tree is the physical plan that runs. Nodes that only move batches within a process (coalescing, projecting,
//! cooperative yielding) print nothing of their own; the tag of a join tells what they do to its sides. Costs are
//! units of Redshift's examples: a hundredth per row scanned, one per row of anything else at most.

use crate::planner::estimate::{Estimate, physical};
use blueshift_compute::distribution::Distribution;
use blueshift_compute::scan::SliceScanExec;
use datafusion::common::JoinType;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr_common::physical_expr::fmt_sql;
use datafusion::physical_plan::aggregates::{AggregateExec, AggregateMode};
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::joins::{
    CrossJoinExec, HashJoinExec, NestedLoopJoinExec, PartitionMode, SortMergeJoinExec,
};
use datafusion::physical_plan::limit::{GlobalLimitExec, LocalLimitExec};
use datafusion::physical_plan::repartition::RepartitionExec;
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::sorts::sort_preserving_merge::SortPreservingMergeExec;
use datafusion::physical_plan::union::UnionExec;
use datafusion::physical_plan::windows::{BoundedWindowAggExec, WindowAggExec};
use datafusion::physical_plan::{ExecutionPlan, Partitioning, displayable};
use std::sync::Arc;

/// What a sort adds to its cost, as Redshift prints it.
const SORT_COST: f64 = 1e12;
/// Cost of reading a row.
const SCAN_COST: f64 = 0.01;

/// Prints a plan as Redshift does: `XN Hash Join DS_DIST_NONE  (cost=..rows=..width=..)`, `->`, detail lines. With
/// `analyze` the plan was run, and each line tells real rows and time, each scan its blocks read and pruned.
pub fn text(plan: &Arc<dyn ExecutionPlan>, analyze: bool, verbose: bool) -> Vec<String> {
    let mut printer = Printer {
        lines: Vec::new(),
        analyze,
        tag: tag(plan),
    };
    printer.print(plan, 0);
    let mut lines = printer.lines;
    if crossed(plan) {
        lines.push(
            "----- Nested Loop Join in the query plan - review the join predicates to avoid Cartesian products -----"
                .to_owned(),
        );
    }
    if verbose {
        lines.push(String::new());
        let tree = displayable(plan.as_ref()).indent(true).to_string();
        lines.extend(tree.lines().map(str::to_owned));
    }
    lines
}

/// `XN` if anything reads stored tables, `LD` if the leader alone answers.
fn tag(plan: &Arc<dyn ExecutionPlan>) -> &'static str {
    if reads_tables(plan) { "XN" } else { "LD" }
}

fn reads_tables(plan: &Arc<dyn ExecutionPlan>) -> bool {
    scan_name(plan).is_some() || plan.children().into_iter().any(reads_tables)
}

fn crossed(plan: &Arc<dyn ExecutionPlan>) -> bool {
    plan.downcast_ref::<CrossJoinExec>().is_some()
        || plan.downcast_ref::<NestedLoopJoinExec>().is_some()
        || plan.children().into_iter().any(crossed)
}

/// The table a leaf reads.
fn scan_name(plan: &Arc<dyn ExecutionPlan>) -> Option<String> {
    let scan = plan.downcast_ref::<SliceScanExec>()?;
    let name = &scan.table().name;
    Some(name.rsplit('.').next().unwrap_or(name).to_owned())
}

struct Printer {
    lines: Vec<String>,
    analyze: bool,
    tag: &'static str,
}

struct Node {
    title: String,
    details: Vec<String>,
    cost: (f64, f64),
}

impl Printer {
    fn print(&mut self, plan: &Arc<dyn ExecutionPlan>, depth: usize) {
        let estimate = physical::estimate(plan.as_ref());
        let Some(node) = describe(plan) else {
            let deeper = self.print_network(plan, depth, &estimate);
            plan.children()
                .into_iter()
                .for_each(|child| self.print(child, deeper));
            return;
        };
        self.node(depth, &node, &estimate, plan);
        let join = plan.downcast_ref::<HashJoinExec>();
        match (join, plan.children().as_slice()) {
            // The outer side first, the inner, hashed one below it.
            (Some(_), [build, probe]) => {
                self.print(probe, depth + 1);
                let inner = physical::estimate(build.as_ref());
                let total = cost_of(build);
                let hash = Node {
                    title: "Hash".to_owned(),
                    details: Vec::new(),
                    cost: (total, total),
                };
                self.node(depth + 1, &hash, &inner, build);
                self.print(build, depth + 2);
            }
            (_, children) => children
                .iter()
                .for_each(|child| self.print(child, depth + 1)),
        }
    }

    /// A merge gathers sorted rows at the leader.
    fn print_network(
        &mut self,
        plan: &Arc<dyn ExecutionPlan>,
        depth: usize,
        estimate: &Estimate,
    ) -> usize {
        let Some(merge) = plan.downcast_ref::<SortPreservingMergeExec>() else {
            return depth;
        };
        let cost = cost_of(plan);
        let details = vec![format!("Merge Key: {}", sort_key(merge.expr().iter()))];
        let node = Node {
            title: "Merge".to_owned(),
            details,
            cost: (cost, cost),
        };
        self.node(depth, &node, estimate, plan);
        let details = vec!["Send to Leader".to_owned()];
        let node = Node {
            title: "Network".to_owned(),
            details,
            cost: (cost, cost),
        };
        self.node(depth + 1, &node, estimate, plan);
        depth + 2
    }

    fn node(
        &mut self,
        depth: usize,
        node: &Node,
        estimate: &Estimate,
        plan: &Arc<dyn ExecutionPlan>,
    ) {
        let arrow = if depth == 0 {
            String::new()
        } else {
            format!("{}->  ", " ".repeat(depth * 6 - 4))
        };
        let mut line = format!(
            "{arrow}{} {}  (cost={:.2}..{:.2} rows={:.0} width={:.0})",
            self.tag,
            node.title,
            node.cost.0,
            node.cost.1,
            estimate.rows.max(1.0),
            estimate.width()
        );
        if self.analyze {
            line.push_str(&measured(plan));
        }
        self.lines.push(line);
        let indent = " ".repeat(depth * 6 + 2);
        for detail in &node.details {
            self.lines.push(format!("{indent}{detail}"));
        }
    }
}

/// What a node measured: rows, time, and for a scan its blocks.
fn measured(plan: &Arc<dyn ExecutionPlan>) -> String {
    let Some(metrics) = plan.metrics() else {
        return String::new();
    };
    let rows = metrics.output_rows().unwrap_or(0);
    let milliseconds = metrics.elapsed_compute().unwrap_or(0) as f64 / 1e6;
    let mut text = format!(" (actual rows={rows} time={milliseconds:.3} ms)");
    let count = |name: &str| metrics.sum_by_name(name).map(|value| value.as_usize());
    if let (Some(read), Some(all), Some(pruned)) = (
        count("blocks_read"),
        count("blocks"),
        count("blocks_pruned"),
    ) {
        text.push_str(&format!(" (blocks read {read} of {all} (pruned {pruned}))",));
    }
    text
}

/// Says what a node is to a reader; `None` for those that only carry batches.
fn describe(plan: &Arc<dyn ExecutionPlan>) -> Option<Node> {
    let total = cost_of(plan);
    let start = plan.children().first().map_or(0.0, |child| cost_of(child));
    let node = |title: String, details: Vec<String>, start: f64| {
        Some(Node {
            title,
            details,
            cost: (start, total.max(start)),
        })
    };
    if let Some(join) = plan.downcast_ref::<HashJoinExec>() {
        let kind = match join.join_type() {
            JoinType::Inner => "Hash Join",
            JoinType::Left | JoinType::Right => "Hash Left Join",
            JoinType::Full => "Hash Full Join",
            JoinType::LeftAnti | JoinType::RightAnti => "Hash Anti Join",
            JoinType::LeftSemi | JoinType::RightSemi => "Hash Semi Join",
            JoinType::LeftMark | JoinType::RightMark => "Hash Mark Join",
        };
        let conditions: Vec<_> = join
            .on()
            .iter()
            .map(|(inner, outer)| {
                format!(
                    "(\"outer\".{} = \"inner\".{})",
                    fmt_sql(outer.as_ref()),
                    fmt_sql(inner.as_ref())
                )
            })
            .collect();
        let mut details = vec![format!("Hash Cond: {}", parenthesized(&conditions))];
        if let Some(filter) = join.filter() {
            details.push(format!(
                "Join Filter: ({})",
                fmt_sql(filter.expression().as_ref())
            ));
        }
        return node(format!("{kind} {}", motion(join)), details, start);
    }
    if let Some(join) = plan.downcast_ref::<NestedLoopJoinExec>() {
        let filter = join
            .filter()
            .map(|f| format!("Join Filter: ({})", fmt_sql(f.expression().as_ref())));
        return node(
            "Nested Loop DS_BCAST_INNER".to_owned(),
            filter.into_iter().collect(),
            0.0,
        );
    }
    if plan.downcast_ref::<CrossJoinExec>().is_some() {
        return node("Nested Loop DS_BCAST_INNER".to_owned(), Vec::new(), 0.0);
    }
    if plan.downcast_ref::<SortMergeJoinExec>().is_some() {
        return node("Merge Join DS_DIST_NONE".to_owned(), Vec::new(), 0.0);
    }
    if let Some(aggregate) = plan.downcast_ref::<AggregateExec>() {
        // The first half of an aggregate is not a step of its own to a reader.
        if *aggregate.mode() == AggregateMode::Partial {
            return None;
        }
        let grouped = !aggregate.group_expr().is_empty();
        let title = if grouped {
            "HashAggregate"
        } else {
            "Aggregate"
        };
        return node(title.to_owned(), Vec::new(), start);
    }
    if let Some(sort) = plan.downcast_ref::<SortExec>() {
        let mut details = vec![format!("Sort Key: {}", sort_key(sort.expr().iter()))];
        if let Some(fetch) = sort.fetch() {
            details.push(format!("Limit: {fetch}"));
        }
        return node("Sort".to_owned(), details, total);
    }
    if let Some(filter) = plan.downcast_ref::<FilterExec>() {
        let detail = format!("Filter: ({})", fmt_sql(filter.predicate().as_ref()));
        return node("Subquery Scan".to_owned(), vec![detail], 0.0);
    }
    if plan.downcast_ref::<GlobalLimitExec>().is_some()
        || plan.downcast_ref::<LocalLimitExec>().is_some()
    {
        return node("Limit".to_owned(), Vec::new(), start);
    }
    if plan.downcast_ref::<UnionExec>().is_some() {
        return node("Append".to_owned(), Vec::new(), 0.0);
    }
    if plan.downcast_ref::<WindowAggExec>().is_some()
        || plan.downcast_ref::<BoundedWindowAggExec>().is_some()
    {
        return node("Window".to_owned(), Vec::new(), start);
    }
    if !plan.children().is_empty() {
        return None;
    }
    match scan_name(plan) {
        Some(table) => {
            let filters = physical::pushed_filters(plan.as_ref());
            let conditions: Vec<_> = filters
                .iter()
                .map(|filter| format!("({})", fmt_sql(filter.as_ref())))
                .collect();
            let details = match conditions.is_empty() {
                true => Vec::new(),
                false => vec![format!("Filter: {}", parenthesized(&conditions))],
            };
            node(format!("Seq Scan on {table}"), details, 0.0)
        }
        None => node("Result".to_owned(), Vec::new(), 0.0),
    }
}

fn parenthesized(conditions: &[String]) -> String {
    match conditions {
        [one] => one.clone(),
        many => format!("({})", many.join(" AND ")),
    }
}

fn sort_key<'a>(
    exprs: impl Iterator<Item = &'a datafusion::physical_expr::PhysicalSortExpr>,
) -> String {
    let name = |expr: &Arc<dyn PhysicalExpr>| fmt_sql(expr.as_ref()).to_string();
    exprs
        .map(|item| name(&item.expr))
        .collect::<Vec<_>>()
        .join(", ")
}

/// Tells what moves before a join.
fn motion(join: &HashJoinExec) -> &'static str {
    let (inner, outer) = (moves(join.left()), moves(join.right()));
    match join.partition_mode() {
        PartitionMode::Partitioned | PartitionMode::Auto => match (inner, outer) {
            (false, false) => "DS_DIST_NONE",
            (true, false) => "DS_DIST_INNER",
            (false, true) => "DS_DIST_OUTER",
            (true, true) => "DS_DIST_BOTH",
        },
        PartitionMode::CollectLeft if is_everywhere(join.left()) => "DS_DIST_ALL_NONE",
        PartitionMode::CollectLeft => "DS_BCAST_INNER",
    }
}

/// Whether rows are placed anew between here and the next join or aggregate below.
fn moves(plan: &Arc<dyn ExecutionPlan>) -> bool {
    if let Some(repartition) = plan.downcast_ref::<RepartitionExec>() {
        return matches!(repartition.partitioning(), Partitioning::Hash(..));
    }
    match plan.children().as_slice() {
        [child] if plan.downcast_ref::<AggregateExec>().is_none() => moves(child),
        _ => false,
    }
}

/// Whether a side reads only tables of which every node has a copy.
fn is_everywhere(plan: &Arc<dyn ExecutionPlan>) -> bool {
    let children = plan.children();
    match children.as_slice() {
        [] => plan
            .downcast_ref::<SliceScanExec>()
            .is_some_and(|scan| scan.table().distribution == Distribution::All),
        many => many.iter().all(|child| is_everywhere(child)),
    }
}

/// The cost up to the last row.
fn cost_of(plan: &Arc<dyn ExecutionPlan>) -> f64 {
    let below: f64 = plan.children().into_iter().map(cost_of).sum();
    let rows = physical::estimate(plan.as_ref()).rows;
    if plan.children().is_empty() {
        return rows * SCAN_COST;
    }
    if plan.downcast_ref::<SortExec>().is_some() {
        return (if below >= SORT_COST {
            below
        } else {
            below + SORT_COST
        }) + rows * SCAN_COST;
    }
    if plan.downcast_ref::<CoalescePartitionsExec>().is_some() {
        return below;
    }
    below + rows * SCAN_COST
}
