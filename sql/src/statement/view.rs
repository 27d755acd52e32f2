//! CREATE VIEW, bound to what it names or late-binding.

use super::query::Query;
use super::{ObjectName, Statement};
use crate::error::{Error, Result};
use crate::parser::cursor::Cursor;
use crate::sqlstate::SqlState;

/// `CREATE [OR REPLACE] VIEW name [(columns)] AS query [WITH NO SCHEMA BINDING]`.
#[derive(Clone, Debug)]
pub struct CreateView {
    /// Its name.
    pub name: ObjectName,
    /// OR REPLACE.
    pub or_replace: bool,
    /// New column names; empty keeps the query's.
    pub columns: Vec<String>,
    /// The query.
    pub query: Query,
    /// The query's text as the user wrote it, for the catalog.
    pub query_text: String,
    /// WITH NO SCHEMA BINDING, and then the whole statement as the user wrote it.
    pub late: Option<String>,
}

/// Parses CREATE VIEW; the cursor is at VIEW.
pub(crate) fn parse_create_view(cursor: &mut Cursor<'_>, or_replace: bool) -> Result<Statement> {
    cursor.expect_word("view")?;
    let name = cursor.object_name()?;
    let columns = cursor.optional_name_list()?;
    cursor.expect_word("as")?;
    let mark = cursor.mark();
    let query = cursor.query()?;
    let query_text = cursor.text_from(mark).to_owned();
    let mut late = None;
    if cursor.take_words(&["with", "no", "schema", "binding"]) {
        if query.relations().iter().any(|name| name.schema.is_none()) {
            return Err(Error::new(
                SqlState::INVALID_TABLE_DEFINITION,
                "All the relation names inside should be qualified when creating VIEW WITH NO SCHEMA BINDING",
            )
            .with_hint("Write schema.name for each table and view of the query."));
        }
        late = Some(cursor.text().trim().to_owned());
    }
    Ok(Statement::CreateView(Box::new(CreateView {
        name,
        or_replace,
        columns,
        query,
        query_text,
        late,
    })))
}
