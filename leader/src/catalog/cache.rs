//! Decodes the catalog of a read view, once per version, and only the keys that changed.
//!
//! Storage keeps the values behind `Arc`s and reuses those that did not change, so a pointer comparison per key finds
//! the difference to a catalog decoded earlier. Read views over the same map share the same decoded catalog.

use super::access::{AccessList, DefaultAccess, DefaultKey, Group, ObjectKind, Role, system_roles};
use super::copy_job::CopyJob;
use super::database::Database;
use super::external::{ExternalDatabase, ExternalPartition, ExternalSchema, ExternalTable};
use super::matview::MaterializedRows;
use super::policy::{Policy, Protection};
use super::routine::Routine;
use super::{Catalog, DATABASE_OID, Oid, Schema, Table, User, View};
use crate::error::Result;
use crate::history::lock;
use blueshift_sql::{Error, SqlState};
use blueshift_storage::store::{CatalogChange, CatalogMap, ReadView};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

/// Decoded catalogs kept: the latest versions, and those of open transactions with changes of their own.
const KEPT_MAX: usize = 16;

/// Decoded catalogs by the map they were decoded from, most recently used last.
#[derive(Default)]
pub struct CatalogCache {
    kept: Mutex<VecDeque<(Arc<CatalogMap>, Arc<Catalog>)>>,
    /// Parts for single databases, of which catalog, most recently made last.
    parts: Mutex<VecDeque<(Arc<Catalog>, Arc<Catalog>)>>,
}

impl CatalogCache {
    /// Gives what one database has of the catalog of a read view.
    pub fn of_database(&self, view: &ReadView, database: Oid) -> Result<Arc<Catalog>> {
        let whole = self.of(view)?;
        if whole.is_only(database) {
            return Ok(whole);
        }
        let is_it = |(of, part): &&(Arc<Catalog>, Arc<Catalog>)| {
            Arc::ptr_eq(of, &whole) && part.database == database
        };
        if let Some((_, part)) = lock(&self.parts).iter().find(is_it) {
            return Ok(Arc::clone(part));
        }
        let part = whole.within(database);
        let mut parts = lock(&self.parts);
        if parts.len() >= KEPT_MAX {
            parts.pop_front();
        }
        parts.push_back((whole, Arc::clone(&part)));
        Ok(part)
    }

    /// Gives the catalog of a read view.
    pub fn of(&self, view: &ReadView) -> Result<Arc<Catalog>> {
        let base = {
            let mut kept = lock(&self.kept);
            if let Some(at) = kept
                .iter()
                .position(|(map, _)| Arc::ptr_eq(map, &view.catalog))
            {
                let found = kept.remove(at);
                let catalog = found.as_ref().map(|(_, catalog)| catalog.clone());
                kept.extend(found);
                if let Some(catalog) = catalog {
                    return Ok(catalog);
                }
            }
            kept.back().cloned()
        };
        let decoded = Arc::new(match base {
            Some((map, catalog)) => decode_changes(&map, &catalog, &view.catalog)?,
            None => decode_changes(&CatalogMap::new(), &Catalog::initial(), &view.catalog)?,
        });
        let mut kept = lock(&self.kept);
        if kept.len() >= KEPT_MAX {
            kept.pop_front();
        }
        kept.push_back((view.catalog.clone(), decoded.clone()));
        Ok(decoded)
    }
}

/// Makes the catalog of `new` from that of `old` by the keys that differ.
fn decode_changes(old: &CatalogMap, catalog: &Catalog, new: &CatalogMap) -> Result<Catalog> {
    let mut changed = catalog.clone();
    for key in old.keys().filter(|key| !new.contains_key(*key)) {
        apply(&mut changed, key, None)?;
    }
    for (key, value) in new {
        if !old.get(key).is_some_and(|known| Arc::ptr_eq(known, value)) {
            apply(&mut changed, key, Some(value))?;
        }
    }
    Ok(changed)
}

fn damaged(key: &str, reason: impl std::fmt::Display) -> crate::Error {
    Error::new(
        SqlState::DATA_CORRUPTED,
        format!("catalog entry \"{key}\" is damaged: {reason}"),
    )
    .into()
}

fn decode<T: DeserializeOwned>(key: &str, value: &serde_json::Value) -> Result<Arc<T>> {
    T::deserialize(value)
        .map(Arc::new)
        .map_err(|error| damaged(key, error))
}

