//! CREATE, ALTER and DROP of RLS POLICY and MASKING POLICY, and the tables that policies may look things up in.
//!
//! Statements about policies come one after the other, as those about permissions do: each holds the lock of the list
//! of users to its end. Source: the manual's CREATE RLS POLICY, CREATE MASKING POLICY and their like.

mod attach;
pub mod depend;
mod mask;
mod restore;
pub mod row_security;

pub use attach::{attach, detach};
pub use restore::restore;

use super::answer::{Body, Notice};
use super::context::Context;
use super::grant::{lock, newest, tag};
use super::names::{Named, SessionNames};
use crate::catalog::cache::{policy_key, put_policy, put_protection, remove};
use crate::catalog::name::Relation;
use crate::catalog::policy::{Policy, Protection};
use crate::catalog::{Catalog, Oid, ViewSource};
use crate::error::{Error, Result};
use crate::transaction::lock::{Lockable, Mode};
use blueshift_sql::statement::grant::GrantWay;
use blueshift_sql::statement::policy::{
    AlterPolicy, CreatePolicy, DropPolicy, GrantToPolicies, PolicyKind, PolicyName,
};
use blueshift_sql::{SqlState, SqlType, binder};
use datafusion::arrow::datatypes::{Field, Schema};
use datafusion::datasource::empty::EmptyTable;
use datafusion::datasource::provider_as_source;
use datafusion::logical_expr::TableSource;
use std::sync::Arc;

/// The name a row policy knows its table by, unless it says another.
const ALIAS: &str = "rls_table";

/// Checks that the user may make policies and say whom they are for.
fn ensure_administrator(ctx: &mut Context<'_>, what: &str) -> Result<()> {
    let catalog = ctx.transaction.catalog()?;
    match catalog.is_security_administrator(ctx.user) {
        true => Ok(()),
        false => Err(blueshift_sql::Error::new(
            SqlState::INSUFFICIENT_PRIVILEGE,
            format!("permission denied: must be superuser or have role sys:secadmin to {what}"),
        )
        .into()),
    }
}

/// Refuses a policy of another database.
fn ensure_here(ctx: &mut Context<'_>, name: &PolicyName) -> Result<()> {
    let catalog = ctx.transaction.catalog()?;
    match &name.database {
        Some(database) if database != catalog.database_name() => {
            catalog.database_named(database)?;
            let what = format!("policy \"{}\"", name.name);
            Err(crate::catalog::database::elsewhere(&what, database))
        }
        _ => Ok(()),
    }
}

/// Finds a policy as it is newest. The lock of the list of users is held.
fn find(ctx: &mut Context<'_>, kind: PolicyKind, name: &PolicyName) -> Result<Policy> {
    ensure_here(ctx, name)?;
    let known = ctx.transaction.catalog()?;
    let known = known.policy_named(kind, &name.name).cloned();
    let newest = match &known {
        None => None,
        Some(policy) => {
            let catalog = newest(ctx, &policy_key(policy.oid))?;
            catalog.policies.get(&policy.oid).cloned()
        }
    };
    newest
        .map(|policy| Policy::clone(&policy))
        .ok_or_else(|| does_not_exist(kind, &name.name))
}

fn does_not_exist(kind: PolicyKind, name: &str) -> Error {
    Error::new(
        SqlState::UNDEFINED_OBJECT,
        format!("{} \"{name}\" does not exist", kind.words()),
    )
}

/// Gives everything that is attached anywhere, as it is newest.
fn protections(ctx: &mut Context<'_>) -> Result<Vec<Protection>> {
    let seen = ctx.transaction.catalog()?.whole();
    let committed = ctx.transaction.committed_catalog()?.whole();
    let mut relations: Vec<Oid> = seen.protections.keys().copied().collect();
    relations.extend(committed.protections.keys());
    relations.sort_unstable();
    relations.dedup();
    let mut found = Vec::new();
    for relation in relations {
        let key = crate::catalog::cache::protection_key(relation);
        let from = match ctx.transaction.has_written(&key) {
            true => &seen,
            false => &committed,
        };
        found.extend(
            from.protections
                .get(&relation)
                .map(|one| Protection::clone(one)),
        );
    }
    Ok(found)
}

