//! Answers of queries that may be asked again, until a table they read has another version.
//!
//! A question is what the binder made of a statement, so names are resolved, rights are checked and policies stand in
//! it before anything is looked up, and two texts that mean the same are one question. The versions of the tables are
//! no part of the question: an answer belongs to them, and is one as long as the asker's read view has the very same.
//! They are held weakly, so an answer keeps no file alive.

mod keep;
#[cfg(test)]
mod tests;

pub use keep::Keep;

use crate::catalog::database::TEMP_SCHEMA_PREFIX;
use crate::catalog::{Oid, User};
use crate::history::{ResultSource, lock};
use crate::settings::Settings;
use arrow::array::RecordBatch;
use arrow_schema::SchemaRef;
use blueshift_compute::scan::StoredTable;
use blueshift_storage::TableId;
use blueshift_storage::store::Store;
use blueshift_storage::store::version::TableVersion;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Result, ScalarValue};
use datafusion::datasource::source_as_provider;
use datafusion::logical_expr::builder::LogicalTableSource;
use datafusion::logical_expr::expr::{AggregateFunction, WindowFunction};
use datafusion::logical_expr::{
    Expr, LogicalPlan, TableScan, Volatility, WindowFunctionDefinition,
};
use std::any::Any;
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};

/// The setting that turns it off.
pub const SETTING: &str = "enable_result_cache_for_session";

/// What all answers take at most if nothing else is said.
pub const CACHE_BYTES: usize = 64 << 20;

/// What one answer takes at most.
pub const RESULT_BYTES_MAX: usize = 1 << 20;

/// Answers kept at most.
const RESULTS_MAX: usize = 10_000;

/// Parts of the expressions of a question: longer ones are not worth comparing.
const PARTS_MAX: usize = 4_000;

/// What an answer takes beside its rows and its question, about.
const ANSWER_BYTES: usize = 2 << 10;

/// A plan in memory is about so many times what is hashed of it.
const PLAN_FACTOR: usize = 4;

/// After so many answers those that nobody can ask for any more are looked for.
const SWEEP_EVERY: u64 = 64;

/// Functions that give the same as long as the session's settings, user and databases are the same, all of which are
/// part of a question. Others that are not immutable, such as GETDATE, keep a query from being remembered.
const SETTLED: [&str; 28] = [
    "blueshift_local",
    "blueshift_local_date",
    "blueshift_local_time",
    "blueshift_read_date",
    "blueshift_read_time",
    "blueshift_read_timestamp",
    "blueshift_read_timestamptz",
    "blueshift_text",
    "blueshift_timetz",
    "blueshift_zoned",
    "current_user",
    "current_user_id",
    "current_user_name",
    "date_cmp",
    "date_cmp_timestamp",
    "date_cmp_timestamptz",
    "date_part",
    "date_trunc",
    "extract",
    "session_user",
    "timestamp_cmp",
    "timestamp_cmp_date",
    "timestamp_cmp_timestamptz",
    "timestamptz_cmp",
    "timestamptz_cmp_date",
    "timestamptz_cmp_timestamp",
    "to_char",
    "user",
];

/// Reads any setting, so that all of them are part of the question.
const READS_SETTINGS: &str = "current_setting";

/// Settings that change how a statement runs and not what it answers. The search path is not among what is left: it is
/// used up by the binder.
const HARMLESS: [&str; 22] = [
    "application_name",
    "client_min_messages",
    "default_transaction_isolation",
    "default_transaction_read_only",
    SETTING,
    "external_scan_bytes_per_day",
    "external_scan_bytes_per_query",
    "idle_in_transaction_session_timeout",
    "idle_session_timeout",
    "is_superuser",
    "lock_timeout",
    "max_cursor_result_set_size",
    "mv_enable_aqmv_for_session",
    "query_group",
    "search_path",
    "seed",
    "session_authorization",
    "statement_timeout",
    "stored_proc_log_min_messages",
    "transaction_isolation",
    "transaction_read_only",
    "wlm_query_slot_count",
];

