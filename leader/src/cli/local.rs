//! `blueshift local`: one query over files, in this process, without a server.
//!
//! `FROM 'sales.parquet'` reads a file; its ending says which format: parquet, csv, json (an object a line). The query
//! is parsed and bound as a server would, so types and functions are Redshift's; what needs a session, such as
//! `current_user`, is not there, and system tables are not either.

use super::connect::{Kind, Output, Table, print};
use crate::planner;
use anyhow::{Context, Result, anyhow, bail};
use arrow::array::Array;
use arrow_schema::{DataType, TimeUnit};
use blueshift_compute::resource::{default_memory_bytes, session_config};
use blueshift_sql::binder::{self, Names};
use blueshift_sql::statement::{ObjectName, Query, Statement, parse};
use blueshift_sql::{SqlState, SqlType, types};
use clap::Args;
use datafusion::catalog::TableProvider;
use datafusion::common::config::ConfigOptions;
use datafusion::datasource::provider_as_source;
use datafusion::execution::SessionState;
use datafusion::logical_expr::{AggregateUDF, ScalarUDF, TableSource, WindowUDF, cast, col};
use datafusion::physical_plan::{ExecutionPlan, collect};
use datafusion::prelude::{
    CsvReadOptions, DataFrame, JsonReadOptions, ParquetReadOptions, SessionContext,
};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

#[derive(Args)]
pub(super) struct Local {
    /// The query; files are named in single quotes: FROM 'file.parquet'.
    sql: String,
    /// How rows are printed.
    #[arg(long, value_enum, default_value = "table")]
    output: Output,
}

