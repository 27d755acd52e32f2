//! Cuts a tree of operators into segments.

use super::by_key::ByKey;
use super::measure::{by_partition, hash_build};
use super::together::{is_everywhere, lies_together};
use super::{LEADER_SLICE, Sink, Step, StepKind, StepTable, Work};
use crate::operator::shared::SharedExec;
use crate::operator::spilling_join::hash_join_of;
use crate::scan::SliceScanExec;
use datafusion::physical_plan::aggregates::AggregateExec;
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::joins::{
    CrossJoinExec, HashJoinExec, NestedLoopJoinExec, PartitionMode, SortMergeJoinExec,
};
use datafusion::physical_plan::limit::{GlobalLimitExec, LocalLimitExec};
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::repartition::RepartitionExec;
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::sorts::sort_preserving_merge::SortPreservingMergeExec;
use datafusion::physical_plan::windows::{BoundedWindowAggExec, WindowAggExec};
use datafusion::physical_plan::{ExecutionPlan, Partitioning};
use std::sync::Arc;

/// A step on its way.
struct Draft {
    kind: StepKind,
    table: Option<StepTable>,
    is_range_restricted: bool,
    work: ByKey<usize, Work>,
}

impl Draft {
    fn new(kind: StepKind, work: ByKey<usize, Work>) -> Self {
        Self {
            kind,
            table: None,
            is_range_restricted: false,
            work,
        }
    }
}

/// A segment on its way.
struct Segment {
    stream: u32,
    is_on_leader: bool,
    steps: Vec<Draft>,
}

impl Segment {
    fn push(&mut self, kind: StepKind, work: ByKey<usize, Work>) {
        self.steps.push(Draft::new(kind, work));
    }

    /// What came out of the last step, to be sent or kept.
    fn given(&self) -> ByKey<usize, Work> {
        let last = self.steps.iter().rev().find(|step| !step.work.is_empty());
        let given = last.into_iter().flat_map(|step| step.work.iter());
        given
            .map(|(partition, work)| {
                let (rows, bytes) = (work.rows, work.bytes);
                let work = Work {
                    rows,
                    bytes,
                    ..Work::default()
                };
                (partition, work)
            })
            .collect()
    }
}

/// What gathering rows to one partition is for.
#[derive(Clone, Copy, PartialEq)]
enum Gather {
    ToLeader,
    ToAll,
    /// They stay where they are; what gathers them makes one hash table of all slices.
    Stay,
}

/// Cuts a plan into segments.
#[derive(Default)]
pub(super) struct Cutter {
    segments: Vec<Segment>,
    work_tables: u32,
    /// The time, in microseconds since 1970, while the plan runs: what has begun and not ended lasts until then.
    now_us: Option<i64>,
}

impl Cutter {
    /// Cuts a plan that is running.
    pub(super) fn at(now_us: i64) -> Self {
        Self {
            now_us: Some(now_us),
            ..Self::default()
        }
    }

    /// Gives the steps of a plan; none if it has not run.
    pub(super) fn cut(mut self, plan: &Arc<dyn ExecutionPlan>, sink: &Sink) -> Vec<Step> {
        let mut top = self.walk(plan.as_ref(), Gather::ToLeader);
        let given = top.given();
        let kinds: &[StepKind] = match sink {
            Sink::Return => &[StepKind::Return],
            Sink::Insert(_) => &[StepKind::Insert],
            Sink::Delete(_) => &[StepKind::Delete],
            Sink::Update(_) => &[StepKind::Delete, StepKind::Insert],
        };
        let table = match sink {
            Sink::Return => None,
            Sink::Insert(table) | Sink::Delete(table) | Sink::Update(table) => Some(table),
        };
        for kind in kinds {
            let mut step = Draft::new(*kind, given.clone());
            step.table = table.cloned();
            top.steps.push(step);
        }
        self.segments.push(top);
        let mut steps = self.segments.iter().flat_map(|segment| &segment.steps);
        let has_run = |step: &Draft| step.work.values().any(|work| work.started_us != 0);
        match steps.any(has_run) {
            true => self.numbered(),
            false => Vec::new(),
        }
    }

