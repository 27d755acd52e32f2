//! Databases, schemas and tables as Flight SQL lists them: what the same user sees in the system views.

use super::client::{Client, Clients};
use super::{prepared, run};
use crate::session::Body;
use arrow::array::{AsArray, RecordBatch, StringArray};
use arrow_flight::sql::{
    CommandGetCatalogs, CommandGetDbSchemas, CommandGetTableTypes, CommandGetTables,
};
use arrow_schema::{DataType, Schema};
use futures::StreamExt;
use tonic::Status;

/// What a table may be.
const TABLE_TYPES: [&str; 4] = ["BASE TABLE", "EXTERNAL TABLE", "LOCAL TEMPORARY", "VIEW"];

fn wrong(error: impl std::fmt::Display) -> Status {
    Status::internal(error.to_string())
}

/// Lists the databases.
pub(super) async fn catalogs(
    clients: &Clients,
    client: &Client,
    query: CommandGetCatalogs,
) -> Result<RecordBatch, Status> {
    let mut builder = query.into_builder();
    for row in texts(
        clients,
        client,
        "SELECT database_name FROM svv_redshift_databases",
    )
    .await?
    {
        let [name] = row.try_into().unwrap_or_default();
        builder.append(name);
    }
    builder.build().map_err(wrong)
}

/// Lists the schemas of the session's database.
pub(super) async fn schemas(
    clients: &Clients,
    client: &Client,
    query: CommandGetDbSchemas,
) -> Result<RecordBatch, Status> {
    let mut builder = query.into_builder();
    let sql = "SELECT catalog_name, schema_name FROM information_schema.schemata";
    for row in texts(clients, client, sql).await? {
        let [catalog, schema] = row.try_into().unwrap_or_default();
        builder.append(catalog, schema);
    }
    builder.build().map_err(wrong)
}

/// Lists the kinds of tables.
pub(super) fn table_types(query: CommandGetTableTypes) -> Result<RecordBatch, Status> {
    let mut builder = query.into_builder();
    TABLE_TYPES.iter().for_each(|ty| builder.append(ty));
    builder.build().map_err(wrong)
}

/// Lists tables and views, with their columns if asked.
pub(super) async fn tables(
    clients: &Clients,
    client: &Client,
    query: CommandGetTables,
) -> Result<RecordBatch, Status> {
    let mut builder = query.into_builder();
    let sql =
        "SELECT table_catalog, table_schema, table_name, table_type FROM information_schema.tables";
    for row in texts(clients, client, sql).await? {
        let [catalog, schema, table, ty] = row.try_into().unwrap_or_default();
        let columns = match builder.include_schema() {
            true => columns(clients, client, &schema, &table).await,
            false => Schema::empty(),
        };
        builder
            .append(catalog, schema, table, ty, &columns)
            .map_err(wrong)?;
    }
    builder.build().map_err(wrong)
}

/// Gives the columns of a table; none of one that cannot be read, such as a view whose table is gone.
async fn columns(clients: &Clients, client: &Client, schema: &str, table: &str) -> Schema {
    let quoted = |name: &str| name.replace('"', "\"\"");
    let sql = format!("SELECT * FROM \"{}\".\"{}\"", quoted(schema), quoted(table));
    match prepared::describe(clients, client, sql).await {
        Ok(prepared) => prepared.schema(),
        Err(_) => Schema::empty(),
    }
}

/// Runs a query whose columns are texts; a null becomes the empty text.
async fn texts(clients: &Clients, client: &Client, sql: &str) -> Result<Vec<Vec<String>>, Status> {
    let (turn, body) = run::run_text(clients, client, sql).await?;
    let Body::Rows { mut stream, .. } = body else {
        return Ok(Vec::new());
    };
    let work = async move {
        let _turn = turn;
        let mut rows = Vec::new();
        while let Some(batch) = stream.next().await {
            let batch = batch?;
            let columns = batch.columns().iter();
            let columns = columns.map(|column| arrow::compute::cast(column, &DataType::Utf8));
            let columns = columns
                .collect::<Result<Vec<_>, _>>()
                .map_err(datafusion::error::DataFusionError::from)?;
            let columns: Vec<&StringArray> = columns
                .iter()
                .filter_map(|column| column.as_string_opt())
                .collect();
            for row in 0..batch.num_rows() {
                let cells = columns.iter().map(|column| column.value(row).to_owned());
                rows.push(cells.collect());
            }
        }
        Ok(rows)
    };
    run::on_sessions(clients, client, work).await
}
