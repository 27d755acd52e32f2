//! COPY on slices: sources, splits, parsing, checks, rejects, routing to slices, one list of row groups.

use crate::error::{Error, Result};
use crate::format::compression::Compression;
use crate::format::json::path::{self, Path};
use crate::node::Node;
use crate::object::ObjectPolicy;
use crate::write::{Router, WriteTarget, Written, joined};
use blueshift_sql::statement::copy::{Authorization, CopyFormat, CopyOptions, JsonMapping};
use blueshift_sql::{SqlState, SqlType};
use blueshift_storage::row_group::RowGroupRecord;
use serde::{Deserialize, Serialize};
use source::Location;
use ssh::Hosts;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::task::JoinSet;

mod columnar;
mod describe;
mod feed;
pub(crate) mod list;
mod manifest;
mod parse;
mod progress;
mod range;
mod reject;
mod rules;
mod source;
mod ssh;
mod watch;

pub(crate) use feed::{Feed, FileChunk};
pub(crate) use manifest::Manifest;
pub use progress::{LoadProgress, SliceProgress};
pub(crate) use range::RangeReader;
pub(crate) use reject::Rejects;
pub(crate) use source::Source;
pub use watch::{FoundFile, Watched, found, is_unchanged};

/// Chunks that may wait for a parser.
const CHUNKS_WAITING: usize = 4;

/// A column that is loaded, or filled with a constant.
#[derive(Clone, Debug)]
pub struct LoadColumn {
    /// Its name, for errors.
    pub name: String,
    /// Its SQL type, for lengths and errors.
    pub ty: SqlType,
    /// Whether null is refused.
    pub not_null: bool,
    /// Position among the fields of a line, or `None` if the column list leaves it out.
    pub field: Option<usize>,
    /// For a column left out: one row with its DEFAULT; null if `None`. Identity columns are filled by the
    /// write target.
    pub default: Option<arrow::array::ArrayRef>,
}

/// A COPY, resolved.
#[derive(Clone)]
pub struct LoadPlan {
    /// The table's name for messages.
    pub table_name: String,
    /// Where rows go.
    pub target: WriteTarget,
    /// The table's columns in order.
    pub columns: Vec<LoadColumn>,
    /// Fields expected per line.
    pub field_count: usize,
    /// `s3://bucket/prefix`, `file:///dir/prefix`, or the manifest's URL.
    pub source: String,
    /// The files to read, in the versions that were found before; `None` reads what the source has.
    pub files: Option<Arc<[FoundFile]>>,
    /// How to log in there.
    pub authorization: Authorization,
    /// Everything else.
    pub options: CopyOptions,
}

/// A row or file that was refused: one row of STL_LOAD_ERRORS. Or a field of a row that was loaded with some of its
/// characters replaced: one row of STL_REPLACEMENTS.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Reject {
    /// The slice that read it.
    pub slice: u32,
    /// The object's URL.
    pub filename: String,
    /// Line in the file, from 1.
    pub line_number: i64,
    /// The column, if one is to blame.
    pub colname: String,
    /// Its type as STL_LOAD_ERRORS prints it.
    pub ty: String,
    /// Its declared length.
    pub col_length: String,
    /// Offset in the line, bytes.
    pub position: i32,
    /// The line, at most 1 024 bytes.
    pub raw_line: String,
    /// The field, at most 1 024 bytes.
    pub raw_field_value: String,
    /// 1200 to 1224; 0 of a row of STL_REPLACEMENTS.
    pub err_code: i32,
    /// Redshift's text.
    pub err_reason: String,
}

/// A file that was read: one row of STL_FILE_SCAN, and of STL_LOAD_COMMITS.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct LoadedFile {
    /// The object's URL.
    pub filename: String,
    /// The slice that read it.
    pub slice: u32,
    /// Lines read.
    pub lines: u64,
    /// Bytes of text, after decompression.
    pub bytes: u64,
    /// Rows refused.
    pub errors: u64,
    /// Microseconds from the first request to the last line.
    pub duration_us: u64,
}

