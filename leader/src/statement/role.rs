//! CREATE ROLE, ALTER ROLE, DROP ROLE, and GRANT and REVOKE of roles and of the system permissions of roles.

use super::answer::Body;
use super::context::Context;
use super::grant::{grantees, lock, missing, tag};
use super::group::ensure_unnamed;
use crate::access::check;
use crate::catalog::User;
use crate::catalog::access::{Grantee, Role, RoleMember, SYS_SUPERUSER_OID};
use crate::catalog::cache::{put_role, put_user, remove};
use crate::error::{Error, Result};
use blueshift_sql::SqlState;
use blueshift_sql::statement::grant::{GrantRole, GrantSystem, POLICY_PRIVILEGES, Principal};
use blueshift_sql::statement::group::{AlterRole, CreateRole, DropRole};

/// Runs a CREATE ROLE.
pub async fn create(ctx: &mut Context<'_>, create: &CreateRole) -> Result<Body> {
    let catalog = ctx.transaction.catalog()?;
    check::system(&catalog, ctx.user, "CREATE ROLE", "create roles")?;
    lock(ctx).await?;
    ensure_free(ctx, &create.name)?;
    let role = Role {
        oid: ctx.server.next_oid()?,
        name: create.name.clone(),
        owner: ctx.user.oid,
        external_id: create.external_id.clone(),
        system: Vec::new(),
        members: Vec::new(),
    };
    ctx.transaction.change_catalog(put_role(&role)?);
    Ok(Body::done("CREATE ROLE"))
}

fn ensure_free(ctx: &mut Context<'_>, name: &str) -> Result<()> {
    let is_reserved = name == "public" || name.starts_with("sys:") || name.starts_with("ds:");
    if is_reserved || name.contains([':', '/', '\n', '.']) {
        return Err(blueshift_sql::Error::new(
            SqlState::INVALID_NAME,
            format!("role name \"{name}\" is reserved"),
        )
        .with_detail("A name without colon, slash, line break and point is needed, and not PUBLIC.")
        .into());
    }
    let seen = ctx.transaction.catalog()?;
    let committed = ctx.transaction.committed_catalog()?;
    for (catalog, is_own) in [(&seen, true), (&committed, false)] {
        let counts = |oid: u32| is_own || ctx.transaction.leaves(oid);
        let role = catalog.role_named(name).filter(|one| counts(one.oid));
        let user = catalog.user_named(name).filter(|one| counts(one.oid));
        let kind = match (role, user) {
            (Some(_), _) => "role",
            (None, Some(_)) => "user",
            (None, None) => continue,
        };
        return Err(Error::new(
            SqlState::DUPLICATE_OBJECT,
            format!("{kind} \"{name}\" already exists"),
        ));
    }
    Ok(())
}

fn named(ctx: &mut Context<'_>, name: &str) -> Result<Role> {
    let catalog = ctx.transaction.catalog()?;
    let role = catalog
        .role_named(name)
        .ok_or_else(|| missing("role", name))?;
    Ok(Role::clone(role))
}

/// Tells whether the user may change a role and give it on: its owner, who has it with the option, and superusers;
/// the roles of the system also by who may create roles.
fn administers(ctx: &mut Context<'_>, role: &Role) -> Result<bool> {
    let catalog = ctx.transaction.catalog()?;
    let user = ctx.user.oid;
    if catalog.is_superuser(ctx.user) {
        return Ok(true);
    }
    let is_own = role.owner == user && !role.is_system();
    Ok(is_own
        || role
            .members
            .iter()
            .any(|member| member.admin && member.who == Grantee::User(user)))
}

fn ensure_administers(ctx: &mut Context<'_>, role: &Role) -> Result<()> {
    match administers(ctx, role)? {
        true => Ok(()),
        false => Err(blueshift_sql::Error::new(
            SqlState::INSUFFICIENT_PRIVILEGE,
            format!("permission denied for role {}", role.name),
        )
        .with_hint("Its owner can grant it WITH ADMIN OPTION.")
        .into()),
    }
}

fn ensure_not_of_system(role: &Role) -> Result<()> {
    match role.is_system() {
        true => Err(Error::new(
            SqlState::INSUFFICIENT_PRIVILEGE,
            format!(
                "role \"{}\" belongs to the system and cannot be changed",
                role.name
            ),
        )),
        false => Ok(()),
    }
}

/// Runs an ALTER ROLE.
pub async fn alter(ctx: &mut Context<'_>, alter: &AlterRole) -> Result<Body> {
    lock(ctx).await?;
    let mut role = named(ctx, &alter.name)?;
    ensure_not_of_system(&role)?;
    ensure_administers(ctx, &role)?;
    if let Some(name) = &alter.rename {
        ensure_free(ctx, name)?;
        role.name.clone_from(name);
    }
    if let Some(owner) = &alter.owner {
        role.owner = super::alter_table::user_named(ctx, owner)?.oid;
    }
    if let Some(id) = &alter.external_id {
        role.external_id = Some(id.clone());
    }
    ctx.transaction.change_catalog(put_role(&role)?);
    Ok(Body::done("ALTER ROLE"))
}

