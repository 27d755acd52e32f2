//! Runs sqllogictest files, each in a schema of its own.
//!
//! `query` cells are compared as the text the server sends; null prints as `NULL`, an empty text as `(empty)`.
//! Under `control substitution on`, `$FIXTURE` is the folder of the files that COPY may read.
//! `statement error (SQLSTATE)` patterns match against `SQLSTATE: message [detail] (hint)`.

use crate::client::{Client, connect, explain};
use async_trait::async_trait;
use sqllogictest::{AsyncDB, DBOutput, DefaultColumnType, Runner};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// An error as the runner wants it.
#[derive(Debug)]
pub struct LogicError(String);

impl std::fmt::Display for LogicError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for LogicError {}

struct Connection {
    client: Arc<Client>,
}

#[async_trait]
impl AsyncDB for Connection {
    type Error = LogicError;
    type ColumnType = DefaultColumnType;

    async fn run(&mut self, sql: &str) -> Result<DBOutput<DefaultColumnType>, LogicError> {
        use tokio_postgres::SimpleQueryMessage::{CommandComplete, Row, RowDescription};
        let messages = self
            .client
            .inner
            .simple_query(sql)
            .await
            .map_err(|error| LogicError(explain(&error)))?;
        let mut columns = None;
        let mut rows = Vec::new();
        let mut count = 0;
        for message in messages {
            match message {
                RowDescription(description) => {
                    columns = Some(description.len());
                    rows.clear();
                }
                Row(row) => rows.push(
                    (0..row.len())
                        .map(|column| match row.get(column) {
                            None => "NULL".to_string(),
                            Some("") => "(empty)".to_string(),
                            Some(text) => text.to_string(),
                        })
                        .collect(),
                ),
                CommandComplete(done) => count = done,
                _ => {}
            }
        }
        Ok(match columns {
            Some(width) => DBOutput::Rows {
                types: vec![DefaultColumnType::Any; width],
                rows,
            },
            None => DBOutput::StatementComplete(count),
        })
    }

    async fn shutdown(&mut self) {}

    fn engine_name(&self) -> &str {
        "blueshift"
    }
}

/// Gives the folder of the files that a test may load: `tests/fixture/copy`.
pub fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixture/copy")
}

/// Lists the `.slt` files under a folder of `tests/slt`, sorted.
pub fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let Ok(entries) = std::fs::read_dir(folder) else {
        return found;
    };
    for path in entries.flatten().map(|entry| entry.path()) {
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.extension().is_some_and(|extension| extension == "slt") {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// Runs one file in a fresh schema on a running server. `Err` says what differs, with the line.
pub async fn run_file(port: u16, file: &Path, number: usize) -> Result<(), String> {
    let schema = format!("slt_{number}");
    let admin = connect(port).await;
    admin.run(&format!("CREATE SCHEMA {schema}")).await;
    let result = {
        let mut runner = Runner::new(|| {
            let schema = schema.clone();
            async move {
                let client = connect(port).await;
                client.run(&format!("SET search_path TO {schema}")).await;
                Ok(Connection {
                    client: Arc::new(client),
                })
            }
        });
        runner.with_column_validator(|_, _| true);
        runner.set_var("FIXTURE".to_owned(), fixture().display().to_string());
        runner
            .run_file_async(file)
            .await
            .map_err(|error| format!("{}", error.display(false)))
    };
    admin.run(&format!("DROP SCHEMA {schema} CASCADE")).await;
    result
}