    /// Numbers the segments, and gives their steps.
    fn numbered(mut self) -> Vec<Step> {
        self.segments.sort_by_key(|segment| segment.stream);
        let now_us = self.now_us;
        let numbered = (0..).zip(self.segments);
        let steps = numbered.flat_map(|(number, mut segment)| {
            segment.level_times(now_us);
            let is_on_leader = segment.is_on_leader;
            let numbered = (0..).zip(segment.steps);
            let steps = numbered.map(move |(step, draft)| {
                let slices = draft.work.with_keys(|partition| match is_on_leader {
                    true => LEADER_SLICE,
                    false => i32::try_from(partition).unwrap_or(i32::MAX),
                });
                Step {
                    stream: segment.stream,
                    segment: number,
                    step,
                    kind: draft.kind,
                    table: draft.table,
                    is_range_restricted: draft.is_range_restricted,
                    slices,
                }
            });
            steps.collect::<Vec<_>>()
        });
        steps.collect()
    }

    fn work_table(&mut self) -> Option<StepTable> {
        self.work_tables += 1;
        Some(StepTable::Work(self.work_tables))
    }

    /// Ends a segment with the step that gathers or sends its rows; the answer is the segment that reads them.
    fn end(&mut self, mut segment: Segment, mut last: Draft, waits: bool) -> Segment {
        let table = match last.kind {
            StepKind::Distribute | StepKind::Broadcast | StepKind::Return => None,
            _ => self.work_table(),
        };
        last.table.clone_from(&table);
        let (stream, is_on_leader) = (segment.stream, segment.is_on_leader);
        segment.steps.push(last);
        let mut scan = Draft::new(StepKind::Scan, segment.given());
        scan.table = table;
        self.segments.push(segment);
        Segment {
            stream: stream + u32::from(waits),
            is_on_leader,
            steps: vec![scan],
        }
    }

    fn walk(&mut self, plan: &dyn ExecutionPlan, gather: Gather) -> Segment {
        if let Some(scan) = plan.downcast_ref::<SliceScanExec>() {
            return self.scan(scan);
        }
        if let Some(join) = hash_join_of(plan) {
            return self.hash_join((plan, join), gather);
        }
        let children = plan.children();
        match children.as_slice() {
            [] => Segment {
                stream: 0,
                is_on_leader: false,
                steps: vec![Draft::new(StepKind::Scan, by_partition(plan))],
            },
            [child] => {
                let segment = self.walk(child.as_ref(), gather);
                self.unary(plan, segment, gather)
            }
            [inner, outer] if is_loop(plan) => {
                let inner = self.walk(inner.as_ref(), Gather::ToAll);
                let kept = Draft::new(StepKind::Save, inner.given());
                let inner = self.end(inner, kept, true);
                let mut segment = self.walk(outer.as_ref(), gather);
                segment.stream = segment.stream.max(inner.stream);
                segment.push(StepKind::NestedLoop, by_partition(plan));
                segment
            }
            many => self.gathered(plan, many, gather),
        }
    }

    fn scan(&mut self, scan: &SliceScanExec) -> Segment {
        let table = scan.table();
        let name = table.name.rsplit('.').next().unwrap_or(&table.name);
        let mut step = Draft::new(StepKind::Scan, by_partition(scan));
        step.table = Some(StepTable::Stored {
            id: u32::try_from(table.version.id.0).unwrap_or(0),
            name: name.into(),
        });
        step.is_range_restricted = step.work.values().any(|work| work.blocks_pruned > 0);
        Segment {
            stream: 0,
            is_on_leader: false,
            steps: vec![step],
        }
    }

