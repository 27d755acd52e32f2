//! `stl_query_metrics` and `stv_query_metrics`: what queries took, as a whole, by segment and by step. Source of the
//! numbers of step types: Redshift's guide, STV_QUERY_METRICS.

use crate::error::Result;
use crate::history::wlm::Attempt;
use crate::history::{lock, now_us};
use crate::system::rows::{Cell, Rows};
use crate::system::{SystemContext, SystemTable};
use blueshift_compute::profile::{LEADER_SLICE, Step, StepKind, StepTable, Work};
use blueshift_sql::SqlType::{self, BigInt, Char, Integer, Timestamp};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// What a query's queue was.
#[derive(Clone)]
struct InQueue {
    class: i32,
    name: Arc<str>,
    priority: Option<Arc<str>>,
    waited_us: i64,
}

impl InQueue {
    /// Gives the default queue, for what was in none.
    fn default_of(ctx: &SystemContext) -> Self {
        let config = ctx.server.wlm.config();
        let queue = config.queues.last();
        Self {
            class: config.default_class(),
            name: queue.map_or_else(Arc::default, |queue| Arc::clone(&queue.name)),
            priority: None,
            waited_us: 0,
        }
    }
}

/// A table of metrics.
pub struct QueryMetrics {
    name: &'static str,
    is_live: bool,
}

/// Those of queries that ended.
pub static ENDED: QueryMetrics = QueryMetrics {
    name: "stl_query_metrics",
    is_live: false,
};

/// Those of queries that run.
pub static LIVE: QueryMetrics = QueryMetrics {
    name: "stv_query_metrics",
    is_live: true,
};

impl SystemTable for QueryMetrics {
    fn schema(&self) -> &'static str {
        "pg_catalog"
    }

    fn name(&self) -> &'static str {
        self.name
    }

    fn columns(&self) -> &'static [(&'static str, SqlType)] {
        &[
            ("userid", Integer),
            ("service_class", Integer),
            ("query", Integer),
            ("segment", Integer),
            ("step_type", Integer),
            ("starttime", Timestamp),
            ("slices", Integer),
            ("max_rows", BigInt),
            ("rows", BigInt),
            ("max_cpu_time", BigInt),
            ("cpu_time", BigInt),
            ("max_blocks_read", Integer),
            ("blocks_read", BigInt),
            ("max_run_time", BigInt),
            ("run_time", BigInt),
            ("max_blocks_to_disk", BigInt),
            ("blocks_to_disk", BigInt),
            ("step", Integer),
            ("max_query_scan_size", BigInt),
            ("query_scan_size", BigInt),
            ("query_priority", Char(20)),
            ("query_queue_time", BigInt),
            ("service_class_name", Char(64)),
        ]
    }

    fn rows(&self, ctx: &SystemContext, rows: &mut Rows) -> Result<()> {
        let history = &ctx.server.history;
        let default = InQueue::default_of(ctx);
        if self.is_live {
            let now = now_us();
            let jobs = ctx.server.wlm.jobs().into_iter().map(|state| {
                let queue = InQueue {
                    class: state.job.class,
                    priority: state.is_automatic.then(|| state.job.priority.name().into()),
                    waited_us: state.job.waited_us(now),
                    name: state.class_name,
                };
                (state.job.arrival.query, queue)
            });
            let queues: HashMap<i64, InQueue> = jobs.collect();
            for running in history.running() {
                if ctx.sees(running.userid) {
                    let queue = queues.get(&running.query).unwrap_or(&default);
                    let whose = (running.userid, running.query, queue);
                    push(rows, whose, &running.plans.steps());
                }
            }
            return Ok(());
        }
        let ended = lock(&history.queries);
        let ended = ended.iter().filter_map(|query| {
            let last = query.wlm.last()?;
            let queue = InQueue {
                class: last.service_class,
                name: Arc::clone(&last.service_class_name),
                priority: last.priority.clone(),
                waited_us: query.wlm.iter().map(Attempt::queue_us).sum(),
            };
            Some((query.query, queue))
        });
        let queues: HashMap<i64, InQueue> = ended.collect();
        for query in history.executed_queries() {
            if ctx.sees(query.userid) {
                let queue = queues.get(&query.query).unwrap_or(&default);
                let whose = (query.userid, query.query, queue);
                push(rows, whose, &query.executed.steps);
            }
        }
        Ok(())
    }
}

fn step_type(kind: StepKind, is_on_leader: bool) -> i32 {
    match kind {
        StepKind::Scan => 1,
        StepKind::Insert => 2,
        StepKind::Aggregate => 3,
        StepKind::Sort => 6,
        StepKind::Merge => 7,
        StepKind::Distribute => 8,
        StepKind::Broadcast => 9,
        StepKind::HashJoin => 10,
        StepKind::MergeJoin => 11,
        StepKind::Save => 12,
        StepKind::Hash => 14,
        StepKind::NestedLoop => 15,
        StepKind::Project => 16,
        StepKind::Limit => 17,
        StepKind::Unique => 18,
        StepKind::Delete => 20,
        StepKind::Window => 29,
        StepKind::Return if is_on_leader => 37,
        StepKind::Return => 38,
    }
}

