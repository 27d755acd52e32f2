//! AWS Glue, or what speaks as it does: signed requests of JSON, one address for all of them.

use super::{MetaPartition, MetaTable, PARTITIONS_MAX, TABLES_MAX, too_many, unreachable};
use crate::error::{Error, Result};
use crate::object::ObjectPolicy;
use blueshift_sql::SqlState;
use blueshift_sql::statement::copy::Authorization;
use object_store::aws::AwsAuthorizer;
use object_store::client::{HttpClient, HttpConnector, HttpRequest, ReqwestConnector};
use object_store::{ClientOptions, HeaderValue};
use serde_json::{Value, json};
use std::sync::OnceLock;
use std::time::Duration;

/// Until a connection stands.
const CONNECT_MAX: Duration = Duration::from_secs(4);
/// Until an answer is whole.
const ANSWER_MAX: Duration = Duration::from_secs(30);
/// Bytes of an answer.
const ANSWER_BYTES_MAX: usize = 64 << 20;
/// Entries of an answer; the next has the others.
const PAGE: usize = 100;
/// Partitions of an answer.
const PARTITIONS_PAGE: usize = 1_000;
/// Partitions that one request makes.
const MADE_AT_ONCE: usize = 100;
/// Partitions that one request removes.
const REMOVED_AT_ONCE: usize = 25;
/// The region if nothing tells another.
const REGION: &str = "us-east-1";

/// A database of a data catalog elsewhere.
#[derive(Clone, Debug)]
pub struct Glue {
    /// Where requests go.
    pub endpoint: String,
    /// The database.
    pub database: String,
    /// CATALOG_ID: the account whose catalog it is.
    pub catalog_id: Option<String>,
    /// REGION.
    pub region: Option<String>,
    /// CATALOG_ROLE or IAM_ROLE.
    pub role: String,
    /// What to log in with.
    pub policy: ObjectPolicy,
}

/// The connections to all endpoints.
static CLIENT: OnceLock<HttpClient> = OnceLock::new();

/// What an answer says that is no success.
struct Refusal {
    kind: String,
    message: String,
}

impl Glue {
    fn place(&self) -> String {
        format!("the data catalog at \"{}\"", self.endpoint)
    }

    /// Tells whether the database is there.
    pub async fn has_database(&self) -> Result<bool> {
        let answer = self.ask("GetDatabase", json!({"Name": self.database}));
        Ok(answer.await?.is_some())
    }

    /// Makes the database; one that is there stays.
    pub async fn create_database(&self) -> Result<()> {
        let request = json!({"DatabaseInput": {"Name": self.database}});
        match self.request("CreateDatabase", request).await? {
            Err(refusal) if refusal.kind != "AlreadyExistsException" => Err(self.refused(&refusal)),
            _ => Ok(()),
        }
    }

    /// Removes the database with what is in it.
    pub async fn drop_database(&self) -> Result<()> {
        self.ask("DeleteDatabase", json!({"Name": self.database}))
            .await
            .map(|_| ())
    }

    /// Lists the tables of the database.
    pub async fn tables(&self) -> Result<Vec<MetaTable>> {
        let request = json!({"DatabaseName": self.database, "MaxResults": PAGE});
        let found = self
            .pages("GetTables", request, "TableList", TABLES_MAX)
            .await?;
        Ok(found.iter().map(table).collect())
    }

    /// Finds a table with its partitions; `None` if there is none.
    pub async fn table(&self, name: &str) -> Result<Option<(MetaTable, Vec<MetaPartition>)>> {
        let request = json!({"DatabaseName": self.database, "Name": name});
        let Some(answer) = self.ask("GetTable", request).await? else {
            return Ok(None);
        };
        let table = table(answer.get("Table").unwrap_or(&Value::Null));
        if table.partition_keys.is_empty() {
            return Ok(Some((table, Vec::new())));
        }
        let request = json!({
            "DatabaseName": self.database,
            "TableName": name,
            "MaxResults": PARTITIONS_PAGE,
        });
        let found = self
            .pages("GetPartitions", request, "Partitions", PARTITIONS_MAX)
            .await?;
        let partitions = found.iter().map(|partition| MetaPartition {
            values: texts(partition.get("Values")),
            location: text(partition.get("StorageDescriptor"), "Location"),
        });
        Ok(Some((table, partitions.collect())))
    }

