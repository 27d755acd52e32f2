//! External tables: CREATE EXTERNAL TABLE, and what ALTER TABLE changes of one. Their schemas are in [`schema`].

pub mod schema;

mod made;
mod nested;
mod row_format;

pub use made::{CreateExternalTableAs, InferExternalTable, ensure_whole};
pub use nested::{ENTRY_FIELDS, NestedType};
pub use row_format::{JsonSerde, RowFormat};

use super::{ObjectName, Statement};
use crate::error::{Error, Result};
use crate::parser::cursor::Cursor;
use crate::sqlstate::SqlState;
use crate::types::SqlType;
use row_format::{row_format, stored_as};
use sqlparser::tokenizer::Token;
use std::collections::BTreeMap;

/// Columns of an external table at most, the pseudocolumns not counted.
pub const COLUMNS_MAX: usize = 1_598;
/// The names of the pseudocolumns, which no column may have.
pub const PSEUDO_COLUMNS: [&str; 3] = ["$path", "$size", "$spectrum_oid"];

/// `CREATE EXTERNAL TABLE schema.table (columns) ... STORED AS format LOCATION 'place'`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateExternalTable {
    /// Its name.
    pub name: ObjectName,
    /// Columns that stand in the files.
    pub columns: Vec<(String, SqlType)>,
    /// The nested types of those of the columns that are SUPER.
    pub nested: BTreeMap<String, NestedType>,
    /// PARTITIONED BY: columns that follow from where a file lies.
    pub partitioned_by: Vec<(String, SqlType)>,
    /// ROW FORMAT.
    pub row_format: RowFormat,
    /// STORED AS.
    pub stored_as: StoredAs,
    /// LOCATION.
    pub location: String,
    /// TABLE PROPERTIES, as written.
    pub properties: Vec<(String, String)>,
}

/// STORED AS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoredAs {
    /// PARQUET
    Parquet,
    /// ORC
    Orc,
    /// AVRO
    Avro,
    /// TEXTFILE
    TextFile,
}

/// The values that name a partition, by column.
pub type PartitionSpec = Vec<(String, String)>;

/// What ALTER TABLE changes of an external table alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExternalAction {
    /// ADD \[IF NOT EXISTS\] PARTITION (...) LOCATION '...' ...
    AddPartitions {
        /// IF NOT EXISTS.
        if_not_exists: bool,
        /// Each partition with its place.
        partitions: Vec<(PartitionSpec, String)>,
    },
    /// DROP PARTITION (...).
    DropPartition(PartitionSpec),
    /// PARTITION (...) SET LOCATION '...'.
    PartitionLocation(PartitionSpec, String),
    /// SET LOCATION '...'.
    Location(String),
    /// SET FILE FORMAT.
    FileFormat(StoredAs),
    /// SET TABLE PROPERTIES (...).
    Properties(Vec<(String, String)>),
}

/// Parses CREATE EXTERNAL TABLE; the cursor is at TABLE.
pub(crate) fn parse_create_table(cursor: &mut Cursor<'_>) -> Result<Statement> {
    cursor.expect_word("table")?;
    if cursor.are_words(&["if", "not", "exists"]) {
        return Err(Error::unsupported(
            "CREATE EXTERNAL TABLE IF NOT EXISTS",
            "Look into SVV_EXTERNAL_TABLES first, as with Redshift",
        )
        .at(cursor.position()));
    }
    let name = cursor.object_name()?;
    if cursor.take_words(&["infer", "from"]) {
        return made::parse_infer(cursor, name);
    }
    let mut nested = BTreeMap::new();
    let columns = match cursor.peek() == Some(&Token::LParen) {
        true => columns_of(cursor, Some(&mut nested))?,
        false => return made::parse_as(cursor, name),
    };
    let partitioned_by = match cursor.take_words(&["partitioned", "by"]) {
        true => columns_of(cursor, None)?,
        false => Vec::new(),
    };
    let row_format = match cursor.take_words(&["row", "format"]) {
        true => row_format(cursor)?,
        false => RowFormat::Default,
    };
    cursor.expect_word("stored")?;
    cursor.expect_word("as")?;
    let position = cursor.position();
    let stored_as = stored_as(cursor)?;
    let row_format = row_format
        .stored_as(stored_as)
        .map_err(|error| error.at(position))?;
    cursor.expect_word("location")?;
    let location = location(cursor)?;
    let properties = match cursor.take_words(&["table", "properties"]) {
        true => properties(cursor)?,
        false => Vec::new(),
    };
    if cursor.is_word("as") {
        return Err(Error::syntax(
            "CREATE EXTERNAL TABLE AS takes no list of columns",
            Some(cursor.position()),
        )
        .with_hint("Name the columns in the query."));
    }
    let table = CreateExternalTable {
        name,
        columns,
        nested,
        partitioned_by,
        row_format,
        stored_as,
        location,
        properties,
    };
    ensure_sound(&table)?;
    Ok(Statement::CreateExternalTable(Box::new(table)))
}

