//! ATTACH and DETACH of policies.

use super::row_security::protection_of;
use super::{depend, ensure_administrator, find, is_alike, mask};
use crate::catalog::access::{Grantee, SYS_SECADMIN_OID, SYS_SUPERUSER_OID};
use crate::catalog::cache::put_protection;
use crate::catalog::name::Relation;
use crate::catalog::policy::{AttachedRows, Policy, Protection};
use crate::error::{Error, Result};
use crate::statement::answer::Body;
use crate::statement::context::Context;
use crate::statement::create_table::is_temporary;
use crate::statement::grant::{grantee, lock};
use crate::statement::names::Named;
use crate::transaction::lock::{Lockable, Mode};
use blueshift_sql::SqlState;
use blueshift_sql::statement::ObjectName;
use blueshift_sql::statement::policy::{AttachPolicy, PolicyKind};

/// Runs an ATTACH RLS POLICY or ATTACH MASKING POLICY.
pub async fn attach(ctx: &mut Context<'_>, attach: &AttachPolicy) -> Result<Body> {
    let words = attach.kind.words();
    ensure_administrator(ctx, &format!("attach {words}"))?;
    lock(ctx).await?;
    let policy = find(ctx, attach.kind, &attach.name)?;
    let grantees = grantees(ctx, attach)?;
    for name in &attach.tables {
        let relation = target(ctx, name, attach.kind).await?;
        let mut protection = protection_of(ctx, relation.oid())?;
        match attach.kind {
            PolicyKind::Rows => {
                ensure_fits(ctx, &policy, &relation, &protection)?;
                for who in &grantees {
                    attach_rows(ctx, &policy, &relation, &mut protection, *who)?;
                }
            }
            PolicyKind::Mask => {
                for who in &grantees {
                    let attached = mask::attachment(ctx, attach, &policy, &relation, *who)?;
                    mask::ensure_free(&protection, &relation, &attached)?;
                    protection.masks.push(attached);
                }
            }
        }
        ctx.transaction.change_catalog(put_protection(&protection)?);
    }
    Ok(Body::done(format!("ATTACH {words}")))
}

/// Runs a DETACH RLS POLICY or DETACH MASKING POLICY.
pub async fn detach(ctx: &mut Context<'_>, detach: &AttachPolicy) -> Result<Body> {
    let words = detach.kind.words();
    ensure_administrator(ctx, &format!("detach {words}"))?;
    lock(ctx).await?;
    let policy = find(ctx, detach.kind, &detach.name)?;
    for name in &detach.tables {
        let relation = target(ctx, name, detach.kind).await?;
        let mut protection = protection_of(ctx, relation.oid())?;
        for who in &detach.to {
            let who = grantee(ctx, who)?;
            let before = protection.rows.len() + protection.masks.len();
            match detach.kind {
                PolicyKind::Rows => protection
                    .rows
                    .retain(|one| one.policy != policy.oid || one.grantee != who),
                PolicyKind::Mask => {
                    let (outputs, paths) = mask::places(&relation, &detach.outputs)?;
                    protection.masks.retain(|one| {
                        one.policy != policy.oid
                            || one.grantee != who
                            || one.outputs != outputs
                            || one.output_paths != paths
                    });
                }
            }
            if before == protection.rows.len() + protection.masks.len() {
                let (name, _) = ctx.transaction.catalog()?.grantee_name(who);
                return Err(Error::new(
                    SqlState::UNDEFINED_OBJECT,
                    format!(
                        "{words} \"{}\" is not attached to relation \"{}\" for \"{name}\"",
                        policy.name,
                        relation.name()
                    ),
                ));
            }
        }
        ctx.transaction.change_catalog(put_protection(&protection)?);
    }
    Ok(Body::done(format!("DETACH {words}")))
}

/// Finds whom a policy is for. Row policies are not for those whom none holds for.
fn grantees(ctx: &mut Context<'_>, attach: &AttachPolicy) -> Result<Vec<Grantee>> {
    let mut found = Vec::new();
    for who in &attach.to {
        let who = grantee(ctx, who)?;
        let catalog = ctx.transaction.catalog()?;
        let is_exempt = match who {
            Grantee::User(oid) => {
                let user = catalog.users.get(&oid);
                user.is_some_and(|user| catalog.is_security_administrator(user))
            }
            Grantee::Role(oid) => [SYS_SECADMIN_OID, SYS_SUPERUSER_OID].contains(&oid),
            Grantee::Public | Grantee::Group(_) => false,
        };
        if is_exempt && attach.kind == PolicyKind::Rows {
            return Err(blueshift_sql::Error::new(
                SqlState::INVALID_GRANT_OPERATION,
                "RLS policies cannot be attached to superusers or sys:secadmin",
            )
            .with_detail("They see all rows.")
            .into());
        }
        found.push(who);
    }
    Ok(found)
}

