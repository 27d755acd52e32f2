//! A table for each kind of step, with a row per step and slice.

use crate::error::Result;
use crate::history::executed::ExecutedQuery;
use crate::system::rows::{Cell, Rows};
use crate::system::{SystemContext, SystemTable};
use blueshift_compute::profile::StepKind::{self, *};
use blueshift_compute::profile::{Step, StepTable, Work};
use blueshift_sql::SqlType::{self, BigInt, Char, Integer, Timestamp};

/// A table of steps.
pub struct TableOfSteps {
    name: &'static str,
    /// The kinds of steps it has; all if empty.
    kinds: &'static [StepKind],
    columns: &'static [(&'static str, SqlType)],
}

const FLAG: SqlType = Char(1);

/// The columns that all these tables begin with, and those of their own.
macro_rules! columns {
    ($($name:literal $ty:expr),* $(,)?) => {
        &[
            ("userid", Integer),
            ("query", Integer),
            ("slice", Integer),
            ("segment", Integer),
            ("step", Integer),
            ("starttime", Timestamp),
            ("endtime", Timestamp),
            ("tasknum", Integer),
            ("rows", BigInt),
            $(($name, $ty),)*
        ]
    };
}

const fn table(
    name: &'static str,
    kinds: &'static [StepKind],
    columns: &'static [(&'static str, SqlType)],
) -> TableOfSteps {
    TableOfSteps {
        name,
        kinds,
        columns,
    }
}

/// The tables.
pub static TABLES: &[TableOfSteps] = &[
    table(
        "stl_aggr",
        &[Aggregate],
        columns!["bytes" BigInt, "slots" Integer, "occupied" Integer, "maxlength" Integer, "tbl" Integer,
            "is_diskbased" FLAG, "workmem" BigInt, "type" Char(6), "resizes" Integer, "flushable" Integer],
    ),
    table(
        "stl_bcast",
        &[Broadcast],
        columns!["bytes" BigInt, "packets" Integer],
    ),
    table(
        "stl_delete",
        &[Delete],
        columns!["bytes" BigInt, "tbl" Integer, "intransaction" Integer],
    ),
    table(
        "stl_dist",
        &[Distribute],
        columns!["bytes" BigInt, "packets" Integer],
    ),
    table(
        "stl_hash",
        &[Hash],
        columns!["bytes" BigInt, "slots" Integer, "occupied" Integer, "maxlength" Integer, "tbl" Integer,
            "is_diskbased" FLAG, "workmem" BigInt, "num_parts" Integer, "est_rows" BigInt,
            "num_blocks_permitted" Integer, "row_dist_variance" Integer, "resizes" Integer, "checksum" BigInt,
            "runtime_filter_size" Integer, "max_runtime_filter_size" Integer],
    ),
    table(
        "stl_hashjoin",
        &[HashJoin],
        columns!["bytes" BigInt, "tbl" Integer, "num_parts" Integer, "join_type" Integer, "hash_looped" FLAG,
            "switched_parts" FLAG, "used_prefetching" FLAG, "hash_segment" Integer, "hash_step" Integer,
            "checksum" BigInt, "distribution" Integer],
    ),
    table(
        "stl_insert",
        &[Insert],
        columns!["tbl" Integer, "inserted_mega_value" FLAG, "use_staging_table" FLAG],
    ),
    table("stl_limit", &[Limit], columns!["checksum" BigInt]),
    table("stl_merge", &[Merge], columns![]),
    table(
        "stl_mergejoin",
        &[MergeJoin],
        columns!["bytes" BigInt, "tbl" Integer, "checksum" BigInt, "distribution" Integer],
    ),
    table(
        "stl_nestloop",
        &[NestedLoop],
        columns!["bytes" BigInt, "tbl" Integer, "checksum" BigInt],
    ),
    table("stl_project", &[Project], columns!["checksum" BigInt]),
    table(
        "stl_return",
        &[Return],
        columns!["bytes" BigInt, "packets" Integer, "checksum" BigInt],
    ),
    table(
        "stl_save",
        &[Save],
        columns!["bytes" BigInt, "tbl" Integer, "is_diskbased" FLAG, "workmem" BigInt],
    ),
    table(
        "stl_scan",
        &[Scan],
        columns!["bytes" BigInt, "fetches" BigInt, "type" Integer, "tbl" Integer, "is_rrscan" FLAG,
            "is_delayed_scan" FLAG, "rows_pre_filter" BigInt, "rows_pre_user_filter" BigInt,
            "perm_table_name" Char(136), "is_rlf_scan" FLAG, "is_rlf_scan_reason" Integer,
            "num_em_blocks" Integer, "checksum" BigInt, "runtime_filtering" FLAG, "scan_region" Integer,
            "num_sortkey_as_predicate" Integer, "row_fetcher_state" Integer, "consumed_scan_ranges" BigInt,
            "work_stealing_reason" BigInt, "is_vectorized_scan" FLAG],
    ),
    table(
        "stl_sort",
        &[Sort],
        columns!["bytes" BigInt, "tbl" Integer, "is_diskbased" FLAG, "workmem" BigInt, "checksum" BigInt],
    ),
    table(
        "stl_unique",
        &[Unique],
        columns!["bytes" BigInt, "is_diskbased" FLAG, "slots" Integer, "workmem" BigInt,
            "max_buffers_used" BigInt, "resizes" Integer, "occupied" Integer, "flushable" Integer],
    ),
    table(
        "stl_window",
        &[Window],
        columns!["is_diskbased" FLAG, "workmem" BigInt],
    ),
    table(
        "svl_query_report",
        &[],
        &[
            ("userid", Integer),
            ("query", Integer),
            ("slice", Integer),
            ("segment", Integer),
            ("step", Integer),
            ("start_time", Timestamp),
            ("end_time", Timestamp),
            ("elapsed_time", BigInt),
            ("rows", BigInt),
            ("bytes", BigInt),
            ("label", Char(256)),
            ("is_diskbased", FLAG),
            ("workmem", BigInt),
            ("is_rrscan", FLAG),
            ("is_delayed_scan", FLAG),
            ("rows_pre_filter", BigInt),
        ],
    ),
];

