//! The connection of commands that talk to a running server, and how they print its answers.
//!
//! On loopback it is plain, as the server allows there. To other hosts it is TLS against the certificate given with
//! `--tls-ca`: nothing is ever sent to a server that was not proved to be the right one.

use super::progress::Shown;
use anyhow::{Context, Result, anyhow};
use clap::{Args, ValueEnum};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use tokio_postgres::config::SslMode;
use tokio_postgres::types::Type;
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
    /// Whether standard error shows how far a long command is: if it is a terminal, always, or never.
    #[arg(long, value_enum, default_value = "auto")]
    pub(super) progress: Shown,
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
#[derive(Default)]
pub(super) struct Table {
    pub(super) names: Vec<String>,
    pub(super) rows: Vec<Vec<Option<String>>>,
    /// What the columns are in JSON; those beyond the list are texts.
    pub(super) kinds: Vec<Kind>,
}

/// What a column is in JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A text.
    Text,
    /// A number.
    Number,
    /// True or false.
    Truth,
}

impl Kind {
    /// Of a type of the server.
    pub(super) fn of(ty: &Type) -> Self {
        match *ty {
            Type::BOOL => Self::Truth,
            Type::INT2 | Type::INT4 | Type::INT8 | Type::OID => Self::Number,
            Type::FLOAT4 | Type::FLOAT8 | Type::NUMERIC => Self::Number,
            _ => Self::Text,
        }
    }

    fn json(self, text: &str) -> serde_json::Value {
        let value = match self {
            Self::Text => None,
            // More digits than a number of JSON surely has for its readers stay a text.
            Self::Number if text.len() > 16 => text.parse::<i64>().ok().map(|whole| whole.into()),
            Self::Number => serde_json::from_str(text).ok(),
            Self::Truth => Some(serde_json::json!(matches!(text, "t" | "true"))),
        };
        // NaN and infinity are no numbers of JSON.
        value
            .filter(|value: &serde_json::Value| !value.is_null())
            .unwrap_or_else(|| serde_json::json!(text))
    }
}

impl Table {
    /// Makes a table with columns of these names, of which some hold numbers.
    pub(super) fn new(names: &[&str], numbers: &[&str], rows: Vec<Vec<Option<String>>>) -> Self {
        let kind = |name: &&str| match numbers.contains(name) {
            true => Kind::Number,
            false => Kind::Text,
        };
        Self {
            kinds: names.iter().map(kind).collect(),
            names: names.iter().map(|name| (*name).to_owned()).collect(),
            rows,
        }
    }
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

    /// Connects.
    pub(super) async fn open(&self) -> Result<Client> {
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
        let failed = |error: tokio_postgres::Error| {
            let user = &self.user;
            explained(error).context(format!("could not connect to {place} as \"{user}\""))
        };
        if let Some(path) = &self.tls_ca {
            let tls = MakeRustlsConnect::new(tls(path)?);
            config.ssl_mode(SslMode::Require);
            let (client, connection) = config.connect(tls).await.map_err(failed)?;
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
        let (client, connection) = config.connect(NoTls).await.map_err(failed)?;
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
    let mut table = Table::default();
    if sql.trim_start().starts_with("SELECT") {
        // The simple protocol, which gives every value as text, does not tell types.
        let prepared = client.prepare(sql).await.map_err(explained)?;
        let columns = prepared.columns().iter();
        table.kinds = columns.map(|column| Kind::of(column.type_())).collect();
    }
    let messages = client.simple_query(sql).await.map_err(explained)?;
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
        // The error alone says little: what the system said is below it.
        return match std::error::Error::source(&error) {
            Some(cause) => anyhow!("{cause}"),
            None => anyhow!("the connection was lost"),
        };
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

/// Quotes a text for SQL, where a backslash begins an escape.
pub(super) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
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

/// Makes each row an object.
pub(super) fn objects(table: &Table) -> serde_json::Value {
    let object = |row: &Vec<Option<String>>| {
        let kinds = table.kinds.iter().copied();
        let kinds = kinds.chain(std::iter::repeat(Kind::Text));
        let cells = table.names.iter().zip(row).zip(kinds);
        let cells = cells.map(|((name, cell), kind)| {
            let value = cell.as_deref().map(|text| kind.json(text));
            (name.clone(), serde_json::json!(value))
        });
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
            kinds: vec![Kind::Text, Kind::Number],
        };
        assert_eq!(as_table(&table), "table  rows\nsales  17\n");
        let json: serde_json::Value = serde_json::from_str(&as_json(&table).unwrap()).unwrap();
        assert_eq!(json, serde_json::json!([{"table": "sales", "rows": 17}]));
        assert_eq!(Kind::Number.json("NaN"), serde_json::json!("NaN"));
        assert_eq!(Kind::Number.json("1.50").to_string(), "1.5");
        assert_eq!(Kind::Truth.json("t"), serde_json::json!(true));
        assert_eq!(Kind::Text.json("17"), serde_json::json!("17"));
    }

    #[test]
    fn names_cannot_break_out() {
        assert_eq!(quoted("s.t"), "\"s\".\"t\"");
        assert_eq!(quoted("a\";drop"), "\"a\"\";drop\"");
        assert_eq!(literal("a'b\\c"), "'a''b\\\\c'");
    }

    #[test]
    fn only_this_machine_is_spoken_to_in_the_clear() {
        assert!(is_loopback("127.0.0.1") && is_loopback("::1") && is_loopback("localhost"));
        assert!(!is_loopback("10.0.0.1") && !is_loopback("example.com"));
    }
}