/// `(name type, ...)`, of partition columns if there is no place for nested types.
fn columns_of(
    cursor: &mut Cursor<'_>,
    mut nested: Option<&mut BTreeMap<String, NestedType>>,
) -> Result<Vec<(String, SqlType)>> {
    cursor.expect(&Token::LParen)?;
    let mut found = Vec::new();
    loop {
        let name = cursor.name()?;
        if let Some(nested) = &mut nested
            && nested::is_next(cursor)
        {
            nested.insert(name.clone(), nested::parse(cursor)?);
            found.push((name, SqlType::Super));
        } else {
            let position = cursor.position();
            let ty = column_type(cursor)?;
            ensure_column_type(ty, nested.is_none()).map_err(|error| error.at(position))?;
            found.push((name, ty));
        }
        if !cursor.take(&Token::Comma) {
            break;
        }
    }
    cursor.expect(&Token::RParen)?;
    Ok(found)
}

fn column_type(cursor: &mut Cursor<'_>) -> Result<SqlType> {
    let position = cursor.position();
    let word = cursor.peek_word().unwrap_or_default();
    if ["struct", "array", "map"].contains(&word.as_str()) {
        return Err(Error::unsupported(
            format!(
                "partition columns of the nested type {}",
                word.to_uppercase()
            ),
            "Partition by columns of plain types",
        )
        .at(position));
    }
    if word == "string" {
        return Err(Error::new(
            SqlState::FEATURE_NOT_SUPPORTED,
            "external tables do not support the STRING data type",
        )
        .with_hint("Use VARCHAR instead.")
        .at(position));
    }
    crate::types::parse(cursor)
}

/// Refuses types that external tables do not have. Source: Redshift's guide, CREATE EXTERNAL TABLE, "data_type", and "Partitioning Redshift Spectrum external tables".
pub fn ensure_column_type(ty: SqlType, is_partition: bool) -> Result<()> {
    let is_known = matches!(
        ty,
        SqlType::SmallInt
            | SqlType::Integer
            | SqlType::BigInt
            | SqlType::Decimal { .. }
            | SqlType::Real
            | SqlType::Double
            | SqlType::Boolean
            | SqlType::Char(_)
            | SqlType::Varchar(_)
            | SqlType::Date
            | SqlType::Timestamp
    ) || (matches!(ty, SqlType::Varbyte(_)) && !is_partition);
    if is_known {
        return Ok(());
    }
    let what = match is_partition {
        true => "partition columns of external tables",
        false => "columns of external tables",
    };
    Err(Error::new(
        SqlState::FEATURE_NOT_SUPPORTED,
        format!("{what} cannot have the type {}", ty.display()),
    )
    .with_hint("Use a number, BOOLEAN, CHAR, VARCHAR, DATE or TIMESTAMP."))
}

fn location(cursor: &mut Cursor<'_>) -> Result<String> {
    let position = cursor.position();
    let text = cursor.raw_string()?;
    let is_place = text.strip_prefix("s3://").is_some_and(|rest| {
        let bucket = rest.split('/').next().unwrap_or_default();
        !bucket.is_empty()
    }) || text.starts_with("file:///");
    match is_place {
        true => Ok(text),
        false => Err(Error::new(
            SqlState::INVALID_PARAMETER_VALUE,
            "the location of an external table must be a folder or a manifest on S3",
        )
        .with_hint("Write 's3://bucket/folder/', 's3://bucket/manifest' or 'file:///folder/'.")
        .at(position)),
    }
}

/// `('name'='value', ...)`.
fn properties(cursor: &mut Cursor<'_>) -> Result<Vec<(String, String)>> {
    cursor.expect(&Token::LParen)?;
    let mut found: Vec<(String, String)> = Vec::new();
    loop {
        let position = cursor.position();
        let name = cursor.raw_string()?;
        cursor.expect(&Token::Eq)?;
        let value = cursor.raw_string()?;
        if found.iter().any(|(known, _)| *known == name) {
            return Err(Error::syntax(
                format!("the property '{name}' is given twice"),
                Some(position),
            ));
        }
        found.push((name, value));
        if !cursor.take(&Token::Comma) {
            break;
        }
    }
    cursor.expect(&Token::RParen)?;
    Ok(found)
}

/// Refuses a column that is named twice.
fn ensure_partitions(names: &[String]) -> Result<()> {
    for (place, name) in names.iter().enumerate() {
        if names.iter().take(place).any(|other| other == name) {
            return Err(Error::new(
                SqlState::DUPLICATE_COLUMN,
                format!("column \"{name}\" specified more than once"),
            ));
        }
    }
    Ok(())
}

