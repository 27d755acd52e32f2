//! Statements Redshift has and this server does not yet: refused by name, with what to do instead.

use crate::error::Error;
use crate::parser::cursor::Cursor;

/// First words of the statement, its name, and the way out. The longest match of the table wins.
const REFUSED: &[(&[&str], &str, &str)] = &[
    (
        &["savepoint"],
        "SAVEPOINT",
        "Use one transaction for each part",
    ),
    (
        &["release"],
        "RELEASE SAVEPOINT",
        "Use one transaction for each part",
    ),
    (
        &["refresh"],
        "REFRESH of this kind",
        "Use REFRESH MATERIALIZED VIEW",
    ),
    (&["desc"], "DESC", "Read the system tables"),
    (&["listen"], "LISTEN", "Poll a table"),
    (&["notify"], "NOTIFY", "Poll a table"),
    (&["unlisten"], "UNLISTEN", "Poll a table"),
    (&["do"], "DO", "Send the statements one by one"),
    (
        &["checkpoint"],
        "CHECKPOINT",
        "Nothing need be done: every commit is durable",
    ),
    (
        &["reindex"],
        "REINDEX",
        "There are no indexes; choose a sort key",
    ),
    (&["cluster"], "CLUSTER", "Choose a sort key"),
    (&["load"], "LOAD", "Use COPY"),
    (
        &["replace"],
        "REPLACE",
        "Use DELETE and INSERT in one transaction",
    ),
    (&["alter"], "ALTER", "Drop the object and create it again"),
    (
        &["alter", "identity"],
        "ALTER IDENTITY PROVIDER",
        "Users log in with a password; use ALTER USER",
    ),
    (
        &["alter", "external", "schema"],
        "ALTER EXTERNAL SCHEMA",
        "Use DROP SCHEMA, which leaves the external tables, and CREATE EXTERNAL SCHEMA",
    ),
    (
        &["alter", "external", "view"],
        "ALTER EXTERNAL VIEW",
        "Use CREATE OR REPLACE VIEW ... WITH NO SCHEMA BINDING",
    ),
    (
        &["alter", "datashare"],
        "ALTER DATASHARE",
        "There are no datashares; copy the rows",
    ),
    (
        &["alter", "template"],
        "ALTER TEMPLATE",
        "Write the options in each COPY",
    ),
    (
        &["alter", "system"],
        "ALTER SYSTEM",
        "Only wlm_json_configuration is set so; change the configuration file of the server, `blueshift config` shows it",
    ),
    (
        &["desc", "identity"],
        "DESC IDENTITY PROVIDER",
        "SVV_USER_INFO lists the users",
    ),
    (
        &["desc", "datashare"],
        "DESC DATASHARE",
        "There are no datashares; SHOW TABLES lists what can be read",
    ),
    (
        &["create", "external"],
        "CREATE EXTERNAL",
        "Use CREATE EXTERNAL SCHEMA and CREATE EXTERNAL TABLE",
    ),
    (
        &["create", "or"],
        "CREATE OR REPLACE of this kind",
        "Use CREATE OR REPLACE VIEW",
    ),
    (
        &["create", "external", "model"],
        "CREATE EXTERNAL MODEL",
        "Call the model outside the database",
    ),
    (
        &["create", "external", "view"],
        "CREATE EXTERNAL VIEW",
        "Use CREATE VIEW ... WITH NO SCHEMA BINDING",
    ),
    (
        &["create", "external", "protected", "view"],
        "CREATE EXTERNAL PROTECTED VIEW",
        "Use CREATE VIEW ... WITH NO SCHEMA BINDING",
    ),
    (
        &["create", "or", "replace", "external"],
        "CREATE OR REPLACE EXTERNAL",
        "Use CREATE OR REPLACE VIEW ... WITH NO SCHEMA BINDING",
    ),
    (
        &["create", "or", "replace", "library"],
        "CREATE LIBRARY",
        "Do that work outside the database",
    ),
    (
        &["create", "or", "replace", "template"],
        "CREATE TEMPLATE",
        "Write the options in each COPY",
    ),
    (
        &["create", "unlogged"],
        "CREATE UNLOGGED TABLE",
        "Use CREATE TEMP TABLE",
    ),
    (
        &["create", "external", "function"],
        "CREATE EXTERNAL FUNCTION",
        "Write the function in SQL with CREATE FUNCTION",
    ),
    (
        &["create", "or", "replace", "external", "function"],
        "CREATE EXTERNAL FUNCTION",
        "Write the function in SQL with CREATE FUNCTION",
    ),
    (
        &["create", "index"],
        "CREATE INDEX",
        "Choose a sort key; there are no indexes",
    ),
    (
        &["create", "unique"],
        "CREATE INDEX",
        "Choose a sort key; there are no indexes",
    ),
    (
        &["create", "sequence"],
        "CREATE SEQUENCE",
        "Use an IDENTITY column",
    ),
    (
        &["create", "trigger"],
        "CREATE TRIGGER",
        "Do the work in the statements that write",
    ),
    (
        &["create", "library"],
        "CREATE LIBRARY",
        "Do that work outside the database",
    ),
    (
        &["create", "model"],
        "CREATE MODEL",
        "Do that work outside the database",
    ),
    (
        &["create", "datashare"],
        "CREATE DATASHARE",
        "Copy the rows",
    ),
    (&["create", "type"], "CREATE TYPE", "Use the built-in types"),
    (
        &["create", "domain"],
        "CREATE DOMAIN",
        "Use the built-in types",
    ),
    (
        &["create", "extension"],
        "CREATE EXTENSION",
        "Use the built-in functions",
    ),
    (
        &["create", "tablespace"],
        "CREATE TABLESPACE",
        "The server places the rows itself",
    ),
    (&["create", "rule"], "CREATE RULE", "Use a view"),
    (
        &["create", "identity"],
        "CREATE IDENTITY PROVIDER",
        "Use CREATE USER",
    ),
    (
        &["create", "template"],
        "CREATE TEMPLATE",
        "Write the options in each COPY",
    ),
    (
        &["create", "aggregate"],
        "CREATE AGGREGATE",
        "Use the built-in functions",
    ),
    (
        &["create", "operator"],
        "CREATE OPERATOR",
        "Use the built-in operators",
    ),
    (&["create", "cast"], "CREATE CAST", "Use the built-in types"),
    (
        &["create", "foreign"],
        "CREATE FOREIGN",
        "Load the rows with COPY",
    ),
    (
        &["drop"],
        "DROP of this kind",
        "Use DROP TABLE, VIEW, SCHEMA or USER",
    ),
    (
        &["drop", "datashare"],
        "DROP DATASHARE",
        "There are no datashares",
    ),
    (&["drop", "model"], "DROP MODEL", "There are no models"),
    (
        &["drop", "external", "view"],
        "DROP EXTERNAL VIEW",
        "There are no external views; use DROP VIEW",
    ),
    (
        &["drop", "external", "model"],
        "DROP EXTERNAL MODEL",
        "There are no models",
    ),
    (
        &["drop", "external"],
        "DROP EXTERNAL",
        "Use DROP TABLE for an external table and DROP SCHEMA for an external schema",
    ),
    (
        &["drop", "template"],
        "DROP TEMPLATE",
        "There are no templates",
    ),
    (
        &["drop", "library"],
        "DROP LIBRARY",
        "There are no libraries",
    ),
    (
        &["drop", "identity"],
        "DROP IDENTITY PROVIDER",
        "Use DROP USER",
    ),
    (
        &["show", "datashares"],
        "SHOW DATASHARES",
        "There are no datashares; SHOW DATABASES lists what can be read",
    ),
    (
        &["show", "policies"],
        "SHOW POLICIES",
        "Write SHOW RLS POLICIES or SHOW MASKING POLICIES",
    ),
    (
        &["show", "template"],
        "SHOW TEMPLATE",
        "There are no templates; write the options in each COPY",
    ),
    (
        &["show", "templates"],
        "SHOW TEMPLATES",
        "There are no templates; write the options in each COPY",
    ),
    (&["show", "model"], "SHOW MODEL", "There are no models"),
    (
        &["show"],
        "SHOW of this kind",
        "Use SHOW DATABASES, SCHEMAS, TABLES, COLUMNS, CONSTRAINTS, TABLE or VIEW, or read information_schema",
    ),
];

/// Refuses a statement: by name if Redshift has it, else as a syntax error.
pub(super) fn refuse(cursor: &Cursor<'_>) -> Error {
    let known = REFUSED
        .iter()
        .filter(|(words, _, _)| cursor.are_words(words))
        .max_by_key(|(words, _, _)| words.len());
    match known {
        Some((words, name, hint)) => {
            let more = matches!(
                *name,
                "ALTER" | "DESC" | "CREATE EXTERNAL" | "DROP EXTERNAL"
            )
            .then(|| cursor.word_after(words.len()))
            .flatten();
            let name = more.map_or((*name).to_owned(), |more| {
                format!("{name} {}", more.to_uppercase())
            });
            Error::unsupported(name, *hint).at(cursor.position())
        }
        None => {
            let mut at = cursor.clone();
            if at.is_word("create") {
                at.skip();
            }
            at.unexpected()
        }
    }
}
