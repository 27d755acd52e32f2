//! The connection of commands that talk to a running server, and how they print its answers.
//!
//! On loopback it is plain, as the server allows there. To other hosts it is TLS against the certificate given with
//! `--tls-ca`: nothing is ever sent to a server that was not proved to be the right one.

use anyhow::{Context, Result, anyhow};
use clap::{Args, ValueEnum};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use tokio_postgres::config::SslMode;
use tokio_postgres::{Client, Config, NoTls, SimpleQueryMessage};
use tokio_postgres_rustls::MakeRustlsConnect;

/// Where the server is, and who asks.
#[derive(Args, Clone, Debug)]
pub(super) struct Connect {
    /// The server's host.
    #[arg(long, env = "PGHOST", default_value = "127.0.0.1")]
    host: String,
    /// The server's port.
    #[arg(long, env = "PGPORT", default_value_t = 5439)]
    port: u16,
    /// The user.
    #[arg(long, env = "PGUSER", default_value = crate::server::ADMIN)]
    user: String,
    /// The database.
    #[arg(long, env = "PGDATABASE", default_value = crate::server::DATABASE)]
    database: String,
    /// The user's password; better in the environment than on the command line.
    #[arg(long, env = "PGPASSWORD", hide_env_values = true)]
    password: Option<String>,
    /// A PEM file with the server's certificate or the one that signed it; needed beyond loopback.
    #[arg(long)]
    tls_ca: Option<PathBuf>,
    /// How answers are printed.
    #[arg(long, value_enum, default_value = "table")]
    pub(super) output: Output,
}

/// How answers are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Output {
    /// For people.
    Table,
    /// For machines: a list of objects.
    Json,
}

/// Column names, and rows of text.
pub(super) struct Table {
    pub(super) names: Vec<String>,
    pub(super) rows: Vec<Vec<Option<String>>>,
}

impl Connect {
    /// Runs `work` with a connection.
    pub(super) fn run<T>(&self, work: impl AsyncFnOnce(&Client) -> Result<T>) -> Result<T> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        runtime.block_on(async {
            let client = self.open().await?;
            work(&client).await
        })
    }

    async fn open(&self) -> Result<Client> {
        let password = self.password.as_deref();
        let password = password.ok_or_else(|| anyhow!("name the password with PGPASSWORD"))?;
        let mut config = Config::new();
        config
            .host(&self.host)
            .port(self.port)
            .user(&self.user)
            .dbname(&self.database)
            .password(password)
            .application_name("blueshift");
        let place = format!("{}:{}", self.host, self.port);
        let failed = || format!("could not connect to {place} as \"{}\"", self.user);
        if let Some(path) = &self.tls_ca {
            let tls = MakeRustlsConnect::new(tls(path)?);
            config.ssl_mode(SslMode::Require);
            let (client, connection) = config.connect(tls).await.with_context(failed)?;
            // Its error comes out of the next request as well.
            tokio::spawn(async move { drop(connection.await) });
            return Ok(client);
        }
        if !is_loopback(&self.host) {
            return Err(anyhow!(
                "{place} is not on this machine: name its certificate with --tls-ca"
            ));
        }
        config.ssl_mode(SslMode::Disable);
        let (client, connection) = config.connect(NoTls).await.with_context(failed)?;
        tokio::spawn(async move { drop(connection.await) });
        Ok(client)
    }
}