fn ensure_sound(table: &CreateExternalTable) -> Result<()> {
    let all: Vec<_> = table.columns.iter().chain(&table.partitioned_by).collect();
    for (place, (name, _)) in all.iter().enumerate() {
        if PSEUDO_COLUMNS.contains(&name.as_str()) {
            return Err(Error::new(
                SqlState::INVALID_TABLE_DEFINITION,
                format!("column name \"{name}\" is reserved for a pseudocolumn"),
            ));
        }
        if all.iter().take(place).any(|(other, _)| other == name) {
            return Err(Error::new(
                SqlState::DUPLICATE_COLUMN,
                format!("column \"{name}\" specified more than once"),
            ));
        }
    }
    if all.len() > COLUMNS_MAX {
        return Err(Error::new(
            SqlState::TOO_MANY_COLUMNS,
            format!("external tables can have at most {COLUMNS_MAX} columns"),
        ));
    }
    if table.stored_as != StoredAs::Parquet && !table.nested.is_empty() {
        return Err(Error::unsupported(
            "external columns of nested types in files other than Parquet",
            "Use STORED AS PARQUET, or name the columns that are not nested",
        ));
    }
    let is_varbyte = |(_, ty): &(String, SqlType)| matches!(ty, SqlType::Varbyte(_));
    let has_bytes = matches!(table.stored_as, StoredAs::Parquet | StoredAs::Orc);
    if !has_bytes && table.columns.iter().any(is_varbyte) {
        return Err(Error::new(
            SqlState::FEATURE_NOT_SUPPORTED,
            "columns of type VARBYTE need files in Parquet or ORC",
        ));
    }
    Ok(())
}

/// Parses what ALTER TABLE can change of an external table alone; `None` if something else follows.
pub(super) fn parse_action(cursor: &mut Cursor<'_>) -> Result<Option<ExternalAction>> {
    let opens = |cursor: &Cursor<'_>, ahead: usize| cursor.peek_at(ahead) == Some(&Token::LParen);
    let is_add = (cursor.are_words(&["add", "partition"]) && opens(cursor, 2))
        || cursor.are_words(&["add", "if", "not", "exists", "partition"]);
    if is_add {
        cursor.skip();
        let if_not_exists = cursor.take_words(&["if", "not", "exists"]);
        return add_partitions(cursor, if_not_exists).map(Some);
    }
    if cursor.are_words(&["drop", "partition"]) && opens(cursor, 2) {
        cursor.skip();
        return Ok(Some(ExternalAction::DropPartition(partition(cursor)?)));
    }
    if cursor.is_word("partition") && opens(cursor, 1) {
        let spec = partition(cursor)?;
        cursor.expect_word("set")?;
        cursor.expect_word("location")?;
        let place = location(cursor)?;
        return Ok(Some(ExternalAction::PartitionLocation(spec, place)));
    }
    if cursor.take_words(&["set", "location"]) {
        return Ok(Some(ExternalAction::Location(location(cursor)?)));
    }
    if cursor.take_words(&["set", "file", "format"]) {
        return Ok(Some(ExternalAction::FileFormat(stored_as(cursor)?)));
    }
    if cursor.take_words(&["set", "table", "properties"]) {
        return Ok(Some(ExternalAction::Properties(properties(cursor)?)));
    }
    Ok(None)
}

fn add_partitions(cursor: &mut Cursor<'_>, if_not_exists: bool) -> Result<ExternalAction> {
    let mut partitions = Vec::new();
    loop {
        let spec = partition(cursor)?;
        cursor.expect_word("location")?;
        partitions.push((spec, location(cursor)?));
        cursor.take(&Token::Comma);
        if !cursor.is_word("partition") {
            break;
        }
    }
    Ok(ExternalAction::AddPartitions {
        if_not_exists,
        partitions,
    })
}

/// `PARTITION (column = value, ...)`.
fn partition(cursor: &mut Cursor<'_>) -> Result<PartitionSpec> {
    cursor.expect_word("partition")?;
    cursor.expect(&Token::LParen)?;
    let mut spec = Vec::new();
    loop {
        let name = cursor.name()?;
        cursor.expect(&Token::Eq)?;
        spec.push((name, value(cursor)?));
        if !cursor.take(&Token::Comma) {
            break;
        }
    }
    cursor.expect(&Token::RParen)?;
    Ok(spec)
}

/// A text, a number or a truth value, as text.
fn value(cursor: &mut Cursor<'_>) -> Result<String> {
    if cursor.is_string() {
        return cursor.string();
    }
    for word in ["true", "false"] {
        if cursor.take_word(word) {
            return Ok(word.to_owned());
        }
    }
    let sign = match cursor.take(&Token::Minus) {
        true => "-",
        false => "",
    };
    match cursor.peek() {
        Some(Token::Number(digits, _)) => {
            let text = format!("{sign}{digits}");
            cursor.skip();
            Ok(text)
        }
        _ => Err(cursor.unexpected()),
    }
}

#[cfg(test)]
mod tests;
