//! External tables whose columns are not written down: CREATE EXTERNAL TABLE AS takes those of a query and writes its
//! rows, CREATE EXTERNAL TABLE ... INFER FROM looks into files that are there.

use super::row_format::{delimiter, stored_as};
use super::{StoredAs, ensure_partitions, location, properties};
use crate::error::{Error, Result};
use crate::parser::cursor::Cursor;
use crate::sqlstate::SqlState;
use crate::statement::query::Query;
use crate::statement::{ObjectName, Statement};

/// `CREATE EXTERNAL TABLE schema.table ... STORED AS format LOCATION 'folder' AS query`.
#[derive(Clone, Debug)]
pub struct CreateExternalTableAs {
    /// Its name.
    pub name: ObjectName,
    /// PARTITIONED BY: columns of the query whose values name folders.
    pub partitioned_by: Vec<String>,
    /// ROW FORMAT DELIMITED FIELDS TERMINATED BY.
    pub delimiter: Option<u8>,
    /// STORED AS.
    pub stored_as: StoredAs,
    /// LOCATION: a folder, with a slash at its end.
    pub location: String,
    /// TABLE PROPERTIES, as written.
    pub properties: Vec<(String, String)>,
    /// Whose rows the files get.
    pub query: Query,
}

/// `CREATE EXTERNAL TABLE schema.table INFER FROM 'folder' [STORED AS format] [TABLE PROPERTIES (...)]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InferExternalTable {
    /// Its name.
    pub name: ObjectName,
    /// The folder.
    pub location: String,
    /// STORED AS; what the files look like if not given.
    pub stored_as: Option<StoredAs>,
    /// ROW FORMAT DELIMITED FIELDS TERMINATED BY; what the files look like if not given.
    pub delimiter: Option<u8>,
    /// TABLE PROPERTIES, as written.
    pub properties: Vec<(String, String)>,
}

/// Parses what follows the name of CREATE EXTERNAL TABLE AS.
pub(super) fn parse_as(cursor: &mut Cursor<'_>, name: ObjectName) -> Result<Statement> {
    let partitioned_by = match cursor.take_words(&["partitioned", "by"]) {
        true => cursor.name_list()?,
        false => Vec::new(),
    };
    ensure_partitions(&partitioned_by)?;
    let fields = row_format(cursor, "CREATE EXTERNAL TABLE AS")?;
    cursor.expect_word("stored")?;
    cursor.expect_word("as")?;
    let position = cursor.position();
    let stored_as = stored_as(cursor)?;
    if !(stored_as == StoredAs::Parquet || stored_as == StoredAs::TextFile) {
        return Err(Error::unsupported(
            "CREATE EXTERNAL TABLE AS with this STORED AS",
            "Use STORED AS PARQUET or STORED AS TEXTFILE",
        )
        .at(position));
    }
    ensure_goes_with(stored_as, fields, position)?;
    cursor.expect_word("location")?;
    let mut location = location(cursor)?;
    if !location.ends_with('/') {
        location.push('/');
    }
    let properties = match cursor.take_words(&["table", "properties"]) {
        true => properties(cursor)?,
        false => Vec::new(),
    };
    cursor.expect_word("as")?;
    let query = cursor.query()?;
    ensure_whole(&query)?;
    Ok(Statement::CreateExternalTableAs(Box::new(
        CreateExternalTableAs {
            name,
            partitioned_by,
            delimiter: fields,
            stored_as,
            location,
            properties,
            query,
        },
    )))
}

/// Refuses a query whose outermost SELECT has LIMIT or TOP, which would cut each slice. Source: Redshift's guide, CREATE
/// EXTERNAL TABLE and INSERT (external table).
pub fn ensure_whole(query: &Query) -> Result<()> {
    match query.is_cut_off() {
        false => Ok(()),
        true => Err(Error::new(
            SqlState::FEATURE_NOT_SUPPORTED,
            "Limit clause is not supported.",
        )
        .with_hint("Wrap the query: SELECT * FROM (SELECT ... LIMIT 10).")),
    }
}

/// Parses what follows INFER FROM.
pub(super) fn parse_infer(cursor: &mut Cursor<'_>, name: ObjectName) -> Result<Statement> {
    let location = location(cursor)?;
    let fields = row_format(cursor, "CREATE EXTERNAL TABLE ... INFER FROM")?;
    let position = cursor.position();
    let stored_as = match cursor.take_words(&["stored", "as"]) {
        true => Some(stored_as(cursor)?),
        false => None,
    };
    if let Some(stored_as) = stored_as {
        ensure_goes_with(stored_as, fields, position)?;
    }
    let properties = match cursor.take_words(&["table", "properties"]) {
        true => properties(cursor)?,
        false => Vec::new(),
    };
    Ok(Statement::InferExternalTable(Box::new(
        InferExternalTable {
            name,
            location,
            stored_as,
            delimiter: fields,
            properties,
        },
    )))
}

fn ensure_goes_with(stored_as: StoredAs, fields: Option<u8>, position: usize) -> Result<()> {
    match fields.is_some() && stored_as != StoredAs::TextFile {
        false => Ok(()),
        true => Err(Error::syntax(
            "ROW FORMAT DELIMITED goes with STORED AS TEXTFILE alone",
            Some(position),
        )),
    }
}

/// ROW FORMAT DELIMITED FIELDS TERMINATED BY, if given: all that is known of it where files are written.
fn row_format(cursor: &mut Cursor<'_>, statement: &str) -> Result<Option<u8>> {
    if !cursor.take_words(&["row", "format"]) {
        return Ok(None);
    }
    let position = cursor.position();
    if cursor.is_word("serde") {
        return Err(Error::unsupported(
            format!("ROW FORMAT SERDE of {statement}"),
            "Use ROW FORMAT DELIMITED FIELDS TERMINATED BY",
        )
        .at(position));
    }
    cursor.expect_word("delimited")?;
    let position = cursor.position();
    if cursor.is_word("lines") {
        return Err(Error::unsupported(
            format!("LINES TERMINATED BY of {statement}"),
            "Leave it out: lines end with a newline",
        )
        .at(position));
    }
    match cursor.take_words(&["fields", "terminated", "by"]) {
        true => delimiter(cursor).map(Some),
        false => Err(cursor.unexpected()),
    }
}
