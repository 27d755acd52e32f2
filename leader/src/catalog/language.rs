//! The languages functions and procedures are written in: fixed, and objects of access lists.

use super::access::{Object, ObjectKind};
use super::{ADMIN_OID, Oid};

/// The oid of language `sql`, as in PostgreSQL.
pub const SQL_OID: Oid = 14;
/// The oid of language `plpgsql`; below those of users' objects.
pub const PLPGSQL_OID: Oid = 99_998;

/// Finds a language by its name.
pub fn named(name: &str) -> Option<Object> {
    let oid = match name {
        "sql" => SQL_OID,
        "plpgsql" => PLPGSQL_OID,
        _ => return None,
    };
    Some(Object {
        oid,
        owner: ADMIN_OID,
        kind: ObjectKind::Language,
    })
}
