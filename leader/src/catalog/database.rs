//! Databases: each has schemas of its own; users, groups and roles are shared by all.
//!
//! The log keeps one catalog. A session sees the part of it that is its database's ([`Catalog::within`]), so nothing that
//! looks through tables or schemas need know that there are others.

use super::access::{Object, ObjectKind};
use super::{ADMIN_OID, Catalog, DATABASE_OID, IsolationLevel, Oid};
use super::{INFORMATION_SCHEMA_OID, PG_CATALOG_OID};
use crate::error::Error;
use blueshift_sql::SqlState;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The name of the database that every cluster begins with.
pub const FIRST: &str = "dev";

/// Schemas of temporary tables are named so, followed by the session's process id.
pub const TEMP_SCHEMA_PREFIX: &str = "pg_temp_";

/// A database.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Database {
    /// Its oid.
    pub oid: Oid,
    /// Its name.
    #[serde(default = "first_name")]
    pub name: String,
    /// The owner's oid.
    #[serde(default = "admin")]
    pub owner: Oid,
    /// ISOLATION LEVEL.
    pub isolation: IsolationLevel,
    /// CONNECTION LIMIT; `None` is UNLIMITED.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection_limit: Option<u32>,
    /// COLLATE CASE_INSENSITIVE: texts of its tables have that collation unless their column says otherwise.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub case_insensitive: bool,
}

fn first_name() -> String {
    FIRST.to_owned()
}

fn admin() -> Oid {
    ADMIN_OID
}

impl Database {
    /// Gives the database that every cluster begins with.
    pub fn first() -> Self {
        Self {
            oid: DATABASE_OID,
            name: first_name(),
            owner: ADMIN_OID,
            isolation: IsolationLevel::default(),
            connection_limit: None,
            case_insensitive: false,
        }
    }

    /// Tells whether it is the one that every cluster begins with. Earlier versions wrote it under an oid that a table
    /// may have, and without its name.
    pub fn is_first(&self) -> bool {
        self.name == FIRST
    }
}

impl From<&Database> for Object {
    fn from(database: &Database) -> Self {
        Self {
            oid: database.oid,
            owner: database.owner,
            kind: ObjectKind::Database,
        }
    }
}

impl Catalog {
    /// Gives the name of the database it shows.
    pub fn database_name(&self) -> &str {
        let database = self.databases.get(&self.database);
        database.map_or("", |database| database.name.as_str())
    }

    /// Tells whether texts of new tables are case-insensitive unless their column says otherwise.
    pub fn is_case_insensitive(&self) -> bool {
        let database = self.databases.get(&self.database);
        database.is_some_and(|database| database.case_insensitive)
    }

    /// Gives the database it shows, as access lists name it.
    pub fn database_object(&self) -> Object {
        match self.databases.get(&self.database) {
            Some(database) => database.as_ref().into(),
            None => (&Database::first()).into(),
        }
    }

    /// Finds a database. Fails with 3D000.
    pub fn database_named(&self, name: &str) -> Result<&Arc<Database>, blueshift_sql::Error> {
        let mut all = self.databases.values();
        all.find(|database| database.name == name).ok_or_else(|| {
            let error = blueshift_sql::Error::new(
                SqlState::INVALID_CATALOG_NAME,
                format!("database \"{name}\" does not exist"),
            );
            let names = self
                .databases
                .values()
                .map(|database| database.name.as_str());
            match blueshift_sql::nearest::nearest(name, names) {
                Some(near) => error.with_hint(format!("Perhaps you meant \"{near}\".")),
                None => error,
            }
        })
    }

    /// Gives the isolation level of the database it shows.
    pub fn isolation(&self) -> IsolationLevel {
        let database = self.databases.get(&self.database);
        database.map_or_else(IsolationLevel::default, |database| database.isolation)
    }

    /// Gives the databases in order of name.
    pub fn databases_by_name(&self) -> Vec<Arc<Database>> {
        let mut all: Vec<_> = self.databases.values().cloned().collect();
        all.sort_by(|one, other| one.name.cmp(&other.name));
        all
    }

    /// Tells whether the whole catalog is that of one database.
    pub(super) fn is_only(&self, database: Oid) -> bool {
        self.databases.len() == 1 && self.database == database
    }

    /// Gives the catalog of all databases.
    pub fn whole(self: &Arc<Self>) -> Arc<Catalog> {
        self.whole.clone().unwrap_or_else(|| Arc::clone(self))
    }

    /// Gives what one database has of it: its schemas and what is in them, the schemas of the server, and those of
    /// temporary tables, which sessions take along. Users, groups, roles and databases are all there.
    pub fn within(self: &Arc<Self>, database: Oid) -> Arc<Catalog> {
        let whole = self.whole();
        if whole.is_only(database) {
            return whole;
        }
        let mut part = Catalog::clone(&whole);
        part.database = database;
        part.schemas.retain(|oid, schema| {
            let is_shared = [PG_CATALOG_OID, INFORMATION_SCHEMA_OID].contains(oid)
                || schema.name.starts_with(TEMP_SCHEMA_PREFIX);
            is_shared || schema.database == database
        });
        let schemas = &part.schemas;
        part.tables
            .retain(|_, table| schemas.contains_key(&table.schema));
        part.views
            .retain(|_, view| schemas.contains_key(&view.schema));
        let views = &part.views;
        part.materialized.retain(|oid, _| views.contains_key(oid));
        part.external_schemas
            .retain(|oid, _| schemas.contains_key(oid));
        part.routines
            .retain(|_, routine| schemas.contains_key(&routine.schema));
        part.policies
            .retain(|_, policy| policy.database == database);
        part.copy_jobs.retain(|_, job| job.database == database);
        let (tables, views) = (&part.tables, &part.views);
        part.protections
            .retain(|oid, _| tables.contains_key(oid) || views.contains_key(oid));
        let names = &mut part.names;
        names
            .relations
            .retain(|(schema, _), _| schemas.contains_key(schema));
        names
            .routines
            .retain(|(schema, _), _| schemas.contains_key(schema));
        names.schemas = schemas
            .values()
            .map(|schema| ((database, schema.name.clone()), schema.oid))
            .collect();
        part.whole = Some(whole);
        Arc::new(part)
    }
}

/// Refuses to change what is in another database.
pub fn elsewhere(what: &str, database: &str) -> Error {
    blueshift_sql::Error::unsupported(
        format!("{what} in database \"{database}\", which the session is not connected to,"),
        format!("Other databases can only be read; connect to \"{database}\"."),
    )
    .into()
}