/// Takes one key into the decoded catalog; no value removes it. Removal comes before insertion, so that a name that
/// went from one object to another ends with its new owner.
fn apply(catalog: &mut Catalog, key: &str, value: Option<&Arc<serde_json::Value>>) -> Result<()> {
    let mut parts = key.split('/');
    let kind = parts.next().unwrap_or_default();
    let oid: Oid = parts
        .next()
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| damaged(key, "its name has no oid"))?;
    match kind {
        "schema" => {
            if let Some(gone) = catalog.schemas.remove(&oid) {
                let name = (gone.database, gone.name.clone());
                forget(&mut catalog.names.schemas, &name, oid);
            }
            if let Some(value) = value {
                let schema: Arc<Schema> = decode(key, value)?;
                let name = (schema.database, schema.name.clone());
                catalog.names.schemas.insert(name, oid);
                catalog.schemas.insert(oid, schema);
            }
        }
        "table" => {
            if let Some(gone) = catalog.tables.remove(&oid) {
                forget(
                    &mut catalog.names.relations,
                    &(gone.schema, gone.name.clone()),
                    oid,
                );
            }
            if let Some(value) = value {
                let table: Arc<Table> = decode(key, value)?;
                catalog
                    .names
                    .relations
                    .insert((table.schema, table.name.clone()), oid);
                catalog.tables.insert(oid, table);
            }
        }
        "view" => {
            if let Some(gone) = catalog.views.remove(&oid) {
                forget(
                    &mut catalog.names.relations,
                    &(gone.schema, gone.name.clone()),
                    oid,
                );
            }
            if let Some(value) = value {
                let view: Arc<View> = decode(key, value)?;
                catalog
                    .names
                    .relations
                    .insert((view.schema, view.name.clone()), oid);
                catalog.views.insert(oid, view);
            }
        }
        "routine" => {
            let names = &mut catalog.names.routines;
            if let Some(gone) = catalog.routines.remove(&oid)
                && let Some(oids) = names.get_mut(&(gone.schema, gone.name.clone()))
            {
                oids.retain(|other| *other != oid);
            }
            if let Some(value) = value {
                let routine: Arc<Routine> = decode(key, value)?;
                let name = (routine.schema, routine.name.clone());
                names.entry(name).or_default().push(oid);
                catalog.routines.insert(oid, routine);
            }
        }
        "user" => {
            if let Some(gone) = catalog.users.remove(&oid) {
                forget(&mut catalog.names.users, &gone.name, oid);
            }
            if let Some(value) = value {
                let user: Arc<User> = decode(key, value)?;
                catalog.names.users.insert(user.name.clone(), oid);
                catalog.users.insert(oid, user);
            }
        }
        "materialized" => {
            catalog.materialized.remove(&oid);
            if let Some(value) = value {
                let rows: Arc<MaterializedRows> = decode(key, value)?;
                catalog.materialized.insert(oid, rows);
            }
        }
        "copy_job" => {
            catalog.copy_jobs.remove(&oid);
            if let Some(value) = value {
                let job: Arc<CopyJob> = decode(key, value)?;
                catalog.copy_jobs.insert(oid, job);
            }
        }
        // Read where it is needed, see `transaction::ledger`.
        "ledger" => {}
        // Read when the server starts, and when it changes, see `wlm`.
        "wlm" => {}
        "external_schema" => {
            catalog.external_schemas.remove(&oid);
            if let Some(value) = value {
                let schema: Arc<ExternalSchema> = decode(key, value)?;
                catalog.external_schemas.insert(oid, schema);
            }
        }
        "external_database" => {
            catalog.external_databases.remove(&oid);
            if let Some(value) = value {
                let database: Arc<ExternalDatabase> = decode(key, value)?;
                catalog.external_databases.insert(oid, database);
            }
        }
        "external_table" => {
            catalog.external_tables.remove(&oid);
            if let Some(value) = value {
                let table: Arc<ExternalTable> = decode(key, value)?;
                catalog.external_tables.insert(oid, table);
            }
        }
        "external_partition" => {
            let number = parts.next().and_then(|text| text.parse().ok());
            let number: u32 = number.ok_or_else(|| damaged(key, "its name has no number"))?;
            let partitions = Arc::make_mut(catalog.external_partitions.entry(oid).or_default());
            partitions.remove(&number);
            if let Some(value) = value {
                let partition: Arc<ExternalPartition> = decode(key, value)?;
                partitions.insert(number, Arc::unwrap_or_clone(partition));
            }
            if partitions.is_empty() {
                catalog.external_partitions.remove(&oid);
            }
        }
        "policy" => {
            catalog.policies.remove(&oid);
            if let Some(value) = value {
                let policy: Arc<Policy> = decode(key, value)?;
                catalog.policies.insert(oid, policy);
            }
        }
        "protection" => {
            catalog.protections.remove(&oid);
            if let Some(value) = value {
                let protection: Arc<Protection> = decode(key, value)?;
                catalog.protections.insert(oid, protection);
            }
        }
        "database" => {
            if let Some(value) = value {
                let mut database: Arc<Database> = decode(key, value)?;
                if database.is_first() {
                    // An earlier version wrote another oid.
                    Arc::make_mut(&mut database).oid = DATABASE_OID;
                }
                catalog.databases.insert(database.oid, database);
            } else if oid != DATABASE_OID {
                catalog.databases.remove(&oid);
            }
        }
        "group" => {
            catalog.groups.remove(&oid);
            if let Some(value) = value {
                let group: Arc<Group> = decode(key, value)?;
                catalog.groups.insert(oid, group);
            }
        }
        "role" => {
            // A role of the system that nothing is written of any more is as it was.
            match system_roles().remove(&oid) {
                Some(role) => catalog.roles.insert(oid, role),
                None => catalog.roles.remove(&oid),
            };
            if let Some(value) = value {
                let role: Arc<Role> = decode(key, value)?;
                catalog.roles.insert(oid, role);
            }
        }
        "access" => {
            catalog.access.remove(&oid);
            if let Some(value) = value {
                let list: Arc<AccessList> = decode(key, value)?;
                catalog.access.insert(oid, list);
            }
        }
        "default_access" => {
            let schema = parts.next().and_then(|text| text.parse().ok());
            let schema: Oid = schema.ok_or_else(|| damaged(key, "its name has no schema"))?;
            let kind = serde_json::Value::String(parts.next().unwrap_or_default().to_string());
            let kind = ObjectKind::deserialize(&kind).map_err(|error| damaged(key, error))?;
            catalog.defaults.remove(&(oid, schema, kind));
            if let Some(value) = value {
                let defaults: Arc<DefaultAccess> = decode(key, value)?;
                catalog.defaults.insert((oid, schema, kind), defaults);
            }
        }
        "comment" => {
            let column = parts
                .next()
                .and_then(|text| text.parse().ok())
                .ok_or_else(|| damaged(key, "its name has no column"))?;
            catalog.comments.remove(&(oid, column));
            if let Some(value) = value {
                let text = value
                    .as_str()
                    .ok_or_else(|| damaged(key, "it is not text"))?;
                catalog.comments.insert((oid, column), text.to_string());
            }
        }
        // Written by a later version of this server; nothing here depends on it.
        _ => {}
    }
    Ok(())
}