/// Who asks, and how.
pub struct Asker<'a> {
    /// Who.
    pub user: &'a User,
    /// The database the session is connected to, and the one it uses.
    pub databases: (Oid, Option<Oid>),
    /// The session's parameters.
    pub settings: &'a Settings,
    /// Values of `$1`...
    pub parameters: &'a [ScalarValue],
}

/// A query whose answer may be kept.
pub struct Question {
    hash: u64,
    plan: LogicalPlan,
    parameters: Vec<ScalarValue>,
    user: (Oid, String),
    databases: (Oid, Option<Oid>),
    settings: Vec<(String, String)>,
    /// The tables it reads, in the order of the plan.
    tables: Vec<Read>,
    /// What it takes in memory, about.
    bytes: usize,
}

/// A table as a question saw it.
struct Read {
    table: TableId,
    version: Weak<TableVersion>,
    /// Its columns by name and type: they may change without the version.
    schema: SchemaRef,
}

impl PartialEq for Read {
    fn eq(&self, other: &Self) -> bool {
        Weak::ptr_eq(&self.version, &other.version) && self.schema == other.schema
    }
}

/// An answer.
pub struct Known {
    question: Question,
    /// The columns of the query, with their SQL types.
    pub columns: SchemaRef,
    /// The rows.
    pub rows: RecordBatch,
    /// The query that computed them.
    pub source: ResultSource,
    bytes: usize,
    /// When it was last asked for, on the clock of the cache.
    used: AtomicU64,
}

/// The answers of a server.
#[derive(Default)]
pub struct ResultCache {
    bytes_max: usize,
    kept: Mutex<Kept>,
    clock: AtomicU64,
    hits: AtomicU64,
    misses: AtomicU64,
}

#[derive(Default)]
struct Kept {
    /// By the hash of the question.
    answers: HashMap<u64, Vec<Arc<Known>>>,
    count: usize,
    bytes: usize,
}

/// What a cache of results has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ResultCacheFigures {
    /// Queries it answered.
    pub hits: u64,
    /// Queries it could have answered.
    pub misses: u64,
    /// Answers in it.
    pub results: usize,
    /// Their bytes.
    pub bytes: usize,
}

impl Question {
    /// Makes a question of a bound query. `None` if it asks for something else each time, or for what has no versions:
    /// volatile functions, temporary, system and external tables; and if it reads no table at all.
    pub fn of(bound: &LogicalPlan, asker: &Asker<'_>) -> Option<Self> {
        let found = Found::in_plan(bound)?;
        let changed = asker.settings.changed();
        let shaping = changed.filter(|(name, _)| found.reads_settings || !HARMLESS.contains(name));
        let settings = shaping.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let mut question = Self {
            hash: 0,
            plan: bound.clone(),
            parameters: asker.parameters.to_vec(),
            user: (asker.user.oid, asker.user.name.clone()),
            databases: asker.databases,
            settings: settings.collect(),
            tables: found.tables,
            bytes: 0,
        };
        let mut hasher = Counting::default();
        question.plan.hash(&mut hasher);
        question.parameters.hash(&mut hasher);
        question.user.hash(&mut hasher);
        question.databases.hash(&mut hasher);
        question.settings.hash(&mut hasher);
        question.hash = hasher.finish();
        question.bytes = hasher.bytes * PLAN_FACTOR + ANSWER_BYTES;
        Some(question)
    }

    /// Tells whether another asks the same, of whatever versions.
    fn is_same(&self, other: &Self) -> bool {
        self.hash == other.hash
            && self.user == other.user
            && self.databases == other.databases
            && self.settings == other.settings
            && self.parameters == other.parameters
            && self.plan == other.plan
    }

    /// Tells whether its tables are as last committed: an answer to a reader of old versions is of no use to others.
    fn is_current(&self, store: &Store) -> bool {
        let view = store.read_view();
        self.tables.iter().all(|read| {
            let now = view.table(read.table);
            now.is_ok_and(|now| std::ptr::eq(Arc::as_ptr(now), read.version.as_ptr()))
        })
    }

    /// Tells whether nobody can see its tables as they were any more.
    fn is_over(&self) -> bool {
        let mut tables = self.tables.iter();
        tables.any(|read| read.version.strong_count() == 0)
    }

