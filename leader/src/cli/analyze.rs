//! `blueshift analyze`: refreshes the statistics of tables of a running server, or suggests encodings.

use super::connect::{Connect, logged, print, query, quoted};
use anyhow::Result;
use clap::Args;

#[derive(Args)]
pub(super) struct Analyze {
    /// The table, as name or schema.name; all tables of the user if it is left out.
    table: Option<String>,
    /// Only these columns, separated by commas.
    #[arg(long, value_delimiter = ',', requires = "table")]
    columns: Vec<String>,
    /// Only columns of filters, joins, sort and distribution keys.
    #[arg(long, conflicts_with_all = ["columns", "compression"])]
    predicate_columns: bool,
    /// Suggest encodings, from a sample encoded with each, instead of refreshing statistics.
    #[arg(long)]
    compression: bool,
    /// Rows of that sample, of all slices together.
    #[arg(long, requires = "compression", value_parser = clap::value_parser!(u64).range(1_000..=1_000_000_000))]
    comprows: Option<u64>,
    #[command(flatten)]
    connect: Connect,
}

/// Analyzes, and prints what was found or done.
pub(super) fn run(analyze: &Analyze) -> Result<()> {
    let sql = statement(analyze);
    let report = analyze.connect.run(async |client| {
        if analyze.compression {
            return query(client, &sql).await;
        }
        let columns = "schema_name, table_name, status, rows, modified_rows";
        logged(client, &sql, "stl_analyze", columns).await
    })?;
    print(&report, analyze.connect.output)
}

fn statement(analyze: &Analyze) -> String {
    let mut parts = vec!["ANALYZE".to_owned()];
    if analyze.compression {
        parts.push("COMPRESSION".to_owned());
    }
    parts.extend(analyze.table.as_deref().map(quoted));
    if !analyze.columns.is_empty() {
        let quote = |column: &String| format!("\"{}\"", column.replace('"', "\"\""));
        let columns: Vec<String> = analyze.columns.iter().map(quote).collect();
        parts.push(format!("({})", columns.join(", ")));
    }
    if analyze.predicate_columns {
        parts.push("PREDICATE COLUMNS".to_owned());
    }
    parts.extend(analyze.comprows.map(|rows| format!("COMPROWS {rows}")));
    parts.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        analyze: Analyze,
    }

    fn check(arguments: &str) -> Option<String> {
        let line: Line = crate::cli::parsed(arguments)?;
        Some(statement(&line.analyze))
    }

    #[test]
    fn arguments_become_the_statement() {
        let is = |arguments, sql: &str| assert_eq!(check(arguments).as_deref(), Some(sql));
        is("", "ANALYZE");
        is("t --columns a,b", "ANALYZE \"t\" (\"a\", \"b\")");
        is("t --predicate-columns", "ANALYZE \"t\" PREDICATE COLUMNS");
        is(
            "t --compression --comprows 5000",
            "ANALYZE COMPRESSION \"t\" COMPROWS 5000",
        );
        for refused in [
            "--columns a",
            "t --comprows 5000",
            "t --compression --comprows 5",
        ] {
            assert_eq!(check(refused), None, "{refused}");
        }
    }
}