/// Removes a name if it still means `oid`.
fn forget<K: std::hash::Hash + Eq>(
    names: &mut std::collections::HashMap<K, Oid>,
    name: &K,
    oid: Oid,
) {
    if names.get(name) == Some(&oid) {
        names.remove(name);
    }
}

fn key(kind: &str, oid: Oid) -> String {
    format!("{kind}/{oid:010}")
}

fn change<T: Serialize>(key: String, object: &T) -> Result<CatalogChange> {
    let value = serde_json::to_value(object).map_err(|error| damaged(&key, error))?;
    Ok(CatalogChange {
        key,
        value: Some(value),
    })
}

/// Writes a database.
pub fn put_database(database: &Database) -> Result<CatalogChange> {
    change(key("database", database.oid), database)
}

/// Writes a schema.
pub fn put_schema(schema: &Schema) -> Result<CatalogChange> {
    change(key("schema", schema.oid), schema)
}

/// Writes a table.
pub fn put_table(table: &Table) -> Result<CatalogChange> {
    change(key("table", table.oid), table)
}

/// Writes a view.
pub fn put_view(view: &View) -> Result<CatalogChange> {
    change(key("view", view.oid), view)
}

/// Writes what is known of the rows of a materialized view.
pub fn put_materialized(rows: &MaterializedRows) -> Result<CatalogChange> {
    change(key("materialized", rows.oid), rows)
}

/// Writes a copy job.
pub fn put_copy_job(job: &CopyJob) -> Result<CatalogChange> {
    change(key("copy_job", job.oid), job)
}

/// Writes what makes a schema external.
pub fn put_external_schema(schema: &ExternalSchema) -> Result<CatalogChange> {
    change(key("external_schema", schema.oid), schema)
}

/// Writes a database of external tables.
pub fn put_external_database(database: &ExternalDatabase) -> Result<CatalogChange> {
    change(key("external_database", database.oid), database)
}

/// Writes an external table.
pub fn put_external_table(table: &ExternalTable) -> Result<CatalogChange> {
    change(key("external_table", table.oid), table)
}

fn partition_key(table: Oid, number: u32) -> String {
    format!("{}/{number:010}", key("external_partition", table))
}

/// Writes a partition of an external table.
pub fn put_external_partition(
    table: Oid,
    number: u32,
    partition: &ExternalPartition,
) -> Result<CatalogChange> {
    change(partition_key(table, number), partition)
}

/// Removes a partition of an external table.
pub fn remove_external_partition(table: Oid, number: u32) -> CatalogChange {
    CatalogChange {
        key: partition_key(table, number),
        value: None,
    }
}

/// Writes a policy.
pub fn put_policy(policy: &Policy) -> Result<CatalogChange> {
    change(policy_key(policy.oid), policy)
}