    /// Makes a table.
    pub async fn create_table(&self, table: &MetaTable) -> Result<()> {
        let request = json!({"DatabaseName": self.database, "TableInput": input(table)});
        match self.request("CreateTable", request).await? {
            Ok(_) => Ok(()),
            Err(refusal) if refusal.kind == "AlreadyExistsException" => {
                Err(Error::Sql(blueshift_sql::Error::new(
                    SqlState::DUPLICATE_TABLE,
                    format!("relation \"{}\" already exists", table.name),
                )))
            }
            Err(refusal) => Err(self.refused(&refusal)),
        }
    }

    /// Makes a table what it is told to be.
    pub async fn update_table(&self, table: &MetaTable) -> Result<()> {
        let request = json!({"DatabaseName": self.database, "TableInput": input(table)});
        let done = self.ask("UpdateTable", request).await?;
        done.map(|_| ()).ok_or_else(|| gone(&table.name))
    }

    /// Removes a table. Its files stay.
    pub async fn drop_table(&self, name: &str) -> Result<()> {
        let request = json!({"DatabaseName": self.database, "Name": name});
        let done = self.ask("DeleteTable", request).await?;
        done.map(|_| ()).ok_or_else(|| gone(name))
    }

    /// Adds partitions to a table; gives the places among them of those that are there already.
    pub async fn add_partitions(
        &self,
        table: &MetaTable,
        partitions: &[MetaPartition],
    ) -> Result<Vec<usize>> {
        let mut known = Vec::new();
        for (at, some) in partitions.chunks(MADE_AT_ONCE).enumerate() {
            let inputs = some.iter().map(|partition| {
                let storage = MetaTable {
                    location: partition.location.clone(),
                    ..table.clone()
                };
                json!({"Values": partition.values, "StorageDescriptor": storage_of(&storage)})
            });
            let request = json!({
                "DatabaseName": self.database,
                "TableName": table.name,
                "PartitionInputList": inputs.collect::<Vec<_>>(),
            });
            let answer = self.ask("BatchCreatePartition", request).await?;
            let answer = answer.ok_or_else(|| gone(&table.name))?;
            let errors = answer.get("Errors").and_then(Value::as_array);
            for error in errors.into_iter().flatten() {
                let detail = error.get("ErrorDetail");
                let refusal = Refusal {
                    kind: text(detail, "ErrorCode"),
                    message: text(detail, "ErrorMessage"),
                };
                let values = texts(error.get("PartitionValues"));
                let place = some.iter().position(|one| one.values == values);
                match place.filter(|_| refusal.kind == "AlreadyExistsException") {
                    Some(place) => known.push(at * MADE_AT_ONCE + place),
                    None => return Err(self.refused(&refusal)),
                }
            }
        }
        Ok(known)
    }

    /// Removes partitions of a table.
    pub async fn drop_partitions(&self, table: &str, values: &[Vec<String>]) -> Result<()> {
        for some in values.chunks(REMOVED_AT_ONCE) {
            let gone_ones = some.iter().map(|values| json!({"Values": values}));
            let request = json!({
                "DatabaseName": self.database,
                "TableName": table,
                "PartitionsToDelete": gone_ones.collect::<Vec<_>>(),
            });
            let answer = self.ask("BatchDeletePartition", request).await?;
            let answer = answer.ok_or_else(|| gone(table))?;
            let errors = answer.get("Errors").and_then(Value::as_array);
            if let Some(error) = errors.and_then(|errors| errors.first()) {
                let detail = error.get("ErrorDetail");
                return Err(self.refused(&Refusal {
                    kind: text(detail, "ErrorCode"),
                    message: text(detail, "ErrorMessage"),
                }));
            }
        }
        Ok(())
    }