/// What a load made durable, to be committed at once.
#[derive(Debug, Default)]
pub struct Loaded {
    /// For the commit record.
    pub row_groups: Vec<RowGroupRecord>,
    /// Rows written.
    pub rows: u64,
    /// Rows refused within MAXERROR, at most a bounded number.
    pub rejects: Vec<Reject>,
    /// Rows refused in all.
    pub rejected: u64,
    /// Fields whose invalid characters were replaced, at most a bounded number.
    pub replaced: Vec<Reject>,
    /// Files read.
    pub files: Vec<LoadedFile>,
}

/// A failed load with the rows it refused, which outlive the rollback.
#[derive(Debug)]
pub struct LoadFailure {
    /// What the client sees.
    pub error: Error,
    /// For STL_LOAD_ERRORS.
    pub rejects: Vec<Reject>,
}

/// Loads. Reads, parses, sorts and encodes on all threads of the node; nothing is visible until the row groups
/// are committed. On failure nothing written is named. Dropping the future cancels the load.
pub async fn load(
    node: &Arc<Node>,
    plan: LoadPlan,
    progress: Arc<LoadProgress>,
) -> std::result::Result<Loaded, Box<LoadFailure>> {
    let rejects = Arc::new(Rejects::new(plan.options.max_error));
    let result = run(node, plan, progress, &rejects).await;
    let (kept, rejected) = rejects.take();
    match result {
        Ok(loaded) => Ok(Loaded {
            rejects: kept,
            rejected,
            replaced: rejects.take_replaced(),
            ..loaded
        }),
        Err(error) => Err(Box::new(LoadFailure {
            error,
            rejects: kept,
        })),
    }
}

/// Checks that a plan's options fit together and its source may be reached, before anything runs.
pub fn check(node: &Node, plan: &LoadPlan) -> Result<()> {
    rules::Rules::new(plan, None)?;
    if plan.options.ssh {
        ssh::ensure_allowed(&node.object_policy)?;
    }
    if let JsonMapping::Paths(url) = &plan.options.json {
        Location::parse(url)?.check(&node.object_policy)?;
    }
    Location::parse(&plan.source)?.check(&node.object_policy)
}

/// Reads the paths of a JSONPaths file. `None` if there is none, or none that names paths.
async fn json_paths(policy: &ObjectPolicy, plan: &LoadPlan) -> Result<Option<Vec<Path>>> {
    let JsonMapping::Paths(url) = &plan.options.json else {
        return Ok(None);
    };
    let file = source::read_paths(policy, plan, url).await?;
    path::parse_file(&file).map_err(|reason| {
        let message = format!("invalid JSONPaths file \"{url}\": {reason}");
        let state = SqlState::INVALID_PARAMETER_VALUE;
        Error::Sql(blueshift_sql::Error::new(state, message).with_hint(
            "Write {\"jsonpaths\": [\"$.first\", \"$.second[0]\"]} with a path for every column.",
        ))
    })
}

/// Where a load reads.
enum Origin {
    /// Files, listed.
    Files(Vec<Source>),
    /// Commands on other hosts.
    Hosts(Hosts),
}

impl Origin {
    async fn find(policy: &ObjectPolicy, plan: &LoadPlan, progress: &LoadProgress) -> Result<Self> {
        if plan.options.ssh {
            return Ok(Self::Hosts(Hosts::find(policy, plan).await?));
        }
        Ok(Self::Files(match progress.take_listed() {
            Some(sources) => sources,
            None => source::find(policy, plan).await?,
        }))
    }
}

