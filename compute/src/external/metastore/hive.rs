//! A Hive metastore, asked over thrift.
//!
//! Answers come in frames if the metastore is set up so: one that is not spoken to in its way closes the connection, and
//! is then spoken to in the other. Fields are numbered as in Hive's `hive_metastore.thrift`.

use super::calls::{Argument, Calls, Failure, Value};
use super::{MetaPartition, MetaTable, PARTITIONS_MAX, TABLES_MAX, too_many, unreachable};
use crate::error::{Error, Result};
use crate::reach::Reach;
use std::net::TcpStream;
use std::time::Duration;

/// Until a connection stands.
const CONNECT_MAX: Duration = Duration::from_secs(4);
/// Until something of an answer must come.
const SILENCE_MAX: Duration = Duration::from_secs(30);
/// Until the first answer must have begun: a metastore that says nothing is not there.
const FIRST_MAX: Duration = Duration::from_secs(4);
/// Tables that are asked for at once.
const TABLES_AT_ONCE: usize = 200;

/// A database of a Hive metastore.
#[derive(Clone, Debug)]
pub struct Hive {
    /// The host.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The database.
    pub database: String,
    /// What may be connected to.
    pub reach: Reach,
}

/// What is asked of a metastore.
type Question<T> = fn(&mut Calls, &str, &str) -> Result<T, Failure>;

impl Hive {
    fn place(&self) -> String {
        format!("the Hive metastore at \"{}:{}\"", self.host, self.port)
    }

    /// Lists the tables of the database.
    pub async fn tables(&self) -> Result<Vec<MetaTable>> {
        let tables = self.ask(String::new(), all_tables).await?;
        let tables = tables.unwrap_or_default();
        match tables.len() > TABLES_MAX {
            true => Err(too_many(&self.place(), "tables", TABLES_MAX)),
            false => Ok(tables),
        }
    }

    /// Finds a table with its partitions; `None` if there is none.
    pub async fn table(&self, name: &str) -> Result<Option<(MetaTable, Vec<MetaPartition>)>> {
        let found = self.ask(name.to_owned(), one_table).await?;
        match found {
            Some((_, partitions)) if partitions.len() > PARTITIONS_MAX => {
                let what = format!("partitions of table \"{name}\"");
                Err(too_many(&self.place(), &what, PARTITIONS_MAX))
            }
            found => Ok(found),
        }
    }

    /// Asks on a thread of its own; `None` if what is asked for is not there.
    async fn ask<T: Send + 'static>(
        &self,
        name: String,
        question: Question<T>,
    ) -> Result<Option<T>> {
        match self.ask_in(&name, question, false).await? {
            Err(Failure::Closed) => self.answered(self.ask_in(&name, question, true).await?),
            answer => self.answered(answer),
        }
    }

    fn answered<T>(&self, answer: Result<T, Failure>) -> Result<Option<T>> {
        match answer {
            Ok(answer) => Ok(Some(answer)),
            Err(Failure::Refused(NOT_THERE, _)) => Ok(None),
            Err(failure) => Err(self.failed(failure)),
        }
    }

    async fn ask_in<T: Send + 'static>(
        &self,
        name: &str,
        question: Question<T>,
        is_framed: bool,
    ) -> Result<Result<T, Failure>> {
        let stream = self.reach.connect(&self.host, self.port, CONNECT_MAX);
        let stream = stream.await.map_err(|error| match error {
            Error::Sql(error) => unreachable(&self.place(), &error.message),
            other => other,
        })?;
        let (database, name) = (self.database.clone(), name.to_owned());
        let asked = tokio::task::spawn_blocking(move || {
            let broken = |error: std::io::Error| Failure::Broken(error.to_string());
            let stream: TcpStream = stream.into_std().map_err(broken)?;
            stream.set_nonblocking(false).map_err(broken)?;
            stream.set_read_timeout(Some(FIRST_MAX)).map_err(broken)?;
            stream.set_write_timeout(Some(FIRST_MAX)).map_err(broken)?;
            let patient = stream.try_clone().map_err(broken)?;
            let mut calls = Calls::over(stream, is_framed)?;
            // Whoever answers this is a metastore, and given time for the rest.
            calls.call("get_database", &[Argument::Text(&database)])?;
            patient
                .set_read_timeout(Some(SILENCE_MAX))
                .map_err(broken)?;
            question(&mut calls, &database, &name)
        });
        asked
            .await
            .map_err(|error| Error::Internal(format!("a thread that asks a metastore: {error}")))
    }

    fn failed(&self, failure: Failure) -> Error {
        match failure {
            Failure::Broken(reason) => unreachable(&self.place(), &reason),
            Failure::Closed => unreachable(
                &self.place(),
                "it closes connections; one that wants Kerberos or TLS is not supported",
            ),
            Failure::NoMethod => unreachable(&self.place(), "it is no metastore that is known"),
            Failure::Refused(_, text) if text.is_empty() => {
                unreachable(&self.place(), "it refused without a reason")
            }
            Failure::Refused(_, text) => unreachable(&self.place(), &text),
        }
    }
}

