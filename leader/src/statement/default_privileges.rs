//! ALTER DEFAULT PRIVILEGES: what the tables, views, functions and procedures a user makes later are born with.

use super::answer::Body;
use super::context::{Context, no_schema};
use super::grant::{grantees, lock, missing, newest};
use crate::catalog::Oid;
use crate::catalog::access::{
    AccessList, DefaultAccess, DefaultKey, Grantee, Object, ObjectKind, Privileges,
};
use crate::catalog::cache::{default_access_key, put_default_access};
use crate::error::{Error, Result};
use blueshift_sql::SqlState;
use blueshift_sql::statement::grant::{DefaultKind, DefaultPrivileges};

/// Runs an ALTER DEFAULT PRIVILEGES.
pub async fn run(ctx: &mut Context<'_>, given: &DefaultPrivileges) -> Result<Body> {
    lock(ctx).await?;
    let kind = match given.kind {
        DefaultKind::Tables => ObjectKind::Relation,
        DefaultKind::Functions => ObjectKind::Function,
        DefaultKind::Procedures => ObjectKind::Procedure,
    };
    let privileges = privileges(given, kind)?;
    let to = grantees(ctx, &given.to)?;
    for owner in owners(ctx, given)? {
        for schema in schemas(ctx, given)? {
            change(
                ctx,
                given,
                (owner, schema.unwrap_or(0), kind),
                privileges,
                &to,
            )?;
        }
    }
    Ok(Body::done("ALTER DEFAULT PRIVILEGES"))
}

fn privileges(given: &DefaultPrivileges, kind: ObjectKind) -> Result<Privileges> {
    let mut all = Privileges::NONE;
    for item in &given.privileges {
        let wanted = match item.privilege {
            None => kind.all(),
            Some(privilege) => Privileges::of(&[privilege]),
        };
        if !item.columns.is_empty() || !wanted.without(kind.all()).is_empty() {
            let name = item.privilege.map_or("ALL", |privilege| privilege.name());
            let place = if item.columns.is_empty() {
                ""
            } else {
                " (columns)"
            };
            return Err(Error::new(
                SqlState::INVALID_GRANT_OPERATION,
                format!("invalid privilege type {name}{place} for {}", kind.word()),
            ));
        }
        all = all.with(wanted);
    }
    Ok(all)
}

/// Finds whose objects are meant; those of others need a superuser or ALTER DEFAULT PRIVILEGES.
fn owners(ctx: &mut Context<'_>, given: &DefaultPrivileges) -> Result<Vec<Oid>> {
    if given.users.is_empty() {
        return Ok(vec![ctx.user.oid]);
    }
    let catalog = ctx.transaction.catalog()?;
    let mut owners = Vec::new();
    for name in &given.users {
        let user = catalog
            .user_named(name)
            .ok_or_else(|| missing("user", name))?;
        let may = user.oid == ctx.user.oid
            || catalog.has_system_privilege(ctx.user, "ALTER DEFAULT PRIVILEGES");
        if !may {
            return Err(Error::new(
                SqlState::INSUFFICIENT_PRIVILEGE,
                "must be superuser to alter default privileges of other users",
            ));
        }
        owners.push(user.oid);
    }
    Ok(owners)
}

fn schemas(ctx: &mut Context<'_>, given: &DefaultPrivileges) -> Result<Vec<Option<Oid>>> {
    if given.schemas.is_empty() {
        return Ok(vec![None]);
    }
    let catalog = ctx.transaction.catalog()?;
    let schema = |name: &String| {
        let schema = catalog.schema_named(name);
        schema
            .map(|schema| Some(schema.oid))
            .ok_or_else(|| no_schema(name, &catalog))
    };
    given.schemas.iter().map(schema).collect()
}

fn change(
    ctx: &mut Context<'_>,
    given: &DefaultPrivileges,
    key: DefaultKey,
    privileges: Privileges,
    to: &[(Grantee, bool)],
) -> Result<()> {
    let (owner, schema, kind) = key;
    // The list of an object of no oid: without a schema the defaults are a whole list.
    let usual = match schema {
        0 => AccessList::initial(Object {
            oid: 0,
            owner,
            kind,
        }),
        _ => AccessList::default(),
    };
    let known = newest(ctx, &default_access_key(key))?;
    let known = known.defaults.get(&key);
    let mut list = known.map_or_else(|| usual.clone(), |known| known.list.clone());
    for (grantee, option) in to {
        if given.way.revoke {
            list.take(privileges, given.way.option_only, |item| {
                item.grantee == *grantee
            });
            continue;
        }
        let grantable = if *option {
            privileges
        } else {
            Privileges::NONE
        };
        list.give(*grantee, owner, None, privileges, grantable);
    }
    let change = match list == usual {
        true => put_default_access(key, None)?,
        false => put_default_access(
            key,
            Some(&DefaultAccess {
                owner,
                schema: (schema != 0).then_some(schema),
                kind,
                list,
            }),
        )?,
    };
    ctx.transaction.change_catalog(change);
    Ok(())
}
