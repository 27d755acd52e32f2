//! May this user do that? Superusers may do anything, owners anything to their own objects, everyone may use and
//! create in schema `public`; nothing else is allowed. Grants come with a later part.

use crate::catalog::name::Relation;
use crate::catalog::{INFORMATION_SCHEMA_OID, Oid, PG_CATALOG_OID, PUBLIC_OID, Schema, User};
use crate::error::{Error, Result};
use blueshift_sql::SqlState;

fn denied(text: String) -> Error {
    Error::new(SqlState::INSUFFICIENT_PRIVILEGE, text)
}

/// Checks that the user may read a table or view, or change a table's rows.
pub fn relation(user: &User, relation: &Relation) -> Result<()> {
    if user.superuser || relation.owner() == user.oid {
        return Ok(());
    }
    Err(denied(format!(
        "permission denied for relation {}",
        relation.name()
    )))
}

/// Checks that the user owns a table or view, for DDL.
pub fn owner(user: &User, relation: &Relation) -> Result<()> {
    if user.superuser || relation.owner() == user.oid {
        return Ok(());
    }
    Err(denied(format!(
        "must be owner of relation {}",
        relation.name()
    )))
}

/// Checks that the user owns a schema, for DDL.
pub fn schema_owner(user: &User, schema: &Schema) -> Result<()> {
    if user.superuser || schema.owner == user.oid {
        return Ok(());
    }
    Err(denied(format!("must be owner of schema {}", schema.name)))
}

/// Tells whether the user may name objects of a schema.
pub fn may_use_schema(user: &User, schema: &Schema) -> bool {
    let open: [Oid; 3] = [PUBLIC_OID, PG_CATALOG_OID, INFORMATION_SCHEMA_OID];
    user.superuser || schema.owner == user.oid || open.contains(&schema.oid)
}

/// Checks that the user may name objects of a schema.
pub fn use_schema(user: &User, schema: &Schema) -> Result<()> {
    match may_use_schema(user, schema) {
        true => Ok(()),
        false => Err(denied(format!(
            "permission denied for schema {}",
            schema.name
        ))),
    }
}

/// Checks that the user may create objects in a schema.
pub fn create_in_schema(user: &User, schema: &Schema) -> Result<()> {
    let is_system = [PG_CATALOG_OID, INFORMATION_SCHEMA_OID].contains(&schema.oid);
    let is_allowed = user.superuser || schema.owner == user.oid || schema.oid == PUBLIC_OID;
    match is_allowed && !is_system {
        true => Ok(()),
        false => Err(denied(format!(
            "permission denied for schema {}",
            schema.name
        ))),
    }
}

/// Checks that the user is a superuser; `what` is the rest of `must be superuser to ...`.
pub fn superuser(user: &User, what: &str) -> Result<()> {
    match user.superuser {
        true => Ok(()),
        false => Err(denied(format!("must be superuser to {what}"))),
    }
}
