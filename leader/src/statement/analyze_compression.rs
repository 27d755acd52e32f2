//! ANALYZE COMPRESSION: suggests encodings, from a sample encoded with each.
//!
//! It reads one read view and takes no lock, where Redshift locks the table.

use super::answer::{Body, OutputColumn};
use super::context::Context;
use super::names::Right;
use crate::access::check;
use crate::catalog::layout::{encoding_word, supports};
use crate::catalog::name::Relation;
use crate::catalog::{Table, TableSort};
use crate::error::{Error, Result};
use blueshift_compute::maintain::compression::{Finding, Question, analyze};
use blueshift_sql::SqlState;
use blueshift_sql::statement::analyze::AnalyzeCompression;
use blueshift_storage::EncodingName;
use std::sync::Arc;

/// Rows sampled of each slice if nothing, or less, is asked for.
const SAMPLE_ROWS_PER_SLICE: u64 = 100_000;

/// The names of the answer's columns.
const COLUMNS: [&str; 4] = ["Table", "Column", "Encoding", "Est_reduction_pct"];

/// What may be suggested; of equal size, the first.
const CANDIDATES: [EncodingName; 13] = [
    EncodingName::Az64,
    EncodingName::Lzo,
    EncodingName::Zstd,
    EncodingName::Bytedict,
    EncodingName::Runlength,
    EncodingName::Text255,
    EncodingName::Text32k,
    EncodingName::Delta,
    EncodingName::Delta32k,
    EncodingName::Mostly8,
    EncodingName::Mostly16,
    EncodingName::Mostly32,
    EncodingName::Raw,
];

/// Gives the columns of the answer.
pub fn columns() -> Vec<OutputColumn> {
    COLUMNS.map(OutputColumn::text).to_vec()
}

/// Runs an ANALYZE COMPRESSION.
pub async fn run(ctx: &mut Context<'_>, statement: &AnalyzeCompression) -> Result<Body> {
    let names = ctx.names()?;
    let tables = match &statement.table {
        Some(name) => {
            let table = names.table_to_change(name, &Right::OwnerOr(None, "ANALYZE"))?;
            vec![table]
        }
        None => own_tables(ctx)?,
    };
    let view = ctx.transaction.view()?;
    let slices = u64::from(ctx.server.node.store.slice_count().max(1));
    let asked = statement.sample_rows.unwrap_or(0) / slices;
    let rows = usize::try_from(asked.max(SAMPLE_ROWS_PER_SLICE)).unwrap_or(usize::MAX);
    ctx.plans.admit_work().await?;
    let mut answer = Vec::new();
    for table in tables {
        let questions = questions(&table, &statement.columns)?;
        let version = view.table(table.id())?;
        let findings = analyze(&ctx.server.node, version, rows, questions).await?;
        answer.extend(described(&table, &statement.columns, &findings));
    }
    ctx.last.query_id = Some(ctx.query);
    Body::text_rows("ANALYZE COMPRESSION", &COLUMNS, &answer)
}

fn own_tables(ctx: &mut Context<'_>) -> Result<Vec<Arc<Table>>> {
    let catalog = ctx.transaction.catalog()?;
    let owns = |table: &&Arc<Table>| {
        let relation = Relation::Table(Arc::clone(table));
        check::owner_or(&catalog, ctx.user, &relation, None, "ANALYZE").is_ok()
    };
    let mut own: Vec<Arc<Table>> = catalog.tables.values().filter(owns).cloned().collect();
    own.sort_by(|left, right| left.name.cmp(&right.name));
    Ok(own)
}

/// Asks for the columns named, or all, but not for those of the sort key: the manual has them stay as they are.
fn questions(table: &Table, named: &[String]) -> Result<Vec<Question>> {
    let is_known = |name: &&String| table.columns.iter().any(|column| column.name == **name);
    if let Some(unknown) = named.iter().find(|name| !is_known(name)) {
        let name = &table.name;
        return Err(Error::new(
            SqlState::UNDEFINED_COLUMN,
            format!("column \"{unknown}\" of relation \"{name}\" does not exist"),
        ));
    }
    let columns = table.columns.iter().enumerate();
    let asked = columns.filter(|(index, column)| {
        (named.is_empty() || named.contains(&column.name)) && !is_sort_key(table, *index)
    });
    let question = |(index, column): (usize, &crate::catalog::Column)| Question {
        column: index,
        encodings: CANDIDATES
            .into_iter()
            .filter(|encoding| supports(*encoding, column.ty))
            .collect(),
    };
    Ok(asked.map(question).collect())
}

fn is_sort_key(table: &Table, index: usize) -> bool {
    match &table.sort {
        TableSort::Compound(key) | TableSort::Interleaved(key) | TableSort::AutoCompound(key) => {
            key.contains(&index)
        }
        TableSort::None | TableSort::Auto => false,
    }
}

fn described(table: &Table, named: &[String], findings: &[Finding]) -> Vec<Vec<String>> {
    let row = |(index, column): (usize, &crate::catalog::Column)| {
        let found = findings.iter().find(|finding| finding.column == index);
        let (encoding, percent) = match found {
            Some(found) => (encoding_word(found.encoding), found.reduction_percent),
            None if named.is_empty() || named.contains(&column.name) => {
                (column.encoding.as_deref().unwrap_or("raw"), 0.0)
            }
            None => ("N/A", 0.0),
        };
        vec![
            table.name.clone(),
            column.name.clone(),
            encoding.to_owned(),
            format!("{percent:.2}"),
        ]
    };
    table.columns.iter().enumerate().map(row).collect()
}