/// Runs a DROP ROLE.
pub async fn drop(ctx: &mut Context<'_>, drop: &DropRole) -> Result<Body> {
    lock(ctx).await?;
    let role = named(ctx, &drop.name)?;
    ensure_not_of_system(&role)?;
    let catalog = ctx.transaction.catalog()?;
    if !catalog.has_system_privilege(ctx.user, "DROP ROLE") {
        ensure_administers(ctx, &role)?;
    }
    let holds: Vec<_> = catalog
        .roles
        .values()
        .filter(|other| {
            other
                .members
                .iter()
                .any(|one| one.who == Grantee::Role(role.oid))
        })
        .cloned()
        .collect();
    if !drop.force {
        let reason = match role.members.first().map(|member| member.who) {
            Some(Grantee::Role(_)) => Some("it has been granted on another role"),
            Some(_) => Some("it has been granted on a user"),
            None if !holds.is_empty() => Some("it depends on another role"),
            None => None,
        };
        if let Some(reason) = reason {
            return Err(blueshift_sql::Error::new(
                SqlState::DEPENDENT_OBJECTS_STILL_EXIST,
                format!("cannot drop this role since {reason}"),
            )
            .with_hint("Use DROP ROLE ... FORCE.")
            .into());
        }
        ensure_unnamed(ctx, Grantee::Role(role.oid), "role", &role.name)?;
    }
    for other in holds {
        let mut other = Role::clone(&other);
        other
            .members
            .retain(|one| one.who != Grantee::Role(role.oid));
        ctx.transaction.change_catalog(put_role(&other)?);
    }
    super::grant::forget(ctx, Grantee::Role(role.oid))?;
    super::policy::depend::forget_grantee(ctx, Grantee::Role(role.oid))?;
    ctx.transaction.change_catalog(remove("role", role.oid));
    Ok(Body::done("DROP ROLE"))
}

/// Runs a GRANT ROLE or REVOKE ROLE.
pub async fn grant(ctx: &mut Context<'_>, grant: &GrantRole) -> Result<Body> {
    lock(ctx).await?;
    let to = grantees(ctx, &grant.to)?;
    for name in &grant.roles {
        let mut role = named(ctx, name)?;
        let catalog = ctx.transaction.catalog()?;
        let gives_roles = role.is_system()
            && role.oid != SYS_SUPERUSER_OID
            && catalog.has_system_privilege(ctx.user, "CREATE ROLE");
        if !gives_roles {
            ensure_administers(ctx, &role)?;
        }
        for (who, admin) in &to {
            if matches!(who, Grantee::Group(_)) {
                return Err(Error::new(
                    SqlState::INVALID_GRANT_OPERATION,
                    "a role cannot be granted to a group",
                ));
            }
            if let Grantee::Role(inner) = who
                && !grant.way.revoke
                && (*inner == role.oid || catalog.is_member(Grantee::Role(role.oid), *inner))
            {
                return Err(Error::new(
                    SqlState::INVALID_GRANT_OPERATION,
                    format!(
                        "role \"{}\" cannot be granted: a role cannot be a member of itself",
                        role.name
                    ),
                ));
            }
            let known = role.members.iter().position(|member| member.who == *who);
            match (grant.way.revoke, grant.way.option_only) {
                (false, _) => match known.and_then(|at| role.members.get_mut(at)) {
                    Some(member) => member.admin |= *admin,
                    None => role.members.push(RoleMember {
                        who: *who,
                        admin: *admin,
                    }),
                },
                (true, true) => {
                    if let Some(member) = known.and_then(|at| role.members.get_mut(at)) {
                        member.admin = false;
                    }
                }
                (true, false) => role.members.retain(|member| member.who != *who),
            }
        }
        ctx.transaction.change_catalog(put_role(&role)?);
    }
    Ok(Body::done(tag(grant.way)))
}

/// Runs a GRANT or REVOKE of system permissions.
pub async fn grant_system(ctx: &mut Context<'_>, grant: &GrantSystem) -> Result<Body> {
    let catalog = ctx.transaction.catalog()?;
    let of_policies = grant
        .privileges
        .iter()
        .all(|name| POLICY_PRIVILEGES.contains(name));
    if !(of_policies && catalog.is_security_administrator(ctx.user)) {
        check::superuser(ctx.user, "grant or revoke system permissions")?;
    }
    lock(ctx).await?;
    for to in &grant.to {
        match to {
            Principal::User(name) => {
                let catalog = ctx.transaction.catalog()?;
                let user = catalog.user_named(name);
                let mut user = User::clone(user.ok_or_else(|| missing("user", name))?);
                change_system(&mut user.system, grant);
                ctx.transaction.change_catalog(put_user(&user)?);
            }
            Principal::Role(name) => {
                let mut role = named(ctx, name)?;
                ensure_not_of_system(&role)?;
                change_system(&mut role.system, grant);
                ctx.transaction.change_catalog(put_role(&role)?);
            }
            // The parser lets no other through.
            Principal::Group(_) | Principal::Public => {}
        }
    }
    Ok(Body::done(tag(grant.way)))
}

fn change_system(held: &mut Vec<String>, grant: &GrantSystem) {
    for privilege in &grant.privileges {
        held.retain(|known| known != privilege);
        if !grant.way.revoke {
            held.push((*privilege).to_string());
        }
    }
    held.sort();
}
