//! GRANT and REVOKE in a scope: `FOR TABLES IN SCHEMA s`, `FOR SCHEMAS IN DATABASE d` and their like.
//!
//! What is given is held on all objects of the kind in the schema or database, also on those made later. Superusers
//! give it, owners of the schema or database, and who holds it with the option to give it on.

use super::context::{Context, no_schema};
use super::grant::newest;
use crate::catalog::access::{AccessList, DefaultAccess, Grantee, Object, ObjectKind, Privileges};
use crate::catalog::cache::{default_access_key, put_default_access};
use crate::catalog::database::elsewhere;
use crate::catalog::scope::scope_key;
use crate::error::{Error, Result};
use crate::transaction::lock::{Lockable, Mode};
use blueshift_sql::SqlState;
use blueshift_sql::statement::grant::{Grant, GrantScope, PrivilegeItem, ScopeKind};

/// Changes what is held in a scope. The lock of the list of users is held.
pub(super) async fn change(
    ctx: &mut Context<'_>,
    grant: &Grant,
    scope: &GrantScope,
    to: &[(Grantee, bool)],
) -> Result<()> {
    let kind = match scope.kind {
        ScopeKind::Tables => ObjectKind::Relation,
        ScopeKind::Functions => ObjectKind::Function,
        ScopeKind::Procedures => ObjectKind::Procedure,
        ScopeKind::Schemas => ObjectKind::Schema,
        ScopeKind::Languages => ObjectKind::Language,
    };
    let (place, name) = place(ctx, scope).await?;
    let key = scope_key(place.oid, kind);
    let known = newest(ctx, &default_access_key(key))?;
    let known = known.defaults.get(&key);
    let mut list = known.map_or_else(AccessList::default, |known| known.list.clone());
    let (grantor, grantable) = rights(ctx, place, kind, &list)?;
    for item in &grant.privileges {
        let given = wanted(kind, item)?.and(grantable);
        if given.is_empty() {
            return Err(Error::new(
                SqlState::INSUFFICIENT_PRIVILEGE,
                format!("permission denied for {} {name}", place.kind.word()),
            ));
        }
        for (grantee, option) in to {
            if grant.way.revoke {
                list.take(given, grant.way.option_only, |item| {
                    item.grantee == *grantee && item.grantor == grantor
                });
                continue;
            }
            let on = match option {
                true => given,
                false => Privileges::NONE,
            };
            list.give(*grantee, grantor, None, given, on);
        }
    }
    if grant.way.revoke {
        let owner = Object { kind, ..place };
        super::grant::dependents(&mut list, owner, grant.way, &name)?;
    }
    let change = match list.items.is_empty() {
        true => put_default_access(key, None)?,
        false => put_default_access(
            key,
            Some(&DefaultAccess {
                owner: key.0,
                schema: Some(place.oid),
                kind,
                list,
            }),
        )?,
    };
    ctx.transaction.change_catalog(change);
    Ok(())
}

/// Finds the schema or database of a scope, and keeps the schema from being dropped.
async fn place(ctx: &mut Context<'_>, scope: &GrantScope) -> Result<(Object, String)> {
    let catalog = ctx.transaction.catalog()?;
    if let (Some(database), Some(schema)) = (&scope.database, &scope.schema)
        && database != catalog.database_name()
    {
        catalog.database_named(database)?;
        return Err(elsewhere(&format!("schema \"{schema}\""), database));
    }
    let Some(name) = &scope.schema else {
        let name = scope.database.as_deref().unwrap_or(catalog.database_name());
        let database = catalog.database_named(name)?;
        return Ok((database.as_ref().into(), name.to_owned()));
    };
    let schema = catalog.schema_named(name).cloned();
    let schema = schema.ok_or_else(|| no_schema(name, &catalog))?;
    ctx.transaction
        .lock(Lockable::Schema(schema.oid), Mode::Append)
        .await?;
    Ok((schema.as_ref().into(), name.clone()))
}

/// Gives who is the grantor, and what may be given: by the owner and by a superuser, who does it as the owner, everything.
fn rights(
    ctx: &mut Context<'_>,
    place: Object,
    kind: ObjectKind,
    list: &AccessList,
) -> Result<(u32, Privileges)> {
    let catalog = ctx.transaction.catalog()?;
    if catalog.is_superuser(ctx.user) || ctx.user.oid == place.owner {
        return Ok((place.owner, kind.all()));
    }
    let items = list.items.iter();
    let held = items.filter(|item| item.grantee == Grantee::User(ctx.user.oid));
    let grantable = held.fold(Privileges::NONE, |all, item| all.with(item.grantable));
    Ok((ctx.user.oid, grantable))
}

fn wanted(kind: ObjectKind, item: &PrivilegeItem) -> Result<Privileges> {
    match item.privilege {
        None => Ok(kind.all()),
        Some(privilege) if kind.all().has(privilege) => Ok(Privileges::of(&[privilege])),
        Some(privilege) => Err(Error::new(
            SqlState::INVALID_GRANT_OPERATION,
            format!(
                "invalid privilege type {} for {}",
                privilege.name(),
                kind.word()
            ),
        )),
    }
}