/// Runs a CREATE RLS POLICY or CREATE MASKING POLICY.
pub async fn create(ctx: &mut Context<'_>, create: &CreatePolicy) -> Result<Body> {
    let words = create.kind.words();
    ensure_administrator(ctx, &format!("create {words}"))?;
    ensure_here(ctx, &create.name)?;
    lock(ctx).await?;
    let name = &create.name.name;
    let seen = ctx.transaction.catalog()?;
    let committed = ctx.transaction.committed_catalog()?;
    let is_known = |catalog: &Catalog| catalog.policy_named(create.kind, name).is_some();
    let by_others =
        is_known(&committed) && !is_known(&seen) && !has_dropped(ctx, &committed, create);
    if is_known(&seen) || by_others {
        if create.if_not_exists {
            let text = format!("{words} \"{name}\" already exists, skipping");
            ctx.notices.push(Notice::skipped(text));
            return Ok(Body::done(format!("CREATE {words}")));
        }
        return Err(Error::new(
            SqlState::DUPLICATE_OBJECT,
            format!("{words} \"{name}\" already exists"),
        ));
    }
    let policy = Policy {
        oid: ctx.server.next_oid()?,
        database: seen.database,
        decides: create.kind.into(),
        name: name.clone(),
        columns: create.columns.clone(),
        alias: create.alias.clone().unwrap_or_else(|| ALIAS.to_owned()),
        text: create.text.clone(),
        search_path: Vec::new(),
        sources: Vec::new(),
        reads: Vec::new(),
        functions: Vec::new(),
        granted: Vec::new(),
        modified_by: 0,
        modified_us: 0,
    };
    let policy = understood(ctx, policy).await?;
    ctx.transaction.change_catalog(put_policy(&policy)?);
    Ok(Body::done(format!("CREATE {words}")))
}

/// Tells whether the transaction itself took away the committed policy of this name.
fn has_dropped(ctx: &Context<'_>, committed: &Catalog, create: &CreatePolicy) -> bool {
    let policy = committed.policy_named(create.kind, &create.name.name);
    policy.is_some_and(|policy| ctx.transaction.has_written(&policy_key(policy.oid)))
}

/// Runs an ALTER RLS POLICY or ALTER MASKING POLICY.
pub async fn alter(ctx: &mut Context<'_>, alter: &AlterPolicy) -> Result<Body> {
    let words = alter.kind.words();
    ensure_administrator(ctx, &format!("alter {words}"))?;
    lock(ctx).await?;
    let mut policy = find(ctx, alter.kind, &alter.name)?;
    policy.text.clone_from(&alter.text);
    let policy = understood(ctx, policy).await?;
    for protection in protections(ctx)? {
        let is_here = protection.rows.iter().any(|one| one.policy == policy.oid);
        if is_here && policy.looks_up(protection.relation) {
            let catalog = ctx.transaction.catalog()?;
            let name = catalog.relation(protection.relation);
            let name = name.map_or_else(String::new, |one| one.name().to_owned());
            return Err(depend::is_target(&name));
        }
        mask::recheck(ctx, &protection, &policy)?;
    }
    ctx.transaction.change_catalog(put_policy(&policy)?);
    Ok(Body::done(format!("ALTER {words}")))
}

/// Binds the text of a policy, and keeps with it what its names mean.
async fn understood(ctx: &mut Context<'_>, policy: Policy) -> Result<Policy> {
    let names = ctx.names()?;
    let inner = names.for_new_policy();
    let target = columns(&policy);
    match policy.kind() {
        PolicyKind::Rows => {
            binder::bind_row_policy(&inner, target, &policy.alias, &policy.text)?;
        }
        PolicyKind::Mask => {
            binder::bind_mask_policy(&inner, target, &policy.text)?;
        }
    }
    if let Some(table) = inner.external_used() {
        return Err(blueshift_sql::Error::unsupported(
            format!("external table \"{table}\" in a policy"),
            "Look things up in a table of your own.",
        )
        .into());
    }
    let lookups = inner.used();
    for oid in &lookups {
        // Neither may a lookup table go away, nor be altered, between here and the commit.
        ctx.transaction
            .lock(Lockable::Relation(*oid), Mode::Append)
            .await?;
    }
    if policy.kind() == PolicyKind::Rows {
        let protections = protections(ctx)?;
        let target = |oid: &&Oid| {
            let mut of = protections.iter().filter(|one| one.relation == **oid);
            of.any(|one| !one.rows.is_empty() || one.is_on)
        };
        if let Some(oid) = lookups.iter().find(target) {
            let relation = names.catalog().relation(*oid);
            let name = relation.map_or_else(String::new, |one| one.name().to_owned());
            return Err(depend::is_target(&name));
        }
    }
    let sources = inner.written();
    Ok(Policy {
        search_path: names.search_path_names(),
        reads: reads(&names, &sources, &policy.text),
        sources,
        functions: inner.called(),
        granted: lookups,
        modified_by: ctx.user.oid,
        modified_us: crate::history::now_us(),
        ..policy
    })
}

/// Gives a relation of no rows with the columns that a policy declares.
fn columns(policy: &Policy) -> Arc<dyn TableSource> {
    let fields = policy.columns.iter();
    let fields: Vec<Field> = fields.map(|(name, ty)| ty.field(name, true)).collect();
    provider_as_source(Arc::new(EmptyTable::new(Arc::new(Schema::new(fields)))))
}