/// Adds up the bytes of the files a plan would load, compressed as they are. Lists them, for the load too. What other hosts
/// would send is not known before.
pub async fn source_bytes(node: &Node, plan: &LoadPlan, progress: &LoadProgress) -> Result<u64> {
    if plan.options.ssh {
        return Ok(0);
    }
    let policy = node.object_policy.noting(&progress.requests);
    let sources = source::find(&policy, plan).await?;
    let bytes = sources.iter().map(|source| source.bytes).sum();
    progress.keep_listed(sources);
    Ok(bytes)
}

async fn run(
    node: &Arc<Node>,
    plan: LoadPlan,
    progress: Arc<LoadProgress>,
    rejects: &Arc<Rejects>,
) -> Result<Loaded> {
    let policy = node.object_policy.noting(&progress.requests);
    let paths = json_paths(&policy, &plan).await?;
    let rules = Arc::new(rules::Rules::new(&plan, paths)?);
    let mut origin = Origin::find(&policy, &plan, &progress).await?;
    let is_compressed = rules.compression != Compression::None;
    let slice_count = plan.target.slice_count;
    match &mut origin {
        Origin::Files(sources) => {
            progress.deal(sources, slice_count, is_compressed);
            let slices = sources.iter();
            rejects.deal(slices.map(|source| (source.url.clone(), source.slice)));
        }
        Origin::Hosts(hosts) => {
            progress.deal(&mut [], slice_count, is_compressed);
            rejects.deal(hosts.deal(slice_count));
        }
    }
    let router = Arc::new(Router::on(node, &plan.target));
    let files = Arc::new(Mutex::new(Vec::new()));
    let parser = parse::Parser {
        plan: plan.clone(),
        rules,
        router: (!plan.options.no_load).then(|| Arc::clone(&router)),
        rejects: Arc::clone(rejects),
        progress: Arc::clone(&progress),
    };
    let mut tasks = JoinSet::new();
    match (plan.options.format, origin) {
        (CopyFormat::Parquet | CopyFormat::Orc, Origin::Files(sources)) => {
            columnar::spawn(node, parser, sources, &files, &mut tasks);
        }
        (_, origin) => spawn_text(node, parser, origin, &files, &mut tasks),
    }
    while let Some(ended) = tasks.join_next().await {
        joined(ended)?;
    }
    let written = match plan.options.no_load {
        true => Written::default(),
        false => router.finish().await?,
    };
    let mut files = std::mem::take(&mut *files.lock().unwrap_or_else(PoisonError::into_inner));
    rejects.count_by_file(&mut files);
    Ok(Loaded {
        row_groups: written.row_groups,
        rows: progress.rows.load(Ordering::Relaxed),
        files,
        ..Loaded::default()
    })
}

/// Starts what reads files of text, and what parses them.
fn spawn_text(
    node: &Node,
    parser: parse::Parser,
    origin: Origin,
    files: &Arc<Mutex<Vec<LoadedFile>>>,
    tasks: &mut JoinSet<Result<()>>,
) {
    let (sender, receiver) = tokio::sync::mpsc::channel(CHUNKS_WAITING);
    // The parsers own the receiver: when all of them end, the feed ends too.
    let receiver = Arc::new(tokio::sync::Mutex::new(receiver));
    let threads = node.resources.threads.max(1);
    for _ in 0..threads {
        let parser = parser.clone();
        tasks.spawn_on(parser.run(Arc::clone(&receiver)), &node.resources.compute);
    }
    let feed = Feed {
        reader: RangeReader::new(),
        compression: parser.rules.compression,
        row_end: parser.rules.row_end,
        encoding: parser.rules.encoding,
        table_name: parser.plan.table_name.as_str().into(),
        rejects: parser.rejects,
        progress: parser.progress,
        files: Arc::clone(files),
    };
    let compute = &node.resources.compute;
    match origin {
        Origin::Files(sources) => tasks.spawn_on(feed.run(sources, threads, sender), compute),
        Origin::Hosts(hosts) => tasks.spawn_on(hosts.run(feed, sender), compute),
    };
}
