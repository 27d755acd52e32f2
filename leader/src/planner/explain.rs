//! EXPLAIN in Redshift's shape.
//!
//! The tree is the physical plan that runs. Nodes that only move batches within a process (coalescing, projecting,
//! cooperative yielding) print nothing of their own; the tag of a join tells what they do to its sides. Costs are
//! units of Redshift's examples: a hundredth per row scanned, one per row of anything else at most.

mod expression;
mod external;

use crate::history::executed::PlanNode;
use crate::planner::estimate::{Estimate, physical};
use blueshift_compute::external::postgres::RemoteScanExec;
use blueshift_compute::external::scan_of;
use blueshift_compute::operator::secure::SecureExec;
use blueshift_compute::operator::spilling_join::hash_join_of;
use blueshift_compute::profile::together::{is_everywhere, lies_together};
use blueshift_compute::scan::SliceScanExec;
use datafusion::common::JoinType;
use datafusion::physical_expr::window::WindowExpr;
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
use datafusion::physical_plan::union::{InterleaveExec, UnionExec};
use datafusion::physical_plan::windows::{BoundedWindowAggExec, WindowAggExec};
use datafusion::physical_plan::{
    ExecutionPlan, ExecutionPlanProperties, Partitioning, displayable,
};
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

/// What a sort adds to its cost, as Redshift prints it.
const SORT_COST: f64 = 1e12;
/// Cost of reading a row.
const SCAN_COST: f64 = 0.01;

/// Gives the nodes of a plan: `XN Hash Join DS_DIST_NONE  (cost=..rows=..width=..)`.
pub fn nodes(plan: &Arc<dyn ExecutionPlan>) -> Vec<PlanNode> {
    Printer::print_all(plan, false)
}

/// Prints a plan as Redshift does: `XN Hash Join DS_DIST_NONE  (cost=..rows=..width=..)`, `->`, detail lines. With
/// `analyze` the plan was run, and each line tells real rows and time, each scan its blocks read and pruned.
pub fn text(plan: &Arc<dyn ExecutionPlan>, analyze: bool, verbose: bool) -> Vec<String> {
    let mut lines = Vec::new();
    for node in Printer::print_all(plan, analyze) {
        let indent = " ".repeat(node.depth * 6 + 2);
        lines.push(node.line());
        lines.extend(node.info.iter().map(|detail| format!("{indent}{detail}")));
    }
    if crossed(plan) {
        lines.push(
            "----- Nested Loop Join in the query plan - review the join predicates to avoid Cartesian products -----"
                .to_owned(),
        );
    }
    if verbose && hides_some(plan) {
        lines.push(String::new());
        lines.push(
            "The plan hides what protects a table; EXPLAIN RLS and EXPLAIN MASKING show it."
                .to_owned(),
        );
    } else if verbose {
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

/// Whether it reads stored tables.
pub fn reads_tables(plan: &Arc<dyn ExecutionPlan>) -> bool {
    plan.downcast_ref::<SliceScanExec>().is_some()
        || scan_of(plan.as_ref()).is_some()
        || plan.is::<RemoteScanExec>()
        || plan.downcast_ref::<SecureExec>().is_some()
        || plan.children().into_iter().any(reads_tables)
}

/// Whether some of it must not be shown.
fn hides_some(plan: &Arc<dyn ExecutionPlan>) -> bool {
    is_curtain(plan) || plan.children().into_iter().any(hides_some)
}

/// Whether what is below must not be shown.
fn is_curtain(plan: &Arc<dyn ExecutionPlan>) -> bool {
    let secure = plan.downcast_ref::<SecureExec>();
    secure.is_some_and(|secure| !secure.protected().is_shown)
}

fn crossed(plan: &Arc<dyn ExecutionPlan>) -> bool {
    plan.downcast_ref::<CrossJoinExec>().is_some()
        || plan.downcast_ref::<NestedLoopJoinExec>().is_some()
        || (!is_curtain(plan) && plan.children().into_iter().any(crossed))
}

/// The table a leaf reads.
fn scan_name(plan: &Arc<dyn ExecutionPlan>) -> Option<String> {
    let scan = plan.downcast_ref::<SliceScanExec>()?;
    let name = &scan.table().name;
    Some(name.rsplit('.').next().unwrap_or(name).to_owned())
}

struct Printer {
    nodes: Vec<PlanNode>,
    analyze: bool,
    tag: &'static str,
    measures: Measures,
}

/// What a node is expected to give and to cost.
#[derive(Clone, Copy, Default)]
struct Measure {
    /// Up to the last row, with what is below.
    cost: f64,
    rows: f64,
    width: f64,
}

/// What each node of a plan is expected to give, found once from below: a plan of hundreds of windows is as deep.
#[derive(Default)]
struct Measures(HashMap<usize, Measure, BuildHasherDefault<PlaceHasher>>);

/// Places in memory are different enough as they are.
#[derive(Default)]
struct PlaceHasher(u64);

impl Hasher for PlaceHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes
            .iter()
            .for_each(|byte| self.write_usize((*byte).into()));
    }

    fn write_usize(&mut self, place: usize) {
        // The map looks at the highest and the lowest bits; the lowest of a place are zero.
        self.0 = (self.0 ^ place as u64)
            .wrapping_mul(0x9E37_79B9_7F4A_7C15)
            .rotate_left(32);
    }
}

