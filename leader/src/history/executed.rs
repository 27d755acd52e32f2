//! What queries did: their plans as text, their steps with the work of every slice, and advice.
//!
//! They come from the planner's log of plans when the statement has ended.

use super::external::{ExternalQuery, RemoteQuery};
use super::{History, lock};
use blueshift_compute::profile::{self, Step, StepKind, StepTable};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::VecDeque;
use std::sync::Arc;

/// How much of all queries together is kept, in bytes, estimated.
const BYTES_MAX: usize = 64 << 20;
/// Rows moved that are worth an alert. Source: Redshift's guide, STL_ALERT_EVENT_LOG.
const MANY_ROWS: u64 = 1_000_000;
/// Part of the scanned rows below which a filter is very selective. Source: as above.
const SELECTIVE: f64 = 0.05;
/// Scans of fewer rows need no advice on sort keys.
const FEW_ROWS: u64 = 100_000;

/// A line of a plan with what is told below it.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub struct PlanNode {
    /// How deep it stands; 0 at the top.
    pub depth: usize,
    /// The node's number, from 1.
    pub id: usize,
    /// The number of the node that takes its rows; 0 at the top.
    pub parent: usize,
    /// Cost up to the first row.
    pub startup_cost: f64,
    /// Cost up to the last row.
    pub total_cost: f64,
    /// Rows expected.
    pub rows: f64,
    /// Bytes of a row expected.
    pub width: f64,
    /// What it is: `XN Seq Scan on sales`.
    pub title: String,
    /// Its details, one per line.
    pub info: Vec<String>,
    /// What it really did, which only EXPLAIN ANALYZE tells; it is not kept.
    #[serde(skip)]
    pub measured: String,
}

impl PlanNode {
    /// Gives the line as EXPLAIN prints it: `  ->  XN Seq Scan on sales  (cost=0.00..0.10 rows=10 width=4)`.
    pub fn line(&self) -> String {
        let arrow = match self.depth {
            0 => String::new(),
            depth => format!("{}->  ", " ".repeat(depth * 6 - 4)),
        };
        format!(
            "{arrow}{}  (cost={:.2}..{:.2} rows={:.0} width={:.0}){}",
            self.title, self.startup_cost, self.total_cost, self.rows, self.width, self.measured
        )
    }
}

/// What the plans of a statement did.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
pub struct Executed {
    /// The plan's lines, each plan's after those of the one that ran before.
    pub nodes: Vec<PlanNode>,
    /// The steps.
    pub steps: Vec<Step>,
    /// What row-level security did.
    pub secured: Vec<Secured>,
    /// What was read of external tables.
    pub external: Vec<ExternalQuery>,
    /// What was read of live databases.
    pub remote: Vec<RemoteQuery>,
}

/// Row-level security of a table in a query: SVV_RLS_APPLIED_POLICY.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Secured {
    /// The table's oid.
    pub table: u32,
    /// The table's schema.
    pub schema: String,
    /// The table's name.
    pub name: String,
    /// What the query does with the rows: `s`, `u` or `d`.
    pub command: char,
    /// The policy that chose the rows; `None` if there was none for the user, who saw nothing.
    pub policy: Option<String>,
}

impl Executed {
    /// Tells whether it did nothing that is worth keeping.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty() && self.secured.is_empty()
    }

    /// Adds a plan that ran after those before.
    pub fn add(&mut self, plan: Self) {
        let Self {
            nodes,
            steps,
            secured,
            mut external,
            mut remote,
        } = plan;
        for one in secured {
            if !self.secured.contains(&one) {
                self.secured.push(one);
            }
        }
        let segments = self.steps.iter().map(|step| step.segment + 1).max();
        for one in &mut external {
            one.segment += segments.unwrap_or(0);
        }
        self.external.append(&mut external);
        for one in &mut remote {
            one.segment += segments.unwrap_or(0);
        }
        self.remote.append(&mut remote);
        profile::append(&mut self.steps, steps);
        let before = self.nodes.len();
        self.nodes.extend(nodes.into_iter().map(|mut node| {
            node.id += before;
            if node.parent > 0 {
                node.parent += before;
            }
            node
        }));
    }

    /// Gives the rows that went to the client.
    pub fn returned(&self) -> (u64, u64) {
        let last = self
            .steps
            .iter()
            .max_by_key(|step| (step.segment, step.step));
        match last {
            Some(step) if step.kind == StepKind::Return => {
                (step.sum(|work| work.rows), step.sum(|work| work.bytes))
            }
            _ => (0, 0),
        }
    }
}

