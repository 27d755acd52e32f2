//! ANALYZE and ANALYZE COMPRESSION.
//!
//! `ANALYZE [VERBOSE] [table [(column, ...)]] [PREDICATE COLUMNS | ALL COLUMNS]`,
//! `ANALYZE COMPRESSION [table [(column, ...)]] [COMPROWS n]`

use super::{ObjectName, Statement};
use crate::error::{Error, Result};
use crate::parser::cursor::Cursor;
use crate::sqlstate::SqlState;

/// An ANALYZE.
#[derive(Clone, Debug)]
pub struct Analyze {
    /// VERBOSE: tells of each step.
    pub verbose: bool,
    /// One table, or all.
    pub table: Option<ObjectName>,
    /// Some columns, or all.
    pub columns: Vec<String>,
    /// PREDICATE COLUMNS.
    pub predicate_columns: bool,
}

/// An ANALYZE COMPRESSION.
#[derive(Clone, Debug)]
pub struct AnalyzeCompression {
    /// One table, or all.
    pub table: Option<ObjectName>,
    /// Some columns, or all.
    pub columns: Vec<String>,
    /// COMPROWS: rows to sample of all slices together.
    pub sample_rows: Option<u64>,
}

/// What COMPROWS may be.
const SAMPLE_ROWS: std::ops::RangeInclusive<u64> = 1_000..=1_000_000_000;

/// Parses both.
pub(crate) fn parse(cursor: &mut Cursor<'_>) -> Result<Statement> {
    cursor.skip();
    if cursor.take_word("compression") {
        return parse_compression(cursor);
    }
    let mut analyze = Analyze {
        verbose: cursor.take_word("verbose"),
        table: None,
        columns: Vec::new(),
        predicate_columns: false,
    };
    let is_choice =
        cursor.are_words(&["predicate", "columns"]) || cursor.are_words(&["all", "columns"]);
    if !cursor.at_end() && !is_choice {
        analyze.table = Some(cursor.object_name()?);
        analyze.columns = cursor.optional_name_list()?;
    }
    if analyze.columns.is_empty() {
        analyze.predicate_columns = cursor.take_words(&["predicate", "columns"]);
        let _is_default = !analyze.predicate_columns && cursor.take_words(&["all", "columns"]);
    }
    Ok(Statement::Analyze(analyze))
}

fn parse_compression(cursor: &mut Cursor<'_>) -> Result<Statement> {
    let mut analyze = AnalyzeCompression {
        table: None,
        columns: Vec::new(),
        sample_rows: None,
    };
    if !cursor.at_end() && !cursor.is_word("comprows") {
        analyze.table = Some(cursor.object_name()?);
        analyze.columns = cursor.optional_name_list()?;
    }
    if cursor.take_word("comprows") {
        let at = cursor.position();
        let rows = u64::try_from(cursor.integer()?).ok();
        let rows = rows
            .filter(|rows| SAMPLE_ROWS.contains(rows))
            .ok_or_else(|| {
                let text = "COMPROWS must be between 1000 and 1000000000";
                Error::new(SqlState::INVALID_PARAMETER_VALUE, text).at(at)
            })?;
        analyze.sample_rows = Some(rows);
    }
    Ok(Statement::AnalyzeCompression(analyze))
}