impl Measures {
    fn new(plan: &Arc<dyn ExecutionPlan>) -> Self {
        let mut measures = Self::default();
        measures.enter(plan);
        measures
    }

    fn key(plan: &Arc<dyn ExecutionPlan>) -> usize {
        Arc::as_ptr(plan).cast::<()>().addr()
    }

    fn enter(&mut self, plan: &Arc<dyn ExecutionPlan>) -> Estimate {
        let children = plan.children();
        let inputs: Vec<Estimate> = children.iter().map(|child| self.enter(child)).collect();
        let below = children.iter().map(|child| self.of(child).cost).sum();
        let estimate = physical::of_node(plan.as_ref(), &inputs);
        let measure = Measure {
            cost: cost_over(plan, below, estimate.rows),
            rows: estimate.rows,
            width: estimate.width(),
        };
        self.0.insert(Self::key(plan), measure);
        estimate
    }

    /// What a node of the plan is expected to give.
    fn of(&self, plan: &Arc<dyn ExecutionPlan>) -> Measure {
        self.0.get(&Self::key(plan)).copied().unwrap_or_default()
    }
}

struct Node {
    title: String,
    details: Vec<String>,
    /// What rows must hold to come out.
    filters: Vec<String>,
    cost: (f64, f64),
    /// It is no step of the slices: its line has no tag.
    is_outside: bool,
}

impl Node {
    fn new(title: impl Into<String>, details: Vec<String>, cost: (f64, f64)) -> Self {
        Self {
            title: title.into(),
            details,
            filters: Vec::new(),
            cost,
            is_outside: false,
        }
    }
}

/// Where in the tree printing is, and what the nodes passed without a line of their own leave to the next one.
#[derive(Clone, Default)]
struct Place<'a> {
    depth: usize,
    /// A line for the limit was printed, and nothing since that it is not about.
    limited: bool,
    /// Something other than a limit was printed, or rows are gathered already.
    inside: bool,
    /// Conditions of filters above, which the next line tells.
    filters: Vec<String>,
    /// The topmost of those filters: its rows are those of the line.
    filter: Option<&'a Arc<dyn ExecutionPlan>>,
    /// Nanoseconds spent above without a line.
    time: usize,
}

impl Printer {
    fn print_all(plan: &Arc<dyn ExecutionPlan>, analyze: bool) -> Vec<PlanNode> {
        let mut printer = Printer {
            nodes: Vec::new(),
            analyze,
            tag: tag(plan),
            measures: Measures::new(plan),
        };
        printer.print(plan, &Place::default());
        printer.nodes
    }