/// What slices did, added up over steps.
#[derive(Default)]
struct Totals {
    slices: BTreeMap<i32, Figures>,
    started_us: Option<i64>,
    ended_us: i64,
}

/// What one slice did.
#[derive(Clone, Copy, Default)]
struct Figures {
    rows: u64,
    cpu_us: u64,
    blocks_read: u64,
    bytes_scanned: u64,
    bytes_spilled: u64,
    started_us: i64,
    ended_us: i64,
}

impl Totals {
    fn add(&mut self, step: &Step, slice: i32, work: &Work) {
        let figures = self.slices.entry(slice).or_default();
        let is_stored = matches!(step.table, Some(StepTable::Stored { .. }));
        let is_scan = step.kind == StepKind::Scan && is_stored;
        figures.rows += if is_scan {
            work.rows_scanned
        } else {
            work.rows
        };
        figures.cpu_us += work.compute_ns / 1_000;
        figures.blocks_read += work.blocks_read;
        figures.bytes_scanned += if is_scan { work.bytes } else { 0 };
        figures.bytes_spilled += work.spilled_bytes;
        if work.started_us == 0 {
            return;
        }
        figures.started_us = match figures.started_us {
            0 => work.started_us,
            first => first.min(work.started_us),
        };
        figures.ended_us = figures.ended_us.max(work.ended_us);
        let first = self.started_us.unwrap_or(i64::MAX);
        self.started_us = Some(first.min(work.started_us));
        self.ended_us = self.ended_us.max(work.ended_us);
    }

    /// Gives the greatest of a slice and the sum.
    fn of(&self, figure: impl Fn(&Figures) -> u64) -> (u64, u64) {
        let figures = || self.slices.values().map(&figure);
        (figures().max().unwrap_or(0), figures().sum())
    }
}

/// What a row is about.
#[derive(Clone, Copy)]
struct Place {
    segment: i64,
    step_type: i32,
    step: i64,
}

const WHOLE: Place = Place {
    segment: -1,
    step_type: -1,
    step: -1,
};

/// Whose figures they are: the user, the query, its queue.
type Whose<'a> = (u32, i64, &'a InQueue);

fn push(rows: &mut Rows, whose: Whose<'_>, steps: &[Step]) {
    let mut whole = Totals::default();
    let mut segments: BTreeMap<u32, Totals> = BTreeMap::new();
    let mut single = Vec::new();
    for step in steps {
        let mut own = Totals::default();
        for (slice, work) in step.slices.iter() {
            own.add(step, slice, work);
            segments
                .entry(step.segment)
                .or_default()
                .add(step, slice, work);
            whole.add(step, slice, work);
        }
        let is_on_leader = step.slices.get(LEADER_SLICE).is_some();
        let place = Place {
            segment: step.segment.into(),
            step_type: step_type(step.kind, is_on_leader),
            step: step.step.into(),
        };
        single.push((place, own));
    }
    if whole.slices.is_empty() {
        return;
    }
    rows.push(cells(whose, WHOLE, &whole));
    for (segment, totals) in &segments {
        let place = Place {
            segment: (*segment).into(),
            ..WHOLE
        };
        rows.push(cells(whose, place, totals));
    }
    for (place, totals) in &single {
        rows.push(cells(whose, *place, totals));
    }
}

fn cells(whose: Whose<'_>, place: Place, totals: &Totals) -> [Cell; 23] {
    let (userid, query, queue) = whose;
    let is_step = place.step_type >= 0;
    let whole_time = |figures: &Figures| (figures.ended_us - figures.started_us).unsigned_abs();
    let (rows_max, rows) = totals.of(|figures| figures.rows);
    let (cpu_max, cpu) = totals.of(|figures| figures.cpu_us);
    let (read_max, read) = totals.of(|figures| figures.blocks_read);
    let (_, run) = totals.of(whole_time);
    let run_max = totals.ended_us - totals.started_us.unwrap_or(totals.ended_us);
    let (spilled_max, spilled) = totals.of(|figures| figures.bytes_spilled >> 20);
    let (scanned_max, scanned) = totals.of(|figures| figures.bytes_scanned >> 20);
    let compute = totals.slices.keys().filter(|slice| **slice != LEADER_SLICE);
    let of_step = |amount: u64| if is_step { amount.into() } else { Cell::Null };
    [
        userid.into(),
        queue.class.into(),
        query.into(),
        place.segment.into(),
        place.step_type.into(),
        totals.started_us.into(),
        compute.count().max(1).into(),
        of_step(rows_max),
        of_step(rows),
        cpu_max.into(),
        cpu.into(),
        read_max.into(),
        read.into(),
        run_max.into(),
        run.into(),
        spilled_max.into(),
        spilled.into(),
        place.step.into(),
        scanned_max.into(),
        scanned.into(),
        queue.priority.as_deref().unwrap_or("n/a").into(),
        queue.waited_us.into(),
        (&*queue.name).into(),
    ]
}