/// Finds what a policy is attached to or detached from, and keeps it from being dropped or altered meanwhile.
async fn target(ctx: &mut Context<'_>, name: &ObjectName, kind: PolicyKind) -> Result<Relation> {
    let words = kind.words();
    let refused = |what: &str| -> Error {
        let hint = match kind {
            PolicyKind::Rows => "Attach it to the tables below, or to a materialized view.",
            PolicyKind::Mask => "Attach it to the tables below.",
        };
        blueshift_sql::Error::unsupported(format!("{words} on {what} \"{}\"", name.name), hint)
            .into()
    };
    let relation = match ctx.names()?.find(name)? {
        Named::System(_) => return Err(refused("catalog table")),
        Named::External(..) => return Err(refused("external table")),
        Named::Relation(relation) => relation,
    };
    match &relation {
        Relation::Table(table) if is_temporary(table.schema, ctx) => {
            return Err(refused("temporary table"));
        }
        Relation::Table(table) => {
            if let Some(view) = table.view {
                return Err(ctx.names()?.kept_by(view, &table.name).into());
            }
        }
        Relation::View(view) if view.rows_table().is_none() => return Err(refused("view")),
        Relation::View(_) if kind == PolicyKind::Mask => return Err(refused("materialized view")),
        Relation::View(_) => {}
    }
    let on = Lockable::Relation(relation.oid());
    ctx.transaction.lock(on, Mode::Append).await?;
    // As of after the lock.
    match ctx.names()?.find(name)? {
        Named::Relation(after) if after.oid() == relation.oid() => Ok(after),
        _ => Err(ctx.transaction.conflict(relation.oid())),
    }
}

/// Checks that a row policy can look at a relation: it has the columns, and no policy looks things up in it.
fn ensure_fits(
    ctx: &mut Context<'_>,
    policy: &Policy,
    relation: &Relation,
    protection: &Protection,
) -> Result<()> {
    let catalog = ctx.transaction.catalog()?;
    if depend::looking_up(&catalog, relation.oid()).is_some() {
        return Err(depend::is_lookup(relation.name()));
    }
    for (name, ty) in &policy.columns {
        let mut columns = relation.columns().iter();
        let column = columns.find(|column| column.name == *name);
        let column = column.ok_or_else(|| {
            Error::new(
                SqlState::UNDEFINED_COLUMN,
                format!(
                    "column \"{name}\" of RLS policy \"{}\" does not exist in relation \"{}\"",
                    policy.name,
                    relation.name()
                ),
            )
        })?;
        if !is_alike(*ty, column.ty) {
            return Err(Error::new(
                SqlState::DATATYPE_MISMATCH,
                format!(
                    "column \"{name}\" is {ty} in RLS policy \"{}\" and {} in relation \"{}\"",
                    policy.name,
                    column.ty,
                    relation.name()
                ),
            ));
        }
    }
    let others = protection.rows.iter();
    let mut others = others.filter_map(|one| catalog.policies.get(&one.policy));
    match others.find(|other| other.alias != policy.alias) {
        None => Ok(()),
        Some(other) => Err(blueshift_sql::Error::new(
            SqlState::INVALID_PARAMETER_VALUE,
            format!(
                "RLS policies \"{}\" and \"{}\" know relation \"{}\" by different aliases",
                policy.name,
                other.name,
                relation.name()
            ),
        )
        .with_hint("Create the policies of a table with the same alias.")
        .into()),
    }
}

fn attach_rows(
    ctx: &mut Context<'_>,
    policy: &Policy,
    relation: &Relation,
    protection: &mut Protection,
    who: Grantee,
) -> Result<()> {
    let mut rows = protection.rows.iter();
    if rows.any(|one| one.policy == policy.oid && one.grantee == who) {
        let (name, kind) = ctx.transaction.catalog()?.grantee_name(who);
        return Err(Error::new(
            SqlState::DUPLICATE_OBJECT,
            format!(
                "RLS policy \"{}\" is already attached to relation \"{}\" for {kind} \"{name}\"",
                policy.name,
                relation.name()
            ),
        ));
    }
    protection.rows.push(AttachedRows {
        policy: policy.oid,
        grantee: who,
        grantor: ctx.user.oid,
    });
    Ok(())
}