    fn print<'a>(&mut self, plan: &'a Arc<dyn ExecutionPlan>, place: &Place<'a>) {
        let mut place = place.clone();
        let limits = plan.fetch().is_some() || is_limit(plan);
        if limits && !place.limited {
            let cost = self.measures.of(plan).cost;
            let node = Node::new("Limit", Vec::new(), (cost, cost));
            let measured = self.measured(|| actual(rows_of(plan), None));
            self.node(place.depth, &node, plan, &measured);
            place.depth += 1;
            place.limited = true;
        }
        if let Some(key) = gathered_by(plan, place.inside || self.tag == "LD") {
            self.gather(plan, &mut place, key);
        }
        let Some(mut node) = describe(plan, &self.measures) else {
            if let Some(filter) = plan.downcast_ref::<FilterExec>() {
                let text = expression::text(filter.predicate(), filter.input());
                place.filters.push(format!("({text})"));
                place.filter = place.filter.or(Some(plan));
            }
            if self.analyze {
                place.time += nanoseconds(plan, "elapsed_compute");
            }
            plan.children()
                .into_iter()
                .for_each(|child| self.print(child, &place));
            return;
        };
        node.filters.append(&mut place.filters);
        let shown = place.filter.unwrap_or(plan);
        let join = hash_join_of(plan.as_ref());
        let measured = self.measured(|| {
            let own = match join {
                Some(_) => nanoseconds(plan, "join_time"),
                None => nanoseconds(plan, "elapsed_compute"),
            };
            actual(rows_of(shown), Some(own + place.time)) + &blocks(plan)
        });
        if let Some(scan) = scan_of(plan.as_ref()) {
            self.external(plan, &scan, &node, &place, &measured);
            return;
        }
        if let Some(scan) = plan.downcast_ref::<RemoteScanExec>() {
            self.remote(plan, scan, &node, &place, &measured);
            return;
        }
        self.node(place.depth, &node, shown, &measured);
        let below = |deeper: usize| Place {
            depth: place.depth + deeper,
            limited: place.limited && plan.downcast_ref::<SortExec>().is_some(),
            inside: true,
            ..Place::default()
        };
        if is_curtain(plan) {
            return;
        }
        match (join, plan.children().as_slice()) {
            // The outer side first, the inner, hashed one below it.
            (Some(_), [build, probe]) => {
                self.print(probe, &below(1));
                let total = self.measures.of(build).cost;
                let hash = Node::new("Hash", Vec::new(), (total, total));
                let measured =
                    self.measured(|| actual(rows_of(build), Some(nanoseconds(plan, "build_time"))));
                self.node(place.depth + 1, &hash, build, &measured);
                self.print(build, &below(2));
            }
            (_, children) => children
                .iter()
                .for_each(|child| self.print(child, &below(1))),
        }
    }

    /// What a node really did, which only EXPLAIN ANALYZE tells.
    fn measured(&self, tell: impl FnOnce() -> String) -> String {
        match self.analyze {
            true => tell(),
            false => String::new(),
        }
    }

    /// Sorted rows are merged at the leader.
    fn gather(&mut self, plan: &Arc<dyn ExecutionPlan>, place: &mut Place<'_>, key: String) {
        let cost = self.measures.of(plan).cost;
        let merge = Node::new("Merge", vec![format!("Merge Key: {key}")], (cost, cost));
        let measured = self.measured(|| {
            let spent = match plan.downcast_ref::<SortPreservingMergeExec>() {
                Some(_) => nanoseconds(plan, "elapsed_compute"),
                None => 0,
            };
            actual(rows_of(plan), Some(spent + place.time))
        });
        self.node(place.depth, &merge, plan, &measured);
        let network = Node::new("Network", vec!["Send to Leader".to_owned()], (cost, cost));
        let measured = self.measured(|| {
            let merge = plan.downcast_ref::<SortPreservingMergeExec>();
            actual(
                rows_of(merge.map_or(plan, SortPreservingMergeExec::input)),
                None,
            )
        });
        self.node(place.depth + 1, &network, plan, &measured);
        place.depth += 2;
        place.inside = true;
        place.limited = true;
        place.time = 0;
    }

    fn node(&mut self, depth: usize, node: &Node, plan: &Arc<dyn ExecutionPlan>, measured: &str) {
        let measure = self.measures.of(plan);
        self.line(depth, node, measure, measured);
    }

    fn line(&mut self, depth: usize, node: &Node, measure: Measure, measured: &str) {
        let title = match node.is_outside {
            true => node.title.clone(),
            false => format!("{} {}", self.tag, node.title),
        };
        let mut info = node.details.clone();
        if !node.filters.is_empty() {
            let text = expression::all(&node.filters);
            info.push(format!("Filter: {text}"));
        }
        let above = self.nodes.iter().rev().find(|node| node.depth < depth);
        let parent = above.map_or(0, |node| node.id);
        self.nodes.push(PlanNode {
            depth,
            id: self.nodes.len() + 1,
            parent,
            startup_cost: node.cost.0,
            total_cost: node.cost.1,
            rows: measure.rows.max(1.0),
            width: measure.width,
            title,
            info,
            measured: measured.to_owned(),
        });
    }
}