    /// A hash join; `plan` is what runs it.
    fn hash_join(
        &mut self,
        (plan, join): (&dyn ExecutionPlan, &HashJoinExec),
        gather: Gather,
    ) -> Segment {
        let is_collected = *join.partition_mode() == PartitionMode::CollectLeft;
        let stays = is_everywhere(join.left()) || lies_together(join);
        let below = match (is_collected, stays) {
            (false, _) => gather,
            (true, true) => Gather::Stay,
            (true, false) => Gather::ToAll,
        };
        let build = self.walk(join.left().as_ref(), below);
        let mut hash = Draft::new(StepKind::Hash, hash_build(plan));
        if hash.work.is_empty() || below == Gather::Stay {
            let built = std::mem::replace(&mut hash.work, build.given());
            for (partition, built) in built {
                let work = hash.work.entry(partition);
                work.memory += built.memory;
                work.compute_ns += built.compute_ns;
            }
        }
        // What does not fit is the table, whichever side's rows are written for it.
        let mut joined = by_partition(plan);
        for (partition, work) in joined.iter_mut() {
            let spilled_bytes = std::mem::take(&mut work.spilled_bytes);
            if spilled_bytes > 0 {
                hash.work.entry(partition).spilled_bytes += spilled_bytes;
            }
        }
        let build = self.end(build, hash, true);
        let mut segment = self.walk(join.right().as_ref(), gather);
        segment.stream = segment.stream.max(build.stream);
        let mut step = Draft::new(StepKind::HashJoin, joined);
        step.table = build.steps.into_iter().next().and_then(|scan| scan.table);
        segment.steps.push(step);
        segment
    }

    /// Several inputs that become one: a union, a merge join, and whatever else there may be.
    fn gathered(
        &mut self,
        plan: &dyn ExecutionPlan,
        inputs: &[&Arc<dyn ExecutionPlan>],
        gather: Gather,
    ) -> Segment {
        let (mut stream, mut is_on_leader) = (0, true);
        for input in inputs {
            let segment = self.walk(input.as_ref(), gather);
            let kept = Draft::new(StepKind::Save, segment.given());
            let read = self.end(segment, kept, false);
            stream = stream.max(read.stream);
            is_on_leader &= read.is_on_leader;
        }
        let kind = match plan.downcast_ref::<SortMergeJoinExec>() {
            Some(_) => StepKind::MergeJoin,
            None => StepKind::Scan,
        };
        Segment {
            stream,
            is_on_leader,
            steps: vec![Draft::new(kind, by_partition(plan))],
        }
    }

    fn unary(&mut self, plan: &dyn ExecutionPlan, mut segment: Segment, gather: Gather) -> Segment {
        let work = || by_partition(plan);
        if plan.downcast_ref::<FilterExec>().is_some() {
            match segment.steps.as_mut_slice() {
                [only] if only.kind == StepKind::Scan => only.narrow(work()),
                _ => segment.push(StepKind::Project, work()),
            }
        } else if plan.downcast_ref::<ProjectionExec>().is_some() {
            segment.push(StepKind::Project, work());
        } else if is_limit(plan) {
            segment.push(StepKind::Limit, work());
        } else if is_window(plan) {
            segment.push(StepKind::Window, work());
        } else if let Some(aggregate) = plan.downcast_ref::<AggregateExec>() {
            let kind = match aggregate.aggr_expr() {
                [] => StepKind::Unique,
                _ => StepKind::Aggregate,
            };
            return self.end(segment, Draft::new(kind, work()), true);
        } else if plan.downcast_ref::<SortExec>().is_some() {
            return self.end(segment, Draft::new(StepKind::Sort, work()), true);
        } else if let Some(repartition) = plan.downcast_ref::<RepartitionExec>() {
            if matches!(repartition.partitioning(), Partitioning::Hash(..)) {
                let sent = Draft::new(StepKind::Distribute, segment.given());
                let mut read = self.end(segment, sent, false);
                let received = work();
                if let (Some(scan), false) = (read.steps.first_mut(), received.is_empty()) {
                    scan.work = received;
                }
                read.is_on_leader = false;
                return read;
            }
        } else if plan.downcast_ref::<SharedExec>().is_some() {
            let kept = Draft::new(StepKind::Save, segment.given());
            return self.end(segment, kept, true);
        } else if plan.downcast_ref::<CoalescePartitionsExec>().is_some() {
            return self.sent(segment, None, gather);
        } else if plan.downcast_ref::<SortPreservingMergeExec>().is_some() {
            return self.sent(segment, Some(work()), gather);
        }
        segment
    }