    /// Takes the tables out of the plan, which would hold on to their versions.
    fn without_tables(mut self) -> Result<Self> {
        let plan = self.plan.transform_up_with_subqueries(|node| match node {
            LogicalPlan::TableScan(scan) => {
                let source = Arc::new(LogicalTableSource::new(scan.source.schema()));
                let scan = TableScan { source, ..scan };
                Ok(Transformed::yes(LogicalPlan::TableScan(scan)))
            }
            node => Ok(Transformed::no(node)),
        })?;
        self.plan = plan.data;
        Ok(self)
    }
}

/// What stands in a plan.
#[derive(Default)]
struct Found {
    tables: Vec<Read>,
    reads_settings: bool,
    parts: usize,
}

impl Found {
    /// Looks through a plan; `None` if its answer cannot be kept.
    fn in_plan(plan: &LogicalPlan) -> Option<Self> {
        let mut found = Self::default();
        let mut is_fit = true;
        let walked = plan.apply_with_subqueries(|node| {
            found.parts += 1;
            is_fit &= found.add_table(node);
            node.apply_expressions(|expr| {
                is_fit &= !expr.exists(|part| Ok(!found.add_part(part)))?;
                Ok(TreeNodeRecursion::Continue)
            })?;
            Ok(match is_fit {
                true => TreeNodeRecursion::Continue,
                false => TreeNodeRecursion::Stop,
            })
        });
        (walked.is_ok() && is_fit && !found.tables.is_empty()).then_some(found)
    }

    /// Notes the table of a node; `false` if it is none of ours, or temporary.
    fn add_table(&mut self, node: &LogicalPlan) -> bool {
        let LogicalPlan::TableScan(scan) = node else {
            return true;
        };
        let Ok(provider) = source_as_provider(&scan.source) else {
            return false;
        };
        let provider: &dyn Any = provider.as_ref();
        let Some(stored) = provider.downcast_ref::<StoredTable>() else {
            return false;
        };
        if stored.name.starts_with(TEMP_SCHEMA_PREFIX) {
            return false;
        }
        self.tables.push(Read {
            table: stored.version.id,
            version: Arc::downgrade(&stored.version),
            schema: Arc::clone(&stored.schema),
        });
        true
    }

    /// Looks at a part of an expression; `false` if it may give something else the next time.
    fn add_part(&mut self, part: &Expr) -> bool {
        self.parts += 1;
        self.parts <= PARTS_MAX
            && match part {
                Expr::ScalarFunction(call) => {
                    let name = call.func.name();
                    self.reads_settings |= name == READS_SETTINGS;
                    match call.func.signature().volatility {
                        Volatility::Immutable => true,
                        Volatility::Stable => name == READS_SETTINGS || SETTLED.contains(&name),
                        Volatility::Volatile => false,
                    }
                }
                Expr::AggregateFunction(AggregateFunction { func, .. }) => {
                    func.signature().volatility == Volatility::Immutable
                }
                Expr::WindowFunction(window) => {
                    let WindowFunction { fun, .. } = window.as_ref();
                    let signature = match fun {
                        WindowFunctionDefinition::AggregateUDF(function) => function.signature(),
                        WindowFunctionDefinition::WindowUDF(function) => function.signature(),
                    };
                    signature.volatility == Volatility::Immutable
                }
                Expr::ScalarVariable(..) | Expr::HigherOrderFunction(_) => false,
                _ => true,
            }
    }
}

/// A hasher that knows how much it was given.
#[derive(Default)]
struct Counting {
    hasher: DefaultHasher,
    bytes: usize,
}

impl Hasher for Counting {
    fn finish(&self) -> u64 {
        self.hasher.finish()
    }

    fn write(&mut self, bytes: &[u8]) {
        self.bytes += bytes.len();
        self.hasher.write(bytes);
    }
}

impl ResultCache {
    /// Makes a cache of so many bytes; of 0 it keeps nothing.
    pub fn new(bytes_max: usize) -> Self {
        Self {
            bytes_max,
            ..Self::default()
        }
    }