fn is_limit(plan: &Arc<dyn ExecutionPlan>) -> bool {
    plan.downcast_ref::<GlobalLimitExec>().is_some()
        || plan.downcast_ref::<LocalLimitExec>().is_some()
}

/// What rows are merged by on their way to the leader, if this node is where they leave the slices in order. A sort on
/// a single slice at the top is one too: its rows go the same way.
fn gathered_by(plan: &Arc<dyn ExecutionPlan>, inside: bool) -> Option<String> {
    if let Some(sort) = plan.downcast_ref::<SortExec>() {
        return (!inside).then(|| expression::sort_key(sort.expr().iter(), sort.input()));
    }
    let merge = plan.downcast_ref::<SortPreservingMergeExec>()?;
    let mut below = merge.input();
    loop {
        if let Some(sort) = below.downcast_ref::<SortExec>() {
            return Some(expression::sort_key(sort.expr().iter(), sort.input()));
        }
        match below.children().as_slice() {
            [child] if describe(below, &Measures::default()).is_none() => below = child,
            _ => return Some(expression::sort_key(merge.expr().iter(), merge.input())),
        }
    }
}

fn rows_of(plan: &Arc<dyn ExecutionPlan>) -> usize {
    plan.metrics()
        .and_then(|metrics| metrics.output_rows())
        .unwrap_or(0)
}

/// The sum of a time over all partitions.
fn nanoseconds(plan: &Arc<dyn ExecutionPlan>, name: &str) -> usize {
    plan.metrics()
        .and_then(|metrics| metrics.sum_by_name(name))
        .map_or(0, |value| value.as_usize())
}

/// What a step really did: rows, and the time of all slices together.
fn actual(rows: usize, nanoseconds: Option<usize>) -> String {
    match nanoseconds {
        Some(spent) => format!(" (actual rows={rows} time={:.3} ms)", spent as f64 / 1e6),
        None => format!(" (actual rows={rows})"),
    }
}

/// The blocks a scan read and pruned.
fn blocks(plan: &Arc<dyn ExecutionPlan>) -> String {
    let metrics = plan.metrics().unwrap_or_default();
    let count = |name: &str| metrics.sum_by_name(name).map(|value| value.as_usize());
    match (
        count("blocks_read"),
        count("blocks"),
        count("blocks_pruned"),
    ) {
        (Some(read), Some(all), Some(pruned)) => {
            format!(" (blocks read {read} of {all} (pruned {pruned}))")
        }
        _ => String::new(),
    }
}