fn is_loopback(host: &str) -> bool {
    let address = host.parse::<std::net::IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

fn tls(path: &PathBuf) -> Result<ClientConfig> {
    let read = || format!("could not read \"{}\" as PEM", path.display());
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path).with_context(read)? {
        roots.add(certificate.with_context(read)?)?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    Ok(ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth())
}

/// Runs a statement and gives its rows, if it has any.
pub(super) async fn query(client: &Client, sql: &str) -> Result<Table> {
    let messages = client.simple_query(sql).await.map_err(explained)?;
    let mut table = Table {
        names: Vec::new(),
        rows: Vec::new(),
    };
    for message in messages {
        match message {
            SimpleQueryMessage::RowDescription(columns) => {
                table.names = columns
                    .iter()
                    .map(|column| column.name().to_owned())
                    .collect();
            }
            SimpleQueryMessage::Row(row) => {
                let cell = |column| row.get(column).map(|text| text.trim_end().to_owned());
                table.rows.push((0..row.len()).map(cell).collect());
            }
            _ => {}
        }
    }
    Ok(table)
}

/// Says what the server said: message, detail, hint.
fn explained(error: tokio_postgres::Error) -> anyhow::Error {
    let Some(db) = error.as_db_error() else {
        return anyhow::Error::new(error).context("the connection was lost");
    };
    let parts = [Some(db.message()), db.detail(), db.hint()];
    let parts: Vec<&str> = parts.into_iter().flatten().collect();
    anyhow!("{} ({})", parts.join("\n"), db.code().code())
}

/// Runs a statement, and then asks a log table for the rows it left: `columns` of those with a later transaction.
pub(super) async fn logged(client: &Client, sql: &str, log: &str, columns: &str) -> Result<Table> {
    let before = query(client, &format!("SELECT coalesce(max(xid), 0) FROM {log}")).await?;
    let last = before.rows.into_iter().flatten().flatten().next();
    let last: i64 = last.unwrap_or_default().parse()?;
    query(client, sql).await?;
    query(
        client,
        &format!("SELECT {columns} FROM {log} WHERE xid > {last} ORDER BY xid, 1, 2"),
    )
    .await
}

/// Quotes a text for SQL.
pub(super) fn literal(text: &str) -> String {
    // A backslash begins an escape only in texts of the other kind, E'...'.
    format!("'{}'", text.replace('\'', "''"))
}

/// Quotes a name of one to three parts, as the user wrote it, for SQL.
pub(super) fn quoted(name: &str) -> String {
    let parts = name.split('.');
    let quoted = parts.map(|part| format!("\"{}\"", part.replace('"', "\"\"")));
    quoted.collect::<Vec<_>>().join(".")
}

/// Prints rows to standard output.
pub(super) fn print(table: &Table, output: Output) -> Result<()> {
    let text = match output {
        Output::Table => as_table(table),
        Output::Json => as_json(table)?,
    };
    tell(&text)
}

/// Writes to standard output. Who reads may stop early, as `head` does; that is no failure.
pub(super) fn tell(text: &str) -> Result<()> {
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        outcome => Ok(outcome?),
    }
}

fn as_json(table: &Table) -> Result<String> {
    Ok(serde_json::to_string_pretty(&objects(table))? + "\n")
}

/// Makes each row an object of texts.
pub(super) fn objects(table: &Table) -> serde_json::Value {
    let object = |row: &Vec<Option<String>>| {
        let cells = table.names.iter().zip(row);
        let cells = cells.map(|(name, cell)| (name.clone(), serde_json::json!(cell)));
        serde_json::Value::Object(cells.collect())
    };
    table.rows.iter().map(object).collect()
}

/// Aligns columns for people.
pub(super) fn as_table(table: &Table) -> String {
    let shown = |cell: &Option<String>| cell.clone().unwrap_or_default();
    let mut lines = vec![table.names.clone()];
    lines.extend(table.rows.iter().map(|row| row.iter().map(shown).collect()));
    let width = |column: usize| {
        let cells = lines.iter().filter_map(|line| line.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..table.names.len()).map(width).collect();
    let mut text = String::new();
    for line in &lines {
        let cells = line.iter().zip(&widths);
        let cells = cells.map(|(cell, width)| format!("{cell:width$}"));
        let line = cells.collect::<Vec<_>>().join("  ");
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_printed_for_people_and_machines() {
        let table = Table {
            names: vec!["table".to_owned(), "rows".to_owned()],
            rows: vec![vec![Some("sales".to_owned()), Some("17".to_owned())]],
        };
        assert_eq!(as_table(&table), "table  rows\nsales  17\n");
        let json: serde_json::Value = serde_json::from_str(&as_json(&table).unwrap()).unwrap();
        assert_eq!(json, serde_json::json!([{"table": "sales", "rows": "17"}]));
    }

    #[test]
    fn names_cannot_break_out() {
        assert_eq!(quoted("s.t"), "\"s\".\"t\"");
        assert_eq!(quoted("a\";drop"), "\"a\"\";drop\"");
    }

    #[test]
    fn only_this_machine_is_spoken_to_in_the_clear() {
        assert!(is_loopback("127.0.0.1") && is_loopback("::1") && is_loopback("localhost"));
        assert!(!is_loopback("10.0.0.1") && !is_loopback("example.com"));
    }
}
