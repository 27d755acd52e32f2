//! CREATE EXTERNAL SCHEMA: a schema that shows what a catalog elsewhere, or a live database, has.

use crate::error::{Error, Result};
use crate::parser::cursor::Cursor;
use crate::sqlstate::SqlState;
use crate::statement::Statement;

/// `CREATE EXTERNAL SCHEMA [IF NOT EXISTS] name FROM source DATABASE 'db' ...`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateExternalSchema {
    /// Its name.
    pub name: String,
    /// IF NOT EXISTS.
    pub if_not_exists: bool,
    /// FROM.
    pub source: SchemaSource,
    /// DATABASE: the external database whose tables it shows.
    pub database: String,
    /// REGION.
    pub region: Option<String>,
    /// IAM_ROLE: `default`, `SESSION` or roles.
    pub iam_role: String,
    /// CATALOG_ROLE.
    pub catalog_role: Option<String>,
    /// CATALOG_ID.
    pub catalog_id: Option<String>,
    /// CREATE EXTERNAL DATABASE IF NOT EXISTS.
    pub create_database: bool,
}

/// FROM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SchemaSource {
    /// DATA CATALOG
    DataCatalog,
    /// HIVE METASTORE
    Hive {
        /// URI: the host.
        uri: String,
        /// PORT.
        port: u16,
    },
    /// POSTGRES
    Postgres {
        /// SCHEMA.
        schema: String,
        /// URI: the host.
        uri: String,
        /// PORT.
        port: u16,
        /// SECRET_ARN: the name of the login.
        secret: String,
    },
}

/// The port of a Hive metastore if none is given.
const HIVE_PORT: u16 = 9083;
/// The port of PostgreSQL if none is given.
const POSTGRES_PORT: u16 = 5432;
/// The schema of PostgreSQL if none is given.
const POSTGRES_SCHEMA: &str = "public";

/// Sources of external schemas that are known to Redshift and refused here, with the way out.
const REFUSED_SOURCES: &[(&str, &str, &str)] = &[
    (
        "mysql",
        "CREATE EXTERNAL SCHEMA FROM MYSQL",
        "Export the rows to files and load them with COPY",
    ),
    (
        "kinesis",
        "CREATE EXTERNAL SCHEMA FROM KINESIS",
        "Write the stream to files and load them with COPY",
    ),
    (
        "msk",
        "CREATE EXTERNAL SCHEMA FROM MSK",
        "Write the topic to files and load them with COPY",
    ),
    (
        "kafka",
        "CREATE EXTERNAL SCHEMA FROM KAFKA",
        "Write the topic to files and load them with COPY",
    ),
    (
        "redshift",
        "CREATE EXTERNAL SCHEMA FROM REDSHIFT",
        "Names of three parts read other databases of this server",
    ),
];

/// What kinds of sources a clause goes with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    DataCatalog,
    Hive,
    Postgres,
}

impl Kind {
    fn words(self) -> &'static str {
        match self {
            Self::DataCatalog => "DATA CATALOG",
            Self::Hive => "HIVE METASTORE",
            Self::Postgres => "POSTGRES",
        }
    }

    fn example(self) -> &'static str {
        match self {
            Self::DataCatalog => "Write FROM DATA CATALOG DATABASE 'name' IAM_ROLE default",
            Self::Hive => "Write FROM HIVE METASTORE DATABASE 'name' URI 'host' IAM_ROLE default",
            Self::Postgres => {
                "Write FROM POSTGRES DATABASE 'name' SCHEMA 'name' URI 'host' IAM_ROLE default SECRET_ARN 'arn'"
            }
        }
    }

    fn has(self, clause: &str) -> bool {
        let own: &[&str] = match self {
            Self::DataCatalog => &["region", "catalog_role", "catalog_id"],
            Self::Hive => &["uri", "port"],
            Self::Postgres => &["schema", "uri", "port", "secret_arn"],
        };
        ["database", "iam_role"].contains(&clause) || own.contains(&clause)
    }
}

/// Parses CREATE EXTERNAL SCHEMA; the cursor is at SCHEMA.
pub(crate) fn parse(cursor: &mut Cursor<'_>) -> Result<Statement> {
    cursor.expect_word("schema")?;
    let if_not_exists = cursor.take_words(&["if", "not", "exists"]);
    let name = cursor.name()?;
    cursor.expect_word("from")?;
    let position = cursor.position();
    let refused = REFUSED_SOURCES
        .iter()
        .find(|(word, ..)| cursor.is_word(word));
    if let Some((_, what, hint)) = refused {
        return Err(Error::unsupported(*what, *hint).at(position));
    }
    let kind = if cursor.take_words(&["hive", "metastore"]) {
        Kind::Hive
    } else if cursor.take_word("postgres") {
        Kind::Postgres
    } else {
        cursor.take_words(&["data", "catalog"]);
        Kind::DataCatalog
    };
    let mut options = Options::default();
    while !cursor.at_end() {
        options.parse(cursor, kind)?;
    }
    let source = options.source(kind)?;
    let schema = CreateExternalSchema {
        name,
        if_not_exists,
        source,
        database: needed(options.database, "DATABASE", kind)?,
        region: options.region,
        iam_role: needed(options.iam_role, "IAM_ROLE", kind)?,
        catalog_role: options.catalog_role,
        catalog_id: options.catalog_id,
        create_database: options.create_database,
    };
    Ok(Statement::CreateExternalSchema(Box::new(schema)))
}