/// Advice on a query: STL_ALERT_EVENT_LOG.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Alert {
    /// The segment it is about.
    pub segment: u32,
    /// The step it is about.
    pub step: u32,
    /// What was seen.
    pub event: String,
    /// What to do.
    pub solution: Cow<'static, str>,
}

/// A query that ended, with what it did: STL_EXPLAIN, STL_SCAN and its like, SVL_QUERY_REPORT.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub struct ExecutedQuery {
    /// The user's oid.
    pub userid: u32,
    /// The query id.
    pub query: i64,
    /// The transaction id.
    pub xid: i64,
    /// The process id of the session.
    pub pid: i32,
    /// When it ended, in microseconds since 1970.
    pub endtime_us: i64,
    /// What it did.
    pub executed: Executed,
    /// Advice.
    pub alerts: Vec<Alert>,
}

/// A query that ended, as it is kept: packed, as most are never looked at. It is a tenth of what it is when read, and
/// one piece of memory.
#[derive(Clone, Debug)]
pub struct PackedQuery(Box<[u8]>);

/// What most packed queries take at most.
const PACKED_BYTES: usize = 4096;
/// The first byte of a packed query: the way it is packed. What is packed otherwise is not read.
const PACKING: u8 = 1;

impl PackedQuery {
    fn new(query: &ExecutedQuery) -> Option<Self> {
        let mut packing = Vec::with_capacity(PACKED_BYTES);
        packing.push(PACKING);
        let packed = postcard::to_extend(query, packing);
        let packed = packed.inspect_err(|error| tracing::warn!(%error, "a query is not kept"));
        Some(Self(packed.ok()?.into()))
    }

    /// Takes what [`Self::bytes`] gave.
    pub fn from_bytes(bytes: &[u8]) -> Self {
        Self(bytes.into())
    }

    /// Gives what is kept.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Reads it; `None` if another version of the server packed it in another way.
    pub fn read(&self) -> Option<ExecutedQuery> {
        let packed = self.0.strip_prefix(&[PACKING])?;
        postcard::from_bytes(packed).ok()
    }
}

/// Queries that ended, up to a number of bytes.
#[derive(Debug, Default)]
pub struct ExecutedQueries {
    queries: VecDeque<Arc<PackedQuery>>,
    bytes: usize,
    added: u64,
}

impl ExecutedQueries {
    /// Gives the queries added since `seen` were, as far as they are still here, and notes them as seen.
    pub fn since(&self, seen: &mut u64) -> Vec<Arc<PackedQuery>> {
        let news = usize::try_from(self.added - *seen).unwrap_or(usize::MAX);
        *seen = self.added;
        let skipped = self.queries.len().saturating_sub(news);
        self.queries.iter().skip(skipped).map(Arc::clone).collect()
    }

    /// Adds a query; the oldest go when there are too many bytes.
    pub fn push(&mut self, query: Arc<PackedQuery>) {
        self.bytes += query.bytes().len();
        self.added += 1;
        self.queries.push_back(query);
        while self.bytes > BYTES_MAX {
            let Some(query) = self.queries.pop_front() else {
                break;
            };
            self.bytes -= query.bytes().len();
        }
    }
}

impl History {
    /// Keeps what a statement did.
    pub fn executed(&self, mut query: ExecutedQuery) {
        if self.is_off {
            return;
        }
        query.alerts = self.alerts(&query.executed);
        if let Some(query) = PackedQuery::new(&query) {
            lock(&self.executed).push(Arc::new(query));
        }
    }

