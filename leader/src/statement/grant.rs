//! GRANT and REVOKE on objects.
//!
//! Statements about who may do what come one after the other: each holds the lock of the list of users to its end, and
//! changes the lists as last committed. An object that is granted on is kept from being dropped meanwhile.

use super::answer::{Body, Notice};
use super::context::{Context, no_schema};
use super::names::Named;
use crate::catalog::access::{AccessItem, AccessList, Grantee, Object, ObjectKind, Privileges};
use crate::catalog::cache::{access_key, put_access, remove};
use crate::catalog::name::Relation;
use crate::catalog::routine::Routine;
use crate::catalog::{Catalog, Oid, language};
use crate::error::{Error, Result};
use crate::transaction::lock::{Lockable, Mode};
use blueshift_sql::SqlState;
use blueshift_sql::statement::ObjectName;
use blueshift_sql::statement::grant::{
    Grant, GrantObject, GrantTo, GrantWay, Principal, Privilege, PrivilegeItem, RoutineName,
};
use blueshift_sql::statement::routine::{RoutineKind, RoutineType};
use std::sync::Arc;

/// Runs a GRANT or REVOKE.
pub async fn run(ctx: &mut Context<'_>, grant: &Grant) -> Result<Body> {
    lock(ctx).await?;
    let to = grantees(ctx, &grant.to)?;
    if let GrantObject::Scope(scope) = &grant.object {
        super::scope::change(ctx, grant, scope, &to).await?;
        return Ok(Body::done(tag(grant.way)));
    }
    let targets = targets(ctx, &grant.object).await?;
    for target in &targets {
        change(ctx, target, grant, &to)?;
    }
    Ok(Body::done(tag(grant.way)))
}

/// Gives the tag of a statement.
pub(super) fn tag(way: GrantWay) -> &'static str {
    match way.revoke {
        true => "REVOKE",
        false => "GRANT",
    }
}

/// Keeps others from changing who may do what.
pub(super) async fn lock(ctx: &mut Context<'_>) -> Result<()> {
    ctx.transaction.lock(Lockable::Users, Mode::Exclusive).await
}

/// Gives the catalog that holds what is newest under a key: the transaction's own if it wrote it, else the committed.
pub(super) fn newest(ctx: &mut Context<'_>, key: &str) -> Result<Arc<Catalog>> {
    match ctx.transaction.has_written(key) {
        true => ctx.transaction.catalog(),
        false => ctx.transaction.committed_catalog(),
    }
}

/// Gives an object's access list as it is newest.
pub(super) fn access_now(ctx: &mut Context<'_>, object: Object) -> Result<AccessList> {
    Ok(newest(ctx, &access_key(object.oid))?.access_of(object))
}

/// Writes an access list; one as the object was born with is not kept.
pub(super) fn put(ctx: &mut Context<'_>, object: Object, list: &AccessList) -> Result<()> {
    let change = match *list == AccessList::initial(object) {
        true => remove("access", object.oid),
        false => put_access(object.oid, list)?,
    };
    ctx.transaction.change_catalog(change);
    Ok(())
}

/// Gives an object's access list to a new owner. The lock of the list of users is held.
pub(super) fn change_owner(ctx: &mut Context<'_>, object: Object, owner: Oid) -> Result<()> {
    let mut list = access_now(ctx, object)?;
    list.change_owner(object.owner, owner);
    put(ctx, Object { owner, ..object }, &list)
}

/// Writes the list that a new object begins with, if its owner's default privileges say something.
pub(super) fn born(ctx: &mut Context<'_>, object: Object, schema: Oid) -> Result<()> {
    let catalog = ctx.transaction.catalog()?;
    match catalog.default_access(object, schema) {
        Some(list) => put(ctx, object, &list),
        None => Ok(()),
    }
}