fn needed(value: Option<String>, what: &str, kind: Kind) -> Result<String> {
    value.ok_or_else(|| {
        Error::new(
            SqlState::SYNTAX_ERROR,
            format!("CREATE EXTERNAL SCHEMA needs {what}"),
        )
        .with_hint(kind.example())
    })
}

/// The clauses of CREATE EXTERNAL SCHEMA, in any order.
#[derive(Default)]
struct Options {
    database: Option<String>,
    schema: Option<String>,
    region: Option<String>,
    uri: Option<String>,
    port: Option<String>,
    secret_arn: Option<String>,
    iam_role: Option<String>,
    catalog_role: Option<String>,
    catalog_id: Option<String>,
    create_database: bool,
}

impl Options {
    fn parse(&mut self, cursor: &mut Cursor<'_>, kind: Kind) -> Result<()> {
        let position = cursor.position();
        if cursor.take_words(&["create", "external", "database", "if", "not", "exists"]) {
            if kind != Kind::DataCatalog {
                return Err(stranger("CREATE EXTERNAL DATABASE", kind).at(position));
            }
            self.create_database = true;
            return Ok(());
        }
        let word = cursor.peek_word().unwrap_or_default();
        let field = match word.as_str() {
            "database" => &mut self.database,
            "schema" => &mut self.schema,
            "region" => &mut self.region,
            "uri" => &mut self.uri,
            "port" => &mut self.port,
            "secret_arn" => &mut self.secret_arn,
            "iam_role" => &mut self.iam_role,
            "catalog_role" => &mut self.catalog_role,
            "catalog_id" => &mut self.catalog_id,
            "authentication" | "authentication_arn" | "cluster_arn" => {
                return Err(stranger(&word.to_uppercase(), kind).at(position));
            }
            _ => return Err(cursor.unexpected()),
        };
        let clause = word.to_uppercase();
        if !kind.has(&word) {
            return Err(stranger(&clause, kind).at(position));
        }
        cursor.skip();
        let value = match word.as_str() {
            "port" => cursor.integer()?.to_string(),
            "iam_role" if cursor.take_word("default") => "default".to_owned(),
            _ => cursor.raw_string()?,
        };
        if value.is_empty() {
            let text = format!("{clause} must not be empty");
            return Err(Error::new(SqlState::INVALID_PARAMETER_VALUE, text).at(position));
        }
        match field.replace(value) {
            None => Ok(()),
            Some(_) => Err(Error::syntax(
                format!("{clause} may be given once"),
                Some(position),
            )),
        }
    }

    fn source(&mut self, kind: Kind) -> Result<SchemaSource> {
        Ok(match kind {
            Kind::DataCatalog => SchemaSource::DataCatalog,
            Kind::Hive => SchemaSource::Hive {
                uri: self.host(kind)?,
                port: self.port(HIVE_PORT)?,
            },
            Kind::Postgres => SchemaSource::Postgres {
                uri: self.host(kind)?,
                port: self.port(POSTGRES_PORT)?,
                schema: self.schema.take().unwrap_or(POSTGRES_SCHEMA.to_owned()),
                secret: needed(self.secret_arn.take(), "SECRET_ARN", kind)?,
            },
        })
    }

    /// The host alone: no protocol, no port, no path.
    fn host(&mut self, kind: Kind) -> Result<String> {
        let uri = needed(self.uri.take(), "URI", kind)?;
        let is_host = uri
            .chars()
            .all(|each| each.is_ascii_alphanumeric() || "-._:[]".contains(each));
        // An address of IPv6 has colons too.
        let is_name = uri.parse::<std::net::IpAddr>().is_ok() || !uri.contains([':', '[']);
        match is_host && is_name {
            true => Ok(uri),
            false => Err(Error::new(
                SqlState::INVALID_PARAMETER_VALUE,
                format!("URI \"{uri}\" is not the name or the address of a host"),
            )
            .with_hint("Write the host alone, and the port behind PORT.")),
        }
    }

    fn port(&self, default: u16) -> Result<u16> {
        let Some(given) = &self.port else {
            return Ok(default);
        };
        let port = given.parse::<u16>().ok().filter(|port| *port > 0);
        port.ok_or_else(|| {
            Error::new(
                SqlState::INVALID_PARAMETER_VALUE,
                format!("PORT {given} is not between 1 and 65535"),
            )
        })
    }
}

fn stranger(clause: &str, kind: Kind) -> Error {
    let text = format!("{clause} does not go with {}", kind.words());
    Error::new(SqlState::SYNTAX_ERROR, text)
}