    /// Reads the queries of which steps are known one after another, oldest first.
    pub fn executed_queries(&self) -> impl Iterator<Item = ExecutedQuery> + use<> {
        self.later.settle();
        let queries: Vec<_> = lock(&self.executed).queries.iter().cloned().collect();
        queries.into_iter().filter_map(|query| query.read())
    }

    /// Source of the conditions: Redshift's guide, STL_ALERT_EVENT_LOG.
    fn alerts(&self, executed: &Executed) -> Vec<Alert> {
        let mut alerts = Vec::new();
        for step in &executed.steps {
            let rows = step.sum(|work| work.rows);
            let mut alert = |event: String, solution: &'static str| {
                alerts.push(Alert {
                    segment: step.segment,
                    step: step.step,
                    event,
                    solution: solution.into(),
                });
            };
            match (step.kind, &step.table) {
                (StepKind::NestedLoop, _) => alert(
                    "Nested Loop Join in the query plan".to_owned(),
                    "Review the join predicates to avoid Cartesian products",
                ),
                (StepKind::Distribute, _) if rows > MANY_ROWS => alert(
                    format!("Distributed a large number of rows across the network:rows={rows}"),
                    "Review the choice of distribution key to collocate the join or aggregation",
                ),
                (StepKind::Broadcast, _) if rows > MANY_ROWS => alert(
                    format!("Broadcasted a large number of rows across the network:rows={rows}"),
                    "Review the choice of distribution key to collocate the join and consider using distributed tables",
                ),
                (StepKind::Scan, Some(StepTable::Stored { id, .. })) => {
                    let scanned = step.sum(|work| work.rows_scanned);
                    let ratio = rows as f64 / scanned.max(1) as f64;
                    if scanned >= FEW_ROWS && ratio < SELECTIVE {
                        let event = format!(
                            "Very selective query filter:ratio=rows({rows})/rows_pre_user_filter({scanned})={ratio:.6}"
                        );
                        alert(
                            event,
                            "Review the choice of sort key to enable range restricted scanning, or run the VACUUM command to ensure the table is sorted",
                        );
                    }
                    if scanned > 0 && self.statistics.last_analyze(*id).is_none() {
                        alert(
                            "Missing query planner statistics".to_owned(),
                            "Run the ANALYZE command",
                        );
                    }
                }
                _ => {}
            }
        }
        alerts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_is_read_again() {
        let node = PlanNode {
            depth: 0,
            id: 1,
            parent: 0,
            startup_cost: 0.0,
            total_cost: 10.5,
            rows: 1e10,
            width: 4.0,
            title: "XN Seq Scan on sales".to_owned(),
            info: vec!["Filter: (qty > 3)".to_owned()],
            measured: String::new(),
        };
        let work = profile::Work {
            rows: 7,
            started_us: -1,
            ..profile::Work::default()
        };
        let step = Step {
            stream: 0,
            segment: 1,
            step: 2,
            kind: StepKind::Scan,
            table: Some(StepTable::Stored {
                id: 108,
                name: "sales".into(),
            }),
            is_range_restricted: true,
            slices: [(0, work), (profile::LEADER_SLICE, profile::Work::default())].into(),
        };
        let query = ExecutedQuery {
            userid: 100,
            query: 1 << 40,
            xid: 12,
            pid: -3,
            endtime_us: 5,
            executed: Executed {
                nodes: vec![node],
                steps: vec![step],
                secured: vec![Secured {
                    table: 108,
                    schema: "public".to_owned(),
                    name: "sales".to_owned(),
                    command: 's',
                    policy: None,
                }],
                external: vec![ExternalQuery::default()],
                remote: Vec::new(),
            },
            alerts: vec![Alert {
                segment: 1,
                step: 2,
                event: "much".to_owned(),
                solution: "less".into(),
            }],
        };
        let packed = PackedQuery::new(&query).expect("packed");
        assert_eq!(packed.read().as_ref(), Some(&query));
        let kept = PackedQuery::from_bytes(packed.bytes());
        assert_eq!(kept.read().as_ref(), Some(&query));
        let (_, cut) = packed.bytes().split_last().expect("bytes");
        assert_eq!(PackedQuery::from_bytes(cut).read(), None);
    }
}