/// Finds a user, group or role.
pub(super) fn grantee(ctx: &mut Context<'_>, who: &Principal) -> Result<Grantee> {
    let catalog = ctx.transaction.catalog()?;
    let (found, kind, name) = match who {
        Principal::Public => return Ok(Grantee::Public),
        Principal::User(name) => {
            let user = catalog.user_named(name);
            (user.map(|user| Grantee::User(user.oid)), "user", name)
        }
        Principal::Group(name) => {
            let group = catalog.group_named(name);
            (group.map(|group| Grantee::Group(group.oid)), "group", name)
        }
        Principal::Role(name) => {
            let role = catalog.role_named(name);
            (role.map(|role| Grantee::Role(role.oid)), "role", name)
        }
    };
    found.ok_or_else(|| missing(kind, name))
}

/// The refusal of a user, group or role that is not there.
pub(super) fn missing(kind: &str, name: &str) -> Error {
    Error::new(
        SqlState::UNDEFINED_OBJECT,
        format!("{kind} \"{name}\" does not exist"),
    )
}

/// Finds everybody who gets or loses something, with whether they get the option to give it on.
pub(super) fn grantees(ctx: &mut Context<'_>, to: &[GrantTo]) -> Result<Vec<(Grantee, bool)>> {
    let found = to.iter().map(|to| Ok((grantee(ctx, &to.who)?, to.option)));
    found.collect()
}

/// An object that is granted on.
struct Target {
    object: Object,
    name: String,
    relation: Option<Relation>,
}

impl Target {
    fn of_routine(routine: &Routine) -> Self {
        Self {
            object: routine.into(),
            name: routine.signature(),
            relation: None,
        }
    }

    fn of_relation(relation: Relation) -> Self {
        Self {
            object: (&relation).into(),
            name: relation.name().to_string(),
            relation: Some(relation),
        }
    }
}

async fn targets(ctx: &mut Context<'_>, object: &GrantObject) -> Result<Vec<Target>> {
    let mut targets = Vec::new();
    match object {
        GrantObject::Tables(names) => {
            for name in names {
                targets.push(Target::of_relation(relation(ctx, name).await?));
            }
        }
        GrantObject::AllTables(schemas) => {
            for name in schemas {
                let schema = schema_named(ctx, name)?;
                let catalog = ctx.transaction.catalog()?;
                for relation in catalog.relations_in(schema.oid) {
                    keep(ctx, relation.oid()).await?;
                    targets.push(Target::of_relation(relation));
                }
            }
        }
        GrantObject::Schemas(names) => {
            for name in names {
                let schema = schema_named(ctx, name)?;
                ctx.transaction
                    .lock(Lockable::Schema(schema.oid), Mode::Append)
                    .await?;
                targets.push(Target {
                    object: schema.as_ref().into(),
                    name: schema.name.clone(),
                    relation: None,
                });
            }
        }
        GrantObject::Databases(names) => {
            for name in names {
                let catalog = ctx.transaction.catalog()?;
                let database = catalog.database_named(name)?;
                targets.push(Target {
                    object: database.as_ref().into(),
                    name: name.clone(),
                    relation: None,
                });
            }
        }
        GrantObject::Functions(names) => {
            for name in names {
                targets.push(routine(ctx, name, RoutineKind::Function).await?);
            }
        }
        GrantObject::Procedures(names) => {
            for name in names {
                targets.push(routine(ctx, name, RoutineKind::Procedure).await?);
            }
        }
        GrantObject::AllFunctions(schemas) => {
            routines_in(ctx, schemas, RoutineKind::Function, &mut targets).await?;
        }
        GrantObject::AllProcedures(schemas) => {
            routines_in(ctx, schemas, RoutineKind::Procedure, &mut targets).await?;
        }
        // Has no objects of its own.
        GrantObject::Scope(_) => {}
        GrantObject::Languages(names) => {
            for name in names {
                targets.push(Target {
                    object: language::named(name).ok_or_else(|| missing("language", name))?,
                    name: name.clone(),
                    relation: None,
                });
            }
        }
    }
    Ok(targets)
}

