//! `mask_get_policy_for_role_on_column()` and `mask_get_policy_for_user_on_column()`: which mask somebody sees.
//!
//! Source: the manual's SVV_ATTACHED_MASKING_POLICY, "Internal functions". Security administrators are answered.

use super::catalog::Add;
use super::{Arg, Body, refuse};
use crate::catalog::access::Grantee;
use crate::catalog::policy::AttachedMask;
use crate::system::SystemContext;
use arrow_schema::DataType;
use blueshift_sql::{Error, SqlState};
use datafusion::common::ScalarValue;
use datafusion::error::Result;
use std::sync::Arc;

/// Adds both.
pub(super) fn add_all(ctx: &Arc<SystemContext>, add: &mut Add<'_>) {
    let mut one = |name, body: fn(&SystemContext, &[Arg]) -> Result<ScalarValue>| {
        let shared = ctx.clone();
        let body: Body = Arc::new(move |args| body(&shared, args));
        add(name, &[4], DataType::Utf8View, body);
    };
    one("mask_get_policy_for_role_on_column", of_role);
    one("mask_get_policy_for_user_on_column", of_user);
}

fn of_role(ctx: &SystemContext, args: &[Arg]) -> Result<ScalarValue> {
    named(ctx, args, |name| {
        let role = ctx.catalog.role_named(name)?.oid;
        Some(Box::new(move |grantee| match grantee {
            Grantee::Public => true,
            Grantee::Role(other) => {
                other == role || ctx.catalog.is_member(Grantee::Role(role), other)
            }
            Grantee::User(_) | Grantee::Group(_) => false,
        }))
    })
}

fn of_user(ctx: &SystemContext, args: &[Arg]) -> Result<ScalarValue> {
    named(ctx, args, |name| {
        let user = ctx.catalog.user_named(name)?.oid;
        Some(Box::new(move |grantee| ctx.catalog.is(user, grantee)))
    })
}

type Holds<'a> = Box<dyn Fn(Grantee) -> bool + 'a>;

/// Names the mask of highest priority on a column, of those that hold for somebody; null if there is none.
fn named<'a>(
    ctx: &'a SystemContext,
    args: &[Arg],
    holder: impl FnOnce(&str) -> Option<Holds<'a>>,
) -> Result<ScalarValue> {
    if !ctx.catalog.is_security_administrator(&ctx.user) {
        return Err(refuse(Error::new(
            SqlState::INSUFFICIENT_PRIVILEGE,
            "permission denied: must be superuser or have role sys:secadmin to ask for masking policies",
        )));
    }
    let [
        Arg::Text(schema),
        Arg::Text(relation),
        Arg::Text(column),
        Arg::Text(name),
    ] = args
    else {
        return Ok(ScalarValue::Utf8View(None));
    };
    let policy = || {
        let holds = holder(name)?;
        let schema = ctx.catalog.schema_named(schema)?;
        let relation = ctx.catalog.relation_named(schema.oid, relation)?;
        let protection = ctx.catalog.protections.get(&relation.oid())?;
        let mut columns = relation.columns().iter();
        let column = columns.find(|one| one.name == *column)?.id;
        let masks = protection.masks.iter();
        let of_column =
            |mask: &&AttachedMask| mask.outputs.contains(&column) && holds(mask.grantee);
        let mask = masks.filter(of_column).max_by_key(|mask| mask.priority)?;
        let policy = ctx.catalog.policies.get(&mask.policy)?;
        Some(policy.name.clone())
    };
    Ok(ScalarValue::Utf8View(policy()))
}