/// Gives the key of a policy.
pub fn policy_key(oid: Oid) -> String {
    key("policy", oid)
}

/// Writes what protects a relation; nothing is not kept.
pub fn put_protection(protection: &Protection) -> Result<CatalogChange> {
    match protection.is_empty() {
        true => Ok(remove("protection", protection.relation)),
        false => change(protection_key(protection.relation), protection),
    }
}

/// Gives the key of what protects a relation.
pub fn protection_key(relation: Oid) -> String {
    key("protection", relation)
}

/// Writes a function or a procedure.
pub fn put_routine(routine: &Routine) -> Result<CatalogChange> {
    change(key("routine", routine.oid), routine)
}

/// Writes a user.
pub fn put_user(user: &User) -> Result<CatalogChange> {
    change(key("user", user.oid), user)
}

/// Writes a group.
pub fn put_group(group: &Group) -> Result<CatalogChange> {
    change(key("group", group.oid), group)
}

/// Writes a role.
pub fn put_role(role: &Role) -> Result<CatalogChange> {
    change(key("role", role.oid), role)
}

/// Writes who may do what with an object.
pub fn put_access(oid: Oid, list: &AccessList) -> Result<CatalogChange> {
    change(access_key(oid), list)
}

/// Gives the key of an object's access list.
pub fn access_key(oid: Oid) -> String {
    key("access", oid)
}

/// Gives the key of default privileges.
pub fn default_access_key((owner, schema, kind): DefaultKey) -> String {
    format!("default_access/{owner:010}/{schema:010}/{}", kind.word())
}

/// Writes default privileges; `None` goes back to the usual.
pub fn put_default_access(
    of: DefaultKey,
    defaults: Option<&DefaultAccess>,
) -> Result<CatalogChange> {
    let key = default_access_key(of);
    match defaults {
        Some(defaults) => change(key, defaults),
        None => Ok(CatalogChange { key, value: None }),
    }
}

/// Writes or removes a comment; column 0 is the object itself.
pub fn put_comment(oid: Oid, column: u32, text: Option<&str>) -> CatalogChange {
    CatalogChange {
        key: format!("comment/{oid:010}/{column}"),
        value: text.map(|text| serde_json::Value::String(text.to_string())),
    }
}

/// Removes an object of a kind: `schema`, `table`, `view`, `materialized`, `copy_job`, `external_schema`, `external_database`, `external_table`, `policy`, `protection`, `routine`, `user`, `group`, `role`, or its `access`.
pub fn remove(kind: &str, oid: Oid) -> CatalogChange {
    CatalogChange {
        key: key(kind, oid),
        value: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::{PUBLIC_OID, ViewKind};

    fn with(map: &CatalogMap, changes: Vec<CatalogChange>) -> CatalogMap {
        let mut map = map.clone();
        for change in changes {
            match change.value {
                Some(value) => map.insert(change.key, Arc::new(value)),
                None => map.remove(&change.key),
            };
        }
        map
    }

    fn view(oid: Oid, name: &str) -> View {
        View {
            oid,
            schema: PUBLIC_OID,
            name: name.to_string(),
            owner: 100,
            text: "select 1".to_string(),
            columns: Vec::new(),
            depends_on: Vec::new(),
            search_path: Vec::new(),
            sources: Vec::new(),
            kind: ViewKind::Bound,
        }
    }

    #[test]
    fn a_name_follows_its_object() {
        let none = CatalogMap::new();
        let first = with(&none, vec![put_view(&view(200, "v")).unwrap()]);
        let catalog = decode_changes(&none, &Catalog::default(), &first).unwrap();
        assert_eq!(catalog.relation_named(PUBLIC_OID, "v").unwrap().oid(), 200);

        let second = with(
            &first,
            vec![remove("view", 200), put_view(&view(150, "v")).unwrap()],
        );
        let catalog = decode_changes(&first, &catalog, &second).unwrap();
        assert_eq!(catalog.relation_named(PUBLIC_OID, "v").unwrap().oid(), 150);

        let third = with(&second, vec![put_view(&view(150, "w")).unwrap()]);
        let catalog = decode_changes(&second, &catalog, &third).unwrap();
        assert!(catalog.relation_named(PUBLIC_OID, "v").is_none());
        assert_eq!(catalog.relation_named(PUBLIC_OID, "w").unwrap().oid(), 150);
    }

    #[test]
    fn a_damaged_entry_is_named() {
        let map = with(
            &CatalogMap::new(),
            vec![CatalogChange {
                key: "view/1".into(),
                value: Some(serde_json::json!(7)),
            }],
        );
        let error = decode_changes(&CatalogMap::new(), &Catalog::default(), &map)
            .err()
            .unwrap();
        assert!(error.to_string().contains("view/1"));
    }
}