    /// Gives the answer to a question, if there is one for the versions that its asker sees.
    pub fn get(&self, question: &Question) -> Option<Arc<Known>> {
        // Compared without the lock.
        let alike = lock(&self.kept).answers.get(&question.hash).cloned();
        let mut alike = alike.into_iter().flatten();
        let known = alike.find(|known| {
            known.question.tables == question.tables && known.question.is_same(question)
        });
        match &known {
            Some(known) => {
                known.used.store(self.tick(), Ordering::Relaxed);
                self.hits.fetch_add(1, Ordering::Relaxed);
            }
            None => {
                self.misses.fetch_add(1, Ordering::Relaxed);
            }
        }
        known
    }

    /// Gives what it has done.
    pub fn figures(&self) -> ResultCacheFigures {
        let kept = lock(&self.kept);
        ResultCacheFigures {
            hits: self.hits.load(Ordering::Relaxed),
            misses: self.misses.load(Ordering::Relaxed),
            results: kept.count,
            bytes: kept.bytes,
        }
    }

    /// Forgets all answers.
    pub fn clear(&self) {
        *lock(&self.kept) = Kept::default();
    }

    fn tick(&self) -> u64 {
        self.clock.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Keeps an answer, in the place of one for other versions.
    fn put(&self, question: Question, columns: SchemaRef, rows: RecordBatch, query: i64) {
        let rows_bytes = rows.get_array_memory_size();
        let bytes = rows_bytes + question.bytes;
        if rows_bytes > RESULT_BYTES_MAX || bytes > self.bytes_max {
            return;
        }
        let Ok(question) = question.without_tables() else {
            return;
        };
        let used = self.tick();
        let known = Known {
            source: ResultSource {
                query,
                rows: rows.num_rows() as u64,
                bytes: rows_bytes as u64,
            },
            question,
            columns,
            rows,
            bytes,
            used: AtomicU64::new(used),
        };
        let mut kept = lock(&self.kept);
        kept.forget(known.question.hash, |other| {
            other.question.is_same(&known.question)
        });
        if used.is_multiple_of(SWEEP_EVERY) {
            kept.forget_all(|other| other.question.is_over());
        }
        if kept.bytes + bytes > self.bytes_max || kept.count >= RESULTS_MAX {
            kept.make_room(self.bytes_max.saturating_sub(bytes));
        }
        kept.bytes += bytes;
        kept.count += 1;
        let hash = known.question.hash;
        kept.answers.entry(hash).or_default().push(Arc::new(known));
    }
}

impl Kept {
    /// Lets go of answers under one hash.
    fn forget(&mut self, hash: u64, is_meant: impl Fn(&Known) -> bool) {
        let Some(alike) = self.answers.get_mut(&hash) else {
            return;
        };
        alike.retain(|known| {
            let goes = is_meant(known);
            if goes {
                self.bytes -= known.bytes;
                self.count -= 1;
            }
            !goes
        });
        if alike.is_empty() {
            self.answers.remove(&hash);
        }
    }

    /// Lets go of answers wherever they are.
    fn forget_all(&mut self, is_meant: impl Fn(&Known) -> bool) {
        let hashes: Vec<u64> = self.answers.keys().copied().collect();
        for hash in hashes {
            self.forget(hash, &is_meant);
        }
    }

    /// Lets go of what nobody can ask for, then of what was not asked for the longest, down to `bytes` less an eighth.
    fn make_room(&mut self, bytes: usize) {
        self.forget_all(|known| known.question.is_over());
        let mut by_use: Vec<(u64, usize)> = self
            .answers
            .values()
            .flatten()
            .map(|known| (known.used.load(Ordering::Relaxed), known.bytes))
            .collect();
        by_use.sort_unstable();
        let (bytes, count) = (bytes - bytes / 8, RESULTS_MAX - RESULTS_MAX / 8);
        let (mut left, mut left_bytes, mut oldest) = (self.count, self.bytes, 0);
        for (used, freed) in by_use {
            if left_bytes <= bytes && left <= count {
                break;
            }
            (left, left_bytes, oldest) = (left - 1, left_bytes.saturating_sub(freed), used);
        }
        self.forget_all(|known| known.used.load(Ordering::Relaxed) <= oldest);
    }
}