    /// Asks until there are no more pages.
    async fn pages(
        &self,
        action: &str,
        mut request: Value,
        list: &str,
        most: usize,
    ) -> Result<Vec<Value>> {
        let mut found = Vec::new();
        loop {
            let answer = self.ask(action, request.clone()).await?;
            let mut answer = answer.ok_or_else(|| self.no_database())?;
            if let Some(Value::Array(page)) = answer.get_mut(list).map(Value::take) {
                found.extend(page);
            }
            if found.len() > most {
                return Err(too_many(&self.place(), "entries", most));
            }
            match answer.get("NextToken").and_then(Value::as_str) {
                Some(next) if !next.is_empty() => {
                    if let Some(request) = request.as_object_mut() {
                        request.insert("NextToken".to_owned(), next.into());
                    }
                }
                _ => return Ok(found),
            }
        }
    }

    /// Asks; `None` if what is asked for is not there.
    async fn ask(&self, action: &str, request: Value) -> Result<Option<Value>> {
        match self.request(action, request).await? {
            Ok(answer) => Ok(Some(answer)),
            Err(refusal) if refusal.kind == "EntityNotFoundException" => Ok(None),
            Err(refusal) => Err(self.refused(&refusal)),
        }
    }

    async fn request(&self, action: &str, mut request: Value) -> Result<Result<Value, Refusal>> {
        if let (Some(id), Some(request)) = (&self.catalog_id, request.as_object_mut()) {
            request.insert("CatalogId".to_owned(), id.as_str().into());
        }
        let request = self.signed(action, &request).await?;
        let told = |error: object_store::client::HttpError| {
            // The error names the request, which is signed; its causes do not.
            let cause = std::error::Error::source(&error).map(ToString::to_string);
            unreachable(&self.place(), &cause.unwrap_or_else(|| "no answer".into()))
        };
        let answer = client()?.execute(request).await.map_err(told)?;
        let is_success = answer.status().is_success();
        let status = answer.status().as_u16();
        let body = answer.into_body().bytes().await.map_err(told)?;
        if body.len() > ANSWER_BYTES_MAX {
            return Err(unreachable(&self.place(), "its answer is too large"));
        }
        let answer = serde_json::from_slice::<Value>(&body);
        match answer {
            Ok(answer) if is_success => Ok(Ok(answer)),
            Ok(answer) => Ok(Err(Refusal::of(&answer, status))),
            // Some actions answer nothing.
            Err(_) if is_success && body.is_empty() => Ok(Ok(Value::Null)),
            Err(_) => Err(unreachable(
                &self.place(),
                &format!("it answered with status {status} and no JSON"),
            )),
        }
    }

    async fn signed(&self, action: &str, request: &Value) -> Result<HttpRequest> {
        let wrong = |reason: String| unreachable(&self.place(), &reason);
        let region = self
            .region
            .clone()
            .or_else(|| self.policy.s3_region.clone());
        let region = region
            .or_else(|| std::env::var("AWS_REGION").ok())
            .unwrap_or_else(|| REGION.to_owned());
        let role = Authorization::IamRole(self.role.clone());
        let credential = self.policy.credential(&role, Some(&region)).await?;
        let mut signed = HttpRequest::new(request.to_string().into());
        let target = format!("AWSGlue.{action}");
        let target = HeaderValue::from_str(&target).map_err(|error| wrong(error.to_string()))?;
        *signed.uri_mut() = self
            .endpoint
            .parse()
            .map_err(|_| wrong("its address is no URL".to_owned()))?;
        *signed.method_mut() = "POST"
            .parse()
            .map_err(|_| Error::Internal("POST is a method".to_owned()))?;
        let headers = signed.headers_mut();
        headers.insert(
            "content-type",
            HeaderValue::from_static("application/x-amz-json-1.1"),
        );
        headers.insert("x-amz-target", target);
        AwsAuthorizer::new(&credential, "glue", &region).authorize(&mut signed, None);
        Ok(signed)
    }

    fn no_database(&self) -> Error {
        Error::Sql(blueshift_sql::Error::new(
            SqlState::INVALID_CATALOG_NAME,
            format!(
                "database \"{}\" does not exist in {}",
                self.database,
                self.place()
            ),
        ))
    }

    fn refused(&self, refusal: &Refusal) -> Error {
        let Refusal { kind, message } = refusal;
        unreachable(&self.place(), &format!("{kind}: {message}"))
    }
}

