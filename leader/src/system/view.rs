//! System tables that are views over others: a `.sql` file each.
//!
//! The comment at the head of a file says what the view shows and then, after `columns:`, the name and type of each
//! column; the query follows. It is bound for each statement that names the view, with the rights of the one who asks,
//! and its columns are cast to the declared types.

use super::rows::Rows;
use super::{SystemContext, SystemTable};
use crate::error::Result;
use blueshift_sql::SqlType;
use std::sync::LazyLock;

/// A view.
pub struct SystemView {
    schema: &'static str,
    name: &'static str,
    columns: Vec<(&'static str, SqlType)>,
    text: &'static str,
}

/// The files: schema, name, text.
macro_rules! files {
    ($($folder:literal $schema:literal: $($name:literal)*;)*) => {
        &[$($((
            $schema,
            $name,
            include_str!(concat!($folder, "/", $name, ".sql")),
        ),)*)*]
    };
}

/// Every view.
const FILES: &[(&str, &str, &str)] = files! {
    "pg_catalog" "pg_catalog":
        "pg_am"
        "pg_attribute_info"
        "pg_class_info"
        "pg_conf"
        "pg_database_info"
        "pg_indexes"
        "pg_language"
        "pg_proc_info"
        "pg_roles"
        "pg_shadow"
        "pg_stats"
        "pg_tables"
        "pg_tablespace"
        "pg_user_info"
        "pg_views";
    "information_schema" "information_schema":
        "columns"
        "constraint_column_usage"
        "key_column_usage"
        "referential_constraints"
        "routines"
        "schemata"
        "table_constraints"
        "table_privileges"
        "tables"
        "views";
    "view" "pg_catalog":
        "pg_stat_activity"
        "svcs_alert_event_log"
        "svcs_explain"
        "svcs_plan_info"
        "svcs_query_summary"
        "svcs_stream_segs"
        "svcs_unload_log"
        "svl_compile"
        "svl_qlog"
        "svl_query_metrics"
        "svl_query_metrics_summary"
        "svl_query_queue_info"
        "svl_query_summary"
        "svl_statementtext"
        "svl_user_info"
        "svl_vacuum_percentage"
        "svv_all_columns"
        "svv_all_schemas"
        "svv_all_tables"
        "svv_columns"
        "svv_diskusage"
        "svv_mv_dependency"
        "svv_mv_info"
        "svv_query_inflight"
        "svv_query_state"
        "svv_redshift_columns"
        "svv_redshift_databases"
        "svv_redshift_functions"
        "svv_redshift_schemas"
        "svv_redshift_tables"
        "svv_tables"
        "sys_analyze_history"
        "sys_auto_table_optimization"
        "sys_connection_log"
        "sys_load_detail"
        "sys_load_error_detail"
        "sys_mv_refresh_history"
        "sys_procedure_call"
        "sys_procedure_messages"
        "sys_query_explain"
        "sys_query_text"
        "sys_session_history"
        "sys_userlog"
        "sys_vacuum_history";
};

/// Gives every view.
pub fn views() -> &'static [SystemView] {
    static VIEWS: LazyLock<Vec<SystemView>> = LazyLock::new(|| {
        let read = |(schema, name, text): &(&'static str, &'static str, &'static str)| SystemView {
            schema,
            name,
            columns: declared(text),
            text,
        };
        FILES.iter().map(read).collect()
    });
    &VIEWS
}

/// Reads the columns a file declares; a column whose type is not one is left out, which the test below finds.
fn declared(text: &'static str) -> Vec<(&'static str, SqlType)> {
    let mut columns = Vec::new();
    let comments = text.lines().map_while(|line| line.strip_prefix("--"));
    let mut lines = comments
        .map(str::trim)
        .skip_while(|line| *line != "columns:");
    lines.next();
    for line in lines {
        for column in line.split(", ") {
            let column = column.trim_end_matches(',').trim();
            let Some((name, ty)) = column.split_once(' ') else {
                continue;
            };
            if let Ok(ty) = SqlType::parse(ty.trim()) {
                columns.push((name, ty));
            }
        }
    }
    columns
}

impl SystemTable for SystemView {
    fn schema(&self) -> &'static str {
        self.schema
    }

    fn name(&self) -> &'static str {
        self.name
    }

    fn columns(&self) -> &[(&'static str, SqlType)] {
        &self.columns
    }

    fn rows(&self, _ctx: &SystemContext, _rows: &mut Rows) -> Result<()> {
        Ok(())
    }

    fn query(&self) -> Option<&'static str> {
        Some(self.text)
    }

    fn spans_databases(&self) -> bool {
        let is_of_all = |prefix| self.name.starts_with(prefix);
        ["svv_redshift_", "svv_all_"].into_iter().any(is_of_all)
            && self.name != "svv_redshift_databases"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_says_what_it_shows_and_declares_its_columns() {
        for view in views() {
            let head: Vec<_> = view
                .text
                .lines()
                .take_while(|line| line.starts_with("--"))
                .collect();
            assert!(head.len() > 2, "{}", view.name);
            let declared = head
                .iter()
                .skip_while(|line| **line != "-- columns:")
                .skip(1);
            let count: usize = declared
                .map(|line| line.trim_end_matches(',').split(", ").count())
                .sum();
            assert!(count > 0 && count == view.columns.len(), "{}", view.name);
        }
    }
}