/// Finds a function or procedure by its signature and keeps it from being dropped.
async fn routine(ctx: &mut Context<'_>, wanted: &RoutineName, kind: RoutineKind) -> Result<Target> {
    let find = |ctx: &mut Context<'_>| -> Result<Arc<Routine>> {
        let names = ctx.names_to_write()?;
        let types: Vec<String> = wanted
            .arguments
            .iter()
            .map(|ty| RoutineType::Sql(*ty).signature())
            .collect();
        let found = super::routine::named(&names, &wanted.name, kind)?;
        let is_it = |one: &Arc<Routine>| {
            one.inputs().map(RoutineType::signature).collect::<Vec<_>>() == types
        };
        let name = &wanted.name.name;
        let missing = || super::routine::missing(&names, kind, name, Some(&types.join(", ")));
        found.into_iter().find(is_it).ok_or_else(missing)
    };
    let found = find(ctx)?;
    keep(ctx, found.oid).await?;
    // As of after the lock.
    Ok(Target::of_routine(&*find(ctx)?))
}

/// Finds all functions or procedures of some schemas and keeps them from being dropped.
async fn routines_in(
    ctx: &mut Context<'_>,
    schemas: &[String],
    kind: RoutineKind,
    targets: &mut Vec<Target>,
) -> Result<()> {
    for name in schemas {
        let schema = schema_named(ctx, name)?;
        let catalog = ctx.transaction.catalog()?;
        let routines = catalog.routines.values();
        let inside = routines.filter(|one| one.schema == schema.oid && one.kind == kind);
        for routine in inside {
            keep(ctx, routine.oid).await?;
            targets.push(Target::of_routine(routine));
        }
    }
    Ok(())
}

/// Finds a table or view and keeps it from being dropped.
async fn relation(ctx: &mut Context<'_>, name: &ObjectName) -> Result<Relation> {
    let found = find(ctx, name)?;
    keep(ctx, found.oid()).await?;
    // As of after the lock.
    find(ctx, name)
}

async fn keep(ctx: &mut Context<'_>, oid: Oid) -> Result<()> {
    ctx.transaction
        .lock(Lockable::Relation(oid), Mode::Append)
        .await
}

fn find(ctx: &mut Context<'_>, name: &ObjectName) -> Result<Relation> {
    match ctx.names_to_write()?.find(name)? {
        Named::Relation(relation) => Ok(relation),
        Named::External(_, table) => {
            let refused = super::external::refused("GRANT or REVOKE", &table.name);
            let hint = "Grant USAGE on its schema: whoever may use an external schema may read its tables.";
            match refused {
                Error::Sql(refused) => Err(refused.with_hint(hint).into()),
                other => Err(other),
            }
        }
        Named::System(table) => Err(blueshift_sql::Error::unsupported(
            format!("GRANT or REVOKE on system table \"{}\"", table.name()),
            "Grant ACCESS SYSTEM TABLE to a role, or SYSLOG ACCESS UNRESTRICTED to a user.",
        )
        .into()),
    }
}

fn schema_named(ctx: &mut Context<'_>, name: &str) -> Result<Arc<crate::catalog::Schema>> {
    let catalog = ctx.transaction.catalog()?;
    let schema = catalog.schema_named(name).cloned();
    schema.ok_or_else(|| no_schema(name, &catalog))
}

/// Changes one object's list.
fn change(
    ctx: &mut Context<'_>,
    target: &Target,
    grant: &Grant,
    to: &[(Grantee, bool)],
) -> Result<()> {
    let object = target.object;
    let catalog = ctx.transaction.catalog()?;
    let grantable = catalog.grantable(ctx.user, object);
    // What a superuser and a member of the owner's roles do is done as the owner.
    let grantor = match catalog.is_superuser(ctx.user) {
        true => object.owner,
        false => ctx.user.oid,
    };
    let before = access_now(ctx, object)?;
    let mut list = before.clone();
    for item in &grant.privileges {
        let wanted = wanted(target, item)?;
        if wanted.and(grantable).is_empty() {
            return Err(denied(target));
        }
        let given = wanted.and(grantable);
        if given != wanted && item.privilege.is_none() {
            let word = if grant.way.revoke {
                "revoked"
            } else {
                "granted"
            };
            ctx.notices.push(Notice::warning(
                SqlState::SUCCESSFUL_COMPLETION,
                format!("not all privileges were {word} for \"{}\"", target.name),
            ));
        }
        if item.columns.is_empty() {
            whole(&mut list, target, grant.way, grantor, given, to)?;
        } else {
            let is_owner = catalog.is_superuser(ctx.user) || object.owner == ctx.user.oid;
            if !is_owner {
                return Err(denied(target));
            }
            for column in columns(target, &item.columns)? {
                on_column(&mut list, target, grant.way, grantor, given, (to, column))?;
            }
        }
    }
    if grant.way.revoke {
        dependents(&mut list, object, grant.way, &target.name)?;
    }
    if list != before {
        put(ctx, object, &list)?;
    }
    Ok(())
}

