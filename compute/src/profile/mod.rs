//! What an executed plan did, as Redshift tells it: streams of segments of steps, each with its work on every slice.
//!
//! A segment is a row of operators that hand batches on without waiting; it ends where rows are gathered (a hash table,
//! a sort, groups) or sent elsewhere (redistribution, broadcast, the leader). Segments of a stream run at the same
//! time; a stream begins when what it reads is complete. Source: Redshift's guide, "Query planning and execution
//! workflow".

pub mod by_key;
mod cut;
mod measure;
pub mod together;

#[cfg(test)]
mod tests;

use by_key::ByKey;
use datafusion::physical_plan::ExecutionPlan;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The slice number of steps that run on the leader.
pub const LEADER_SLICE: i32 = 12_811;

/// What a step does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub enum StepKind {
    /// Reads a table, or what a segment before left.
    Scan,
    /// Computes columns, or drops rows by a condition.
    Project,
    /// Makes the hash table of a join's inner side.
    Hash,
    /// Looks rows up in a hash table.
    HashJoin,
    /// Joins two sorted sides.
    MergeJoin,
    /// Joins each row with each.
    NestedLoop,
    /// Groups rows.
    Aggregate,
    /// Keeps one of equal rows.
    Unique,
    /// Sorts.
    Sort,
    /// Merges sorted rows.
    Merge,
    /// Stops after a number of rows.
    Limit,
    /// Computes window functions.
    Window,
    /// Sends each row to the slice of its key.
    Distribute,
    /// Sends all rows to all slices.
    Broadcast,
    /// Keeps rows for a later segment.
    Save,
    /// Sends rows to the leader or the client.
    Return,
    /// Writes new rows.
    Insert,
    /// Marks rows as deleted.
    Delete,
}

impl StepKind {
    /// Gives the word of Redshift's labels: `hjoin`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Scan => "scan",
            Self::Project => "project",
            Self::Hash => "hash",
            Self::HashJoin => "hjoin",
            Self::MergeJoin => "mjoin",
            Self::NestedLoop => "nloop",
            Self::Aggregate => "aggr",
            Self::Unique => "unique",
            Self::Sort => "sort",
            Self::Merge => "merge",
            Self::Limit => "limit",
            Self::Window => "window",
            Self::Distribute => "dist",
            Self::Broadcast => "bcast",
            Self::Save => "save",
            Self::Return => "return",
            Self::Insert => "insert",
            Self::Delete => "delete",
        }
    }

    /// Gives the word of SYS_QUERY_DETAIL: `hashjoin`.
    pub fn name(self) -> &'static str {
        match self {
            Self::HashJoin => "hashjoin",
            Self::MergeJoin => "mergejoin",
            Self::NestedLoop => "nestloop",
            Self::Aggregate => "aggregate",
            Self::Distribute => "distribute",
            Self::Broadcast => "broadcast",
            other => other.word(),
        }
    }
}

/// The table a step is about.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub enum StepTable {
    /// One that users made.
    Stored {
        /// Its oid.
        id: u32,
        /// Its name without the schema.
        name: Arc<str>,
    },
    /// What a step of the query left for another, counted through the query.
    Work(u32),
}

impl StepTable {
    /// Gives the number of Redshift's column `tbl`.
    pub fn id(&self) -> u32 {
        match self {
            Self::Stored { id, .. } => *id,
            Self::Work(number) => *number,
        }
    }

    /// Gives the name as Redshift shows it.
    pub fn name(&self) -> &str {
        match self {
            Self::Stored { name, .. } => name,
            Self::Work(_) => "Internal Worktable",
        }
    }
}

/// What a step did on one slice.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub struct Work {
    /// Rows that came out.
    pub rows: u64,
    /// Bytes of rows that came out, as they lay in memory; for a scan of a table, encoded bytes that it read.
    pub bytes: u64,
    /// Rows that a scan looked at; 0 for other steps.
    pub rows_scanned: u64,
    /// Encoded blocks that a scan read.
    pub blocks_read: u64,
    /// Encoded blocks that a scan did not need to read.
    pub blocks_pruned: u64,
    /// Nanoseconds of computing.
    pub compute_ns: u64,
    /// Bytes written to spill files.
    pub spilled_bytes: u64,
    /// Most bytes of memory held.
    pub memory: u64,
    /// When the segment began on the slice, in microseconds since 1970.
    pub started_us: i64,
    /// When it ended.
    pub ended_us: i64,
}

/// One step with its work by slice.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Step {
    /// The stream, from 0.
    pub stream: u32,
    /// The segment, from 0 through the whole query.
    pub segment: u32,
    /// The step within its segment, from 0.
    pub step: u32,
    /// What it does.
    pub kind: StepKind,
    /// What it reads or fills.
    pub table: Option<StepTable>,
    /// Whether a scan could leave out blocks by its filters.
    pub is_range_restricted: bool,
    /// Its work by slice; [`LEADER_SLICE`] is the leader.
    pub slices: ByKey<i32, Work>,
}

impl Step {
    /// Adds up a figure over all slices.
    pub fn sum(&self, figure: impl Fn(&Work) -> u64) -> u64 {
        self.slices.values().map(figure).sum()
    }

    /// Gives Redshift's label: `scan   tbl=108 name=sales`.
    pub fn label(&self) -> String {
        let word = self.kind.word();
        match &self.table {
            Some(StepTable::Stored { id, name }) => format!("{word:<6} tbl={id} name={name}"),
            Some(table @ StepTable::Work(id)) if self.kind == StepKind::Scan => {
                format!("{word:<6} tbl={id} name={}", table.name())
            }
            Some(StepTable::Work(id)) => format!("{word:<6} tbl={id}"),
            None => word.to_owned(),
        }
    }
}

/// Where the rows of a plan go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Sink {
    /// To the client.
    #[default]
    Return,
    /// To a table.
    Insert(StepTable),
    /// They name rows of a table to delete.
    Delete(StepTable),
    /// They name rows of a table to write anew.
    Update(StepTable),
}

/// Gives the steps of an executed plan. A plan that has not run gives none.
pub fn steps(plan: &Arc<dyn ExecutionPlan>, sink: &Sink) -> Vec<Step> {
    cut::Cutter::default().cut(plan, sink)
}

/// Gives the steps of a plan that is running, with what they did until `now_us`, in microseconds since 1970.
pub fn steps_now(plan: &Arc<dyn ExecutionPlan>, sink: &Sink, now_us: i64) -> Vec<Step> {
    cut::Cutter::at(now_us).cut(plan, sink)
}

/// Numbers steps on, so that they come after those of a plan that ran before.
pub fn append(steps: &mut Vec<Step>, more: Vec<Step>) {
    let next = |number: fn(&Step) -> u32| steps.iter().map(number).max().map_or(0, |last| last + 1);
    let (stream, segment) = (next(|step| step.stream), next(|step| step.segment));
    let work_tables = steps.iter().filter_map(|step| match &step.table {
        Some(StepTable::Work(number)) => Some(*number),
        _ => None,
    });
    let work_tables = work_tables.max().unwrap_or(0);
    steps.extend(more.into_iter().map(|mut step| {
        step.stream += stream;
        step.segment += segment;
        if let Some(StepTable::Work(number)) = &mut step.table {
            *number += work_tables;
        }
        step
    }));
}
