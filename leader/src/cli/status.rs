//! `blueshift status`: how a running server is, in one page.

use super::connect::{Connect, Output, Table, as_table, objects, query, tell};
use anyhow::{Result, bail};
use clap::Args;
use tokio_postgres::Client;

#[derive(Args)]
pub(super) struct Status {
    #[command(flatten)]
    connect: Connect,
}

/// One row of facts; names are what is printed.
const FACTS: &str = "SELECT version() AS version, pg_postmaster_start_time() AS started, \
    datediff(second, pg_postmaster_start_time()::timestamp, sysdate) AS uptime_seconds, \
    (SELECT count(*) FROM stv_sessions) AS sessions, \
    (SELECT count(*) - 1 FROM stv_recents WHERE trim(status) = 'Running') AS running_queries, \
    (SELECT count(*) FROM svv_vacuum_progress WHERE status <> 'Complete') AS running_vacuums, \
    (SELECT count(*) FROM svv_redshift_tables WHERE left(schema_name, 3) <> 'pg_' \
     AND schema_name <> 'information_schema' AND table_type = 'TABLE') AS tables, \
    (SELECT coalesce(sum(estimated_visible_rows), 0) FROM svv_table_info) AS rows, \
    (SELECT coalesce(sum(size), 0) FROM svv_table_info) AS size_mb, \
    (SELECT max(used) FROM stv_node_storage_capacity) AS disk_used_mb, \
    (SELECT max(capacity) FROM stv_node_storage_capacity) AS disk_mb, \
    (SELECT max(eventtime) FROM stl_vacuum) AS last_vacuum, \
    (SELECT max(endtime) FROM stl_analyze) AS last_analyze";

const TABLES: &str = "SELECT schema, \"table\", estimated_visible_rows AS rows, size AS size_mb, unsorted, stats_off \
    FROM svv_table_info ORDER BY size DESC, schema, \"table\"";

/// Asks and prints.
pub(super) fn run(status: &Status) -> Result<()> {
    let (facts, tables) = status.connect.run(ask)?;
    let text = match status.connect.output {
        Output::Table => {
            let row = facts.rows.into_iter().next().unwrap_or_default();
            let facts = Table {
                names: vec!["fact".to_owned(), "value".to_owned()],
                rows: facts
                    .names
                    .into_iter()
                    .zip(row)
                    .map(|(name, value)| vec![Some(name), value])
                    .collect(),
                kinds: Vec::new(),
            };
            format!("{}\n{}", as_table(&facts), as_table(&tables))
        }
        Output::Json => {
            let mut object = objects(&facts)
                .get(0)
                .cloned()
                .unwrap_or_else(|| serde_json::json!({}));
            if let Some(object) = object.as_object_mut() {
                object.insert("table_list".to_owned(), objects(&tables));
            }
            serde_json::to_string_pretty(&object)? + "\n"
        }
    };
    tell(&text)
}

async fn ask(client: &Client) -> Result<(Table, Table)> {
    let user = "SELECT usesuper FROM pg_user WHERE usename = current_user";
    let user = query(client, user).await?;
    if user.rows.first().and_then(|row| row.first()) != Some(&Some("t".to_owned())) {
        bail!("only superusers see how a server is: connect as one with --user");
    }
    Ok((query(client, FACTS).await?, query(client, TABLES).await?))
}