fn denied(target: &Target) -> Error {
    let kind = target.object.kind.word();
    Error::new(
        SqlState::INSUFFICIENT_PRIVILEGE,
        format!("permission denied for {kind} {}", target.name),
    )
}

/// Gives the privileges an item means for this object.
fn wanted(target: &Target, item: &PrivilegeItem) -> Result<Privileges> {
    let kind = target.object.kind;
    let is_view = matches!(target.relation, Some(Relation::View(_)));
    let possible = match (item.columns.is_empty(), is_view) {
        (true, _) => kind.all(),
        (false, _) if kind != ObjectKind::Relation => Privileges::NONE,
        (false, false) => Privileges::of(&[Privilege::Select, Privilege::Update]),
        (false, true) => Privileges::of(&[Privilege::Select]),
    };
    let Some(privilege) = item.privilege else {
        return Ok(possible);
    };
    if possible.has(privilege) {
        return Ok(Privileges::of(&[privilege]));
    }
    let on = match (item.columns.is_empty(), is_view) {
        (true, _) => kind.word().to_string(),
        (false, true) => "column of a view".to_string(),
        (false, false) => "column".to_string(),
    };
    Err(blueshift_sql::Error::new(
        SqlState::INVALID_GRANT_OPERATION,
        format!("invalid privilege type {} for {on}", privilege.name()),
    )
    .with_hint(format!(
        "Use {}.",
        possible
            .iter()
            .map(Privilege::name)
            .collect::<Vec<_>>()
            .join(", ")
    ))
    .into())
}

/// Gives the ids of columns.
fn columns(target: &Target, names: &[String]) -> Result<Vec<u32>> {
    let Some(relation) = &target.relation else {
        return Err(Error::new(
            SqlState::INVALID_GRANT_OPERATION,
            format!("a {} has no columns", target.object.kind.word()),
        ));
    };
    let id = |name: &String| {
        let column = relation
            .columns()
            .iter()
            .find(|column| column.name == *name);
        column.map(|column| column.id).ok_or_else(|| {
            Error::new(
                SqlState::UNDEFINED_COLUMN,
                format!(
                    "column \"{name}\" of relation \"{}\" does not exist",
                    target.name
                ),
            )
        })
    };
    names.iter().map(id).collect()
}

/// Grants or revokes on the whole object.
fn whole(
    list: &mut AccessList,
    target: &Target,
    way: GrantWay,
    grantor: Oid,
    privileges: Privileges,
    to: &[(Grantee, bool)],
) -> Result<()> {
    for (grantee, option) in to {
        if way.revoke {
            // A privilege of the whole object goes with those of its columns.
            list.take(privileges, way.option_only, |item| {
                item.grantee == *grantee && item.grantor == grantor
            });
            continue;
        }
        let on_columns = list
            .items
            .iter()
            .filter(|item| item.grantee == *grantee && item.column.is_some());
        for held in on_columns {
            if let Some(privilege) = held.privileges.and(privileges).iter().next() {
                return Err(blueshift_sql::Error::new(
                    SqlState::INVALID_GRANT_OPERATION,
                    format!(
                        "cannot grant {} on relation \"{}\": it is held on columns of it",
                        privilege.name(),
                        target.name
                    ),
                )
                .with_hint("Revoke the privilege on the columns first.")
                .into());
            }
        }
        let grantable = if *option {
            privileges
        } else {
            Privileges::NONE
        };
        list.give(*grantee, grantor, None, privileges, grantable);
    }
    Ok(())
}