impl SystemTable for TableOfSteps {
    fn schema(&self) -> &'static str {
        "pg_catalog"
    }

    fn name(&self) -> &'static str {
        self.name
    }

    fn columns(&self) -> &[(&'static str, SqlType)] {
        self.columns
    }

    fn rows(&self, ctx: &SystemContext, rows: &mut Rows) -> Result<()> {
        let queries = ctx.server.history.executed_queries();
        for query in queries.filter(|query| ctx.sees(query.userid)) {
            let steps = query.executed.steps.iter();
            let shown = |step: &&Step| self.kinds.is_empty() || self.kinds.contains(&step.kind);
            for step in steps.filter(shown) {
                for (slice, work) in step.slices.iter() {
                    let place = Place {
                        query: &query,
                        step,
                        slice,
                        work,
                    };
                    rows.push(self.columns.iter().map(|(name, _)| place.cell(name)));
                }
            }
        }
        Ok(())
    }
}

/// A step on a slice.
struct Place<'a> {
    query: &'a ExecutedQuery,
    step: &'a Step,
    slice: i32,
    work: &'a Work,
}

pub(super) fn flag(value: bool) -> Cell {
    if value { "t" } else { "f" }.into()
}

impl Place<'_> {
    /// Gives a column by its name; null for what is not measured here.
    fn cell(&self, column: &str) -> Cell {
        let (step, work) = (self.step, self.work);
        match column {
            "userid" => self.query.userid.into(),
            "query" => self.query.query.into(),
            "slice" => self.slice.into(),
            "segment" => step.segment.into(),
            "step" => step.step.into(),
            "starttime" | "start_time" => work.started_us.into(),
            "endtime" | "end_time" => work.ended_us.into(),
            "elapsed_time" => (work.ended_us - work.started_us).into(),
            "rows" => work.rows.into(),
            "bytes" => work.bytes.into(),
            "label" => step.label().into(),
            "tbl" => step.table.as_ref().map(StepTable::id).into(),
            "perm_table_name" => step.table.as_ref().map(StepTable::name).into(),
            "is_diskbased" => flag(work.spilled_bytes > 0),
            "workmem" => work.memory.into(),
            "is_rrscan" => flag(step.is_range_restricted),
            "rows_pre_filter" => work.rows_scanned.into(),
            "fetches" => work.blocks_read.into(),
            // 1 is a scan of what the network brought, 2 of a user's table on disk, 4 of a work table.
            "type" if step.kind == Scan => match step.table {
                Some(StepTable::Stored { .. }) => 2,
                Some(StepTable::Work(_)) => 4,
                None => 1,
            }
            .into(),
            "num_parts" => step.slices.len().into(),
            // Rows are written where they stay, none of them apart from the others.
            "inserted_mega_value" | "use_staging_table" => flag(false),
            _ => Cell::Null,
        }
    }
}
