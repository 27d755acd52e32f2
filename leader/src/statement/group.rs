//! CREATE GROUP, ALTER GROUP, DROP GROUP.

use super::answer::{Body, Notice};
use super::context::Context;
use super::grant::{lock, missing, newest};
use crate::access::check;
use crate::catalog::Oid;
use crate::catalog::access::{Grantee, Group};
use crate::catalog::cache::{access_key, put_group, remove};
use crate::error::{Error, Result};
use blueshift_sql::SqlState;
use blueshift_sql::statement::ddl::DropObjects;
use blueshift_sql::statement::group::{AlterGroup, CreateGroup, GroupAction};

/// Runs a CREATE GROUP.
pub async fn create(ctx: &mut Context<'_>, create: &CreateGroup) -> Result<Body> {
    check::superuser(ctx.user, "create groups")?;
    lock(ctx).await?;
    ensure_free(ctx, &create.name)?;
    let mut users = Vec::new();
    for user in users_named(ctx, &create.users)? {
        if !users.contains(&user) {
            users.push(user);
        }
    }
    let group = Group {
        oid: ctx.server.next_oid()?,
        name: create.name.clone(),
        users,
    };
    ctx.transaction.change_catalog(put_group(&group)?);
    Ok(Body::done("CREATE GROUP"))
}

fn ensure_free(ctx: &mut Context<'_>, name: &str) -> Result<()> {
    if name.starts_with("__") || name == "public" {
        return Err(Error::new(
            SqlState::INVALID_NAME,
            format!("group name \"{name}\" is reserved"),
        ));
    }
    let seen = ctx.transaction.catalog()?;
    let committed = ctx.transaction.committed_catalog()?;
    let others = committed.group_named(name);
    let others = others.filter(|group| ctx.transaction.leaves(group.oid));
    if seen.group_named(name).or(others).is_some() {
        return Err(Error::new(
            SqlState::DUPLICATE_OBJECT,
            format!("group \"{name}\" already exists"),
        ));
    }
    Ok(())
}

/// Finds users.
fn users_named(ctx: &mut Context<'_>, names: &[String]) -> Result<Vec<Oid>> {
    let catalog = ctx.transaction.catalog()?;
    let user = |name: &String| {
        let user = catalog.user_named(name);
        user.map(|user| user.oid)
            .ok_or_else(|| missing("user", name))
    };
    names.iter().map(user).collect()
}

/// Puts a user into groups. The lock of the list of users is held.
pub(super) fn join(ctx: &mut Context<'_>, user: Oid, groups: &[String]) -> Result<()> {
    for name in groups {
        let mut group = named(ctx, name)?;
        if !group.users.contains(&user) {
            group.users.push(user);
        }
        ctx.transaction.change_catalog(put_group(&group)?);
    }
    Ok(())
}

fn named(ctx: &mut Context<'_>, name: &str) -> Result<Group> {
    let catalog = ctx.transaction.catalog()?;
    let group = catalog
        .group_named(name)
        .ok_or_else(|| missing("group", name))?;
    Ok(Group::clone(group))
}

/// Runs an ALTER GROUP.
pub async fn alter(ctx: &mut Context<'_>, alter: &AlterGroup) -> Result<Body> {
    check::superuser(ctx.user, "alter groups")?;
    lock(ctx).await?;
    let mut group = named(ctx, &alter.name)?;
    match &alter.action {
        GroupAction::Add(names) => {
            for user in users_named(ctx, names)? {
                if !group.users.contains(&user) {
                    group.users.push(user);
                }
            }
        }
        GroupAction::Drop(names) => {
            let gone = users_named(ctx, names)?;
            for (user, name) in gone.iter().zip(names) {
                if !group.users.contains(user) {
                    ctx.notices.push(Notice::warning(
                        SqlState::UNDEFINED_OBJECT,
                        format!("user \"{name}\" is not in group \"{}\"", group.name),
                    ));
                }
            }
            group.users.retain(|user| !gone.contains(user));
        }
        GroupAction::Rename(to) => {
            ensure_free(ctx, to)?;
            group.name.clone_from(to);
        }
    }
    ctx.transaction.change_catalog(put_group(&group)?);
    Ok(Body::done("ALTER GROUP"))
}

/// Runs a DROP GROUP.
pub async fn drop(ctx: &mut Context<'_>, drop: &DropObjects) -> Result<Body> {
    check::superuser(ctx.user, "drop groups")?;
    lock(ctx).await?;
    for name in drop.names.iter().map(|name| &name.name) {
        let catalog = ctx.transaction.catalog()?;
        let Some(group) = catalog.group_named(name) else {
            if drop.if_exists {
                let text = format!("group \"{name}\" does not exist, skipping");
                ctx.notices.push(Notice::skipped(text));
                continue;
            }
            return Err(missing("group", name));
        };
        ensure_unnamed(ctx, Grantee::Group(group.oid), "group", name)?;
        ctx.transaction.change_catalog(remove("group", group.oid));
    }
    Ok(Body::done("DROP GROUP"))
}

/// Makes sure that nobody gave anything to a user, group or role that is to go, nor they to others.
pub(super) fn ensure_unnamed(
    ctx: &mut Context<'_>,
    who: Grantee,
    kind: &str,
    name: &str,
) -> Result<()> {
    // Also what is in other databases.
    let names = ctx.transaction.catalog()?.whole();
    let is_default = names
        .defaults
        .values()
        .any(|defaults| defaults.list.names(who) || Grantee::User(defaults.owner) == who);
    let mut place = is_default.then(|| "There are default privileges.".to_string());
    for oid in lists_naming(ctx, who)? {
        let relation = names.relation(oid);
        let relation = relation.map(|relation| {
            let name = names.qualified_name(relation.schema(), relation.name());
            format!("relation {name}")
        });
        let schema = names.schemas.get(&oid);
        let routine = names.routines.get(&oid);
        let routine = routine.map(|one| format!("{} {}", one.kind.word(), one.signature()));
        let database = names.databases.get(&oid);
        let object = relation
            .or_else(|| schema.map(|schema| format!("schema {}", schema.name)))
            .or(routine)
            .or_else(|| database.map(|database| format!("database {}", database.name)));
        let object = object.unwrap_or_else(|| "a language".to_string());
        place = Some(format!("There are privileges on {object}."));
    }
    match place {
        None => Ok(()),
        Some(place) => Err(blueshift_sql::Error::new(
            SqlState::OBJECT_IN_USE,
            format!(
                "{kind} \"{name}\" can't be dropped because the {kind} has a privilege on some object"
            ),
        )
        .with_detail(place)
        .with_hint("Revoke the privileges first.")
        .into()),
    }
}

/// Gives the oids of the objects whose lists, as they are newest, name somebody.
pub(super) fn lists_naming(ctx: &mut Context<'_>, who: Grantee) -> Result<Vec<Oid>> {
    let committed = ctx.transaction.committed_catalog()?;
    let seen = ctx.transaction.catalog()?;
    let mut named = Vec::new();
    for oid in committed.access.keys().chain(seen.access.keys()) {
        let now = newest(ctx, &access_key(*oid))?;
        let list = now.access.get(oid);
        if list.is_some_and(|list| list.names(who)) && !named.contains(oid) {
            named.push(*oid);
        }
    }
    named.sort_unstable();
    Ok(named)
}