/// Gives the columns of lookup tables that a text names; `*` names all.
fn reads(names: &SessionNames, sources: &[ViewSource], text: &str) -> Vec<(Oid, Vec<String>)> {
    let is_word = |letter: char| letter.is_alphanumeric() || letter == '_' || letter == '$';
    let lower = text.to_lowercase();
    let words: Vec<&str> = lower.split(|letter| !is_word(letter)).collect();
    let is_read = |name: &str| {
        words.contains(&name) || text.contains(&format!("\"{name}\"")) || text.contains('*')
    };
    let relations = sources
        .iter()
        .filter_map(|source| names.catalog().relation(source.oid));
    relations
        .map(|relation: Relation| {
            let columns = relation.columns().iter().map(|column| column.name.clone());
            (
                relation.oid(),
                columns.filter(|name| is_read(name)).collect(),
            )
        })
        .collect()
}

/// Runs a DROP RLS POLICY or DROP MASKING POLICY.
pub async fn drop(ctx: &mut Context<'_>, drop: &DropPolicy) -> Result<Body> {
    let words = drop.kind.words();
    ensure_administrator(ctx, &format!("drop {words}"))?;
    lock(ctx).await?;
    let policy = match find(ctx, drop.kind, &drop.name) {
        Err(_) if drop.if_exists => {
            let text = format!("{words} \"{}\" does not exist, skipping", drop.name.name);
            ctx.notices.push(Notice::skipped(text));
            return Ok(Body::done(format!("DROP {words}")));
        }
        found => found?,
    };
    let mut attached = protections(ctx)?;
    attached.retain(|protection| {
        let mut masks = protection.masks.iter();
        protection.rows.iter().any(|one| one.policy == policy.oid)
            || masks.any(|one| one.policy == policy.oid)
    });
    if !attached.is_empty() && !drop.cascade {
        let catalog = ctx.transaction.catalog()?;
        let facts = attached.iter().filter_map(|protection| {
            let relation = catalog.relation(protection.relation)?;
            let name = catalog.qualified_name(relation.schema(), relation.name());
            Some(format!("It is attached to {} {name}.", relation.kind()))
        });
        let hint = match drop.kind {
            PolicyKind::Rows => "Detach it first, or use DROP RLS POLICY ... CASCADE.",
            PolicyKind::Mask => "Detach it first with DETACH MASKING POLICY.",
        };
        return Err(blueshift_sql::Error::new(
            SqlState::DEPENDENT_OBJECTS_STILL_EXIST,
            format!("cannot drop {words} {} because it is attached", policy.name),
        )
        .with_detail(facts.collect::<Vec<_>>().join("\n"))
        .with_hint(hint)
        .into());
    }
    for mut protection in attached {
        protection.rows.retain(|one| one.policy != policy.oid);
        ctx.transaction.change_catalog(put_protection(&protection)?);
    }
    ctx.transaction.change_catalog(remove("policy", policy.oid));
    Ok(Body::done(format!("DROP {words}")))
}

/// Runs a GRANT or REVOKE of SELECT on lookup tables to policies.
pub async fn grant(ctx: &mut Context<'_>, grant: &GrantToPolicies) -> Result<Body> {
    ensure_administrator(ctx, "grant to policies")?;
    lock(ctx).await?;
    let mut tables = Vec::new();
    for name in &grant.tables {
        match ctx.names()?.find(name)? {
            Named::Relation(relation) => tables.push(relation.oid()),
            Named::External(_, table) => {
                return Err(blueshift_sql::Error::unsupported(
                    format!("external table \"{}\" in a policy", table.name),
                    "Look things up in a table of your own.",
                )
                .into());
            }
            Named::System(table) => {
                return Err(blueshift_sql::Error::unsupported(
                    format!("catalog table \"{}\" in a policy", table.name()),
                    "Look things up in a table of your own.",
                )
                .into());
            }
        }
    }
    for name in &grant.policies {
        let mut policy = find(ctx, grant.kind, name)?;
        policy.granted.retain(|oid| !tables.contains(oid));
        if !grant.revoke {
            policy.granted.extend(&tables);
        }
        ctx.transaction.change_catalog(put_policy(&policy)?);
    }
    Ok(Body::done(tag(GrantWay {
        revoke: grant.revoke,
        ..GrantWay::default()
    })))
}

/// Tells whether values of one type are values of the other, whatever their sizes.
fn is_alike(one: SqlType, other: SqlType) -> bool {
    use SqlType::{Char, Decimal, Varbyte, Varchar};
    match (one, other) {
        (Char(_) | Varchar(_), Char(_) | Varchar(_))
        | (Decimal { .. }, Decimal { .. })
        | (Varbyte(_), Varbyte(_)) => true,
        _ => one.arrow() == other.arrow(),
    }
}