    /// All partitions become one: at the leader, or as the inner side of a join everywhere.
    fn sent(
        &mut self,
        segment: Segment,
        merged: Option<ByKey<usize, Work>>,
        gather: Gather,
    ) -> Segment {
        let kind = match gather {
            Gather::Stay => return segment,
            Gather::ToLeader => StepKind::Return,
            Gather::ToAll => StepKind::Broadcast,
        };
        let sent = Draft::new(kind, segment.given());
        let mut read = self.end(segment, sent, false);
        read.is_on_leader = gather == Gather::ToLeader;
        if let Some(scan) = read.steps.first_mut() {
            let rows = scan.work.values().map(|work| work.rows).sum();
            let bytes = scan.work.values().map(|work| work.bytes).sum();
            let work = Work {
                rows,
                bytes,
                ..Work::default()
            };
            scan.work = ByKey::from([(0, work)]);
        }
        if let Some(work) = merged {
            read.push(StepKind::Merge, work);
        }
        read
    }
}

impl Segment {
    /// A segment runs as one on a slice: its steps begin and end together. While a plan runs, a segment of which a step
    /// has not ended lasts until `now_us`.
    fn level_times(&mut self, now_us: Option<i64>) {
        let mut times: ByKey<usize, (i64, i64)> = ByKey::default();
        let mut whole = (i64::MAX, 0);
        for step in &self.steps {
            for (partition, work) in step.work.iter() {
                if work.started_us == 0 {
                    continue;
                }
                let time = times.entry(partition);
                time.0 = match time.0 {
                    0 => work.started_us,
                    first => first.min(work.started_us),
                };
                let ended = match (work.ended_us, now_us) {
                    (0, Some(now_us)) => now_us,
                    (ended, _) => ended,
                };
                time.1 = time.1.max(ended).max(work.started_us);
                whole = (whole.0.min(time.0), whole.1.max(time.1));
            }
        }
        for step in &mut self.steps {
            for (partition, work) in step.work.iter_mut() {
                let time = times.get(partition).copied().unwrap_or(whole);
                if time.1 != 0 {
                    (work.started_us, work.ended_us) = time;
                }
            }
        }
    }
}

impl Draft {
    /// A scan whose rows a filter looks at gives what the filter lets through.
    fn narrow(&mut self, filtered: ByKey<usize, Work>) {
        for (partition, filtered) in filtered {
            let work = self.work.entry(partition);
            work.rows = filtered.rows;
            work.compute_ns += filtered.compute_ns;
            work.ended_us = work.ended_us.max(filtered.ended_us);
        }
    }
}

fn is_loop(plan: &dyn ExecutionPlan) -> bool {
    plan.downcast_ref::<NestedLoopJoinExec>().is_some()
        || plan.downcast_ref::<CrossJoinExec>().is_some()
}

fn is_limit(plan: &dyn ExecutionPlan) -> bool {
    plan.downcast_ref::<GlobalLimitExec>().is_some()
        || plan.downcast_ref::<LocalLimitExec>().is_some()
}

fn is_window(plan: &dyn ExecutionPlan) -> bool {
    plan.downcast_ref::<WindowAggExec>().is_some()
        || plan.downcast_ref::<BoundedWindowAggExec>().is_some()
}