impl Refusal {
    fn of(answer: &Value, status: u16) -> Self {
        let kind = answer.get("__type").and_then(Value::as_str);
        // Some write `com.amazonaws.glue#EntityNotFoundException`.
        let kind = kind.and_then(|kind| kind.rsplit('#').next());
        let message = text(Some(answer), "Message");
        Self {
            kind: kind.map_or_else(|| format!("status {status}"), str::to_owned),
            message: match message.is_empty() {
                true => text(Some(answer), "message"),
                false => message,
            },
        }
    }
}

fn gone(table: &str) -> Error {
    Error::Sql(blueshift_sql::Error::new(
        SqlState::UNDEFINED_TABLE,
        format!("relation \"{table}\" does not exist"),
    ))
}

fn client() -> Result<HttpClient> {
    if let Some(client) = CLIENT.get() {
        return Ok(client.clone());
    }
    let options = ClientOptions::new()
        .with_allow_http(true)
        .with_connect_timeout(CONNECT_MAX)
        .with_timeout(ANSWER_MAX);
    let made = ReqwestConnector::default().connect(&options);
    let made = made.map_err(|error| Error::Internal(format!("no client of HTTP: {error}")))?;
    Ok(CLIENT.get_or_init(|| made).clone())
}

fn text(value: Option<&Value>, name: &str) -> String {
    let text = value.and_then(|value| value.get(name)?.as_str());
    text.unwrap_or_default().to_owned()
}

fn texts(value: Option<&Value>) -> Vec<String> {
    let values = value.and_then(Value::as_array).into_iter().flatten();
    values
        .filter_map(|value| value.as_str().map(str::to_owned))
        .collect()
}

fn pairs(value: Option<&Value>) -> Vec<(String, String)> {
    let pairs = value.and_then(Value::as_object).into_iter().flatten();
    pairs
        .filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())))
        .collect()
}

fn columns(value: Option<&Value>) -> Vec<(String, String)> {
    let columns = value.and_then(Value::as_array).into_iter().flatten();
    columns
        .map(|column| (text(Some(column), "Name"), text(Some(column), "Type")))
        .collect()
}

fn table(value: &Value) -> MetaTable {
    let storage = value.get("StorageDescriptor");
    let part = |name: &str| storage.and_then(|storage| storage.get(name));
    let serde = part("SerdeInfo");
    let created = value.get("CreateTime").and_then(Value::as_f64);
    MetaTable {
        name: text(Some(value), "Name"),
        columns: columns(part("Columns")),
        partition_keys: columns(value.get("PartitionKeys")),
        location: text(storage, "Location"),
        input_format: text(storage, "InputFormat"),
        serialization_lib: text(serde, "SerializationLibrary"),
        serde_parameters: pairs(serde.and_then(|serde| serde.get("Parameters"))),
        parameters: pairs(value.get("Parameters")),
        table_type: text(Some(value), "TableType"),
        created_s: created.unwrap_or_default() as i64,
    }
}

fn listed(columns: &[(String, String)]) -> Vec<Value> {
    let columns = columns.iter();
    columns
        .map(|(name, ty)| json!({"Name": name, "Type": ty}))
        .collect()
}

fn object(pairs: &[(String, String)]) -> Value {
    let pairs = pairs.iter();
    Value::Object(
        pairs
            .map(|(name, value)| (name.clone(), value.as_str().into()))
            .collect(),
    )
}

fn storage_of(table: &MetaTable) -> Value {
    json!({
        "Columns": listed(&table.columns),
        "Location": table.location,
        "InputFormat": table.input_format,
        "OutputFormat": output_format(&table.input_format),
        "SerdeInfo": {
            "SerializationLibrary": table.serialization_lib,
            "Parameters": object(&table.serde_parameters),
        },
    })
}

/// The class that writes what another reads.
fn output_format(input_format: &str) -> String {
    match input_format {
        "org.apache.hadoop.mapred.TextInputFormat" => {
            "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat".to_owned()
        }
        other => other.replace("InputFormat", "OutputFormat"),
    }
}

fn input(table: &MetaTable) -> Value {
    json!({
        "Name": table.name,
        "TableType": "EXTERNAL_TABLE",
        "Parameters": object(&table.parameters),
        "PartitionKeys": listed(&table.partition_keys),
        "StorageDescriptor": storage_of(table),
    })
}