/// Grants or revokes on one column. A privilege on the whole is not held on a column too.
fn on_column(
    list: &mut AccessList,
    target: &Target,
    way: GrantWay,
    grantor: Oid,
    privileges: Privileges,
    (to, column): (&[(Grantee, bool)], u32),
) -> Result<()> {
    for (grantee, option) in to {
        if *option || way.option_only {
            return Err(Error::new(
                SqlState::INVALID_GRANT_OPERATION,
                "the grant option is not supported for privileges on columns",
            ));
        }
        let on_whole = list
            .items
            .iter()
            .filter(|item| item.grantee == *grantee && item.column.is_none())
            .fold(Privileges::NONE, |all, item| all.with(item.privileges))
            .and(privileges);
        if way.revoke {
            if let Some(privilege) = on_whole.iter().next() {
                return Err(blueshift_sql::Error::new(
                    SqlState::INVALID_GRANT_OPERATION,
                    format!(
                        "cannot revoke {} on columns of relation \"{}\": it is held on the whole relation",
                        privilege.name(),
                        target.name
                    ),
                )
                .with_hint("Revoke it on the relation, then grant it on the other columns.")
                .into());
            }
            list.take(privileges, false, |item| {
                item.grantee == *grantee && item.grantor == grantor && item.column == Some(column)
            });
            continue;
        }
        let given = privileges.without(on_whole);
        list.give(*grantee, grantor, Some(column), given, Privileges::NONE);
    }
    Ok(())
}

/// Takes what was given by those who no longer may, or refuses without CASCADE.
pub(super) fn dependents(
    list: &mut AccessList,
    object: Object,
    way: GrantWay,
    name: &str,
) -> Result<()> {
    loop {
        let without_right = |item: &AccessItem| -> Privileges {
            if item.grantor == object.owner {
                return Privileges::NONE;
            }
            let right = list
                .items
                .iter()
                .filter(|right| right.grantee == Grantee::User(item.grantor))
                .fold(Privileges::NONE, |all, right| all.with(right.grantable));
            item.privileges.without(right)
        };
        let lost = list
            .items
            .iter()
            .map(|item| (*item, without_right(item)))
            .find(|(_, lost)| !lost.is_empty());
        let Some((dependent, lost)) = lost else {
            return Ok(());
        };
        if !way.cascade {
            return Err(blueshift_sql::Error::new(
                SqlState::DEPENDENT_OBJECTS_STILL_EXIST,
                "dependent privileges exist",
            )
            .with_detail(format!("They were granted on to others for {name}."))
            .with_hint("Use CASCADE to revoke them too.")
            .into());
        }
        list.take(lost, false, |item| {
            item.grantee == dependent.grantee
                && item.grantor == dependent.grantor
                && item.column == dependent.column
        });
    }
}

/// Takes away everything a user, group or role holds. The lock of the list of users is held.
pub(super) fn forget(ctx: &mut Context<'_>, who: Grantee) -> Result<()> {
    for oid in super::group::lists_naming(ctx, who)? {
        let now = newest(ctx, &access_key(oid))?;
        let Some(list) = now.access.get(&oid) else {
            continue;
        };
        let mut list = AccessList::clone(list);
        list.items.retain(|item| item.grantee != who);
        ctx.transaction.change_catalog(put_access(oid, &list)?);
    }
    let seen = ctx.transaction.catalog()?;
    for (key, defaults) in &seen.defaults {
        if defaults.list.names(who) {
            let mut defaults = crate::catalog::access::DefaultAccess::clone(defaults);
            defaults.list.items.retain(|item| item.grantee != who);
            let change = crate::catalog::cache::put_default_access(*key, Some(&defaults))?;
            ctx.transaction.change_catalog(change);
        }
    }
    Ok(())
}
