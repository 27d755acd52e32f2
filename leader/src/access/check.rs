//! May this user do that? Superusers may do anything; others what the access lists give to them, to PUBLIC, to their
//! groups and to their roles, what roles may do everywhere, and what is the owner's own business.

use crate::catalog::language;
use crate::catalog::name::Relation;
use crate::catalog::routine::Routine;
use crate::catalog::{Catalog, INFORMATION_SCHEMA_OID, Oid, PG_CATALOG_OID, Schema, User};
use crate::error::{Error, Result};
use blueshift_sql::SqlState;
use blueshift_sql::statement::grant::Privilege;

fn denied(text: String) -> Error {
    Error::new(SqlState::INSUFFICIENT_PRIVILEGE, text)
}

/// Makes the refusal of a table or view.
pub fn relation_denied(relation: &Relation) -> Error {
    denied(format!(
        "permission denied for relation {}",
        relation.name()
    ))
}

/// Checks that the user may do something with a whole table or view.
pub fn relation(
    catalog: &Catalog,
    user: &User,
    relation: &Relation,
    privilege: Privilege,
) -> Result<()> {
    match catalog.may(user, relation.into(), privilege) {
        true => Ok(()),
        false => Err(relation_denied(relation)),
    }
}

/// Checks that the user owns a table or view, for DDL.
pub fn owner(catalog: &Catalog, user: &User, relation: &Relation) -> Result<()> {
    if relation.owner() == user.oid || catalog.is_superuser(user) {
        return Ok(());
    }
    Err(denied(format!(
        "must be owner of relation {}",
        relation.name()
    )))
}

/// Checks that the user owns a table or view, or may do this to it without, or has a system permission for it.
pub fn owner_or(
    catalog: &Catalog,
    user: &User,
    relation: &Relation,
    privilege: Option<Privilege>,
    system: &str,
) -> Result<()> {
    let is_given = privilege.is_some_and(|privilege| {
        relation.owner() != user.oid && catalog.may(user, relation.into(), privilege)
    });
    if is_given || catalog.has_system_privilege(user, system) {
        return Ok(());
    }
    owner(catalog, user, relation)
}

/// Checks that the user owns a function or procedure, for DDL.
pub fn routine_owner(catalog: &Catalog, user: &User, routine: &Routine) -> Result<()> {
    if routine.owner == user.oid || catalog.is_superuser(user) {
        return Ok(());
    }
    Err(denied(format!(
        "must be owner of {} {}",
        routine.kind.word(),
        routine.name
    )))
}

/// Checks that the user may call a function or procedure: new functions are for everyone, new procedures for the owner.
pub fn call(catalog: &Catalog, user: &User, routine: &Routine) -> Result<()> {
    if catalog.may(user, routine.into(), Privilege::Execute) {
        return Ok(());
    }
    Err(denied(format!(
        "permission denied for {} {}",
        routine.kind.word(),
        routine.name
    )))
}

/// Checks that the user may write functions or procedures in a language.
pub fn language(catalog: &Catalog, user: &User, name: &str) -> Result<()> {
    match language::named(name) {
        Some(object) if !catalog.may(user, object, Privilege::Usage) => {
            Err(denied(format!("permission denied for language {name}")))
        }
        _ => Ok(()),
    }
}

/// Checks that the user owns a schema, for DDL.
pub fn schema_owner(catalog: &Catalog, user: &User, schema: &Schema) -> Result<()> {
    if schema.owner == user.oid || catalog.is_superuser(user) {
        return Ok(());
    }
    Err(denied(format!("must be owner of schema {}", schema.name)))
}

/// Checks that the user owns a schema, or may do this to it without, or has a system permission for it.
pub fn schema_owner_or(
    catalog: &Catalog,
    user: &User,
    schema: &Schema,
    privilege: Privilege,
    system: Option<&str>,
) -> Result<()> {
    let is_given = schema.owner != user.oid && catalog.may(user, schema.into(), privilege);
    if is_given || system.is_some_and(|system| catalog.has_system_privilege(user, system)) {
        return Ok(());
    }
    schema_owner(catalog, user, schema)
}

/// Tells whether the user may name objects of a schema.
pub fn may_use_schema(catalog: &Catalog, user: &User, schema: &Schema) -> bool {
    catalog.may(user, schema.into(), Privilege::Usage)
}

/// Checks that the user may name objects of a schema.
pub fn use_schema(catalog: &Catalog, user: &User, schema: &Schema) -> Result<()> {
    match may_use_schema(catalog, user, schema) {
        true => Ok(()),
        false => Err(schema_denied(schema)),
    }
}

fn schema_denied(schema: &Schema) -> Error {
    denied(format!("permission denied for schema {}", schema.name))
}

/// Checks that the user may create objects in a schema; `system` is the permission that allows it in every schema.
pub fn create_in_schema(
    catalog: &Catalog,
    user: &User,
    schema: &Schema,
    system: Option<&str>,
) -> Result<()> {
    let is_system = [PG_CATALOG_OID, INFORMATION_SCHEMA_OID].contains(&schema.oid);
    let is_allowed = catalog.may(user, schema.into(), Privilege::Create)
        || system.is_some_and(|system| catalog.has_system_privilege(user, system));
    match is_allowed && !is_system {
        true => Ok(()),
        false => Err(schema_denied(schema)),
    }
}

/// Checks that the user may do something with the database; `system` is the permission that allows it too.
pub fn database(
    catalog: &Catalog,
    user: &User,
    privilege: Privilege,
    system: Option<&str>,
) -> Result<()> {
    let name = catalog.database_name();
    let is_allowed = catalog.may(user, catalog.database_object(), privilege)
        || system.is_some_and(|system| catalog.has_system_privilege(user, system));
    match is_allowed {
        true => Ok(()),
        false => Err(denied(format!("permission denied for database {name}"))),
    }
}

/// Checks that the user owns a database.
pub fn database_owner(user: &User, owner: Oid, name: &str) -> Result<()> {
    match user.superuser || user.oid == owner {
        true => Ok(()),
        false => Err(denied(format!("must be owner of database {name}"))),
    }
}

/// Checks that the user is a superuser; `what` is the rest of `must be superuser to ...`.
pub fn superuser(user: &User, what: &str) -> Result<()> {
    match user.superuser {
        true => Ok(()),
        false => Err(denied(format!("must be superuser to {what}"))),
    }
}

/// Checks that the user is a superuser or has a system permission; `what` is the rest of `must be superuser to ...`.
pub fn system(catalog: &Catalog, user: &User, privilege: &str, what: &str) -> Result<()> {
    match catalog.has_system_privilege(user, privilege) {
        true => Ok(()),
        false => superuser(user, what),
    }
}