/// Runs the query and prints its rows.
pub(super) fn run(local: &Local) -> Result<()> {
    let mut statements = parse(&local.sql).map_err(explained)?.into_iter();
    let (Some(first), None) = (statements.next(), statements.next()) else {
        bail!("give one statement");
    };
    let Statement::Select(query) = first.statement else {
        bail!("only a query can run without a server: start one with `blueshift serve`");
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let table = runtime.block_on(answer(&query, u32::try_from(threads).unwrap_or(1)))?;
    print(&table, local.output)
}

/// Says what is wrong with the query: message, detail, hint.
fn explained(error: blueshift_sql::Error) -> anyhow::Error {
    let parts = [
        Some(error.message.clone()),
        error.detail.clone(),
        error.hint.clone(),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    anyhow!("{} ({})", parts.join("\n"), error.code.0)
}

async fn answer(query: &Query, threads: u32) -> Result<Table> {
    let state = planner::context::builder(session_config(threads, default_memory_bytes())).build();
    let mut names = FileNames {
        context: SessionContext::new_with_state(state.clone()),
        state,
        files: HashMap::new(),
        wanted: Mutex::default(),
    };
    // Binding cannot wait for a file, so it stops at each it does not know, and begins again when that is open.
    let bound = loop {
        let outcome = binder::bind_query(&names, query, &[]);
        let wanted = std::mem::take(&mut *names.wanted());
        let Some(file) = wanted else {
            break outcome.map_err(explained)?;
        };
        let provider = names.open(&file).await?;
        names.files.insert(file, provider);
    };
    let shown = bound.schema().fields().iter();
    let columns: Vec<(String, SqlType)> = shown
        .map(|field| {
            let name = binder::shown_name(field.name()).to_owned();
            (name, SqlType::from_field(field))
        })
        .collect();
    let plan: Arc<dyn ExecutionPlan> = planner::plan(&names.state, bound).await?;
    let batches = collect(plan, names.state.task_ctx()).await?;
    let mut rows = Vec::new();
    for batch in &batches {
        for row in 0..batch.num_rows() {
            let cells = batch.columns().iter().zip(&columns);
            let cells = cells.map(|(array, (_, ty))| cell(array, row, *ty));
            rows.push(cells.collect());
        }
    }
    let kind = |(_, ty): &(String, SqlType)| match ty {
        SqlType::Boolean => Kind::Truth,
        SqlType::SmallInt | SqlType::Integer | SqlType::BigInt | SqlType::Oid => Kind::Number,
        SqlType::Real | SqlType::Double | SqlType::Decimal { .. } => Kind::Number,
        _ => Kind::Text,
    };
    Ok(Table {
        kinds: columns.iter().map(kind).collect(),
        names: columns.into_iter().map(|(name, _)| name).collect(),
        rows,
    })
}

fn cell(array: &dyn Array, row: usize, ty: SqlType) -> Option<String> {
    array.is_valid(row).then(|| {
        let mut text = String::new();
        types::write_text(array, row, ty, &mut text);
        text
    })
}

/// Names of files instead of tables.
struct FileNames {
    context: SessionContext,
    state: SessionState,
    files: HashMap<String, Arc<dyn TableProvider>>,
    /// The file the last binding stopped at.
    wanted: Mutex<Option<String>>,
}

impl FileNames {
    fn wanted(&self) -> std::sync::MutexGuard<'_, Option<String>> {
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens a file, and gives its columns the types a table of ours would have.
    async fn open(&self, file: &str) -> Result<Arc<dyn TableProvider>> {
        let failed = || format!("could not read \"{file}\"");
        let ending = file.rsplit('.').next().unwrap_or_default();
        let frame = match ending.to_lowercase().as_str() {
            "parquet" => {
                let options = ParquetReadOptions::default();
                self.context.read_parquet(file, options).await
            }
            "csv" => self.context.read_csv(file, CsvReadOptions::new()).await,
            "json" | "ndjson" | "jsonl" => {
                let extension = format!(".{ending}");
                let options = JsonReadOptions::default().file_extension(&extension);
                self.context.read_json(file, options).await
            }
            _ => bail!("\"{file}\" is not a parquet, csv or json file by its name"),
        };
        let frame = frame.with_context(failed)?;
        if frame.schema().fields().is_empty() {
            bail!("\"{file}\" does not exist or holds no columns");
        }
        Ok(as_ours(frame).with_context(failed)?.into_view())
    }
}

/// Casts columns to the types of tables: text, whole numbers and instants have one form each here.
fn as_ours(frame: DataFrame) -> datafusion::error::Result<DataFrame> {
    let fields = frame.schema().fields().clone();
    let columns = fields.iter().map(|field| {
        let name = field.name().to_lowercase();
        let column = col(datafusion::common::Column::from_name(field.name()));
        let wanted = match field.data_type() {
            DataType::Utf8 | DataType::LargeUtf8 => Some(DataType::Utf8View),
            DataType::Dictionary(_, value) if value.is_string() => Some(DataType::Utf8View),
            DataType::Binary | DataType::LargeBinary | DataType::FixedSizeBinary(_) => {
                Some(DataType::BinaryView)
            }
            DataType::Int8 | DataType::UInt8 => Some(DataType::Int16),
            DataType::UInt16 => Some(DataType::Int32),
            DataType::UInt32 => Some(DataType::Int64),
            DataType::UInt64 => Some(DataType::Decimal128(20, 0)),
            DataType::Float16 => Some(DataType::Float32),
            DataType::Decimal32(precision, scale) | DataType::Decimal64(precision, scale) => {
                Some(DataType::Decimal128(*precision, *scale))
            }
            DataType::Date64 => Some(DataType::Timestamp(TimeUnit::Microsecond, None)),
            DataType::Time32(_) | DataType::Time64(TimeUnit::Nanosecond) => {
                Some(DataType::Time64(TimeUnit::Microsecond))
            }
            DataType::Timestamp(_, None) => Some(DataType::Timestamp(TimeUnit::Microsecond, None)),
            DataType::Timestamp(_, Some(_)) => Some(DataType::Timestamp(
                TimeUnit::Microsecond,
                Some(types::TIMESTAMP_ZONE.into()),
            )),
            _ => None,
        };
        match wanted.filter(|wanted| wanted != field.data_type()) {
            Some(wanted) => cast(column, wanted).alias(name),
            None => column.alias(name),
        }
    });
    let columns: Vec<_> = columns.collect();
    frame.select(columns)
}

impl Names for FileNames {
    fn table(&self, name: &ObjectName) -> blueshift_sql::Result<Arc<dyn TableSource>> {
        let file = &name.name;
        if let Some(provider) = self.files.get(file) {
            return Ok(provider_as_source(provider.clone()));
        }
        if name.schema.is_none() && file.contains('.') {
            *self.wanted() = Some(file.clone());
        }
        let error = blueshift_sql::Error::new(
            SqlState::UNDEFINED_TABLE,
            format!("relation \"{file}\" does not exist"),
        );
        Err(error.with_hint("Name a file in single quotes: FROM 'file.parquet'."))
    }

    fn scalar_function(&self, name: &str) -> Option<Arc<ScalarUDF>> {
        self.state.scalar_functions().get(name).cloned()
    }

    fn aggregate_function(&self, name: &str) -> Option<Arc<AggregateUDF>> {
        self.state.aggregate_functions().get(name).cloned()
    }

    fn window_function(&self, name: &str) -> Option<Arc<WindowUDF>> {
        self.state.window_functions().get(name).cloned()
    }

    fn function_names(&self) -> Vec<String> {
        self.state.scalar_functions().keys().cloned().collect()
    }

    fn options(&self) -> &ConfigOptions {
        self.state.config_options()
    }
}
