//! Finds objects by name, and says what a wrong name might have meant.

use super::{Catalog, Oid, Schema, Table, User, View};
use std::collections::HashMap;
use std::sync::Arc;

/// Oids by name. Tables and views share one space of names within a schema.
#[derive(Clone, Debug, Default)]
pub(super) struct NameIndex {
    /// By database and name.
    pub(super) schemas: HashMap<(Oid, String), Oid>,
    pub(super) relations: HashMap<(Oid, String), Oid>,
    pub(super) users: HashMap<String, Oid>,
    /// More than one routine may have a name.
    pub(super) routines: HashMap<(Oid, String), Vec<Oid>>,
}

/// A table or a view.
#[derive(Clone, Debug)]
pub enum Relation {
    /// A table.
    Table(Arc<Table>),
    /// A view.
    View(Arc<View>),
}

impl Relation {
    /// Gives its oid.
    pub fn oid(&self) -> Oid {
        match self {
            Self::Table(table) => table.oid,
            Self::View(view) => view.oid,
        }
    }

    /// Gives its schema's oid.
    pub fn schema(&self) -> Oid {
        match self {
            Self::Table(table) => table.schema,
            Self::View(view) => view.schema,
        }
    }

    /// Gives its name.
    pub fn name(&self) -> &str {
        match self {
            Self::Table(table) => &table.name,
            Self::View(view) => &view.name,
        }
    }

    /// Gives its owner's oid.
    pub fn owner(&self) -> Oid {
        match self {
            Self::Table(table) => table.owner,
            Self::View(view) => view.owner,
        }
    }

    /// Gives its columns.
    pub fn columns(&self) -> &[super::Column] {
        match self {
            Self::Table(table) => &table.columns,
            Self::View(view) => &view.columns,
        }
    }

    /// Gives the word for its kind.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Table(_) => "table",
            Self::View(_) => "view",
        }
    }
}

impl Catalog {
    /// Finds a schema.
    pub fn schema_named(&self, name: &str) -> Option<&Arc<Schema>> {
        let oid = self.names.schemas.get(&(self.database, name.to_string()))?;
        self.schemas.get(oid)
    }

    /// Finds a user.
    pub fn user_named(&self, name: &str) -> Option<&Arc<User>> {
        self.users.get(self.names.users.get(name)?)
    }

    /// Finds a table or view by oid.
    pub fn relation(&self, oid: Oid) -> Option<Relation> {
        let table = self.tables.get(&oid).cloned().map(Relation::Table);
        table.or_else(|| self.views.get(&oid).cloned().map(Relation::View))
    }

    /// Finds a table or view by schema and name.
    pub fn relation_named(&self, schema: Oid, name: &str) -> Option<Relation> {
        self.relation(*self.names.relations.get(&(schema, name.to_string()))?)
    }

    /// Gives the tables and views of a schema, by oid.
    pub fn relations_in(&self, schema: Oid) -> Vec<Relation> {
        let tables = self.tables.values().cloned().map(Relation::Table);
        let views = self.views.values().cloned().map(Relation::View);
        let mut found: Vec<_> = tables
            .chain(views)
            .filter(|relation| relation.schema() == schema)
            .collect();
        found.sort_by_key(Relation::oid);
        found
    }

    /// Gives `schema.table`, or the name alone for an unknown schema; `database.schema.table` if it is in another
    /// database than the catalog shows.
    pub fn qualified_name(&self, schema: Oid, name: &str) -> String {
        let Some(schema) = self.schemas.get(&schema) else {
            return name.to_string();
        };
        match self.databases.get(&schema.database) {
            Some(other) if other.oid != self.database => {
                format!("{}.{}.{name}", other.name, schema.name)
            }
            _ => format!("{}.{name}", schema.name),
        }
    }

    /// Gives the views that need `oid`, directly or through other views, outermost last.
    pub fn dependents(&self, oid: Oid) -> Vec<Arc<View>> {
        let mut found: Vec<Arc<View>> = Vec::new();
        let mut wanted = vec![oid];
        while let Some(needed) = wanted.pop() {
            for view in self
                .views
                .values()
                .filter(|view| view.depends_on.contains(&needed))
            {
                if !found.iter().any(|known| known.oid == view.oid) {
                    found.push(view.clone());
                    wanted.push(view.oid);
                }
            }
        }
        found.sort_by_key(|view| view.oid);
        found
    }

    /// Gives every name of a table or view, for "did you mean".
    pub fn relation_names(&self) -> impl Iterator<Item = &str> {
        self.names.relations.keys().map(|(_, name)| name.as_str())
    }

    /// Gives the schemas' names, for "did you mean".
    pub fn schema_names(&self) -> impl Iterator<Item = &str> {
        let names = self.names.schemas.keys();
        let own = names.filter(|(database, _)| *database == self.database);
        own.map(|(_, name)| name.as_str())
    }
}

/// Words that cannot name a column without quotes.
const RESERVED: &[&str] = &[
    "all",
    "analyze",
    "and",
    "any",
    "array",
    "as",
    "asc",
    "authorization",
    "between",
    "both",
    "case",
    "cast",
    "check",
    "collate",
    "column",
    "constraint",
    "create",
    "cross",
    "default",
    "deferrable",
    "desc",
    "distinct",
    "do",
    "else",
    "end",
    "except",
    "false",
    "for",
    "foreign",
    "freeze",
    "from",
    "full",
    "grant",
    "group",
    "having",
    "ilike",
    "in",
    "initially",
    "inner",
    "intersect",
    "into",
    "is",
    "isnull",
    "join",
    "leading",
    "left",
    "like",
    "limit",
    "natural",
    "new",
    "not",
    "notnull",
    "null",
    "off",
    "offset",
    "old",
    "on",
    "only",
    "or",
    "order",
    "outer",
    "overlaps",
    "primary",
    "references",
    "right",
    "select",
    "similar",
    "some",
    "table",
    "tag",
    "then",
    "to",
    "top",
    "trailing",
    "true",
    "union",
    "unique",
    "user",
    "using",
    "verbose",
    "when",
    "where",
    "with",
];

/// Gives a name as SQL text, in quotes if it needs them.
pub fn quoted(name: &str) -> String {
    let mut letters = name.chars();
    let begins = letters
        .next()
        .is_some_and(|letter| letter.is_ascii_lowercase() || letter == '_');
    let is_plain = begins
        && letters
            .all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_')
        && !RESERVED.contains(&name);
    match is_plain {
        true => name.to_string(),
        false => format!("\"{}\"", name.replace('"', "\"\"")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_quoted_when_they_must_be() {
        assert_eq!(quoted("a_1"), "a_1");
        assert_eq!(quoted("Group"), "\"Group\"");
        assert_eq!(quoted("group"), "\"group\"");
        assert_eq!(quoted("a\"b"), "\"a\"\"b\"");
    }
}
