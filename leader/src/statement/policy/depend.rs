//! What policies hold on to, and what goes when something they are about goes.
//!
//! A lookup table stays as it is while a policy reads it, CASCADE or not, and so do the columns of a table that a row
//! policy on it names. A table that is dropped loses its policies, and so do a user and a role. Source: the manual's
//! "Policy-dependent objects and principles".

use super::protections;
use crate::catalog::access::Grantee;
use crate::catalog::cache::{protection_key, put_protection, remove};
use crate::catalog::name::Relation;
use crate::catalog::policy::Policy;
use crate::catalog::{Catalog, Oid, Table};
use crate::error::{Error, Result};
use crate::statement::context::Context;
use blueshift_sql::SqlState;
use std::sync::Arc;

/// Finds a row policy that looks things up in a relation.
pub(super) fn looking_up(catalog: &Catalog, relation: Oid) -> Option<&Arc<Policy>> {
    let mut policies = catalog.policies.values();
    policies.find(|policy| {
        policy.looks_up(relation)
            && policy.kind() == blueshift_sql::statement::policy::PolicyKind::Rows
    })
}

pub(super) fn is_lookup(relation: &str) -> Error {
    blueshift_sql::Error::new(
        SqlState::OBJECT_IN_USE,
        format!("relation \"{relation}\" is a lookup table of an RLS policy"),
    )
    .with_detail("A lookup table cannot be protected by row-level security itself.")
    .into()
}

pub(super) fn is_target(relation: &str) -> Error {
    blueshift_sql::Error::new(
        SqlState::OBJECT_IN_USE,
        format!("relation \"{relation}\" is protected by row-level security"),
    )
    .with_detail("An RLS policy cannot look things up in such a relation.")
    .into()
}

fn refused(what: &str, policy: &Policy, depends: &str) -> Error {
    let words = policy.kind().words();
    blueshift_sql::Error::new(
        SqlState::DEPENDENT_OBJECTS_STILL_EXIST,
        format!("cannot {what} because a policy depends on it"),
    )
    .with_detail(format!("{words} {} depends on {depends}.", policy.name))
    .with_hint("Detach the policy from the table, or drop the policy, first.")
    .into()
}

/// Gives the policies that are, as seen and as committed.
fn policies(ctx: &mut Context<'_>) -> Result<Vec<Arc<Policy>>> {
    let seen = ctx.transaction.catalog()?.whole();
    let committed = ctx.transaction.committed_catalog()?.whole();
    let mut found: Vec<_> = seen.policies.values().cloned().collect();
    for policy in committed.policies.values() {
        let key = crate::catalog::cache::policy_key(policy.oid);
        if !seen.policies.contains_key(&policy.oid) && !ctx.transaction.has_written(&key) {
            found.push(Arc::clone(policy));
        }
    }
    found.sort_by_key(|policy| policy.oid);
    Ok(found)
}

/// Refuses to drop or rename a relation that a policy looks things up in; `verb` is what is to be done.
pub fn ensure_no_lookup(ctx: &mut Context<'_>, relation: &Relation, verb: &str) -> Result<()> {
    let policies = policies(ctx)?;
    match policies.iter().find(|one| one.looks_up(relation.oid())) {
        None => Ok(()),
        Some(policy) => {
            let named = format!("{} {}", relation.kind(), relation.name());
            Err(refused(&format!("{verb} {named}"), policy, &named))
        }
    }
}

/// Refuses to drop a function that a policy calls.
pub fn ensure_not_called(ctx: &mut Context<'_>, routine: Oid, named: &str) -> Result<()> {
    let policies = policies(ctx)?;
    match policies.iter().find(|one| one.functions.contains(&routine)) {
        None => Ok(()),
        Some(policy) => Err(refused(&format!("drop {named}"), policy, named)),
    }
}

/// Refuses to drop, rename or change the type of a column that a policy names; `verb` is what is to be done.
pub fn ensure_free_column(
    ctx: &mut Context<'_>,
    table: &Table,
    column: &str,
    verb: &str,
) -> Result<()> {
    let policies = policies(ctx)?;
    let id = table.columns.iter().find(|one| one.name == column);
    let id = id.map(|one| one.id);
    let what = format!("{verb} table {} column {column}", table.name);
    let depends = format!("table {} column {column}", table.name);
    let reads = |policy: &&Arc<Policy>| {
        let mut reads = policy.reads.iter();
        reads.any(|(oid, columns)| *oid == table.oid && columns.iter().any(|name| name == column))
    };
    if let Some(policy) = policies.iter().find(reads) {
        return Err(refused(&what, policy, &depends));
    }
    let attached = protections(ctx)?;
    for protection in attached.iter().filter(|one| one.relation == table.oid) {
        let rows = protection.rows.iter().map(|one| one.policy);
        let named = |policy: &&Arc<Policy>| {
            let mut columns = policy.columns.iter();
            rows.clone().any(|oid| oid == policy.oid) && columns.any(|(name, _)| name == column)
        };
        // A mask knows its columns whatever they are called.
        let masks = protection.masks.iter().filter(|mask| {
            let mut columns = mask.outputs.iter().chain(&mask.inputs);
            verb != "rename" && columns.any(|one| Some(*one) == id)
        });
        let mut masks = masks.map(|mask| mask.policy);
        let policy = policies.iter().find(named).or_else(|| {
            let oid = masks.next()?;
            policies.iter().find(|policy| policy.oid == oid)
        });
        if let Some(policy) = policy {
            return Err(refused(&what, policy, &depends));
        }
    }
    Ok(())
}

/// Detaches everything from a relation that is dropped.
pub fn forget_relation(ctx: &mut Context<'_>, relation: Oid) -> Result<()> {
    let is_kept = ctx
        .transaction
        .catalog()?
        .protections
        .contains_key(&relation)
        || ctx
            .transaction
            .committed_catalog()?
            .protections
            .contains_key(&relation);
    if is_kept || ctx.transaction.has_written(&protection_key(relation)) {
        ctx.transaction
            .change_catalog(remove("protection", relation));
    }
    Ok(())
}

/// Detaches everything from a user or role that is dropped. The lock of the list of users is held.
pub fn forget_grantee(ctx: &mut Context<'_>, who: Grantee) -> Result<()> {
    for mut protection in protections(ctx)? {
        let before = protection.rows.len() + protection.masks.len();
        protection.rows.retain(|one| one.grantee != who);
        protection.masks.retain(|one| one.grantee != who);
        if before != protection.rows.len() + protection.masks.len() {
            ctx.transaction.change_catalog(put_protection(&protection)?);
        }
    }
    Ok(())
}