/// The exception of what is not there, as [`one_table`] and its like give it.
const NOT_THERE: i16 = -1;

fn all_tables(calls: &mut Calls, database: &str, _: &str) -> Result<Vec<MetaTable>, Failure> {
    let names = calls.call("get_all_tables", &[Argument::Text(database)])?;
    let names: Vec<String> = names
        .elements()
        .iter()
        .filter_map(|name| match name {
            Value::Text(name) => Some(name.clone()),
            _ => None,
        })
        .take(TABLES_MAX + 1)
        .collect();
    let mut tables = Vec::with_capacity(names.len());
    for some in names.chunks(TABLES_AT_ONCE) {
        let arguments = [Argument::Text(database), Argument::Texts(some)];
        match calls.call("get_table_objects_by_name", &arguments) {
            Ok(found) => tables.extend(found.elements().iter().map(table)),
            // Versions since 4 have it no more.
            Err(Failure::NoMethod) => {
                for name in some {
                    tables.extend(find(calls, database, name)?);
                }
            }
            Err(failure) => return Err(failure),
        }
    }
    tables.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(tables)
}

fn one_table(
    calls: &mut Calls,
    database: &str,
    name: &str,
) -> Result<(MetaTable, Vec<MetaPartition>), Failure> {
    let Some(table) = find(calls, database, name)? else {
        return Err(Failure::Refused(NOT_THERE, String::new()));
    };
    if table.partition_keys.is_empty() {
        return Ok((table, Vec::new()));
    }
    let arguments = [
        Argument::Text(database),
        Argument::Text(name),
        // As many as there are.
        Argument::Number(-1),
    ];
    let found = calls.call("get_partitions", &arguments)?;
    let partitions = found.elements().iter().take(PARTITIONS_MAX + 1);
    let partitions = partitions.map(|partition| MetaPartition {
        values: partition
            .list(1)
            .iter()
            .map(|value| match value {
                Value::Text(text) => text.clone(),
                _ => String::new(),
            })
            .collect(),
        location: partition
            .field(6)
            .map_or_else(String::new, |storage| storage.text(2)),
    });
    Ok((table, partitions.collect()))
}

/// Finds one table: by the method of old, or by that of newer versions.
fn find(calls: &mut Calls, database: &str, name: &str) -> Result<Option<MetaTable>, Failure> {
    /// `NoSuchObjectException` of `get_table`.
    const NO_SUCH: i16 = 2;
    let arguments = [Argument::Text(database), Argument::Text(name)];
    let answer = match calls.call("get_table", &arguments) {
        Err(Failure::NoMethod) => {
            let request = [(1, database), (2, name)];
            let answer = calls.call("get_table_req", &[Argument::Struct(&request)]);
            answer.map(|result| result.field(1).cloned().unwrap_or(Value::Other))
        }
        answer => answer,
    };
    match answer {
        Ok(found @ Value::Struct(_)) => Ok(Some(table(&found))),
        Ok(_) | Err(Failure::Refused(NO_SUCH, _)) => Ok(None),
        Err(failure) => Err(failure),
    }
}

fn table(value: &Value) -> MetaTable {
    let columns = |columns: &[Value]| -> Vec<(String, String)> {
        let columns = columns.iter();
        columns
            .map(|column| (column.text(1), column.text(2)))
            .collect()
    };
    let nothing = Value::Other;
    let storage = value.field(7).unwrap_or(&nothing);
    let serde = storage.field(7).unwrap_or(&nothing);
    MetaTable {
        name: value.text(1),
        created_s: value.number(4),
        columns: columns(storage.list(1)),
        location: storage.text(2),
        input_format: storage.text(3),
        serialization_lib: serde.text(2),
        serde_parameters: serde.map(3),
        partition_keys: columns(value.list(8)),
        parameters: value.map(9),
        table_type: value.text(12),
    }
}