/// Says what a node is to a reader; `None` for those that only carry batches.
fn describe(plan: &Arc<dyn ExecutionPlan>, measures: &Measures) -> Option<Node> {
    let total = measures.of(plan).cost;
    let first = plan.children().first().map(|child| measures.of(child));
    let start = first.unwrap_or_default().cost;
    let node = |title: String, details: Vec<String>, start: f64| {
        Some(Node::new(title, details, (start, total.max(start))))
    };
    if let Some(join) = hash_join_of(plan.as_ref()) {
        let kind = match join.join_type() {
            JoinType::Inner => "Hash Join",
            // The hashed side, the engine's left one, is the inner one: the right one to a reader.
            JoinType::Left => "Hash Right Join",
            JoinType::Right => "Hash Left Join",
            JoinType::Full => "Hash Full Join",
            JoinType::LeftAnti | JoinType::RightAnti => "Hash Anti Join",
            JoinType::LeftSemi | JoinType::RightSemi => "Hash IN Join",
            JoinType::LeftMark | JoinType::RightMark => "Hash Mark Join",
        };
        let conditions: Vec<_> = join
            .on()
            .iter()
            .map(|(inner, outer)| {
                format!(
                    "(\"outer\".{} = \"inner\".{})",
                    expression::text(outer, join.right()),
                    expression::text(inner, join.left())
                )
            })
            .collect();
        let mut details = vec![format!("Hash Cond: {}", expression::all(&conditions))];
        if let Some(filter) = join.filter() {
            details.push(format!(
                "Join Filter: ({})",
                expression::join_filter(filter, join.left(), join.right())
            ));
        }
        return node(format!("{kind} {}", motion(join)), details, start);
    }
    if let Some(join) = plan.downcast_ref::<NestedLoopJoinExec>() {
        let filter = join
            .filter()
            .map(|filter| expression::join_filter(filter, join.left(), join.right()))
            .map(|text| format!("Join Filter: ({text})"));
        return node(
            format!("Nested Loop {}", collected(join.left())),
            filter.into_iter().collect(),
            0.0,
        );
    }
    if let Some(join) = plan.downcast_ref::<CrossJoinExec>() {
        let title = format!("Nested Loop {}", collected(join.left()));
        return node(title, Vec::new(), 0.0);
    }
    if let Some(secure) = plan.downcast_ref::<SecureExec>() {
        let kind = if secure.protected().keeps_rows {
            "RLS"
        } else {
            "DDM"
        };
        return node(
            format!("{kind} SecureScan {}", secure.protected().table),
            Vec::new(),
            0.0,
        );
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
        let key = expression::sort_key(sort.expr().iter(), sort.input());
        return node("Sort".to_owned(), vec![format!("Sort Key: {key}")], total);
    }
    if plan.downcast_ref::<UnionExec>().is_some() || plan.downcast_ref::<InterleaveExec>().is_some()
    {
        return node("Append".to_owned(), Vec::new(), 0.0);
    }
    let windows = match plan.downcast_ref::<WindowAggExec>() {
        Some(window) => Some(window.window_expr()),
        None => plan
            .downcast_ref::<BoundedWindowAggExec>()
            .map(BoundedWindowAggExec::window_expr),
    };
    if let Some(windows) = windows {
        return node("Window".to_owned(), window_details(plan, windows), start);
    }
    if !plan.children().is_empty() {
        return None;
    }
    if let Some(scan) = scan_of(plan.as_ref()) {
        return node(external::title(&scan), Vec::new(), 0.0);
    }
    if let Some(scan) = plan.downcast_ref::<RemoteScanExec>() {
        return node(external::remote_title(scan), Vec::new(), 0.0);
    }
    let Some(table) = scan_name(plan) else {
        return node("Result".to_owned(), Vec::new(), 0.0);
    };
    let runs = plan
        .downcast_ref::<SliceScanExec>()
        .and_then(SliceScanExec::merged_run_count);
    let details = match (runs, plan.output_ordering()) {
        (Some(runs), Some(order)) => {
            let key = expression::sort_key(order.iter(), plan);
            vec![format!("Merges {runs} sorted runs by: {key}")]
        }
        _ => Vec::new(),
    };
    let mut scan = node(format!("Seq Scan on {table}"), details, 0.0)?;
    scan.filters = physical::pushed_filters(plan.as_ref())
        .iter()
        .map(|filter| format!("({})", expression::text(filter, plan)))
        .collect();
    Some(scan)
}

fn window_details(plan: &Arc<dyn ExecutionPlan>, windows: &[Arc<dyn WindowExpr>]) -> Vec<String> {
    let mut details = Vec::new();
    let children = plan.children();
    let (Some(window), Some(input)) = (windows.first(), children.first()) else {
        return details;
    };
    let partition: Vec<String> = window
        .partition_by()
        .iter()
        .map(|expr| expression::text(expr, input))
        .collect();
    if !partition.is_empty() {
        details.push(format!("Partition: {}", partition.join(", ")));
    }
    if !window.order_by().is_empty() {
        let order = expression::sort_key(window.order_by().iter(), input);
        details.push(format!("Order: {order}"));
    }
    details
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
        // One table for all slices, but each finds its matches among its own rows.
        PartitionMode::CollectLeft if lies_together(join) => "DS_DIST_NONE",
        PartitionMode::CollectLeft => "DS_BCAST_INNER",
    }
}

/// Tells how an inner side that every slice needs as a whole gets there.
fn collected(inner: &Arc<dyn ExecutionPlan>) -> &'static str {
    if is_everywhere(inner) {
        "DS_DIST_ALL_NONE"
    } else {
        "DS_BCAST_INNER"
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

/// The cost up to the last row, over that of what is `below`.
fn cost_over(plan: &Arc<dyn ExecutionPlan>, below: f64, rows: f64) -> f64 {
    if plan.children().is_empty() || is_curtain(plan) {
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
